"""Contracts of the deployed streams: what they say, the versions that were in force, and in what sources differ."""

# ruff: noqa: S608 - what comes from outside is in literals, see `literal`

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from ingot.contract import Contract, load_contract
from ingot.contract.evolve import Patch, propose
from ingot.contract.model import walk
from ingot.documents import read_document
from ingot.drift import stands
from ingot.errors import IngotError
from ingot.evidence import Evidence, Judgement, newest
from ingot.manifest import Drift, decode
from ingot.naming import Names
from ingot.sources import Source, Stream
from ingot.storage import ObjectStore
from ingot.warehouse.base import Queries
from ingot.warehouse.literal import literal

RECENT = 10
"""Batches whose drift is shown."""


@dataclass(frozen=True)
class Version:
    """A version of a contract that was in force.

    Attributes:
        first, last: the batches' own times.
        share: of refused records, 0 to 1; None without any.
    """

    version: str
    first: datetime
    last: datetime
    batches: int
    accepted: int
    rejected: int

    @property
    def share(self) -> float | None:
        total = self.accepted + self.rejected
        return self.rejected / total if total else None


@dataclass(frozen=True)
class Seen:
    """A difference that a batch recorded.

    Attributes:
        stands: whether the deployed contract still differs in this.
    """

    batch_id: str
    as_of: datetime
    drift: Drift
    stands: bool


@dataclass(frozen=True)
class Overview:
    """One line of the overview.

    Attributes:
        owner: the contract's domain and data product.
        fields: how many it has, with those in objects and lists.
        hidden: how many of them are confidential, personal or secret.
        drift: in what the newest batch differs; None if there is no batch, or nobody can tell.
        unknown: why nobody can tell.
    """

    source: Source
    stream: Stream
    owner: str
    fields: int
    hidden: int
    drift: tuple[Drift, ...] | None
    unknown: str = ""


@dataclass(frozen=True)
class Proposal:
    """The patch with which the newest batch would not differ.

    Attributes:
        diff: it, as `ingot contract diff` prints it.
        judgement: what the patched contract says of the batch's records; None where nothing is proposed.
    """

    evidence: Evidence
    patch: Patch
    diff: str
    judgement: Judgement | None


def overview(names: Names, bronze: ObjectStore, sources: Sequence[Source]) -> list[Overview]:
    """A line a stream."""
    return [_line(names, bronze, source, stream) for source in sources for stream in source.streams.values()]


def _line(names: Names, bronze: ObjectStore, source: Source, stream: Stream) -> Overview:
    properties = list(walk(stream.contract.properties))
    hidden = sum(prop.classification in ("confidential", "personal", "secret") for prop in properties)
    owner, unknown = owner_of(contract_text(names, source.name, stream.name)), ""
    drift: tuple[Drift, ...] | None = None
    try:
        evidence = newest(bronze, source.name, stream.contract)
        drift = evidence.drift if evidence else None
    except IngotError as error:  # one stream's broken manifest is no reason to show no other
        unknown = error.message
    return Overview(source, stream, owner, len(properties), hidden, drift, unknown)


def owner_of(text: str) -> str:
    """Whom a contract names as its own."""
    document = read_document(text, origin="the contract")
    team = document.get("team")
    named = team.get("name") if isinstance(team, dict) else None
    parts = [str(part) for part in (named, document.get("domain"), document.get("dataProduct")) if part]
    return " / ".join(parts)


def contract_text(names: Names, source: str, stream: str) -> str:
    """The deployed contract's file."""
    return ObjectStore(names.artifacts_bucket).get(f"sources/{source}/{stream}.odcs.yaml").decode()


def versions(warehouse: Queries, source: str, stream: str) -> list[Version]:
    """The versions that batches were checked against, the newest first."""
    answer = warehouse.query(
        f"""
        SELECT contract_version, min(as_of) AS first, max(as_of) AS last, count(*) AS batches,
            coalesce(sum(accepted), 0) AS accepted, coalesce(sum(rejected), 0) AS rejected
        FROM audit.batches
        WHERE source = {literal(source)} AND stream = {literal(stream)} AND contract_version IS NOT NULL
        GROUP BY contract_version ORDER BY max(committed_at) DESC
        """
    )
    return [Version(version, first, last, int(b), int(a), int(r)) for version, first, last, b, a, r in answer.rows]


def recent_drift(bronze: ObjectStore, source: str, contract: Contract) -> list[Seen]:
    """What the newest batches recorded, the newest first."""
    keys = [k for k in bronze.keys(f"manifests/{source}/{contract.stream}/") if ".resolve-" not in k]
    manifests = [decode(bronze.get(key), key) for key in reversed(keys[-RECENT:])]
    return [
        Seen(manifest.batch_id, manifest.as_of, drift, stands(drift, contract))
        for manifest in manifests
        for drift in manifest.drift
    ]


def proposal(names: Names, bronze: ObjectStore, source: Source, stream: Stream) -> Proposal | None:
    """What `ingot contract diff` proposes for the newest batch; None if it does not differ."""
    evidence = newest(bronze, source.name, stream.contract)
    if evidence is None or not evidence.drift:
        return None
    file = f"sources/{source.name}/{stream.name}.odcs.yaml"
    patch = propose(
        contract_text(names, source.name, stream.name),
        origin=file,
        drift=evidence.drift,
        shapes=evidence.shapes(evidence.drift),
        batch_id=evidence.batch.id,
        fixed=frozenset({stream.cursor.field} if stream.cursor else ()),
    )
    if not patch.accepted:
        return Proposal(evidence, patch, "", None)
    judgement = evidence.judged_by(load_contract(patch.after, origin="the patched contract"))
    return Proposal(evidence, patch, patch.diff(file), judgement)


def find(sources: Sequence[Source], source: str, stream: str) -> tuple[Source, Stream] | None:
    """One stream of some sources."""
    found = next((each for each in sources if each.name == source), None)
    one = found.streams.get(stream) if found else None
    return (found, one) if found and one else None
