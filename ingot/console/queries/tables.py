"""Tables: their place in the graph, their columns, the tests that watch them, rows to explain."""

# ruff: noqa: S608 - names are of the graph, values are in literals, see `literal`

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from ingot.console.masked import MASKED
from ingot.contract.postgres import quote
from ingot.drift import OPEN
from ingot.errors import BatchMissing, ConfigurationError
from ingot.explain import Row, Rows, Walk
from ingot.explain.walk import Node
from ingot.lineage import LAYERS, Dataset, Graph
from ingot.lineage.graph import LINEAGE_FILE
from ingot.naming import Names
from ingot.storage import ObjectStore
from ingot.warehouse.base import Queries
from ingot.warehouse.literal import literal

PAGE = 25
"""Rows to choose from, on one page."""

_MANIFEST = "target/manifest.json"
_HERE = Path("dbt")
_REF = re.compile(r"ref\('(\w+)'\)")
_IN_WAREHOUSE = ("bronze", "staging", "silver", "gold")


@dataclass(frozen=True)
class Check:
    """A test of dbt's.

    Attributes:
        name: its own.
        column: that it watches; empty: the table.
        what: in words, as far as it says any.
        kind: ``data`` or ``unit``.
    """

    name: str
    column: str
    what: str
    kind: str


@dataclass(frozen=True)
class Freshness:
    """How far a stream that a table is made of has been loaded."""

    source: str
    stream: str
    until: datetime
    loaded_at: datetime | None
    batches: int


@dataclass(frozen=True)
class Origins:
    """What a column is made of, layer by layer, the nearest first: the columns and how."""

    layer: str
    columns: list[tuple[str, str]]


def project() -> Path | None:
    """The dbt project of this checkout, if its lineage is there; else the deployed one, which is None."""
    return _HERE if (_HERE / LINEAGE_FILE).is_file() else None


def read_checks(folder: Path | None, names: Names) -> dict[str, list[Check]]:
    """The tests of each table, by its name with the schema; none where nobody parsed the project."""
    try:
        if folder is not None:
            content = (folder / _MANIFEST).read_bytes()
        else:
            content = ObjectStore(names.dags_bucket).get(f"dags/dbt/{_MANIFEST}")
    except (OSError, BatchMissing):
        return {}
    manifest = msgspec.json.decode(content, type=_Manifest)
    tables = {id: f"{node.schema}.{node.alias}" for id, node in manifest.nodes.items() if node.resource_type != "test"}
    names_of = {table.partition(".")[2]: table for table in tables.values()}
    found: dict[str, list[Check]] = {}
    for node in manifest.nodes.values():
        if node.resource_type == "test":
            attached = [node.attached_node] if node.attached_node else node.depends_on.nodes
            for table in (tables[id] for id in attached if id in tables):
                found.setdefault(table, []).append(Check(node.name, node.column_name or "", _words(node), "data"))
    for unit in manifest.unit_tests.values():
        if unit.model in names_of:
            found.setdefault(names_of[unit.model], []).append(Check(unit.name, "", unit.description, "unit"))
    return found


class _DependsOn(msgspec.Struct, frozen=True):
    nodes: list[str] = []


class _TestOf(msgspec.Struct):
    name: str = ""
    kwargs: dict[str, Any] = {}


class _Node(msgspec.Struct):
    name: str
    resource_type: str
    schema: str = ""
    alias: str = ""
    description: str = ""
    column_name: str | None = None
    attached_node: str | None = None
    test_metadata: _TestOf | None = None
    depends_on: _DependsOn = _DependsOn()


class _Unit(msgspec.Struct):
    name: str
    model: str
    description: str = ""


class _Manifest(msgspec.Struct):
    nodes: dict[str, _Node]
    unit_tests: dict[str, _Unit] = {}


def _words(node: _Node) -> str:
    if node.description:
        return node.description
    test = node.test_metadata
    if test is None:
        return node.name.replace("_", " ")
    arguments = test.kwargs
    match test.name:
        case "key":
            return "never null, and never twice"
        case "not_null":
            return "never null"
        case "unique":
            return "never twice"
        case "accepted_values":
            return f"one of {', '.join(map(str, arguments.get('values', ())))}"
        case "agrees":
            origin = _REF.search(str(arguments.get("origin", "")))
            totals = ", ".join(f"{a} = {b}" for a, b in dict(arguments.get("totals", {})).items())
            return f"its totals are those of {origin[1] if origin else arguments.get('origin')}: {totals}"
    return test.name.replace("_", " ")


def freshness(warehouse: Queries, graph: Graph, dataset: Dataset) -> list[Freshness]:
    """How far the streams have been loaded that a dataset is made of."""
    streams = {each.stream for each in graph.upstream(dataset.id).datasets.values() if each.stream is not None}
    if not streams:
        return []
    wanted = ", ".join(literal(".".join(stream)) for stream in sorted(streams))
    answer = warehouse.query(
        f"""
        SELECT source, stream, max(interval_end) AS until, max(loaded_at) AS loaded_at, count(*) AS batches
        FROM audit.batches
        WHERE state = 'LOADED' AND source || '.' || stream IN ({wanted})
        GROUP BY source, stream ORDER BY source, stream
        """
    )
    return [Freshness(*row) for row in answer.rows]


