"""The part of a walk that lies in the warehouse: from a row to the rows that it is made of, down to Bronze.

Nothing is loaded that is not shown: of many rows the first few, and a count of them all.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import msgspec

from ingot.contract.postgres import quote
from ingot.errors import ConfigurationError
from ingot.explain.origin import Origin, Origins
from ingot.explain.walk import Node, Step, Walk
from ingot.storage import ObjectStore
from ingot.warehouse.base import Queries

_LINEAGE = ("_batch_id", "_line", "_ingested_at", "_record_hash", "_deleted")
_NEWEST_FIRST = "_ingested_at DESC, _batch_id DESC, _line DESC"


class Row(msgspec.Struct, frozen=True):
    """One row.

    Attributes:
        key: its values in the columns that tell the table's rows apart.
        values: its other values, without lineage; none in Bronze, where personal data stands in clear.
        made_of: the rows that it is made of.
        origin: where a Bronze row comes from.
    """

    key: dict[str, Any]
    values: dict[str, Any]
    made_of: list[Rows]
    origin: Origin | None


class Rows(msgspec.Struct, frozen=True):
    """Rows of one table.

    Attributes:
        label: what they are to the row that is made of them, if it is not plain.
        total: how many there are; `rows` may be fewer.
    """

    table: str
    label: str
    total: int
    rows: list[Row]


def explain(
    table: str,
    where: Mapping[str, str],
    *,
    walk: Walk,
    warehouse: Queries,
    bronze: ObjectStore,
    limit: int,
    records: bool = False,
) -> Rows:
    """Walk back from the rows of a table that have certain values.

    Args:
        table: with its schema: ``gold.category_revenue``.
        where: column and value, as text.
        limit: of the rows that a row is made of, how many of each kind.
        records: read the records themselves, too: each is held to its part's hash and its own.

    Raises:
        ConfigurationError: there is no such table, column or row.
        BatchMissing: the manifest or the object of a record is not in Bronze.
        IntegrityError: a record that was asked for is not what was loaded.
    """
    walker = _Walker(walk, warehouse, Origins(bronze, records=records), limit)
    found = walker.rows(Step(table, {}), tuple(where.items()))
    if not found.total:
        wanted = " and ".join(f"{column} = {value}" for column, value in where.items())
        raise ConfigurationError(f"{table} has no row with {wanted}.", hint="look at the table with `ingot sql`")
    return found


@dataclass
class _Walker:
    walk: Walk
    warehouse: Queries
    origins: Origins
    limit: int
    _seen: dict[tuple[str, tuple[tuple[str, Any], ...]], Rows] = field(default_factory=dict)

    def rows(self, step: Step, where: tuple[tuple[str, Any], ...]) -> Rows:
        """Those of one table, each with what it is made of. The lines of an order lead to one record: it is kept."""
        at = (step.table, where)
        if at not in self._seen:
            self._seen[at] = self._rows(self.walk.node(step.table), where)
        return msgspec.structs.replace(self._seen[at], label=step.label)

    def _rows(self, node: Node, where: tuple[tuple[str, Any], ...]) -> Rows:
        source = f"FROM {'.'.join(map(quote, node.table.split('.')))} WHERE {_condition(where)}"
        columns = ", ".join(map(quote, (*node.key, *_LINEAGE))) if node.stream else "*"
        order = _NEWEST_FIRST if node.stream else ", ".join(map(quote, node.key))
        query = f"SELECT {columns} {source} ORDER BY {order} LIMIT {self.limit + 1}"
        answer = self.warehouse.query(query)
        total = len(answer.rows)
        if total > self.limit:
            ((total,),) = self.warehouse.query(f"SELECT count(*) {source}").rows
        found = (dict(zip(answer.columns, row, strict=True)) for row in answer.rows[: self.limit])
        return Rows(node.table, "", total, [self._row(node, values) for values in found])

    def _row(self, node: Node, values: dict[str, Any]) -> Row:
        key = {column: values[column] for column in node.key}
        if node.stream is not None:
            return Row(key, {}, [], self.origins.of(*node.stream, *(values[name] for name in _LINEAGE)))
        made_of = [self._made_of(node, step, values) for step in node.made_of]
        shown = {name: value for name, value in values.items() if name not in key and not name.startswith("_")}
        return Row(key, shown, [rows for rows in made_of if rows is not None], None)

    def _made_of(self, node: Node, step: Step, values: dict[str, Any]) -> Rows | None:
        try:
            where = tuple((there, here and values[here]) for there, here in step.where.items())
        except KeyError as error:
            raise ConfigurationError(
                f"{node.table} has no column {error}, by which it is said to be made of {step.table}.",
                hint="correct `made_of` in the model's YAML, or run dbt",
            ) from error
        # A value that is null leads nowhere: no deletion, no price.
        if any(value is None and step.where[there] is not None for there, value in where):
            return None
        # A row may be of one of several streams. A batch's id begins with its own: another's table, which need not be
        # there, has no row of it.
        stream, batch = self.walk.node(step.table).stream, dict(where).get("_batch_id")
        if stream is not None and batch is not None and not batch.startswith(f"{'.'.join(stream)}."):
            return None
        return self.rows(step, where)


def _condition(where: tuple[tuple[str, Any], ...]) -> str:
    return " AND ".join(
        f"{quote(column)} IS NULL" if value is None else f"{quote(column)} = {_literal(value)}"
        for column, value in where
    )


def _literal(value: Any) -> str:
    # Without a type: the warehouse reads it as the column's.
    text = value.isoformat() if isinstance(value, datetime) else str(value)
    return "'" + text.replace("'", "''") + "'"
