"""Which columns those of dbt's models are made of, read from their SQL: ``python -m ingot.lineage.models MANIFEST``.

It takes a manifest with compiled SQL (``dbt compile``) and prints what :func:`ingot.lineage.graph.read_models` reads.
sqlglot follows columns through CTEs, unions and stars, if it is told the columns of tables: those of sources and seeds
as the project declares them, and those of models as they came out before. Lineage is of values: what a row is joined or
filtered by is in the inputs of its table, and in no column's.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import sqlglot
from sqlglot import exp
from sqlglot.lineage import Node, lineage
from sqlglot.optimizer.qualify import qualify
from sqlglot.optimizer.scope import build_scope

from ingot.errors import ConfigurationError
from ingot.lineage.fields import Field
from ingot.lineage.graph import Model
from ingot.lineage.model import Input, Kind

_DIALECT = "postgres"


def main(manifest: str, project: str = "dbt") -> None:
    """Print the lineage of the models of a manifest."""
    found = read_manifest(Path(manifest).read_bytes(), Path(project))
    sys.stdout.buffer.write(msgspec.json.format(msgspec.json.encode(found), indent=1) + b"\n")


def read_manifest(content: bytes, project: Path) -> tuple[Model, ...]:
    """The lineage of all models of a manifest, in the order in which dbt builds them.

    Args:
        content: of ``manifest.json``, as ``dbt compile`` writes it.
        project: the folder of the project, in which seeds say their columns.

    Raises:
        ConfigurationError: it holds no compiled SQL, or SQL that cannot be followed.
    """
    manifest = msgspec.json.decode(content)
    nodes = {key: node for key, node in manifest["nodes"].items() if node["resource_type"] in ("model", "seed")}
    known = {_table(source, "identifier"): tuple(source["columns"]) for source in manifest["sources"].values()}
    models: list[Model] = []
    for key in _in_order(nodes):
        node = nodes[key]
        if node["resource_type"] == "seed":
            header = (project / node["original_file_path"]).read_text(encoding="utf-8").partition("\n")[0]
            found = Model(_table(node), node["description"], _fields(node, header.strip().split(",")), (), {})
        else:
            found = _model(node, known)
        known[found.table] = tuple(field.name for field in found.fields)
        models.append(found)
    return tuple(models)


def _model(node: dict[str, Any], known: dict[str, tuple[str, ...]]) -> Model:
    name = _table(node)
    if not node.get("compiled_code"):
        raise ConfigurationError(
            f"The manifest holds no SQL of {name}.", hint="it is compiled by `dbt compile`, as `make manifest` does"
        )
    try:
        query = _followable(sqlglot.parse_one(node["compiled_code"], dialect=_DIALECT))
        query = qualify(query, schema=_schema(node["database"], known), dialect=_DIALECT)
        follow = _Follow(query)
        columns = [str(column.alias_or_name) for column in query.selects]  # type: ignore[attr-defined]
        made = {column: follow.inputs(column) for column in columns}
    except sqlglot.errors.SqlglotError as error:
        raise ConfigurationError(
            f"The SQL of {name} cannot be followed: {error}.", hint="write it so that sqlglot reads it as Postgres's"
        ) from error
    tables = {f"{t.db}.{t.name}" for t in query.find_all(exp.Table) if t.db}
    return Model(
        name, node["description"], _fields(node, columns), tuple(sorted(tables)), {c: i for c, i in made.items() if i}
    )


class _Follow:
    """One query, whose columns are followed to tables."""

    def __init__(self, query: exp.Expr) -> None:
        self._query = query
        scope = build_scope(query)
        if scope is None:
            raise sqlglot.errors.SqlglotError("it is no SELECT")
        self._scope = scope

    def inputs(self, column: str) -> tuple[Input, ...]:
        found: dict[tuple[str, str], Kind] = {}
        tree = lineage(column, self._query, dialect=_DIALECT, scope=self._scope, trim_selects=False, copy=False)
        for at, kind in self._leaves(tree, "same"):
            found[at] = max(kind, found.get(at, "same"), key=_KINDS.index)
        return tuple(Input(*at, kind) for at, kind in sorted(found.items()))

    def _leaves(self, node: Node, kind: Kind) -> Iterator[tuple[tuple[str, str], Kind]]:
        if isinstance(node.source, exp.Table):
            yield (f"{node.source.db}.{node.source.name}", exp.to_column(node.name).name), kind
            return
        kind = max(kind, _kind(node.expression), key=_KINDS.index)
        for further in node.downstream:
            yield from self._leaves(further, kind)
        counts = node.expression.find_all(exp.Count)
        if not node.downstream and any(isinstance(count.this, exp.Star) for count in counts):
            for scope in self._scope.traverse():
                if scope.expression is node.source:
                    yield from (((table, "*"), kind) for table in _rows_of(scope))


def _rows_of(scope: Any) -> Iterator[str]:
    for _, source in scope.selected_sources.values():
        if isinstance(source, exp.Table):
            yield f"{source.db}.{source.name}"
        else:
            yield from _rows_of(source)


_KINDS: tuple[Kind, ...] = ("same", "computed", "aggregated")


def _kind(expression: exp.Expr) -> Kind:
    value = expression.unalias()
    if isinstance(value, exp.Column):
        return "same"
    return "aggregated" if value.find(exp.AggFunc, exp.Window) else "computed"


def _followable(query: exp.Expr) -> exp.Expr:
    """The same query for lineage's purposes, of what sqlglot's lineage follows."""
    for select in list(query.find_all(exp.Select)):
        for join in select.args.get("joins") or ():
            table = join.this
            # Elements of an array: each of their columns is made of what the function takes.
            if isinstance(table, exp.Table) and isinstance(table.this, exp.Func) and table.alias:
                (array,) = table.this.find_all(exp.Column)
                for column in list(select.find_all(exp.Column)):
                    if column.table == table.alias:
                        column.replace(exp.func("element", array.copy()))
                for count in select.find_all(exp.Count):
                    if isinstance(count.this, exp.Star):
                        count.set("this", array.copy())
                join.pop()
    for window in list(query.find_all(exp.Window)):
        # A window says which rows; a value is made of them only where nothing else is asked, as in rank().
        if window.this.find(exp.Column):
            window.set("partition_by", None)
            window.set("order", None)
    return query


def _schema(database: str, known: dict[str, tuple[str, ...]]) -> dict[str, Any]:
    schema: dict[str, Any] = {}
    for name, columns in known.items():
        layer, _, table = name.partition(".")
        schema.setdefault(layer, {})[table] = dict.fromkeys(columns, "text")
    return {database: schema}


def _fields(node: dict[str, Any], columns: list[str]) -> tuple[Field, ...]:
    told = {name: node["columns"].get(name, {}) for name in columns}
    return tuple(Field(name, each.get("data_type") or "", each.get("description", "")) for name, each in told.items())


def _table(node: dict[str, Any], name: str = "alias") -> str:
    return f"{node['schema']}.{node[name]}"


def _in_order(nodes: dict[str, Any]) -> Iterator[str]:
    done: set[str] = set()

    def visit(key: str) -> Iterator[str]:
        if key in nodes and key not in done:
            done.add(key)
            for before in sorted(nodes[key].get("depends_on", {}).get("nodes", ())):
                yield from visit(before)
            yield key

    for key in sorted(nodes):
        yield from visit(key)


if __name__ == "__main__":
    main(*sys.argv[1:])
