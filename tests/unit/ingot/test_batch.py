"""A batch's name is a function of what it is."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from ingot.batch import Batch, parse_time
from ingot.errors import ConfigurationError

START = datetime(2020, 1, 1, tzinfo=UTC)


def batch(start: datetime = START, end: datetime = START + timedelta(days=1)) -> Batch:
    return Batch(source="fakestore", stream="carts", interval_start=start, interval_end=end)


def test_the_id_names_source_stream_and_interval() -> None:
    assert batch().id == "fakestore.carts.20200101T000000Z.20200102T000000Z"


def test_the_same_moments_in_another_zone_are_the_same_batch() -> None:
    east = timezone(timedelta(hours=2))
    assert batch(START.astimezone(east)).id == batch().id


def test_data_is_kept_under_the_hash_of_its_content_so_that_no_attempt_overwrites_another() -> None:
    assert batch().data_key(0, "a" * 64) != batch().data_key(0, "b" * 64)
    assert batch().data_key(3, "a" * 64).startswith(f"data/fakestore/carts/{batch().id}/part-00003-")


@pytest.mark.parametrize("end", [START, START - timedelta(days=1)])
def test_an_empty_interval_is_no_batch(end: datetime) -> None:
    with pytest.raises(ConfigurationError, match="is empty"):
        batch(end=end)


def test_a_time_without_a_zone_is_no_bound() -> None:
    with pytest.raises(ConfigurationError, match="known time zone"):
        batch(start=datetime(2020, 1, 1))


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2020-01-01", START),
        ("2020-01-01T00:00:00Z", START),
        ("2020-01-01T02:00:00+02:00", START),
        ("2020-01-01T00:00:00.999+00:00", START),
    ],
)
def test_times_are_read_as_iso_8601_in_utc(text: str, moment: datetime) -> None:
    assert parse_time(text) == moment


@pytest.mark.parametrize("text", ["", "yesterday", "2020-13-01", "01/02/2020"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match="is no time"):
        parse_time(text)
