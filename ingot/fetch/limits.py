"""How fast a source is asked, and how long it wants to be left alone."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
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


class Deadline:
    """An end for all that is done under it together; its clock can be stopped.

    Args:
        seconds: from now on.
    """

    def __init__(self, seconds: float) -> None:
        self._clock = asyncio.get_running_loop().time
        self._end = self._clock() + seconds
        self._stopped: float | None = None
        self._held: set[asyncio.Timeout] = set()

    @property
    def left(self) -> float:
        """How many seconds are left."""
        return max(0.0, self._end - (self._clock() if self._stopped is None else self._stopped))

    @asynccontextmanager
    async def hold(self) -> AsyncIterator[None]:
        """Hold what is done inside to the end: then it is cancelled.

        Raises:
            TimeoutError: it was.
        """
        async with asyncio.timeout_at(self._end if self._stopped is None else None) as held:
            self._held.add(held)
            try:
                yield
            finally:
                self._held.remove(held)

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """The clock stands still meanwhile."""
        begin = self._stopped = self._clock()
        self._move(None)
        try:
            yield
        finally:
            self._end += self._clock() - begin
            self._stopped = None
            self._move(self._end)

    def _move(self, end: float | None) -> None:
        for held in self._held:
            if not held.expired():
                held.reschedule(end)
