"""From nothing to gold, and what must hold afterwards. These run in order on one demo: it takes minutes to make."""

from __future__ import annotations

import json
import os
import re
import signal
import time
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

import boto3
import httpx
import psutil
import psycopg
import pytest
import zstandard
from monitoring.queries import queries, variables

from ingot.metrics import alarm_text, load_catalogue
from ingot.metrics.prometheus import in_prometheus, prometheus_name
from ingot.naming import JOBS, LANDING, table_name
from ingot.sources import load_sources
from tests.watching import now, until

if TYPE_CHECKING:
    from conftest import Demo

    from tests.watching import Watching

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

ROOT = Path(__file__).resolve().parents[2]
DASHBOARDS = ROOT / "localstack/monitoring/grafana/dashboards"
QUARTER = (datetime(2020, 1, 1, tzinfo=UTC), datetime(2020, 4, 1, tzinfo=UTC))
REVENUE = {
    "men's clothing": Decimal("2646.44"),
    "jewelery": Decimal("1410.98"),
    "electronics": Decimal("624.00"),
    "women's clothing": Decimal("9.85"),
}


# By the rate of the day, or of the last working day before it; computed by hand in tests/integration/dbt.
IN_CURRENCIES = {
    "2020-01-01": {"EUR": "391.49", "GBP": "333.08", "USD": "439.80"},
    "2020-01-02": {"EUR": "2303.85", "GBP": "1954.31", "USD": "2578.70"},
    "2020-03-01": {"EUR": "796.88", "GBP": "679.85", "USD": "874.73"},
    "2020-03-02": {"EUR": "717.53", "GBP": "625.06", "USD": "798.04"},
}
# Revenue less the costs of the suppliers' price lists, each of the order's day; likewise.
MARGINS = {
    "men's clothing": ("1455.35", "1191.09"),
    "jewelery": ("981.85", "429.13"),
    "electronics": ("424.10", "199.90"),
    "women's clothing": ("5.40", "4.45"),
}
STREAMS = {"carts": 7, "products": 20, "users": 10, "rates": 284, "costs": 27}
"""Stream to accepted records."""


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


def test_gold_says_revenue_in_three_currencies_and_what_is_left_of_it(demo: Demo) -> None:
    converted: dict[str, dict[str, str]] = {}
    for row in demo.rows(
        "select order_date::text as day, currency, round(sum(revenue), 2)::text as revenue "
        "from gold.revenue_by_currency group by 1, 2 order by 1, 2"
    ):
        converted.setdefault(row["day"], {})[row["currency"]] = row["revenue"]
    assert converted == IN_CURRENCIES
    margins = demo.rows("select category, cost::text as cost, margin::text as margin from gold.category_margin")
    assert {row["category"]: (row["cost"], row["margin"]) for row in margins} == MARGINS


def test_the_demo_ends_by_showing_gold_and_the_batches(demo: Demo) -> None:
    batches = [
        f"{name}.20200101T000000Z.20200401T000000Z" for name in ("fakestore.carts", "fx.rates", "suppliers.costs")
    ]
    for expected in ("2,646.44", "2,303.85", "1,191.09", *batches, "LOADED", "make down"):
        assert expected in demo.printed


def test_the_command_line_answers_after_the_demo(demo: Demo) -> None:
    status = demo.ingot("status", "--json")
    assert status.returncode == 0, status.stderr
    found = {(row["stream"], row["state"], row["accepted"]) for row in json.loads(status.stdout)}
    assert found == {(stream, "LOADED", accepted) for stream, accepted in STREAMS.items()}
    batches = demo.ingot("batches", "--stream", "carts")
    assert "fakestore.carts.20200101T000000Z.20200401T000000Z" in batches.stdout
    assert "LOADED" in batches.stdout
    forbidden = demo.ingot("sql", "delete from gold.daily_sales")
    assert forbidden.returncode == 1
    assert "only reading is allowed" in forbidden.stderr
    sneaky = demo.ingot("sql", "set transaction read write; drop table gold.daily_sales")
    assert sneaky.returncode == 1
    assert demo.ingot("sql", "select * from gold.nothing").returncode == 1


