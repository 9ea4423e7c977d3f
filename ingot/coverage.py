"""What Bronze holds of a stream: from the keys of its manifests alone, at the cost of a listing."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

from ingot.batch import Batch, parse_batch
from ingot.schedule import Interval, intervals, missing
from ingot.sources import Source, Stream
from ingot.storage import ObjectStore

_EVER = datetime.min.replace(tzinfo=UTC)


def committed(bronze: ObjectStore, stream: Stream) -> list[Batch]:
    """Every committed batch of a stream, in the order of their intervals."""
    prefix = f"manifests/{stream.source}/{stream.name}/"
    names = (key.removeprefix(prefix).removesuffix(".json") for key in bronze.keys(prefix))
    return sorted(parse_batch(stream.source, stream.name, name) for name in names)


def absent(source: Source, stream: Stream, batches: Iterable[Batch], start: datetime, end: datetime) -> list[Interval]:
    """The whole intervals of the schedule between two times that no committed batch covers.

    What matters is the time that batches cover together, and not how it was cut. A batch of a stream that continues
    brings it up to date: there, nothing before the end of the newest batch is absent.
    """
    covered = [(b.interval_start, b.interval_end) for b in batches if not b.resolves]
    if stream.continues and covered:
        covered = [(_EVER, max(end for _, end in covered))]
    return missing(intervals(source.schedule, start, end), covered)
