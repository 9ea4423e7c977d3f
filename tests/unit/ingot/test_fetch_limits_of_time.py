"""Retry-After in its forms, and the queue before a source."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from itertools import pairwise

import pytest

from ingot.fetch.limits import RateLimit, retry_after

NOW = datetime(2024, 5, 6, 7, 8, 9, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0),
        ("120", 120),
        (" 7 ", 7),
        ("1.5", 1.5),
        (format_datetime(NOW + timedelta(minutes=2), usegmt=True), 120),
        (format_datetime(NOW - timedelta(minutes=2), usegmt=True), 0),
        ("Monday, 06-May-24 07:09:09 GMT", 60),
        ("Mon May  6 07:09:09 2024", 60),
        ("", None),
        ("soon", None),
        ("-5", None),
        ("1e3", None),
        ("٣", None),
        ("Mon, 99 May 2024 07:09:09 GMT", None),
    ],
)
def test_retry_after_is_read_in_every_form_of_the_standard(value: str, seconds: float | None) -> None:
    assert retry_after({"Retry-After": value, "Date": format_datetime(NOW, usegmt=True)}) == seconds


def test_without_it_nothing_is_asked_for() -> None:
    assert retry_after({}) is None


def test_a_date_without_the_sources_clock_is_held_against_ours() -> None:
    later = format_datetime(datetime.now(UTC) + timedelta(seconds=100), usegmt=True)
    assert 95 < (retry_after({"Retry-After": later}) or 0) <= 100


def turns(limit: RateLimit, count: int) -> list[float]:
    """When so many that come at once have their turns, in seconds from the first."""

    async def one() -> float:
        await limit.turn()
        return asyncio.get_running_loop().time()

    async def all_of_them() -> list[float]:
        return list(await asyncio.gather(*(one() for _ in range(count))))

    moments = asyncio.run(all_of_them())
    return [moment - moments[0] for moment in moments]


def test_turns_are_in_order_and_apart() -> None:
    moments = turns(RateLimit(50), 6)
    assert all(later - earlier >= 0.02 for earlier, later in pairwise(moments))


def test_without_a_limit_nobody_waits() -> None:
    assert turns(RateLimit(None), 50)[-1] < 0.5


def test_who_holds_holds_back_those_who_wait_already() -> None:
    async def held() -> list[float]:
        limit, clock = RateLimit(100), asyncio.get_running_loop().time
        moments: list[float] = []

        async def one() -> None:
            await limit.turn()
            moments.append(clock())

        await one()
        waiting = [asyncio.create_task(one()) for _ in range(2)]
        await asyncio.sleep(0)
        limit.hold(0.1)
        limit.hold(0.05)  # a shorter one does not shorten it
        await asyncio.gather(*waiting)
        return moments

    first, second, third = asyncio.run(held())
    assert second - first >= 0.1
    assert third - second >= 0.01


def test_who_is_cancelled_while_waiting_takes_nobodys_turn() -> None:
    async def cancelled() -> float:
        limit, clock = RateLimit(10), asyncio.get_running_loop().time
        begin = clock()
        await limit.turn()
        impatient = [asyncio.create_task(limit.turn()) for _ in range(5)]
        await asyncio.sleep(0.01)
        for task in impatient:
            task.cancel()
        await limit.turn()
        return clock() - begin

    assert 0.1 <= asyncio.run(cancelled()) < 0.3
