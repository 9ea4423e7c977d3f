"""How large the rectangle is that a sheet's cells span: its reader keeps a place for each cell in it, empty or not.

Two values in the far corners of a sheet of 2 KiB would take half a terabyte, and no error would say so: the process is
ended. So that is looked at while a workbook is unpacked, before it is read.
"""

from __future__ import annotations

import re

from ingot.files.model import Unreadable

MOST_CELLS = 2**25
"""32 columns of all the rows that a sheet can have: 1 GiB when it is read."""

_TAIL = 2**10  # more than a tag and what tells whether it holds something
# A cell that holds something (of others the reader takes no notice), and a row whose cells do not say where they are.
# Each decides at its first `r` and goes back nowhere, so that no text takes longer than its length.
_CELL = re.compile(
    rb'<(?:\w+:)?c(?>\s(?:[^<>]*?\s)??r\s*=\s*["\']([A-Za-z]+)([0-9]+)["\'])[^<>]*+(?<!/)>\s*+<(?!/)',
)
_ROW = re.compile(
    rb'<(?:\w+:)?row(?>\s(?:[^<>]*?\s)??r\s*=\s*["\']([0-9]+)["\'])[^<>]*+>\s*+'
    rb"<(?:\w+:)?c(?=[\s>])(?![^<>]*?\sr\s*=)"
)


class Extent:
    """Of one sheet of an Office document, as its XML comes in."""

    def __init__(self) -> None:
        self._rows = self._columns = 1
        self._tail = b""

    def feed(self, block: bytes) -> None:
        """Look at the next bytes.

        Raises:
            Unreadable: its cells lie too far from each other.
        """
        text = self._tail + block
        self._tail = text[-_TAIL:]
        # Of most columns and rows there are many cells: each is looked at once.
        found = set(_CELL.findall(text))
        rows = {row for _, row in found} | set(_ROW.findall(text))
        self._rows = max(self._rows, *map(int, rows), 1)
        self._columns = max(self._columns, *map(_number, {column for column, _ in found}), 1)
        if self._rows * self._columns > MOST_CELLS:
            raise Unreadable(
                f"A sheet with values as far as row {self._rows} and column {self._columns}: "
                f"more than {MOST_CELLS} cells"
            )


def _number(letters: bytes) -> int:
    number = 0
    for letter in letters.upper():
        number = number * 26 + letter - 64
    return number
