"""The bridge: lines of StatsD in, Prometheus out, as statsd-exporter's documentation has it."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest
from prometheus_client import generate_latest
from statsd_bridge.lines import LineError, parse
from statsd_bridge.mapping import Rules
from statsd_bridge.store import Store

ROOT = Path(__file__).resolve().parents[3]
MAPPING = ROOT / "localstack" / "monitoring" / "statsd-mapping.yml"

README = """
mappings:
- match: "test.dispatcher.*.*.*"
  name: "dispatcher_events_total"
  labels: {processor: "$1", action: "$2", outcome: "$3", job: "test_dispatcher"}
- match: "*.signup.*.*"
  name: "signup_events_total"
  labels: {provider: "$2", outcome: "$3", job: "${1}_server"}
- match: "test.timing.*"
  name: "my_timer"
  observer_type: histogram
  histogram_options: {buckets: [0.01, 0.1, 1]}
  labels: {provider: "$1"}
- match: test\\.(\\w+)\\.(\\w+)\\.counter
  match_type: regex
  name: "${2}_total"
  labels: {provider: "$1"}
- match: "both.*"
  match_metric_type: gauge
  name: "both_now"
"""
"""The examples of https://github.com/prometheus/statsd_exporter#metric-mapping-and-configuration."""


def shown(store: Store) -> dict[str, float]:
    lines = generate_latest(store.registry).decode().splitlines()
    return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines if not line.startswith("#")}


@pytest.fixture
def documented(tmp_path: Path) -> Store:
    file = tmp_path / "mapping.yml"
    file.write_text(README)
    return Store(Rules(file))


@pytest.fixture
def ours() -> Store:
    return Store(Rules(MAPPING))


def test_the_examples_of_statsd_exporter_s_documentation(documented: Store) -> None:
    documented.receive(b"test.dispatcher.FooProcessor.send.success:1|c\nfoo_product.signup.facebook.failure:2|c")
    documented.receive(b"test.web-server.foo.bar:3|c\ntest.a.b.counter:4|c")

    found = shown(documented)
    dispatched = 'action="send",job="test_dispatcher",outcome="success",processor="FooProcessor"'
    assert found[f"dispatcher_events_total{{{dispatched}}}"] == 1
    assert found['signup_events_total{job="foo_product_server",outcome="failure",provider="facebook"}'] == 2
    assert found["test_web_server_foo_bar_total"] == 3  # prometheus_client ends every counter so
    assert found['b_total{provider="a"}'] == 4


def test_a_timing_is_a_histogram_in_seconds(documented: Store) -> None:
    documented.receive(b"test.timing.x:50|ms\ntest.timing.x:2|h\ntest.timing.x:0.5|d\ntest.timing.x:100|ms|@0.5")

    found = shown(documented)
    assert found['my_timer_count{provider="x"}'] == 5, "half of the timings were sent: each stands for two"
    assert found['my_timer_sum{provider="x"}'] == pytest.approx(0.05 + 2 + 0.5 + 0.1 + 0.1)
    bounds = ("0.01", "0.1", "1.0", "+Inf")
    assert [found[f'my_timer_bucket{{le="{le}",provider="x"}}'] for le in bounds] == [0, 3, 4, 5]


def test_counters_add_up_and_gauges_are_set_or_moved(documented: Store) -> None:
    documented.receive(b"a.b:1|c\na.b:2|c|@0.1\nboth.x:5|g\nboth.x:+2|g\nboth.x:-3|g\nboth.x:1|c")

    found = shown(documented)
    assert found["a_b_total"] == 21
    assert found["both_now"] == 4
    assert found["both_x_total"] == 1, "the rule is for gauges alone"


def test_what_is_no_line_is_counted_and_the_others_are_taken(documented: Store) -> None:
    documented.receive(b"nonsense\na:x|c\na:1|q\na:1|c|@0\na:1|c|#tag\nfine:1|c\nfine:1|g")

    found = shown(documented)
    assert found["fine_total"] == 1
    assert found['statsd_exporter_errors_total{reason="malformed_line"}'] == 5
    assert found["statsd_exporter_lines_total"] == 7
    with pytest.raises(LineError):
        parse("nonsense")


@pytest.mark.parametrize("value", ["5|ms|@1e-320", "5|ms|@1e-12", "nan|ms", "1e400|ms"])
def test_a_value_without_end_is_left_out_and_stops_nothing(documented: Store, value: str) -> None:
    documented.receive(f"test.timing:{value}\ntest.timing:5|ms".encode())

    found = shown(documented)
    assert found['statsd_exporter_errors_total{reason="malformed_line"}'] == 1
    assert found["test_timing_sum"] == 0.005


@pytest.mark.parametrize(
    "text",
    [
        "defaults: {}\nmappings: []",
        "mappings: [{match: a, name: b, ttl: 3s}]",
        "mappings: [{match: a, name: b, observer_type: summary}]",
    ],
)
def test_a_file_that_asks_for_more_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "mapping.yml"
    file.write_text(text)
    with pytest.raises(ValueError, match=r"more than mappings|ttl|no histogram"):
        Rules(file)


def test_what_airflow_emits_is_named_by_the_catalogue_and_the_rest_dropped(ours: Store) -> None:
    """Airflow sends each metric twice, by its name of old with all its values and by its new one without them."""
    ours.receive(
        b"airflow.ti.finish.ingest_fakestore.carts__extract.up_for_retry:1|c\nairflow.ti.finish:1|c\n"
        b"airflow.dag.transform.dbt__orders__run.duration:1500|ms\nairflow.task.duration:1500|ms\n"
        b"airflow.dagrun.duration.success.transform:61000|ms\nairflow.dagrun.duration.failed.ingest_fx:2000|ms\n"
        b"airflow.dagrun.duration.success:61000|ms\nairflow.scheduler_heartbeat:1|c\n"
    )

    found = {name: value for name, value in shown(ours).items() if not name.startswith("statsd_exporter")}
    finished = 'dag="ingest_fakestore",state="up_for_retry",task="carts__extract"'
    assert found[f"ingot_tasks_finished_total{{{finished}}}"] == 1
    assert found['ingot_task_seconds_sum{dag="transform",task="dbt__orders__run"}'] == 1.5
    assert found['ingot_dag_run_seconds_sum{dag="transform"}'] == 61
    assert found['ingot_failed_dag_run_seconds_count{dag="ingest_fx"}'] == 1
    assert all(name.startswith("ingot_") for name in found)


def test_the_process_receives_and_serves_on_one_port(tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    ready = tmp_path / "ready"
    command = [sys.executable, "-m", "statsd_bridge", "--port", str(port), "--mapping", str(MAPPING)]
    process = subprocess.Popen([*command, "--ready-file", str(ready)], env={"PYTHONPATH": str(ROOT / "localstack")})
    try:
        for _ in range(200):
            if ready.exists():
                break
            time.sleep(0.05)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.sendto(b"ingot.rows_accepted:7|c|#source:shop,stream:carts", ("127.0.0.1", port))
        wanted = 'ingot_rows_accepted_total{source="shop",stream="carts"} 7.0'
        for _ in range(100):
            text = httpx.get(ready.read_text().strip()).text
            if wanted in text:
                break
            time.sleep(0.05)
        assert wanted in text
    finally:
        process.terminate()
        process.wait(10)
