"""From nothing to gold, and what must hold afterwards. These run in order on one demo: it takes minutes to make."""

from __future__ import annotations

import json
import os
import signal
import time
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

import boto3
import psutil
import pytest
import zstandard

from ingot.naming import JOBS

if TYPE_CHECKING:
    from conftest import Demo

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

ROOT = Path(__file__).resolve().parents[2]
QUARTER = (datetime(2020, 1, 1, tzinfo=UTC), datetime(2020, 4, 1, tzinfo=UTC))
REVENUE = {
    "men's clothing": Decimal("2646.44"),
    "jewelery": Decimal("1410.98"),
    "electronics": Decimal("624.00"),
    "women's clothing": Decimal("9.85"),
}


def test_silver_and_gold_hold_the_golden_numbers(demo: Demo) -> None:
    counts = demo.rows(
        "select (select count(*) from silver.products) products, (select count(*) from silver.users) users, "
        "(select count(*) from silver.orders) orders, (select count(*) from silver.order_lines) lines, "
        "(select count(*) from silver.addresses) addresses"
    )
    assert counts == [{"products": 20, "users": 10, "orders": 7, "lines": 14, "addresses": 10}]
    by_category = demo.rows("select category, revenue::text as revenue from gold.category_revenue")
    assert {row["category"]: Decimal(row["revenue"]) for row in by_category} == REVENUE
    totals = demo.rows(
        "select (select sum(revenue) from gold.daily_sales)::text days, "
        "(select sum(revenue) from gold.product_performance)::text products, "
        "(select sum(revenue) from gold.customer_activity)::text customers, "
        "(select sum(units) from gold.daily_sales) units, "
        "(select count(*) from gold.product_performance where units > 0) products_sold, "
        "(select count(*) from gold.customer_activity where orders > 0) buyers"
    )
    assert totals == [
        {
            "days": "4691.27",
            "products": "4691.27",
            "customers": "4691.27",
            "units": 42,
            "products_sold": 10,
            "buyers": 5,
        }
    ]


def test_the_demo_ends_by_showing_gold_and_the_batches(demo: Demo) -> None:
    for expected in ("2,646.44", "fakestore.carts.20200101T000000Z.20200401T000000Z", "LOADED", "make down"):
        assert expected in demo.printed


def test_the_command_line_answers_after_the_demo(demo: Demo) -> None:
    status = demo.ingot("status", "--json")
    assert status.returncode == 0, status.stderr
    assert {(row["stream"], row["state"], row["accepted"]) for row in json.loads(status.stdout)} == {
        ("carts", "LOADED", 7),
        ("products", "LOADED", 20),
        ("users", "LOADED", 10),
    }
    batches = demo.ingot("batches", "--stream", "carts")
    assert "fakestore.carts.20200101T000000Z.20200401T000000Z" in batches.stdout
    assert "LOADED" in batches.stdout
    forbidden = demo.ingot("sql", "delete from gold.daily_sales")
    assert forbidden.returncode == 1
    assert "only reading is allowed" in forbidden.stderr
    sneaky = demo.ingot("sql", "set transaction read write; drop table gold.daily_sales")
    assert sneaky.returncode == 1
    assert demo.ingot("sql", "select * from gold.nothing").returncode == 1


def test_everything_that_was_deployed_is_there_when_asked_by_api(demo: Demo) -> None:
    from laptop.deploy import NAMES

    endpoint = {"endpoint_url": demo.laptop.cloud.url}
    tables = boto3.client("glue", **endpoint).get_tables(DatabaseName=NAMES.glue_database)["TableList"]
    assert {t["Name"] for t in tables} == {"fakestore_products", "fakestore_users", "fakestore_carts"}
    jobs = boto3.client("glue", **endpoint).get_jobs()["Jobs"]
    assert {j["Name"] for j in jobs} == {NAMES.job("fakestore", kind) for kind in JOBS}
    s3 = boto3.client("s3", **endpoint)
    for bucket in (NAMES.bronze_bucket, NAMES.lake_bucket, NAMES.artifacts_bucket, NAMES.dags_bucket):
        assert s3.get_bucket_versioning(Bucket=bucket)["Status"] == "Enabled"
        assert all(s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"].values())
        assert "aws:SecureTransport" in s3.get_bucket_policy(Bucket=bucket)["Policy"]
        rule = s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]["Rules"][0]
        assert rule["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"] == "aws:kms"


