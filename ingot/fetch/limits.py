"""How fast a source is asked, and how long it wants to be left alone."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime


class RateLimit:
    """Lets requests begin one after the other, at least ``1 / per_second`` apart.

    One lock is the queue: who is cancelled while waiting takes nobody's turn.
    """

    def __init__(self, per_second: float | None) -> None:
        self._interval = 1 / per_second if per_second else 0.0
        self._next = 0.0
        self._queue = asyncio.Lock()

    async def turn(self) -> None:
        """Wait for the next turn."""
        clock = asyncio.get_running_loop().time
        async with self._queue:
            while (wait := self._next - clock()) > 0:
                await asyncio.sleep(wait)
            self._next = clock() + self._interval

    def hold(self, seconds: float) -> None:
        """Let nobody begin for so long: the source asked for it."""
        self._next = max(self._next, asyncio.get_running_loop().time() + seconds)


def retry_after(headers: Mapping[str, str]) -> float | None:
    """The seconds that an answer asks to wait, as a number or as a date; None: it does not ask, or not clearly.

    A date is held against the source's own clock where it tells it: ours may be wrong.
    """
    text = headers.get("Retry-After", "").strip()
    if re.fullmatch(r"[0-9]+(\.[0-9]+)?", text):
        return float(text)
    until = _date(text)
    if until is None:
        return None
    now = _date(headers.get("Date", "")) or datetime.now(UTC)
    return max(0.0, (until - now).total_seconds())


def _date(text: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
