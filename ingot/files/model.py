"""What reading a file gives: its rows, its records, and why there are none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ingot.gate import Violation

MOST_KEPT = 2**20
"""Bytes of what cannot be read that go into the quarantine; all of it lies where it landed."""


class Unreadable(Exception):
    """A file, or one file inside of it, that is refused whole; holds no value of it.

    Args:
        reason: in the words of a violation.
        rule: ``file``, or ``encoding`` and the like where one is at fault.
        line: where, from 1.
    """

    def __init__(self, reason: str, *, rule: str = "file", line: int | None = None) -> None:
        super().__init__(reason)
        self.violation = Violation("$", rule, reason)
        self.line = line


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a table.

    Attributes:
        line: where it begins, from 1, as ``sed -n`` counts; in Excel its row; in Parquet its number.
        cells: its values: texts, or what the format has.
        text: as it stands in the file, where it is text; bytes that cannot be decoded are lone surrogates.
        fault: what is wrong with it, if it has no cells.
    """

    line: int
    cells: Sequence[Any]
    text: str = ""
    fault: Violation | None = None


@dataclass(frozen=True, slots=True)
class FileRecord:
    """One record of a file.

    Attributes:
        record: JSON, as the gate takes it; if there is a fault, what stands there.
        line: as of :class:`Row`; None where it has none.
        fault: why it is refused whatever the contract says.
    """

    record: bytes
    line: int | None
    fault: Violation | None = None