def test_the_same_again_changes_no_row(demo: Demo) -> None:
    before, began = demo.everything(), time.monotonic()
    printed = demo.again()
    assert demo.everything() == before
    assert "skipped" in printed
    assert time.monotonic() - began < 240


def test_the_state_machine_makes_the_same_rows_as_airflow(demo: Demo) -> None:
    """The deployed one, from nothing: the same jobs in Glue, and dbt as a container task."""
    from laptop.deploy import NAMES

    airflows = demo.everything()
    _forget_all_data(demo)
    states = boto3.client("stepfunctions", endpoint_url=demo.laptop.cloud.url)
    (machine,) = states.list_state_machines()["stateMachines"]
    assert machine["name"] == NAMES.state_machine("fakestore")
    given = {"interval_start": QUARTER[0], "interval_end": QUARTER[1], "as_of": QUARTER[1]}
    started = states.start_execution(
        stateMachineArn=machine["stateMachineArn"],
        input=json.dumps({name: f"{moment:%Y-%m-%dT%H:%M:%SZ}" for name, moment in given.items()}),
    )["executionArn"]
    deadline = time.monotonic() + 240
    while (ended := states.describe_execution(executionArn=started))["status"] == "RUNNING":
        assert time.monotonic() < deadline, states.get_execution_history(executionArn=started)["events"][-3:]
        time.sleep(0.2)

    assert ended["status"] == "SUCCEEDED", ended
    assert demo.everything() == airflows
    assert {table.split(".")[0] for table, rows in airflows.items() if rows} == {"silver", "gold"}
    assert demo.rows("select count(*) as n from audit.batches where state = 'LOADED'") == [{"n": 3}]


def test_a_job_that_is_killed_and_retried_leaves_the_same_rows(demo: Demo) -> None:
    before = demo.everything()
    _forget_all_data(demo)
    demo.misbehave(path="/carts", latency=4, times=1)
    run = demo.api.trigger("ingest_fakestore", "killed", start=QUARTER[0], end=QUARTER[1], run_after=QUARTER[1])
    killed = _kill_the_job_that_extracts("carts", demo)
    *_, (run, tasks) = demo.api.follow(run, seconds=240)
    demo.behave()
    assert killed
    assert run.state == "success"
    assert max(task.try_number for task in tasks if task.task_id == "carts.extract") == 2
    assert demo.transform_after(run).state == "success"
    assert demo.everything() == before
    (attempt,) = demo.rows("select state, error from audit.attempts where state <> 'SUCCEEDED'")
    assert attempt == {"state": "FAILED", "error": "Killed"}


def test_a_source_that_is_down_fails_the_task_and_the_batch_and_the_next_run_recovers(demo: Demo) -> None:
    march = (datetime(2020, 3, 1, tzinfo=UTC), datetime(2020, 4, 1, tzinfo=UTC))
    before = demo.everything()
    demo.misbehave(path="/carts", status=502)
    run = demo.run("outage", *march, run_after=QUARTER[1])
    assert run.state == "failed"
    states = {task.task_id: task.state for task in demo.api.tasks(run)}
    assert states["carts.extract"] == "failed"
    assert states["carts.load"] == "upstream_failed"
    assert states["products.load"] == states["audit"] == "success"
    failed = next(task for task in demo.api.tasks(run) if task.task_id == "carts.extract")
    assert "answered 502" in demo.api.reason(run, failed)
    batches = "select state, reason, loaded_at from audit.batches where batch_id = "
    batch = "'fakestore.carts.20200301T000000Z.20200401T000000Z'"
    (row,) = demo.rows(batches + batch)
    assert row["state"] == "FAILED"
    assert "/carts?startdate=2020-03-01&enddate=2020-04-01 answered 502" in row["reason"]
    assert batch.strip("'") in demo.ingot("batches", "--state", "failed").stdout
    # The quarter that was loaded before covers March: nothing is missing that needs attention.
    assert demo.ingot("status").returncode == 0
    assert demo.rows(f"select count(*) as n from bronze.fakestore_carts where _batch_id = {batch}") == [{"n": 0}]

    demo.behave()
    run = demo.run("recovery", *march, run_after=QUARTER[1])
    assert run.state == "success"
    assert demo.transform_after(run).state == "success"
    (row,) = demo.rows(batches + batch)
    assert (row["state"], row["reason"]) == ("LOADED", None)
    orders = "silver.orders"
    assert len(demo.everything()[orders]) == len(before[orders]) == 7  # the same orders came again: none is there twice
    assert demo.rows("select sum(revenue)::text as r from gold.daily_sales") == [{"r": "4691.27"}]


