"""DQDL as far as Ingot writes it: read strictly by AWS's grammar, and evaluated on DuckDB as AWS describes it.

Grammar: https://github.com/awslabs/dqdl (DataQualityDefinitionLanguage.g4). Which rule takes how many columns, what
condition and whether a ``where``: rules-config.json there. Meaning: https://docs.aws.amazon.com/glue/latest/dg/dqdl.html,
where ``ColumnValues`` fails for a NULL and ``ColumnLength`` takes one for an empty text; and awslabs/deequ, where
``matches`` is of the whole value, and a rule whose ``where`` finds no row fails, as does any rule of a list, and
``IsPrimaryKey`` of several columns wants them unique, not complete.

AWS's own parser needs Java and Maven. Held against it once, with 700 rulesets in which one token was changed, this one
took none that it refuses (of those that it takes, this one takes half: what Ingot does not write). Held against Deequ
on Spark 3.5, it found the same rules broken by each of fifteen wrong values, and none by a right table.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import duckdb

# Longest first, as a lexer takes them: a quote ends at the first one that no backslash stands before.
_TOKEN = re.compile(
    r'(?P<string>"(?:\\["\\]|[^"])*?")|(?P<number>-?\d+(?:\.\d+)?)|(?P<word>[A-Za-z][A-Za-z0-9_.]*)|(?P<sign>[<>]=?|[=,()\[\]])'
    r"|(?P<skip>[ \t\n]+|#[^\n]*\n)"
)
# Rule → fewest and most columns, the kinds of its condition, whether it may have a `where`.
_RULES = {
    "IsComplete": (1, 1, {"none"}, True),
    "IsPrimaryKey": (1, 99, {"none"}, True),
    "ColumnExists": (1, 1, {"none"}, False),
    "ColumnLength": (1, 1, {"number"}, True),
    "ColumnValues": (1, 1, {"number", "string"}, True),
    "RowCount": (0, 0, {"number"}, True),
}


@dataclass(frozen=True)
class Rule:
    """One rule: ``ColumnValues "price" >= 0 where "…"``."""

    kind: str
    columns: tuple[str, ...]
    operator: str
    operand: str
    where: str

    def holds(self, table: duckdb.DuckDBPyRelation) -> bool:
        """Whether it is true of a table."""
        if self.kind == "ColumnExists":
            return self.columns[0] in table.columns
        if any(str(table.types[table.columns.index(name)]).endswith("[]") for name in self.columns):
            return False
        rows = table.filter(self.where.replace("`", '"')) if self.where else table
        if self.kind == "RowCount":
            return _one(rows, f"count(*) {self.operator} {self.operand}")
        if not _one(rows, "count(*) > 0"):
            return False
        names = [f'"{column}"' for column in self.columns]
        if self.kind == "IsPrimaryKey":
            key = ", ".join(names)
            return _one(rows, f"count(*) = count(distinct ({key}))")
        return _one(rows, f"bool_and(coalesce({self._condition(names[0])}, false))")

    def _condition(self, column: str) -> str:
        if self.kind == "IsComplete":
            return f"{column} is not null"
        if self.kind == "ColumnLength":
            return f"length(coalesce({column}, '')) {self.operator} {self.operand}"
        if self.operator == "matches":
            # Java's flag for line ends has no namesake in RE2, which knows no others.
            pattern = self.operand.removeprefix("(?d)").replace("'", "''")
            return f"regexp_full_match({column}, '{pattern}')"
        return f"{column} {self.operator} {self.operand}"


def parse(text: str) -> list[list[Rule]]:
    """The rules of a ruleset; one that is joined by ``or`` is a list of several.

    Raises:
        ValueError: it is none that AWS's parser takes.
    """
    tokens = list(_tokens(text))
    for expected in ("Rules", "=", "["):
        _take(tokens, expected)
    rules = [_alternatives(tokens)]
    while tokens[0] == ",":
        _take(tokens, ",")
        rules.append(_alternatives(tokens))
    _take(tokens, "]")
    if tokens != ["end"]:
        raise ValueError(f"{tokens[0]} after the rules")
    return rules


def failing(text: str, table: duckdb.DuckDBPyRelation) -> list[list[Rule]]:
    """The rules of a ruleset that do not hold."""
    return [rules for rules in parse(text) if not any(rule.holds(table) for rule in rules)]


def _alternatives(tokens: list[str]) -> list[Rule]:
    if tokens[0] != "(":
        return [_rule(tokens)]
    rules = []
    while True:
        _take(tokens, "(")
        rules.append(_rule(tokens))
        _take(tokens, ")")
        if tokens[0] != "or":
            return rules
        _take(tokens, "or")


def _rule(tokens: list[str]) -> Rule:
    kind = tokens.pop(0)
    if kind not in _RULES:
        raise ValueError(f"no rule is called {kind}")
    fewest, most, conditions, filtered = _RULES[kind]
    columns = []
    while tokens[0].startswith('"'):
        columns.append(tokens.pop(0)[1:-1])
    if not fewest <= len(columns) <= most:
        raise ValueError(f"{kind} of {len(columns)} columns")
    operator = operand = where = ""
    if tokens[0] in ("<", "<=", "=", ">=", ">", "matches"):
        operator = tokens.pop(0)
        operand = _text(tokens) if operator == "matches" else _number(tokens)
    shape = "none" if not operator else "string" if operator == "matches" else "number"
    if shape not in conditions:
        raise ValueError(f"{kind} with {operator} {operand}")
    if tokens[0] == "where":
        _take(tokens, "where")
        where = _text(tokens)
        if not (filtered and where.strip()):
            raise ValueError(f"{kind} with where {where!r}")
    return Rule(kind, tuple(columns), operator, operand, where)


def _text(tokens: list[str]) -> str:
    if not tokens[0].startswith('"'):
        raise ValueError(f"a text is due, there is {tokens[0]}")
    return tokens.pop(0)[1:-1]


def _number(tokens: list[str]) -> str:
    if not re.fullmatch(r"-?\d+(?:\.\d+)?", tokens[0]):
        raise ValueError(f"a number is due, there is {tokens[0]}")
    return tokens.pop(0)


def _take(tokens: list[str], expected: str) -> None:
    if tokens[0] != expected:
        raise ValueError(f"{expected} is due, there is {tokens[0]}")
    tokens.pop(0)


def _tokens(text: str) -> Iterator[str]:
    place = 0
    while place < len(text):
        match = _TOKEN.match(text, place)
        if match is None:
            raise ValueError(f"no token begins with {text[place : place + 20]!r}")
        if match.lastgroup != "skip":
            yield match[0]
        place = match.end()
    yield "end"


def _one(table: duckdb.DuckDBPyRelation, expression: str) -> bool:
    ((value,),) = table.aggregate(expression).fetchall()
    return bool(value)
