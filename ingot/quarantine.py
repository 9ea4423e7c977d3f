"""The quarantine: objects of refused records, and what became of each.

An object is open until a batch that resolves it is committed (see :mod:`ingot.steps.resolve`); that batch's own rejects
are then what is left of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Literal

import msgspec

from ingot.batch import Batch, parse_batch
from ingot.bronze import read_lines
from ingot.errors import ConfigurationError
from ingot.gate import InFile, Refusal, Violation
from ingot.gate.redact import Redactor
from ingot.manifest import Manifest, find_manifest, resolves_of
from ingot.storage import ObjectStore

State = Literal["OPEN", "RESOLVED", "UNPUBLISHED"]


@dataclass(frozen=True, kw_only=True)
class QuarantineObject:
    """The refused records of one attempt at a batch.

    Attributes:
        key: in the Bronze bucket.
        batch: that they were refused in.
        state: ``OPEN``: they wait for a replay or a discard; ``RESOLVED``: that has happened; ``UNPUBLISHED``: the
            attempt published nothing, and so the next run of the interval asks for all its records again.
        records: how many there are; None for an unpublished object, which no manifest describes.
        rules: how many violations of each rule there are.
        resolved_by: the batch that resolved it.
    """

    key: str
    batch: Batch
    state: State
    records: int | None
    rules: dict[str, int]
    resolved_by: str | None


def list_objects(
    bronze: ObjectStore, source: str, stream: str | None = None, batch_id: str | None = None
) -> Iterator[QuarantineObject]:
    """The objects of a source, of one of its streams or of one of its batches, in the order of their keys.

    It costs two requests an object, whatever else there is.
    """
    prefix = f"quarantine/{source}/" + (f"{stream}/" if stream else "")
    for key in bronze.keys(prefix):
        batch = batch_of(key)
        if batch_id is None or batch.id == batch_id:
            yield _look_at(bronze, key, batch)


def find_object(bronze: ObjectStore, key: str) -> QuarantineObject:
    """One object by its key.

    Raises:
        ConfigurationError: there is none.
    """
    if bronze.find(key) is None:
        raise ConfigurationError(f"{key} is not in the quarantine.", key=key, hint="see `ingot quarantine list`")
    return _look_at(bronze, key, batch_of(key))


def batch_of(key: str) -> Batch:
    """The batch that an object of the quarantine belongs to.

    Raises:
        ConfigurationError: the key is no object's of the quarantine.
    """
    parts = key.split("/")
    if len(parts) != 5 or parts[0] != "quarantine" or not parts[4].startswith("rejects-"):
        raise ConfigurationError(f"{key!r} is no key of the quarantine.", hint="see `ingot quarantine list`")
    return parse_batch(parts[1], parts[2], parts[3])


class Reject(msgspec.Struct, frozen=True, kw_only=True):
    """A refused record as it stands in the quarantine, see :class:`ingot.gate.Refusal`."""

    position: int
    key: str | None
    violations: list[Violation]
    record: str | None
    record_encoding: Literal["utf-8", "latin-1"] | None
    withheld: bool
    record_sha256: str | None
    line: int | None = None  # objects of older versions do not say
    file: InFile | None = None

    def breaks(self, rule: str | None) -> bool:
        """Whether one of its violations is of a rule; None is any."""
        return rule is None or any(violation.rule == rule for violation in self.violations)

    @property
    def refusal(self) -> Refusal:
        """It as the gate gave it, with the record's exact bytes."""
        bytes_ = self.record.encode(self.record_encoding or "utf-8") if self.record is not None else None
        return Refusal(self.position, self.key, self.violations, bytes_, self.record_sha256, self.line, self.file)


_REJECT = msgspec.json.Decoder(Reject)


def read_rejects(bronze: ObjectStore, manifest: Manifest) -> Iterator[Reject]:
    """The refused records of a committed batch, held to the manifest's hash."""
    if manifest.rejects is not None:
        yield from map(_REJECT.decode, read_lines(bronze, manifest.rejects))


def read_as_lines(bronze: ObjectStore, manifest: Manifest, secrets: Iterable[str]) -> Iterator[tuple[Reject, bytes]]:
    """The refused records of a committed batch, each with the line that it is in Bronze once it passes.

    Args:
        secrets: what is cut out then; records from which it cannot be cut are left out.
    """
    redactor = Redactor(frozenset(secrets))
    for reject in read_rejects(bronze, manifest):
        record = reject.refusal.record
        if record is not None:
            with suppress(ValueError):
                # A record is one line, see the gate.
                yield reject, redactor.cut(record).replace(b"\r", b" ").replace(b"\n", b" ")


def resolving_batch(key: str) -> Batch:
    """The batch that resolves an object: there is one only, whoever asks."""
    return replace(batch_of(key), resolves=resolves_of(key))


def _look_at(bronze: ObjectStore, key: str, batch: Batch) -> QuarantineObject:
    holder = find_manifest(bronze, batch)
    if holder is None or holder.rejects is None or holder.rejects.key != key:
        return QuarantineObject(key=key, batch=batch, state="UNPUBLISHED", records=None, rules={}, resolved_by=None)
    resolver = resolving_batch(key)
    resolved = bronze.find(resolver.manifest_key) is not None
    return QuarantineObject(
        key=key,
        batch=batch,
        state="RESOLVED" if resolved else "OPEN",
        records=holder.rejects.records,
        rules=holder.reject_rules,
        resolved_by=resolver.id if resolved else None,
    )
