"""Files come plain or packed, and what is cut off, locked or a trap is refused whole and said to be so."""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import time
import zipfile
from collections.abc import Callable

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

from ingot.files.extent import Extent
from ingot.files.unpack import files_in
from tests.unit.ingot.files.reading import read, values
from tests.unit.ingot.files.workbook import workbook

PLAIN = b"sku,stock\n" + b"".join(b"item-%d,%d\n" % (n, n) for n in range(500))
ROWS = [{"sku": f"item-{n}", "stock": n} for n in range(500)]
# A zip with the one file a.csv behind the password "secret", by Info-ZIP's cipher.
LOCKED = base64.b64decode(
    "UEsDBBQAAQAAAAAAIVwAAAAAFAAAAAgAAAAFAAAAYS5jc3YBAgMEBQYHCAkKCwwNDg8QERITFFBLAQIUABQAAQAAAAAAIVwAAAAAFAAAAAgAAAAF"
    "AAAAAAAAAAAAAAAAAAAAAABhLmNzdlBLBQYAAAAAAQABADMAAAA3AAAAAAA="
)


_LINE = b"x" * 1_000 + b",1\n"


def archive(**members: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as opened:
        for name, body in members.items():
            opened.writestr(name, body)
    return file.getvalue()


def zstd(body: bytes) -> bytes:
    return zstandard.ZstdCompressor().compress(body)


def zstd_stream(body: bytes) -> bytes:
    """In two frames that do not say how large they are."""
    half = len(body) // 2
    return b"".join(
        (compressor := zstandard.ZstdCompressor().compressobj()).compress(part) + compressor.flush()
        for part in (body[:half], body[half:])
    )


PACKERS: list[Callable[[bytes], bytes]] = [
    bytes,
    gzip.compress,
    lambda body: gzip.compress(body[:100]) + gzip.compress(body[100:]),
    zstd,
    zstd_stream,
    lambda body: archive(**{"a.csv": body}),
    lambda body: archive(**{"a.csv.gz": gzip.compress(body)}),
    lambda body: gzip.compress(archive(**{"a.csv": body})),
]


@pytest.mark.parametrize("pack", PACKERS)
def test_a_file_is_the_same_however_it_is_packed(pack: Callable[[bytes], bytes]) -> None:
    assert values(pack(PLAIN), "any") == ROWS
    (file,) = files_in(io.BytesIO(pack(PLAIN)), "any", max_mb=1)
    assert (file.sha256, file.bytes) == (hashlib.sha256(PLAIN).hexdigest(), len(PLAIN))


def test_each_member_of_a_zip_is_a_file() -> None:
    body = archive(
        **{
            "march/a.csv": b"sku,stock\na,1\n",
            "march/": b"",
            "__MACOSX/march/._a.csv": b"\x00",
            ".DS_Store": b"\x00",
            "b.tsv": b"stock\tsku\n2\tb\n",
            "c.json": b'[{"sku":"c"}]',
            "d.xlsx": workbook({"A": [["sku"], ["d"]]}),
        }
    )

    assert [(each.part, each.value) for each in read(body)] == [
        ("march/a.csv", {"sku": "a", "stock": 1}),
        ("b.tsv", {"sku": "b", "stock": 2}),
        ("c.json", {"sku": "c"}),
        ("d.xlsx", {"sku": "d"}),
    ]


@pytest.mark.parametrize("pack", PACKERS[1:])
def test_what_is_cut_off_is_refused_whole(pack: Callable[[bytes], bytes]) -> None:
    body = pack(PLAIN)
    for end in (len(body) - 1, len(body) // 2, 12):
        (only,) = read(body[:end])
        assert only.rule == "file", end
        assert only.value == body[:end]


def test_what_is_damaged_within_is_refused_and_other_members_are_not() -> None:
    body = bytearray(archive(**{"a.csv": PLAIN, "b.csv": b"sku\nb\n"}))
    body[60] ^= 0xFF
    found = read(bytes(body))

    assert [(each.part, each.rule) for each in found] == [("a.csv", "file"), ("b.csv", None)]


def test_a_member_behind_a_password_is_refused() -> None:
    assert [(each.part, each.rule, each.reason) for each in read(LOCKED)] == [
        ("a.csv", "file", "Behind a password: nobody here has one")
    ]


@pytest.mark.parametrize("pack", PACKERS[1:])
def test_what_unpacks_to_more_than_is_declared_is_refused(pack: Callable[[bytes], bytes]) -> None:
    bomb = pack(b"sku,stock\n" + _LINE * 3_000)

    assert len(read(bomb, max_unpacked_mb=4)) == 3_000
    (only,) = read(bomb, max_unpacked_mb=2)
    assert (only.rule, only.reason) == ("file", "Larger than 2 MiB when it is unpacked (files.max_unpacked_mb)")


def test_the_limit_is_of_all_members_together_and_of_a_workbook_too() -> None:
    half = b"sku,stock\n" + _LINE * 1_050
    rules = [each.rule for each in read(archive(a=half, b=half), max_unpacked_mb=2)]
    assert rules == [None] * 1_050 + ["file"]

    large = workbook({"A": [["sku"], *([["x" * 1000]] * 2_000)]})
    assert [each.rule for each in read(large, max_unpacked_mb=1)] == ["file"]
    assert len(read(large, max_unpacked_mb=4)) == 2_000


def sparse(last: str) -> bytes:
    """A workbook with a value in its first column, and one far away."""
    source = zipfile.ZipFile(io.BytesIO(workbook({"A": [["sku"], ["a"]]})))
    members = {name: source.read(name) for name in source.namelist()}
    sheet = "xl/worksheets/sheet1.xml"
    members[sheet] = members[sheet].replace(b"</sheetData>", last.encode() + b"</sheetData>")
    return archive(**members)


@pytest.mark.parametrize(
    "last",
    [
        '<row r="9999"><c r="XFD9999"><v>1</v></c></row>',
        "<x:row r = '9999'>\n<x:c s='1' r='XFD9999' t='n' >\n<x:v>1</x:v></x:c></x:row>",
        '<row r="3"><c r="XFD3"><v>1</v></c></row><row r="1048576"><c><v>1</v></c></row>',
        '<row r="9999"><c r="XFC9999" s="1"/><c r="XFD9999"><f>1</f><v>1</v></c></row>' + " " * 2**21,
    ],
)
def test_a_sheet_that_would_take_more_memory_than_there_is_is_refused(last: str) -> None:
    (only,) = read(sparse(last))

    assert (only.rule, only.part) == ("file", "")
    assert only.reason is not None
    assert only.reason.startswith("A sheet with values as far as row ")


@pytest.mark.parametrize(
    "last",
    [
        '<row r="1048576"><c r="XFD1048576" s="1"/></row>',
        '<row r="1048576"><c r="XFD1048576" s="1"></c></row>',
        '<row r="1048576" s="1"/><row r="3"><c r="A3" s="1"/></row>',
    ],
)
def test_cells_that_have_nothing_but_a_style_take_none(last: str) -> None:
    assert values(sparse(last)) == [{"sku": "a"}]


def test_how_far_a_sheet_goes_is_seen_at_once_in_any_text() -> None:
    begin = time.process_time()
    for text in (b"<c ", b"<row ", b' r="1"', b"<row r='1'><c ", b"<a", b"r="):
        Extent().feed(b"<row " + text * (2**20 // len(text)))
    assert time.process_time() - begin < 10  # what goes back takes hours


def test_packed_again_and_again_is_refused() -> None:
    body = PLAIN
    for _ in range(3):
        body = gzip.compress(body)
    assert values(body) == ROWS
    assert [each.rule for each in read(gzip.compress(body))] == ["file"]


def parquet() -> bytes:
    file = io.BytesIO()
    pq.write_table(pa.table({"sku": [f"item-{n}" for n in range(5_000)]}), file, row_group_size=1_000)
    return file.getvalue()


def test_a_parquet_file_without_its_end_is_refused_whole() -> None:
    for body in (parquet()[:-1], parquet()[:-8], parquet()[:5_000], b"PAR1", b"PAR1" + b"\x00" * 100 + b"PAR1"):
        (only,) = read(body)
        assert only.rule == "file"


def test_a_parquet_file_that_is_damaged_within_says_from_where_on() -> None:
    body = bytearray(parquet())
    metadata = pq.ParquetFile(io.BytesIO(bytes(body))).metadata
    at = metadata.row_group(3).column(0).dictionary_page_offset
    body[at : at + 40] = b"\xff" * 40
    found = read(bytes(body))

    assert [each.rule for each in found].count("file") == 1
    assert found[-1].rule == "file"
    assert [each.value["sku"] for each in found[:-1]] == [f"item-{n}" for n in range(len(found) - 1)]
    assert found[-1].line == len(found)


@pytest.mark.parametrize(
    "body",
    [
        workbook({"A": [["sku"], ["a"]]})[:-30],
        workbook({"A": [["sku"], ["a"]]})[:400],
        b"PK\x03\x04" + b"\x00" * 100,
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\x00" * 1000,
        archive(**{"[Content_Types].xml": b"<Types/>", "word/document.xml": b"<w/>"}),
    ],
)
def test_an_excel_file_that_is_none_is_refused_whole(body: bytes) -> None:
    (only,) = read(body, "costs.xlsx")

    assert only.rule == "file"


def test_an_empty_archive_holds_nothing() -> None:
    assert read(archive()) == []
    assert read(gzip.compress(b"")) == []
    assert read(zstd(b"")) == []
