"""A source of files: reads one as it will be read when it lands, and infers how that is."""

from __future__ import annotations

import codecs
import re
import unicodedata
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import IO, Any

import msgspec

from ingot.contract.model import Contract, Property, snake_case
from ingot.contract.shape import VALUES
from ingot.discover.cells import Cells, Dialect
from ingot.discover.draft import Draft, Drafting, Wanted
from ingot.discover.dry_run import Answer, dry_run_of_file
from ingot.discover.envelope import Place, is_clear, places
from ingot.discover.fields import Field, Said
from ingot.discover.names import stream_name
from ingot.discover.questions import Questions
from ingot.discover.sample import UNKNOWN
from ingot.errors import ConfigurationError
from ingot.files import delimited, excel, parquet
from ingot.files.declared import Files, Form
from ingot.files.detect import form_of
from ingot.files.model import FileRecord, Row, Unreadable
from ingot.files.reader import Reader
from ingot.files.unpack import File, files_in
from ingot.gate.redact import plain

_MOST_RECORDS = 5_000
_WESTERN = "cp1252"
_DELIMITERS = (",", ";", "\t", "|")
_TABLES = ("csv", "excel", "parquet")


def draft(wanted: Wanted, questions: Questions) -> Draft:
    """Read the file, and say what a source of such files is.

    Raises:
        ConfigurationError: it cannot be read, or something cannot be seen, and nobody answers.
    """
    with ExitStack() as stack:
        return _Drafting(wanted, questions, stack).draft()


