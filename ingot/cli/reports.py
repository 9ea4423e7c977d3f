"""What `ingot batches`, `ingot status` and `ingot gaps` say, and the console too."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, time
from typing import TYPE_CHECKING, Any

from ingot.warehouse.audit import LONGEST_RUN
from ingot.warehouse.base import Queries, Table
from ingot.warehouse.literal import literal

if TYPE_CHECKING:
    from ingot.batch import Batch
    from ingot.sources import Source, Stream
    from ingot.storage import ObjectStore

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
    LIMIT {limit} OFFSET {offset}
"""

# What failed and was brought by a batch of another interval is over. A batch was left unloaded if no run is at it: none
# of its steps runs, and the stream has gone on since, or the longest run would have ended. What other batches of its
# stream say of a batch is told by windows: each batch is read once, however many failed.
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
                AND (b.committed_at < now() - interval '{hours} hours' OR b.last_loaded_at > b.committed_at)
                AS left_unloaded
            FROM (
                SELECT *,
                    max(loaded_at) OVER (PARTITION BY source, stream) AS last_loaded_at,
                    -- Of those that began with it or before.
                    max(interval_end) FILTER (WHERE state = 'LOADED' AND resolved_key IS NULL)
                        OVER (PARTITION BY source, stream ORDER BY interval_start) AS brought_until
                FROM audit.batches
            ) AS b
            WHERE b.state <> 'FAILED' OR b.batch_id LIKE '%.resolve-%'
                OR b.brought_until IS NULL OR b.brought_until < b.interval_end
        ) AS standing
    ) AS newest
    WHERE place = 1
    ORDER BY source, stream
"""


GAPS = ("source", "stream", "what", "from", "to", "intervals", "batch")
"""The columns of :func:`gaps`."""


def batches(
    warehouse: Queries, *, source: str | None, stream: str | None, state: str | None, limit: int, offset: int = 0
) -> Table:
    """The newest batches, failed ones first; of one state (see ``STATES``) if it is given."""
    where = _chosen(source, stream, state)
    return warehouse.query(_BATCHES.format(where=where, limit=limit, offset=offset))


def count(warehouse: Queries, *, source: str | None, stream: str | None, state: str | None) -> int:
    """How many batches :func:`batches` has without a limit."""
    query = f"SELECT count(*) FROM audit.batches AS b {_chosen(source, stream, state)}"  # noqa: S608
    return int(warehouse.query(query).rows[0][0])


def gaps(
    bronze: ObjectStore,
    streams: Iterable[tuple[Source, Stream]],
    lacks: Callable[[str, list[Batch]], list[Batch]],
    start: datetime | None,
    until: datetime,
) -> Iterator[tuple[Any, ...]]:
    """What should exist by a time and does not: rows of ``GAPS``.

    Args:
        streams: with their sources.
        lacks: which of a source's batches are not loaded.
        start: from when on; None: each source's start date.
    """
    from ingot.coverage import absent, committed
    from ingot.schedule import ranges

    for source, stream in streams:
        since = start or datetime.combine(source.start_date, time(), UTC)
        there = committed(bronze, stream)
        for first, last, intervals in ranges(absent(source, stream, there, since, until)):
            yield (source.name, stream.name, "MISSING", first, last, intervals, None)
        for batch in lacks(source.name, there):
            if batch.interval_start < until and since < batch.interval_end:
                yield (source.name, stream.name, "NOT LOADED", batch.interval_start, batch.interval_end, None, batch.id)


def loaded(warehouse: Queries, source: str) -> set[str]:
    """The ids of a source's batches that are loaded; none in a warehouse that is wholly new."""
    if warehouse.query("SELECT to_regclass('audit.batches') IS NULL AS new").rows[0][0]:
        return set()
    query = f"SELECT batch_id FROM audit.batches WHERE state = 'LOADED' AND source = {literal(source)}"  # noqa: S608
    return {row[0] for row in warehouse.query(query).rows}


def status(warehouse: Queries) -> tuple[Table, bool]:
    """One row a stream: its newest batch; and whether none of these failed, and none was left unloaded."""
    table = warehouse.query(_STATUS.format(hours=LONGEST_RUN.total_seconds() / 3600))
    state, not_loaded = table.columns.index("state"), table.columns.index("not_loaded")
    return table, all(row[state] != "FAILED" and not row[not_loaded] for row in table.rows)


def _chosen(source: str | None, stream: str | None, state: str | None) -> str:
    wanted = {"source": source, "stream": stream, "state": state.upper() if state else None}
    conditions = [f"{name} = {literal(value)}" for name, value in wanted.items() if value is not None]
    return f"WHERE {' AND '.join(conditions)}" if conditions else ""
