"""Athena's queries run on the catalog's Parquet, and end as Athena's would."""

from __future__ import annotations

import datetime as dt
import io
import time
from decimal import Decimal
from types import SimpleNamespace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from botocore.exceptions import ClientError

_PARQUET = "org.apache.hadoop.hive.ql.io.parquet"
_DAY = dt.datetime(2026, 11, 2, 10, 30, 0, 123456, tzinfo=dt.UTC)
_COLUMNS = {
    "id": "bigint",
    "title": "string",
    "price": "decimal(10,2)",
    "stock": "int",
    "weight": "double",
    "available": "boolean",
    "released": "date",
    "seen_at": "timestamp",
    "lines": "array<struct<product_id:bigint,quantity:int>>",
    "added_later": "string",
}


def _rows(first, count):
    ids = range(first, first + count)
    return pa.table(
        {
            "id": pa.array(ids, pa.int64()),
            "title": [f'A "title", {n}' if n % 2 else None for n in ids],
            "price": pa.array([Decimal(n) + Decimal("0.25") for n in ids], pa.decimal128(10, 2)),
            "stock": pa.array(ids, pa.int32()),
            "weight": pa.array([n / 4 for n in ids], pa.float64()),
            "available": [n % 2 == 0 for n in ids],
            "released": pa.array([dt.date(2026, 11, n) for n in ids], pa.date32()),
            "seen_at": pa.array([_DAY] * count, pa.timestamp("us", tz="UTC")),
            "lines": pa.array(
                [[{"product_id": n, "quantity": 2}] for n in ids],
                pa.list_(pa.struct([("product_id", pa.int64()), ("quantity", pa.int32())])),
            ),
        }
    )


def _parquet(table):
    body = io.BytesIO()
    pq.write_table(table, body, compression="none")
    return body.getvalue()


class Lake:
    """A database with one projected table, and how a query on it ends."""

    def __init__(self, cloud, bucket, name):
        self.athena, self.glue, self.s3 = (cloud.client(n) for n in ("athena", "glue", "s3"))
        self.bucket, self.database = bucket, name
        self.glue.create_database(DatabaseInput={"Name": name})
        self.table("products", _COLUMNS)
        self.put("products", "2026-11-01", _rows(1, 2))
        self.put("products", "2026-11-02", _rows(3, 2).append_column("added_later", [["new", "newer"]]))

    def table(self, name, columns, **parameters):
        location = f"s3://{self.bucket}/{name}/"
        self.glue.create_table(
            DatabaseName=self.database,
            TableInput={
                "Name": name,
                "TableType": "EXTERNAL_TABLE",
                "PartitionKeys": [{"Name": "ingest_date", "Type": "date"}],
                "Parameters": {
                    "projection.enabled": "true",
                    "projection.ingest_date.type": "date",
                    "projection.ingest_date.format": "yyyy-MM-dd",
                    "projection.ingest_date.range": "2020-01-01,NOW",
                    "storage.location.template": location + "ingest_date=${ingest_date}/",
                    **parameters,
                },
                "StorageDescriptor": {
                    "Columns": [{"Name": n, "Type": t} for n, t in columns.items()],
                    "Location": location,
                    "SerdeInfo": {"SerializationLibrary": f"{_PARQUET}.serde.ParquetHiveSerDe"},
                },
            },
        )

    def put(self, name, day, table, file="part.parquet"):
        key = f"{name}/ingest_date={day}/{file}"
        self.s3.put_object(Bucket=self.bucket, Key=key, Body=_parquet(table))

    def start(self, sql, **settings):
        settings = {"ResultConfiguration": {"OutputLocation": f"s3://{self.bucket}/results/"}, **settings}
        context = {"Database": self.database, "Catalog": "AwsDataCatalog"}
        return self.athena.start_query_execution(QueryString=sql, QueryExecutionContext=context, **settings)[
            "QueryExecutionId"
        ]

    def ended(self, execution):
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            found = self.athena.get_query_execution(QueryExecutionId=execution)["QueryExecution"]
            if found["Status"]["State"] not in ("QUEUED", "RUNNING"):
                return SimpleNamespace(
                    id=execution,
                    state=found["Status"]["State"],
                    reason=found["Status"].get("StateChangeReason", ""),
                    scanned=found["Statistics"]["DataScannedInBytes"],
                    output=found["ResultConfiguration"]["OutputLocation"],
                )
            time.sleep(0.02)
        raise AssertionError("the query goes on and on")

    def run(self, sql, **settings):
        return self.ended(self.start(sql, **settings))

    def answer(self, sql, **settings):
        """Types by column, and the rows."""
        run = self.run(sql, **settings)
        assert run.state == "SUCCEEDED", run.reason
        found = self.athena.get_query_results(QueryExecutionId=run.id)["ResultSet"]
        types = {c["Name"]: c["Type"] for c in found["ResultSetMetadata"]["ColumnInfo"]}
        rows = [[value.get("VarCharValue") for value in row["Data"]] for row in found["Rows"]]
        assert rows[0] == list(types)
        return types, rows[1:]


