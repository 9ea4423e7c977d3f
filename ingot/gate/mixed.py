"""Fields whose values come as text or as a number (``sourceForm: textOrNumber``): both mean one value of one type.

What is compiled from the contract knows that type alone; here a value becomes JSON of it. ``"12.5"`` and 12.5 are one
number. As text, a number is spelt as the source sent it: what would be spelt otherwise behind the gate is refused.
"""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import msgspec

from ingot.contract.model import EPOCH_UNITS, Property

_INTEGER = re.compile(r"-?(?:0|[1-9][0-9]*)")
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_MOST_CHARACTERS = 1000


class Unfit(ValueError):
    """A value that is none of the field's type; the message is the reason, without the value."""

    def __init__(self, rule: str, reason: str) -> None:
        super().__init__(reason)
        self.rule = rule


def is_mixed(prop: Property) -> bool:
    """Whether its values may be text or a number."""
    return prop.source_form == "textOrNumber"


def plain(prop: Property, raw: bytes) -> bytes:
    """A value as JSON of the field's own type; what is neither text nor a number stays as it is.

    Raises:
        Unfit: a text that is no number; a number that has another spelling as text.
    """
    raw = raw.strip()
    if raw[:1] == b'"':
        return raw if prop.logical_type == "string" else _number(prop, raw)
    if prop.logical_type == "string" and (raw[:1].isdigit() or raw[:1] == b"-"):
        return _text(raw)
    return raw


def _number(prop: Property, raw: bytes) -> bytes:
    text = msgspec.json.decode(raw, type=str)
    form = _INTEGER if prop.logical_type == "integer" else _NUMBER
    if len(text) > _MOST_CHARACTERS or not form.fullmatch(text):
        raise Unfit("type", f"Expected `{prop.logical_type}`, got a `str` that is none")
    return text.encode()


def _text(raw: bytes) -> bytes:
    text = raw.decode()
    if len(text) > _MOST_CHARACTERS or text == "-0" or not (_INTEGER.fullmatch(text) or text == repr(float(text))):
        raise Unfit("spelling", "Expected a number in its shortest spelling, as it becomes text")
    return msgspec.json.encode(text)


def value(prop: Property, raw: bytes) -> Any:
    """The value of an accepted field, decoded: that of its own type."""
    return msgspec.json.decode(plain(prop, raw) if is_mixed(prop) else raw)


def key_value(prop: Property, raw: bytes) -> Any:
    """One value by which records are told apart: two spellings of it are one, as they are in the warehouse."""
    found = value(prop, raw)
    if prop.logical_type == "date" and prop.source_form in EPOCH_UNITS:
        day = timedelta(days=1) // EPOCH_UNITS[prop.source_form]
        return found // day * day
    return found
