"""What Bronze holds of a stream's newest batch: its drift, and the records that show it.

A batch that failed for its reject rate has no manifest. Its refused records are in the quarantine, where its attempt
left them: they go through the present contract again, and what they differ in is the drift.
"""

from __future__ import annotations

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
from ingot.manifest import Drift, Manifest, find_manifest
from ingot.quarantine import Reject, read_rejects
from ingot.steps.resolve import behind_the_gate
from ingot.storage import ObjectStore

SAMPLE = 100_000
"""As many records of a batch are looked at to tell what shape a field has."""

_REJECT = msgspec.json.Decoder(Reject)
_PAGE = 1_000
_MOST_REASONS = 10


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
        manifest: None if it was never published: then ``rejects_key`` is the newest attempt's quarantine.
        drift: in what it differs from the present contract.
    """

    bronze: ObjectStore
    batch: Batch
    contract: Contract
    manifest: Manifest | None
    rejects_key: str | None
    drift: tuple[Drift, ...]

    def records(self) -> Iterator[bytes]:
        """Its records without secrets: the accepted, then the refused as far as they could be kept."""
        if self.manifest is not None:
            for part in self.manifest.parts:
                yield from read_lines(self.bronze, part)
        else:
            # What attempts accepted that published nothing: of several attempts, several times.
            for key in self.bronze.keys(f"data/{self.batch.source}/{self.batch.stream}/{self.batch.id}/"):
                yield from _lines(self.bronze, key)
        for reject in self._rejects():
            if (record := reject.refusal.record) is not None:
                yield record

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
        if self.manifest is not None:
            yield from read_rejects(self.bronze, self.manifest)
        elif self.rejects_key is not None:
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
        return Evidence(bronze, batch, contract, manifest, None, drift)
    for key in sorted(bronze.keys(batch.attempts_prefix("extract")), reverse=True):
        rejects_key = msgspec.json.decode(bronze.get(key), type=Attempt).rejects_key
        if rejects_key is not None:
            unseen = Evidence(bronze, batch, contract, None, rejects_key, ())
            return replace(unseen, drift=unseen._seen_again())
    return None


def _lines(bronze: ObjectStore, key: str) -> Iterator[bytes]:
    yield from zstandard.ZstdDecompressor().stream_reader(bronze.get(key)).readall().splitlines()


def _decoded(record: bytes) -> Any:
    try:
        return VALUES.decode(record)
    except (ValueError, RecursionError):
        return None  # it is no JSON, and was refused for that


def _general(path: str) -> str:
    return re.sub(r"\[\d+\]", "[]", path)