def test_no_password_is_in_anything_that_the_runs_left(demo: Demo) -> None:
    recordings = ROOT / "localstack" / "recorded_source" / "recordings" / "fakestore" / "users.json"
    passwords = [user["password"].encode() for user in json.loads(recordings.read_text())]
    emails = [user["email"].encode() for user in json.loads(recordings.read_text())]
    places: dict[str, bytes] = {}
    for path in demo.home.rglob("*"):
        if path.is_file() and not path.is_symlink():
            places[str(path.relative_to(demo.home))] = path.read_bytes()
    places |= _objects(demo) | _logs(demo) | _tables(demo)
    found = {place for place, content in places.items() for password in passwords if password in content}
    assert found == set()
    # The search can find: what is personal and not secret is in Bronze, in the object and in the table.
    seen = {place.split("/")[0] for place, content in places.items() for email in emails if email in content}
    assert {"object", "table"} <= {place.split(":")[0] for place in seen}


def _forget_all_data(demo: Demo) -> None:
    from laptop.deploy import NAMES

    with demo.laptop.postgres.connect("ingot") as connection:
        for schema in ("gold", "silver", "staging", "bronze", "audit"):
            connection.execute(f"drop schema if exists {schema} cascade")
    s3 = boto3.resource("s3", endpoint_url=demo.laptop.cloud.url)
    for bucket in (NAMES.bronze_bucket, NAMES.lake_bucket):
        s3.Bucket(bucket).object_versions.delete()


def _kill_the_job_that_extracts(stream: str, demo: Demo) -> bool:
    cloud = demo.laptop.cloud.service.process()
    assert cloud is not None
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        for child in cloud.children(recursive=True):
            try:
                command = child.cmdline()
            except psutil.Error:
                continue
            waits = any(connection.raddr for connection in _connections(child, demo.laptop.source.port))
            if stream in command and any("extract" in part for part in command) and waits:
                os.kill(child.pid, signal.SIGKILL)
                return True
        time.sleep(0.05)
    return False


def _connections(process: psutil.Process, port: int) -> list[psutil._ntuples.pconn]:
    try:
        return [c for c in process.net_connections(kind="tcp") if c.raddr and c.raddr.port == port]
    except psutil.Error:
        return []


def _objects(demo: Demo) -> dict[str, bytes]:
    s3 = boto3.client("s3", endpoint_url=demo.laptop.cloud.url)
    found = {}
    for bucket in s3.list_buckets()["Buckets"]:
        for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket["Name"]):
            for item in page.get("Versions", ()):
                body = s3.get_object(Bucket=bucket["Name"], Key=item["Key"], VersionId=item["VersionId"])["Body"].read()
                if item["Key"].endswith(".zst"):
                    body = zstandard.ZstdDecompressor().stream_reader(body).readall()
                found[f"object:{bucket['Name']}/{item['Key']}@{item['VersionId']}"] = body
    return found


def _logs(demo: Demo) -> dict[str, bytes]:
    logs = boto3.client("logs", endpoint_url=demo.laptop.cloud.url)
    found = {}
    for group in logs.describe_log_groups()["logGroups"]:
        name = group["logGroupName"]
        events = logs.get_paginator("filter_log_events").paginate(logGroupName=name).build_full_result()["events"]
        found[f"log:{name}"] = "\n".join(event["message"] for event in events).encode()
    assert any("extract" in text.decode() for text in found.values())
    return found


def _tables(demo: Demo) -> dict[str, bytes]:
    found = {}
    for database in ("ingot", "airflow"):
        with demo.laptop.postgres.connect(database) as connection:
            tables = connection.execute(
                "select table_schema, table_name from information_schema.tables "
                "where table_schema not in ('pg_catalog', 'information_schema')"
            ).fetchall()
            for schema, table in tables:
                rows = connection.execute(f'select t::text from "{schema}"."{table}" t').fetchall()
                found[f"table:{database}/{schema}.{table}"] = "\n".join(str(row) for (row,) in rows).encode()
    return found
