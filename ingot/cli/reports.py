"""The questions that `ingot batches` and `ingot status` ask of the audit tables."""

from __future__ import annotations

from ingot.warehouse import Warehouse
from ingot.warehouse.base import Table

STATES = ("RUNNING", "FAILED", "COMMITTED", "LOADED")

_BATCHES = """
    SELECT batch_id, state, accepted, rejected,
        (SELECT sum(seconds) FROM audit.attempts a
         WHERE a.batch_id = b.batch_id AND a.state = 'SUCCEEDED'
           AND (b.loaded_at IS NULL OR a.started_at <= b.loaded_at)) AS seconds,
        loaded_at, reason
    FROM audit.batches b
    {where}
    ORDER BY coalesce(loaded_at, committed_at) DESC NULLS FIRST, batch_id
    LIMIT {limit}
"""

_STATUS = """
    SELECT source, stream, state, accepted, rejected, interval_end AS covered_until, loaded_at,
        round(extract(epoch FROM now() - loaded_at) / 60) AS minutes_ago, reason
    FROM (
        SELECT *, row_number() OVER (
            PARTITION BY source, stream ORDER BY interval_end DESC, interval_start DESC
        ) AS place
        FROM audit.batches
    ) AS newest
    WHERE place = 1
    ORDER BY source, stream
"""


def batches(warehouse: Warehouse, *, source: str | None, stream: str | None, state: str | None, limit: int) -> Table:
    """The newest batches, failed ones first; of one state (see ``STATES``) if it is given."""
    wanted = {"source": source, "stream": stream, "state": state.upper() if state else None}
    conditions = [f"{name} = {_text(value)}" for name, value in wanted.items() if value is not None]
    where = f"WHERE {' AND '.join(conditions)}" if conditions else ""
    return warehouse.query(_BATCHES.format(where=where, limit=limit))


def loaded(warehouse: Warehouse, source: str) -> set[str]:
    """The ids of a source's batches that are loaded; none in a warehouse that is wholly new."""
    if warehouse.query("SELECT to_regclass('audit.batches') IS NULL AS new").rows[0][0]:
        return set()
    query = f"SELECT batch_id FROM audit.batches WHERE state = 'LOADED' AND source = {_text(source)}"  # noqa: S608
    return {row[0] for row in warehouse.query(query).rows}


def status(warehouse: Warehouse) -> tuple[Table, bool]:
    """One row a stream: its newest batch; and whether none of these failed."""
    table = warehouse.query(_STATUS)
    state = table.columns.index("state")
    return table, all(row[state] != "FAILED" for row in table.rows)


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
