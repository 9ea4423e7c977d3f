"""A cell becomes the value that the contract asks for where that is exact; else its text, which the gate refuses."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.unit.ingot.files.reading import refused, values


def cell(field: str, text: str, **files: Any) -> Any:
    (record,) = values(f"sku;{field}\na;{text}\n".encode(), **files)
    return record.get(field)


@pytest.mark.parametrize(
    ("text", "files", "value"),
    [
        ("12.50", {}, 12.5),
        ("-0.05", {}, -0.05),
        ("+7", {}, 7),
        (" 7 ", {}, 7),
        (".5", {}, 0.5),
        ("5.", {}, 5),
        ("007.10", {}, 7.1),
        ("1e3", {}, 1000.0),
        ("12,50", {"decimal": ","}, 12.5),
        ("1.234,50", {"decimal": ",", "thousands": "."}, 1234.5),
        ("1.234.567", {"decimal": ",", "thousands": "."}, 1234567),
        ("1'234.50", {"thousands": "'"}, 1234.5),
        ("1 234,50", {"decimal": ",", "thousands": " "}, 1234.5),
        ("1\u202f234,50", {"decimal": ",", "thousands": " "}, 1234.5),
        ("1,234,567.89", {"thousands": ","}, 1234567.89),
        ("1234.50", {"thousands": ","}, 1234.5),
    ],
)
def test_a_number_is_read_by_the_declared_signs(text: str, files: dict[str, Any], value: float) -> None:
    assert cell("unitCost", text, **files) == value


@pytest.mark.parametrize(
    ("text", "files"),
    [
        ("12,50", {}),
        ("12.50", {"decimal": ","}),
        ("12.50", {"decimal": ",", "thousands": "."}),
        ("1.23.456", {"decimal": ",", "thousands": "."}),
        ("1,2345", {"thousands": ","}),
        ("1 234", {}),
        ("€ 12", {}),
        ("12 %", {}),
        ("1-", {}),
        ("NaN", {}),
        ("inf", {}),
        ("٣", {}),  # a digit to Python
        (".", {}),
        ("1e", {}),
    ],
)
def test_what_is_no_number_by_these_signs_is_refused_as_what_it_is(text: str, files: dict[str, Any]) -> None:
    assert cell("unitCost", text, **files) == text
    assert refused(f"sku;unitCost\na;{text}\n".encode(), **files) == [(2, "$.unitCost", "type")]


def test_a_decimal_keeps_its_digits() -> None:
    assert refused(b"sku,unitCost\na,12.345\nb,9999999999.99\nc,10000000000.00\n") == [
        (2, "$.unitCost", "scale"),
        (4, "$.unitCost", "precision"),
    ]
    assert cell("weight", "0.1000000000000000055511151231257827") == 0.1


@pytest.mark.parametrize(
    ("text", "value"),
    [("3", 3), ("-3", -3), ("003", 3), ("3.0", 3), ("3.00", 3), ("3.5", "3.5"), ("3e2", "3e2"), ("", None), ("x", "x")],
)
def test_an_integer_is_one_only_if_nothing_is_lost(text: str, value: Any) -> None:
    assert cell("stock", text) == value


@pytest.mark.parametrize(
    ("text", "files", "value"),
    [
        ("true", {}, True),
        ("FALSE", {}, False),
        ("ja", {}, "ja"),
        ("Ja", {"true_words": ["ja", "j"], "false_words": ["nein"]}, True),
        ("nein", {"true_words": ["ja"], "false_words": ["nein"]}, False),
        ("1", {"true_words": ["1"], "false_words": ["0"]}, True),
        ("1", {}, "1"),
    ],
)
def test_truth_is_in_declared_words(text: str, files: dict[str, Any], value: Any) -> None:
    assert cell("active", text, **files) == value


@pytest.mark.parametrize(
    ("text", "files", "value"),
    [
        ("2026-03-01", {}, "2026-03-01"),
        ("01.03.2026", {}, "01.03.2026"),
        ("01.03.2026", {"dates": "%d.%m.%Y"}, "2026-03-01"),
        ("1.3.2026", {"dates": "%d.%m.%Y"}, "2026-03-01"),
        ("31.02.2026", {"dates": "%d.%m.%Y"}, "31.02.2026"),
        ("2026-03-01", {"dates": "%d.%m.%Y"}, "2026-03-01"),
    ],
)
def test_a_day_is_read_as_it_is_declared(text: str, files: dict[str, Any], value: str) -> None:
    assert cell("since", text, **files) == value


@pytest.mark.parametrize(
    ("text", "files", "value"),
    [
        ("2026-03-01T10:00:00Z", {}, "2026-03-01T10:00:00Z"),
        ("2026-03-01 10:00", {}, "2026-03-01 10:00"),
        ("2026-03-01 10:00", {"timezone": "Europe/Berlin"}, "2026-03-01T10:00:00+01:00"),
        ("2026-07-01T10:00:00", {"timezone": "Europe/Berlin"}, "2026-07-01T10:00:00+02:00"),
        ("2026-07-01T10:00:00-05:00", {"timezone": "Europe/Berlin"}, "2026-07-01T10:00:00-05:00"),
        ("01.07.2026 10:00", {"timestamps": "%d.%m.%Y %H:%M", "timezone": "UTC"}, "2026-07-01T10:00:00Z"),
        ("01.07.2026 10:00", {"timestamps": "%d.%m.%Y %H:%M"}, "01.07.2026 10:00"),
        # Put back: there are two of it. Put forward: there is none.
        ("2026-10-25 02:30", {"timezone": "Europe/Berlin"}, "2026-10-25 02:30"),
        ("2026-03-29 02:30", {"timezone": "Europe/Berlin"}, "2026-03-29 02:30"),
        ("2026-03-01T10:00:00.123456789", {"timezone": "UTC"}, "2026-03-01T10:00:00.123456789"),
        ("2026-03-01T10:00:00.123456000", {"timezone": "UTC"}, "2026-03-01T10:00:00.123456Z"),
        # Berlin was 53 minutes and 28 seconds away.
        ("1890-01-01 00:00", {"timezone": "Europe/Berlin"}, "1890-01-01 00:00"),
    ],
)
def test_a_time_has_the_declared_zone_where_there_is_one_such_time(
    text: str, files: dict[str, Any], value: str
) -> None:
    assert cell("changed", text, **files) == value


def test_a_time_without_a_zone_is_refused() -> None:
    assert refused(b"sku,changed\na,2026-03-01T10:00:00\n") == [(2, "$.changed", "format")]


def test_a_text_is_kept_as_it_is() -> None:
    assert values(b"sku,note\n 007 ,1e5\n") == [{"sku": " 007 ", "note": "1e5"}]


def test_a_list_may_stand_in_a_cell() -> None:
    body = b'sku;tags\na;["x", "y"]\nb;x\nc;[1\n'

    assert [each.get("tags") for each in values(body)] == [["x", "y"], "x", "[1"]
    assert refused(body) == [(3, "$.tags", "type"), (4, "$.tags", "type")]


def test_records_are_json_whatever_stands_in_a_cell() -> None:
    signs = "".join(map(chr, range(1, 0x2100))).replace("\ud800", "")
    body = 'sku,"he said ""so"""\n"' + signs.replace('"', '""') + '",x\n'

    assert values(body.encode()) == [{"sku": signs, 'he said "so"': "x"}]
    assert json.dumps(values(body.encode()))
