"""Names that a database, a file or dbt can take."""

from __future__ import annotations

import re
from collections.abc import Iterable

from ingot.contract.checks import is_stream_name
from ingot.contract.model import snake_case

# What Postgres 17 (appendix C) and Redshift reserve, so far as it may be a field's name: staging names its columns
# without quotes.
_RESERVED = frozenset(
    [
        "aes128",
        "aes256",
        "all",
        "allowoverwrite",
        "analyse",
        "analyze",
        "and",
        "any",
        "array",
        "as",
        "asc",
        "asymmetric",
        "authorization",
        "az64",
        "backup",
        "between",
        "binary",
        "blanksasnull",
        "both",
        "bytedict",
        "bzip2",
        "case",
        "cast",
        "check",
        "collate",
        "collation",
        "column",
        "concurrently",
        "connect",
        "constraint",
        "convert",
        "create",
        "credentials",
        "cross",
        "current_catalog",
        "current_date",
        "current_role",
        "current_schema",
        "current_time",
        "current_timestamp",
        "current_user",
        "default",
        "deferrable",
        "deflate",
        "defrag",
        "delta",
        "delta32k",
        "desc",
        "disable",
        "distinct",
        "do",
        "else",
        "emptyasnull",
        "enable",
        "encode",
        "encrypt",
        "encryption",
        "end",
        "except",
        "explicit",
        "false",
        "fetch",
        "for",
        "foreign",
        "freeze",
        "from",
        "full",
        "globaldict256",
        "globaldict64k",
        "grant",
        "group",
        "gzip",
        "having",
        "identity",
        "ignore",
        "ilike",
        "in",
        "initially",
        "inner",
        "intersect",
        "interval",
        "into",
        "is",
        "isnull",
        "join",
        "lateral",
        "leading",
        "left",
        "like",
        "limit",
        "localtime",
        "localtimestamp",
        "lun",
        "luns",
        "lzo",
        "lzop",
        "minus",
        "mostly16",
        "mostly32",
        "mostly8",
        "natural",
        "new",
        "not",
        "notnull",
        "null",
        "nulls",
        "off",
        "offline",
        "offset",
        "oid",
        "old",
        "on",
        "only",
        "open",
        "or",
        "order",
        "outer",
        "overlaps",
        "parallel",
        "partition",
        "percent",
        "permissions",
        "pivot",
        "placing",
        "primary",
        "raw",
        "readratio",
        "recover",
        "references",
        "rejectlog",
        "resort",
        "respect",
        "restore",
        "returning",
        "right",
        "select",
        "session_user",
        "similar",
        "snapshot",
        "some",
        "symmetric",
        "sysdate",
        "system",
        "table",
        "tablesample",
        "tag",
        "tdes",
        "text255",
        "text32k",
        "then",
        "timestamp",
        "to",
        "top",
        "trailing",
        "true",
        "truncatecolumns",
        "union",
        "unique",
        "unnest",
        "unpivot",
        "user",
        "using",
        "variadic",
        "verbose",
        "wallet",
        "when",
        "where",
        "window",
        "with",
        "without",
    ]
)
# Columns that Silver adds.
_OURS = frozenset(["deleted_at"])


def physical_name(names: tuple[str, ...], taken: Iterable[str], system: frozenset[str]) -> str | None:
    """The column of a field where its path in snake_case cannot be one; None where it can.

    Args:
        names: the field's path.
        taken: the columns that there are already.
        system: columns that a database has for itself.
    """
    plain = "_".join(snake_case(name) for name in names)
    taken = set(taken)
    wanted = re.sub(r"[^a-z0-9_]+", "", plain)
    if not wanted or not wanted[0].isalpha():
        wanted = f"n{wanted}" if wanted[:1].isdigit() else f"field_{wanted}".rstrip("_")
    if wanted in _RESERVED | _OURS | system:
        wanted = f"{wanted}_value"
    wanted = wanted[:60]
    column, number = wanted, 2
    while column in taken:
        column, number = f"{wanted[:58]}_{number}", number + 1
    return None if column == plain else column


def stream_name(path: str) -> str:
    """What a stream may be called that comes from this path of a URL; empty if nothing of it can be a name."""
    for part in reversed([part for part in path.split("/") if part]):
        name = re.sub(r"[^a-z0-9_]", "", snake_case(part.partition(".")[0]))
        if is_stream_name(name) and not re.fullmatch(r"v[0-9_]+", name):
            return name
    return ""


def singular(name: str) -> str:
    """One of what a stream is called after: ``categories`` → ``category``."""
    if name.endswith("ies") and len(name) > 4:
        return f"{name[:-3]}y"
    if name.endswith(("ses", "xes", "ches", "shes")):
        return name[:-2]
    return name[:-1] if name.endswith("s") and not name.endswith(("ss", "us", "is")) else name
