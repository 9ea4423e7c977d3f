"""What a file is, told by its bytes as far as nothing is declared; where they fit nothing, it is refused.

A delimiter is found with the contract: it is the one by which most of the header's columns are known.
"""

from __future__ import annotations

import codecs
import re
from typing import IO

import msgspec

from ingot.contract.model import Contract
from ingot.files import delimited, excel
from ingot.files.columns import Headers
from ingot.files.declared import Files, Form, Format
from ingot.files.documents import MOST_DOCUMENT
from ingot.files.model import Unreadable

_BINARY: tuple[tuple[bytes, Format], ...] = (
    (b"PK\x03\x04", "excel"),  # every other zip was taken apart
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "excel"),  # before 2007, or behind a password
    (b"PAR1", "parquet"),
)
_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_DELIMITERS = (",", ";", "\t", "|")
_TABS = (".tsv", ".tab")
_LINES = (".ndjson", ".jsonl")
_NOT_ASCII = re.compile("[^\x00-\x7f]")
_UNDECODED = re.compile("[\udc80-\udcff]")
_BLOCK = 2**20


def form_of(content: IO[bytes], name: str, contract: Contract, files: Files, *, enveloped: bool = False) -> Form:
    """How a file is to be read.

    Args:
        content: its bytes, unpacked.
        name: its own, asked only where its bytes leave a choice.

    Raises:
        Unreadable: it is nothing that can be read, or not what is declared.
    """
    content.seek(0)
    head = content.read(4096)
    found = next((form for begins, form in _BINARY if head.startswith(begins)), None)
    if found is not None and files.format not in ("auto", found):
        raise Unreadable(f"It is {found.capitalize()}, and {files.format} is declared (files.format)")
    if found is None and files.format in ("excel", "parquet"):
        raise Unreadable(f"It is no {files.format.capitalize()} file, which is declared (files.format)")
    match found or (_text(content, head, name, files) if files.format == "auto" else files.format):
        case "parquet":
            return Form("parquet")
        case "excel":
            sheet = excel.sheet_of(content, files.sheet)
            return Form("excel", header=files.header, sheet=sheet) if sheet else Form(None)
        case "json":
            return Form("json", records=files.records)
        case "ndjson":
            return Form("ndjson", enveloped=enveloped)
        case "csv":
            return _delimited(content, head, name, contract, files)
        case None:
            return Form(None)
    raise AssertionError("a format without a reader")


def _text(content: IO[bytes], head: bytes, name: str, files: Files) -> Format | None:
    """What a text is: None if there is nothing but space in it."""
    content.seek(0)
    first = _line(content)
    begins = first.lstrip(b" \t")[:1]
    if not first:
        return None
    if begins == b"[" or (begins == b"{" and files.records):
        return "json"
    if begins == b"{":
        return "ndjson" if _is_json(first) or not _is_document(content) else "json"
    return "ndjson" if name.lower().endswith(_LINES) else "csv"


def _line(content: IO[bytes]) -> bytes:
    """The first line with anything in it."""
    while line := content.readline(MOST_DOCUMENT):
        if line := line.removeprefix(codecs.BOM_UTF8).strip(b" \t\r\n"):
            return line
    return b""


def _is_document(content: IO[bytes]) -> bool:
    content.seek(0)
    body = content.read(MOST_DOCUMENT + 1)
    return len(body) <= MOST_DOCUMENT and _is_json(body.removeprefix(codecs.BOM_UTF8))


def _is_json(text: bytes) -> bool:
    try:
        msgspec.json.decode(text, type=msgspec.Raw)
    except (msgspec.DecodeError, RecursionError):
        return False
    return True


def _delimited(content: IO[bytes], head: bytes, name: str, contract: Contract, files: Files) -> Form:
    form = Form("csv", encoding=_encoding(content, head, files), quote=files.quote, header=files.header)
    content.seek(0)
    if not _line(content):
        return Form(None)
    headers = Headers(contract, files)
    preferred = "\t" if name.lower().endswith(_TABS) else ","
    best, most = form, 0
    broken: Unreadable | None = None
    for delimiter in sorted(_DELIMITERS, key=preferred.__ne__) if not files.delimiter else files.delimiter:
        tried = msgspec.structs.replace(form, delimiter=delimiter)
        try:
            first, _ = delimited.header_and_rows(content, tried)
        except Unreadable as error:  # what is quoted for another delimiter is not for this one
            broken = broken or error
            continue
        if any("\x00" in cell for cell in first.cells):
            raise Unreadable("Its first line holds NUL: it may be UTF-16 (files.encoding)", rule="encoding")
        # Without a header there is only the number of its columns to go by.
        known = headers.known(first.cells) if files.header else int(len(first.cells) == len(files.names))
        if known > most:
            best, most = tried, known
    if not most:
        if broken is not None and files.format == "csv":
            raise broken
        what = "name a field of the contract" if files.header else f"are {len(files.names)} columns"
        raise Unreadable(
            f"Nothing that can be read: no JSON, Excel or Parquet, and as CSV none of its headers {what}"
            if files.format == "auto"
            else f"None of its headers {what} (files.delimiter, files.header, files.columns)",
            rule="header",
        )
    return best


def _encoding(content: IO[bytes], head: bytes, files: Files) -> str:
    if files.encoding:
        # Its mark is none of the text.
        return "utf-8-sig" if codecs.lookup(files.encoding).name == "utf-8" else files.encoding
    found = next((encoding for mark, encoding in _BOMS if head.startswith(mark)), None)
    if found is not None:
        return found
    return files.fallback_encoding if files.fallback_encoding and not _is_utf8(content) else "utf-8"


def _is_utf8(content: IO[bytes]) -> bool:
    """Whether a text is UTF-8; but for some bytes too, since in another encoding all of it would come out wrong.

    What is in another encoding hardly ever has characters that are well-formed in UTF-8, let alone more than others.
    """
    content.seek(0)
    decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
    right = wrong = 0
    while block := content.read(_BLOCK):
        text = decoder.decode(block)
        if not text.isascii():
            broken = len(_UNDECODED.findall(text))
            wrong += broken
            right += len(_NOT_ASCII.findall(text)) - broken
    wrong += len(decoder.decode(b"", final=True))
    return not wrong or right > wrong
