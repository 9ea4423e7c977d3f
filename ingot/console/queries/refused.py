"""Refused records as the warehouse's audit tables know them: where they are, what they broke, what became of them.

The records themselves are in the quarantine; nothing of their values is in the warehouse but their keys.
"""

# ruff: noqa: S608 - what comes from outside is in literals, see `literal`

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

from ingot.warehouse.base import Queries
from ingot.warehouse.literal import literal

STATES = ("open", "resolved", "unpublished", "all")
"""As `ingot quarantine list --state` names them."""

PAGE = 50
"""Records on one page."""

MOST_OBJECTS = 200
"""Objects that one action takes: it goes on with the next call."""

_VIOLATIONS = """
    SELECT
        rejects.quarantine_key, rejects.position, rejects.record_key, rejects.path, rejects.rule, rejects.reason,
        rejects.file, rejects.file_line, batches.batch_id, batches.source, batches.stream,
        coalesce(batches.committed_at, batches.as_of, batches.interval_end) AS refused_at,
        CASE
            WHEN resolvers.resolved_key IS NOT NULL THEN 'resolved'
            WHEN holders.rejects_key IS NOT NULL THEN 'open'
            ELSE 'unpublished'
        END AS state
    FROM audit.rejects AS rejects
    INNER JOIN audit.batches AS batches ON batches.batch_id = rejects.batch_id
    LEFT JOIN audit.batches AS holders ON holders.rejects_key = rejects.quarantine_key
    LEFT JOIN audit.batches AS resolvers ON resolvers.resolved_key = rejects.quarantine_key
"""


@dataclass(frozen=True, kw_only=True)
class Filter:
    """Which refused records; what is empty does not choose.

    Attributes:
        path: as in a violation; ``[]`` is any element of a list.
        state: one of :data:`STATES`.
        since, until: the first and the last day (UTC) on which they were refused.
    """

    source: str = ""
    stream: str = ""
    rule: str = ""
    path: str = ""
    state: str = "open"
    since: date | None = None
    until: date | None = None

    @property
    def conditions(self) -> str:
        """It as SQL, for what ``_VIOLATIONS`` selects."""
        return " AND ".join(["1 = 1", *self._conditions()])

    def _conditions(self) -> Iterator[str]:
        for column in ("source", "stream", "rule"):
            if value := getattr(self, column):
                yield f"{column} = {literal(value)}"
        if self.path:
            escaped = re.sub(r"([!%_])", r"!\1", self.path).replace("[]", "[%]")
            yield f"path LIKE {literal(escaped)} ESCAPE '!'"
        if self.state != "all":
            yield f"state = {literal(self.state)}"
        if self.since:
            yield f"refused_at >= {literal(_start_of(self.since).isoformat())}"
        if self.until and self.until < date.max:
            yield f"refused_at < {literal(_start_of(self.until + timedelta(days=1)).isoformat())}"


@dataclass(frozen=True, kw_only=True)
class Count:
    """How many records, and how many violations, there are of a rule in a stream."""

    source: str
    stream: str
    rule: str
    records: int
    violations: int


@dataclass(frozen=True, kw_only=True)
class Line:
    """One refused record, with the first of its violations.

    Attributes:
        object: of the quarantine.
        key: its primary key as JSON, if it could be read; it may be personal.
        violations: how many it has.
        file, file_line: where it landed, if it did.
    """

    object: str
    position: int
    key: str | None
    path: str
    rule: str
    reason: str
    violations: int
    file: str | None
    file_line: int | None
    batch_id: str
    source: str
    stream: str
    refused_at: datetime
    state: str


@dataclass(frozen=True, kw_only=True)
class InObject:
    """What an action would take of one object.

    Attributes:
        matching: records that the filter chooses.
        taken: records that an action on the filter's rule takes; all of the object's without one.
    """

    object: str
    batch_id: str
    source: str
    stream: str
    matching: int
    taken: int


