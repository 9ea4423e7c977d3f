"""Where in a text of JSON a value stands, so that a person finds it."""

from __future__ import annotations

import json
import re
from json.decoder import scanstring  # type: ignore[attr-defined]

_SPACE = re.compile(r"[ \t\n\r]*")
_VALUE = json.JSONDecoder(parse_float=str, parse_int=str)
_STEP = re.compile(r"\[(\d+)\]|\.([^.\[]+)")


def steps_of(path: str) -> list[str | int]:
    """The steps of a violation's path: ``$.products[0].quantity``."""
    return [int(match[1]) if match[1] else match[2] for match in _STEP.finditer(path)]


def offset(text: str, steps: list[str | int]) -> int | None:
    """How many characters stand before the value at a path; None if there is none, or the text is no JSON."""
    place = _after_space(text, 0)
    try:
        for step in steps:
            found = _element(text, place, step) if isinstance(step, int) else _member(text, place, step)
            if found is None:
                return None
            place = found
    except (ValueError, StopIteration, IndexError, RecursionError):
        return None
    return place


def _member(text: str, place: int, name: str) -> int | None:
    if text[place] != "{":
        return None
    place = _after_space(text, place + 1)
    while text[place] == '"':
        key, place = scanstring(text, place + 1)
        place = _after_space(text, place)
        place = _after_space(text, place + 1)  # the colon
        if key == name:
            return place
        place = _next(text, place)
    return None


def _element(text: str, place: int, index: int) -> int | None:
    if text[place] != "[":
        return None
    place = _after_space(text, place + 1)
    for _ in range(index):
        place = _next(text, place)
    return place


def _next(text: str, place: int) -> int:
    """Behind a value and the comma after it."""
    _, place = _VALUE.raw_decode(text, place)
    place = _after_space(text, place)
    return _after_space(text, place + 1) if text[place] == "," else place


def _after_space(text: str, place: int) -> int:
    match = _SPACE.match(text, place)
    assert match is not None
    return match.end()
