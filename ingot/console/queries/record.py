"""One refused record beside what the contract says: from the quarantine, its manifest and the deployed contract."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import msgspec

from ingot.attempt import Attempt
from ingot.cli.resolving import rejects_of
from ingot.console.masked import Shown, show, shown_key
from ingot.contract.model import Contract
from ingot.contract.page import accepts
from ingot.contract.paths import locate, path_text
from ingot.errors import ConfigurationError
from ingot.explain.origin import Asked, requests_of
from ingot.gate import Gate, InFile, Violation
from ingot.gate.limits import MOST_BYTES, MOST_LEVELS
from ingot.manifest import Manifest, Resolution, find_manifest, read_manifest, resolves_of
from ingot.quarantine import QuarantineObject, Reject, batch_of, find_object, resolving_batch
from ingot.steps.resolve import behind_the_gate, is_text
from ingot.storage import ObjectStore

RULES = {
    "required": "The field has to be there, and not null.",
    "type": "The value has to be of the contract's type.",
    "minimum": "The number has to be as large as the contract says, or larger.",
    "maximum": "The number may be as large as the contract says, and no larger.",
    "min_length": "The text has to have as many characters as the contract says, or more.",
    "max_length": "The text may have as many characters as the contract says, and no more.",
    "min_items": "The list has to have as many elements as the contract says, or more.",
    "max_items": "The list may have as many elements as the contract says, and no more.",
    "pattern": "The text has to fit the contract's pattern.",
    "format": "The text has to be written as the contract's type is.",
    "range": "Years are from 1 to 9999.",
    "scale": "The number may have as many digits after the point as the contract says.",
    "precision": "The number may have as many digits as the contract says.",
    "nul": "No text holds a NUL character: no warehouse stores it.",
    "json": "A record is one JSON object.",
    "encoding": "A record is UTF-8.",
    "duplicate_key": "No key stands twice in one object: nobody could say which one counts.",
    "nesting": f"A record has at most {MOST_LEVELS} objects and lists inside each other.",
    "size": f"A record has at most {MOST_BYTES // 2**20} MiB.",
    "file": "A file has to be readable as its source declares it.",
    "header": "A file has the header that its source declares.",
    "quote": "A quote that is opened in a file is closed.",
    "cells": "A row has as many cells as its header.",
}
"""What each rule asks for, in a sentence."""

_MOST_TRIED = 2 * 2**20  # bytes of a record that a page sends through the gate again


@dataclass(frozen=True)
class Broken:
    """A violation, and what the deployed contract says of its field.

    Attributes:
        field: its path for all elements of lists; None if the contract knows no such field.
    """

    violation: Violation
    rule: str
    field: str | None
    accepts: str
    required: bool
    classification: str
    description: str
    column: str | None


@dataclass(frozen=True, kw_only=True)
class RefusedRecord:
    """All that a page says of a refused record.

    Attributes:
        object_id: the hash in the object's key, as the command line takes it.
        key: the record's primary key, if it may be shown.
        shown: its bytes, as far as they may be.
        refused_by: the version of the contract that refused it; None if its batch was never published.
        deployed: the version of the contract that is deployed now.
        now: what that says of the record: None if nobody can tell from what is kept; no violation if it would pass.
        requests: what brought it.
        file: where it landed, if it did.
        resolution: what became of the object.
        resolved_into: the batch that resolved it.
        loaded: whether that batch was loaded.
        why_unpublished: the error of its batch, if that was never published.
    """

    object: QuarantineObject
    object_id: str
    reject: Reject
    key: str | None
    shown: Shown
    broken: list[Broken]
    contract_id: str
    refused_by: str | None
    deployed: str
    now: list[Violation] | None
    requests: list[Asked]
    file: InFile | None
    resolution: Resolution | None
    resolved_into: str | None
    loaded: bool
    why_unpublished: str | None


def read_record(
    bronze: ObjectStore, key: str, position: int, contract_of: Callable[[str, str], Contract | None]
) -> RefusedRecord:
    """A record by the key of its object and its position in what the source sent.

    Args:
        contract_of: the deployed contract of a source's stream.

    Raises:
        ConfigurationError: there is none.
    """
    found = find_object(bronze, key)
    reject = next((each for each in rejects_of(bronze, found, None) if each.position == position), None)
    if reject is None:
        raise ConfigurationError(f"{key} holds no record of position {position}.", hint="choose one of the list")
    contract = contract_of(found.batch.source, found.batch.stream)
    if contract is None:
        raise ConfigurationError(
            f"{found.batch.source}.{found.batch.stream} is deployed no more: nobody can say what of it may be shown.",
            hint="the command line shows its records: ingot quarantine show",
        )
    manifest = find_manifest(bronze, found.batch) if found.state != "UNPUBLISHED" else None
    resolver = find_manifest(bronze, resolving_batch(key)) if found.state == "RESOLVED" else None
    raw = reject.refusal.record
    return RefusedRecord(
        object=found,
        object_id=resolves_of(key),
        reject=reject,
        key=shown_key(reject.key, contract),
        shown=show(reject.record, contract, [v.path for v in reject.violations], bytes_=len(raw) if raw else 0),
        broken=[_broken(contract, violation, reject.file) for violation in reject.violations],
        contract_id=contract.id,
        refused_by=manifest.contract_version if manifest else None,
        deployed=contract.version,
        now=_now(contract, reject),
        requests=_requests(bronze, manifest, position) if manifest else [],
        file=reject.file,
        resolution=resolver.resolves if resolver else None,
        resolved_into=resolver.batch_id if resolver and resolver.accepted else None,
        loaded=resolver is None
        or any(attempt.state == "SUCCEEDED" for attempt in _attempts(bronze, resolver.batch.attempts_prefix("load"))),
        why_unpublished=_why(bronze, found) if manifest is None else None,
    )


def _broken(contract: Contract, violation: Violation, file: InFile | None) -> Broken:
    steps, prop = locate(contract, re.sub(r"\[\d+\]", "[]", violation.path))
    return Broken(
        violation=violation,
        rule=RULES.get(violation.rule, ""),
        field=path_text(steps) if prop is not None else None,
        accepts=accepts(prop) if prop is not None else "",
        required=prop is not None and prop.required,
        classification=prop.classification if prop is not None else "",
        description=" ".join(prop.description.split()) if prop is not None else "",
        column=file.columns.get(violation.path) if file is not None else None,
    )


def _now(contract: Contract, reject: Reject) -> list[Violation] | None:
    refusal = reject.refusal
    if refusal.record is None or is_text(refusal) or len(refusal.record) > _MOST_TRIED:
        return None
    verdict = Gate(behind_the_gate(contract)).check(b"[" + refusal.record + b"]", [refusal.record])
    return [violation for again in verdict.refused for violation in again.violations]


def _requests(bronze: ObjectStore, manifest: Manifest, position: int) -> list[Asked]:
    while manifest.resolves is not None:  # what was refused again is from the batch that first asked for it
        manifest = read_manifest(bronze, batch_of(manifest.resolves.key))
    if manifest.landed:
        return []
    found = requests_of(manifest, 0, position, deleted=False)
    return [Asked(each.url, each.status, each.seconds, each.tries) for each in found]


def _attempts(bronze: ObjectStore, prefix: str) -> Iterator[Attempt]:
    for key in bronze.keys(prefix):
        yield msgspec.json.decode(bronze.get(key), type=Attempt)


def _why(bronze: ObjectStore, found: QuarantineObject) -> str | None:
    attempts = _attempts(bronze, found.batch.attempts_prefix("extract"))
    reasons = [a.reason for a in attempts if a.rejects_key == found.key and a.reason]
    return reasons[-1] if reasons else None
