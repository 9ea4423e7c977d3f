"""Athena's SQL into DuckDB's, by sqlglot, with the differences that would change a value or its type."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import sqlglot
from sqlglot import exp
from sqlglot.errors import OptimizeError, SqlglotError
from sqlglot.optimizer.annotate_types import annotate_types
from sqlglot.optimizer.qualify import qualify
from sqlglot.optimizer.scope import traverse_scope

from localcloud.athena.catalog import CatalogTable

CATALOGS = ("", "awsdatacatalog")


class StatementRefused(Exception):
    """A statement of a kind that the local cloud does not run."""


class QueryError(Exception):
    """The query is wrong. The message is Athena's reason."""


@dataclass(frozen=True)
class Statement:
    """What is to be run: a query, and for CREATE TABLE AS the table that it makes."""

    query: exp.Query
    creates: exp.Create | None = None


def parse(sql: str) -> Statement:
    """One statement.

    Raises:
        QueryError: it is no SQL of Athena's.
        StatementRefused: it is, and the local cloud does not run its kind.
    """
    try:
        trees = [tree for tree in sqlglot.parse(sql, read="athena") if tree is not None]
    except SqlglotError as error:
        raise QueryError(f"SYNTAX_ERROR: {_first_line(error)}") from error
    if len(trees) != 1:
        raise QueryError("SYNTAX_ERROR: Only one sql statement is allowed")
    (tree,) = trees
    if isinstance(tree, exp.Query):
        return Statement(tree)
    if isinstance(tree, exp.Create) and tree.kind == "TABLE" and isinstance(tree.expression, exp.Query):
        return Statement(tree.expression, tree)
    kind = tree.name.upper() if isinstance(tree, exp.Command) else tree.key.upper()
    if isinstance(tree, (exp.Command, exp.DDL, exp.DML, exp.Describe, exp.Drop, exp.Alter, exp.Merge)):
        raise StatementRefused(f"The local cloud's Athena runs SELECT and CREATE TABLE AS SELECT, and not {kind}")
    raise QueryError(f"SYNTAX_ERROR: line 1:1: mismatched input '{sql.split()[0]}'")


def translate(
    query: exp.Query, *, database: str, parameters: list[str], table: Callable[[str, str], CatalogTable]
) -> str:
    """The query for DuckDB, in which each table of the catalog is the view `database`.`name`.

    Args:
        parameters: SQL literals for the `?` in it.
        table: gives a table by database and name, and makes its view.

    Raises:
        QueryError: what it asks for is not there.
    """
    query = _with_parameters(query.copy(), parameters)
    _name_columns(query)
    schema: dict[str, dict[str, dict[str, str]]] = {}
    for scope in traverse_scope(query):
        for source in scope.sources.values():
            if isinstance(source, exp.Table):
                found = table(*_resolve(source, database))
                schema.setdefault(found.database, {})[found.name] = {
                    column.name: column.hive_type for column in (*found.columns, *found.partition_keys)
                }
    query = _typed(query, schema)
    try:
        return query.sql("duckdb", unsupported_level=sqlglot.ErrorLevel.RAISE)
    except SqlglotError as error:
        raise QueryError(f"NOT_SUPPORTED: The local cloud cannot run this query: {_first_line(error)}") from error


def _with_parameters(query: exp.Query, parameters: list[str]) -> exp.Query:
    marks = list(query.find_all(exp.Placeholder, bfs=False))
    if len(marks) != len(parameters):
        raise QueryError(
            f"INVALID_PARAMETER_USAGE: Incorrect number of parameters: expected {len(marks)} but found "
            f"{len(parameters)}"
        )
    for mark, value in zip(marks, parameters, strict=True):
        try:
            mark.replace(sqlglot.parse_one(value, read="athena"))
        except SqlglotError as error:
            raise QueryError(f"SYNTAX_ERROR: The execution parameter {value} is no SQL literal") from error
    return query


def _name_columns(query: exp.Query) -> None:
    """What has no name is called `_col0`, `_col1` and so on, by its place."""
    select = query
    while isinstance(select, exp.SetOperation):
        select = select.left
    if isinstance(select, exp.Select):
        select.set(
            "expressions",
            [
                e if isinstance(e, exp.Alias) or e.output_name or e.is_star else exp.alias_(e, f"_col{place}")
                for place, e in enumerate(select.expressions)
            ],
        )


def _resolve(source: exp.Table, database: str) -> tuple[str, str]:
    if not isinstance(source.this, exp.Identifier):
        raise QueryError(f"FUNCTION_NOT_FOUND: The local cloud knows no table function {source.this.sql('athena')}")
    if source.catalog.lower() not in CATALOGS:
        raise QueryError(f"CATALOG_NOT_FOUND: Catalog '{source.catalog}' does not exist")
    schema, name = (source.db or database).lower(), source.name.lower()
    if not schema:
        raise QueryError("MISSING_SCHEMA_NAME: Schema must be specified when session schema is not set")
    source.set("catalog", None)
    source.set("db", exp.to_identifier(schema, quoted=True))
    source.set("this", exp.to_identifier(name, quoted=True))
    return schema, name


def _typed(query: exp.Query, schema: dict[str, dict[str, dict[str, str]]]) -> exp.Query:
    """With the types of Trino where DuckDB's differ: averages and quotients of decimals are decimals there."""
    try:
        typed = qualify(
            query.copy(), schema=schema, dialect="athena", validate_qualify_columns=False, expand_stars=False,
            quote_identifiers=True, isolate_tables=False,
        )  # fmt: skip
        typed = annotate_types(typed, schema=schema, dialect="athena")
    except OptimizeError:
        return query  # DuckDB says what is wrong with it
    assert isinstance(typed, exp.Query)
    for node in list(typed.find_all(exp.Avg, exp.Div)):
        if isinstance(node, exp.Div):
            node.set("typed", False)  # sqlglot would make every whole quotient a bigint
        shape = _quotient(node) if isinstance(node, exp.Div) else _decimal(node.this)
        if shape is not None:
            node.replace(exp.cast(node.copy(), exp.DataType.build(f"decimal({shape[0]},{shape[1]})")))
    return typed


def _quotient(node: exp.Div) -> tuple[int, int] | None:
    left, right = _decimal(node.left), _decimal(node.right)
    if left is None and right is None:
        return None
    left, right = left or _integer(node.left), right or _integer(node.right)
    if left is None or right is None:
        return None
    # https://trino.io/docs/current/functions/decimal.html
    scale = max(left[1], right[1])
    return min(38, left[0] + right[1] + max(right[1] - left[1], 0)), scale


def _decimal(node: exp.Expression) -> tuple[int, int] | None:
    kind = node.type
    if not isinstance(kind, exp.DataType) or kind.this != exp.DataType.Type.DECIMAL or len(kind.expressions) != 2:
        return None
    precision, scale = (int(parameter.name) for parameter in kind.expressions)
    return precision, scale


def _integer(node: exp.Expression) -> tuple[int, int] | None:
    digits = {"TINYINT": 3, "SMALLINT": 5, "INT": 10, "BIGINT": 19}
    kind = node.type.this.value if isinstance(node.type, exp.DataType) else ""
    return (digits[kind], 0) if kind in digits else None


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0].replace("\x1b[4m", "").replace("\x1b[0m", "") if str(error) else repr(error)
