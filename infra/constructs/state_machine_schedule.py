"""A source's schedule as EventBridge Scheduler and a state machine need it.

A state machine is told when it was due and has to find the interval before that; what it can compute with is
JSONata, which knows no cron. So it follows schedules whose intervals are all of one length.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from ingot.errors import ConfigurationError
from ingot.schedule import intervals

_PRESETS = {"@hourly": "0 * * * *", "@daily": "0 0 * * *", "@midnight": "0 0 * * *", "@weekly": "0 0 * * 0"}
_DAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN")
_FROM = datetime(2024, 1, 7, tzinfo=UTC)  # any time will do


@dataclass(frozen=True, kw_only=True)
class Rhythm:
    """Intervals of one length, one after the other.

    Attributes:
        expression: for EventBridge Scheduler, in UTC.
        period: milliseconds from tick to tick.
        offset: milliseconds after the epoch of the first tick.
    """

    expression: str
    period: int
    offset: int


def rhythm(schedule: str) -> Rhythm:
    """What EventBridge and a state machine make of a schedule.

    Args:
        schedule: a cron expression of five fields, or a name (``@daily``).

    Raises:
        ConfigurationError: it is neither, or its intervals differ in length (``@monthly``).
    """
    fields = _PRESETS.get(schedule, schedule).split()
    uneven = ConfigurationError(
        f"Step Functions cannot follow the schedule {schedule!r}: its intervals differ in length.",
        hint='let Airflow run the source (step_functions: false), or give it "@hourly", "@daily" or "@weekly"',
    )
    if len(fields) != 5 or fields[2] != "*" or fields[3] != "*":
        raise uneven
    minute, hour, _, _, day = fields
    # A schedule that names no day of a month and no month repeats itself every day, or every week.
    seen = timedelta(days=3 if day == "*" else 15)
    found = list(intervals(" ".join(fields), _FROM, _FROM + seen))
    lengths = {end - start for start, end in found}
    if len(lengths) != 1:
        raise uneven
    period = lengths.pop() // timedelta(milliseconds=1)
    return Rhythm(
        # https://docs.aws.amazon.com/scheduler/latest/UserGuide/schedule-types.html#cron-based: one of the two
        # fields of days is a question mark, days of the week are named (their numbers are not cron's).
        expression=f"cron({_from_zero(minute)} {_from_zero(hour)} {'* * ?' if day == '*' else f'? * {_named(day)}'} *)",
        period=period,
        offset=int(found[0].start.timestamp() * 1000) % period,
    )


def _from_zero(field: str) -> str:
    return re.sub(r"^\*/", "0/", field)


def _named(days: str) -> str:
    return re.sub(r"\d", lambda digit: _DAYS[int(digit[0])], days).upper()
