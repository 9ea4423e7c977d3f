"""Athena queries that everybody asks, written from the contracts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from aws_cdk import aws_athena as athena
from constructs import Construct

from infra.constructs.contract_table import PARTITION
from infra.constructs.workgroup import Workgroup
from ingot.naming import table_name
from ingot.sources import Source, Stream


@dataclass(frozen=True, kw_only=True)
class Query:
    """One query.

    Attributes:
        name: as people find it.
        description: what it answers.
        sql: the statement, in Athena's SQL.
    """

    name: str
    description: str
    sql: str


class NamedQueries(Construct):
    """The queries of :func:`queries`, saved in a workgroup.

    Args:
        scope, id: as for every construct.
        workgroup: where they are saved.
        database: the catalog's.
        sources: whose streams they ask.

    Example::

        NamedQueries(self, "Queries", workgroup=workgroup, database=names.glue_database, sources=sources)
    """

    def __init__(
        self, scope: Construct, id: str, *, workgroup: Workgroup, database: str, sources: Mapping[str, Source]
    ) -> None:
        super().__init__(scope, id)
        for query in queries(database, sources):
            athena.CfnNamedQuery(
                self,
                query.name.replace(" ", "-"),
                name=query.name,
                description=query.description,
                database=database,
                query_string=query.sql,
                work_group=workgroup.workgroup.ref,
            )


def queries(database: str, sources: Mapping[str, Source]) -> Iterator[Query]:
    """What is worth asking of the tables in the catalog.

    Each reads the partitions of its days only, as a query is paid by what it reads; those that look at all days say
    so in their description.

    Args:
        database: the catalog's.
        sources: whose streams are asked.
    """
    for source in sources.values():
        for stream in source.streams.values():
            yield from _of_stream(_quote(database, table_name(source.name, stream.name)), stream)
        yield _freshness(database, source)


def _of_stream(table: str, stream: Stream) -> Iterator[Query]:
    name = table_name(stream.source, stream.name)
    key = [_quote(c.name) for c in stream.contract.columns if c.path[0] in stream.contract.primary_key]
    keys = ", ".join(key)
    yield Query(
        name=f"{name} newest rows",
        description=f"What the last seven days brought of {stream.name}, the newest first.",
        sql=f"""\
SELECT *
FROM {table}
WHERE {_last_days(7)}
ORDER BY "_ingested_at" DESC, "_batch_id", "_line"
LIMIT 100
""",  # noqa: S608 - names come from the contract and are quoted
    )
    yield Query(
        name=f"{name} as it is now",
        description="The newest version of every key that the source has not deleted. Reads all days.",
        sql=f"""\
SELECT *
FROM (
    SELECT
        *,
        row_number() OVER (
            PARTITION BY {keys} ORDER BY "_ingested_at" DESC, "_batch_id" DESC, "_line" DESC
        ) AS "_rank"
    FROM {table}
)
WHERE "_rank" = 1 AND NOT "_deleted"
ORDER BY {keys}
""",  # noqa: S608 - names come from the contract and are quoted
    )
    yield Query(
        name=f"{name} rows by batch",
        description="How many rows each batch of the last thirty days brought, and how many keys it took away.",
        sql=f"""\
SELECT
    "_batch_id",
    "{PARTITION}",
    max("_ingested_at") AS "ingested_at",
    count(*) AS "rows",
    count_if("_deleted") AS "deleted"
FROM {table}
WHERE {_last_days(30)}
GROUP BY "_batch_id", "{PARTITION}"
ORDER BY "ingested_at" DESC, "_batch_id"
""",  # noqa: S608 - names come from the contract and are quoted
    )
    yield Query(
        name=f"{name} repeated keys",
        description="Keys that one batch of the last thirty days holds more than once, the most frequent first.",
        sql=f"""\
SELECT "_batch_id", {keys}, count(*) AS "rows", count(DISTINCT "_record_hash") AS "different"
FROM {table}
WHERE {_last_days(30)}
GROUP BY "_batch_id", {keys}
HAVING count(*) > 1
ORDER BY "rows" DESC, "_batch_id", {keys}
LIMIT 100
""",  # noqa: S608 - names come from the contract and are quoted
    )


def _freshness(database: str, source: Source) -> Query:
    each = "\nUNION ALL\n".join(
        f"""\
SELECT
    '{stream}' AS "stream",
    max("_ingested_at") AS "newest",
    date_diff('hour', max("_ingested_at"), CAST(current_timestamp AS timestamp)) AS "hours_old",
    count(DISTINCT "_batch_id") AS "batches"
FROM {_quote(database, table_name(source.name, stream))}
WHERE {_last_days(30)}"""  # noqa: S608 - the same
        for stream in source.streams
    )
    return Query(
        name=f"{source.name} freshness",
        description=f"How old the newest batch of each stream of {source.name} is, within thirty days.",
        sql=f'{each}\nORDER BY "stream"\n',
    )


def _last_days(days: int) -> str:
    return f"\"{PARTITION}\" >= current_date - INTERVAL '{days}' DAY"


def _quote(*names: str) -> str:
    return ".".join(f'"{name}"' for name in names)
