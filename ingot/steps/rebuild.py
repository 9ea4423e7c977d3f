"""Rebuild: every committed batch of a source → the warehouse once more, from Bronze alone.

The tables are dropped first. Killed anywhere, it is simply run again: what it reads is never changed.
"""

from __future__ import annotations

from dataclasses import dataclass
from operator import attrgetter

from ingot.attempt import attempt, list_attempts
from ingot.manifest import Manifest, list_manifests
from ingot.sources import Source, Stream
from ingot.steps.audit import audit
from ingot.steps.load import load
from ingot.steps.refine import refine
from ingot.storage import ObjectStore
from ingot.warehouse import Warehouse


@dataclass
class Rebuilt:
    """What a rebuild did: how many batches it loaded and refined, and how many rows they have."""

    batches: int = 0
    refined: int = 0
    rows: int = 0


def rebuild(source: Source, *, bronze: ObjectStore, lake: ObjectStore, warehouse: Warehouse) -> Rebuilt:
    """Drop a source's bronze tables and audit rows, and load all of its batches again under the numbers they had.

    A batch whose Parquet is gone, or that is of another version of the contract than the present one, is refined
    anew. No request goes to the source.

    Raises:
        WarehouseUnavailable, StorageUnavailable: run it again.
        IntegrityError: what is stored is not what a manifest says.
    """
    done = Rebuilt()
    warehouse.drop(source.name, list(source.streams))
    for stream in source.streams.values():
        there = set(lake.keys(f"bronze/{source.name}/{stream.name}/"))
        for manifest, load_id in _in_order(bronze, stream):
            batch = manifest.batch
            if manifest.parquet_key not in there or manifest.contract_version != stream.contract.version:
                with attempt(bronze, batch, "refine") as record:
                    refine(batch, contract=stream.contract, bronze=bronze, lake=lake, record=record)
                done.refined += 1
            with attempt(bronze, batch, "load") as record:
                loaded = load(
                    batch,
                    contract=stream.contract,
                    bronze=bronze,
                    lake=lake,
                    warehouse=warehouse,
                    record=record,
                    load_id=load_id,
                )
            done.batches += 1
            done.rows += loaded.rows
    audit(source.name, bronze=bronze, warehouse=warehouse)
    return done


def _in_order(bronze: ObjectStore, stream: Stream) -> list[tuple[Manifest, int]]:
    """A stream's batches with the numbers to load them under: those of their last loads, and then new ones.

    Where two batches had the same number (the warehouse was lost in between, and counted from 1 again), the later
    one and all after it move up: no number is given twice, and the order stays.
    """
    numbers = {
        a.batch_id: a.load_id for a in list_attempts(bronze, stream.source, stream.name) if a.load_id is not None
    }
    manifests = sorted(list_manifests(bronze, stream.source, stream.name), key=attrgetter("committed_at", "batch_id"))
    loaded = sorted((m for m in manifests if m.batch_id in numbers), key=lambda m: numbers[m.batch_id])
    ordered, last = [], 0
    for manifest in [*loaded, *(m for m in manifests if m.batch_id not in numbers)]:
        last = max(numbers.get(manifest.batch_id, 0), last + 1)
        ordered.append((manifest, last))
    return ordered
