"""Batches that both engines refine: accepted records of a contract, in more than one part, with deleted keys."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ingot.batch import Batch
from ingot.bronze import PartWriter, write_object
from ingot.contract import Contract
from ingot.gate import Gate
from ingot.gate.split import split
from ingot.manifest import Manifest, commit
from ingot.storage import ObjectStore

START = datetime(2020, 1, 1, tzinfo=UTC)
AS_OF = datetime(2020, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
PARTS = 3


@dataclass(frozen=True)
class Committed:
    """A batch in Bronze, and what its records have to be."""

    batch: Batch
    manifest: Manifest
    contract: Contract


def accepted(contract: Contract, records: list[bytes]) -> list[bytes]:
    """What the gate lets through, as it goes to Bronze."""
    gate = Gate(contract)
    bodies = (b"[%b]" % record for record in records if _is_one(record))
    return [line for body in bodies for line in gate.check(body, split(body)).accepted]


def _is_one(record: bytes) -> bool:
    try:
        return isinstance(json.loads(record), dict)
    except (ValueError, RecursionError):
        return False


def drawn(strategy: st.SearchStrategy[Any], examples: int) -> list[Any]:
    """Examples of a strategy, the same ones each time."""
    found: list[Any] = []

    @settings(
        max_examples=examples, derandomize=True, database=None, deadline=None, suppress_health_check=list(HealthCheck)
    )
    @given(strategy)
    def draw(example: Any) -> None:
        found.append(example)

    draw()
    return found


def committed(
    bronze: ObjectStore, name: str, contract: Contract, lines: list[bytes], deletes: list[bytes]
) -> Committed:
    """Write what would be written after the gate."""
    batch = Batch(source="x", stream=name, interval_start=START, interval_end=START + timedelta(days=1))
    share = -(-len(lines) // PARTS)
    parts = []
    for number in range(PARTS):
        writer = PartWriter(bronze, lambda _, sha256, number=number: batch.data_key(number, sha256))  # type: ignore[misc]
        writer.write(lines[number * share : (number + 1) * share])
        parts += writer.close()
    vanished = write_object(bronze, batch.deletes_key, deletes)
    manifest = Manifest(
        batch_id=batch.id, source="x", stream=name, mode="snapshot", interval_start=START,
        interval_end=batch.interval_end, as_of=AS_OF, accepted=len(lines), rejected=0, parts=tuple(parts), rejects=None,
        reject_rules={}, requests=(), contract_id=contract.id, contract_version=contract.version, code_version="0",
        redacted=(), drift=(), watermark=None, started_at=AS_OF, committed_at=AS_OF, seconds=0, deleted=len(deletes),
        deletes=vanished,
    )  # fmt: skip
    return Committed(batch, commit(bronze, manifest), contract)
