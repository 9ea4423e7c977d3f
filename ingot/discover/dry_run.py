"""The gate itself, on the sample: what the written contract would accept, and what it would refuse."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

import msgspec

from ingot.contract.model import Contract
from ingot.drift import observe
from ingot.files.model import FileRecord
from ingot.gate import Gate, Violation


class Refused(msgspec.Struct, frozen=True):
    """One rule that records break.

    Attributes:
        path: where.
        rule: which.
        reason: why, without any value.
        records: how many.
    """

    path: str
    rule: str
    reason: str
    records: int


class DryRun(msgspec.Struct, frozen=True):
    """What would become of some records.

    Attributes:
        accepted: how many would go on.
        refused: how many would not.
        rules: what these break, the most frequent first.
        unknown: fields that the contract does not know; they are let through, and reported as drift.
        stops: whether so many are refused that a batch of them would not be published.
    """

    accepted: int
    refused: int
    rules: tuple[Refused, ...]
    unknown: tuple[str, ...]
    stops: bool


@dataclass(frozen=True)
class Answer:
    """A page as the gate takes it."""

    body: bytes
    records: list[bytes]


def dry_run(contract: Contract, pages: Iterable[Answer]) -> DryRun:
    """Hold pages to a contract."""
    return _told(contract, pages, [])


def dry_run_of_file(contract: Contract, records: Iterable[FileRecord]) -> DryRun:
    """Hold the records of a file to a contract; what has a fault is refused whatever that says."""
    good: list[bytes] = []
    faults: list[Violation] = []
    for record in records:
        if record.fault is None:
            good.append(record.record)
        else:
            faults.append(record.fault)
    return _told(contract, [Answer(b"[" + b",".join(good) + b"]", good)], faults)


def _told(contract: Contract, pages: Iterable[Answer], faults: list[Violation]) -> DryRun:
    gate = Gate(contract)
    accepted, refused = 0, len(faults)
    rules = Counter((fault.path, fault.rule, fault.reason) for fault in faults)
    for page in pages:
        verdict = gate.check(page.body, page.records)
        accepted += len(verdict.accepted)
        refused += len(verdict.refused)
        for refusal in verdict.refused:
            rules.update({(violation.path, violation.rule, violation.reason) for violation in refusal.violations})
    ordered = sorted(rules.items(), key=lambda each: (-each[1], each[0]))
    return DryRun(
        accepted=accepted,
        refused=refused,
        rules=tuple(Refused(*rule, count) for rule, count in ordered),
        unknown=tuple(drift.path for drift in observe(gate) if drift.kind == "new"),
        stops=refused > contract.max_reject_rate * (accepted + refused),
    )