def test_what_ran_is_there_for_prometheus(demo: Demo) -> None:
    """All that the catalogue sends there, but for what only failures, scarce runs or nobody on a laptop emit."""
    rare = {"failed_dag_run_seconds", "run_cost_percent"}
    metrics = {name: metric for name, metric in load_catalogue().metrics.items() if in_prometheus(metric)}
    text = httpx.get(f"{demo.laptop.metrics.url}/metrics").raise_for_status().text
    lines = (line.rpartition(" ") for line in text.splitlines() if not line.startswith("#"))
    shown = {series: float(value) for series, _, value in lines}

    counted = {
        prometheus_name(name, metric) + ("_count" if metric.type == "distribution" else "")
        for name, metric in metrics.items()
        if name not in rare
    }
    assert counted <= {series.partition("{")[0] for series in shown}
    for stream, accepted in STREAMS.items():
        (rows,) = (v for n, v in shown.items() if n.startswith("ingot_rows_accepted_total") and f'"{stream}"' in n)
        assert rows == accepted
    assert shown['ingot_dag_run_seconds_count{dag="transform"}'] >= 1
    assert shown['ingot_dbt_model_seconds_count{layer="gold",model="daily_sales"}'] >= 1
    failed = {n: v for n, v in shown.items() if n.startswith(("ingot_dbt_tests_failed", "ingot_attempts_failed"))}
    assert set(failed.values()) == {0}
    assert shown["statsd_exporter_lines_total"] > 0
    assert not [name for name in shown if name.startswith("statsd_exporter_errors")]


def test_everything_that_was_deployed_is_there_when_asked_by_api(demo: Demo) -> None:
    from laptop.deploy import NAMES

    endpoint = {"endpoint_url": demo.laptop.cloud.url}
    tables = boto3.client("glue", **endpoint).get_tables(DatabaseName=NAMES.glue_database)["TableList"]
    sources = load_sources(ROOT / "sources")
    assert {t["Name"] for t in tables} == {
        table_name(source.name, stream) for source in sources.values() for stream in source.streams
    }
    jobs = (page["Jobs"] for page in boto3.client("glue", **endpoint).get_paginator("get_jobs").paginate())
    assert {j["Name"] for page in jobs for j in page} == {NAMES.job(name, kind) for name in sources for kind in JOBS}
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
    # And against the first, on the same machine beside the same other tests.
    assert _seconds(printed) < _seconds(demo.printed)


def _seconds(printed: str) -> int:
    """How long a demo took, by its own word."""
    (said,) = re.findall(r"gold tables in (\d+) seconds", printed)
    return int(said)


def test_the_state_machine_makes_the_same_rows_as_airflow(demo: Demo) -> None:
    """The deployed ones, from nothing, source after source: the same jobs in Glue, and dbt as a container task."""
    from laptop.deploy import NAMES

    airflows = demo.everything()
    _forget_all_data(demo)
    states = boto3.client("stepfunctions", endpoint_url=demo.laptop.cloud.url)
    machines = {each["name"]: each["stateMachineArn"] for each in states.list_state_machines()["stateMachines"]}
    assert machines.keys() == {NAMES.state_machine(source) for source in load_sources(ROOT / "sources")}
    given = {"interval_start": QUARTER[0], "interval_end": QUARTER[1], "as_of": QUARTER[1]}
    moments = json.dumps({name: f"{moment:%Y-%m-%dT%H:%M:%SZ}" for name, moment in given.items()})
    for source in demo.sources:
        machine = machines[NAMES.state_machine(source)]
        started = states.start_execution(stateMachineArn=machine, input=moments)["executionArn"]
        deadline = time.monotonic() + 240
        while (ended := states.describe_execution(executionArn=started))["status"] == "RUNNING":
            assert time.monotonic() < deadline, states.get_execution_history(executionArn=started)["events"][-3:]
            time.sleep(0.2)
        assert ended["status"] == "SUCCEEDED", ended

    assert demo.everything() == airflows
    assert {table.split(".")[0] for table, rows in airflows.items() if rows} == {"silver", "gold"}
    assert demo.rows("select count(*) as n from audit.batches where state = 'LOADED'") == [{"n": len(STREAMS)}]


