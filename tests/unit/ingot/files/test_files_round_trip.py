"""Any rows of a contract, written in any dialect, encoding and packing, come out of the reader as they went in."""

from __future__ import annotations

import csv
import gzip
import io
import tracemalloc
import zipfile
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ingot.files import Files
from ingot.files.detect import form_of
from ingot.files.reader import Reader
from ingot.gate import Gate
from tests.unit.ingot.files.reading import CONTRACT, read, refused
from tests.unit.ingot.files.workbook import workbook

FIELDS = [p.name for p in CONTRACT.properties if p.name != "tags"]
COUNTS = st.integers(-(2**53), 2**53)


def texts(signs: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    # A space alone is no name, and the gate refuses NUL.
    return st.text(signs, max_size=20).filter(lambda text: text.strip() != "")


def rows(signs: st.SearchStrategy[str], zone: str = "UTC") -> st.SearchStrategy[list[dict[str, Any]]]:
    maybe: dict[str, st.SearchStrategy[Any]] = {
        "unitCost": st.decimals(-(10**9), 10**9, places=2),
        "weight": st.floats(allow_nan=False, allow_infinity=False, width=64),
        "stock": COUNTS,
        "active": st.booleans(),
        "since": st.dates(date(1900, 3, 1)),
        "changed": st.datetimes(datetime(1900, 3, 1), datetime(2100, 1, 1), timezones=st.just(UTC)),
    }
    return st.lists(st.fixed_dictionaries({"sku": texts(signs)}, optional=maybe), min_size=1, max_size=8)


def packed(how: str, body: bytes) -> bytes:
    if how == "zip":
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("a.csv", body)
        return file.getvalue()
    packers: dict[str, Callable[[bytes], bytes]] = {"gzip": gzip.compress, "zstd": zstandard.compress, "plain": bytes}
    return packers[how](body)


def expected(row: dict[str, Any]) -> dict[str, Any]:
    """As JSON has it."""
    return {
        name: float(value) if isinstance(value, Decimal) else value.isoformat() if isinstance(value, date) else value
        for name, value in row.items()
    }


def found(row: dict[str, Any]) -> dict[str, Any]:
    return {
        name: datetime.fromisoformat(value).isoformat() if name == "changed" else value for name, value in row.items()
    }


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_csv_comes_back_equal(data: st.DataObject) -> None:
    delimiter = data.draw(st.sampled_from([",", ";", "\t", "|"]), "delimiter")
    quote = data.draw(st.sampled_from(['"', "'"]), "quote")
    quoting = data.draw(st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC]), "quoting")
    end = data.draw(st.sampled_from(["\n", "\r\n"]), "end")
    encoding = data.draw(st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "cp1252", "latin-1"]), "encoding")
    decimal = data.draw(st.sampled_from([".", ","]), "decimal")
    dates = data.draw(st.sampled_from(["", "%d.%m.%Y"]), "dates")
    how = data.draw(st.sampled_from(["plain", "gzip", "zstd", "zip"]), "packed")
    order = data.draw(st.permutations(FIELDS), "order")
    single_byte = encoding in ("cp1252", "latin-1")
    # Python's writer puts no quotes around a bare carriage return where lines end otherwise.
    left_out = "\x00" if end == "\r\n" or quoting == csv.QUOTE_ALL else "\x00\r"
    signs = st.characters(codec=encoding.removesuffix("-sig"), exclude_characters=left_out, exclude_categories=("Cs",))
    sent = data.draw(rows(signs), "rows")

    def cell(name: str, value: Any) -> str:
        if value is None:
            return ""
        if isinstance(value, bool):
            return str(value).lower()
        if isinstance(value, float | Decimal):
            return (str(value) if isinstance(value, Decimal) else repr(value)).replace(".", decimal)
        if isinstance(value, datetime):
            return value.isoformat()
        if isinstance(value, date) and dates:
            return f"{value.day:02}.{value.month:02}.{value.year:04}"
        return str(value)

    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=delimiter, quotechar=quote, quoting=quoting, lineterminator=end)
    writer.writerow(order)
    writer.writerows([[cell(name, row.get(name)) for name in order] for row in sent])
    body = packed(how, text.getvalue().encode(encoding))
    declared: dict[str, Any] = {"quote": quote, "decimal": decimal, "dates": dates}
    declared |= {"encoding": encoding} if single_byte else {}

    records = read(body, **declared)

    assert [each.rule for each in records] == [None] * len(sent)
    assert [found(each.value) for each in records] == [expected(row) for row in sent]
    assert [list(each.value) for each in records] == [[n for n in FIELDS if n in row] for row in sent]
    assert refused(body, **declared) == []


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    rows(st.characters(min_codepoint=32, exclude_categories=("Cs", "Co", "Cn"), exclude_characters="#\ufffe\uffff")),
    st.permutations(FIELDS),
)
def test_excel_comes_back_equal(sent: list[dict[str, Any]], order: list[str]) -> None:
    # Excel's times are days with fifteen digits, and its numbers too.
    for row in sent:
        row.pop("changed", None)
        row.pop("weight", None)
        if "stock" in row:
            row["stock"] %= 10**15
        if "unitCost" in row:
            row["unitCost"] = float(row["unitCost"])
    body = workbook({"Costs": [order, *([row.get(name) for name in order] for row in sent)]})

    records = read(body)

    assert [each.value for each in records] == [expected(row) for row in sent]
    assert refused(body) == []


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.binary(max_size=400),
    st.sampled_from(["", "sku,stock\n", '{"sku":', "[", "PK\x03\x04", "PAR1", "\x1f\x8b", "\xff\xfe"]),
)
def test_whatever_lands_is_records_or_a_refusal_and_never_an_error(noise: bytes, begins: str) -> None:
    for files in ({}, {"fallback_encoding": "cp1252", "format": "csv", "header": 2}):
        for each in read(begins.encode("latin-1") + noise, **files):
            assert each.rule is None or each.reason


def test_a_large_file_is_never_in_memory() -> None:
    body = b"sku,unitCost,note\n" + b"".join(b"item-%d,1.50,%s\n" % (n, b"x" * 2_000) for n in range(4_000))
    content, files = io.BytesIO(body), Files()
    tracemalloc.start()
    try:
        form = form_of(content, "a.csv", CONTRACT, files)
        count = sum(len(each.record) > 0 for each in Reader(content, form, CONTRACT, files))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert count == 4_000
    assert peak < len(body) / 4


def test_a_row_that_was_read_is_accepted_by_the_fast_pass_of_the_gate() -> None:
    """Spelt otherwise than the gate expects, each page would cost ten times as much."""
    body = b"sku,unitCost,stock\n" + b"a,1.50,1\n" * 10
    content = io.BytesIO(body)
    form = form_of(content, "a.csv", CONTRACT, Files())
    records = [each.record for each in Reader(content, form, CONTRACT, Files())]

    assert Gate(CONTRACT)._is_clean(b"[" + b",".join(records) + b"]", records)
