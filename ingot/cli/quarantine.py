"""`ingot quarantine`: refused records, and what becomes of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from ingot.cli.options import AtOnce, Json, Limit, OfSource, OfStream, Yes

if TYPE_CHECKING:
    from ingot.naming import Names
    from ingot.quarantine import QuarantineObject, Reject

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
    from ingot.cli.resolving import counts
    from ingot.warehouse.base import Table

    _known_state(state)
    names = context.names()
    found = list(_select(names, source, stream, batch, rule, key, state))
    if json:
        show_json([_described(each) for each in found])
        return
    rows = [
        (_hash(each), each.batch.id, each.records, counts(each.rules), each.state, each.resolved_by) for each in found
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

    A record that breaks several rules has a line a violation. One that could hold a secret is withheld. Of one that
    landed it says the object, the file in it if it is an archive, the line or row, and the column or character.

    Example: ingot quarantine show --source fakestore --stream carts --rule type --json
    """
    from itertools import islice

    from ingot.cli import context
    from ingot.cli.output import show, show_json
    from ingot.cli.resolving import rejects_of
    from ingot.warehouse.base import Table

    _known_state(state)
    names = context.names()
    bronze = context.bronze(names)
    objects = _select(names, source, stream, batch, rule, key, state)
    records = list(islice(((each, reject) for each in objects for reject in rejects_of(bronze, each, rule)), limit))
    if json:
        show_json([_record(each, reject) for each, reject in records])
        return
    landed = any(reject.file is not None for _, reject in records)
    rows = [
        (
            *(_hash(each), reject.position, reject.key, violation.rule, violation.path, violation.reason),
            *([_where(reject, violation.path)] if landed else []),
            _text(reject),
        )
        for each, reject in records
        for violation in reject.violations
    ]
    where = ["where"] if landed else []
    show(Table(["object", "position", "key", "rule", "path", "reason", *where, "record"], rows), json=False)


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
    from ingot.cli.resolving import is_reason

    if not is_reason(reason):
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
    from ingot.cli import context, resolving
    from ingot.cli.output import show_json

    names = context.names()
    bronze = context.bronze(names)
    found = list(_select(names, source, stream, batch, rule, key, "all"))
    work = resolving.plan(bronze, found, action, rule=rule, reason=reason)
    if not work.chosen and not work.begun:
        typer.echo("Nothing is open.", err=True)
        if json:
            show_json([])
        return
    if ask and work.chosen:
        records = sum(each.records or 0 for each in work.chosen)
        which = f"those of {records} records that break {rule}" if rule else f"{records} records"
        typer.confirm(f"Give up {which} in {len(work.chosen)} objects for good?", abort=True, err=True)
    results = resolving.resolve(names, bronze, work, at_once=concurrency, tell=lambda line: typer.echo(line, err=True))
    if json:
        show_json(results.objects)
    for result in results.objects:
        typer.echo(resolving.sentence(result), err=json)
    if any(result["accepted"] for result in results.objects):
        typer.echo("Silver and gold follow with the next transform, or now: ingot transform", err=json)
    raise typer.Exit(0 if results.passed else 1)


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
    from dataclasses import asdict

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
        "file": reject.file and asdict(reject.file),
    }


def _where(reject: Reject, path: str) -> str | None:
    """Where in what landed a violation is."""
    place = reject.file
    if place is None:
        return None
    name = place.object.removeprefix("landing/") + (f"!{place.part}" if place.part else "")
    line = f" line {place.line}" if place.line is not None else ""
    column = place.columns.get(path)
    if column is None:
        return f"{name}{line}"
    return f"{name}{line}, {column if column.startswith('character') else f'column {column}'}"


def _text(reject: Reject) -> str:
    return "(withheld)" if reject.record is None else reject.record


def _known_state(state: str) -> None:
    if state not in _STATES:
        raise typer.BadParameter(f"{state!r} is none of {', '.join(_STATES)}", param_hint="--state")
