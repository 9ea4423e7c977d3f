"""What Redshift refuses and Postgres takes: a deny-list, and what only a parser sees.

sqlglot alone is no guard: it parses nearly everything as Redshift's. The lists are Redshift's own:
https://docs.aws.amazon.com/redshift/latest/dg/c_unsupported-postgresql-features.html (features, types, functions).
"""

import re

import sqlglot
from sqlglot import exp

REFUSED = {
    "DISTINCT ON": r"\bdistinct\s+on\b",
    "FILTER": r"\bfilter\s*\(",
    "ON CONFLICT": r"\bon\s+conflict\b",
    "RETURNING": r"\breturning\b",
    "LATERAL": r"\blateral\b",
    "array_agg, string_agg": r"\b(array|string)_agg\b",
    "generate_series, make_date": r"\b(generate_series|make_(date|interval|time|timestamp(tz)?))\b",
    "now()": r"\bnow\s*\(",
    "JSON, UUID, serial, bytea": r"\b(jsonb?\w*|uuid|gen_random_uuid|(big|small)?serial|bytea)\b",
    "text without a length": r"(::\s*|\bas\s+|\w\s+)text\b(?!\s*\()",
    "varchar without a length": r"\b(varchar|character\s+varying)\b(?!\s*\()",
    "-> and ->>": r"->>?",
    "ARRAY[]": r"\barray\s*\[",
    "unnest()": r"\bunnest\s*\(",
    "MATERIALIZED": r"\bas\s+(not\s+)?materialized\b",
    "WITH ORDINALITY": r"\bwith\s+ordinality\b",
    "sha256(), encode()": r"\b(sha256|encode|convert_to)\s*\(",
    "CREATE INDEX": r"\bcreate\s+(unique\s+)?index\b",
}


def refused(sql: str) -> list[str]:
    """What some statements hold that Redshift refuses, by name."""
    code = without_comments_and_strings(sql)
    found = [name for name, pattern in REFUSED.items() if re.search(pattern, code, re.IGNORECASE)]
    try:
        statements = sqlglot.parse(sql, read="redshift")
    except sqlglot.errors.ParseError as error:
        return [*found, f"no SQL: {error}"]
    if any(unframed(statement) for statement in statements if statement is not None):
        found.append("an aggregate over an ordered window without a frame")
    return found


def unframed(statement: exp.Expression) -> bool:
    """Whether an aggregate is taken over an ordered window whose frame is not said.

    https://docs.aws.amazon.com/redshift/latest/dg/r_Window_function_synopsis.html
    """
    return any(
        isinstance(window.this, exp.Sum | exp.Avg | exp.Min | exp.Max | exp.Count)
        and window.args.get("order")
        and not window.args.get("spec")
        for window in statement.find_all(exp.Window)
    )


def without_comments_and_strings(sql: str) -> str:
    """SQL whose strings are empty and whose comments are gone: words in them are nobody's."""
    return re.sub(
        r"--[^\n]*|/\*.*?\*/|'(?:[^']|'')*'", lambda match: "''" if match[0][0] == "'" else " ", sql, flags=re.DOTALL
    )