def counts(warehouse: Queries, wanted: Filter) -> list[Count]:
    """By stream and rule, the most first."""
    answer = warehouse.query(
        f"""
        SELECT source, stream, rule, count(*) AS records, sum(violations) AS violations
        FROM (
            SELECT source, stream, rule, quarantine_key, position, count(*) AS violations
            FROM ({_VIOLATIONS}) AS violations
            WHERE {wanted.conditions}
            GROUP BY source, stream, rule, quarantine_key, position
        ) AS records
        GROUP BY source, stream, rule
        ORDER BY 4 DESC, 1, 2, 3
        """
    )
    return [Count(**_row(answer.columns, row)) for row in answer.rows]


def paths(warehouse: Queries, wanted: Filter) -> list[str]:
    """The paths that are broken most, each for all elements of its lists."""
    answer = warehouse.query(
        f"""
        SELECT path, count(*) AS violations FROM ({_VIOLATIONS}) AS violations
        WHERE {replace(wanted, path="").conditions}
        GROUP BY path ORDER BY 2 DESC, 1 LIMIT 500
        """
    )
    return list(dict.fromkeys(re.sub(r"\[\d+\]", "[]", path) for path, _ in answer.rows))[:50]


def total(warehouse: Queries, wanted: Filter) -> int:
    """How many records there are."""
    ((found,),) = warehouse.query(
        f"""
        SELECT count(*) FROM (
            SELECT DISTINCT quarantine_key, position FROM ({_VIOLATIONS}) AS violations WHERE {wanted.conditions}
        ) AS records
        """
    ).rows
    return int(found)


def page(warehouse: Queries, wanted: Filter, number: int) -> list[Line]:
    """One page of them, from 1; the newest first."""
    answer = warehouse.query(
        f"""
        SELECT
            quarantine_key AS object, position, record_key AS key, path, rule, reason, violations, file, file_line,
            batch_id, source, stream, refused_at, state
        FROM (
            SELECT *,
                row_number() OVER (PARTITION BY quarantine_key, position ORDER BY path, rule) AS place,
                count(*) OVER (PARTITION BY quarantine_key, position) AS violations
            FROM ({_VIOLATIONS}) AS violations
            WHERE {wanted.conditions}
        ) AS ranked
        WHERE place = 1
        ORDER BY refused_at DESC, quarantine_key, position
        LIMIT {PAGE} OFFSET {(max(number, 1) - 1) * PAGE}
        """
    )
    return [Line(**_row(answer.columns, row)) for row in answer.rows]


def objects(warehouse: Queries, wanted: Filter, *, only: Sequence[str] | None = None) -> list[InObject]:
    """The objects that hold such records, at most one more than an action takes.

    Args:
        only: these objects, by their keys.
    """
    those = f"quarantine_key IN ({', '.join(map(literal, only))})" if only else "1 = 1"
    answer = warehouse.query(
        f"""
        SELECT quarantine_key AS object, batch_id, source, stream,
            count(DISTINCT CASE WHEN {replace(wanted, state="all").conditions} THEN position END) AS matching,
            count(DISTINCT CASE WHEN {Filter(rule=wanted.rule, state="all").conditions} THEN position END) AS taken
        FROM ({_VIOLATIONS}) AS violations
        WHERE {Filter(source=wanted.source, stream=wanted.stream, state=wanted.state).conditions} AND {those}
        GROUP BY quarantine_key, batch_id, source, stream
        HAVING count(DISTINCT CASE WHEN {replace(wanted, state="all").conditions} THEN position END) > 0
        ORDER BY 1
        LIMIT {MOST_OBJECTS + 1}
        """
    )
    return [InObject(**_row(answer.columns, row)) for row in answer.rows]


def of_object(warehouse: Queries, key: str, around: int, *, limit: int = PAGE) -> list[int]:
    """The positions of an object's records, from one on."""
    answer = warehouse.query(
        f"""
        SELECT DISTINCT position FROM audit.rejects
        WHERE quarantine_key = {literal(key)} AND position >= {int(around)} ORDER BY 1 LIMIT {int(limit)}
        """
    )
    return [int(position) for (position,) in answer.rows]


def _row(columns: Sequence[str], row: Sequence[Any]) -> dict[str, Any]:
    found = dict(zip(columns, row, strict=True))
    return found | {name: int(value) for name, value in found.items() if name in _NUMBERS and value is not None}


_NUMBERS = ("records", "violations", "matching", "taken", "position", "file_line")


def _start_of(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)
