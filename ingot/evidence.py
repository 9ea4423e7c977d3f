"""What Bronze holds of a stream's newest batch: its drift, and the records that show it.

A batch that failed for its reject rate has no manifest. Its refused records are in the quarantine, where its attempt
left them: they go through the present contract again, and what they differ in is the drift.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import batched, islice
from typing import Any

import msgspec
import zstandard

from ingot.attempt import Attempt
from ingot.batch import Batch, parse_batch
from ingot.bronze import read_lines
from ingot.contract import Contract
from ingot.contract.paths import locate, values_at
from ingot.contract.shape import VALUES, Shape
from ingot.drift import as_drift, stands
from ingot.errors import ConfigurationError
from ingot.gate import Gate
from ingot.known import Entry
from ingot.manifest import Drift, Manifest, decode, find_manifest, read_manifest
from ingot.quarantine import Reject, read_rejects
from ingot.steps.resolve import behind_the_gate
from ingot.storage import ObjectStore

SAMPLE = 100_000
"""As many records of a batch are looked at to tell what shape a field has."""

_REJECT = msgspec.json.Decoder(Reject)
_PAGE = 1_000
_MOST_REASONS = 10
_MOST_BATCHES = 100  # that are gone back to


@dataclass(frozen=True)
class Judgement:
    """What a contract says of a batch's records.

    Attributes:
        passed, refused: how many records.
        reasons: rule and path of the commonest violations, with how many records have each.
        drift: in what they differ from it.
    """

    passed: int
    refused: int
    reasons: dict[str, int]
    drift: tuple[Drift, ...]


@dataclass(frozen=True)
class Evidence:
    """A batch, as far as it got.

    Attributes:
        batch: which.
        manifest: None if it was never published: then ``rejects_key`` is the newest attempt's quarantine, and
            ``previous`` the last batch of the stream that was, if there is one.
        drift: in what it differs from the present contract.
    """

    bronze: ObjectStore
    batch: Batch
    contract: Contract
    manifest: Manifest | None
    rejects_key: str | None
    previous: Manifest | None
    drift: tuple[Drift, ...]

    def records(self) -> Iterator[bytes]:
        """What the source sent for it, without secrets and as far as it could be kept, the refused records too.

        A batch of a stream that continues holds only news: the rest is taken from the batches before.
        """
        if self.manifest is None:
            keys = set()
            for record in self._unpublished():
                keys.add(self._key(record))
                yield record
            if self.previous is not None:
                yield from self._standing(self.previous, frozenset(keys))
        elif self.manifest.known is None:
            yield from self._own(self.manifest)
        else:
            yield from self._standing(self.manifest, frozenset())

    def shapes(self, drift: tuple[Drift, ...]) -> Mapping[str, Shape]:
        """What shape the fields of a drift have, by path, in the batch's first records."""
        wanted = {d.path: (locate(self.contract, d.path)[0], Shape()) for d in drift}
        for record in islice(self.records(), SAMPLE):
            value = _decoded(record)
            for steps, shape in wanted.values():
                for found in values_at(value, steps):
                    shape.add(found)
        return {path: shape for path, (_, shape) in wanted.items()}

    def judged_by(self, contract: Contract) -> Judgement:
        """What a contract, perhaps a proposed one, would say of all its records."""
        gate = Gate(behind_the_gate(contract))
        passed = refused = 0
        reasons = Counter[str]()
        for page in batched(self.records(), _PAGE):
            verdict = gate.check(b"[" + b",".join(page) + b"]", list(page))
            passed += len(verdict.accepted)
            refused += len(verdict.refused)
            for refusal in verdict.refused:
                reasons.update({f"{v.rule} at {_general(v.path)}" for v in refusal.violations})
        drift = tuple(as_drift(difference, contract) for difference in gate.differences.noted)
        return Judgement(passed, refused, dict(reasons.most_common(_MOST_REASONS)), drift)

    def _own(self, manifest: Manifest) -> Iterator[bytes]:
        for part in manifest.parts:
            yield from read_lines(self.bronze, part)
        for reject in read_rejects(self.bronze, manifest):
            if (record := reject.refusal.record) is not None:
                yield record

    def _standing(self, manifest: Manifest, superseded: frozenset[str | None]) -> Iterator[bytes]:
        """What was known after a batch, but for some keys: from this batch and those that it continues."""
        entries = read_lines(self.bronze, manifest.known) if manifest.known is not None else ()
        known = [msgspec.json.decode(line, type=Entry) for line in entries]
        wanted = {entry.sha256 for entry in known if entry.key not in superseded}
        for _ in range(_MOST_BATCHES):
            for record in self._own(manifest):
                sha256 = hashlib.sha256(record).hexdigest()
                if sha256 in wanted:
                    wanted.remove(sha256)
                    yield record
            if not wanted or manifest.previous is None:
                return
            manifest = read_manifest(self.bronze, parse_batch(manifest.source, manifest.stream, manifest.previous))

    def _unpublished(self) -> Iterator[bytes]:
        # What attempts accepted and did not publish: of several attempts, several times.
        for key in self.bronze.keys(f"data/{self.batch.source}/{self.batch.stream}/{self.batch.id}/"):
            yield from _lines(self.bronze, key)
        for reject in self._rejects():
            if (record := reject.refusal.record) is not None:
                yield record

    def _key(self, record: bytes) -> str | None:
        value = _decoded(record)
        if not isinstance(value, dict):
            return None
        return msgspec.json.encode([value.get(name) for name in self.contract.primary_key]).decode()

    def _seen_again(self) -> tuple[Drift, ...]:
        gate = Gate(behind_the_gate(self.contract))
        positions, withheld = [], []
        for reject in islice(self._rejects(), SAMPLE):
            if (record := reject.refusal.record) is None:
                withheld.append(reject)
                continue
            # One record a page: what is no JSON cannot reach over to its neighbour.
            gate.check(b"[" + record + b"]", [record])
            positions.append(reject.position)
        for reject in withheld:
            gate.differences.note_refused(reject.violations, None, len(positions))
            positions.append(reject.position)
        drift = (as_drift(difference, self.contract) for difference in gate.differences.noted)
        return tuple(msgspec.structs.replace(d, first_position=positions[d.first_position]) for d in drift)

    def _rejects(self) -> Iterator[Reject]:
        if self.rejects_key is not None:
            yield from map(_REJECT.decode, _lines(self.bronze, self.rejects_key))