@pytest.fixture(scope="module")
def lake(cloud):
    name = "athena_tests"
    cloud.client("s3").create_bucket(Bucket="athena-tests")
    return Lake(cloud, "athena-tests", name)


def test_every_type_of_a_contract_comes_back_with_its_type_and_value(lake):
    types, rows = lake.answer("SELECT * FROM products ORDER BY id")
    assert types == {
        "id": "bigint",
        "title": "varchar",
        "price": "decimal",
        "stock": "integer",
        "weight": "double",
        "available": "boolean",
        "released": "date",
        "seen_at": "timestamp",
        "lines": "array",
        "added_later": "varchar",
        "ingest_date": "date",
    }
    time_, lines = "2026-11-02 10:30:00.123", "[{product_id=1, quantity=2}]"
    assert rows[0] == [
        "1", 'A "title", 1', "1.25", "1", "0.25", "false", "2026-11-01", time_, lines, None, "2026-11-01",
    ]  # fmt: skip
    assert rows[3][1] is None
    assert rows[3][-2:] == ["newer", "2026-11-02"]


@pytest.mark.filterwarnings("ignore:The copy keyword is deprecated")  # awswrangler on pandas 3
def test_awswrangler_reads_typed_rows(lake, monkeypatch):
    import awswrangler as wr
    import boto3

    url = lake.athena.meta.endpoint_url
    monkeypatch.setenv("AWS_ENDPOINT_URL", url)
    session = boto3.session.Session("test", "test", region_name="us-east-1")
    for ctas in (False, True):
        frame = wr.athena.read_sql_query(
            "SELECT id, title, price, available, released, seen_at FROM products ORDER BY id",
            database=lake.database,
            ctas_approach=ctas,
            s3_output=f"s3://{lake.bucket}/wrangler-{ctas}/",
            boto3_session=session,
        )
        assert frame["id"].tolist() == [1, 2, 3, 4]
        assert frame["price"].tolist()[0] == Decimal("1.25")
        assert frame["available"].tolist() == [False, True, False, True]
        assert frame["released"].tolist()[3] == dt.date(2026, 11, 4)
        assert frame["seen_at"].iloc[0].isoformat().startswith("2026-11-02T10:30:00.123")
        assert str(frame["id"].dtype) == "Int64"


@pytest.mark.parametrize(
    ("sql", "types", "row"),
    [
        ("SELECT 7 / 2, count(*) FROM products", ["integer", "bigint"], ["3", "4"]),
        ("SELECT sum(stock) s, sum(price) p FROM products", ["bigint", "decimal"], ["10", "11.00"]),
        (
            "SELECT avg(price) a, price / 3 q FROM products WHERE id = 1 GROUP BY price",
            ["decimal", "decimal"],
            ["1.25", "0.42"],
        ),
        ("SELECT approx_distinct(id), cardinality(lines) FROM products WHERE id = 2 GROUP BY lines", None, ["1", "1"]),
        ("SELECT sum(l.quantity) FROM products CROSS JOIN UNNEST(lines) AS t (l)", ["bigint"], ["8"]),
        ("SELECT date_format(max(seen_at), '%Y-%m') FROM products", ["varchar"], ["2026-11"]),
        ("WITH p AS (SELECT * FROM products) SELECT title FROM p WHERE id = ?", ["varchar"], ['A "title", 3']),
        ('SELECT ID FROM "AwsDataCatalog"."athena_tests"."products" WHERE id = 1', ["bigint"], ["1"]),
        ("SELECT date '2026-11-01' d, 1e10 x, 0.5 h, null n", ["date", "double", "decimal", "unknown"],
         ["2026-11-01", "1.0E10", "0.5", None]),
    ],
)  # fmt: skip
def test_the_dialect_is_athenas(lake, sql, types, row):
    parameters = {"ExecutionParameters": ["3"]} if "?" in sql else {}
    found, rows = lake.answer(sql, **parameters)
    assert types is None or list(found.values()) == types
    assert rows[0] == row
    assert all(name == name.lower() for name in found)
    if "7 / 2" in sql:
        assert list(found) == ["_col0", "_col1"]


