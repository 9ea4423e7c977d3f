"""Replay and discard: which jobs they are, and what became of the records. The command line and the console call it.

As everything that the CLI starts, it writes nothing with the rights of the person who asks: the deployed jobs do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import msgspec

from ingot.attempt import Attempt
from ingot.batch import Batch
from ingot.bronze import read_reject_object
from ingot.cli import jobs
from ingot.errors import ConfigurationError
from ingot.manifest import Manifest, find_manifest, resolves_of
from ingot.naming import Names
from ingot.quarantine import QuarantineObject, Reject, resolving_batch
from ingot.storage import ObjectStore

Action = Literal["replay", "discard"]


@dataclass(frozen=True, kw_only=True)
class Work:
    """What is to be done.

    Attributes:
        rule: only records that break it.
        reason: why they are given up.
        chosen: the open objects.
        begun: resolved by a call that was stopped before its batch was loaded: that is still to be done.
    """

    action: Action
    rule: str | None
    reason: str | None
    chosen: Sequence[QuarantineObject]
    begun: Sequence[QuarantineObject]


@dataclass(frozen=True)
class Results:
    """What was done.

    Attributes:
        objects: what became of each object, as ``--json`` has it.
        failures: why a job failed, by what it was about.
    """

    objects: list[dict[str, Any]]
    failures: dict[str, str]

    @property
    def passed(self) -> bool:
        """Whether no job failed, and no chosen record was refused again."""
        return not self.failures and not any(result["refused_again"] for result in self.objects)


def plan(
    bronze: ObjectStore,
    found: Iterable[QuarantineObject],
    action: Action,
    *,
    rule: str | None = None,
    reason: str | None = None,
) -> Work:
    """What there is to do for some objects, whatever their state.

    Raises:
        ConfigurationError: something is to be given up for no reason.
    """
    if action == "discard" and not is_reason(reason):
        raise ConfigurationError("The reason says nothing.", hint="say why these records are given up")
    objects = list(found)
    return Work(
        action=action,
        rule=rule,
        reason=reason if action == "discard" else None,
        chosen=[each for each in objects if each.state == "OPEN"],
        begun=[each for each in objects if each.state == "RESOLVED" and not _was_loaded(bronze, each)],
    )


def is_reason(text: str | None) -> bool:
    """Whether a text can stand as a reason: Glue takes what begins with a dash for the name of an argument."""
    return bool(text and text.strip()) and not str(text).startswith("-")


def resolve(names: Names, bronze: ObjectStore, work: Work, *, at_once: int, tell: Callable[[str], None]) -> Results:
    """Resolve what is open, load the batches that come of it, and audit.

    Args:
        at_once: how many objects are worked at side by side.
        tell: gets the lines of progress.

    Raises:
        ConfigurationError: a job is not deployed, or the person may not start it.
    """
    arguments: dict[str, str] = {"--action": work.action}
    arguments |= {name: text for name, text in (("--rule", work.rule), ("--reason", work.reason)) if text is not None}
    failures: dict[str, str] = {}

    def run(chains: list[jobs.Chain]) -> None:
        failures.update({e.label: e.reason for e in jobs.run(chains, at_once=at_once, tell=tell) if e.reason})

    run(
        [
            jobs.Chain(
                label=_label(each),
                steps=[
                    jobs.Step(
                        job=names.job(each.batch.source, "replay"),
                        arguments={**arguments, "--quarantine_key": each.key},
                    )
                ],
            )
            for each in work.chosen
        ]
    )
    resolved = [(each, find_manifest(bronze, resolving_batch(each.key))) for each in [*work.chosen, *work.begun]]
    run(
        [
            jobs.Chain(
                label=manifest.batch_id,
                steps=[jobs.batch_step(names, manifest.batch, step, manifest.as_of) for step in ("refine", "load")],
            )
            for _, manifest in resolved
            if manifest is not None
        ]
    )
    for source, start, end in to_audit(
        [(each.batch, _failure(each, manifest, failures) is not None) for each, manifest in resolved]
    ):
        run([jobs.audit_chain(names, source, start, end)])
    results = [
        _result(each, manifest, failures, 0 if manifest else sum(1 for _ in rejects_of(bronze, each, work.rule)))
        for each, manifest in resolved
    ]
    return Results(results, failures)


def to_audit(batches: list[tuple[Batch, bool]]) -> list[tuple[str, datetime, datetime]]:
    """The source and interval of each audit: one of a source, and one of each interval in which a job failed.

    An audit looks at all of a source's batches. It is told an interval because of attempts that have no end: these are
    of jobs that were killed.
    """
    failed = {(batch.source, batch.interval_start, batch.interval_end) for batch, failed in batches if failed}
    any_one = {batch.source: (batch.source, batch.interval_start, batch.interval_end) for batch, _ in batches}
    return sorted(failed | {one for source, one in any_one.items() if source not in {each[0] for each in failed}})


def sentence(result: dict[str, Any]) -> str:
    """What became of one object, for people."""
    parts = []
    if result["accepted"]:
        parts.append(f"{result['accepted']} accepted (now in batch {result['new_batch']})")
    if result["discarded"]:
        parts.append(f"{result['discarded']} given up")
    if result["superseded"]:
        parts.append(f"{result['superseded']} superseded by a later version in the same answer")
    if result["open"]:
        parts.append(f"{result['open']} still open ({counts(result['open_rules'])})")
    if result["failed"]:
        parts.append(f"FAILED: {result['failed']}")
    return f"{result['batch']}: {', '.join(parts)}"


def counts(rules: dict[str, int]) -> str:
    """``type 2, minimum 1``."""
    return ", ".join(f"{rule} {count}" for rule, count in rules.items())


def rejects_of(bronze: ObjectStore, each: QuarantineObject, rule: str | None) -> Iterator[Reject]:
    """The records of an object that break a rule."""
    rejects = (msgspec.convert(line, Reject) for line in read_reject_object(bronze, each.key))
    return (reject for reject in rejects if reject.breaks(rule))


def _result(each: QuarantineObject, manifest: Manifest | None, failures: dict[str, str], chosen: int) -> dict[str, Any]:
    """What became of one object, as ``--json`` has it.

    Args:
        chosen: of how many records that was to be.
    """
    resolution = manifest.resolves if manifest is not None else None
    chosen = resolution.chosen if resolution is not None else chosen
    accepted = manifest.accepted if manifest is not None else 0
    discarded = resolution.discarded if resolution is not None else 0
    superseded = resolution.superseded if resolution is not None else 0
    return {
        "key": each.key,
        "batch": each.batch.id,
        "new_batch": manifest.batch_id if manifest is not None else None,
        "accepted": accepted,
        "discarded": discarded,
        "superseded": superseded,
        "refused_again": chosen - accepted - discarded - superseded,
        "open": manifest.rejected if manifest is not None else each.records,
        "open_rules": manifest.reject_rules if manifest is not None else each.rules,
        "failed": _failure(each, manifest, failures),
    }


def _failure(each: QuarantineObject, manifest: Manifest | None, failures: dict[str, str]) -> str | None:
    return failures.get(_label(each)) or failures.get(manifest.batch_id if manifest else "")


def _label(each: QuarantineObject) -> str:
    return f"{each.batch.id} {resolves_of(each.key)}"


def _was_loaded(bronze: ObjectStore, each: QuarantineObject) -> bool:
    attempts: Iterator[Attempt] = (
        msgspec.json.decode(bronze.get(key), type=Attempt)
        for key in bronze.keys(resolving_batch(each.key).attempts_prefix("load"))
    )
    return any(attempt.state == "SUCCEEDED" for attempt in attempts)
