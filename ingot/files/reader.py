"""The records of one file: rows become lines of JSON, with their fields in the contract's order."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import IO, Any

import msgspec

from ingot.contract.model import Contract
from ingot.files import delimited, documents, excel, parquet
from ingot.files.columns import Column, Headers
from ingot.files.declared import Files, Form
from ingot.files.model import MOST_KEPT, FileRecord, Row, Unreadable
from ingot.files.values import converter
from ingot.gate import Violation

_UNDECODED = re.compile("[\ud800-\udfff]")


class Reader:
    """Reads one file.

    Args:
        content: its bytes, unpacked.
        form: what it is, see :mod:`ingot.files.detect`.

    Raises:
        Unreadable: it has no header that can be read.
    """

    def __init__(self, content: IO[bytes], form: Form, contract: Contract, files: Files) -> None:
        self._content, self._form, self._files = content, form, files
        self._names: Sequence[str] = ()
        self._columns: list[Column] = []
        if form.format in ("csv", "excel", "parquet"):
            names, self._rows = _table(content, form)
            self._names = files.names if names is None else names
            if any(map(_UNDECODED.search, self._names)):
                raise Unreadable(f"Its header is not {form.encoding}", rule="encoding", line=form.header)
            self._columns = Headers(contract, files).columns(self._names)

    @property
    def columns(self) -> dict[str, str]:
        """Where the values of a field stand, by the field: ``3 (Unit price)``. Empty if records are JSON."""
        return {column.name: column.place for column in self._columns}

    def __iter__(self) -> Iterator[FileRecord]:
        """Its records in order, once.

        Raises:
            Unreadable: what is left cannot be read. Of what was given before nothing is wrong.
        """
        match self._form.format:
            case "ndjson":
                return documents.lines(self._content, self._form)
            case "json":
                return documents.document(self._content, self._form)
            case None:
                return iter(())
            case _:
                return self._records()

    def _records(self) -> Iterator[FileRecord]:
        cells = [
            (column.index, msgspec.json.encode(column.name) + b":", converter(column.prop, self._files))
            for column in self._columns
        ]
        for row in self._rows:
            fault = row.fault or self._miscounted(row)
            if fault is None:
                try:
                    values = [(name, convert(row.cells[index])) for index, name, convert in cells]
                except (ValueError, TypeError, OverflowError):
                    fault = self._unsaid(row)
                else:
                    record = b",".join([name + value for name, value in values if value is not None])
                    yield FileRecord(b"{" + record + b"}", row.line)
                    continue
            kept = delimited.encoded(row.text, self._form) if row.text else msgspec.json.encode(row.cells, enc_hook=str)
            yield FileRecord(kept, row.line, fault)

    def _miscounted(self, row: Row) -> Violation | None:
        width = len(self._names)
        # More delimiters at a line's end are no more cells.
        if len(row.cells) == width or (len(row.cells) > width and not any(row.cells[width:])):
            return None
        return Violation("$", "cells", f"Expected {width} cells, got {len(row.cells)}")

    def _unsaid(self, row: Row) -> Violation:
        for index, cell in enumerate(row.cells):
            text = cell.decode("utf-8", "surrogateescape") if isinstance(cell, bytes) else cell
            if isinstance(text, str) and (wrong := _UNDECODED.search(text)):
                where = f"column {index + 1}, character {wrong.start() + 1}"
                return Violation("$", "encoding", f"Not {self._form.encoding or 'UTF-8'}: {where}")
        return Violation("$", "type", "Holds a value that JSON has no form for")


def places(content: IO[bytes], form: Form) -> Iterator[int | None]:
    """The line of each record of a file that was read before, in order; no contract is needed for it."""
    match form.format:
        case "ndjson":
            yield from (record.line for record in documents.lines(content, form))
        case "json":
            yield from (record.line for record in documents.document(content, form))
        case None:
            return
        case _:
            yield from (row.line for row in _table(content, form)[1])


def broken(content: IO[bytes], error: Unreadable) -> FileRecord:
    """The record that stands for what cannot be read."""
    content.seek(0)
    return FileRecord(content.read(MOST_KEPT), error.line, error.violation)


def _table(content: IO[bytes], form: Form) -> tuple[list[str] | None, Iterator[Row]]:
    """The names of a table's columns, if it has them, and its rows."""
    if form.format == "parquet":
        return parquet.header(content), parquet.rows(content)
    if form.format == "csv":
        first, rows = delimited.header_and_rows(content, form)
    else:
        rows = excel.rows(content, form)
        if form.header == 0:
            return None, rows
        head = next(rows, None)
        if head is None:
            raise Unreadable("There is no row with the names of its columns", rule="header")
        first = head
    return None if form.header == 0 else [_name(cell) for cell in first.cells], rows


def _name(cell: Any) -> str:
    return cell if isinstance(cell, str) else str(cell)
