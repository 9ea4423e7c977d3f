"""The manifest: what a batch is. What has no manifest did not happen."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Literal

import msgspec

from ingot.batch import Batch
from ingot.errors import BatchMissing, IntegrityError
from ingot.files.declared import Form
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
    """One request to the source that was answered.

    Attributes:
        url: without credentials.
        seconds: from asking to the body's last byte, of the try that succeeded.
        bytes: the body's size.
        records: how many there were in the body.
        accepted: how many of them became lines of the batch: the requests' lines follow each other.
    """

    url: str
    status: int
    seconds: float
    tries: int
    bytes: int
    records: int
    accepted: int = 0


class LandedFile(msgspec.Struct, frozen=True, kw_only=True):
    """One file of an object that landed: the object itself, unpacked, or one of an archive.

    Attributes:
        part: where it is in an archive.
        sha256: of its bytes, unpacked.
        bytes: its size, unpacked.
        records: how many of it were read.
        form: how it was read; None if it was not.
        same_as: the key under which its content was taken before: nothing of it was read.
    """

    part: str
    sha256: str
    bytes: int
    records: int
    form: Form | None = None
    same_as: str | None = None


class Landed(msgspec.Struct, frozen=True, kw_only=True):
    """One object of the landing prefix that a batch took.

    Attributes:
        key: in the Bronze bucket.
        etag: as S3 gave it, without quotes.
        sha256: of its bytes as they lay there.
        modified: when S3 says that it was put.
        bytes: its size as it lay there.
        records: how many there were in it: its lines or rows, but for empty ones.
        accepted: how many of them became lines of the batch: the objects' lines follow each other.
        files: what was in it, in order; none if it is one file of lines (NDJSON), plain or packed.
    """

    key: str
    etag: str
    sha256: str
    modified: datetime
    bytes: int
    records: int
    accepted: int
    files: tuple[LandedFile, ...] = ()


class Drift(msgspec.Struct, frozen=True, kw_only=True):
    """A difference between what the source sends and what the contract says.

    Attributes:
        kind: ``new``: a field that the contract does not know; its values are in Bronze. ``missing``: one that the
            contract knows and records lack. ``retyped``: one with values of another type.
        path: as in a violation: ``$.rating.rate``.
        old, new: its shape in the contract and in the records.
        example: a shortened value, where it may be shown.
        count: how many records were seen to differ, at least.
        first_position: the first of them, by its place in what the source sent, from 0.
    """

    kind: Literal["new", "missing", "retyped"]
    path: str
    old: str | None
    new: str | None
    example: str | None
    count: int
    first_position: int


class Resolution(msgspec.Struct, frozen=True, kw_only=True):
    """What a batch that resolves refused records did with them.

    Attributes:
        batch_id: the batch that they were refused in.
        key: the object of the quarantine that held them; what is left of it is in this manifest's ``rejects``.
        action: ``replay``: through the contract again; ``discard``: given up.
        rule: only records that break this rule were chosen; None: all.
        reason: why they were given up.
        chosen: how many records were chosen.
        discarded: how many were given up.
        superseded: how many pass now and are not published: the source itself sent a later version of their key in the
            same answer.
    """

    batch_id: str
    key: str
    action: Literal["replay", "discard"]
    rule: str | None
    reason: str | None
    chosen: int
    discarded: int
    superseded: int = 0


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """All there is to know of a committed batch. Times are UTC, sizes bytes, durations seconds.

    Attributes:
        mode: the stream's: ``interval``, ``cursor``, ``snapshot`` or ``landed``.
        as_of: the time that the batch stands for: its records' ``_ingested_at``.
        accepted: records in ``parts``.
        rejected: records in ``rejects``.
        unchanged: records that the source sent and that are known by their content: not written again.
        rejected_again: records that were refused before, with the same content: not quarantined again.
        deleted: keys in ``deletes``: known, and not in this snapshot.
        reject_rules: how many violations there were of each rule.
        redacted: the names of the fields that were cut out.
        watermark: how far the stream has been read with this batch; None for snapshots. Of a stream that lands when
            the newest object was put that was taken.
        number: the batch's place in a stream that continues, from 1; None in one that does not.
        previous: the batch that it continues.
        known: what is known of the source after this batch.
        key: what the stream's keys were made of then: ``id:integer``.
        resolves: where its records are from, if they were refused before.
        landed: the objects that it took, in the order in which it did.
        fallback: why the records are from the stream's fallback, if they are; then the watermark stayed where it was.
        taken: of a stream that lands: the objects that this batch and those before it took, as far as they are there.
            The object is that of the batch before, if nothing changed.
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
    watermark: datetime | int | None
    started_at: datetime
    committed_at: datetime
    seconds: float
    unchanged: int = 0
    rejected_again: int = 0
    deleted: int = 0
    deletes: Part | None = None
    number: int | None = None
    previous: str | None = None
    known: Part | None = None
    key: tuple[str, ...] = ()
    resolves: Resolution | None = None
    landed: tuple[Landed, ...] = ()
    taken: Part | None = None
    fallback: str | None = None

    @property
    def batch(self) -> Batch:
        """The batch that this is the manifest of."""
        return Batch(
            source=self.source,
            stream=self.stream,
            interval_start=self.interval_start,
            interval_end=self.interval_end,
            resolves=resolves_of(self.resolves.key) if self.resolves else "",
        )

    @property
    def rows(self) -> int:
        """How many rows it has when it is refined: its records, and a row a deleted key."""
        return self.accepted + self.deleted

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
    return decode(body, batch.manifest_key) if body is not None else None


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
    return decode(body, batch.manifest_key)


def list_manifests(store: ObjectStore, source: str, stream: str = "") -> Iterator[Manifest]:
    """Every committed batch of a source, or of one of its streams, in the order of their keys."""
    for key in store.keys(f"manifests/{source}/{stream}/" if stream else f"manifests/{source}/"):
        yield decode(store.get(key), key)


def resolves_of(rejects_key: str) -> str:
    """What a batch that resolves an object of the quarantine has as ``resolves``: the hash in the object's key."""
    return rejects_key.rpartition("/rejects-")[2].partition(".")[0]


def decode(body: bytes, key: str) -> Manifest:
    """A manifest as it was stored.

    Raises:
        IntegrityError: it is none.
    """
    try:
        return msgspec.json.decode(body, type=Manifest)
    except msgspec.MsgspecError as error:
        raise IntegrityError(
            f"The manifest cannot be read: {error}.", key=key, hint="restore the object's version before"
        ) from error
