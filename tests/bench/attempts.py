"""The attempt that a step is given, where no job is around it."""

from __future__ import annotations

from datetime import datetime

from ingot.attempt import Attempt
from ingot.batch import Batch


def running(batch: Batch, step: str, began: datetime) -> Attempt:
    """One that has begun."""
    return Attempt(
        batch_id=batch.id,
        source=batch.source,
        stream=batch.stream,
        interval_start=batch.interval_start,
        interval_end=batch.interval_end,
        step=step,
        state="RUNNING",
        started_at=began,
    )
