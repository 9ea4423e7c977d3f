"""A table for a person, or JSON for a script."""

from __future__ import annotations

import sys
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from unicodedata import category

import msgspec
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table as RichTable

if TYPE_CHECKING:
    from ingot.warehouse.base import Table

_JSON = msgspec.json.Encoder(decimal_format="number")
_COLOURS = {"LOADED": "green", "COMMITTED": "yellow", "RUNNING": "yellow", "FAILED": "bold red"}


def show(table: Table, *, json: bool) -> None:
    """Print a query's answer to stdout."""
    if json:
        show_json([dict(zip(table.columns, row, strict=True)) for row in table.rows])
        return
    # Without a terminal nothing is cut to a width that nobody chose.
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 10_000)
    drawn = RichTable(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for index, name in enumerate(table.columns):
        numeric = any(isinstance(row[index], int | float | Decimal) for row in table.rows)
        drawn.add_column(escape(printable(name)), justify="right" if numeric else "left", overflow="fold")
    for row in table.rows:
        drawn.add_row(*(_cell(value) for value in row))
    console.print(drawn)
    console.print(f"[dim]{len(table.rows)} row{'' if len(table.rows) == 1 else 's'}[/]")


def show_json(value: Any) -> None:
    """Print a value to stdout as JSON."""
    sys.stdout.write(msgspec.json.format(_JSON.encode(value), indent=2).decode() + "\n")


def printable(text: str) -> str:
    """A text on one line, without anything that a terminal would take for a command."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or category(c) == "Zs" else c.encode("unicode_escape").decode() for c in text)


def _cell(value: Any) -> str:
    if value is None:
        return "[dim]-[/]"
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%d %H:%M:%S")
    if isinstance(value, Decimal):
        return f"{value:,f}"
    text = printable(str(value))
    colour = _COLOURS.get(text)
    return f"[{colour}]{text}[/]" if colour else escape(text)
