"""JSON, NDJSON, Excel and Parquet: told by the bytes, and read to the same records as CSV."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ingot.files import Files
from ingot.files.reader import Reader
from tests.unit.ingot.files.reading import CONTRACT, form, read, refused, values
from tests.unit.ingot.files.workbook import workbook

ROWS = [{"sku": "a", "stock": 3}, {"sku": "b", "stock": 4}]
DAY = date(2026, 3, 1)


def parquet(columns: dict[str, Any], **how: Any) -> bytes:
    file = io.BytesIO()
    pq.write_table(pa.table(columns), file, **how)
    return file.getvalue()


@pytest.mark.parametrize(
    ("body", "found"),
    [
        (json.dumps(ROWS).encode(), "json"),
        (b"\xef\xbb\xbf  " + json.dumps(ROWS, indent=2).encode(), "json"),
        (b"\n".join(json.dumps(row).encode() for row in ROWS), "ndjson"),
        (b"\xef\xbb\xbf\r\n" + b"\r\n\r\n".join(json.dumps(row).encode() for row in ROWS), "ndjson"),
        (b"sku,stock\na,3\nb,4\n", "csv"),
        (workbook({"Sheet1": [["sku", "stock"], ["a", 3], ["b", 4]]}), "excel"),
        (parquet({"sku": ["a", "b"], "stock": [3, 4]}), "parquet"),
    ],
)
def test_a_format_is_told_by_the_bytes_or_declared_and_the_records_are_the_same(body: bytes, found: str) -> None:
    assert form(body, "x.dat").format == found
    assert values(body, "x.dat") == values(body, "x.dat", format=found) == ROWS


@pytest.mark.parametrize("declared", ["csv", "json", "ndjson", "excel", "parquet"])
def test_what_is_something_else_than_declared_is_refused(declared: str) -> None:
    bodies = {
        "excel": workbook({"Sheet1": [["sku", "stock"], ["a", 3]]}),
        "parquet": parquet({"sku": ["a"]}),
        "csv": b"sku,stock\na,3\n",
    }
    for found, body in bodies.items():
        if found != declared:
            (only, *_) = refused(body, format=declared)
            assert only[2] in ("file", "json", "header")


def test_json_lines_are_the_bytes_that_came() -> None:
    body = b'{ "sku":"a" ,"stock":1.0}\r\nbroken\n\n["x"]\n{"sku":"b"}{"sku":"c"}'

    assert [each.line for each in read(body, format="ndjson")] == [1, 2, 4, 5]
    assert refused(body, format="ndjson") == [
        (1, "$.stock", "type"),
        (2, "$", "json"),
        (4, "$", "type"),
        (5, "$", "json"),
    ]


def test_a_broken_first_line_of_json_does_not_make_it_another_format() -> None:
    assert refused(b'{"sku":"a",,}\n{"sku":"b"}\n') == [(1, "$", "json")]
    assert refused(b'no json\n{"sku":"b"}\n', "events.ndjson") == [(1, "$", "json")]


def test_records_of_a_json_document_have_the_line_where_they_begin() -> None:
    body = json.dumps([{"sku": "a"}, {"sku": "a"}, {"stock": 1}, {"sku": "b", "stock": "x"}], indent=1).encode()

    assert [each.line for each in read(body)] == [2, 5, 8, 11]
    assert refused(body) == [(8, "$.sku", "required"), (11, "$.stock", "type")]


def test_one_malformed_element_of_an_array_does_not_cost_the_others() -> None:
    assert [each.line for each in read(b'[{"sku":"a"},\n{"sku":},\n{"sku":"b"}]')] == [1, 2, 3]
    assert refused(b'[{"sku":"a"},\n{"sku":},\n{"sku":"b"}]') == [(2, "$", "json")]


def test_records_lie_where_they_are_declared() -> None:
    body = b'{"old": {"items": [{"sku": "x"}]},\n "data": {"items": [{"sku": "a"},\n{"sku": "\xc3\xbc"}]}}'

    assert [(e.line, e.value) for e in read(body, records="data.items")] == [(2, {"sku": "a"}), (3, {"sku": "ü"})]
    (only,) = read(body, records="data.rows")
    assert (only.rule, only.reason) == ("file", "No JSON with an array at data.rows (files.records)")
    assert [each.rule for each in read(b'{"data": {"items": 5}}', records="data.items")] == ["json"]


def test_an_object_over_several_lines_is_one_record() -> None:
    assert values(json.dumps({"sku": "a", "stock": 3}, indent=2).encode()) == ROWS[:1]


def test_an_array_that_is_cut_off_is_refused_whole() -> None:
    (only,) = read(b'[{"sku":"a"},{"sku"')

    assert only.rule == "json"


# Excel


def sheet(*rows: Sequence[Any], **how: Any) -> bytes:
    return workbook({"Costs": rows}, **how)


def test_cells_of_excel_become_what_the_contract_asks_for() -> None:
    head = ["sku", "unitCost", "weight", "stock", "active", "since", "changed", "note"]
    body = sheet(head, [1001, 12.35, 0.1 + 0.2, 3, True, DAY, datetime(2026, 3, 1, 12, 30), DAY], ["b", 0.1 + 0.2])

    first, second = values(body, timezone="UTC")

    assert first == {
        "sku": "1001",
        "unitCost": 12.35,
        "weight": 0.1 + 0.2,
        "stock": 3,
        "active": True,
        "since": "2026-03-01",
        "changed": "2026-03-01T12:30:00Z",
        "note": "2026-03-01",
    }
    assert second == {"sku": "b", "unitCost": 0.3}


def test_what_is_of_another_type_in_excel_is_refused() -> None:
    body = sheet(["sku", "stock", "active"], ["a", 3.5, True], [True, 3, 1], ["c", "x", False])

    assert refused(body) == [
        (2, "$.stock", "type"),
        (3, "$.sku", "type"),
        (3, "$.active", "type"),
        (4, "$.stock", "type"),
    ]


def test_texts_in_excel_are_read_by_the_declared_signs() -> None:
    body = sheet(["sku", "unitCost", "since"], ["a", "1.234,50", "01.03.2026"])

    assert values(body, decimal=",", thousands=".", dates="%d.%m.%Y") == [
        {"sku": "a", "unitCost": 1234.5, "since": "2026-03-01"}
    ]


def test_rows_of_excel_are_counted_as_excel_does() -> None:
    body = sheet(["sku", "stock"], [None, None], ["a", 1], ["b", "x"], first_row=4)

    assert [each.line for each in read(body)] == [6, 7]
    assert refused(body) == [(7, "$.stock", "type")]
    titled = sheet(["Price list", None], ["sku", "stock"], ["a", 1])
    assert [(each.line, each.value) for each in read(titled, header=2)] == [(3, {"sku": "a", "stock": 1})]


def test_columns_of_excel_are_counted_as_excel_does() -> None:
    body = sheet([None, None, "sku", "stock"], [None, None, "a", "x"])
    reader = Reader(io.BytesIO(body), form(body), CONTRACT, Files())

    assert (reader.columns["sku"], reader.columns["stock"]) == ("3 (sku)", "4 (stock)")
    assert [(each.line, each.value) for each in read(body)] == [(2, {"sku": "a", "stock": "x"})]
    titled = sheet([None, None, "Price list"], [None, "sku", "stock"], [None, "a", 1])
    assert [each.value for each in read(titled, header=2)] == [{"sku": "a", "stock": 1}]


def test_a_cell_with_an_error_holds_no_value() -> None:
    body = sheet(["sku", "stock"], ["a", "#N/A"], ["#DIV/0!", 2])

    assert [each.value for each in read(body)] == [{"sku": "a"}, {"stock": 2}]
    assert refused(body) == [(3, "$.sku", "required")]


def test_a_sheet_is_declared_or_the_only_one() -> None:
    one = [["sku"], ["a"]]
    other = [["sku"], ["b"]]

    assert values(workbook({"Empty": [], "Costs": one, "Lists": other}, hidden=["Lists"])) == [{"sku": "a"}]
    assert values(workbook({"A": one, "B": other}), sheet="B") == [{"sku": "b"}]
    assert [each.rule for each in read(workbook({"A": one, "B": other}))] == ["file"]
    assert [each.rule for each in read(workbook({"A": one}), sheet="B")] == ["file"]
    assert read(workbook({"A": []})) == []


def test_a_workbook_of_another_subject_is_refused() -> None:
    (only,) = read(sheet(["first", "last"], ["x", "y"]))

    assert only.rule == "header"


# Parquet


def test_values_of_parquet_become_what_the_contract_asks_for() -> None:
    body = parquet(
        {
            "SKU": pa.array(["a", None]).dictionary_encode(),
            "unit_cost": pa.array([Decimal("12.50"), None], pa.decimal128(12, 2)),
            "weight": pa.array([0.1, None], pa.float32()),
            "stock": pa.array([3, None], pa.int16()),
            "active": [True, None],
            "since": pa.array([DAY, None]),
            "changed": pa.array([datetime(2026, 3, 1, 12, tzinfo=UTC), None], pa.timestamp("ns", "Europe/Berlin")),
            "tags": [["x", "y"], None],
            "more": [{"n": 1}, None],
        }
    )

    found = read(body)

    assert found[0].value == {
        "sku": "a",
        "unitCost": 12.5,
        "weight": 0.1,
        "stock": 3,
        "active": True,
        "since": "2026-03-01",
        "changed": "2026-03-01T12:00:00.000000000Z",
        "tags": ["x", "y"],
        "more": {"n": 1},
    }
    assert refused(body) == [(2, "$.sku", "required")]


def test_times_without_a_zone_and_numbers_that_are_none_are_refused_in_parquet() -> None:
    moments = pa.array([datetime(2026, 3, 1, 12), None, None], pa.timestamp("us"))
    body = parquet({"sku": ["a", "b", "c"], "changed": moments, "weight": [1.0, float("nan"), float("inf")]})

    assert refused(body) == [(1, "$.changed", "format"), (2, "$.weight", "type"), (3, "$.weight", "type")]
    assert refused(body, timezone="Europe/Berlin")[0] == (2, "$.weight", "type")


def test_a_parquet_time_in_nanoseconds_has_the_declared_zone_if_none_is_lost() -> None:
    nanoseconds = pa.array([1_772_359_200_000_001_000, 1_772_359_200_000_001_001], pa.timestamp("ns"))
    body = parquet({"sku": ["a", "b"], "changed": nanoseconds})

    assert values(body, timezone="UTC")[0] == {"sku": "a", "changed": "2026-03-01T10:00:00.000001Z"}
    assert refused(body, timezone="UTC") == [(2, "$.changed", "format")]


def test_what_json_has_no_form_for_is_refused_within_a_value_too() -> None:
    body = parquet({"sku": ["a", "b", "c"], "parts": pa.array([[{"x": 1.5}], [{"x": float("nan")}], None])})
    assert [(each.line, each.rule) for each in read(body)] == [(1, None), (2, "type"), (3, None)]
    body = parquet({"sku": ["a", "b"], "parts": [[b"abc"], [b"\xff"]]})
    assert read(body)[0].value == {"sku": "a", "parts": ["abc"]}
    assert [(each.line, each.rule) for each in read(body)] == [(1, None), (2, "type")]


def test_a_float_is_no_integer_unless_nothing_is_lost() -> None:
    assert values(parquet({"sku": ["a", "b"], "stock": [3.0, 2.5]})) == [
        {"sku": "a", "stock": 3},
        {"sku": "b", "stock": 2.5},
    ]


@pytest.mark.parametrize("compression", ["snappy", "gzip", "zstd", "none"])
def test_parquet_is_read_in_blocks_to_its_end(compression: str) -> None:
    count = 5_001
    body = parquet({"sku": list(map(str, range(count)))}, compression=compression, row_group_size=1_999)

    found = read(body)

    assert [each.line for each in found] == list(range(1, count + 1))
    assert [each.value["sku"] for each in found] == list(map(str, range(count)))


def test_a_text_that_is_not_utf_8_is_refused_in_parquet_too() -> None:
    body = parquet({"sku": pa.array([b"a", b"\xff"], pa.binary())})

    assert [(each.line, each.rule) for each in read(body)] == [(1, None), (2, "encoding")]
