"""Load: a refined batch → the warehouse's ``bronze`` schema, in one transaction."""

from __future__ import annotations

import tempfile
from pathlib import Path

from ingot.attempt import Attempt
from ingot.batch import Batch
from ingot.contract import Contract
from ingot.errors import BatchMissing
from ingot.manifest import read_manifest
from ingot.storage import ObjectStore
from ingot.tracing import phase
from ingot.warehouse.base import Loaded, Loader


def load(
    batch: Batch,
    *,
    contract: Contract,
    bronze: ObjectStore,
    lake: ObjectStore,
    warehouse: Loader,
    record: Attempt,
    load_id: int | None = None,
) -> Loaded:
    """Load one batch; again is harmless.

    Args:
        record: the attempt, which learns the count and the number of the load.
        load_id: the number to load it under; the next one unless given.

    Raises:
        BatchMissing: the batch was never committed or never refined.
        WarehouseUnavailable: nothing of the batch was published.
        IntegrityError: the Parquet is not of this manifest and contract, or its values do not fit the table.
    """
    manifest = read_manifest(bronze, batch)
    with tempfile.TemporaryDirectory(prefix="ingot-load-") as folder:
        parquet = Path(folder) / "batch.parquet"
        try:
            with phase("download"):
                lake.download(manifest.parquet_key, parquet)
        except BatchMissing as error:
            raise BatchMissing(
                "The batch was never refined.", key=manifest.parquet_key, hint="run refine for it first"
            ) from error
        with phase("load"):
            loaded = warehouse.load(manifest, contract, parquet, load_id=load_id)
    record.accepted, record.load_id = manifest.accepted, loaded.load_id
    return loaded