def test_a_job_that_is_killed_and_retried_leaves_the_same_rows(demo: Demo) -> None:
    before = demo.everything()
    _forget_all_data(demo)
    demo.misbehave(path="/carts", latency=4, times=1)
    runs = {source: demo.ingest(source, "killed", *QUARTER, run_after=QUARTER[1]) for source in demo.sources}
    killed = _kill_the_job_that_extracts("carts", demo)
    runs = {source: demo.end(run) for source, run in runs.items()}
    demo.behave()
    assert killed
    assert {run.state for run in runs.values()} == {"success"}
    tasks = demo.api.tasks(runs["fakestore"])
    assert max(task.try_number for task in tasks if task.task_id == "carts.extract") == 2
    assert demo.transform_after(*runs.values()).state == "success"
    assert demo.everything() == before
    (attempt,) = demo.rows("select state, error from audit.attempts where state <> 'SUCCEEDED'")
    assert attempt == {"state": "FAILED", "error": "Killed"}


def test_a_source_that_is_down_fails_the_task_and_the_batch_and_the_next_run_recovers(
    demo: Demo, watched: Watching
) -> None:
    march = (datetime(2020, 3, 1, tzinfo=UTC), datetime(2020, 4, 1, tzinfo=UTC))
    before = demo.everything()
    assert watched.firing("dag-failed") == []
    demo.misbehave(path="/carts", status=502)
    run = demo.end(demo.ingest("fakestore", "outage", *march, run_after=QUARTER[1]))
    assert run.state == "failed"
    until(lambda: watched.firing("dag-failed") == [{"dag": "ingest_fakestore"}], seconds=60)
    words = alarm_text(
        load_catalogue().alarms["failed_dag_run_seconds"], {"dag": "ingest_fakestore"}, runbook="docs/runbook.md"
    )
    until(lambda: f"RINGS dag-failed\n{words}\n" in watched.told.read_text(), seconds=60, what=watched.told.read_text)
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
    run = demo.end(demo.ingest("fakestore", "recovery", *march, run_after=QUARTER[1]))
    assert run.state == "success"
    assert demo.transform("recovery").state == "success"
    (row,) = demo.rows(batches + batch)
    assert (row["state"], row["reason"]) == ("LOADED", None)
    orders = "silver.orders"
    assert len(demo.everything()[orders]) == len(before[orders]) == 7  # the same orders came again: none is there twice
    assert demo.rows("select sum(revenue)::text as r from gold.daily_sales") == [{"r": "4691.27"}]


def test_every_panel_of_both_dashboards_gets_rows(demo: Demo, watched: Watching) -> None:
    end = now()
    health, business = (
        json.loads((DASHBOARDS / f"{name}.json").read_text()) for name in ("pipeline-health", "business")
    )
    chosen = variables(health, lambda _, query, so_far: watched.choices(query, so_far))
    assert set(chosen["source"]) == set(demo.sources)
    asked = list(queries(health, chosen, end - timedelta(hours=1), end))
    empty = {query.panel for query in asked if not watched.rows(query, end - timedelta(hours=1), end)}
    # A usual cost there is after five runs only; tests/integration/monitoring sends all metrics that there are.
    assert empty <= {"Run cost, percent of usual"}
    assert len(asked) > 20

    demo.laptop.postgres.ensure_reader("grafana", "the dashboards'", database="ingot", schemas=("gold", "audit"))
    place = {"host": demo.laptop.postgres.host, "port": demo.laptop.postgres.port, "dbname": "ingot"}
    with psycopg.connect(user="grafana", password="the dashboards'", **place) as connection:
        chosen = variables(business, lambda _, query, so_far: [row[0] for row in connection.execute(query)])
        assert chosen == {"currency": ["USD"], "category": sorted(REVENUE)}
        start, until_then = (datetime.fromisoformat(business["time"][key]) for key in ("from", "to"))
        shown = {
            query.panel: connection.execute(query.text.encode()).fetchall()
            for query in queries(business, chosen, start, until_then)
        }
    assert [panel for panel, rows in shown.items() if not rows] == []
    assert shown["Revenue"] == [(Decimal("4691.2700"),)]
    assert shown["Orders"] == [(7,)]
    assert dict(shown["Categories: revenue in ${currency}"]) == REVENUE


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
    """All that runs left; what landed is a source's, as what an API answers is."""
    from laptop.deploy import NAMES

    with demo.laptop.postgres.connect("ingot") as connection:
        for schema in ("gold", "silver", "staging", "bronze", "audit"):
            connection.execute(f"drop schema if exists {schema} cascade")
    s3 = boto3.resource("s3", endpoint_url=demo.laptop.cloud.url)
    for bucket in (NAMES.bronze_bucket, NAMES.lake_bucket):
        for version in s3.Bucket(bucket).object_versions.all():
            if not version.object_key.startswith(LANDING):
                version.delete()


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
