"""CSV as suppliers send it: whatever its signs, its encoding and its header, its records are the same."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.ingot.files.reading import form, read, refused, values

HEADER = "sku;unitCost;stock"
ROWS = [{"sku": "a-1", "unitCost": 12.5, "stock": 3}, {"sku": "Größe", "unitCost": 0.99, "stock": 1000}]


def text(delimiter: str = ",", end: str = "\n") -> str:
    return end.join(
        delimiter.join(row) for row in (["sku", "unitCost", "stock"], ["a-1", "12.5", "3"], ["Größe", "0.99", "1000"])
    )


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_a_delimiter_is_found_and_line_ends_are_all_the_same(delimiter: str, end: str) -> None:
    assert values(text(delimiter, end).encode()) == ROWS
    assert [each.line for each in read(text(delimiter, end).encode())] == [2, 3]


@pytest.mark.parametrize(
    ("encoding", "files"),
    [
        ("utf-8", {}),
        ("utf-8-sig", {}),
        ("utf-16", {}),
        ("utf-32", {}),
        ("cp1252", {"encoding": "cp1252"}),
        ("cp1252", {"fallback_encoding": "cp1252"}),
        ("latin-1", {"fallback_encoding": "latin-1"}),
        ("utf-8", {"fallback_encoding": "cp1252"}),
        ("utf-8-sig", {"encoding": "utf-8"}),
        ("utf-16-le", {"encoding": "utf-16-le"}),
    ],
)
def test_an_encoding_is_declared_or_told_by_the_bytes(encoding: str, files: dict[str, Any]) -> None:
    assert values(text().encode(encoding), **files) == ROWS


def test_what_cannot_be_decoded_is_refused_with_its_line_and_column_and_the_rest_is_not() -> None:
    found = read(text().encode("cp1252"))

    assert [each.value for each in found] == [ROWS[0], "Größe,0.99,1000".encode("cp1252")]
    assert (found[1].line, found[1].rule, found[1].reason) == (3, "encoding", "Not utf-8: column 1, character 3")


@pytest.mark.parametrize("end", [b"\x80\xd8,\x001\x00\n\x00", b"\x81"])
def test_half_a_character_of_utf_16_is_refused_and_the_rest_is_not(end: bytes) -> None:
    found = read(b"\xff\xfe" + "sku,stock\na,1\nb".encode("utf-16-le") + end)

    assert found[0].value == {"sku": "a", "stock": 1}
    assert [(each.line, each.rule) for each in found[1:]] in ([(3, "encoding")], [(3, "cells")])


def test_a_few_wrong_bytes_in_utf_8_do_not_make_all_of_it_another_encoding() -> None:
    body = "sku,stock\nGröße,1\nHöhe,2\n".encode() + b"L\xe4nge,3\n"
    found = read(body, fallback_encoding="cp1252")

    assert [each.value for each in found[:2]] == [{"sku": "Größe", "stock": 1}, {"sku": "Höhe", "stock": 2}]
    assert [(each.line, each.rule) for each in found[2:]] == [(4, "encoding")]


def test_a_header_that_cannot_be_decoded_refuses_the_file() -> None:
    (only,) = read("sku,Größe\na,1\n".encode("cp1252"))

    assert (only.line, only.rule) == (1, "encoding")


@pytest.mark.parametrize(
    "header",
    [
        "sku,unitCost,stock",
        "SKU , Unit Cost,STOCK",
        "Sku,unit_cost,Stock",
        '"sku","unit-cost","stock"',
        "Art.,EK-Preis,Bestand",
    ],
)
def test_a_header_is_known_in_any_spelling_and_by_its_aliases(header: str) -> None:
    columns = {"Art.": "sku", "EK Preis": "unitCost", "Bestand": "stock"}

    assert values(f"{header}\na-1,12.5,3\n".encode(), columns=columns) == ROWS[:1]


def test_several_headers_may_mean_one_field_but_not_in_one_file() -> None:
    columns = {"Artikel": "sku", "Article": "sku"}

    assert values(b"Artikel\na\n", columns=columns) == values(b"article\na\n", columns=columns) == [{"sku": "a"}]
    (both,) = read(b"Artikel,Article\na,b\n", columns=columns)
    assert (both.rule, both.reason) == ("header", "Columns 1 and 2 of its header are both the field sku")


def test_a_header_that_is_like_two_names_is_known_only_as_it_is_spelt() -> None:
    columns = {"E-K": "unitCost", "EK": "stock"}

    assert values(b"sku,EK,E-K\na,1,2\n", columns=columns) == [{"sku": "a", "unitCost": 2, "stock": 1}]
    assert values(b"sku,ek\na,1\n", columns=columns) == [{"sku": "a", "ek": "1"}]


def test_columns_come_in_any_order_and_records_have_them_in_the_contracts() -> None:
    (record,) = values(b"note,stock,sku\nnew,3,a\n")

    assert list(record.items()) == [("sku", "a"), ("stock", 3), ("note", "new")]


def test_a_missing_column_leaves_its_field_out_and_a_required_one_refuses_the_row() -> None:
    assert values(b"sku\na\n") == [{"sku": "a"}]
    assert refused(b"stock,active\n3,true\n") == [(2, "$.sku", "required")]


def test_columns_that_nobody_knows_are_kept_as_text_each_with_a_name() -> None:
    (record,) = values(b"sku,note,,note,unitcost2,\na,1,2,3,4,\n")

    assert record == {"sku": "a", "note": "1", "column_3": "2", "note_2": "3", "unitcost2": "4"}


def test_an_empty_cell_is_no_value() -> None:
    body = b"sku,stock,since\na,,\n,3,\nc,n/a, \n"

    assert [each.value for each in read(body, nulls=["n/a"])] == [{"sku": "a"}, {"stock": 3}, {"sku": "c"}]
    assert refused(body, nulls=["n/a"]) == [(3, "$.sku", "required")]


def test_rows_without_anything_in_them_are_none() -> None:
    found = read(b"\n\nsku,stock\n\na,1\n,\n\nb,2\n")

    assert [(each.line, each.value) for each in found] == [(5, {"sku": "a", "stock": 1}), (8, {"sku": "b", "stock": 2})]


def test_a_row_with_other_cells_than_the_header_is_refused_as_it_stands() -> None:
    found = read("sku,stock\na,1\nü,2,3\nc\nd,4,,\n".encode())

    assert [(each.line, each.rule, each.value) for each in found] == [
        (2, None, {"sku": "a", "stock": 1}),
        (3, "cells", "ü,2,3\n".encode()),
        (4, "cells", b"c\n"),
        (5, None, {"sku": "d", "stock": 4}),
    ]
    assert found[1].reason == "Expected 2 cells, got 3"


def test_a_quoted_cell_may_hold_anything_and_lines_are_counted_through_it() -> None:
    found = read(b'sku,stock\n"a,""b""\nc",1\r\nd,2\n')

    assert [(each.line, each.value) for each in found] == [
        (2, {"sku": 'a,"b"\nc', "stock": 1}),
        (4, {"sku": "d", "stock": 2}),
    ]


def test_a_quote_that_is_never_closed_is_one_refusal_of_all_that_it_took() -> None:
    found = read(b'sku,stock\na,1\n"b,2\nc,3\n')

    assert [(each.line, each.rule) for each in found] == [(2, None), (3, "quote")]
    assert found[1].value == b'"b,2\nc,3\n'
    assert found[1].reason == "A quote is opened and never closed: lines 3 to 4"


def test_text_behind_a_closing_quote_refuses_its_row_only() -> None:
    found = read(b'sku,stock\n"a"b,1\nc,3\n')

    assert [(each.line, each.rule) for each in found] == [(2, "quote"), (3, None)]


def test_a_bare_carriage_return_is_no_line_end_where_others_are() -> None:
    found = read(b'sku,stock\n"a\rb",1\nc\rd,2\n\re,3\nf,4\n')

    assert [(each.line, each.rule) for each in found] == [(2, None), (3, "quote"), (4, "quote"), (5, None)]
    assert found[0].value == {"sku": "a\rb", "stock": 1}
    assert found[1].reason == "A carriage return stands in a cell without quotes: line 3"


def test_quotes_may_be_others_or_none() -> None:
    assert values(b"sku,stock\n'a,b',1\n", quote="'") == [{"sku": "a,b", "stock": 1}]
    assert values(b'sku;stock\n19" rack;1\n', quote="") == [{"sku": '19" rack', "stock": 1}]


def test_what_stands_above_the_header_is_passed_over() -> None:
    body = b'Price list; "2026\n\nsku;stock\na;1\n'

    assert [(each.line, each.value) for each in read(body, header=3)] == [(4, {"sku": "a", "stock": 1})]


def test_a_file_without_a_header_has_its_columns_named() -> None:
    body = b"a;1\nb;2\n"
    found = read(body, header=0, names=["sku", "stock"])

    assert [(each.line, each.value) for each in found] == [(1, {"sku": "a", "stock": 1}), (2, {"sku": "b", "stock": 2})]
    assert [each.rule for each in read(b"a;1;2\n", header=0, names=["sku", "stock"])] == ["header"]


def test_a_line_that_is_too_large_is_refused_and_the_next_ones_are_read() -> None:
    found = read(b"sku,stock\n" + b"x" * (17 * 2**20) + b",1\nb,2\n")

    assert [(each.line, each.rule) for each in found] == [(2, "size"), (3, None)]
    assert len(found[0].value) == 2**20


def test_a_long_cell_is_read_whole() -> None:
    assert values(b"sku,note\na," + b"x" * (10 * 2**20) + b"\n") == [{"sku": "a", "note": "x" * (10 * 2**20)}]


def test_nul_is_refused_by_the_gate_where_it_stands() -> None:
    assert refused(b"sku,stock\na\x00b,1\nc,2\n") == [(2, "$.sku", "nul")]


@pytest.mark.parametrize("body", [b"", b"\n \n", b"\xef\xbb\xbf", b"sku,stock\n", b"sku,stock"])
def test_a_file_without_a_row_has_no_record_and_no_fault(body: bytes) -> None:
    assert read(body) == []


@pytest.mark.parametrize(
    "body", [b"hello world\n", b"a,b,c\n1,2,3\n", b"\x89PNG\r\n\x1a\n", b"<html><body>no</body></html>"]
)
def test_what_fits_nothing_is_refused_whole_and_kept(body: bytes) -> None:
    (only,) = read(body)

    assert (only.rule, only.value) == ("header", body)
    assert only.reason is not None
    assert only.reason.startswith("Nothing that can be read")


def test_utf_16_without_its_mark_is_not_guessed() -> None:
    body = "sku,stock\na,1\n".encode("utf-16-le")
    (only,) = read(body)

    assert (only.rule, only.value) == ("encoding", body)
    assert values(body, encoding="utf-16-le") == [{"sku": "a", "stock": 1}]


def test_a_quote_that_is_never_closed_in_the_header_refuses_the_file() -> None:
    (only,) = read(b'sku,"stock\na,1\n', format="csv")

    assert (only.rule, only.line) == ("quote", 1)


def test_tab_is_preferred_where_only_the_name_tells() -> None:
    assert form(b"sku\na\n", "costs.TSV").delimiter == "\t"
    assert form(b"sku\na\n", "costs.csv").delimiter == ","
    assert form(b"sku,stock\na,1\n", "costs.tsv").delimiter == ","
