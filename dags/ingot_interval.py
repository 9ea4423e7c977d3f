"""The data interval and time that a run stands for, as the jobs want them: ISO 8601 in UTC.

A scheduled run has its interval. So has one that a person triggers with explicit dates (REST, command line)
or, in the UI, with the two parameters of the form. A run with neither takes the last whole interval of the
source's schedule before the run.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from airflow.sdk import Param

if TYPE_CHECKING:
    from collections.abc import Callable

PARAMS: dict[str, Param] = {
    name: Param(None, type=["null", "string"], format="date-time", title=title, description=description)
    for name, title, description in (
        ("interval_start", "From (inclusive)", "Leave both empty for the interval of the schedule."),
        ("interval_end", "To (exclusive)", "Give both, or neither."),
    )
}
"""The two optional fields of the form under *Trigger*."""


def macros(schedule: str) -> dict[str, Callable[..., str]]:
    """The functions that the templates of one DAG call; ``schedule`` is its cron expression."""

    def interval_start(dag_run: Any, params: dict[str, Any]) -> str:
        return iso(interval(dag_run, params, schedule)[0])

    def interval_end(dag_run: Any, params: dict[str, Any]) -> str:
        return iso(interval(dag_run, params, schedule)[1])

    return {"interval_start": interval_start, "interval_end": interval_end, "as_of": as_of}


def interval(dag_run: Any, params: dict[str, Any], schedule: str) -> tuple[datetime, datetime]:
    """The run's interval: the form's, else the run's own, else the schedule's last whole one.

    Raises:
        ValueError: Only one end is given, or the end is not after the start.
    """
    start, end = params.get("interval_start"), params.get("interval_end")
    if (start is None) != (end is None):
        raise ValueError("Give both interval_start and interval_end, or neither.")
    if start is not None:
        found = datetime.fromisoformat(start), datetime.fromisoformat(str(end))
    elif dag_run.data_interval_start is not None:
        found = dag_run.data_interval_start, dag_run.data_interval_end
    else:
        found = _last_whole_interval(schedule, dag_run.run_after)
    if not found[0] < found[1]:
        raise ValueError(f"The interval ends at {found[1]}, which is not after its start, {found[0]}.")
    return found


def as_of(dag_run: Any) -> str:
    """The time that a run stands for: one time for all tries of all its tasks, so that a retry writes the same rows.

    It is the time that the run was due. A run of a backfill was due at its interval's end, years ago perhaps; what it
    takes from a source is as of the time that it began.
    """
    return iso(dag_run.start_date if dag_run.run_type == "backfill" else dag_run.run_after)


def _last_whole_interval(schedule: str, before: datetime) -> tuple[datetime, datetime]:
    # Imported here: it is needed in a task that has no interval, and would cost every parse.
    from airflow.timetables.interval import CronDataIntervalTimetable

    found = CronDataIntervalTimetable(schedule, "UTC").infer_manual_data_interval(run_after=before)
    return found.start, found.end


def iso(moment: datetime) -> str:
    """``2020-01-01T00:00:00Z``: what every job argument that is a time looks like."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
