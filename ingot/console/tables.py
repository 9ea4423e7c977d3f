"""A table for a page: columns that say what they hold, and cells that may lead somewhere (`parts.html`: `table`)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from ingot.console import formats

Kind = Literal["text", "number", "money", "percent", "seconds", "size", "when", "day", "code", "state"]
_NUMERIC = {"number", "money", "percent", "seconds", "size"}


@dataclass(frozen=True)
class Column:
    """One column.

    Attributes:
        title: its head, with the unit where it has one.
        kind: how its values are written; numbers stand at the right.
        digits: of a number or an amount of money.
        currency: of an amount of money.
    """

    title: str
    kind: Kind = "text"
    digits: int | None = None
    currency: str = "USD"

    @property
    def numeric(self) -> bool:
        """Whether its values stand at the right, digit below digit."""
        return self.kind in _NUMERIC

    def write(self, value: Any) -> Any:
        """A value as it is read."""
        if value is None:
            return formats.NONE
        if self.kind == "money":
            return formats.money(value, self.currency, 2 if self.digits is None else self.digits)
        if self.kind in ("number", "percent"):
            digits = self.digits if self.digits is not None else int(self.kind == "percent")
            return formats.FILTERS[self.kind](value, digits)
        if self.kind == "code":
            return formats.breakable(value)
        return formats.FILTERS[self.kind](value) if self.kind in formats.FILTERS else value


@dataclass(frozen=True)
class Cell:
    """A value that leads somewhere or is marked.

    Attributes:
        tone: ``good``, ``bad`` or ``note``.
        mark: a colour of ``charts.py`` before it: ``0`` to ``7``.
    """

    value: Any
    href: str | None = None
    tone: str | None = None
    mark: int | None = None


@dataclass(frozen=True)
class View:
    """A table.

    Attributes:
        caption: what it holds; read out before it.
        rows: values or cells, as many as there are columns.
        empty: what is said where there is no row.
        hidden: whether the caption is for who does not see it only, since a heading says the same.
    """

    caption: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[Any]] = field(default_factory=list)
    empty: str = "Nothing here."
    hidden: bool = True

    @property
    def cells(self) -> list[list[Cell]]:
        """All rows, each value as a cell."""
        return [[each if isinstance(each, Cell) else Cell(each) for each in row] for row in self.rows]


def view[T](
    caption: str, items: Iterable[T], *columns: tuple[Column, Callable[[T], Any]], empty: str = "Nothing here."
) -> View:
    """A table of things: a column, and what it takes of each."""
    rows = [[take(item) for _, take in columns] for item in items]
    return View(caption, [column for column, _ in columns], rows, empty=empty)
