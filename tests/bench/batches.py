"""Batches of the scaled store's carts, committed and refined into folders by the steps' own code; made once and kept.

``python -m tests.bench.batches FOLDER 1000000 0 1000000``: a process of its own, so that the benchmark stays small.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)


def made(folder: Path, orders: int, first: int = 1, last: int = 0, *, number: int = 1, changed: int = 0) -> Path:
    """The folder of a refined batch with the carts ``first`` to ``last``; made if it is not there.

    Args:
        orders: of how large a store.
        last: all of them, if 0.
        number: which day the batch is of, from 1: another number, another batch, and a later one.
        changed: one in so many of the carts has another quantity than in the store; none, if 0.
    """
    last = last or orders
    place = folder / f"batch-{orders}-{first}-{last}-{number}-{changed}"
    if not (place / "made").exists():
        words = map(str, (place, orders, first, last, number, changed))
        subprocess.run([sys.executable, "-m", __name__, *words], check=True)
    return place


def parquet(place: Path) -> Path:
    """The one Parquet file of a batch."""
    (found,) = (place / "lake").rglob("*.parquet")
    return found


def _main(folder: str, *numbers: str) -> None:
    from recorded_source.recordings import Recordings
    from recorded_source.synthetic import SyntheticStore

    from ingot.batch import Batch
    from ingot.bronze import PartWriter
    from ingot.manifest import Manifest, commit
    from ingot.sources import load_source
    from ingot.steps.refine import refine
    from tests.bench.attempts import running
    from tests.bench.folder import Folder
    from tests.bench.shop import SEED
    from tests.bench.stage import ROOT

    orders, first, last, number, changed = map(int, numbers)
    place = Path(folder)
    bronze, lake = Folder(place / "bronze"), Folder(place / "lake")
    contract = load_source(ROOT / "sources" / "fakestore").stream("carts").contract
    day = BEGIN + timedelta(days=number - 1)
    batch = Batch(source="fakestore", stream="carts", interval_start=day, interval_end=day + timedelta(days=1))
    parts = PartWriter(bronze, batch.data_key)
    carts = SyntheticStore(SEED, orders, Recordings()).records("carts", range(first, last + 1))
    parts.write(_changed(carts, changed))
    manifest = Manifest(
        batch_id=batch.id,
        source=batch.source,
        stream=batch.stream,
        mode="interval",
        interval_start=batch.interval_start,
        interval_end=batch.interval_end,
        as_of=batch.interval_end,
        accepted=last - first + 1,
        rejected=0,
        parts=parts.close(),
        rejects=None,
        reject_rules={},
        requests=(),
        contract_id=contract.id,
        contract_version=contract.version,
        code_version="bench",
        redacted=(),
        drift=(),
        watermark=None,
        started_at=batch.interval_end,
        committed_at=batch.interval_end,
        seconds=0.0,
    )
    commit(bronze, manifest)
    record = running(batch, "refine", batch.interval_end)
    refine(batch, contract=contract, bronze=bronze, lake=lake, record=record)
    (place / "made").touch()


def _changed(carts: Iterator[str], every: int) -> Iterator[bytes]:
    for position, cart in enumerate(carts):
        if every and position % every == 0:
            cart = cart.replace('"quantity":', '"quantity":1', 1)
        yield cart.encode()


if __name__ == "__main__":
    _main(*sys.argv[1:])
