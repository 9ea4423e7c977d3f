"""Values as people read them: the filters of the templates. What is None is a dash."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from markupsafe import Markup, escape

NONE = "\N{EN DASH}"
Number = int | float | Decimal
_BIG = 1_000


def number(value: Number | None, digits: int = 0) -> str:
    """``1,234``."""
    return NONE if value is None else f"{value:,.{digits}f}"


def money(value: Number | None, currency: str = "USD", digits: int = 2) -> str:
    """``1,234.50 USD``; the currency is always said."""
    return NONE if value is None else f"{value:,.{digits}f}\N{NO-BREAK SPACE}{currency}"


def percent(value: Number | None, digits: int = 1) -> str:
    """``0.4501`` → ``45.0 %``."""
    return NONE if value is None else f"{value * 100:,.{digits}f}\N{NO-BREAK SPACE}%"


def change(value: Number | None) -> str:
    """A share with its sign: ``0.05`` → ``+5.0 %``."""
    return NONE if value is None else f"{value * 100:+,.1f}\N{NO-BREAK SPACE}%"


def seconds(value: Number | None) -> str:
    """``0.42 s``, ``3 min 5 s``, ``2 h 10 min``, ``4 days``."""
    if value is None:
        return NONE
    whole = float(value)
    if whole < 60:
        return f"{whole:.2f}\N{NO-BREAK SPACE}s" if whole < 10 else f"{whole:.0f}\N{NO-BREAK SPACE}s"
    minutes, rest = divmod(round(whole), 60)
    if minutes < 60:
        return f"{minutes}\N{NO-BREAK SPACE}min" + (f" {rest}\N{NO-BREAK SPACE}s" if rest else "")
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours}\N{NO-BREAK SPACE}h" + (f" {minutes}\N{NO-BREAK SPACE}min" if minutes else "")
    return f"{hours // 24:,}\N{NO-BREAK SPACE}days"


def size(value: Number | None) -> str:
    """Bytes: ``512 B``, ``1.5 kB``, ``3.2 MB``."""
    if value is None:
        return NONE
    amount = float(value)
    for unit in ("B", "kB", "MB", "GB"):
        if amount < _BIG:
            return f"{amount:.0f}\N{NO-BREAK SPACE}B" if unit == "B" else f"{amount:.1f}\N{NO-BREAK SPACE}{unit}"
        amount /= _BIG
    return f"{amount:,.1f}\N{NO-BREAK SPACE}TB"


def when(value: datetime | None) -> Markup | str:
    """A time in UTC, to the second, as HTML."""
    if value is None:
        return NONE
    at = value.astimezone(UTC)
    return Markup('<time datetime="{}">{}</time>').format(at.isoformat(), at.strftime("%Y-%m-%d %H:%M:%S"))


def day(value: date | None) -> Markup | str:
    """A day, as HTML."""
    return NONE if value is None else Markup('<time datetime="{0}">{0}</time>').format(value.isoformat()[:10])


def ago(value: datetime | None) -> str:
    """How long ago: ``3 min ago``."""
    if value is None:
        return "never"
    gone = (datetime.now(UTC) - value.astimezone(UTC)).total_seconds()
    if gone < 60:
        return "just now"
    return f"{seconds(gone // 60 * 60)} ago"


def breakable(value: Any) -> Markup:
    """A long name of parts (a batch's id, a key), with places where a narrow screen may break it."""
    text = str(escape(value))
    for mark in (".", "/", "_"):
        text = text.replace(mark, f"{mark}<wbr>")
    return Markup(text)  # noqa: S704 - escaped above


def twice(value: str) -> tuple[str, str]:
    """A choice whose value is what is read."""
    return value, value


FILTERS: dict[str, Callable[..., Any]] = {
    "number": number,
    "money": money,
    "percent": percent,
    "change": change,
    "seconds": seconds,
    "size": size,
    "when": when,
    "day": day,
    "ago": ago,
    "breakable": breakable,
    "twice": twice,
}
