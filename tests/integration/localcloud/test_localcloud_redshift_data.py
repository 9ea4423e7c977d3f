"""The Redshift Data API runs SQL on Postgres: one transaction a request, COPY from S3, and Redshift's own limits."""

from __future__ import annotations

import datetime as dt
import io
import json
from decimal import Decimal

import psycopg
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from botocore.exceptions import ClientError


class DataApi:
    """The API with one secret, waited for."""

    def __init__(self, cloud, endpoint, name):
        self.api, self.endpoint = cloud.client("redshift-data"), endpoint
        secret = {n: getattr(endpoint, n) for n in ("host", "port", "username", "password", "dbname")}
        made = cloud.client("secretsmanager").create_secret(Name=name, SecretString=json.dumps(secret))
        self.target = {"WorkgroupName": "workgroup", "Database": endpoint.dbname, "SecretArn": made["ARN"]}

    def run(self, sql, **parameters):
        given = {"Parameters": [{"name": n, "value": v} for n, v in parameters.items()]} if parameters else {}
        return self.ended(self.api.execute_statement(Sql=sql, **self.target, **given)["Id"])

    def batch(self, *sqls):
        return self.ended(self.api.batch_execute_statement(Sqls=list(sqls), **self.target)["Id"])

    def ended(self, statement):
        found = self.api.describe_statement(Id=statement, WaitTimeSeconds=30)
        assert found["Status"] in ("FINISHED", "FAILED", "ABORTED")
        return found

    def rows(self, sql, **parameters):
        """The values as they came, and the types of the columns."""
        done = self.run(sql, **parameters)
        assert done["Status"] == "FINISHED", done["Error"]
        result = self.api.get_statement_result(Id=done["Id"])
        rows = [[None if "isNull" in f else next(iter(f.values())) for f in row] for row in result["Records"]]
        assert result["TotalNumRows"] == len(rows) == done["ResultRows"]
        return rows, [column["typeName"] for column in result["ColumnMetadata"]]

    def there(self, sql):
        """What another connection sees."""
        at = self.endpoint
        with psycopg.connect(
            host=at.host, port=at.port, user=at.username, password=at.password, dbname=at.dbname
        ) as connection:
            return connection.execute(sql).fetchall()


@pytest.fixture
def data(cloud, warehouse_endpoint, unique):
    return DataApi(cloud, warehouse_endpoint, unique)


def _put(cloud, bucket, key, table):
    body = io.BytesIO()
    pq.write_table(table, body)
    cloud.client("s3").put_object(Bucket=bucket, Key=key, Body=body.getvalue())
    return f"s3://{bucket}/{key}"


SEEN = dt.datetime(2026, 11, 1, 10, 0, 0, 5)
LINES = pa.list_(pa.struct([("product_id", pa.int64()), ("quantity", pa.int32())]))
ROWS = pa.table(
    {
        "id": pa.array([1, 2], pa.int64()),
        "title": ["Ämter", None],
        "price": pa.array([Decimal("1.25"), None], pa.decimal128(10, 2)),
        "seen_at": pa.array([SEEN.replace(tzinfo=dt.UTC)] * 2, pa.timestamp("us", tz="UTC")),
        "lines": pa.array([[{"product_id": 4, "quantity": 2}], []], LINES),
    }
)
TABLE = (
    "CREATE TABLE items (id BIGINT ENCODE az64 DISTKEY, title VARCHAR(16) ENCODE zstd, price DECIMAL(10,2), "
    "seen_at TIMESTAMP, lines SUPER, load_id BIGINT) DISTSTYLE KEY COMPOUND SORTKEY (id, load_id)"
)
COPY = "COPY items (id, title, price, seen_at, lines) FROM '{}' IAM_ROLE default FORMAT AS PARQUET SERIALIZETOJSON"


def test_a_statement_returns_typed_rows(data):
    rows, types = data.rows(
        "SELECT 1::int a, 2::bigint b, 'x'::varchar(8) c, 1.50::decimal(10,2) d, 0.5::float8 e, true f, "
        "date '2026-11-01' g, timestamptz '2026-11-01 10:00:00+02' h, null i, json_parse('{\"k\": 1}') j"
    )
    assert rows == [[1, 2, "x", "1.50", 0.5, True, "2026-11-01", "2026-11-01 08:00:00+00", None, '{"k": 1}']]
    assert types[:8] == ["int4", "int8", "varchar", "numeric", "float8", "bool", "date", "timestamptz"]
    assert types[9] == "super"


def test_parameters_are_values_and_never_sql(data):
    value = "it's; DROP TABLE items -- :b"
    rows, _ = data.rows("SELECT :a::varchar(64) AS text, :b::int + 1 AS number, ':a' AS kept", a=value, b="4")
    assert rows == [[value, 5, ":a"]]
    with pytest.raises(ClientError, match="Parameters and SQL differ: b"):
        data.run("SELECT :a", a="1", b="2")


def test_a_batch_is_one_transaction(data):
    assert data.run("CREATE TABLE t (a INT)")["Status"] == "FINISHED"
    failed = data.batch("INSERT INTO t VALUES (1)", "INSERT INTO t SELECT 1/0", "INSERT INTO t VALUES (2)")
    assert failed["Status"] == "FAILED"
    assert "division by zero" in failed["Error"]
    assert [s["Status"] for s in failed["SubStatements"]] == ["FINISHED", "FAILED", "ABORTED"]
    assert data.there("SELECT count(*) FROM t") == [(0,)]
    done = data.batch("INSERT INTO t VALUES (1)", "SELECT count(*) FROM t")
    assert done["Status"] == "FINISHED"
    assert data.there("SELECT a FROM t") == [(1,)]
    second = data.api.get_statement_result(Id=done["SubStatements"][1]["Id"])
    assert second["Records"] == [[{"longValue": 1}]]


