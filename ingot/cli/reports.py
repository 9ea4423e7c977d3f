"""The questions that `ingot batches` and `ingot status` ask of the audit tables."""

from __future__ import annotations

from ingot.warehouse import Warehouse
from ingot.warehouse.audit import LONGEST_RUN
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

# What failed and was brought by a batch of another interval is over. A batch was left unloaded if no run is at it: none
# of its steps runs, and the stream has gone on since, or the longest run would have ended.
_STATUS = """
    SELECT source, stream, state, accepted, rejected, interval_end AS covered_until, loaded_at,
        round(extract(epoch FROM now() - loaded_at) / 60) AS minutes_ago, not_loaded, reason
    FROM (
        SELECT *,
            row_number() OVER (
                PARTITION BY source, stream ORDER BY interval_end DESC, interval_start DESC
            ) AS place,
            count(*) FILTER (WHERE left_unloaded) OVER (PARTITION BY source, stream) AS not_loaded
        FROM (
            SELECT b.*,
                b.state = 'COMMITTED'
                AND NOT EXISTS (
                    SELECT 1 FROM audit.attempts AS a WHERE a.batch_id = b.batch_id AND a.state = 'RUNNING'
                )
                AND (
                    b.committed_at < now() - interval '{hours} hours'
                    OR EXISTS (
                        SELECT 1 FROM audit.batches AS later
                        WHERE later.source = b.source AND later.stream = b.stream AND later.loaded_at > b.committed_at
                    )
                ) AS left_unloaded
            FROM audit.batches AS b
            WHERE b.state <> 'FAILED' OR b.batch_id LIKE '%.resolve-%' OR NOT EXISTS (
                SELECT 1 FROM audit.batches AS other
                WHERE other.source = b.source AND other.stream = b.stream AND other.state = 'LOADED'
                    AND other.resolved_key IS NULL
                    AND other.interval_start <= b.interval_start AND other.interval_end >= b.interval_end
            )
        ) AS standing
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
    """One row a stream: its newest batch; and whether none of these failed, and none was left unloaded."""
    table = warehouse.query(_STATUS.format(hours=LONGEST_RUN.total_seconds() / 3600))
    state, not_loaded = table.columns.index("state"), table.columns.index("not_loaded")
    return table, all(row[state] != "FAILED" and not row[not_loaded] for row in table.rows)


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
