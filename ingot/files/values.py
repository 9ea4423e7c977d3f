"""From a cell to the JSON value that the contract asks for, where that is exact; else the text, which the gate refuses.

A number is its digits, never a float; a time without a zone is none, unless the source's is declared.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from ingot.contract.model import EPOCH_UNITS, Property, decimal_shape
from ingot.files.declared import Files

Convert = Callable[[Any], bytes | None]
"""A cell as JSON; None if it holds no value."""

_ENCODER = msgspec.json.Encoder(decimal_format="number")
_ANY_SPACE = "[ \u00a0\u2009\u202f]"
_FRACTION = re.compile(r"[.,][0-9]{6}[0-9]*[1-9]")  # of a microsecond, which Python would drop


def converter(prop: Property | None, files: Files) -> Convert:
    """How the cells of one column become JSON.

    Args:
        prop: what the contract says of it; None if it does not know it.
    """
    read = _reader(prop, files)
    nulls = frozenset(("", *files.nulls))
    is_text = prop is None or prop.logical_type == "string"

    def convert(value: Any) -> bytes | None:
        if value is None:
            return None
        if type(value) is str:
            bare = value.strip()
            if value in nulls or (bare in nulls and not (is_text and not bare)):
                return None
            found = read(bare)
            return _ENCODER.encode(value) if found is None else found
        return _typed(value, prop, files)

    return convert


def _reader(prop: Property | None, files: Files) -> Callable[[str], bytes | None]:
    """A text as JSON; None if it is none of what the contract asks for."""
    kind = prop.logical_type if prop is not None else "string"
    if prop is not None and prop.source_form in EPOCH_UNITS:
        kind = "integer"  # since 1970
    match kind:
        case "integer" | "number":
            number = _number(files)
            return lambda text: number(text, kind == "integer")
        case "boolean":
            words = {word.casefold(): b"false" for word in files.false_words}
            words |= {word.casefold(): b"true" for word in files.true_words}
            return lambda text: words.get(text.casefold())
        case "date":
            return lambda text: _day(text, files.dates)
        case "timestamp":
            return lambda text: _time(text, files)
        case "object" | "array":
            return lambda text: _document(text, "{" if kind == "object" else "[")
        case _:
            return lambda text: None


def _number(files: Files) -> Callable[[str, bool], bytes | None]:
    between = _ANY_SPACE if files.thousands == " " else re.escape(files.thousands)
    whole = rf"[0-9]{{1,3}}(?:{between}[0-9]{{3}})+|[0-9]+" if files.thousands else r"[0-9]+"
    form = re.compile(rf"([+-]?)({whole})?(?:{re.escape(files.decimal)}([0-9]*))?(?:[eE]([+-]?[0-9]{{1,3}}))?")
    group = re.compile(between) if files.thousands else None

    def number(text: str, integer: bool) -> bytes | None:
        match = form.fullmatch(text)
        if match is None or not (match[2] or match[3]):
            return None
        sign, before, after, exponent = match.groups(default="")
        digits = (group.sub("", before) if group else before).lstrip("0") or "0"
        sign = "-" if sign == "-" else ""
        if integer:
            return f"{sign}{digits}".encode() if not exponent and not after.strip("0") else None
        fraction = f".{after}" if after else ""
        return f"{sign}{digits}{fraction}{f'e{exponent}' if exponent else ''}".encode()

    return number


def _day(text: str, form: str) -> bytes | None:
    if not form:
        return None  # as JSON has it, or nothing
    try:
        return _ENCODER.encode(datetime.strptime(text, form).date())
    except ValueError:
        return None


def _time(text: str, files: Files) -> bytes | None:
    try:
        if files.timestamps:
            moment = datetime.strptime(text, files.timestamps)
        elif files.timezone and not _FRACTION.search(text):
            moment = datetime.fromisoformat(text)
            if moment.tzinfo is not None:
                return None  # it says all itself
        else:
            return None
    except ValueError:
        return None
    moment = _zoned(moment, files)
    return _ENCODER.encode(moment) if moment.tzinfo is not None else None


def _zoned(moment: datetime, files: Files) -> datetime:
    """A time with its zone; without, if nobody says which, or if clocks were put forward or back just then."""
    if moment.tzinfo is not None or not files.timezone:
        return moment
    zone = ZoneInfo(files.timezone)
    early, late = (moment.replace(tzinfo=zone, fold=fold) for fold in (0, 1))
    away = early.utcoffset()
    # Before there were time zones, places were seconds apart, for which RFC 3339 has no form.
    return early if away is not None and away == late.utcoffset() and not away.seconds % 60 else moment


def _document(text: str, begins: str) -> bytes | None:
    if not text.startswith(begins):
        return None
    try:
        msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        return None
    return text.encode()


def _typed(value: Any, prop: Property | None, files: Files) -> bytes | None:
    """A value that is no text: Excel and Parquet have types of their own."""
    kind = prop.logical_type if prop is not None else ""
    if isinstance(value, bool):
        return b"true" if value else b"false"
    if isinstance(value, int | float | Decimal):
        text = _digits(value, prop)
        # Numbers that name something (an article, a telephone) are typed as numbers where a program guesses.
        return _ENCODER.encode(text) if kind == "string" or not text.lstrip("-")[:1].isdigit() else text.encode()
    if isinstance(value, datetime):
        if kind == "date" and value.time().isoformat() == "00:00:00":
            return _ENCODER.encode(value.date())
        return _ENCODER.encode(_zoned(value, files))
    if isinstance(value, date) and kind == "timestamp":
        return _ENCODER.encode(_zoned(datetime(value.year, value.month, value.day), files))
    if isinstance(value, bytes | bytearray):
        return _ENCODER.encode(bytes(value).decode("utf-8", "surrogateescape"))
    return _ENCODER.encode(_exact(value))


def _exact(value: Any) -> Any:
    """A value with others in it, as JSON has a form for them.

    Raises:
        ValueError: one of them has none, and would become null (a float that is no number) or other text (bytes).
    """
    match value:
        case float() if not math.isfinite(value):
            raise ValueError("no number")
        case bytes():
            return value.decode()
        case dict():
            return {name: _exact(member) for name, member in value.items()}
        case list() | tuple():
            return [_exact(member) for member in value]
        case _:
            return value


def _digits(value: int | float | Decimal, prop: Property | None) -> str:
    if isinstance(value, int):
        return str(value)
    if isinstance(value, Decimal):
        return format(value, "f")
    if not math.isfinite(value):
        return str(value)
    if value.is_integer() and abs(value) < 2**53:
        return str(int(value))
    # Excel computes with doubles and shows 15 digits: 0.1 + 0.2 is 0.3 there.
    return f"{value:.15g}" if prop is not None and decimal_shape(prop) is not None else repr(value)
