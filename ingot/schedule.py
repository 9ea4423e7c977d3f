"""Intervals: those that a source's schedule gives, those that are covered, and what is missing between them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from itertools import groupby
from typing import Any, Literal, NamedTuple, get_args

from croniter import croniter

from ingot.errors import ConfigurationError

Chunk = Literal["day", "week", "month", "quarter", "year"]
CHUNKS: tuple[Chunk, ...] = get_args(Chunk)

_PRESETS = {"@quarterly": "0 0 1 */3 *"}  # Airflow's, which croniter lacks
_PERIOD: Mapping[Chunk, Callable[[date], Any]] = {
    "day": lambda day: day,
    "week": lambda day: day.isocalendar()[:2],
    "month": lambda day: (day.year, day.month),
    "quarter": lambda day: (day.year, (day.month - 1) // 3),
    "year": lambda day: day.year,
}


class Interval(NamedTuple):
    """``start <= t < end``, UTC."""

    start: datetime
    end: datetime


class Range(NamedTuple):
    """Intervals that follow each other without a gap, and how many they are."""

    start: datetime
    end: datetime
    intervals: int


def intervals(schedule: str, start: datetime, end: datetime) -> Iterator[Interval]:
    """The whole intervals of a schedule between two times, as Airflow's data intervals are: from tick to tick, in UTC.

    Args:
        schedule: a cron expression, or one of its names (``@daily``).

    Raises:
        ConfigurationError: it is neither.
    """
    # A second before: a tick at the very start is the first.
    ticks = _ticks(schedule, start - timedelta(seconds=1))
    previous: datetime = ticks.get_next(datetime)
    while (tick := ticks.get_next(datetime)) <= end:
        yield Interval(previous, tick)
        previous = tick


def next_run(schedule: str, after: datetime) -> datetime:
    """When the next interval of a schedule is whole, and so its run is due.

    Raises:
        ConfigurationError: see :func:`intervals`.
    """
    due: datetime = _ticks(schedule, after).get_next(datetime)
    return due


def union(covered: Iterable[tuple[datetime, datetime]]) -> list[Interval]:
    """The same time in as few intervals as it takes, in order."""
    merged: list[Interval] = []
    for start, end in sorted(covered):
        if merged and start <= merged[-1].end:
            merged[-1] = Interval(merged[-1].start, max(end, merged[-1].end))
        else:
            merged.append(Interval(start, end))
    return merged


def missing(expected: Iterable[Interval], covered: Iterable[tuple[datetime, datetime]]) -> list[Interval]:
    """Those of the expected intervals, in order, that the covered ones together do not wholly cover."""
    spans, found = iter(union(covered)), []
    span = next(spans, None)
    for interval in expected:
        while span is not None and span.end < interval.end:
            span = next(spans, None)
        if span is None or span.start > interval.start:
            found.append(interval)
    return found


def ranges(intervals: Iterable[Interval]) -> list[Range]:
    """Intervals in order, those that follow each other as one range."""
    found: list[Range] = []
    for start, end in intervals:
        if found and found[-1].end == start:
            found[-1] = Range(found[-1].start, end, found[-1].intervals + 1)
        else:
            found.append(Range(start, end, 1))
    return found


def chunked(intervals: Iterable[Interval], chunk: Chunk) -> list[Interval]:
    """Intervals in order, those that follow each other within one period of the calendar (UTC) as one.

    An interval belongs to the period in which it starts. None is cut.
    """
    return [
        Interval(start, end)
        for _, within in groupby(intervals, key=lambda interval: _PERIOD[chunk](interval.start.astimezone(UTC).date()))
        for start, end, _ in ranges(within)
    ]


def _ticks(schedule: str, after: datetime) -> Any:
    expression = _PRESETS.get(schedule, schedule)
    if not croniter.is_valid(expression):
        raise ConfigurationError(
            f"{schedule!r} is no schedule.", hint='give source.yaml a cron expression ("0 6 * * *") or "@daily"'
        )
    return croniter(expression, after.astimezone(UTC))
