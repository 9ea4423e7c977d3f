"""Commands and their options. What they do is imported when it is needed, so that `--help` is quick.

Exit codes: 0, all is well; 1, it failed, or (``status``) something needs attention; 2, the call is wrong.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from ingot import __version__
from ingot.cli.output import show
from ingot.errors import IngotError

app = typer.Typer(
    help="Ingot: data from sources, checked, traceable and refined.", no_args_is_help=True, add_completion=False
)
contract = typer.Typer(help="Contracts, and what is compiled from them.", no_args_is_help=True)
app.add_typer(contract, name="contract")

Json = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]
Limit = Annotated[int, typer.Option(min=1, help="At most so many rows.")]


def main() -> None:
    """Run, and turn our own errors into one line and an exit code."""
    try:
        app()
    except IngotError as error:
        Console(stderr=True, highlight=False).print(f"[bold red]{type(error).__name__}[/]", str(error), soft_wrap=True)
        sys.exit(1)


@app.command()
def sql(
    query: Annotated[str, typer.Argument(help="One statement; it may read and not write.")],
    limit: Limit = 1000,
    json: Json = False,
) -> None:
    """Ask the warehouse.

    Example: ingot sql "select * from gold.category_revenue order by revenue desc"
    """
    from ingot.cli.context import warehouse

    show(warehouse().query(query, limit=limit), json=json)


@app.command()
def batches(
    source: Annotated[str | None, typer.Option(help="Of this source only.")] = None,
    stream: Annotated[str | None, typer.Option(help="Of this stream only.")] = None,
    state: Annotated[str | None, typer.Option(help="RUNNING, FAILED, COMMITTED or LOADED.")] = None,
    limit: Limit = 50,
    json: Json = False,
) -> None:
    """What became of every batch: accepted, rejected, seconds, and the reason if it failed.

    Example: ingot batches --source fakestore --state FAILED
    """
    from ingot.cli import reports
    from ingot.cli.context import warehouse

    show(reports.batches(warehouse(), source=source, stream=stream, state=state, limit=limit), json=json)


@app.command()
def status(json: Json = False) -> None:
    """Each stream's newest batch and how fresh it is; exit code 1 if one of them failed.

    Example: ingot status --json
    """
    from ingot.cli import reports
    from ingot.cli.context import warehouse

    table, healthy = reports.status(warehouse())
    show(table, json=json)
    raise typer.Exit(0 if healthy else 1)


@app.command()
def version() -> None:
    """Which Ingot this is.

    Example: ingot version
    """
    typer.echo(__version__)


@contract.command("compile")
def compile_contracts(
    sources: Annotated[Path, typer.Option(help="The folder of the sources.")] = Path("sources"),
    dbt: Annotated[Path, typer.Option(help="The dbt project.")] = Path("dbt"),
    check: Annotated[bool, typer.Option("--check", help="Write nothing; exit code 1 if a file is stale.")] = False,
) -> None:
    """Write what is generated from the contracts: dbt's sources and staging models.

    Example: ingot contract compile --check
    """
    from ingot.contract.generated import stale, write

    if check:
        files = stale(sources, dbt)
        for file in files:
            typer.echo(f"{file} is not what the contracts say. Run: ingot contract compile", err=True)
        raise typer.Exit(1 if files else 0)
    for file in write(sources, dbt):
        typer.echo(f"wrote {file}")


@contract.command("check")
def check_contracts(
    sources: Annotated[Path, typer.Option(help="The folder of the sources.")] = Path("sources"),
) -> None:
    """Read every source and contract, and say what is wrong with the first that is.

    Example: ingot contract check
    """
    from ingot.sources import load_sources

    for source in load_sources(sources).values():
        for stream in source.streams.values():
            typer.echo(f"{source.name}.{stream.name}: version {stream.contract.version}, enforceable")
