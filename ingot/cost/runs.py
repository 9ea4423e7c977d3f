"""What a batch cost, and a run: attempts on Glue, requests to S3, and what objects cost a month.

It is an estimate from Ingot's own records. Not in it: Glue's seconds before and after a step (the script's imports),
requests to KMS (few, with bucket keys), logs, the Parquet in the lake, the warehouse.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from math import ceil
from statistics import median

from ingot.attempt import Attempt
from ingot.cost.prices import Prices
from ingot.manifest import Manifest

MINIMUM_SECONDS = 60
"""What Glue bills at least for a run (Glue 2.0 and newer): https://aws.amazon.com/glue/pricing/"""
_HOUR = 3600
_GB = 1024**3
_READS = {"refine": 1, "load": 1, "audit": 1}
"""Steps that read the manifest."""


@dataclass(frozen=True, kw_only=True)
class Worker:
    """What a job runs on.

    Attributes:
        kind: Glue's worker type.
        count: how many.
    """

    kind: str
    count: int


STEP_WORKER = Worker(kind="G.1X", count=2)
"""What our jobs are deployed with: the least that a Spark job can have."""
USUAL_RUNS = 20
"""How many runs say what is usual."""
_FEWEST_RUNS = 5


@dataclass(frozen=True, kw_only=True)
class RunCost:
    """What a source's run over one interval cost.

    Attributes:
        usd: what Glue bills for all attempts at its steps.
        percent: of what such runs usually cost; None: there are too few to say.
    """

    usd: Decimal
    percent: Decimal | None


def run_cost(interval: str, billed: Mapping[str, int], prices: Prices) -> RunCost | None:
    """What a run cost, beside those before it.

    Requests to S3 are not in it: a hundredth of what Glue's shortest run costs.

    Args:
        interval: which, as in the id of its batches.
        billed: interval → the seconds that Glue bills, of this run and of others of the source.
        prices: the table.

    Returns:
        None if nothing ran.
    """
    seconds = {each: Decimal(all_of_it) for each, all_of_it in billed.items()}
    own = seconds.pop(interval, None)
    if own is None:
        return None
    usual = median(seconds.values()) if len(seconds) >= _FEWEST_RUNS else None
    return RunCost(
        usd=own * _dpus(STEP_WORKER, prices) / _HOUR * prices["glue-dpu"].usd,
        percent=100 * own / usual if usual else None,
    )


@dataclass(frozen=True, kw_only=True)
class BatchCost:
    """What one batch cost.

    Attributes:
        batch_id: which.
        state: COMMITTED, or FAILED if it never was: that cost too.
        attempts: how many runs of jobs it took.
        seconds: that they worked.
        dpu_seconds: that Glue bills for them.
        glue_usd: for these.
        writes, reads: requests to S3: those of PUT and LIST, and those of GET.
        s3_usd: for these.
        usd: for all, once.
        stored_bytes: its objects in Bronze.
        storage_usd: a month, for these.
    """

    batch_id: str
    state: str
    attempts: int
    seconds: float
    dpu_seconds: Decimal
    glue_usd: Decimal
    writes: int
    reads: int
    s3_usd: Decimal
    usd: Decimal
    stored_bytes: int
    storage_usd: Decimal


def batch_cost(
    batch_id: str,
    attempts: Iterable[Attempt],
    manifest: Manifest | None,
    workers: Mapping[str, Worker],
    prices: Prices,
) -> BatchCost:
    """What a batch cost.

    Args:
        batch_id: which.
        attempts: all at this batch.
        manifest: None if it was never committed.
        workers: step → what its job runs on.
        prices: the table.
    """
    tries = list(attempts)
    dpu_seconds = sum(
        (Decimal(billed_seconds(each.seconds)) * _dpus(workers[each.step], prices) for each in tries), Decimal(0)
    )
    parts = _parts(manifest)
    # An attempt lists those before it and writes its record twice. Each object of the batch is written once, the
    # manifest too, and once more where the batch is numbered; the refined batch is one object.
    refined = any(each.step == "refine" and each.state == "SUCCEEDED" for each in tries)
    numbered = manifest is not None and manifest.number is not None
    writes = 3 * len(tries) + len(parts) + (manifest is not None) + numbered + refined
    # Extract reads what landed, refine the manifest and every accepted part, load the manifest and the Parquet.
    reads = sum(
        _READS.get(each.step, 0) + (len(manifest.parts) if each.step == "refine" and manifest else each.step == "load")
        for each in tries
    ) + (len(manifest.landed) if manifest else 0)
    glue = dpu_seconds / _HOUR * prices["glue-dpu"].usd
    s3 = (writes * prices["s3-write"].usd + reads * prices["s3-read"].usd) / 1000
    stored = sum(parts)
    return BatchCost(
        batch_id=batch_id,
        state="COMMITTED" if manifest else "FAILED",
        attempts=len(tries),
        seconds=round(sum(each.seconds for each in tries), 3),
        dpu_seconds=dpu_seconds,
        glue_usd=glue,
        writes=writes,
        reads=reads,
        s3_usd=s3,
        usd=glue + s3,
        stored_bytes=stored,
        storage_usd=Decimal(stored) / _GB * prices["s3-storage"].usd,
    )


def billed_seconds(seconds: float) -> int:
    """What Glue bills for a run of so many seconds."""
    return max(MINIMUM_SECONDS, ceil(seconds))


def _dpus(worker: Worker, prices: Prices) -> Decimal:
    return prices.dpu[worker.kind] * worker.count


def _parts(manifest: Manifest | None) -> list[int]:
    """The stored sizes of a batch's objects."""
    if manifest is None:
        return []
    taken = manifest.taken  # of the batch before, if nothing landed
    if taken is not None and f"/{manifest.batch_id}/" not in taken.key:
        taken = None
    others = (manifest.rejects, manifest.deletes, manifest.known, taken)
    return [part.stored_bytes for part in (*manifest.parts, *(each for each in others if each is not None))]