@pytest.mark.parametrize(
    ("sql", "reason"),
    [
        ("SELEC 1", "SYNTAX_ERROR"),
        ("SELECT nothing FROM products", "COLUMN_NOT_FOUND"),
        ("SELECT * FROM missing", "TABLE_NOT_FOUND: Table 'awsdatacatalog.athena_tests.missing' does not exist"),
        ("SELECT no_such_function(id) FROM products", "FUNCTION_NOT_FOUND"),
        ("SELECT cast(title AS bigint) FROM products", "INVALID_CAST_ARGUMENT"),
        ("SELECT * FROM read_csv('/etc/passwd')", "FUNCTION_NOT_FOUND"),
        ("SELECT id + title FROM products", ""),
    ],
)
def test_bad_sql_fails_with_its_reason(lake, sql, reason):
    run = lake.run(sql)
    assert run.state == "FAILED"
    assert run.reason.startswith(reason)
    assert run.reason
    with pytest.raises(ClientError, match="did not finish successfully"):
        lake.athena.get_query_results(QueryExecutionId=run.id)


def test_a_value_of_another_type_than_declared_fails(lake):
    lake.table("odd", {"id": "bigint", "price": "decimal(10,2)"})
    lake.put("odd", "2026-11-01", pa.table({"id": [1], "price": ["cheap"]}))
    run = lake.run("SELECT * FROM odd")
    assert run.state == "FAILED"
    assert "HIVE_BAD_DATA: Field price's type VARCHAR" in run.reason


def test_a_filter_on_the_day_reads_that_day_only(lake):
    whole = lake.run("SELECT sum(id) FROM products")
    one = lake.run("SELECT sum(id) FROM products WHERE ingest_date = date '2026-11-02'")
    assert 0 < one.scanned < whole.scanned


def test_only_what_is_projected_is_seen(lake):
    lake.table("projected", {"id": "bigint"})
    row = pa.table({"id": [1]})
    tomorrow = (dt.datetime.now(dt.UTC) + dt.timedelta(days=2)).date().isoformat()
    for day in ("2026-11-01", "2019-12-31", tomorrow, "no-date"):
        lake.put("projected", day, row)
    lake.put("projected", "2026-11-01", row, file="_temporary.parquet")
    assert lake.answer("SELECT ingest_date FROM projected")[1] == [["2026-11-01"]]
    lake.table("empty", {"id": "bigint"})
    assert lake.answer("SELECT id, ingest_date FROM empty") == ({"id": "bigint", "ingest_date": "date"}, [])


def test_the_result_is_written_to_s3_as_csv(lake):
    run = lake.run("SELECT id, title, lines FROM products WHERE id <= 2 ORDER BY id")
    assert run.output == f"s3://{lake.bucket}/results/{run.id}.csv"
    body = lake.s3.get_object(Bucket=lake.bucket, Key=f"results/{run.id}.csv")["Body"].read().decode()
    assert body == (
        '"id","title","lines"\n'
        '"1","A ""title"", 1","[{product_id=1, quantity=2}]"\n'
        '"2",,"[{product_id=2, quantity=2}]"\n'
    )


def test_a_workgroup_that_enforces_its_settings_says_where_and_how_the_result_is_kept(lake, unique):
    key = lake.athena.meta.endpoint_url  # any text: moto keeps the id as it is given
    settings = {
        "EnforceWorkGroupConfiguration": True,
        "ResultConfiguration": {
            "OutputLocation": f"s3://{lake.bucket}/enforced/",
            "EncryptionConfiguration": {"EncryptionOption": "SSE_KMS", "KmsKey": key},
        },
    }
    lake.athena.create_work_group(Name=unique, Configuration=settings)
    run = lake.run("SELECT 1", WorkGroup=unique)
    assert run.output == f"s3://{lake.bucket}/enforced/{run.id}.csv"
    head = lake.s3.head_object(Bucket=lake.bucket, Key=f"enforced/{run.id}.csv")
    assert (head["ServerSideEncryption"], head["SSEKMSKeyId"]) == ("aws:kms", key)
    assert lake.athena.list_query_executions(WorkGroup=unique)["QueryExecutionIds"] == [run.id]


