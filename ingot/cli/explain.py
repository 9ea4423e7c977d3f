"""`ingot explain`: a tree of where a row comes from."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ingot.cli.options import Json

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.tree import Tree

    from ingot.explain import Origin, Row, Rows

_HERE = Path("dbt")
_WIDEST = 60


def explain(
    table: Annotated[str, typer.Argument(help="With its schema: gold.…, silver.… or bronze.…")],
    key: Annotated[list[str] | None, typer.Argument(help="The row's key, a value for each of its columns.")] = None,
    where: Annotated[
        list[str] | None, typer.Option(metavar="COLUMN=VALUE", help="A row with this value; may stand more than once.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="List at most so many rows of each kind; all are counted.")] = 5,
    record: Annotated[
        bool, typer.Option("--record", help="Show the source's records. They may hold personal data.")
    ] = False,
    dbt: Annotated[
        Path | None,
        typer.Option(
            exists=True,
            file_okay=False,
            help="The dbt project that says what rows are made of; else ./dbt, or the deployed one.",
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Walk back from a row to the rows, records, objects and requests that it is made of.

    Example: ingot explain gold.category_revenue electronics
    """
    from ingot.cli.context import names, warehouse
    from ingot.cli.output import show_json
    from ingot.explain import explain, read_walk
    from ingot.storage import ObjectStore

    environment = names()
    walk = read_walk(dbt or (_HERE if _HERE.is_dir() else None), environment)
    wanted = dict(_columns(walk.node(table).key, key or [], where or []))
    found = explain(
        table,
        wanted,
        walk=walk,
        warehouse=warehouse(),
        bronze=ObjectStore(environment.bronze_bucket),
        limit=limit,
        records=record,
    )
    if json:
        show_json(found)
    else:
        _show(found)


def _columns(columns: tuple[str, ...], key: list[str], where: list[str]) -> Iterator[tuple[str, str]]:
    if len(key) > len(columns):
        raise typer.BadParameter(f"the key has {len(columns)} columns: {', '.join(columns)}")
    if not key and not where:
        raise typer.BadParameter(f"say which row: its {', '.join(columns)}, or --where COLUMN=VALUE")
    yield from zip(columns, key, strict=False)
    for condition in where:
        column, separator, value = condition.partition("=")
        if not separator:
            raise typer.BadParameter(f"{condition!r} is no condition: write --where COLUMN=VALUE")
        yield column.strip(), value


def _show(found: Rows) -> None:
    import sys

    from rich.console import Console
    from rich.tree import Tree

    # Without a terminal nothing is cut to a width that nobody chose.
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 10_000)
    for row in found.rows:
        tree = Tree(_title(found.table, row), guide_style="dim")
        _branches(tree, row)
        console.print(tree)
    if found.total > len(found.rows):
        console.print(_rest(found))


def _branches(tree: Tree, row: Row) -> None:
    for rows in row.made_of:
        name = f"{rows.label}: {rows.table}" if rows.label else rows.table
        if len(rows.rows) == 1 and rows.total == 1:
            _branches(tree.add(_title(name, rows.rows[0])), rows.rows[0])
            continue
        branch = tree.add(f"[bold]{name}[/]: {rows.total} row{'' if rows.total == 1 else 's'}")
        for one in rows.rows:
            _branches(branch.add(_title("", one)), one)
        if rows.total > len(rows.rows):
            branch.add(_rest(rows))
    if row.origin is not None:
        for line in _origin(row.origin):
            tree.add(line)


def _title(name: str, row: Row) -> str:
    key = " ".join(f"{column}=[cyan]{_text(value)}[/]" for column, value in row.key.items())
    values = "  ".join(f"[dim]{column}[/] {_text(value)}" for column, value in row.values.items())
    return (f"[bold]{name}[/] {key}" if name else key) + (f"\n{values}" if values else "")


def _origin(origin: Origin) -> Iterator[str]:
    what = "tombstone" if origin.deleted else "record"
    yield f"batch [cyan]{origin.batch_id}[/] _line {origin.line}, as of {_text(origin.as_of)}"
    yield (
        f"{what} in {_text(origin.object, cut=False)} line {origin.object_line} of {origin.object_lines}, "
        f"sha256 {origin.record_hash}"
    )
    if origin.record is not None:
        yield _text(origin.record, cut=False)
    for refused in origin.replayed_from:
        yield f"refused at first in batch [cyan]{refused.batch_id}[/]: {_text(refused.object, cut=False)}"
    if (landed := origin.landed) is not None:
        line = f" line {landed.line}," if landed.line is not None else ""
        part = f", in it [bold]{_text(landed.part, cut=False)}[/]" if landed.part else ""
        yield (
            f"from [bold]{_text(landed.object, cut=False)}[/]{part}{line} record {landed.record} of {landed.records}, "
            f"landed {_text(landed.modified)}, batch begun {_text(origin.extracted_at)}"
        )
    asked = "not in the answer to" if origin.deleted else "from" if len(origin.requests) == 1 else "from one of"
    for request in origin.requests:
        tries = f", try {request.tries}" if request.tries > 1 else ""
        yield (
            f"{asked} [bold]GET {_text(request.url, cut=False)}[/] → {request.status} in {request.seconds:g} s{tries}, "
            f"batch begun {_text(origin.extracted_at)}"
        )


def _rest(rows: Rows) -> str:
    return f"[dim]… and {rows.total - len(rows.rows):,} more; --limit shows more of them[/]"


def _text(value: Any, *, cut: bool = True) -> str:
    """A value on one line, see :func:`ingot.cli.output.printable`."""
    from datetime import datetime

    from rich.markup import escape

    from ingot.cli.output import printable

    if value is None:
        return "-"
    text = printable(value.strftime("%Y-%m-%d %H:%M:%S") if isinstance(value, datetime) else str(value))
    return escape(text if len(text) <= _WIDEST or not cut else text[: _WIDEST - 1] + "…")
