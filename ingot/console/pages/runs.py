"""*Runs*: what failed and why, how fresh each stream is, every batch, and one batch whole."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Query, Request
from starlette.responses import Response

from ingot.batch import Batch, parse_time
from ingot.cli import context, reports
from ingot.console import charts
from ingot.console.charts import Chart
from ingot.console.context import of
from ingot.console.queries import runs as ask
from ingot.console.queries.runs import Row
from ingot.console.tables import Cell, Column, View
from ingot.console.web import address, page
from ingot.errors import ConfigurationError, WarehouseUnavailable
from ingot.manifest import Manifest

router = APIRouter(prefix="/runs")
Text = Annotated[str, Query(max_length=200)]
_DAYS, _MOST_DAYS = 7, 60  # that gaps are looked for in: a schedule of minutes has 17,000 intervals in 60
_MOST_REQUESTS = 200  # of a batch, on its page


@router.get("")
def runs(
    request: Request,
    source: Text = "",
    stream: Text = "",
    state: Text = "",
    number: Annotated[int, Query(alias="page", ge=1, le=1_000_000)] = 1,
) -> Response:
    """All runs."""
    warehouse = of(request).warehouse
    chosen = {"source": source or None, "stream": stream or None, "state": state.upper() if state else None}
    if chosen["state"] not in (None, *reports.STATES):
        chosen["state"] = None
    found = warehouse.later(lambda: ask.batches(warehouse, **chosen, number=number))
    known_ = warehouse.later(lambda: ask.streams(warehouse))
    fresh, healthy = ask.status(warehouse)
    (batches, total), known = found.result(), known_.result()
    last = max(1, -(-total // ask.PAGE))
    links = [
        address("/runs", source=source, stream=stream, state=state, page=each) for each in (number - 1, number + 1)
    ]
    return page(
        request,
        "runs.html",
        title="Runs",
        healthy=healthy,
        fresh=_fresh(fresh),
        count=len(fresh),
        failures=ask.failures(warehouse, fresh),
        sources=sorted({each for each, _ in known}),
        streams=sorted({each for name, each in known if source in ("", name)}),
        states=reports.STATES,
        chosen=chosen,
        batches=_batches(batches),
        chart=_durations(batches),
        total=total,
        number=number,
        last=last,
        links=links,
    )


@router.get("/gaps")
def gaps(request: Request, since: Text = "") -> Response:
    """What `ingot gaps` says: what should exist by now and does not; of some days, for a schedule may be of minutes."""
    console, now = of(request), datetime.now(UTC)
    try:
        start = min(max(parse_time(since), now - timedelta(days=_MOST_DAYS)), now)
    except ConfigurationError:
        start = (now - timedelta(days=_DAYS)).replace(hour=0, minute=0, second=0, microsecond=0)
    known: dict[str, set[str]] = {}
    unknown: list[str] = []

    def lacks(source: str, there: list[Batch]) -> list[Batch]:
        if unknown:  # the wait of one source is enough
            return []
        try:
            if source not in known:
                known[source] = reports.loaded(console.warehouse, source)
        except WarehouseUnavailable as error:
            unknown[:] = [error.message]
            return []
        return [batch for batch in there if batch.id not in known[source]]

    streams = context.chosen_streams(console.names, None, None)
    rows = [
        (*row[:6], Cell(row[6], href=f"/runs/batch/{row[6]}") if row[6] else None)
        for row in reports.gaps(console.bronze, streams, lacks, start, now)
    ]
    columns = [
        *(Column(name) for name in ("Source", "Stream", "What")),
        *(Column("From", "when"), Column("To", "when"), Column("Intervals", "number"), Column("Batch", "code")),
    ]
    table = View("What should exist by now and does not", columns, rows, empty="Nothing is missing.")
    return page(request, "gaps.html", title="Gaps", gaps=table, since=start, most=_MOST_DAYS, unknown=unknown)


@router.get("/batch/{batch_id}")
def batch(request: Request, batch_id: str) -> Response:
    """One batch: its attempts, and its manifest."""
    found = ask.one(of(request).bronze, batch_id)
    if found is None:
        raise HTTPException(404, f"There is no batch {batch_id}.")
    attempts = View(
        "Attempts",
        [
            *(Column("Step"), Column("Try", "number"), Column("State", "state"), Column("Began", "when")),
            *(Column("Took", "seconds"), Column("What went wrong")),
        ],
        [
            (each.step, each.number, each.state, each.started_at, each.seconds, _wrong(each.error, each.reason))
            for each in found.attempts
        ],
        empty="Nobody has tried: it came from a rebuild, or its records of attempts have expired.",
    )
    return page(
        request,
        "batch.html",
        title="Batch",
        one=found,
        manifest=found.manifest,
        failed=found.attempts[-1] if found.attempts and found.attempts[-1].state == "FAILED" else None,
        attempts=attempts,
        requests=_requests(found.manifest) if found.manifest else None,
        most=_MOST_REQUESTS,
        objects=_objects(found.manifest) if found.manifest else None,
        landed=_landed(found.manifest) if found.manifest and found.manifest.landed else None,
    )


def _wrong(error: str | None, reason: str | None) -> Cell:
    return Cell(f"{error}: {reason}" if error else None, tone="bad" if error else None)


def _fresh(streams: list[Row]) -> View:
    columns = [
        *(Column("Stream"), Column("State", "state"), Column("Covered until", "when"), Column("Loaded", "when")),
        *(Column("Age", "seconds"), Column("Accepted", "number"), Column("Rejected", "number")),
        *(Column("Not loaded", "number"), Column("Reason")),
    ]
    rows = []
    for each in streams:
        name = f"{each['source']}.{each['stream']}"
        rejected = Cell(
            each["rejected"],
            tone="note" if each["rejected"] else None,
            href=address("/quarantine", source=each["source"], stream=each["stream"], state="all")
            if each["rejected"]
            else None,
        )
        age = None if each["minutes_ago"] is None else each["minutes_ago"] * 60
        rows.append(
            (
                *(Cell(name, href=f"/contracts/{each['source']}/{each['stream']}"), each["state"]),
                *(each["covered_until"], each["loaded_at"], age, each["accepted"], rejected),
                *(Cell(each["not_loaded"], tone="bad" if each["not_loaded"] else None), each["reason"]),
            )
        )
    return View("Each stream's newest batch", columns, rows, empty="No batch has come yet: run the pipeline.")


def _batches(rows: list[Row]) -> View:
    columns = [
        *(
            Column("Batch", "code"),
            Column("State", "state"),
            Column("Accepted", "number"),
            Column("Rejected", "number"),
        ),
        *(Column(step.capitalize(), "seconds") for step in ask.STEPS[:3]),
        *(
            Column("Tries", "number"),
            Column("Glue (USD)", "number", digits=4),
            Column("Loaded", "when"),
            Column("Reason"),
        ),
    ]
    shown = [
        (
            *(Cell(row["batch_id"], href=f"/runs/batch/{row['batch_id']}"), row["state"], row["accepted"]),
            Cell(row["rejected"], tone="note" if row["rejected"] else None),
            *(row["steps"].get(step) for step in ask.STEPS[:3]),
            *(row["tries"], row["usd"], row["loaded_at"]),
            Cell(row["reason"], tone="bad" if row["state"] == "FAILED" else None),
        )
        for row in rows
    ]
    return View("Batches", columns, shown, empty="No batch is so. Clear a part of the filter.", hidden=True)


def _durations(rows: list[Row]) -> Chart:
    values = [
        {"batch": row["batch_id"], "place": place, "step": step, "seconds": float(seconds)}
        for place, row in enumerate(rows)
        for step, seconds in row["steps"].items()
    ]
    drawn = charts.bars(
        values,
        height=max(4, len(rows)) * 20 + 12,
        x=charts.quantity("seconds", axis={"title": "Time worked (s)", "tickCount": 6}),
        y=charts.name(
            "batch",
            title=None,
            sort={"field": "place", "op": "min"},
            axis={"labelExpr": "slice(datum.value, 0, indexof(datum.value, '.', indexof(datum.value, '.') + 1))"},
        ),
        color=charts.name("step", scale=charts.colours(ask.STEPS), legend={"values": _present(values)}),
        tooltip=[
            charts.name("batch", title="Batch"),
            charts.name("step", title="Step"),
            charts.quantity("seconds", title="Seconds", format=",.2f"),
        ],
    )
    table = View(
        "Seconds by batch and step",
        [Column("Batch", "code"), Column("Step"), Column("Seconds", "number", digits=2)],
        [(each["batch"], each["step"], each["seconds"]) for each in values],
        empty="No attempts of these batches are on record.",
    )
    label = f"Bars of the seconds that each step of {len(rows)} batches took."
    return Chart("durations", "How long the steps took", label, drawn, table, note="The batches of this page.")


def _present(values: list[dict[str, Any]]) -> list[str]:
    return [step for step in ask.STEPS if any(each["step"] == step for each in values)]


def _requests(manifest: Manifest) -> View:
    columns = [
        *(
            Column("Request", "code"),
            Column("Status", "number"),
            Column("Latency", "seconds"),
            Column("Tries", "number"),
        ),
        *(Column("Body", "size"), Column("Records", "number"), Column("Accepted", "number")),
    ]
    rows = [
        (each.url, each.status, each.seconds, each.tries, each.bytes, each.records, each.accepted)
        for each in manifest.requests[:_MOST_REQUESTS]
    ]
    return View("Requests to the source", columns, rows, empty="It asked no source.", hidden=True)


def _objects(manifest: Manifest) -> View:
    kinds = [
        *(("accepted", part) for part in manifest.parts),
        *(
            (kind, part)
            for kind, part in (
                ("refused", manifest.rejects),
                ("deleted keys", manifest.deletes),
                ("known keys", manifest.known),
            )
            if part is not None
        ),
    ]
    columns = [
        *(Column("What"), Column("Key in the Bronze bucket", "code"), Column("Records", "number")),
        *(Column("Size", "size"), Column("Stored", "size"), Column("SHA-256", "code")),
    ]
    rows = [(kind, part.key, part.records, part.bytes, part.stored_bytes, part.sha256) for kind, part in kinds]
    return View("Objects", columns, rows, empty="It has no record, and so no object.", hidden=True)


def _landed(manifest: Manifest) -> View:
    columns = [
        *(Column("Key in the Bronze bucket", "code"), Column("Put", "when"), Column("Size", "size")),
        *(Column("Records", "number"), Column("Accepted", "number"), Column("SHA-256", "code")),
    ]
    rows = [
        (each.key, each.modified, each.bytes, each.records, each.accepted, each.sha256)
        for each in manifest.landed[:_MOST_REQUESTS]
    ]
    return View("Objects that landed", columns, rows, hidden=True)
