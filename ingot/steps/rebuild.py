"""Rebuild: every committed batch of a source → the warehouse once more, from Bronze alone.

New tables are filled beside the old ones and take their place at the end, in one transaction: a rebuild that fails or
is killed leaves the warehouse as it was.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path

from ingot.attempt import attempt, list_attempts
from ingot.manifest import Manifest, list_manifests
from ingot.sources import Source, Stream
from ingot.steps.audit import audit
from ingot.steps.load import load
from ingot.steps.refine import refine, refined_by
from ingot.storage import ObjectStore
from ingot.warehouse import Warehouse


@dataclass
class Rebuilt:
    """What a rebuild did: how many batches it loaded and refined, and how many rows they have."""

    batches: int = 0
    refined: int = 0
    rows: int = 0


def rebuild(source: Source, *, bronze: ObjectStore, lake: ObjectStore, warehouse: Warehouse) -> Rebuilt:
    """Load all of a source's batches under the numbers they had into new tables, which then replace the old ones.

    A batch whose Parquet is gone, or that is of another version of the contract than the present one, is refined
    anew. No request goes to the source.

    Raises:
        WarehouseUnavailable, StorageUnavailable: run it again.
        IntegrityError: what is stored is not what a manifest says, or does not fit the present contract. The error
            says which batch and what to do; the old tables are as they were.
    """
    done = Rebuilt()
    with warehouse.rebuilding(source.name, list(source.streams)) as tables:
        for stream in source.streams.values():
            there = set(lake.keys(f"bronze/{source.name}/{stream.name}/"))
            for manifest, load_id in _in_order(bronze, stream):
                batch = manifest.batch
                if manifest.parquet_key not in there or not _is_refined(lake, manifest, stream):
                    with attempt(bronze, batch, "refine") as record:
                        refine(batch, contract=stream.contract, bronze=bronze, lake=lake, record=record)
                    done.refined += 1
                with attempt(bronze, batch, "load") as record:
                    loaded = load(
                        batch,
                        contract=stream.contract,
                        bronze=bronze,
                        lake=lake,
                        warehouse=tables,
                        record=record,
                        load_id=load_id,
                    )
                done.batches += 1
                done.rows += loaded.rows
    audit(source.name, bronze=bronze, warehouse=warehouse)
    return done


def _is_refined(lake: ObjectStore, manifest: Manifest, stream: Stream) -> bool:
    """Whether a batch's Parquet is of the present contract. (After going back to an older one it may be of a newer.)"""
    with tempfile.TemporaryDirectory(prefix="ingot-rebuild-") as folder:
        parquet = Path(folder) / "batch.parquet"
        lake.download(manifest.parquet_key, parquet)
        return refined_by(parquet, stream.contract)


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
