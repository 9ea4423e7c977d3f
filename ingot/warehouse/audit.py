"""Rows of the audit tables in Postgres: from manifests and attempts, and from nothing else."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import Any

import psycopg
from psycopg import sql

from ingot.attempt import KILLED, Attempt
from ingot.cost.runs import MINIMUM_SECONDS
from ingot.manifest import Manifest, encode
from ingot.warehouse.base import Rejects

Connection = psycopg.Connection[Any]
LONGEST_RUN = timedelta(hours=2)
"""An attempt that began longer ago and has no end was killed: the jobs' own limit is one hour."""

_COMMITTED = """
    INSERT INTO audit.batches AS known (
        batch_id, source, stream, interval_start, interval_end, state, accepted, rejected, bytes, seconds, as_of,
        contract_version, code_version, committed_at, manifest_key, manifest_sha256, mode, unchanged, deleted,
        rejects_key, resolved_batch_id, resolved_key, discarded, superseded, reason
    ) VALUES (
        %(batch_id)s, %(source)s, %(stream)s, %(interval_start)s, %(interval_end)s, 'COMMITTED', %(accepted)s,
        %(rejected)s, %(bytes)s, %(seconds)s, %(as_of)s, %(contract_version)s, %(code_version)s, %(committed_at)s,
        %(manifest_key)s, %(manifest_sha256)s, %(mode)s, %(unchanged)s, %(deleted)s,
        %(rejects_key)s, %(resolved_batch_id)s, %(resolved_key)s, %(discarded)s, %(superseded)s, %(reason)s
    )
    ON CONFLICT (batch_id) DO UPDATE SET
        state = CASE
            WHEN known.state = 'LOADED' AND known.manifest_sha256 = excluded.manifest_sha256 THEN 'LOADED'
            ELSE 'COMMITTED'
        END,
        accepted = excluded.accepted, rejected = excluded.rejected, bytes = excluded.bytes,
        seconds = excluded.seconds, as_of = excluded.as_of, contract_version = excluded.contract_version,
        code_version = excluded.code_version, committed_at = excluded.committed_at,
        manifest_key = excluded.manifest_key, manifest_sha256 = excluded.manifest_sha256, mode = excluded.mode,
        unchanged = excluded.unchanged, deleted = excluded.deleted, rejects_key = excluded.rejects_key,
        resolved_batch_id = excluded.resolved_batch_id, resolved_key = excluded.resolved_key,
        discarded = excluded.discarded, superseded = excluded.superseded, error = NULL, reason = excluded.reason
"""

_ATTEMPTED = """
    INSERT INTO audit.batches AS known (
        batch_id, source, stream, interval_start, interval_end, state, accepted, rejected, seconds, error, reason
    ) VALUES (
        %(batch_id)s, %(source)s, %(stream)s, %(interval_start)s, %(interval_end)s, %(state)s, NULL, %(rejected)s,
        %(seconds)s, %(error)s, %(reason)s
    )
    ON CONFLICT (batch_id) DO UPDATE SET
        state = excluded.state, error = excluded.error, reason = excluded.reason,
        rejected = coalesce(excluded.rejected, known.rejected)
    WHERE known.state <> 'LOADED'
"""

# A failed step before one that still runs; of several the one that came last.
_UNFINISHED = """
    SELECT state, error, reason, seconds
    FROM (
        SELECT DISTINCT ON (step) * FROM audit.attempts
        WHERE batch_id = %s ORDER BY step, number DESC, attempt_key DESC
    ) AS latest
    WHERE state <> 'SUCCEEDED'
    ORDER BY state, array_position(ARRAY['extract', 'replay', 'refine', 'load']::varchar[], step) DESC
    LIMIT 1
"""

_REJECTS = (
    "COPY audit.rejects (quarantine_key, batch_id, position, record_key, path, rule, reason, file, file_line, "
    "file_column) FROM STDIN"
)


def write_committed(connection: Connection, manifest: Manifest) -> None:
    """The row of a committed batch; one that is loaded stays loaded."""
    connection.execute(
        _COMMITTED,
        {
            "batch_id": manifest.batch_id,
            "source": manifest.source,
            "stream": manifest.stream,
            "interval_start": manifest.interval_start,
            "interval_end": manifest.interval_end,
            "accepted": manifest.accepted,
            "rejected": manifest.rejected,
            "bytes": manifest.bytes,
            "seconds": manifest.seconds,
            "as_of": manifest.as_of,
            "contract_version": manifest.contract_version,
            "code_version": manifest.code_version,
            "committed_at": manifest.committed_at,
            "manifest_key": manifest.batch.manifest_key,
            "manifest_sha256": hashlib.sha256(encode(manifest)).hexdigest(),
            "mode": manifest.mode,
            "unchanged": manifest.unchanged,
            "deleted": manifest.deleted,
            "rejects_key": manifest.rejects.key if manifest.rejects else None,
            "resolved_batch_id": manifest.resolves.batch_id if manifest.resolves else None,
            "resolved_key": manifest.resolves.key if manifest.resolves else None,
            "discarded": manifest.resolves.discarded if manifest.resolves else None,
            "superseded": manifest.resolves.superseded if manifest.resolves else None,
            "reason": _text(manifest.fallback, 1000),
        },
    )


