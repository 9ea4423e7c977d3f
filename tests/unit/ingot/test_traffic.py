"""Traffic is known beforehand, is to the gate what it says, and tells a wrong rule from the right one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from ingot.gate.gate import Gate
from ingot.sources import load_source
from ingot.traffic import Traffic, TrafficRecord, fits
from tests.stream.oracle import expected

SOURCES = Path(__file__).resolve().parents[3] / "sources"
CONTRACT = load_source(SOURCES / "orders_stream").stream("orders").contract
BEGIN = datetime(2026, 3, 5, tzinfo=UTC)


def traffic(seed: int = 1, records: int = 1_000, **shares: float) -> list[TrafficRecord]:
    return list(Traffic(seed=seed, records=records, begin=BEGIN, seconds=600, **shares))  # type: ignore[arg-type]


def test_a_seed_is_the_same_records_in_the_same_order_and_another_seed_others() -> None:
    assert traffic(1) == traffic(1)
    assert {record.data for record in traffic(1)}.isdisjoint(record.data for record in traffic(2))


def test_so_many_records_have_so_many_of_each_kind() -> None:
    sent = traffic(records=10_000, duplicates=0.2, late=0.1, malformed=0.05)
    kinds = Counter(record.kind for record in sent)
    assert kinds.total() == 10_000
    assert abs(kinds["duplicate"] - 2_000) < 150
    assert abs(kinds["malformed"] - 500) < 100
    assert abs(sum(record.late for record in sent if record.kind == "event") - 750) < 120


def test_late_ones_come_after_later_ones_and_nothing_else_does() -> None:
    newest = ""
    for record in traffic(duplicates=0, malformed=0):
        assert record.event is not None
        if not record.late:
            assert record.event["occurred_at"] >= newest
            newest = record.event["occurred_at"]
    late = [record for record in traffic() if record.late and record.event]
    assert any(record.event["occurred_at"] < BEGIN.isoformat() for record in late if record.event)


def test_a_duplicate_was_sent_before_byte_for_byte() -> None:
    before: set[bytes] = set()
    for record in traffic(late=0):
        assert record.kind != "duplicate" or record.data in before
        before.add(record.data)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_gate_takes_each_event_and_refuses_each_malformed_one(seed: int) -> None:
    sent = traffic(seed, malformed=0.2)
    malformed = [record.data for record in sent if record.kind == "malformed"]
    assert len(set(malformed)) == len(malformed) > 100
    gate = Gate(CONTRACT)
    for record in sent:
        refused = gate.check(b"", [record.data]).refused
        assert bool(refused) == (record.kind == "malformed"), record.data


def _last_to_arrive(sent: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [
        event | {"occurred_at": f"2026-03-05T{n // 3600:02}:{n // 60 % 60:02}:{n % 60:02}Z"}
        for n, event in enumerate(sent)
    ]


def _without_earlier_days(sent: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [event for event in sent if event["occurred_at"] >= "2026-03-05"]


def _first_to_arrive_wins(sent: list[dict[str, Any]]) -> list[dict[str, Any]]:
    first: dict[int, dict[str, Any]] = {}
    for event in sent:
        first.setdefault(event["order_id"], event)
    return list(first.values())


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("wrong", [_last_to_arrive, _without_earlier_days, _first_to_arrive_wins])
def test_a_wrong_rule_gives_other_orders_than_the_oracle(seed: int, wrong: Callable[..., Any]) -> None:
    sent = [record.event for record in traffic(seed) if record.event is not None]
    right = expected(sent, [], BEGIN)
    assert expected(reversed(sent), [], BEGIN) == right
    assert {order: each[3] for order, each in expected(wrong(sent), [], BEGIN).items()} != {
        order: each[3] for order, each in right.items()
    }


def test_only_a_stream_of_such_events_fits() -> None:
    assert fits(CONTRACT)
    assert not fits(load_source(SOURCES / "fakestore").stream("carts").contract)
