"""A source that is down: its fallback stands in, says so, and gives way to what the source itself says later."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
import yaml

from ingot.cli.reports import batches, status
from ingot.errors import ConfigurationError, SourceRefused, SourceUnavailable
from ingot.sources import load_source

from .conftest import ROOT

if TYPE_CHECKING:
    from .conftest import World

DAY = date(2020, 3, 27)
FALLBACK = {"USD": "1.101955", "GBP": "0.903381", "JPY": "119.583741", "CHF": "1.059814"}
OWN = {"USD": "1.0977", "GBP": "0.89743", "JPY": "119.36", "CHF": "1.0581"}


@pytest.fixture
def fx(world: World, monkeypatch: pytest.MonkeyPatch) -> World:
    """The world of the currency rates."""
    monkeypatch.setenv("INGOT_SOURCE_URL_FX", f"{world.recorded.url}/fx")
    source = load_source(ROOT / "sources" / "fx")
    world.source = msgspec.structs.replace(source, request=world.source.request)
    return world


def down(world: World) -> None:
    world.recorded.misbehave("/fx/v2/*", status=503)


def run(world: World, day: int) -> Any:
    batch = world.batch("rates", f"2020-03-{day - 1}", f"2020-03-{day}")
    return world.run(batch, datetime(2020, 3, day, 6, tzinfo=UTC))


def rates_of(world: World, day: date) -> dict[str, Decimal]:
    """What silver takes: the latest of a day and pair."""
    rows = world.rows(
        "SELECT DISTINCT ON (date, base, quote) quote, rate, base FROM bronze.fx_rates "
        f"WHERE date = '{day}' ORDER BY date, base, quote, _ingested_at DESC, _batch_id DESC, _line DESC"
    )
    assert {row[2] for row in rows} <= {"EUR"}
    return {str(row[0]): row[1] for row in rows}  # type: ignore[misc]


def test_the_fallbacks_records_stand_until_the_source_says_its_own(fx: World) -> None:
    first = run(fx, 26)
    assert first.fallback is None
    assert first.watermark == datetime(2020, 3, 26, tzinfo=UTC)

    down(fx)
    second = run(fx, 28)
    assert second.fallback == f"From the fallback: {fx.recorded.url}/fx/v2/rates?{second_query(fx)} answered 503."
    assert [request.url for request in second.requests] == [f"{fx.recorded.url}/fx/v6/latest/EUR"]
    assert (second.accepted, second.rejected, second.watermark) == (4, 0, first.watermark)
    assert rates_of(fx, DAY) == {quote: Decimal(rate) for quote, rate in FALLBACK.items()}

    fx.recorded.behave()
    third = run(fx, 29)
    assert third.fallback is None
    assert third.watermark == datetime(2020, 3, 27, tzinfo=UTC)
    assert rates_of(fx, DAY) == {quote: Decimal(rate) for quote, rate in OWN.items()}
    assert third.accepted == 4  # all else was known


def second_query(fx: World) -> str:
    (query, *_) = [r.query for r in fx.recorded.requests if r.path == "/fx/v2/rates" and r.status == 503]
    return query


def test_the_reports_say_that_a_batch_is_from_the_fallback(fx: World) -> None:
    down(fx)
    run(fx, 28)
    for table in (batches(fx.warehouse, source="fx", stream=None, state=None, limit=5), status(fx.warehouse)[0]):
        (row,) = table.rows
        told = dict(zip(table.columns, row, strict=True))
        assert told["state"] == "LOADED"
        assert str(told["reason"]).startswith("From the fallback: ")

    fx.recorded.behave()
    run(fx, 29)
    (row,) = status(fx.warehouse)[0].rows
    assert row[status(fx.warehouse)[0].columns.index("reason")] is None


def test_what_was_never_read_is_asked_for_when_the_source_is_back(fx: World) -> None:
    down(fx)
    assert run(fx, 28).watermark is None
    fx.recorded.behave()
    after = run(fx, 29)
    days = {row[0] for row in fx.rows("SELECT DISTINCT date FROM bronze.fx_rates")}
    assert date(2019, 12, 20) in days
    assert after.accepted == 4 * len(days)


def test_a_refusal_is_no_outage(fx: World) -> None:
    fx.recorded.misbehave("/fx/v2/*", status=404)
    with pytest.raises(SourceRefused):
        run(fx, 28)
    assert not [request for request in fx.recorded.requests if "v6" in request.path]


def test_where_the_fallback_fails_too_the_source_is_unavailable(fx: World) -> None:
    down(fx)
    fx.recorded.misbehave("/fx/v6/*", status=404)
    with pytest.raises(SourceUnavailable, match=r"503.*fallback.*404"):
        run(fx, 28)
    assert not list(fx.bronze.keys("manifests/"))


def test_two_sources_never_make_one_batch(fx: World, tmp_path: Path) -> None:
    """The second page fails: what the first brought is not mixed with the fallback's."""
    (stream,) = fx.source.streams
    pagination = {"type": "page", "param": "page"}
    document = yaml.safe_load((ROOT / "sources/fx/source.yaml").read_text())
    document["streams"][stream] |= {"pagination": pagination, "path": "/paged/page/carts", "records": "data"}
    folder = tmp_path / "fx"
    folder.mkdir()
    (folder / "source.yaml").write_text(yaml.safe_dump(document))
    (folder / "rates.odcs.yaml").write_text((ROOT / "sources/fx/rates.odcs.yaml").read_text())
    paged = load_source(folder)
    fx.source = msgspec.structs.replace(paged, request=fx.source.request)
    fx.recorded.misbehave("/fx/*", query={"page": "1"}, body={"data": [{"date": "2020-03-27"}]})
    fx.recorded.misbehave("/fx/*", query={"page": "2"}, status=503)
    with pytest.raises(SourceUnavailable, match="503"):
        run(fx, 28)
    assert not [request for request in fx.recorded.requests if "v6" in request.path]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"mode": "snapshot", "cursor": None, "params": {}}, "no batch after it"),
        ({"fallback": {"base_url": "https://user:word@other.example", "path": "/a"}}, "credentials"),
        ({"fallback": {"base_url": "https://other.example", "path": "/a", "value_as": "rate"}}, "in its fallback"),
    ],
)
def test_a_fallback_that_cannot_be_is_refused(tmp_path: Path, change: dict[str, Any], said: str) -> None:
    document = yaml.safe_load((ROOT / "sources/fx/source.yaml").read_text())
    stream = document["streams"]["rates"] | change
    document["streams"]["rates"] = {name: value for name, value in stream.items() if value is not None}
    (tmp_path / "source.yaml").write_text(yaml.safe_dump(document))
    (tmp_path / "rates.odcs.yaml").write_text((ROOT / "sources/fx/rates.odcs.yaml").read_text())
    with pytest.raises(ConfigurationError, match=said):
        load_source(tmp_path)
