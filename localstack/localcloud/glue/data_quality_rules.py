"""DQDL rules, evaluated on DuckDB as AWS describes them.

Meaning: https://docs.aws.amazon.com/glue/latest/dg/dqdl.html and awslabs/deequ, on which Glue Data Quality stands:
`ColumnValues` fails for a NULL, `ColumnLength` takes one for an empty text, `matches` wants the whole value, a rule
fails whose `where` finds no row (but a RowCount), and so does any rule of a list or a struct.

A rule of another type than these, or with a condition that is not among them, fails with a message that names it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import duckdb
import sqlglot
from duckdb import DuckDBPyRelation
from sqlglot.errors import SqlglotError

# A quote ends at the first one that no backslash stands before.
_TOKEN = re.compile(
    r'(?P<string>"(?:\\["\\]|[^"])*?")|(?P<number>-?\d+(?:\.\d+)?)|(?P<word>[A-Za-z][A-Za-z0-9_.]*)'
    r"|(?P<sign>[<>!]?=|[<>]|[,()\[\]])|(?P<skip>\s+|#[^\n]*(?:\n|$))|(?P<other>.)",
    re.DOTALL,
)
_SIMPLE = re.compile(
    r'(?P<kind>\w+)(?P<columns>(?:\s+"(?:\\["\\]|[^"])*?")*)'
    r'(?:\s+(?P<operator><=|>=|<|>|=|matches)\s+(?:(?P<number>-?\d+(?:\.\d+)?)|"(?P<text>(?:\\["\\]|[^"])*?)"))?'
    r'(?:\s+where\s+"(?P<where>(?:\\["\\]|[^"])*?)")?'
)
_COLUMN = re.compile(r'"((?:\\["\\]|[^"])*?)"')
# Rule -> fewest and most columns, the operators that it has here.
_COMPARES = ("<", "<=", "=", ">=", ">")
_KINDS: dict[str, tuple[int, int, tuple[str | None, ...]]] = {
    "RowCount": (0, 0, _COMPARES),
    "ColumnExists": (1, 1, (None,)),
    "IsComplete": (1, 1, (None,)),
    "IsPrimaryKey": (1, 99, (None,)),
    "ColumnLength": (1, 1, _COMPARES),
    "ColumnValues": (1, 1, (*_COMPARES, "matches")),
}


class RulesetError(Exception):
    """The ruleset is no DQDL. The message says where."""


@dataclass
class Verdict:
    """What became of a rule: why it failed, or nothing; and what was measured."""

    failure: str = ""
    metrics: dict[str, float] = field(default_factory=dict)


def parse(ruleset: str) -> list[str]:
    """The texts of a ruleset's rules; raises RulesetError."""
    tokens = [match for match in _TOKEN.finditer(ruleset) if match.lastgroup != "skip"]
    if [match[0] for match in tokens[:3]] != ["Rules", "=", "["]:
        raise RulesetError("A ruleset begins with Rules = [")
    rules, depth, start = [], 0, None
    for match in tokens[3:]:
        if match.lastgroup == "other":
            raise RulesetError(f"Unexpected {match[0]!r} at character {match.start()}")
        start = match.start() if start is None else start
        if not depth and match[0] in (",", "]"):
            text = ruleset[start : match.start()].strip()
            if not text:
                raise RulesetError(f"A rule is due before {match[0]!r} at character {match.start()}")
            rules.append(re.sub(r"\s*#[^\n\"]*$", "", text))
            start = None
            if match[0] == "]":
                if match is not tokens[-1]:
                    raise RulesetError("The local cloud evaluates Rules, and no Analyzers or Labels")
                return rules
        depth += {"(": 1, "[": 1, ")": -1, "]": -1}.get(match[0], 0)
    raise RulesetError("The rules have no end: ] is missing")


def evaluate(rule: str, table: DuckDBPyRelation) -> Verdict:
    """Whether a rule holds. One that cannot be evaluated fails, and says so."""
    parts = _alternatives(rule)
    if parts is None:
        return Verdict(f"The local cloud cannot evaluate this rule: {rule}")
    verdicts = [_simple(part, table) for part in parts]
    metrics = {name: value for verdict in verdicts for name, value in verdict.metrics.items()}
    if any(not verdict.failure for verdict in verdicts):
        return Verdict("", metrics)
    return Verdict("; ".join(verdict.failure for verdict in verdicts), metrics)