def write_loaded(connection: Connection, manifest: Manifest, load_id: int) -> None:
    """The row of a batch whose rows this very transaction makes visible."""
    write_committed(connection, manifest)
    connection.execute(
        "UPDATE audit.batches SET state = 'LOADED', loaded_at = now(), load_id = %s WHERE batch_id = %s",
        [load_id, manifest.batch_id],
    )


def billed_seconds(connection: Connection, source: str, interval: str, others: int) -> dict[str, int]:
    """What Glue bills for the steps of a run over an interval, and of the newest others."""
    rows = connection.execute(
        "SELECT split_part(batch_id, '.', 3) || '.' || split_part(batch_id, '.', 4), "
        "sum(greatest(ceil(coalesce(seconds, 0)), %s))::bigint FROM audit.attempts "
        # What replays did later is not the run's.
        "WHERE source = %s AND step IN ('extract', 'refine', 'load') AND split_part(batch_id, '.', 5) = '' "
        "GROUP BY 1 ORDER BY bool_and(batch_id NOT LIKE '%%.' || %s), max(started_at) DESC LIMIT %s",
        [MINIMUM_SECONDS, source, interval, 1 + others],
    ).fetchall()
    return dict(rows)


def write_attempts(connection: Connection, attempts: dict[str, Attempt]) -> None:
    """One row an attempt. One that never ended, though a later one began, was killed."""
    with connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO audit.attempts (attempt_key, batch_id, source, stream, step, state, started_at, ended_at, "
            "seconds, error, reason, transient, number) "
            "VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s) "
            "ON CONFLICT (attempt_key) DO UPDATE SET state = excluded.state, ended_at = excluded.ended_at, "
            "seconds = excluded.seconds, error = excluded.error, reason = excluded.reason, "
            # One that is known to be over does not run again because it has left no end to read.
            "transient = excluded.transient WHERE attempts.state = 'RUNNING' OR excluded.state <> 'RUNNING'",
            [
                (
                    key, a.batch_id, a.source, a.stream, a.step, a.state, a.started_at, a.ended_at, a.seconds,
                    a.error, _text(a.reason, 1000), a.transient, a.number,
                )
                for key, a in attempts.items()
            ],
        )  # fmt: skip
    connection.execute(
        "UPDATE audit.attempts SET state = 'FAILED', error = 'Killed', "
        "reason = %s, transient = true "
        "WHERE state = 'RUNNING' AND (started_at < now() - %s OR EXISTS (SELECT 1 FROM audit.attempts later "
        "WHERE later.batch_id = attempts.batch_id AND later.step = attempts.step AND "
        "later.number > attempts.number))",
        [KILLED, LONGEST_RUN],
    )


def write_states(connection: Connection, touched: dict[str, Attempt]) -> None:
    """Say of every batch that is not loaded what became of it: what its steps' latest attempts came to."""
    for batch_id, any_attempt in touched.items():
        row = connection.execute(_UNFINISHED, [batch_id]).fetchone()
        if row is None:
            # All its steps ended well. If it was not published, as a replay that nothing passed, it is no batch.
            connection.execute("DELETE FROM audit.batches WHERE batch_id = %s AND manifest_key IS NULL", [batch_id])
            continue
        connection.execute(
            _ATTEMPTED,
            {
                "batch_id": batch_id,
                "source": any_attempt.source,
                "stream": any_attempt.stream,
                "interval_start": any_attempt.interval_start,
                "interval_end": any_attempt.interval_end,
                "state": row[0],
                "rejected": any_attempt.rejected,
                "seconds": row[3],
                "error": row[1],
                "reason": row[2],
            },
        )


def forget(connection: Connection, source: str, streams: list[str]) -> None:
    """Remove all that is known of some streams: manifests and attempts say it again."""
    for stream in streams:
        prefix = f"quarantine/{source}/{stream}/"
        connection.execute("DELETE FROM audit.rejects WHERE starts_with(quarantine_key, %s)", [prefix])
        for table in ("attempts", "batches"):
            name = sql.Identifier("audit", table)
            connection.execute(
                sql.SQL("DELETE FROM {} WHERE source = %s AND stream = %s").format(name), [source, stream]
            )


def _text(text: str | None, length: int) -> str | None:
    # One NUL in a reason, which Postgres takes in no text, would stop the audit for ever.
    return None if text is None else text.replace("\x00", "\ufffd")[:length]


def write_rejects(connection: Connection, rejects: Rejects) -> None:
    """One row a violation, record by record as they come; an object of the quarantine is replaced as a whole."""
    for key, records in rejects:
        connection.execute("DELETE FROM audit.rejects WHERE quarantine_key = %s", [key])
        batch_id = key.split("/")[3]
        with connection.cursor() as cursor, cursor.copy(_REJECTS) as copy:
            for r in records:
                file, line, columns = _in_file(r.get("file"))
                for v in r["violations"]:
                    path, reason = _text(v["path"], 512), _text(v["reason"], 512)
                    column = _text(columns.get(v["path"]), 128)
                    copy.write_row(
                        (key, batch_id, r["position"], r["key"], path, v["rule"], reason, file, line, column)
                    )


def _in_file(place: dict[str, Any] | None) -> tuple[str | None, int | None, dict[str, str]]:
    """File, line and columns of a record that landed."""
    if place is None:
        return None, None, {}
    name = f"{place['object']}!{place['part']}" if place["part"] else place["object"]
    return _text(name, 2048), place["line"], place["columns"]
