"""The workgroup enforces what the settings say, and every query saved in it is good SQL over the tables there are."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import sqlglot
from sqlglot import exp
from sqlglot.errors import OptimizeError
from sqlglot.optimizer.qualify import qualify

from infra.constructs.named_queries import Query, queries
from ingot.contract.glue import glue_columns
from ingot.sources import load_sources

ROOT = Path(__file__).resolve().parents[3]
SOURCES = load_sources(ROOT / "sources")
DATABASE = "ingot_local_bronze"
QUERIES = {query.name: query for query in queries(DATABASE, SOURCES)}
TABLES = {
    DATABASE: {
        f"{stream.source}_{stream.name}": {
            **{column.name: column.type for column in glue_columns(stream.contract)},
            "ingest_date": "date",
        }
        for source in SOURCES.values()
        for stream in source.streams.values()
    }
}


def workgroup(assembly: Any) -> dict[str, Any]:
    (it,) = assembly.resources("AWS::Athena::WorkGroup").values()
    return it


def results(assembly: Any) -> tuple[str, dict[str, Any]]:
    """The logical id and the properties of the results' bucket."""
    ((path, it),) = ((p, b) for p, b in assembly.resources("AWS::S3::Bucket").items() if p.startswith("catalog/"))
    return path.split("/")[1], it["Properties"]


@pytest.mark.parametrize(
    ("environment", "gigabytes", "days"), [("local", 1, 1), ("dev", 10, 7), ("staging", 10, 7), ("prod", 100, 30)]
)
def test_a_client_can_neither_read_more_nor_keep_results_elsewhere(
    every: Mapping[str, Any], environment: str, gigabytes: int, days: int
) -> None:
    properties = workgroup(every[environment])["Properties"]
    configuration = properties["WorkGroupConfiguration"]
    kept = configuration["ResultConfiguration"]
    bucket, its = results(every[environment])

    assert (properties["Name"], properties["State"]) == (f"ingot-{environment}", "ENABLED")
    assert configuration["EnforceWorkGroupConfiguration"] is True
    assert configuration["BytesScannedCutoffPerQuery"] == gigabytes * 10**9
    assert configuration["EngineVersion"] == {"SelectedEngineVersion": "Athena engine version 3"}
    assert configuration["PublishCloudWatchMetricsEnabled"] is True
    assert kept["OutputLocation"] == {"Fn::Join": ["", ["s3://", {"Ref": bucket}, "/results/"]]}
    assert kept["EncryptionConfiguration"]["EncryptionOption"] == "SSE_KMS"
    assert f"ingot-{environment}-lake:" in json.dumps(kept["EncryptionConfiguration"]["KmsKey"]), "the lake's key"
    assert kept["ExpectedBucketOwner"] == {"Ref": "AWS::AccountId"}
    expire = [rule for rule in its["LifecycleConfiguration"]["Rules"] if rule["Id"] == "expire"]
    assert expire == [{"Id": "expire", "Status": "Enabled", "ExpirationInDays": days}]


def test_queries_that_people_saved_go_only_where_data_may_be_deleted(synthesise: Any, local: Any, prod: Any) -> None:
    for assembly, policy in (
        (local, "Retain"),
        (prod, "Retain"),
        (synthesise("local", allow_data_deletion="true"), "Delete"),
    ):
        it = workgroup(assembly)
        assert it["DeletionPolicy"] == policy
        assert it["Properties"]["RecursiveDeleteOption"] == (policy == "Delete")


def test_the_queries_are_saved_in_the_workgroup(local: Any) -> None:
    (group,) = local.resources("AWS::Athena::WorkGroup")
    saved = {it["Properties"]["Name"]: it["Properties"] for it in local.resources("AWS::Athena::NamedQuery").values()}

    assert len(QUERIES) == 4 * len(TABLES[DATABASE]) + len(SOURCES)
    assert {name: it["QueryString"] for name, it in saved.items()} == {n: q.sql for n, q in QUERIES.items()}
    assert {it["Database"] for it in saved.values()} == {DATABASE}
    assert {json.dumps(it["WorkGroup"]) for it in saved.values()} == {json.dumps({"Ref": group.split("/")[1]})}


def checked(sql: str) -> exp.Expression:
    """The statement with every name found in a table.

    Raises ParseError or OptimizeError.
    """
    (tree,) = sqlglot.parse(sql, read="athena")
    assert isinstance(tree, exp.Query)
    return qualify(tree, schema=TABLES, dialect="athena")


@pytest.mark.parametrize("query", QUERIES.values(), ids=QUERIES)
def test_a_query_is_good_sql_over_columns_that_there_are(query: Query) -> None:
    tree = checked(query.sql)

    assert query.description
    for table in tree.find_all(exp.Table):
        if table.db:
            assert table.name in TABLES[table.db]


def test_a_column_that_no_table_has_is_seen() -> None:
    query = QUERIES["fakestore_carts rows by batch"].sql.replace('"_deleted"', '"_removed"')

    with pytest.raises(OptimizeError, match="_removed"):
        checked(query)


def test_a_query_reads_the_days_that_it_needs_or_says_that_it_reads_all() -> None:
    for query in QUERIES.values():
        bounded = query.sql.count('"ingest_date" >= current_date - INTERVAL \'')
        all_days = "Reads all days" in query.description

        assert bounded == (0 if all_days else query.sql.count(f'FROM "{DATABASE}"')), query.name
