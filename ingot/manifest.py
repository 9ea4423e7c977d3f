"""The manifest: what a batch is. What has no manifest did not happen."""

from __future__ import annotations

from datetime import datetime

import msgspec

from ingot.batch import Batch
from ingot.errors import BatchMissing, IntegrityError
from ingot.storage import ObjectStore


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """One object of records.

    Attributes:
        key: in the Bronze bucket.
        records: how many lines it has.
        bytes: its size before compression, line ends included.
        stored_bytes: its size as stored.
        sha256: of the bytes before compression.
    """

    key: str
    records: int
    bytes: int
    stored_bytes: int
    sha256: str


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """One request to the source that was answered: address, status, seconds, tries and the body's bytes."""

    url: str
    status: int
    seconds: float
    tries: int
    bytes: int
    records: int


class Drift(msgspec.Struct, frozen=True, kw_only=True):
    """A field that the contract does not know; its values are in Bronze."""

    path: str
    type: str
    first_position: int


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """All there is to know of a committed batch. Times are UTC, sizes bytes, durations seconds.

    Attributes:
        as_of: the time that the batch stands for: its records' ``_ingested_at``.
        reject_rules: how many violations there were of each rule.
        redacted: the names of the fields that were cut out.
        watermark: how far the stream has been read with this batch; None for snapshots.
    """

    batch_id: str
    source: str
    stream: str
    mode: str
    interval_start: datetime
    interval_end: datetime
    as_of: datetime
    state: str = "COMMITTED"
    accepted: int
    rejected: int
    parts: tuple[Part, ...]
    rejects: Part | None
    reject_rules: dict[str, int]
    requests: tuple[Request, ...]
    contract_id: str
    contract_version: str
    code_version: str
    redacted: tuple[str, ...]
    drift: tuple[Drift, ...]
    watermark: datetime | None
    started_at: datetime
    committed_at: datetime
    seconds: float

    @property
    def batch(self) -> Batch:
        """The batch that this is the manifest of."""
        return Batch(
            source=self.source,
            stream=self.stream,
            interval_start=self.interval_start,
            interval_end=self.interval_end,
        )

    @property
    def bytes(self) -> int:
        """The accepted records' size before compression."""
        return sum(part.bytes for part in self.parts)

    @property
    def parquet_key(self) -> str:
        """Where the refined batch is, in the lake bucket."""
        return self.batch.parquet_key(self.as_of)


def encode(manifest: Manifest) -> bytes:
    """As it is stored: JSON that a person can read."""
    return msgspec.json.format(msgspec.json.encode(manifest), indent=2)


def commit(store: ObjectStore, manifest: Manifest) -> Manifest:
    """Publish a batch. If another attempt did so meanwhile, that one is the batch, and it is returned."""
    if store.put_new(manifest.batch.manifest_key, encode(manifest)):
        return manifest
    return read_manifest(store, manifest.batch)


def find_manifest(store: ObjectStore, batch: Batch) -> Manifest | None:
    """The manifest of a batch, or None if it was never committed."""
    body = store.find(batch.manifest_key)
    return _decode(body, batch.manifest_key) if body is not None else None


def read_manifest(store: ObjectStore, batch: Batch) -> Manifest:
    """The manifest of a batch.

    Raises:
        BatchMissing: it was never committed.
    """
    try:
        body = store.get(batch.manifest_key)
    except BatchMissing as error:
        raise BatchMissing(
            "The batch was never committed.",
            source=batch.source,
            stream=batch.stream,
            batch=batch.id,
            hint="run extract for this interval first",
        ) from error
    return _decode(body, batch.manifest_key)


def _decode(body: bytes, key: str) -> Manifest:
    try:
        return msgspec.json.decode(body, type=Manifest)
    except msgspec.MsgspecError as error:
        raise IntegrityError(
            f"The manifest cannot be read: {error}.", key=key, hint="restore the object's version before"
        ) from error