def count(warehouse: Queries, dataset: Dataset) -> int | None:
    """How many rows a table has; None if it is none of the warehouse's, or not built yet."""
    if dataset.layer not in _IN_WAREHOUSE:
        return None
    try:
        ((found,),) = warehouse.query(f"SELECT count(*) FROM {_table(dataset.id)}").rows
    except ConfigurationError:
        return None
    return int(found)


def origins(graph: Graph, table: str, column: str) -> list[Origins]:
    """What a column is made of, back to the source."""
    part = graph.upstream(table, column)
    found: dict[str, dict[str, str]] = {layer: {} for layer in reversed(LAYERS)}
    # How a column is used is said where it is used: `same`, unless one of those that are made of it says more.
    for made in part.columns.values():
        for inputs in made.values():
            for each in inputs:
                layer = part.datasets[each.dataset].layer
                name = f"{each.dataset.partition('.')[2]}.{each.column}"
                how = found[layer].get(name, "same")
                found[layer][name] = each.kind if how == "same" else how
    return [Origins(layer, sorted(columns.items())) for layer, columns in found.items() if columns]


def hidden_columns(graph: Graph, table: str) -> frozenset[str]:
    """The columns that are made of something that a contract does not let show."""
    if table not in graph.datasets:
        return frozenset()
    hidden = set()
    for field in graph.dataset(table).fields:
        part = graph.upstream(table, field.name)
        used = {(table, field.name)} | {
            (i.dataset, i.column) for made in part.columns.values() for inputs in made.values() for i in inputs
        }
        for dataset, column in used:
            kinds = {f.name: f.classification for f in graph.dataset(dataset).fields}
            if kinds.get(column, "") not in ("", *OPEN):
                hidden.add(field.name)
    return frozenset(hidden)


@dataclass(frozen=True)
class Choice:
    """A row that can be explained: its key, and its other columns."""

    key: list[str]
    cells: list[str]


@dataclass(frozen=True)
class Choices:
    """Rows to choose from.

    Attributes:
        key: the columns of the key.
        columns: the others.
        more: whether there are further rows.
        withheld: whether none is listed because keys are not for everyone, or nobody can say that they are.
    """

    key: Sequence[str]
    columns: Sequence[str]
    rows: list[Choice]
    more: bool
    withheld: bool = False


def choices(
    warehouse: Queries, graph: Graph, node: Node, *, wanted: Mapping[str, str] | None = None, page: int = 1
) -> Choices:
    """Rows of a table, in the order of their keys.

    Args:
        wanted: column of the key and the text that its value begins with.
    """
    hidden = hidden_columns(graph, node.table)
    if node.table not in graph.datasets or hidden.intersection(node.key):
        return Choices(node.key, (), [], more=False, withheld=True)
    known = [field.name for field in graph.dataset(node.table).fields]
    others = [c for c in known if c not in node.key and not c.startswith("_") and c not in hidden]
    columns = ", ".join(map(quote, [*node.key, *others]))
    conditions = " AND ".join(
        f"lower(CAST({quote(column)} AS varchar)) LIKE {literal(_prefix(text))} ESCAPE '!'"
        for column, text in (wanted or {}).items()
        if text and column in node.key
    )
    answer = warehouse.query(
        f"SELECT {columns} FROM {_table(node.table)} {f'WHERE {conditions}' if conditions else ''} "
        f"ORDER BY {', '.join(map(quote, node.key))} LIMIT {PAGE + 1} OFFSET {(max(page, 1) - 1) * PAGE}"
    )
    size = len(node.key)
    rows = [Choice(list(map(text_of, row[:size])), list(map(text_of, row[size:]))) for row in answer.rows[:PAGE]]
    return Choices(node.key, others, rows, more=len(answer.rows) > PAGE)


def without_hidden(rows: Rows, graph: Graph) -> Rows:
    """A walk without what the contracts do not let show; records are not asked for at all."""
    hidden = hidden_columns(graph, rows.table)
    unknown = rows.table not in graph.datasets  # of which nobody can say what may be shown

    def masked(values: Mapping[str, Any]) -> dict[str, Any]:
        return {
            name: MASKED if (unknown or name in hidden) and value is not None else value
            for name, value in values.items()
        }

    def row(one: Row) -> Row:
        made_of = [without_hidden(each, graph) for each in one.made_of]
        return Row(masked(one.key), masked(one.values), made_of, one.origin)

    return msgspec.structs.replace(rows, rows=[row(one) for one in rows.rows])


def explainable(walk: Walk) -> list[str]:
    """The tables whose rows can be explained, gold first, without the streams' own."""
    tables: Iterable[str] = (table for table, node in walk.items() if node.stream is None)
    return sorted(tables, key=lambda table: (not table.startswith("gold."), table))


def text_of(value: Any) -> str:
    """A value of the warehouse as it is shown, and as a key is asked for."""
    if value is None:
        return ""
    return value.isoformat() if isinstance(value, datetime) else str(value)


def _prefix(text: str) -> str:
    return re.sub(r"([!%_])", r"!\1", text.lower()) + "%"


def _table(name: str) -> str:
    return ".".join(map(quote, name.split(".")))
