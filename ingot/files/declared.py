"""What ``files:`` of a stream in ``source.yaml`` may say of the files that land."""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from typing import Annotated, Literal

import msgspec

from ingot.contract.model import Contract

Format = Literal["csv", "json", "ndjson", "excel", "parquet"]

_THOUSANDS = ("", ".", ",", "'", "_", " ")


class Files(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How the files of a stream that lands are read. Each is told by its bytes, as far as nothing is declared.

    Attributes:
        format: ``auto``: by the bytes; or ``csv`` (with any delimiter), ``json``, ``ndjson``, ``excel``, ``parquet``:
            what is something else is then refused.
        encoding: of text (``utf-8``, ``cp1252``, …). Without it: its byte order mark, else UTF-8. What cannot be
            decoded is refused with its line and column.
        fallback_encoding: of a file that has no byte order mark and is not UTF-8. One that is UTF-8 but for some bytes
            stays UTF-8: their rows are refused, and no other is read wrongly.
        delimiter: between cells. Without it, that of ``,``, ``;``, tab and ``|`` by which most columns of the header
            are known.
        quote: around a cell that holds a delimiter, a quote (then doubled) or a line end; empty: there is none.
        header: the line (in Excel the row) with the names of the columns, from 1; what stands above is passed over. 0:
            there is none, and `names` says it.
        names: of the columns of a file without a header, in order.
        columns: field of the contract, by the header that means it: ``{EK-Preis: cost, Purchase price: cost}``. A
            header that is spelt as a field needs none, whatever its case, spaces and signs.
        decimal: the sign before a number's fraction.
        thousands: the sign between groups of three digits. A space is any space.
        nulls: words for no value, beside the empty cell.
        true_words: words for true, in any case.
        false_words: words for false, in any case.
        dates: how a day is written (``%d.%m.%Y``), if not ``2026-03-01``.
        timestamps: how a time is written (``%d.%m.%Y %H:%M``), if not as in ISO 8601.
        timezone: of times that do not say theirs (``Europe/Berlin``). Without it they are refused.
        sheet: which one of an Excel file is read: its name. Without it, the only one that holds anything.
        records: where in a JSON document the records are (``data.items``), if it is no array of them.
        once: ``content``: what was taken under any name that still lies there is not taken again; ``name``: a file
            under another name counts, even if its content is known.
        max_unpacked_mb: of one object when it is unpacked, in MiB; what is larger is refused.
    """

    format: Literal["auto", "csv", "json", "ndjson", "excel", "parquet"] = "auto"
    encoding: str = ""
    fallback_encoding: str = ""
    delimiter: Annotated[str, msgspec.Meta(max_length=1)] = ""
    quote: Annotated[str, msgspec.Meta(max_length=1)] = '"'
    header: Annotated[int, msgspec.Meta(ge=0)] = 1
    names: tuple[str, ...] = ()
    columns: dict[str, str] = {}
    decimal: Literal[".", ","] = "."
    thousands: str = ""
    nulls: tuple[str, ...] = ()
    true_words: tuple[str, ...] = ("true",)
    false_words: tuple[str, ...] = ("false",)
    dates: str = ""
    timestamps: str = ""
    timezone: str = ""
    sheet: str = ""
    records: str = ""
    once: Literal["content", "name"] = "content"
    max_unpacked_mb: Annotated[int, msgspec.Meta(ge=1)] = 1024


class Form(msgspec.Struct, frozen=True, omit_defaults=True):
    """How one file was read: with it, it is read the same way again, whatever is declared by then.

    Attributes:
        format: what it is; None: it holds nothing.
        encoding, delimiter, quote, header, sheet, records: as in :class:`Files`, found where nothing was declared.
        enveloped: its lines may be envelopes of Firehose.
    """

    format: Format | None
    encoding: str = ""
    delimiter: str = ""
    quote: str = ""
    header: int = 0
    sheet: str = ""
    records: str = ""
    enveloped: bool = False


def faults(files: Files, contract: Contract) -> Iterator[tuple[str, str]]:
    """What a declaration says that cannot be: a reason and a hint each."""
    for name in ("encoding", "fallback_encoding"):
        if getattr(files, name) and not _is_encoding(getattr(files, name)):
            yield f"has files in the {name} {getattr(files, name)!r}", "one that Python's codecs know: utf-8, cp1252"
    if files.encoding and files.fallback_encoding:
        yield "declares an encoding of files, and one to fall back to", "take one of them away"
    if files.delimiter and files.delimiter in (files.quote, "\n", "\r", " "):
        yield f"has files with the delimiter {files.delimiter!r}", "a sign that is neither the quote nor a space"
    if files.thousands not in _THOUSANDS or files.thousands == files.decimal:
        yield f"has files with {files.thousands!r} between thousands", f"one of {_THOUSANDS[1:]}, not the decimal sign"
    if (files.header == 0) != bool(files.names):
        yield "has files with names and a header, or with neither", "give names with header: 0, and only then"
    if len(set(files.names)) < len(files.names):
        yield "names two columns of its files the same", "each column has a name of its own"
    fields = {p.name for p in contract.properties}
    if strangers := sorted(set(files.columns.values()) - fields):
        yield f"maps columns to {', '.join(strangers)}, which its contract does not have", "correct files.columns"
    if files.timezone and not _is_timezone(files.timezone):
        yield f"has files in the time zone {files.timezone!r}", "one of the IANA database: Europe/Berlin, UTC"
    if files.records and files.format not in ("auto", "json"):
        yield f"says where the records of its files are, which are {files.format}", "only JSON has such a place"
    if {w.casefold() for w in files.true_words} & {w.casefold() for w in files.false_words}:
        yield "has a word that is both true and false", "correct files.true_words and files.false_words"


def _is_encoding(name: str) -> bool:
    try:
        return codecs.lookup(name)._is_text_encoding
    except LookupError:
        return False


def _is_timezone(name: str) -> bool:
    from zoneinfo import ZoneInfo  # every command reads sources, and few of them name a zone

    try:
        ZoneInfo(name)
    except (ValueError, OSError, LookupError):
        return False
    return True
