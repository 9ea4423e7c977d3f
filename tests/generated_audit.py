"""Audit tables of a pipeline as old as one likes, made in the warehouse: what Runs and Quarantine are measured on.

``python -m tests.generated_audit postgresql://… 10000`` fills a database: of each of six streams that many batches, one
an hour, of three attempts each. Every tenth has refused records, some failed for good, as did the last of one stream.
"""

from __future__ import annotations

import sys
from importlib.resources import files

import psycopg

STREAMS = 6

_ROWS = """
INSERT INTO audit.batches (batch_id, source, stream, interval_start, interval_end, state, accepted, rejected, bytes,
    seconds, as_of, contract_version, code_version, committed_at, loaded_at, load_id, error, reason, rejects_key,
    resolved_key)
SELECT concat_ws('.', source, stream, to_char(since, 'YYYYMMDD"T"HH24MISS"Z"'),
        to_char(since + interval '1 hour', 'YYYYMMDD"T"HH24MISS"Z"')),
    source, stream, since, since + interval '1 hour', CASE WHEN failed THEN 'FAILED' ELSE 'LOADED' END,
    1000, CASE WHEN n % 10 = 0 THEN 3 ELSE 0 END, 150000, 12.5, since + interval '1 hour', '1.0.0', '0.1.0',
    CASE WHEN NOT failed THEN since + interval '61 minutes' END,
    CASE WHEN NOT failed THEN since + interval '62 minutes' END, CASE WHEN NOT failed THEN n END,
    CASE WHEN failed THEN 'SourceUnavailable' END, CASE WHEN failed THEN 'It does not answer. Next: wait' END,
    CASE WHEN n % 10 = 0 THEN 'quarantine/' || stream || '/' || n || '.jsonl' END,
    CASE WHEN n % 20 = 5 THEN 'quarantine/' || stream || '/' || n - 15 || '.jsonl' END
FROM (
    SELECT 'source' || s % 2 AS source, 'stream' || s AS stream, n, n % 167 = 0 OR s = 1 AND n = {batches} AS failed,
        timestamptz '2026-01-01' - ({batches} - n) * interval '1 hour' AS since
    FROM generate_series(1, {streams}) AS s CROSS JOIN generate_series(1, {batches}) AS n
) AS those;
INSERT INTO audit.attempts (attempt_key, batch_id, source, stream, step, state, started_at, ended_at, seconds, error,
    reason, transient)
SELECT concat_ws('/', batch_id, step), batch_id, source, stream, step,
    CASE WHEN state = 'FAILED' THEN state ELSE 'SUCCEEDED' END, interval_end, interval_end + interval '4 seconds', 4,
    error, reason, CASE WHEN state = 'FAILED' THEN true END
FROM audit.batches CROSS JOIN (VALUES ('extract'), ('refine'), ('load')) AS steps (step)
WHERE state = 'LOADED' OR step = 'extract';
INSERT INTO audit.rejects (quarantine_key, batch_id, position, record_key, path, rule, reason)
SELECT rejects_key, batch_id, position, '{{"id": ' || position || '}}', 'price', 'minimum', 'price is below 0'
FROM audit.batches CROSS JOIN generate_series(1, 3) AS position WHERE rejects_key IS NOT NULL
"""


def fill(connection: psycopg.Connection[tuple[object, ...]], batches: int) -> None:
    """Make the tables, if they are not there, and so many batches a stream; and say to the planner what is in them."""
    connection.execute(files("ingot.warehouse").joinpath("audit.sql").read_bytes())
    for statement in _ROWS.format(batches=batches, streams=STREAMS).split(";\n"):
        connection.execute(statement.encode())
    connection.commit()
    connection.autocommit = True
    connection.execute("VACUUM ANALYZE")


if __name__ == "__main__":
    with psycopg.connect(sys.argv[1]) as to:
        fill(to, int(sys.argv[2]))
