"""What the installed Airflow sends with its own client arrives by the catalogue's names."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

from prometheus_client import generate_latest
from statsd_bridge.mapping import Rules
from statsd_bridge.store import Store

ROOT = Path(__file__).resolve().parents[3]

# As airflow/sdk/execution_time/task_runner.py and airflow/models/dagrun.py call it.
EMITS = """
from airflow.configuration import conf
from airflow.sdk._shared.observability.metrics import stats
from airflow.sdk.observability.metrics import stats_utils

legacy = conf.getboolean("metrics", "legacy_names_on")
stats.initialize(factory=stats_utils.get_stats_factory(), export_legacy_names=legacy)
task = {"dag_id": "ingest_shop", "task_id": "carts.extract"}
stats.incr("ti.start", tags=task)
stats.incr("ti.finish", tags={**task, "state": "up_for_retry"})
stats.timing("task.duration", 2500.0, tags=task)
for state in ("success", "failed"):
    run = {"dag_id": "ingest_shop", "run_type": "manual"}
    stats.timing(f"dagrun.duration.{state}", dt=60000.0, tags=run)
"""


def test_airflow_s_client_and_names(tmp_path: Path) -> None:
    store = Store(Rules(ROOT / "localstack" / "monitoring" / "statsd-mapping.yml"))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 0))
        # What localstack/laptop/airflow.py and docker-compose.yml set; all else is Airflow's own default.
        told = {"STATSD_ON": "True", "STATSD_HOST": "127.0.0.1", "STATSD_PORT": str(receiver.getsockname()[1])}
        settings = {f"AIRFLOW__METRICS__{name}": value for name, value in told.items()}
        subprocess.run(
            [sys.executable, "-c", EMITS],
            env={**os.environ, "AIRFLOW_HOME": str(tmp_path), "PYTHONWARNINGS": "ignore", **settings},
            check=True,
        )
        receiver.setblocking(False)
        while True:
            try:
                store.receive(receiver.recv(65535))
            except BlockingIOError:
                break

    lines = generate_latest(store.registry).decode().splitlines()
    found = {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines if line.startswith("ingot_")}
    finished = 'dag="ingest_shop",state="up_for_retry",task="carts__extract"'
    assert {name: value for name, value in found.items() if "_bucket" not in name} == {
        f"ingot_tasks_finished_total{{{finished}}}": 1,
        'ingot_task_seconds_count{dag="ingest_shop",task="carts__extract"}': 1,
        'ingot_task_seconds_sum{dag="ingest_shop",task="carts__extract"}': 2.5,
        'ingot_dag_run_seconds_count{dag="ingest_shop"}': 1,
        'ingot_dag_run_seconds_sum{dag="ingest_shop"}': 60,
        'ingot_failed_dag_run_seconds_count{dag="ingest_shop"}': 1,
        'ingot_failed_dag_run_seconds_sum{dag="ingest_shop"}': 60,
    }
