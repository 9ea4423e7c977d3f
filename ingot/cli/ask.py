"""`ingot sql`, `batches`, `status`: what the warehouse holds, and what became of every batch."""

from __future__ import annotations

from typing import Annotated

import typer

from ingot.cli.options import Json, Limit, OfSource, OfStream


def sql(
    query: Annotated[str, typer.Argument(help="One statement; it may read and not write.")],
    limit: Limit = 1000,
    json: Json = False,
) -> None:
    """Ask the warehouse.

    Example: ingot sql "select * from gold.category_revenue order by revenue desc"
    """
    from ingot.cli.context import warehouse
    from ingot.cli.output import show
    from ingot.warehouse.base import Table

    answer = warehouse().query(query, limit=limit + 1)
    show(Table(answer.columns, answer.rows[:limit]), json=json)
    if len(answer.rows) > limit:  # on stderr, so that a script's JSON stays JSON
        typer.echo(f"There are more than {limit} rows, and these are the first: give --limit for more.", err=True)


def batches(
    source: OfSource = None,
    stream: OfStream = None,
    state: Annotated[str | None, typer.Option(help="RUNNING, FAILED, COMMITTED or LOADED.")] = None,
    limit: Limit = 50,
    json: Json = False,
) -> None:
    """What became of every batch: accepted, rejected, seconds, and the reason if it failed or is from a fallback.

    Example: ingot batches --source fakestore --state FAILED
    """
    from ingot.cli import reports
    from ingot.cli.context import warehouse
    from ingot.cli.output import show

    if state is not None and state.upper() not in reports.STATES:
        raise typer.BadParameter(f"there is no state {state!r}; choose one of {', '.join(reports.STATES)}")
    show(reports.batches(warehouse(), source=source, stream=stream, state=state, limit=limit), json=json)


def status(json: Json = False) -> None:
    """Each stream's newest batch and how fresh it is; exit code 1 if one of them failed or a batch was left unloaded.

    A batch that failed and whose time another batch brought counts no more. `not_loaded` are a stream's committed
    batches that no run is at, and that the warehouse lacks: see `ingot gaps`.

    Example: ingot status --json
    """
    from ingot.cli import reports
    from ingot.cli.context import warehouse
    from ingot.cli.output import show

    table, healthy = reports.status(warehouse())
    show(table, json=json)
    raise typer.Exit(0 if healthy else 1)


def version(json: Json = False) -> None:
    """Which Ingot this is.

    Example: ingot version
    """
    from ingot import __version__
    from ingot.cli.output import show_json

    if json:
        show_json({"version": __version__})
    else:
        typer.echo(__version__)
