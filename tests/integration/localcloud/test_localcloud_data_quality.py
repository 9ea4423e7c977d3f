"""Glue Data Quality evaluates the ruleset of a contract on the Parquet of its table."""

from __future__ import annotations

import datetime as dt
import io
import time

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from botocore.exceptions import ClientError

from ingot.contract.arrow import arrow_schema
from ingot.contract.dqdl import ruleset
from ingot.contract.glue import glue_columns
from ingot.sources import load_source
from tests import dqdl

_PARQUET = "org.apache.hadoop.hive.ql.io.parquet"
NOW = dt.datetime(2026, 11, 1, tzinfo=dt.UTC)
PRODUCT = {
    "title": "Shirt", "price": "9.95", "description": "d", "category": "men", "image": None,
    "rating_rate": None, "rating_count": None, "_batch_id": "b", "_ingested_at": NOW, "_record_hash": "0" * 64,
    "_deleted": False,
}  # fmt: skip
GONE = dict.fromkeys(PRODUCT) | {
    "_batch_id": "b",
    "_ingested_at": NOW,
    "_record_hash": "0" * 64,
    "_deleted": True,
}


@pytest.fixture(scope="module")
def contract():
    return load_source("sources/fakestore").stream("products").contract


def _table(contract, *changes):
    from decimal import Decimal

    rows = [{**PRODUCT, "id": n, "_line": n, **change} for n, change in enumerate(changes, start=1)]
    for row in rows:
        for name in ("price", "rating_rate"):
            row[name] = row[name] and Decimal(row[name])
    return pa.Table.from_pylist(rows, schema=arrow_schema(contract))


class Quality:
    """One table and its ruleset."""

    def __init__(self, cloud, bucket, role, contract):
        self.glue, self.s3, self.bucket, self.name, self.role = (
            cloud.client("glue"), cloud.client("s3"), bucket, bucket.replace("-", "_"), role,
        )  # fmt: skip
        location = f"s3://{bucket}/products/"
        self.glue.create_database(DatabaseInput={"Name": self.name})
        self.glue.create_table(
            DatabaseName=self.name,
            TableInput={
                "Name": "products",
                "PartitionKeys": [{"Name": "ingest_date", "Type": "date"}],
                "Parameters": {
                    "projection.enabled": "true",
                    "projection.ingest_date.type": "date",
                    "projection.ingest_date.format": "yyyy-MM-dd",
                    "projection.ingest_date.range": "2020-01-01,NOW",
                    "storage.location.template": location + "ingest_date=${ingest_date}/",
                },
                "StorageDescriptor": {
                    "Columns": [{"Name": c.name, "Type": c.type} for c in glue_columns(contract)],
                    "Location": location,
                    "SerdeInfo": {"SerializationLibrary": f"{_PARQUET}.serde.ParquetHiveSerDe"},
                },
            },
        )

    def put(self, table):
        body = io.BytesIO()
        pq.write_table(table, body)
        self.s3.put_object(Bucket=self.bucket, Key="products/ingest_date=2026-11-01/b.parquet", Body=body.getvalue())

    def evaluate(self, *rulesets, table="products"):
        """The run, once it has ended, and its results."""
        names = []
        for place, text in enumerate(rulesets):
            names.append(f"{self.name}-{place}-{time.monotonic_ns()}")
            self.glue.create_data_quality_ruleset(Name=names[-1], Ruleset=text)
        source = {"GlueTable": {"DatabaseName": self.name, "TableName": table}}
        run = self.glue.start_data_quality_ruleset_evaluation_run(
            DataSource=source, Role=self.role, RulesetNames=names
        )["RunId"]
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            found = self.glue.get_data_quality_ruleset_evaluation_run(RunId=run)
            if found["Status"] not in ("STARTING", "RUNNING"):
                results = [self.glue.get_data_quality_result(ResultId=i) for i in found.get("ResultIds", [])]
                return found, results
            time.sleep(0.02)
        raise AssertionError("the evaluation goes on and on")

    def failing(self, text):
        """The rules that do not hold, with the reason."""
        run, (result,) = self.evaluate(text)
        assert run["Status"] == "SUCCEEDED"
        return {r["EvaluatedRule"]: r["EvaluationMessage"] for r in result["RuleResults"] if r["Result"] == "FAIL"}


@pytest.fixture
def quality(cloud, bucket, role, contract):
    return Quality(cloud, bucket, role, contract)


def test_a_right_table_passes_every_rule_of_its_contract(quality, contract):
    quality.put(_table(contract, {}, {"image": "i", "rating_rate": "4.5", "rating_count": 3}, GONE))
    run, (result,) = quality.evaluate(ruleset(contract))
    assert run["Status"] == "SUCCEEDED"
    assert {r["Result"] for r in result["RuleResults"]} == {"PASS"}
    assert len(result["RuleResults"]) == len(dqdl.parse(ruleset(contract)))
    assert result["Score"] == 1.0
    assert result["RulesetEvaluationRunId"] == run["RunId"]


def test_wrong_values_fail_their_rules_and_no_others(quality, contract):
    text = ruleset(contract)
    for wrong in (
        [{"price": "-0.01"}, {"title": None}],
        [{"title": ""}, {"category": "c" * 65}, {"_line": 1}],
        [{"rating_rate": "5.1"}, {"image": "i" * 1025}, {"id": 0}, {"_record_hash": "0"}],
    ):
        table = _table(contract, {}, *wrong)
        quality.put(table)
        # Another reading of the same language, by another hand: the tests' own.
        broken = dqdl.failing(text, duckdb.from_arrow(table))
        assert len(broken) >= len(wrong)
        found = quality.failing(text)
        assert {tuple(dqdl.parse(f"Rules = [ {rule} ]")[0]) for rule in found} == {tuple(b) for b in broken}, wrong


def test_a_rule_that_is_not_evaluated_fails_by_name(quality, contract):
    quality.put(_table(contract, {}))
    found = quality.failing(
        'Rules = [ RowCount = 1, Completeness "title" > 0.9, ColumnValues "id" in [1, 2], '
        'ColumnValues "missing" > 0, CustomSql "select 1" = 1, '
        '(IsComplete "id") and (IsComplete "title"), ColumnValues "id" > 0 where "nothing = 1" ]'
    )
    assert next(iter(found.values())) == "The local cloud does not evaluate rules of type Completeness"
    assert "does not evaluate ColumnValues in this form" in found['ColumnValues "id" in [1, 2]']
    assert found['ColumnValues "missing" > 0'] == "Column missing does not exist"
    assert "rules of type CustomSql" in found['CustomSql "select 1" = 1']
    assert "cannot evaluate this rule" in found['(IsComplete "id") and (IsComplete "title")']
    assert "cannot be evaluated" in found['ColumnValues "id" > 0 where "nothing = 1"']
    assert len(found) == 6


def test_a_run_that_cannot_be_made_fails_with_its_reason(quality, contract):
    quality.put(_table(contract, {}))
    run, results = quality.evaluate("Rules = [ RowCount = 1, ]")
    assert (run["Status"], results) == ("FAILED", [])
    assert "A rule is due" in run["ErrorString"]
    run, _ = quality.evaluate("Rules = [ RowCount = 1 ]", table="missing")
    assert run["Status"] == "FAILED"
    assert "TABLE_NOT_FOUND" in run["ErrorString"]
    with pytest.raises(ClientError, match="EntityNotFoundException"):
        quality.glue.start_data_quality_ruleset_evaluation_run(
            DataSource={"GlueTable": {"DatabaseName": "d", "TableName": "t"}}, Role="r", RulesetNames=["none"]
        )
