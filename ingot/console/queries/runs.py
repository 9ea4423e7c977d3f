"""Batches and attempts: the audit tables for lists, and Bronze for one batch, which so waits for no audit."""

# ruff: noqa: S608 - what comes from outside is in literals, see `literal`

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec

from ingot.attempt import Attempt
from ingot.batch import Batch, attempts_prefix, parse_batch
from ingot.cli import reports
from ingot.cost import STEP_WORKER, BatchCost, batch_cost, load_prices
from ingot.errors import ConfigurationError
from ingot.manifest import Manifest, find_manifest
from ingot.storage import ObjectStore
from ingot.warehouse.base import Queries
from ingot.warehouse.literal import literal

PAGE = 25
STEPS = ("extract", "refine", "load", "replay")
_MOST_FAILURES = 20

Row = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Failure:
    """What stands in the way: the newest batch of a stream failed, or one was left unloaded.

    Attributes:
        what: in a few words.
        reason: in a sentence; None if there is none.
        hint: what to do next.
        attempts: how many failed.
        at: when the last of them ended.
    """

    source: str
    stream: str
    batch_id: str
    what: str
    error: str | None
    reason: str
    hint: str
    step: str | None
    attempts: int
    at: datetime | None
    transient: bool | None


def status(warehouse: Queries) -> tuple[list[Row], bool]:
    """What `ingot status` says."""
    table, healthy = reports.status(warehouse)
    return [dict(zip(table.columns, row, strict=True)) for row in table.rows], healthy


def failures(warehouse: Queries, streams: Sequence[Row]) -> list[Failure]:
    """Why :func:`status` is not well: of each stream that is not, the batches and their last failed attempts."""
    found = []
    for stream in [each for each in streams if each["state"] == "FAILED" or each["not_loaded"]]:
        where = f"source = {literal(stream['source'])} AND stream = {literal(stream['stream'])}"
        state = "b.state = 'FAILED'" if stream["state"] == "FAILED" else "b.state = 'COMMITTED'"
        answer = warehouse.query(
            f"""
            SELECT b.batch_id, b.state, b.error, b.reason,
                coalesce(a.attempts, 0) AS attempts, a.ended_at AS at, a.step, a.transient,
                a.reason AS last_reason, a.error AS last_error
            FROM (SELECT * FROM audit.batches WHERE {where}) AS b
            LEFT JOIN (
                SELECT *, count(*) OVER (PARTITION BY batch_id) AS attempts,
                    row_number() OVER (PARTITION BY batch_id ORDER BY ended_at DESC, attempt_key DESC) AS place
                FROM audit.attempts WHERE {where} AND state = 'FAILED'
            ) AS a ON a.batch_id = b.batch_id AND a.place = 1
            WHERE {state}
            ORDER BY b.interval_end DESC, b.batch_id LIMIT {1 if stream["state"] == "FAILED" else 5}
            """
        )
        for row in (dict(zip(answer.columns, each, strict=True)) for each in answer.rows):
            failed = row["state"] == "FAILED"
            reason, _, hint = (row["reason"] or row["last_reason"] or "").partition(" Next: ")
            found.append(
                Failure(
                    source=stream["source"],
                    stream=stream["stream"],
                    batch_id=row["batch_id"],
                    what="failed" if failed else "was not loaded",
                    error=row["error"] or row["last_error"],
                    reason=reason
                    or ("It ended without a word." if failed else "It is committed, and no run is at it."),
                    hint=hint or ("" if failed else "ingot backfill loads it, as the next run of its source does"),
                    step=row["step"],
                    attempts=int(row["attempts"]),
                    at=row["at"],
                    transient=row["transient"],
                )
            )
    return found[:_MOST_FAILURES]


def batches(
    warehouse: Queries, *, source: str | None, stream: str | None, state: str | None, number: int
) -> tuple[list[Row], int]:
    """One page of `ingot batches`, from 1, with each step's seconds and what Glue bills; and how many there are."""
    of = {"source": source, "stream": stream, "state": state}
    table = reports.batches(warehouse, **of, limit=PAGE, offset=(max(number, 1) - 1) * PAGE)
    rows = [dict(zip(table.columns, row, strict=True)) for row in table.rows]
    tries = _tries(warehouse, [row["batch_id"] for row in rows])
    prices, workers = load_prices(), dict.fromkeys(("audit", *STEPS), STEP_WORKER)
    for row in rows:
        own = tries.get(row["batch_id"], [])
        row["steps"] = {
            step: sum((Decimal(str(each.seconds)) for each in own if each.step == step), Decimal(0))
            for step in STEPS
            if any(each.step == step for each in own)
        }
        row["tries"] = len(own)
        row["usd"] = batch_cost(row["batch_id"], own, None, workers, prices).glue_usd if own else None
    return rows, reports.count(warehouse, **of)


def streams(warehouse: Queries) -> list[tuple[str, str]]:
    """Sources and streams that have batches."""
    return [
        (source, stream)
        for source, stream in warehouse.query(
            "SELECT DISTINCT source, stream FROM audit.batches ORDER BY 1, 2 LIMIT 1000"
        ).rows
    ]


def _tries(warehouse: Queries, ids: Sequence[str]) -> dict[str, list[Attempt]]:
    if not ids:
        return {}
    answer = warehouse.query(
        f"""
        SELECT batch_id, source, stream, step, state, started_at, ended_at, coalesce(seconds, 0) AS seconds
        FROM audit.attempts WHERE batch_id IN ({", ".join(map(literal, ids))}) ORDER BY started_at LIMIT 5000
        """
    )
    found: dict[str, list[Attempt]] = {}
    for row in (dict(zip(answer.columns, each, strict=True)) for each in answer.rows):
        interval = {"interval_start": row["started_at"], "interval_end": row["started_at"]}  # nobody asks for it here
        found.setdefault(row["batch_id"], []).append(Attempt(**row | {"seconds": float(row["seconds"])} | interval))
    return found


@dataclass(frozen=True, kw_only=True)
class One:
    """A batch, as Bronze has it.

    Attributes:
        manifest: None if it was never committed.
        attempts: all, in the order in which they began.
        cost: None if nobody tried.
    """

    batch: Batch
    manifest: Manifest | None
    attempts: list[Attempt]
    cost: BatchCost | None

    @property
    def state(self) -> str:
        """Of a batch that is committed: whether a load of it ended well, too."""
        loaded = any(each.step == "load" and each.state == "SUCCEEDED" for each in self.attempts)
        return "LOADED" if loaded else "COMMITTED"


def one(bronze: ObjectStore, batch_id: str) -> One | None:
    """A batch by its id; None if there is no trace of it."""
    source, stream, *_ = [*batch_id.split("."), "", ""]
    try:
        batch = parse_batch(source, stream, batch_id)
    except ConfigurationError:
        return None
    manifest = find_manifest(bronze, batch)
    keys = bronze.keys(f"{attempts_prefix(source, stream)}{batch.id}/")
    attempts = sorted(
        (msgspec.json.decode(bronze.get(key), type=Attempt) for key in keys), key=lambda each: each.started_at
    )
    if manifest is None and not attempts:
        return None
    workers = dict.fromkeys({each.step for each in attempts}, STEP_WORKER)
    cost = batch_cost(batch.id, attempts, manifest, workers, load_prices()) if attempts else None
    return One(batch=batch, manifest=manifest, attempts=attempts, cost=cost)
