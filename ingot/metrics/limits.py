"""What a limit of the catalogue is for one series: from the sources, and from how jobs are run."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import TYPE_CHECKING

from ingot.metrics.catalogue import Limit
from ingot.schedule import intervals

if TYPE_CHECKING:
    from ingot.sources import Source

STEP_TIMEOUT = timedelta(hours=1)
"""After which Glue stops a job."""
REBUILD_TIMEOUT = timedelta(hours=12)
"""After which it stops one that makes all tables anew: it loads all that there is."""

_FROM = datetime(2024, 1, 1, tzinfo=UTC)  # a leap year: it has the longest month, quarter and year
_SEEN = 400
"""Intervals that are looked at: a year of days, and a week of hours or quarters of hours."""


def limit_value(limit: Limit, labels: Mapping[str, str], sources: Mapping[str, Source]) -> float:
    """What a limit is for the series with these labels.

    Raises:
        KeyError: there is no such source.
        ConfigurationError: there is no such stream.
    """
    source = sources[labels["source"]]
    match limit.limit:
        case "max_reject_rate":
            whole = 100 * source.stream(labels["stream"]).contract.max_reject_rate
        case "interval":
            whole = longest_interval(source.schedule).total_seconds()
        case "timeout":
            whole = (REBUILD_TIMEOUT if labels.get("step") == "rebuild" else STEP_TIMEOUT).total_seconds()
    return round(whole * limit.times, 4)


def longest_interval(schedule: str) -> timedelta:
    """The longest time between two of a schedule's ticks.

    Raises:
        ConfigurationError: it is no schedule.
    """
    found = islice(intervals(schedule, _FROM, _FROM + timedelta(days=800)), _SEEN)
    return max((end - start for start, end in found), default=timedelta(days=366))
