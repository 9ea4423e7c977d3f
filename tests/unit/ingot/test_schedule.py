"""Intervals are Airflow's own; what is covered in any cut is not missing; nothing that is missing is left out."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingot.errors import ConfigurationError
from ingot.schedule import CHUNKS, Chunk, Interval, chunked, intervals, missing, ranges, union


def day(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def days(start: str, end: str) -> list[Interval]:
    return list(intervals("@daily", day(start), day(end)))


SCHEDULES = ["@hourly", "@daily", "@weekly", "@monthly", "@quarterly", "@yearly", "30 5 * * *", "*/17 3 * * 1-5"]
STARTS = ["2024-02-28T00:00", "2024-02-28T05:30:01"]
AIRFLOWS = """
import json, sys
from airflow.sdk.timezone import parse
from airflow.timetables.base import TimeRestriction
from airflow.timetables.interval import CronDataIntervalTimetable

def first(schedule, start):
    restriction = TimeRestriction(earliest=parse(start), latest=None, catchup=True)
    last = None
    for _ in range(3):
        last = CronDataIntervalTimetable(schedule, "UTC").next_dagrun_info(
            last_automated_data_interval=last, restriction=restriction
        ).data_interval
        yield last.start.isoformat(), last.end.isoformat()

schedules, starts = json.loads(sys.argv[1])
print(json.dumps([[schedule, start, list(first(schedule, start))] for schedule in schedules for start in starts]))
"""


def test_the_intervals_of_a_schedule_are_those_that_airflow_runs_it_for(tmp_path: Path) -> None:
    asked = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", AIRFLOWS, json.dumps([SCHEDULES, STARTS])],
        env={**os.environ, "AIRFLOW_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    for schedule, start, runs in json.loads(asked.stdout.splitlines()[-1]):
        expected = [(datetime.fromisoformat(first), datetime.fromisoformat(last)) for first, last in runs]
        end = expected[-1][1]

        assert list(intervals(schedule, day(start), end)) == expected, schedule
        assert list(intervals(schedule, day(start), end - timedelta(seconds=1))) == expected[:-1], schedule


def test_what_is_no_schedule_is_said_to_be_none() -> None:
    with pytest.raises(ConfigurationError, match="'@continuous' is no schedule"):
        list(intervals("@continuous", day("2020-01-01"), day("2020-01-02")))


def test_an_interval_that_is_not_over_is_not_expected() -> None:
    assert days("2020-01-01", "2020-01-02T23:59:59") == [Interval(day("2020-01-01"), day("2020-01-02"))]


def test_a_batch_of_another_cut_covers_all_that_lies_in_it() -> None:
    quarter = (day("2020-01-01"), day("2020-04-01"))

    assert missing(days("2020-01-01", "2020-04-02"), [quarter]) == days("2020-04-01", "2020-04-02")


def test_an_interval_is_missing_unless_all_of_it_is_covered() -> None:
    noon = day("2020-01-02T12:00")
    halves = [(day("2020-01-01"), noon), (noon, day("2020-01-03"))]

    assert missing(days("2020-01-01", "2020-01-03"), halves) == []
    assert missing(days("2020-01-01", "2020-01-03"), halves[:1]) == days("2020-01-02", "2020-01-03")
    assert missing(days("2020-01-01", "2020-01-03"), halves[1:]) == days("2020-01-01", "2020-01-03")


START = day("2024-01-01")
SPANS = st.lists(
    st.tuples(st.integers(0, 60), st.integers(1, 20)).map(
        lambda span: (START + timedelta(hours=span[0]), START + timedelta(hours=span[0] + span[1]))
    )
)


@given(SPANS)
def test_exactly_the_hours_that_no_batch_covers_are_missing(covered: list[tuple[datetime, datetime]]) -> None:
    expected = list(intervals("@hourly", START, START + timedelta(hours=80)))
    uncovered = [i for i in expected if not any(start <= i.start and i.end <= end for start, end in covered)]

    found = missing(expected, covered)

    assert found == uncovered
    assert sum(r.intervals for r in ranges(found)) == len(found)
    assert all(before.end < after.start for before, after in zip(union(covered), union(covered)[1:], strict=False))


@given(SPANS, st.sampled_from(CHUNKS))
def test_chunks_cover_what_is_missing_and_nothing_that_is_there(
    covered: list[tuple[datetime, datetime]], chunk: Chunk
) -> None:
    expected = list(intervals("@hourly", START, START + timedelta(hours=80)))
    absent = missing(expected, covered)

    chunks = chunked(absent, chunk)

    assert missing(expected, [*covered, *chunks]) == []
    assert [i for i in expected if any(c.start <= i.start and i.end <= c.end for c in chunks)] == absent


@pytest.mark.parametrize(
    ("chunk", "ends"),
    [
        ("week", ["2019-12-30", "2020-01-06", "2020-01-07"]),
        ("month", ["2020-01-01", "2020-01-07"]),
        ("quarter", ["2020-01-01", "2020-01-07"]),
        ("year", ["2020-01-01", "2020-01-07"]),
        ("day", [f"2019-12-{d}" for d in (29, 30, 31)] + [f"2020-01-{d:02}" for d in range(1, 8)]),
    ],
)
def test_chunks_end_where_the_calendars_periods_do(chunk: Chunk, ends: list[str]) -> None:
    chunks = chunked(days("2019-12-28", "2020-01-07"), chunk)

    assert [c.end for c in chunks] == [day(end) for end in ends]
