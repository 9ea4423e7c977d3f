"""`ingot cost`: what an environment costs a month though nothing runs, and what runs cost."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ingot.cli.options import Json, Limit, OfSource, OfStream

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ingot.cost import BatchCost, Prices, Worker
    from ingot.naming import Names
    from ingot.sources import Source, Stream

cost = typer.Typer(
    help="What an environment costs a month though nothing runs, and what runs cost: from a dated table of prices.",
    no_args_is_help=True,
)

Assembly = Annotated[Path, typer.Option(help="The folder that `cdk synth` wrote.")]


@cost.command()
def environment(
    name: Annotated[str, typer.Argument(help="Which environment; it must have been synthesised.")],
    assembly: Assembly = Path("cdk.out"),
    json: Json = False,
) -> None:
    """The monthly cost of an environment's fixed parts, from its synthesised templates; nothing is asked of AWS.

    What costs by use only has no price, and a note that says by what. Exit code 1 if a part's price is not known: the
    sum is then too small.

    Example: ingot cost environment prod
    """
    from ingot.cli.output import show, show_json
    from ingot.cost import fixed_lines, load_prices, read_templates
    from ingot.warehouse.base import Table

    prices = load_prices()
    lines = fixed_lines(read_templates(assembly, name), prices)
    usd = sum(line.usd for line in lines)
    unknown = [line for line in lines if line.unknown]
    columns = ["stack", "what", "count", "price", "quantity", "unit", "usd_month", "read", "note"]
    rows: list[tuple[Any, ...]] = []
    for line in lines:
        price = prices[line.price] if line.price else None
        told = (price.usd, line.quantity, price.unit, _cents(line.usd), price.read) if price else (None,) * 5
        rows.append((line.stack, line.what, line.count, *told, line.note or None))
    if json:
        parts = [dict(zip(columns, row, strict=True)) for row in rows]
        show_json({"environment": name, **_table(prices), "usd_month": _cents(usd), "parts": parts})
    else:
        show(Table(columns, rows), json=False)
        typer.echo(f"{_cents(usd)} USD a month, {'at least, ' if unknown else ''}{_words(prices)}")
    raise typer.Exit(1 if unknown else 0)


@cost.command()
def runs(
    source: OfSource = None,
    stream: OfStream = None,
    batch: Annotated[str | None, typer.Option(help="Of this batch only.")] = None,
    limit: Limit = 50,
    json: Json = False,
) -> None:
    """What batches cost, the newest first: Glue, as it bills, requests to S3, and a month of what is stored.

    From manifests and attempts, and what the deployed jobs run on: an estimate. An attempt is a run of a job, a failed
    one too, and Glue bills a minute at least. Not in it: the start of the script, requests to KMS, logs, the Parquet,
    and the warehouse.

    Example: ingot cost runs --source fakestore --limit 10
    """
    from ingot.cli import context
    from ingot.cli.output import show, show_json
    from ingot.cost import load_prices
    from ingot.warehouse.base import Table

    names, prices = context.names(), load_prices()
    found = [
        each
        for of_source, of_stream in context.chosen_streams(names, source, stream)
        for each in _costs(names, of_source, of_stream, prices)
        if batch in (None, each[1].batch_id)
    ]
    if batch is not None and not found:
        raise typer.BadParameter(f"there is no attempt at a batch {batch!r}; see `ingot batches`")
    newest = [cost for _, cost in sorted(found, key=lambda each: each[0], reverse=True)[:limit]]
    columns = ["batch_id", "state", "attempts", "seconds", "dpu_seconds", "glue_usd", "s3_usd", "usd", "storage_usd"]
    rows = [
        (
            *(each.batch_id, each.state, each.attempts, each.seconds, each.dpu_seconds),
            *(_small(usd) for usd in (each.glue_usd, each.s3_usd, each.usd, each.storage_usd)),
        )
        for each in newest
    ]
    once, monthly = _small(sum(each.usd for each in newest)), _small(sum(each.storage_usd for each in newest))
    if json:
        batches = [dict(zip(columns, row, strict=True)) for row in rows]
        show_json({**_table(prices), "usd": once, "storage_usd_month": monthly, "batches": batches})
        return
    show(Table(columns, rows), json=False)
    typer.echo(f"{once} USD, and {monthly} USD a month for what is stored in Bronze, {_words(prices)}")


def _costs(names: Names, source: Source, stream: Stream, prices: Prices) -> Iterator[tuple[Any, BatchCost]]:
    """When a batch was last tried, and what it cost."""
    from itertools import groupby

    from ingot.attempt import list_attempts
    from ingot.cli.context import bronze
    from ingot.cost import batch_cost
    from ingot.manifest import list_manifests

    store = bronze(names)
    manifests = {each.batch_id: each for each in list_manifests(store, source.name, stream.name)}
    attempts = sorted(list_attempts(store, source.name, stream.name), key=lambda each: each.batch_id)
    workers = _workers(names, source.name, {each.step for each in attempts})
    for batch_id, group in groupby(attempts, key=lambda each: each.batch_id):
        tries = list(group)
        yield (
            max(each.started_at for each in tries),
            batch_cost(batch_id, tries, manifests.get(batch_id), workers, prices),
        )


def _workers(names: Names, source: str, steps: set[str]) -> dict[str, Worker]:
    """Step → what its deployed job runs on."""
    import boto3
    from botocore.exceptions import BotoCoreError, ClientError

    from ingot.cost import Worker
    from ingot.errors import ConfigurationError

    glue, found = boto3.client("glue"), {}
    for step in sorted(steps):
        name = names.job(source, step)
        try:
            job = glue.get_job(JobName=name)["Job"]
            found[step] = Worker(kind=job["WorkerType"], count=job["NumberOfWorkers"])
        except (BotoCoreError, ClientError, KeyError) as error:
            raise ConfigurationError(
                f"The job {name} does not say what it runs on: {error}.", hint="deploy the jobs' stack"
            ) from error
    return found


def _table(prices: Prices) -> dict[str, Any]:
    """What a script has to know of the table."""
    unread = sorted(name for name, price in prices.prices.items() if price.read == "memory")
    return {"region": prices.region, "prices": prices.date, "unchecked_prices": unread}


def _words(prices: Prices) -> str:
    unread = sum(price.read == "memory" for price in prices.prices.values())
    return (
        f"by the prices of {prices.region} of {prices.date}, without tax, discounts and free tiers; "
        f"{unread} of {len(prices.prices)} of them wait to be checked (`memory`)."
    )


def _cents(usd: Any) -> Any:
    return round(usd, 2)


def _small(usd: Any) -> Any:
    return round(usd, 6)
