"""`ingot quarantine`: refused records, and what becomes of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from ingot.cli.options import AtOnce, Json, Limit, OfSource, OfStream, Yes

if TYPE_CHECKING:
    from datetime import datetime

    from ingot.batch import Batch
    from ingot.manifest import Manifest
    from ingot.naming import Names
    from ingot.quarantine import QuarantineObject, Reject
    from ingot.storage import ObjectStore

quarantine = typer.Typer(
    help="Refused records: list and show them, send them through the present contract, or give them up.",
    no_args_is_help=True,
)

OfBatch = Annotated[str | None, typer.Option(help="Refused in this batch only.")]
OfRule = Annotated[str | None, typer.Option(help="With violations of this rule only (type, required, …).")]
OfKey = Annotated[str | None, typer.Option(help="This object only: its key, or its hash as `list` shows it.")]
State = Annotated[str, typer.Option(help="open, resolved, unpublished or all.")]
_STATES = ("open", "resolved", "unpublished", "all")


@quarantine.command("list")
def list_(
    source: OfSource = None,
    stream: OfStream = None,
    batch: OfBatch = None,
    rule: OfRule = None,
    key: OfKey = None,
    state: State = "open",
    json: Json = False,
) -> None:
    """The objects of the quarantine: which batch, how many records, and which rules they broke how often.

    An object is OPEN until it is replayed or discarded; RESOLVED afterwards, by the batch that is named; UNPUBLISHED
    if its batch failed: the next run of the interval asks for all its records again.

    Example: ingot quarantine list --source fakestore --rule type
    """
    from ingot.cli import context
    from ingot.cli.output import show, show_json
    from ingot.warehouse.base import Table

    _known_state(state)
    names = context.names()
    found = list(_select(names, source, stream, batch, rule, key, state))
    if json:
        show_json([_described(each) for each in found])
        return
    rows = [
        (_hash(each), each.batch.id, each.records, _counts(each.rules), each.state, each.resolved_by) for each in found
    ]
    show(Table(["object", "batch", "records", "rules", "state", "resolved_by"], rows), json=False)


@quarantine.command("show")
def show_records(
    source: OfSource = None,
    stream: OfStream = None,
    batch: OfBatch = None,
    rule: OfRule = None,
    key: OfKey = None,
    state: State = "open",
    limit: Limit = 50,
    json: Json = False,
) -> None:
    """Refused records: the stored bytes, and each rule that they broke, with where and why.

    A record that breaks several rules has a line a violation. One that could hold a secret is withheld.

    Example: ingot quarantine show --source fakestore --stream carts --rule type --json
    """
    from itertools import islice

    from ingot.cli import context
    from ingot.cli.output import show, show_json
    from ingot.warehouse.base import Table

    _known_state(state)
    names = context.names()
    bronze = context.bronze(names)
    objects = _select(names, source, stream, batch, rule, key, state)
    records = list(islice(((each, reject) for each in objects for reject in _rejects(bronze, each, rule)), limit))
    if json:
        show_json([_record(each, reject) for each, reject in records])
        return
    rows = [
        (_hash(each), reject.position, reject.key, violation.rule, violation.path, violation.reason, _text(reject))
        for each, reject in records
        for violation in reject.violations
    ]
    show(Table(["object", "position", "key", "rule", "path", "reason", "record"], rows), json=False)


@quarantine.command()
def replay(
    source: OfSource = None,
    stream: OfStream = None,
    batch: OfBatch = None,
    rule: OfRule = None,
    key: OfKey = None,
    concurrency: AtOnce = 2,
    json: Json = False,
) -> None:
    """Send open records through the contract that is deployed now; what passes becomes a new batch.

    The new batch names the one it came from, has its interval, and is loaded at once; silver and gold follow with the
    next transform. What is refused again stays open. Exit code 1 if a job failed or a chosen record did not pass;
    0 if all passed, or if there was nothing to do.

    Example: ingot quarantine replay --source fakestore --stream carts --rule type
    """
    _resolve("replay", source, stream, batch, rule, key, None, concurrency, json)


@quarantine.command()
def discard(
    reason: Annotated[str, typer.Option(help="Why; it is kept in the manifest.")],
    source: OfSource = None,
    stream: OfStream = None,
    batch: OfBatch = None,
    rule: OfRule = None,
    key: OfKey = None,
    concurrency: AtOnce = 2,
    yes: Yes = False,
    json: Json = False,
) -> None:
    """Give up open records: they are then neither published nor open, and stay where they are stored.

    Exit code 1 if a job failed, or at "no"; 0 if all are given up, or if there was nothing to do.

    Example: ingot quarantine discard --batch fakestore.carts.20200101T000000Z.20200401T000000Z --reason "test data"
    """
    if not reason.strip() or reason.startswith("-"):
        raise typer.BadParameter("it must say something", param_hint="--reason")
    _resolve("discard", source, stream, batch, rule, key, reason, concurrency, json, ask=not yes)


def _resolve(
    action: Literal["replay", "discard"],
    source: str | None,
    stream: str | None,
    batch: str | None,
    rule: str | None,
    key: str | None,
    reason: str | None,
    concurrency: int,
    json: bool,
    *,
    ask: bool = False,
) -> None:
    """Resolve what is open, load the batches that come of it, and tell."""
    from ingot.cli import context, jobs
    from ingot.cli.output import show_json
    from ingot.manifest import find_manifest
    from ingot.quarantine import resolving_batch

    names = context.names()
    bronze = context.bronze(names)
    found = list(_select(names, source, stream, batch, rule, key, "all"))
    # Resolved by a call that was stopped before its batch was loaded: that is still to be done.
    begun = [each for each in found if each.state == "RESOLVED" and not _was_loaded(bronze, each)]
    chosen = [each for each in found if each.state == "OPEN"]
    if not chosen and not begun:
        typer.echo("Nothing is open.", err=True)
        if json:
            show_json([])
        return
    if ask and chosen:
        records = sum(each.records or 0 for each in chosen)
        which = f"those of {records} records that break {rule}" if rule else f"{records} records"
        typer.confirm(f"Give up {which} in {len(chosen)} objects for good?", abort=True, err=True)
    arguments: dict[str, str] = {"--action": action}
    arguments |= {name: text for name, text in (("--rule", rule), ("--reason", reason)) if text is not None}
    failures: dict[str, str | None] = {}

    def run(chains: list[jobs.Chain]) -> None:
        failures.update({each.label: each.reason for each in jobs.run(chains, at_once=concurrency) if each.reason})

    run(
        [
            jobs.Chain(
                label=f"{each.batch.id} {_hash(each)}",
                steps=[
                    jobs.Step(
                        job=names.job(each.batch.source, "replay"),
                        arguments={**arguments, "--quarantine_key": each.key},
                    )
                ],
            )
            for each in chosen
        ]
    )
    resolved = [(each, find_manifest(bronze, resolving_batch(each.key))) for each in [*chosen, *begun]]
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
    for source, start, end in _to_audit(
        [(each.batch, _failure(each, manifest, failures) is not None) for each, manifest in resolved]
    ):
        run([jobs.audit_chain(names, source, start, end)])
    results = [
        _result(each, manifest, failures, 0 if manifest else sum(1 for _ in _rejects(bronze, each, rule)))
        for each, manifest in resolved
    ]
    if json:
        show_json(results)
    for result in results:
        typer.echo(_sentence(result), err=json)
    if any(result["accepted"] for result in results):
        typer.echo("Silver and gold follow with the next transform, or now: ingot transform", err=json)
    raise typer.Exit(1 if failures or any(result["refused_again"] for result in results) else 0)


def _result(
    each: QuarantineObject, manifest: Manifest | None, failures: dict[str, str | None], chosen: int
) -> dict[str, Any]:
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


def _failure(each: QuarantineObject, manifest: Manifest | None, failures: dict[str, str | None]) -> str | None:
    return failures.get(f"{each.batch.id} {_hash(each)}") or failures.get(manifest.batch_id if manifest else "")


def _to_audit(batches: list[tuple[Batch, bool]]) -> list[tuple[str, datetime, datetime]]:
    """The source and interval of each audit: one of a source, and one of each interval in which a job failed.

    An audit looks at all of a source's batches. It is told an interval because of attempts that have no end: these are
    of jobs that were killed.
    """
    failed = {(batch.source, batch.interval_start, batch.interval_end) for batch, failed in batches if failed}
    any_one = {batch.source: (batch.source, batch.interval_start, batch.interval_end) for batch, _ in batches}
    return sorted(failed | {one for source, one in any_one.items() if source not in {each[0] for each in failed}})


def _sentence(result: dict[str, Any]) -> str:
    parts = []
    if result["accepted"]:
        parts.append(f"{result['accepted']} accepted (now in batch {result['new_batch']})")
    if result["discarded"]:
        parts.append(f"{result['discarded']} given up")
    if result["superseded"]:
        parts.append(f"{result['superseded']} superseded by a later version in the same answer")
    if result["open"]:
        parts.append(f"{result['open']} still open ({_counts(result['open_rules'])})")
    if result["failed"]:
        parts.append(f"FAILED: {result['failed']}")
    return f"{result['batch']}: {', '.join(parts)}"


def _select(
    names: Names,
    source: str | None,
    stream: str | None,
    batch: str | None,
    rule: str | None,
    key: str | None,
    state: str,
) -> Iterator[QuarantineObject]:
    """The objects that all of the options choose.

    Raises:
        typer.BadParameter: there is no such source or stream; or no object of that key or hash.
    """
    from ingot.cli import context
    from ingot.quarantine import list_objects

    bronze, any_of_key = context.bronze(names), False
    sources = {each.name for each, _ in context.chosen_streams(names, source, stream)}
    for name in sorted(sources):
        for each in list_objects(bronze, name, stream, batch):
            if key is not None and key not in (each.key, _hash(each)):
                continue
            any_of_key = True
            if rule is not None and each.rules and rule not in each.rules:
                continue
            if state in ("all", each.state.lower()):
                yield each
    if key is not None and not any_of_key:
        raise typer.BadParameter(f"there is no object {key!r} in the quarantine", param_hint="--key")


def _rejects(bronze: ObjectStore, each: QuarantineObject, rule: str | None) -> Iterator[Reject]:
    """The records of an object that break a rule."""
    import msgspec

    from ingot.bronze import read_reject_object
    from ingot.quarantine import Reject

    rejects = msgspec.convert(list(read_reject_object(bronze, each.key)), list[Reject])
    return (reject for reject in rejects if reject.breaks(rule))


def _was_loaded(bronze: ObjectStore, each: QuarantineObject) -> bool:
    import msgspec

    from ingot.attempt import Attempt
    from ingot.quarantine import resolving_batch

    attempts: Iterator[Attempt] = (
        msgspec.json.decode(bronze.get(key), type=Attempt)
        for key in bronze.keys(resolving_batch(each.key).attempts_prefix("load"))
    )
    return any(attempt.state == "SUCCEEDED" for attempt in attempts)


def _hash(each: QuarantineObject) -> str:
    from ingot.manifest import resolves_of

    return resolves_of(each.key)


def _described(each: QuarantineObject) -> dict[str, Any]:
    return {
        "object": _hash(each),
        "key": each.key,
        "source": each.batch.source,
        "stream": each.batch.stream,
        "batch": each.batch.id,
        "records": each.records,
        "rules": each.rules,
        "state": each.state,
        "resolved_by": each.resolved_by,
    }


def _record(each: QuarantineObject, reject: Reject) -> dict[str, Any]:
    return {
        "object": _hash(each),
        "batch": each.batch.id,
        "position": reject.position,
        "key": reject.key,
        "violations": [{"path": v.path, "rule": v.rule, "reason": v.reason} for v in reject.violations],
        "record": reject.record,
        "record_encoding": reject.record_encoding,
        "withheld": reject.withheld,
        "record_sha256": reject.record_sha256,
    }


def _text(reject: Reject) -> str:
    return "(withheld)" if reject.record is None else reject.record


def _counts(rules: dict[str, int]) -> str:
    return ", ".join(f"{rule} {count}" for rule, count in rules.items())


def _known_state(state: str) -> None:
    if state not in _STATES:
        raise typer.BadParameter(f"{state!r} is none of {', '.join(_STATES)}", param_hint="--state")
