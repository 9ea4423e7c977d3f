"""What a task of dbt came to is a metric of CloudWatch, by a line in the tasks' log group, and never a failed task."""

from __future__ import annotations

import importlib.util
import json
import shutil
import socket
import time
import uuid
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3
import pytest

ROOT = Path(__file__).resolve().parents[3]
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # Airflow's own
TASK = {"ti": SimpleNamespace(dag_id="transform", task_id="dbt.orders_run")}


@pytest.fixture(scope="module")
def module(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """As it lies in the bundle, with dbt's project beside it."""
    folder = tmp_path_factory.mktemp("dags")
    shutil.copy(ROOT / "dags/ingot_dbt.py", folder)
    (folder / "dbt").mkdir()
    shutil.copy(ROOT / "dbt/run_metrics.py", folder / "dbt")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AIRFLOW_HOME", str(tmp_path_factory.mktemp("airflow")))
        spec = importlib.util.spec_from_file_location("bundled_ingot_dbt", folder / "ingot_dbt.py")
        assert spec is not None
        assert spec.loader is not None
        loaded = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(loaded)
    return loaded


@pytest.fixture
def project(tmp_path: Path) -> Path:
    target = tmp_path / "target"
    target.mkdir()
    nodes = {"model.shop.orders": {"resource_type": "model", "name": "orders", "schema": "silver"}}
    results = [{"unique_id": "model.shop.orders", "status": "success", "execution_time": 1.5}]
    (target / "manifest.json").write_text(json.dumps({"nodes": nodes}))
    (target / "run_results.json").write_text(json.dumps({"results": results}))
    return tmp_path


def test_cloudwatch_makes_metrics_of_what_a_task_logs(cloud: str, module: Any, project: Path) -> None:
    unique = uuid.uuid4().hex[:8]
    group, namespace = f"airflow-ingot-{unique}-Task", f"Ingot/{unique}"
    boto3.client("logs").create_log_group(logGroupName=group)

    module.emit_metrics(str(project), namespace=namespace, log_group=group, context=TASK)

    metrics = boto3.client("cloudwatch").list_metrics(Namespace=namespace)["Metrics"]
    series = {(each["MetricName"], *(one["Value"] for one in each["Dimensions"])) for each in metrics}
    assert series == {("dbt_model_seconds", "silver", "orders"), ("dbt_model_seconds", "silver")}


def test_what_goes_wrong_fails_no_task(
    cloud: str, module: Any, project: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    module.emit_metrics(str(project), namespace="Ingot/x", log_group="there-is-none", context=TASK)
    assert "are lost" in caplog.text

    caplog.clear()
    module.emit_metrics(str(tmp_path / "nowhere"), namespace="Ingot/x", log_group="there-is-none", context=TASK)
    assert "No metrics of dbt's run" in caplog.text


def test_a_task_waits_seconds_for_who_does_not_answer(
    module: Any, project: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{silent.getsockname()[1]}")
        began = time.monotonic()
        module.emit_metrics(str(project), namespace="Ingot/x", log_group="any", context=TASK)
    assert time.monotonic() - began < 30  # a minute for one attempt, unless something else is said
    assert "are lost" in caplog.text
