"""Quarantine: refused records, each beside its rule; replay and discard, by the functions of the command line."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import asdict, replace
from datetime import date
from typing import Annotated, Any, cast

from fastapi import APIRouter, Depends, Form, HTTPException, Query, Request, Response

from ingot.cli import resolving
from ingot.console.context import of
from ingot.console.masked import shown_key
from ingot.console.pages.shared import deployed, works
from ingot.console.queries import refused
from ingot.console.queries.record import RULES, read_record
from ingot.console.queries.refused import Filter
from ingot.console.web import address, go, page
from ingot.errors import ConfigurationError
from ingot.quarantine import batch_of, find_object

router = APIRouter(prefix="/quarantine")
_LOG = logging.getLogger(__name__)
_AT_ONCE = 2  # objects that one action works at side by side
_LONGEST_REASON = 500
_WATCH_SECONDS = "2"

Text = Annotated[str, Query(max_length=512)]


def chosen(
    source: Text = "",
    stream: Text = "",
    rule: Text = "",
    path: Text = "",
    state: Text = "open",
    since: Text = "",
    until: Text = "",
) -> tuple[Filter, list[str]]:
    """The filter that an address asks for, and what of it means nothing, and so does not choose."""
    first, last = _day(since), _day(until)
    ignored = []
    if state not in refused.STATES:
        ignored.append("a state is one of " + ", ".join(refused.STATES))
    if (since and not first) or (until and not last):
        ignored.append("a day is written as 2020-03-31")
    if first and last and first > last:
        ignored.append("the first day was after the last: they changed places")
        first, last = last, first
    state = state if state in refused.STATES else "open"
    wanted = Filter(source=source, stream=stream, rule=rule, path=path.strip(), state=state, since=first, until=last)
    return wanted, ignored


Chosen = Annotated[tuple[Filter, list[str]], Depends(chosen)]


@router.get("")
def browse(
    request: Request, asked: Chosen, number: Annotated[int, Query(alias="page", ge=1, le=100_000)] = 1
) -> Response:
    """Refused records, counted and listed."""
    wanted, ignored = asked
    console, sources = of(request), deployed(request).sources()
    counts, total, lines, paths = console.warehouse.together(
        cast("Callable[[], Any]", lambda: refused.counts(console.warehouse, wanted)),
        lambda: refused.total(console.warehouse, wanted),
        lambda: refused.page(console.warehouse, wanted, number),
        lambda: refused.paths(console.warehouse, wanted),
    )
    contracts = {(s.name, t.name): t.contract for s in sources for t in s.streams.values()}
    keys = {(x.object, x.position): shown_key(x.key, contracts.get((x.source, x.stream))) for x in lines}
    return page(
        request,
        "quarantine.html",
        title="Quarantine",
        ignored=ignored,
        wanted=wanted,
        asked=_asked(wanted),
        counts=counts,
        most=max((count.records for count in counts), default=0),
        total=total,
        lines=lines,
        keys=keys,
        paths=paths,
        number=number,
        pages=max(1, -(-total // refused.PAGE)),
        first=(number - 1) * refused.PAGE + 1,
        states=_options(refused.STATES),
        sources=_options(sorted({s.name for s in sources})),
        streams=_options(
            sorted({t.name for s in sources for t in s.streams.values() if wanted.source in ("", s.name)})
        ),
        rules=_options(sorted({count.rule for count in counts} | set(RULES))),
    )


@router.get("/record")
def record(
    request: Request, object: Annotated[str, Query(max_length=1024)], position: Annotated[int, Query(ge=0)]
) -> Response:
    """One refused record beside its rule."""
    console = of(request)
    try:
        found = read_record(console.bronze, object, position, deployed(request).contract)
    except ConfigurationError as error:
        raise HTTPException(404, error.message) from error
    others = refused.of_object(console.warehouse, object, 0, limit=200)
    return page(
        request,
        "quarantine_record.html",
        title="A refused record",
        found=found,
        others=others,
        under_way=works(request).on(object),
        command=_command(found.object.batch.source, found.object.batch.stream, found.object_id, found.object.state),
    )


@router.get("/confirm")
def confirm(
    request: Request, action: str, asked: Chosen, object: Annotated[list[str] | None, Query()] = None
) -> Response:
    """What a replay or a discard would take; it is not begun before it is said so.

    Of objects that are named, those too that are resolved and were not loaded.
    """
    wanted, _ = asked
    state = "resolved" if object and wanted.state == "resolved" else "open"
    return _confirm(request, action, object, replace(wanted, state=state))


@router.post("/work")
def begin(
    request: Request,
    action: Annotated[str, Form()],
    object: Annotated[list[str], Form()],
    rule: Annotated[str, Form(max_length=64)] = "",
    reason: Annotated[str, Form(max_length=5_000)] = "",
) -> Response:
    """Begin a replay or a discard, once."""
    if action not in ("replay", "discard"):
        raise HTTPException(400, "There is no such action.")
    if len(object) > refused.MOST_OBJECTS:
        raise HTTPException(400, f"At most {refused.MOST_OBJECTS} objects at once.")
    try:
        for key in object:
            batch_of(key)
    except ConfigurationError as error:
        raise HTTPException(400, error.message) from error
    reason = " ".join(reason.split())[:_LONGEST_REASON]
    if action == "discard" and not resolving.is_reason(reason):
        wanted = Filter(rule=rule)
        return _confirm(request, action, object, wanted, problem="Say why: the reason is kept.", status=400)
    console, known = of(request), works(request)
    names, bronze = console.names, console.bronze

    def do(tell: Callable[[str], None]) -> resolving.Results:
        objects = [find_object(bronze, key) for key in dict.fromkeys(object)]
        work = resolving.plan(
            bronze,
            objects,
            "replay" if action == "replay" else "discard",
            rule=rule or None,
            reason=reason or None,
        )
        if not work.chosen and not work.begun:
            tell("Nothing is open: somebody was here before.")
            return resolving.Results([], {})
        return resolving.resolve(names, bronze, work, at_once=_AT_ONCE, tell=tell)

    work, begun = known.start(action, object, do)
    if begun:
        person = request.state.person
        _LOG.info("%s of %d objects by %s", action, len(object), person.id if person else "whoever is at this machine")
        return go(request, f"/quarantine/work/{work.id}")
    return go(request, f"/quarantine/work/{work.id}", "This is under way already: nothing was begun anew.", "note")


@router.get("/work/{id}")
def watch(request: Request, id: str) -> Response:
    """How far an action has come, and what became of it."""
    work = works(request).find(id)
    if work is None:
        raise HTTPException(404, "This console does not know that action: it was started anew since, or it is another.")
    results = work.results.objects if work.results else []
    answer = page(
        request,
        "quarantine_work.html",
        title={"replay": "Replay", "discard": "Discard"}[work.action],
        work=work,
        results=results,
        sentences=[resolving.sentence(result) for result in results],
        accepted=sum(result["accepted"] for result in results),
        discarded=sum(result["discarded"] for result in results),
        refused_again=sum(result["refused_again"] for result in results),
    )
    if not work.over:
        answer.headers["Refresh"] = _WATCH_SECONDS
    return answer


def _confirm(
    request: Request, action: str, objects: list[str] | None, wanted: Filter, *, problem: str = "", status: int = 200
) -> Response:
    if action not in ("replay", "discard"):
        raise HTTPException(400, "There is no such action.")
    console = of(request)
    found = refused.objects(console.warehouse, wanted, only=objects)
    return page(
        request,
        "quarantine_confirm.html",
        status=status,
        title={"replay": "Replay refused records?", "discard": "Discard refused records?"}[action],
        action=action,
        wanted=wanted,
        objects=found[: refused.MOST_OBJECTS],
        more=len(found) > refused.MOST_OBJECTS,
        matching=sum(each.matching for each in found[: refused.MOST_OBJECTS]),
        taken=sum(each.taken for each in found[: refused.MOST_OBJECTS]),
        problem=problem,
        back=address("/quarantine", **_asked(wanted)),
    )


def _options(values: Iterable[str]) -> list[tuple[str, str]]:
    return [(value, value) for value in values]


def _asked(wanted: Filter) -> dict[str, str]:
    """A filter as an address has it, without what is as always."""
    asked = {name: str(value) for name, value in asdict(wanted).items() if value}
    return {name: value for name, value in asked.items() if (name, value) != ("state", "open")}


def _command(source: str, stream: str, object_id: str, state: str) -> str:
    state = "" if state == "OPEN" else f" --state {state.lower()}"
    return f"ingot quarantine show --source {source} --stream {stream} --key {object_id}{state} --json"


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None
