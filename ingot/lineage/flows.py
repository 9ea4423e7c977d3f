"""What each step reads and writes: the same datasets as in the declared graph, with what its run counted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ingot.lineage import layers
from ingot.lineage.events import Counts, Flow, Side
from ingot.lineage.model import Dataset, Part
from ingot.lineage.names import Name
from ingot.manifest import Manifest
from ingot.naming import table_name
from ingot.sources import Source, Stream

if TYPE_CHECKING:
    from ingot.warehouse import Endpoint


def extracting(manifest: Manifest | None, source: Source, stream: str, bronze: str) -> Flow:
    """Source or landing prefix → accepted records, and what was refused beside them.

    Args:
        manifest: of the batch, once it is committed.
        bronze: the bucket.
    """
    of = source.stream(stream)
    origins = [part.dataset for part in layers.origins(source, of, bronze)]
    written = layers.data(of, bronze, origins)
    if of.fallback is not None:
        # One of the two was asked.
        origins = [origins[manifest is not None and manifest.fallback is not None]]
    if manifest is None:
        return Flow(tuple(map(Side, origins)), (_output(written),))
    sent = manifest.accepted + manifest.unchanged + manifest.rejected + manifest.rejected_again
    files = len(manifest.landed) or None
    size = sum(request.bytes for request in manifest.requests) + sum(landed.bytes for landed in manifest.landed)
    outputs = [_output(written, manifest, Counts(manifest.rows, manifest.bytes, len(manifest.parts)))]
    if manifest.rejects is not None:
        outputs.append(Side(_quarantine(of, bronze), Counts(manifest.rejected, manifest.rejects.bytes, 1)))
    return Flow(tuple(Side(origin, Counts(sent, size, files)) for origin in origins), tuple(outputs))


def refining(manifest: Manifest | None, source: Source, stream: str, bronze: str, lake: str) -> Flow:
    """Accepted records → Parquet."""
    of = source.stream(stream)
    read, written = layers.data(of, bronze, ()), layers.lake(of, lake)
    if manifest is None:
        return Flow((Side(read.dataset),), (_output(written),))
    counts = Counts(manifest.rows, manifest.bytes, len(manifest.parts))
    return Flow((Side(read.dataset, counts),), (_output(written, manifest, Counts(manifest.rows, None, 1)),))


def loading(manifest: Manifest | None, source: Source, stream: str, lake: str, endpoint: Endpoint) -> Flow:
    """Parquet → Bronze table."""
    of = source.stream(stream)
    read, written = layers.lake(of, lake), layers.bronze(of, endpoint)
    if manifest is None:
        return Flow((Side(read.dataset),), (_output(written),))
    counts = Counts(manifest.rows, None, 1)
    return Flow((Side(read.dataset, counts),), (_output(written, manifest, Counts(manifest.rows)),))


def replaying(manifest: Manifest | None, source: Source, stream: str, bronze: str) -> Flow:
    """Quarantine → accepted records."""
    of = source.stream(stream)
    held, written = _quarantine(of, bronze), layers.data(of, bronze, ())
    if manifest is None or manifest.resolves is None:
        return Flow((Side(held),), (_output(written),))
    counts = Counts(manifest.rows, manifest.bytes, len(manifest.parts))
    return Flow((Side(held, Counts(manifest.resolves.chosen)),), (_output(written, manifest, counts),))


def rebuilding(source: Source, bronze: str, lake: str, endpoint: Endpoint) -> Flow:
    """Accepted records of all streams of a source → Parquet where it is missing, and all Bronze tables."""
    inputs: list[Side] = []
    outputs: list[Side] = []
    for stream in source.streams.values():
        inputs.append(Side(layers.data(stream, bronze, ()).dataset))
        outputs += [_output(layers.lake(stream, lake)), _output(layers.bronze(stream, endpoint))]
    return Flow(tuple(inputs), tuple(outputs))


def _output(part: Part, manifest: Manifest | None = None, counts: Counts | None = None) -> Side:
    return Side(part.dataset, counts, part.columns, manifest.batch_id if manifest is not None else "")


def _quarantine(stream: Stream, bucket: str) -> Dataset:
    name = Name(f"s3://{bucket}", f"quarantine/{stream.source}/{stream.name}")
    id = f"quarantine.{table_name(stream.source, stream.name)}"
    return Dataset(id, "data", f"refused records of {stream.source}.{stream.name}", name, ())