def newest(bronze: ObjectStore, source: str, contract: Contract, batch_id: str | None = None) -> Evidence | None:
    """The newest batch of a stream of which there is anything to see, or a certain one.

    Drift that the contract has caught up with since is left out.

    Raises:
        ConfigurationError: the batch is none of the stream's, or left nothing to see.
    """
    stream = contract.stream
    if batch_id is not None:
        evidence = _look_at(bronze, contract, parse_batch(source, stream, batch_id))
        if evidence is None:
            raise ConfigurationError(f"{batch_id} left nothing to see.", hint="see `ingot batches`")
        return evidence
    ids = {key.rpartition("/")[2].removesuffix(".json") for key in bronze.keys(f"manifests/{source}/{stream}/")}
    ids |= {key.split("/")[3] for key in bronze.keys(f"attempts/{source}/{stream}/")}
    # What was resolved later was seen in the batch that it came from.
    for found in sorted((i for i in ids if ".resolve-" not in i), reverse=True):
        evidence = _look_at(bronze, contract, parse_batch(source, stream, found))
        if evidence is not None:
            return evidence
    return None


def _look_at(bronze: ObjectStore, contract: Contract, batch: Batch) -> Evidence | None:
    manifest = find_manifest(bronze, batch)
    if manifest is not None:
        drift = tuple(d for d in manifest.drift if stands(d, contract))
        return Evidence(bronze, batch, contract, manifest, None, None, drift)
    for key in sorted(bronze.keys(batch.attempts_prefix("extract")), reverse=True):
        rejects_key = msgspec.json.decode(bronze.get(key), type=Attempt).rejects_key
        if rejects_key is not None:
            unseen = Evidence(bronze, batch, contract, None, rejects_key, _before(bronze, batch), ())
            return replace(unseen, drift=unseen._seen_again())
    return None


def _before(bronze: ObjectStore, batch: Batch) -> Manifest | None:
    keys = bronze.keys(f"manifests/{batch.source}/{batch.stream}/")
    earlier = [key for key in keys if key < batch.manifest_key and ".resolve-" not in key]
    return decode(bronze.get(earlier[-1]), earlier[-1]) if earlier else None


def _lines(bronze: ObjectStore, key: str) -> Iterator[bytes]:
    yield from zstandard.ZstdDecompressor().stream_reader(bronze.get(key)).readall().splitlines()


def _decoded(record: bytes) -> Any:
    try:
        return VALUES.decode(record)
    except (ValueError, RecursionError):
        return None  # it is no JSON, and was refused for that


def _general(path: str) -> str:
    return re.sub(r"\[\d+\]", "[]", path)
