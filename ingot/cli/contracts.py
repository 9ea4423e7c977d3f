"""`ingot contract`: contracts, and what is compiled from them."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from ingot.cli import drift
from ingot.cli.options import Json

contract = typer.Typer(help="Contracts, and what is compiled from them.", no_args_is_help=True)

Sources = Annotated[Path, typer.Option(help="The folder of the sources.")]


class Form(StrEnum):
    """What a contract can be shown as; :data:`ingot.contract.forms.FORMS` has the same names."""

    arrow = "arrow"
    glue = "glue"
    ddl = "ddl"
    dbt = "dbt"
    dqdl = "dqdl"
    lf_tags = "lf-tags"
    odcs = "odcs"
    page = "page"


@contract.command("compile")
def compile_contracts(
    sources: Sources = Path("sources"),
    dbt: Annotated[Path, typer.Option(help="The dbt project.")] = Path("dbt"),
    docs: Annotated[Path, typer.Option(help="The folder of the documentation.")] = Path("docs"),
    check: Annotated[bool, typer.Option("--check", help="Write nothing; exit code 1 if a file is stale.")] = False,
    json: Json = False,
) -> None:
    """Write what is generated from the contracts: dbt's sources and staging models, and the contracts' pages.

    Example: ingot contract compile --check
    """
    from ingot.cli.output import show_json
    from ingot.contract.generated import stale, write

    files = (stale if check else write)(sources, dbt, docs)
    if json:
        show_json({"stale" if check else "wrote": [str(file) for file in files]})
    for file in () if json else files:
        if check:
            typer.echo(f"{file} is not what the contracts say. Run: ingot contract compile", err=True)
        else:
            typer.echo(f"wrote {file}")
    raise typer.Exit(1 if check and files else 0)


@contract.command("check")
def check_contracts(
    sources: Sources = Path("sources"),
    against: Annotated[
        str | None,
        typer.Option(
            metavar="COMMIT|FOLDER|base",
            help="What changed since then; base: since this branch left origin/main, or since the last commit on it.",
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Read every source and contract; exit code 1 if one is wrong, or changed without the version that this needs.

    A change that breaks readers or the source needs a new major version, any other change a new version. Descriptions
    are free. A clone that does not hold the base says so, and only reads.

    Example: ingot contract check --against base
    """
    from ingot.cli.output import show, show_json
    from ingot.contract import history
    from ingot.contract.compatibility import judge
    from ingot.sources import load_sources
    from ingot.warehouse.base import Table

    contracts = {
        f"{source.name}.{stream.name}": stream.contract
        for source in load_sources(sources).values()
        for stream in source.streams.values()
    }
    if against is None:
        if json:
            show_json([{"contract": name, "version": read.version} for name, read in contracts.items()])
            return
        for name, read in contracts.items():
            typer.echo(f"{name}: version {read.version}, enforceable")
        return
    commit = history.base_commit(sources) if against == history.BASE else against
    if commit is None:
        typer.echo("This clone holds no older commit: the contracts are compared with nothing.", err=True)
        raise typer.Exit
    before = history.contracts_at(commit, sources)
    for reason in before.unreadable.values():
        typer.echo(f"Not compared: {reason}", err=True)
    newer = {name: new for name, new in contracts.items() if name not in before.unreadable}
    verdicts = judge(before.contracts, newer, retired=frozenset(before.retired))
    if json:
        show_json(verdicts)
    elif verdicts:
        rows = [(v.contract, v.old, v.new, c.path, c.kind, c.what, c.why) for v in verdicts for c in v.changes]
        show(Table(["contract", "old", "new", "path", "kind", "change", "because"], rows), json=False)
    else:
        typer.echo(f"{len(contracts)} contracts are as they were at {commit[:12]}.")
    refused = [verdict for verdict in verdicts if verdict.problem]
    for verdict in refused:
        typer.echo(f"Refused: {verdict.contract}: {verdict.problem}.", err=True)
    raise typer.Exit(1 if refused else 0)


@contract.command("show")
def show_contract(
    stream: Annotated[str, typer.Argument(metavar="SOURCE.STREAM", help="Whose contract.")],
    form: Annotated[Form, typer.Option("--as", help="What it is compiled to.")] = Form.page,
    sources: Sources = Path("sources"),
) -> None:
    """Print what a contract is compiled to, in that form's own format.

    Example: ingot contract show fakestore.products --as dqdl
    """
    from ingot.contract.forms import FORMS
    from ingot.sources import load_source

    source_name, _, stream_name = stream.partition(".")
    source = load_source(sources / source_name)
    typer.echo(FORMS[form](source, source.stream(stream_name)), nl=False)


contract.command("diff")(drift.diff)
contract.command("accept")(drift.accept)