def test_a_query_over_the_workgroups_limit_is_cancelled(lake, unique):
    lake.table("large", {"text": "string"})
    lake.put("large", "2026-11-01", pa.table({"text": [f"{n:x}" * 1000 for n in range(3000)]}))
    output = {"OutputLocation": f"s3://{lake.bucket}/results/"}
    configuration = {"BytesScannedCutoffPerQuery": 10_000_000, "ResultConfiguration": output}
    lake.athena.create_work_group(Name=unique, Configuration=configuration)
    size = lake.s3.head_object(Bucket=lake.bucket, Key="large/ingest_date=2026-11-01/part.parquet")["ContentLength"]
    assert size < 10_000_000
    assert lake.run("SELECT max(text) FROM large", WorkGroup=unique).state == "SUCCEEDED"
    for day in ("2026-11-02", "2026-11-03"):
        lake.put("large", day, pa.table({"text": [f"{n:x}" * 1000 for n in range(3000)]}))
    run = lake.run("SELECT max(text) FROM large", WorkGroup=unique)
    assert (run.state, run.reason) == ("CANCELLED", "Bytes scanned limit was exceeded")


def test_results_are_paged_and_the_header_is_the_first_row_of_the_first_page(lake):
    run = lake.run("SELECT id FROM products ORDER BY id")
    pages = lake.athena.get_paginator("get_query_results").paginate(
        QueryExecutionId=run.id, PaginationConfig={"PageSize": 2}
    )
    rows = [[row["Data"][0]["VarCharValue"] for row in page["ResultSet"]["Rows"]] for page in pages]
    assert rows == [["id", "1"], ["2", "3"], ["4"]]


def test_a_query_can_be_stopped(lake):
    numbers = "UNNEST(sequence(1, 10000))"
    execution = lake.start(
        f"SELECT count(*) FROM {numbers} a (a), {numbers} b (b), {numbers} c (c) WHERE a * b % c = 3"
    )
    lake.athena.stop_query_execution(QueryExecutionId=execution)
    assert lake.ended(execution).state == "CANCELLED"
    deadline = time.monotonic() + 30
    while True:  # a time is only told once it has ended
        found = lake.athena.get_query_execution(QueryExecutionId=execution)["QueryExecution"]
        if found["Statistics"]["TotalExecutionTimeInMillis"]:
            break
        assert time.monotonic() < deadline, "it is said to be cancelled, and goes on"
        time.sleep(0.05)


@pytest.mark.parametrize(
    "sql",
    [
        "DROP TABLE products",
        "CREATE DATABASE d",
        "INSERT INTO products SELECT 1",
        "SHOW TABLES",
        "MSCK REPAIR TABLE products",
        "CREATE VIEW v AS SELECT 1",
        "DELETE FROM products",
    ],
)
def test_what_is_not_done_is_refused(lake, sql):
    with pytest.raises(ClientError, match="NotSupportedByLocalCloud"):
        lake.start(sql)


def test_a_query_needs_a_place_for_its_result_and_a_workgroup(lake):
    with pytest.raises(ClientError, match="No output location provided"):
        lake.start("SELECT 1", ResultConfiguration={})
    with pytest.raises(ClientError, match="Unable to verify/create output bucket"):
        lake.start("SELECT 1", ResultConfiguration={"OutputLocation": "s3://no-such-bucket/x/"})
    with pytest.raises(ClientError, match="WorkGroup nowhere is not found"):
        lake.start("SELECT 1", WorkGroup="nowhere")


def test_databases_are_those_of_the_catalog(lake):
    catalog = {"CatalogName": "AwsDataCatalog"}
    names = [database["Name"] for database in lake.athena.list_databases(**catalog)["DatabaseList"]]
    assert lake.database in names
    assert lake.athena.get_database(DatabaseName=lake.database, **catalog)["Database"]["Name"] == lake.database
    with pytest.raises(ClientError, match="Database nothing not found"):
        lake.athena.get_database(DatabaseName="nothing", **catalog)
