"""What `files:` may say, and what is refused before anything is read."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from ingot.files import Files
from ingot.files.declared import faults
from tests.unit.ingot.files.reading import CONTRACT


def said(**files: Any) -> list[str]:
    return [reason for reason, hint in faults(msgspec.convert(files, Files), CONTRACT) if hint]


@pytest.mark.parametrize(
    "files",
    [
        {},
        {"encoding": "latin-1", "delimiter": "\t", "decimal": ",", "thousands": ".", "quote": ""},
        {"fallback_encoding": "cp1252", "columns": {"EK": "unitCost", "EK-Preis": "unitCost"}, "thousands": " "},
        {"header": 0, "names": ["sku", "unitCost"]},
        {"format": "json", "records": "data.items"},
        {"timezone": "Europe/Berlin", "timestamps": "%d.%m.%Y %H:%M", "true_words": ["ja"], "false_words": ["nein"]},
    ],
)
def test_what_can_be_is_taken(files: dict[str, Any]) -> None:
    assert said(**files) == []


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ({"encoding": "windows-31337"}, "the encoding"),
        ({"encoding": "base64"}, "the encoding"),
        ({"fallback_encoding": "x"}, "the fallback_encoding"),
        ({"encoding": "utf-8", "fallback_encoding": "cp1252"}, "and one to fall back to"),
        ({"delimiter": '"'}, "the delimiter"),
        ({"delimiter": "\n"}, "the delimiter"),
        ({"thousands": "."}, "between thousands"),
        ({"thousands": "x"}, "between thousands"),
        ({"header": 0}, "with neither"),
        ({"names": ["sku"]}, "names and a header"),
        ({"header": 0, "names": ["sku", "sku"]}, "the same"),
        ({"columns": {"EK": "unit_cost"}}, "unit_cost, which its contract does not have"),
        ({"timezone": "Mars/Olympus"}, "time zone"),
        ({"format": "csv", "records": "data"}, "which are csv"),
        ({"true_words": ["1"], "false_words": ["1"]}, "both true and false"),
    ],
)
def test_what_cannot_be_is_refused_with_a_hint(files: dict[str, Any], reason: str) -> None:
    (only,) = said(**files)
    assert reason in only


@pytest.mark.parametrize(
    "files", [{"delimeter": ";"}, {"delimiter": ";;"}, {"decimal": "'"}, {"format": "xml"}, {"once": "never"}]
)
def test_what_is_no_word_of_it_is_refused(files: dict[str, Any]) -> None:
    with pytest.raises(msgspec.ValidationError):
        said(**files)