class _Drafting(Drafting):
    def __init__(self, wanted: Wanted, questions: Questions, stack: ExitStack) -> None:
        self._path = Path(wanted.url)
        # What a file is called after its kind is most often a day or a number.
        stream = re.sub(r"(_?(q[1-4]|v?[0-9]+))+$", "", stream_name(self._path.name))
        super().__init__(wanted, wanted.stream or stream or "records", questions)
        self._stack = stack
        self._why: dict[str, str] = {}

    def draft(self) -> Draft:
        self._files = self._given()
        self._file = self._opened()
        self._form = self._found()
        if self._form.format in _TABLES:
            self._read_cells()
        else:
            self._contract_of_types = UNKNOWN
        sample = list(islice(self._records(self._contract_of_types), _MOST_RECORDS + 1))
        whole = len(sample) <= _MOST_RECORDS
        if not sample:
            raise self._wrong("It holds no records", "give a file with some")
        good = [record.record for record in sample[:_MOST_RECORDS] if record.fault is None]
        draft = self.drafted([Answer(b"[" + b",".join(good) + b"]", good)], self._entry, whole=whole, called="file")
        faults = [record for record in sample if record.fault is not None]
        for record in faults[:20]:
            assert record.fault is not None
            draft.evidence[f"line {record.line}"] = f"refused whatever the contract says: {record.fault.reason}"
        # What will be read with the contract as it is written now.
        final = islice(self._records(draft.contract), _MOST_RECORDS)
        return replace(draft, sampled=dry_run_of_file(draft.contract, final))

    # -- reading ---------------------------------------------------------------------------------------------------

    def _given(self) -> Files:
        try:
            return msgspec.convert(dict(self._wanted.files), Files, strict=False)
        except msgspec.ValidationError as error:
            raise ConfigurationError(f"--file: {error}.", hint="see files in docs/reference/settings.md") from error

    def _opened(self) -> File:
        """The file, or the first one inside of what is packed."""
        stored: IO[bytes] = self._stack.enter_context(self._path.open("rb"))
        try:
            # Its contents are there as long as the next file is not asked for.
            self._unpacked = files_in(stored, self._path.name, max_mb=self._files.max_unpacked_mb)
            file = next(self._unpacked, None)
        except Unreadable as error:
            raise self._wrong(error.violation.reason, "give another file") from error
        if file is None or file.fault is not None:
            reason = file.fault.violation.reason if file is not None and file.fault is not None else "It holds no file"
            raise self._wrong(reason, "give another file")
        return file

    def _found(self) -> Form:
        try:
            form = form_of(self._file.content, self._file.name, UNKNOWN, self._files)
        except Unreadable as error:
            if error.violation.rule != "header":
                hint = "give --file sheet=NAME" if "sheet" in error.violation.reason else "give another file"
                raise self._wrong(error.violation.reason, hint) from error
            form = self._delimited()
        if form.format is None:
            raise self._wrong("It holds nothing", "give a file with records")
        if form.format == "ndjson" and self._is_one_line():
            form = msgspec.structs.replace(form, format="json", enveloped=False)
        if form.format == "json" and not form.records:
            form = self._document(form)
        self._evidence["format"] = f"{form.format}: told by its bytes"
        return form

    def _is_one_line(self) -> bool:
        """Whether it is a single line with a list of objects in it: a document, and not one record."""
        self._file.content.seek(0)
        lines = [line for line in islice(self._file.content, 3) if line.strip()]
        return len(lines) == 1 and bool(places(_decoded(lines[0])))

    def _document(self, form: Form) -> Form:
        self._file.content.seek(0)
        found = places(_decoded(self._file.content.read()))
        found = [place for place in found if not place.keyed]
        if not found:
            raise self._wrong("It holds no array of objects", "give a file with one")
        place: Place | None = found[0]
        if not is_clear(found):
            chosen = self._questions.choose(
                "Where are the records?",
                [(each.path, each.why) for each in found],
                option="--file records=PATH",
                default=None,
            )
            place = next((each for each in found if each.path == chosen), None)
            if place is None:
                raise self._wrong(f"There are no records at {chosen!r}", "choose one of those shown")
        assert place is not None
        if place.path:
            self._why["records"] = place.why
            self._files = msgspec.structs.replace(self._files, format="json", records=place.path)
        return msgspec.structs.replace(form, records=place.path)

    def _delimited(self) -> Form:
        """Rows of text: their encoding, and the sign between their cells."""
        encoding = self._encoding()
        form = Form("csv", encoding=encoding, quote=self._files.quote, header=self._files.header)
        best: tuple[int, str] = (0, "")
        for delimiter in [self._files.delimiter] if self._files.delimiter else _DELIMITERS:
            tried = msgspec.structs.replace(form, delimiter=delimiter)
            try:
                first, rows = delimited.header_and_rows(self._file.content, tried)
                widths = [len(row.cells) for row in islice(rows, 200) if row.fault is None]
            except Unreadable:
                continue
            width = len(first.cells)
            if width > best[0] and widths.count(width) >= 0.9 * len(widths):
                best = (width, delimiter)
        width, delimiter = best
        if not delimiter:
            raise self._wrong(
                "It is no JSON, Excel or Parquet, and its rows have no common number of cells", "give another file"
            )
        self._evidence["delimiter"] = f"{delimiter!r}: {width} cells in a row"
        return msgspec.structs.replace(form, delimiter=delimiter)

    def _encoding(self) -> str:
        content = self._file.content
        content.seek(0)
        head = content.read(4)
        probe = msgspec.structs.replace(self._files, format="csv")
        for mark, encoding in ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16")):
            if head.startswith(mark):
                return encoding
        if probe.encoding:
            return probe.encoding
        content.seek(0)
        try:
            content.read().decode("utf-8")
        except UnicodeDecodeError as error:
            chosen = probe.fallback_encoding or self._questions.choose(
                "The file is not UTF-8. What is it written in?",
                [(_WESTERN, "what spreadsheets write in Western Europe"), ("cp1250", "in Central Europe")],
                option="--file fallback_encoding=NAME",
                default=_WESTERN,
            )
            self._why["fallback_encoding"] = f"byte {error.start + 1} is not UTF-8; which encoding it is, is not seen"
            self._files = msgspec.structs.replace(self._files, fallback_encoding=chosen)
            return chosen
        return "utf-8"

    def _records(self, contract: Contract) -> Iterator[FileRecord]:
        self._file.content.seek(0)
        try:
            yield from Reader(self._file.content, self._form, contract, self._files)
        except Unreadable as error:
            raise self._wrong(error.violation.reason, "correct the file, or give --file NAME=VALUE") from error

    # -- cells -----------------------------------------------------------------------------------------------------

    def _read_cells(self) -> None:
        """What the columns hold: how numbers and days are written, and the types that follow."""
        try:
            headers, rows = self._table()
            columns = {header: Cells(header) for header in headers}
            if len(columns) < len(headers):
                raise self._wrong("Two of its columns have one name", "rename one of them")
            for row in islice(rows, _MOST_RECORDS):
                if row.fault is None and len(row.cells) >= len(headers):
                    for column, value in zip(columns.values(), row.cells, strict=False):
                        column.add(value)
        except Unreadable as error:
            raise self._wrong(error.violation.reason, "correct the file, or give --file NAME=VALUE") from error
        dialect = Dialect(columns.values(), self._files, self._questions)
        self._files = dialect.files
        self._why |= dialect.why
        names = {name: _field(name, place) for place, name in enumerate(columns, 1)}
        if len(set(names.values())) < len(names):
            raise self._wrong("Two of its columns would be one field", "rename one of them")
        aliases = {header: name for header, name in names.items() if plain(header) != plain(name)}
        self._files = msgspec.structs.replace(self._files, columns={**aliases, **self._files.columns})
        self._why["columns"] = "headers that no field is spelt like"
        properties = tuple(
            Property(name=names[name], logical_type=kind, physical_type=physical)
            for name, (kind, physical) in dialect.types.items()
        )
        self._contract_of_types = msgspec.structs.replace(UNKNOWN, properties=properties)

    def _table(self) -> tuple[list[str], Iterator[Row]]:
        """The names of the columns, and the rows."""
        content, names = self._file.content, self._files.names
        content.seek(0)
        if self._form.format == "parquet":
            return parquet.header(content), parquet.rows(content)
        if self._form.format == "csv":
            first, rows = delimited.header_and_rows(content, self._form)
        else:
            rows = excel.rows(content, self._form)
            if self._form.header == 0:
                return list(names), rows
            first = next(rows)
        if self._form.header == 0:
            return list(names), rows
        headers = [str(cell).strip() for cell in first.cells]
        return [header or f"column_{place}" for place, header in enumerate(headers, 1)], rows

    # -- the file --------------------------------------------------------------------------------------------------

    def _entry(self, record: Field) -> dict[str, Any]:
        declared = {
            name: value
            for name, value in msgspec.to_builtins(self._files).items()
            if value != msgspec.to_builtins(Files()).get(name)
        }
        files: dict[str, Any] = {name: Said(value, self._why.get(name, "given")) for name, value in declared.items()}
        if self._form.format == "csv":
            told = f"the sample: {self._form.encoding}, {self._form.delimiter!r} between cells"
            files = {"#": [told], **files}
        entry: dict[str, Any] = {"mode": Said("landed", "a file was given: no API is asked")}
        if set(files) - {"#"}:
            entry["files"] = files
        elif files:
            entry["#"] = files["#"]
        return self.head() | {"streams": {self._stream: entry}}

    def _wrong(self, reason: str, hint: str) -> ConfigurationError:
        return ConfigurationError(f"{self._path}: {reason}.", source=self._wanted.name, hint=hint)


def _decoded(text: bytes) -> Any:
    """A text as JSON; None if it is none."""
    try:
        return VALUES.decode(text.removeprefix(codecs.BOM_UTF8))
    except (ValueError, RecursionError):
        return None


def _field(header: str, place: int) -> str:
    """The field that a column becomes."""
    bare = "".join(letter for letter in unicodedata.normalize("NFKD", header) if not unicodedata.combining(letter))
    return snake_case(bare) or f"column_{place}"
