"""Redshift's SQL into Postgres's.

A stand-in that took what Redshift refuses would hide the fault that it is there to find: what Postgres has and Redshift
has not is an error. See https://docs.aws.amazon.com/redshift/latest/dg/c_redshift-and-postgres-sql.html
"""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Any

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError
from sqlglot.tokens import TokenType

from localcloud.redshift_data.copy import Copy, CopyError, parse_copy

_QUOTED = r"(?P<quoted>'(?:[^'\\]|''|\\.)*'|\"[^\"]*\")"
# Parts of CREATE TABLE that say where rows lie, and change none of them.
_STORAGE = re.compile(
    _QUOTED + r"|\bENCODE\s+\w+|\bDISTSTYLE\s+\w+|\bDISTKEY\b(?:\s*\([^)]*\))?|\bBACKUP\s+(?:YES|NO)\b"
    r"|\b(?:(?:COMPOUND|INTERLEAVED)\s+)?SORTKEY\b(?:\s*\([^)]*\))?",
    re.IGNORECASE,
)
_LOCK = re.compile(r"LOCK\s+(?:TABLE\s+)?(?P<tables>[\w.\",\s]+)", re.IGNORECASE)
_REFUSED_FUNCTIONS = frozenset(
    {
        "now",
        "array_agg",
        "string_agg",
        "json_agg",
        "jsonb_agg",
        "json_build_object",
        "jsonb_build_object",
        "to_json",
        "to_jsonb",
        "json_object_agg",
        "generate_series",
        "make_date",
        "make_timestamp",
        "make_interval",
        "unnest",
        "format",
        "clock_timestamp",
        "statement_timestamp",
        "regexp_match",
        "regexp_matches",
        "gen_random_uuid",
        "starts_with",
        "pg_advisory_lock",
        "pg_advisory_xact_lock",
    }
)
_SERIALS = {"serial", "bigserial", "smallserial"}
_REFUSED_TYPES = frozenset(
    {
        "json",
        "jsonb",
        "uuid",
        "serial",
        "smallserial",
        "bigserial",
        "array",
        "bit",
        "hstore",
        "inet",
        "money",
        "xml",
        "tsrange",
        "tstzrange",
        "int4range",
    }
)
_RUNS = (
    exp.Query, exp.Insert, exp.Update, exp.Delete, exp.Merge, exp.Create, exp.Drop, exp.Alter, exp.TruncateTable,
    exp.Analyze, exp.Grant,
)  # fmt: skip


class StatementError(Exception):
    """Redshift, or the local cloud, does not run the statement. The message says which and why."""


def translate(sql: str, parameters: dict[str, str]) -> str | Copy:
    """One statement for Postgres, with its `:name` parameters in their places.

    Raises:
        StatementError: it is none that Redshift runs, or the local cloud does not run it.
    """
    sql = sql.strip().rstrip(";").strip()
    if match := _LOCK.fullmatch(sql):
        return f"LOCK TABLE {match['tables']} IN ACCESS EXCLUSIVE MODE"
    if re.match(r"COPY\s", sql, re.IGNORECASE):
        try:
            return parse_copy(sql)
        except CopyError as error:
            raise StatementError(str(error)) from error
    if re.match(r"CREATE\s+(?:\w+\s+)?TABLE\b", sql, re.IGNORECASE):
        sql = _STORAGE.sub(lambda found: found["quoted"] or "", sql)
    tree = _parse(sql)
    _refuse(sql, tree)
    tree = tree.transform(lambda node: _rewritten(node, parameters))
    try:
        return tree.sql("postgres", unsupported_level=sqlglot.ErrorLevel.RAISE)
    except SqlglotError as error:
        raise StatementError(f"The local cloud cannot run this statement: {error}") from error


def parameter_names(sql: str) -> set[str]:
    """The `:name` parameters of a statement; none of one that is wrong."""
    try:
        tree = sqlglot.parse_one(sql, read="redshift")
    except SqlglotError:
        return set(re.findall(r"(?<!:):([A-Za-z_]\w*)", sql))
    return {mark.name for mark in tree.find_all(exp.Placeholder) if mark.name}


def _parse(sql: str) -> exp.Expression:
    try:
        trees = [tree for tree in sqlglot.parse(sql, read="redshift") if tree is not None]
    except SqlglotError as error:
        first = str(error).splitlines()[0] if str(error) else repr(error)
        raise StatementError(f'ERROR: syntax error: {first} in "{sql[:60]}"') from error
    if len(trees) != 1:
        raise StatementError("ERROR: a statement is one SQL command; use BatchExecuteStatement for several")
    (tree,) = trees
    if not isinstance(tree, _RUNS):
        name = sql.split(None, 1)[0].upper()
        raise StatementError(f"The local cloud's Redshift Data API does not run {name}")
    return tree


def _refuse(sql: str, tree: exp.Expression) -> None:
    found = _illegal(tree) or _illegal_function(sql)
    if found:
        raise StatementError(f"ERROR: Redshift has no {found}")


def _illegal(tree: exp.Expression) -> str:
    for node in tree.walk():
        match node:
            case exp.OnConflict():
                return "ON CONFLICT"
            case exp.Returning():
                return "RETURNING"
            case exp.Filter():
                return "FILTER (WHERE …)"
            case exp.Lateral():
                return "LATERAL"
            case exp.Distinct() if node.args.get("on"):
                return "DISTINCT ON"
            case exp.CTE() if node.args.get("materialized") is not None:
                return "MATERIALIZED for a CTE"
            case exp.Create() if node.kind in ("INDEX", "SEQUENCE", "TYPE", "EXTENSION", "TRIGGER", "DOMAIN"):
                return f"CREATE {node.kind}"
            case exp.DataType() if node.this.value.lower() in _REFUSED_TYPES:
                return f"type {node.this.value.lower()}"
            case exp.ColumnDef() if isinstance(tree, exp.Alter) and node.args.get("exists"):
                return "ADD COLUMN IF NOT EXISTS"
    return ""


def _illegal_function(sql: str) -> str:
    tokens = sqlglot.tokenize(sql, read="redshift")
    for token, following in pairwise(tokens):
        called = following.token_type == TokenType.L_PAREN and token.token_type != TokenType.STRING
        if called and token.text.lower() in _REFUSED_FUNCTIONS:
            return f"function {token.text.lower()}"
        if token.text.lower() in _SERIALS and token.token_type != TokenType.STRING:
            return f"type {token.text.lower()}"
    return ""


def _rewritten(node: exp.Expression, parameters: dict[str, str]) -> Any:
    match node:
        case exp.Placeholder() if node.name:
            return exp.Literal.string(parameters[node.name])
        case exp.ParseJSON():
            return exp.cast(node.this, "jsonb", dialect="postgres")
        case exp.DataType() if node.this == exp.DataType.Type.SUPER:
            return exp.DataType.build("jsonb", dialect="postgres")
        case exp.DataType() if node.this == exp.DataType.Type.TEXT or (
            node.this == exp.DataType.Type.VARCHAR and not node.expressions
        ):
            return exp.DataType.build("varchar(256)", dialect="postgres")
        case exp.DataType() if node.this == exp.DataType.Type.VARCHAR and node.expressions[0].name.upper() == "MAX":
            return exp.DataType.build("varchar(65535)", dialect="postgres")
    return node
