"""Ten thousand events, some twice, late or malformed, through Kinesis, Firehose and every step: silver has what an
independent computation says, and the quarantine what is malformed.

Some orders are in the API too, which is asked while events come. `make stream SEEDS=20` runs as many seeds as are asked
for; FIRST is the first of them.
"""

from __future__ import annotations

import os
from collections import Counter
from datetime import timedelta
from typing import Any

import httpx
import pytest
from recorded_source.source import RecordedSource

from ingot.batch import Batch
from ingot.sources import load_source
from ingot.traffic import Traffic
from tests.integration.dbt.warehouse import Warehouse as Built
from tests.stream.oracle import expected
from tests.stream.river import BEGIN, ROOT, drop_river, make_river

RECORDS = 10_000
PARTS = 4
"""In which they are sent; while each is, a batch takes what is there."""
FIRST, SEEDS = int(os.environ.get("STREAM_FIRST", "1")), int(os.environ.get("STREAM_SEEDS", "1"))
ASKED_AT = BEGIN + timedelta(minutes=2)
"""Late enough to be newer than some events of the first orders, and older than others."""


@pytest.mark.timeout(300)
@pytest.mark.parametrize("seed", range(FIRST, FIRST + SEEDS))
def test_silver_is_what_the_oracle_says_and_the_quarantine_has_the_rest(
    cloud: str, recorded: RecordedSource, warehouse: Built, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    monkeypatch.setenv("INGOT_SOURCE_URL_FAKESTORE", recorded.url)
    traffic = list(Traffic(seed=seed, records=RECORDS, begin=BEGIN, seconds=3600))
    sent = [record for record in traffic if record.event is not None]
    malformed = [record.data for record in traffic if record.event is None]
    late = sum(record.late for record in traffic if record.kind == "event")
    again = sum(record.kind == "duplicate" for record in traffic)
    assert 350 < late < 650
    assert 350 < again < 650
    assert 50 < len(malformed) < 150

    river = make_river(warehouse)
    try:
        shop = load_source(ROOT / "sources" / "fakestore")
        year = Batch(
            source="fakestore",
            stream="carts",
            interval_start=BEGIN.replace(year=2020, month=1, day=1),
            interval_end=BEGIN.replace(year=2020, month=4, day=1),
        )
        river.run(shop, year, ASKED_AT)
        for begin in range(0, RECORDS, RECORDS // PARTS):
            part = traffic[begin : begin + RECORDS // PARTS]
            with river.sending((record.data, record.key) for record in part):
                river.take()
            if begin == RECORDS // 2:
                river.build()
        batches = river.take_all(RECORDS)
    finally:
        drop_river(river)
    river.build()

    assert batches > 1
    assert Counter(river.refused()) == Counter(malformed)
    assert sum(manifest.accepted for manifest in river.manifests) == len(sent)
    assert warehouse.rows("select count(*) from bronze.orders_stream_orders") == [(len(sent),)]
    carts = httpx.get(f"{recorded.url}/carts").json()
    told = expected((record.event for record in sent if record.event is not None), carts, ASKED_AT)
    assert river.orders() == {number: _as_silver(order) for number, order in told.items()}
    from_api = warehouse.rows("select count(*) from silver.orders where _load_id > 0")
    print(
        f"seed {seed}: {len(traffic)} records, {again} twice, {late} late, {len(malformed)} malformed, "
        f"{batches} batches, {len(told)} orders, {from_api[0][0]} of them as the API has them"
    )


def _as_silver(order: Any) -> Any:
    user, placed, cancelled, lines = order
    units = sum(quantity for _, quantity in lines)
    return user, placed, cancelled, () if cancelled else lines, units
