"""`ingot source`: a new source from a URL or a file, and what is declared."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from ingot.cli.options import Json

source = typer.Typer(help="Sources: a new one from a URL or a file, and what is declared.", no_args_is_help=True)

Sources = Annotated[Path, typer.Option(help="The folder of the sources.")]


@source.command("new")
def new(
    target: Annotated[
        str, typer.Argument(metavar="URL|FILE", help="The list of an API, with its parameters; or a file.")
    ],
    name: Annotated[str, typer.Option(help="What the source is called: small letters, digits and _.")],
    stream: Annotated[str, typer.Option(help="What its records are called; else the last word of the path.")] = "",
    title: Annotated[str, typer.Option(help="How people call the source.")] = "",
    base_url: Annotated[str, typer.Option(help="The part of the URL that all its streams share.")] = "",
    records: Annotated[str, typer.Option(metavar="PATH", help="Where the records are in an answer (data.items).")] = "",
    key: Annotated[str, typer.Option(metavar="FIELD[,FIELD]", help="What identifies a record.")] = "",
    cursor: Annotated[
        str,
        typer.Option(
            metavar="FIELD=PARAMETER|none",
            help="The field that says when a record last changed, and the parameter that asks for what did since then.",
        ),
    ] = "",
    next_param: Annotated[
        str, typer.Option(metavar="NAME|none", help="The parameter that takes the cursor of the next page.")
    ] = "",
    lookback: Annotated[str, typer.Option(help="With --cursor: how far before the watermark a batch begins.")] = "",
    auth: Annotated[
        str,
        typer.Option(
            metavar="KIND[:NAME=VALUE,…]",
            help="How credentials go onto requests: api_key:header=X-Api-Key, api_key:query=key, bearer, basic, or "
            "oauth2_client_credentials:token_url=/oauth/token. Their values come from INGOT_SOURCE_SECRET, or are "
            "asked; they are written nowhere.",
        ),
    ] = "",
    header: Annotated[
        list[str] | None, typer.Option(metavar="NAME:VALUE", help="Sent with each request; no credential.")
    ] = None,
    file: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=VALUE", help="How a file is read, as files: has it (decimal=, or dates=%d.%m.%Y)."),
    ] = None,
    classify: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FIELD=CLASS", help="Another classification than the inferred one (address.city=internal)."
        ),
    ] = None,
    schedule: Annotated[str, typer.Option(help="When it is asked: a cron expression in UTC, or its name.")] = "@daily",
    start_date: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="The first day that is taken; else today.")
    ] = None,
    max_reject_rate: Annotated[
        float, typer.Option(min=0, max=1, help="The share of refused records that stops a batch.")
    ] = 0.1,
    pages: Annotated[int, typer.Option(min=1, help="How many pages are sampled.")] = 10,
    further: Annotated[int, typer.Option(min=0, help="How many pages more are held to what was inferred.")] = 3,
    requests: Annotated[int, typer.Option(min=3, help="How many requests may find out how pages follow.")] = 60,
    requests_per_second: Annotated[float, typer.Option(min=0.01, help="No faster than this.")] = 5.0,
    sources: Sources = Path("sources"),
    dbt: Annotated[Path, typer.Option(help="The dbt project.")] = Path("dbt"),
    docs: Annotated[Path, typer.Option(help="The folder of the documentation.")] = Path("docs"),
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Write nothing.")] = False,
    add: Annotated[bool, typer.Option("--add", help="One more stream of a source that there is.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Write over files that are there.")] = False,
    yes: Annotated[
        bool, typer.Option("--yes", "-y", help="Do not ask: take the safe answer, and fail where there is none.")
    ] = False,
    json: Json = False,
) -> None:
    """Make a working source: sample it, infer its declaration and contract, and show what the gate says of the sample.

    Every inferred rule has its evidence beside it. What a sample cannot show is asked; with --yes it is taken from the
    options, else the safe answer, and it fails where there is none. All files are written, or none. Exit code 1 if the
    gate refuses records of the sample.

    Example: ingot source new https://fakestoreapi.com/products --name shop --yes

    Example: ingot source new prices.csv --name suppliers --key article --yes

    Example: ingot source new "https://api.example.com/v1/orders?limit=100" --name shop --auth bearer --key id
    """
    from ingot.cli import scaffold
    from ingot.discover import Wanted

    scaffold.hold_to_name(name, sources, there=add or force or dry_run)
    declared = scaffold.declared(name, sources) if add else None
    how = scaffold.auth_of(auth) or (declared.source.auth if declared is not None else None)
    wanted = Wanted(
        name=name,
        url=target,
        stream=stream,
        title=title,
        base_url=declared.source.base_url if declared is not None else base_url,
        declared=declared.text if declared is not None else "",
        records=records,
        key=tuple(part.strip() for part in key.split(",") if part.strip()),
        cursor=cursor,
        lookback=lookback,
        next_param=next_param,
        auth=how,
        secret=scaffold.secret_for(how, ask=not yes) if how is not None else {},
        headers=scaffold.pairs(header or (), ":", "--header NAME:VALUE"),
        classes=scaffold.pairs(classify or (), "=", "--classify FIELD=CLASS"),
        schedule=schedule,
        start_date=(start_date or datetime.now(UTC)).date(),
        max_reject_rate=max_reject_rate,
        pages=pages,
        further=further,
        requests=requests,
        per_second=requests_per_second,
        files=scaffold.pairs(file or (), "=", "--file NAME=VALUE"),
    )
    draft = scaffold.drafted(wanted, ask=not yes)
    files = draft.files(sources=sources, dbt=dbt, docs=docs if docs.is_dir() else None)
    healthy = scaffold.show(draft, files, json=json, written=not dry_run)
    if not dry_run:
        scaffold.write(draft, files, ask=not yes, force=force)
        scaffold.tell_next(draft, json=json)
    raise typer.Exit(0 if healthy else 1)


@source.command("check")
def check(
    name: Annotated[str | None, typer.Argument(help="Of this source only.")] = None,
    sources: Sources = Path("sources"),
    dbt: Annotated[Path, typer.Option(help="The dbt project.")] = Path("dbt"),
    json: Json = False,
) -> None:
    """Say what is wrong with a source: its declaration, its contracts, what was not generated, what no model reads.

    Exit code 1 if anything is.

    Example: ingot source check fakestore
    """
    from ingot.cli import scaffold
    from ingot.cli.output import show_json

    faults = scaffold.faults(name, sources, dbt)
    if json:
        show_json(faults)
    else:
        for each, found in faults.items():
            for fault in found:
                typer.echo(f"{each}: {fault}", err=True)
            if not found:
                typer.echo(f"{each}: all is well")
    raise typer.Exit(1 if any(faults.values()) else 0)


@source.command("list")
def list_sources(sources: Sources = Path("sources"), json: Json = False) -> None:
    """Every source and stream that is declared: its mode, schedule, key and address.

    Example: ingot source list --json
    """
    from ingot.cli.output import show
    from ingot.sources import load_sources
    from ingot.warehouse.base import Table

    rows = [
        (
            each.name,
            stream.name,
            stream.mode,
            each.schedule,
            ", ".join(stream.contract.primary_key),
            each.base_url + stream.path,
        )
        for each in load_sources(sources).values()
        for stream in each.streams.values()
    ]
    show(Table(["source", "stream", "mode", "schedule", "key", "address"], rows), json=json)
