"""Audit: what became of every batch → the warehouse's ``audit`` schema.

It runs after the other steps, whether they succeeded or not, and reads only what they left in Bronze.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import msgspec

from ingot.attempt import Attempt
from ingot.batch import attempts_prefix, parse_batch, stamp
from ingot.bronze import read_reject_object
from ingot.cost import RunCost, load_prices, run_cost
from ingot.cost.runs import USUAL_RUNS
from ingot.manifest import find_manifest
from ingot.storage import ObjectStore
from ingot.warehouse import Warehouse


@dataclass(frozen=True)
class Audited:
    """What was found.

    Attributes:
        attempts, batches: how many new attempts there were, and how many batches they were at.
        newest: stream → when the newest of its committed intervals ends.
        cost: what the run over the interval cost that is over; None: none was named, or nothing ran.
    """

    attempts: int
    batches: int
    newest: dict[str, datetime]
    cost: RunCost | None


def audit(
    source: str, *, bronze: ObjectStore, warehouse: Warehouse, over: tuple[datetime, datetime] | None = None
) -> Audited:
    """Bring the audit tables up to date with one source's attempts, manifests and quarantine.

    Args:
        over: an interval whose steps have all ended, as the orchestrator knows: an attempt at it that has no end
            was killed. (A later attempt, or two hours, say so too.)
    """
    known = warehouse.known_attempts(source)
    attempts: dict[str, Attempt] = {}
    for key in bronze.keys(attempts_prefix(source)):
        if key not in known:
            attempts[key] = msgspec.json.decode(bronze.get(key), type=Attempt)
            if over == (attempts[key].interval_start, attempts[key].interval_end):
                attempts[key].end_if_running()
    batches = {a.batch for a in attempts.values()}
    manifests = [m for m in (find_manifest(bronze, batch) for batch in sorted(batches)) if m is not None]
    written = {m.rejects.key for m in manifests if m.rejects} | {
        a.rejects_key for a in attempts.values() if a.rejects_key is not None
    }
    rejects = ((key, read_reject_object(bronze, key)) for key in sorted(written))
    warehouse.record(attempts, manifests, rejects)
    cost = _cost(warehouse, source, *over) if over else None
    return Audited(len(attempts), len(batches), _newest(bronze, source), cost)


def _cost(warehouse: Warehouse, source: str, start: datetime, end: datetime) -> RunCost | None:
    interval = f"{stamp(start)}.{stamp(end)}"
    return run_cost(interval, warehouse.billed_seconds(source, interval, others=USUAL_RUNS), load_prices())


def _newest(bronze: ObjectStore, source: str) -> dict[str, datetime]:
    # From the keys alone, at the cost of a listing: a stream that had no new attempt grows old too.
    ends: dict[str, datetime] = {}
    for key in bronze.keys(f"manifests/{source}/"):
        _, _, stream, name = key.split("/")
        batch = parse_batch(source, stream, name.removesuffix(".json"))
        if not batch.resolves:
            ends[stream] = max(batch.interval_end, ends.get(stream, batch.interval_end))
    return ends
