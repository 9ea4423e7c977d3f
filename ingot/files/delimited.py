"""Rows of text with a sign between their cells: CSV, TSV and their kin, read with Python's csv, strictly."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from contextlib import suppress
from typing import IO, Any

from ingot.files.declared import Form
from ingot.files.model import MOST_KEPT, Row, Unreadable
from ingot.gate import Violation
from ingot.gate.limits import MOST_BYTES

_UNDECODED = "surrogateescape"
_SAMPLE = 2**16


class _TooLong(Exception):
    pass


class _Lines:
    """The lines of a text, each with its end; counts them, and remembers those since the last row."""

    def __init__(self, text: io.TextIOWrapper) -> None:
        self._text = text
        self.number = 0
        self.since: list[str] = []

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        line = self._text.readline(MOST_BYTES)
        if not line:
            raise StopIteration
        self.number += 1
        if len(line) == MOST_BYTES and line[-1] not in "\r\n":
            self.since.append(line[:MOST_KEPT])
            while (line := self._text.readline(MOST_KEPT)) and line[-1] not in "\r\n":
                pass
            raise _TooLong
        self.since.append(line)
        return line


def header_and_rows(content: IO[bytes], form: Form) -> tuple[Row, Iterator[Row]]:
    """The row with the names, and those that follow; rows without anything in them are none.

    Without a header the first row is there twice, for its count of cells.

    Raises:
        Unreadable: there is no row, or the header is none.
    """
    # A bare carriage return ends a line only where nothing else does: elsewhere it is a sign in a cell.
    lines = _Lines(_text(content, form, "\n"))
    try:
        ends = "\n" if "\n" in _text(content, form, "").read(_SAMPLE) else ""
        lines = _Lines(_text(content, form, ends))
        for _ in range(form.header - 1):
            next(lines, None)
    except UnicodeError:
        raise Unreadable(f"Not {form.encoding}", rule="encoding", line=1) from None
    except _TooLong:
        raise Unreadable("A line above its header is larger than 16 MiB", line=lines.number) from None
    rows = _rows(lines, form)
    first = next(rows, None)
    if first is None:
        raise Unreadable("There is no line with the names of its columns", rule="header")
    if first.fault is not None:
        raise Unreadable(first.fault.reason, rule=first.fault.rule, line=first.line)
    return first, _again(first, rows) if form.header == 0 else rows


def _text(content: IO[bytes], form: Form, ends: str) -> io.TextIOWrapper:
    content.seek(0)
    buffered = io.BufferedReader(_Kept(content), 2**18)
    return io.TextIOWrapper(buffered, form.encoding, errors=_UNDECODED, newline=ends)


def encoded(text: str, form: Form) -> bytes:
    """A row as it goes into the quarantine: as text if it is one, else as its bytes.

    UTF-16 has no way back to half of a character: then it is UTF-8, with that half as it stands.
    """
    for encoding, errors in (("utf-8", "strict"), (form.encoding, _UNDECODED)):
        with suppress(UnicodeEncodeError):
            return text.encode(encoding, errors)[:MOST_KEPT]
    return text.encode("utf-8", _UNDECODED)[:MOST_KEPT]


def _rows(lines: _Lines, form: Form) -> Iterator[Row]:
    csv.field_size_limit(MOST_BYTES)  # of the whole process; nobody else asks for it
    reader = (
        csv.reader(lines, delimiter=form.delimiter, quotechar=form.quote, strict=True)
        if form.quote
        else csv.reader(lines, delimiter=form.delimiter, quoting=csv.QUOTE_NONE, strict=True)
    )
    while True:
        lines.since.clear()
        begin = lines.number + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except _TooLong:
            fault = Violation("$", "size", f"Larger than {MOST_BYTES // 2**20} MiB")
        except csv.Error as error:
            fault = Violation("$", "quote", _reason(str(error), begin, lines.number))
        except UnicodeError:
            raise Unreadable(f"Not {form.encoding}", rule="encoding", line=begin) from None
        else:
            if any(cells):
                yield Row(begin, cells, "".join(lines.since))
            continue
        yield Row(begin, (), "".join(lines.since)[:MOST_KEPT], fault)


def _reason(error: str, begin: int, end: int) -> str:
    lines = f"line {begin}" if begin == end else f"lines {begin} to {end}"
    if "unexpected end" in error or "limit" in error:
        return f"A quote is opened and never closed: {lines}"
    if "new-line" in error:
        return f"A carriage return stands in a cell without quotes: {lines}"
    return f"Text stands behind a closing quote: {lines}"


def _again(first: Row, rows: Iterator[Row]) -> Iterator[Row]:
    yield first
    yield from rows


class _Kept(io.RawIOBase):
    """A file that stays open when what reads it is closed."""

    def __init__(self, content: IO[bytes]) -> None:
        self._content = content

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        block = self._content.read(len(buffer))
        buffer[: len(block)] = block
        return len(block)