def _alternatives(rule: str) -> list[str] | None:
    """The rules that are joined by `or`; one alone stands for itself, and `and` is not understood."""
    if not rule.startswith("("):
        return [rule]
    parts, depth, start, joins = [], 0, 0, []
    for match in _TOKEN.finditer(rule):
        if match[0] == "(":
            start = match.end() if not depth else start
            depth += 1
        elif match[0] == ")":
            depth -= 1
            if not depth:
                parts.append(rule[start : match.start()].strip())
        elif not depth and match.lastgroup != "skip":
            joins.append(match[0])
    return parts if joins == ["or"] * (len(parts) - 1) and not any(part.startswith("(") for part in parts) else None


def _simple(rule: str, table: DuckDBPyRelation) -> Verdict:
    match = _SIMPLE.fullmatch(rule)
    kind = rule.split(None, 1)[0]
    if kind not in _KINDS:
        return Verdict(f"The local cloud does not evaluate rules of type {kind}")
    fewest, most, operators = _KINDS[kind]
    columns = _COLUMN.findall(match["columns"]) if match else []
    if match is None or match["operator"] not in operators or not fewest <= len(columns) <= most:
        return Verdict(f"The local cloud does not evaluate {kind} in this form: {rule}")
    if (match["operator"] == "matches") != (match["text"] is not None):
        return Verdict(f"The local cloud does not evaluate {kind} in this form: {rule}")
    if kind == "ColumnExists":
        return Verdict("" if columns[0] in table.columns else f"Column {columns[0]} does not exist")
    try:
        return _measure(kind, columns, match, table)
    except (duckdb.Error, SqlglotError) as error:
        return Verdict(f"{rule} cannot be evaluated: {str(error).strip()}")


def _measure(kind: str, columns: list[str], match: re.Match[str], table: DuckDBPyRelation) -> Verdict:
    for name in columns:
        if name not in table.columns:
            return Verdict(f"Column {name} does not exist")
        if table.types[table.columns.index(name)].id in ("list", "struct", "map"):
            return Verdict(f"Column {name} is nested: Data Quality has no rules for such columns")
    rows = table
    if match["where"] is not None:
        rows = table.filter(sqlglot.parse_one(match["where"].replace('\\"', '"'), read="spark").sql("duckdb"))
    (count,) = _row(rows, "count(*)")
    if kind == "RowCount":
        metrics = {"Dataset.*.RowCount": float(count)}
        (holds,) = _row(rows, f"count(*) {match['operator']} {match['number']}")
        return Verdict("" if holds else f"Value: {count} does not meet the constraint requirement!", metrics)
    label = ",".join(columns)
    if not count:
        return Verdict(f"No row was found to evaluate {kind} {label}")
    names = [_quote(name) for name in columns]
    if kind == "IsPrimaryKey":
        distinct, complete = _row(rows, f"count(distinct ({', '.join(names)})), count({names[0]})")
        metrics = {f"Column.{label}.Uniqueness": distinct / count}
        # Of several columns Deequ asks only that they are unique together.
        holds = distinct == count and (len(columns) > 1 or complete == count)
        return Verdict("" if holds else f"{count - distinct} rows repeat the key {label}", metrics)
    (meeting,) = _row(rows, f"count(*) FILTER (WHERE {_condition(kind, names[0], match)})")
    measured = "Completeness" if kind == "IsComplete" else f"{kind}.Compliance"
    metrics = {f"Column.{label}.{measured}": meeting / count}
    if meeting == count:
        return Verdict("", metrics)
    return Verdict(f"Value: {meeting / count} does not meet the constraint requirement!", metrics)


def _condition(kind: str, column: str, match: re.Match[str]) -> str:
    if kind == "IsComplete":
        return f"{column} IS NOT NULL"
    if kind == "ColumnLength":
        return f"length(coalesce({column}, '')) {match['operator']} {match['number']}"
    if match["operator"] == "matches":
        # Java's flag for line ends has no namesake in RE2, which knows no others.
        pattern = match["text"].replace('\\"', '"').removeprefix("(?d)").replace("'", "''")
        return f"coalesce(regexp_full_match({column}, '{pattern}'), false)"
    return f"coalesce({column} {match['operator']} {match['number']}, false)"


def _row(rows: DuckDBPyRelation, expression: str) -> tuple[int, ...]:
    (found,) = rows.aggregate(expression).fetchall()
    row: tuple[int, ...] = found
    return row


def _quote(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