def test_copy_loads_parquet_in_the_batchs_transaction(cloud, bucket, data):
    uri = _put(cloud, bucket, "x/part.parquet", ROWS)
    done = data.batch(TABLE, "DELETE FROM items", COPY.format(uri), "UPDATE items SET load_id = 7")
    assert done["Status"] == "FINISHED", done["Error"]
    assert done["SubStatements"][2]["ResultRows"] == 2
    assert data.there("SELECT id, title, price, seen_at, lines, load_id FROM items ORDER BY id") == [
        (1, "Ämter", Decimal("1.25"), SEEN, [{"product_id": 4, "quantity": 2}], 7),
        (2, None, None, SEEN, [], 7),
    ]
    failed = data.batch("DELETE FROM items", COPY.format(uri), "SELECT 1/0")
    assert failed["Status"] == "FAILED"
    assert data.there("SELECT count(*) FROM items WHERE load_id = 7") == [(2,)]


COPY_FAILS = [
    (("VARCHAR(16)", "VARCHAR(5)"), "longer than the length defined in the table. Table: 5, Data: 6"),  # bytes
    (("id BIGINT", "id INT"), "incompatible Parquet schema"),
    (("DECIMAL(10,2)", "DECIMAL(12,2)"), "incompatible Parquet schema"),
    (("TIMESTAMP", "TIMESTAMPTZ"), "incompatible Parquet schema"),
    ((", lines)", ")"), "Unmatched number of columns"),
    ((" SERIALIZETOJSON", ""), "needs SERIALIZETOJSON"),
    (("part.parquet", "none.parquet"), "The specified S3 prefix 'x/none.parquet' does not exist"),
    (("IAM_ROLE default", "IAM_ROLE 'arn:aws:iam::000000000000:role/none'"), "not authorized to assume IAM Role"),
    (("FORMAT AS PARQUET", "FORMAT AS CSV"), "The local cloud runs COPY"),
    (("COPY items", "COPY nothing"), "nonexistent table nothing"),
]


def test_copy_is_as_strict_as_redshifts(cloud, bucket, data):
    uri = _put(cloud, bucket, "x/part.parquet", ROWS)
    for change, reason in COPY_FAILS:
        done = data.batch(TABLE.replace(*change), COPY.format(uri).replace(*change))
        assert done["Status"] == "FAILED", change
        assert reason in done["Error"]


REFUSED = [
    ("INSERT INTO t VALUES (1) ON CONFLICT DO NOTHING", "Redshift has no ON CONFLICT"),
    ("SELECT DISTINCT ON (a) a FROM t", "Redshift has no DISTINCT ON"),
    ("SELECT count(*) FILTER (WHERE a > 1) FROM t", "Redshift has no FILTER"),
    ("DELETE FROM t RETURNING a", "Redshift has no RETURNING"),
    ("SELECT now()", "Redshift has no function now"),
    ("SELECT array_agg(a) FROM t", "Redshift has no function array_agg"),
    ("CREATE TABLE u (a jsonb)", "Redshift has no type jsonb"),
    ("CREATE TABLE u (a serial)", "Redshift has no type serial"),
    ("CREATE INDEX i ON t (a)", "Redshift has no CREATE INDEX"),
    ("VACUUM t", "does not run VACUUM"),
    ("UNLOAD ('SELECT 1') TO 's3://b/' IAM_ROLE default", "does not run UNLOAD"),
    ("SELECT 1; SELECT 2", "one SQL command"),
    ("SELEC 1", "syntax error"),
    ("SELECT * FROM nothing", 'relation "nothing" does not exist'),
]


def test_what_redshift_would_not_run_fails_by_name(data):
    for sql, reason in REFUSED:
        done = data.run(sql)
        assert done["Status"] == "FAILED", sql
        assert reason in done["Error"]
        with pytest.raises(ClientError, match="does not have result"):
            data.api.get_statement_result(Id=done["Id"])


def test_a_statement_can_be_cancelled_and_listed(data):
    started = data.api.execute_statement(Sql="SELECT pg_sleep(60)", StatementName="sleepy", **data.target)["Id"]
    assert data.api.cancel_statement(Id=started)["Status"] is True
    assert data.ended(started)["Status"] == "ABORTED"
    listed = data.api.list_statements(StatementName="sleepy", Status="ABORTED")["Statements"]
    assert [statement["Id"] for statement in listed] == [started]
    with pytest.raises(ClientError, match="already in ABORTED state"):
        data.api.cancel_statement(Id=started)


def test_a_request_needs_a_secret_and_an_endpoint(data):
    with pytest.raises(ClientError, match="give SecretArn"):
        data.api.execute_statement(Sql="SELECT 1", WorkgroupName="workgroup", Database="d")
    with pytest.raises(ClientError, match="WorkgroupName or ClusterIdentifier"):
        data.api.execute_statement(Sql="SELECT 1", SecretArn=data.target["SecretArn"], Database="d")
    with pytest.raises(ClientError, match="cannot be read: ResourceNotFoundException"):
        data.api.execute_statement(Sql="SELECT 1", **{**data.target, "SecretArn": "none"})
