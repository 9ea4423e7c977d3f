"""What dbt's runs came to, as metrics: the script beside the project says what the catalogue would."""

from __future__ import annotations

import importlib.util
import json
import socket
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from ingot.metrics import emf_line, load_catalogue, statsd_lines

ROOT = Path(__file__).resolve().parents[3]
SCRIPT = ROOT / "dbt" / "run_metrics.py"
AT = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def script() -> Any:
    spec = importlib.util.spec_from_file_location("run_metrics", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["run_metrics"] = module  # a dataclass looks itself up there
    spec.loader.exec_module(module)
    return module


def node(kind: str, name: str, schema: str = "gold", **more: Any) -> dict[str, Any]:
    return {"resource_type": kind, "name": name, "schema": schema, "depends_on": {"nodes": []}} | more


@pytest.fixture
def target(tmp_path: Path) -> Path:
    """As dbt 1.11 leaves it."""
    reads = {"depends_on": {"nodes": ["model.shop.orders", "model.shop.sales"]}}
    nodes = {
        "model.shop.orders": node("model", "orders", "silver"),
        "model.shop.sales": node("model", "sales"),
        "model.shop.late": node("model", "late"),
        "seed.shop.names": node("seed", "names", "staging"),
        "test.shop.not_null": node("test", "not_null", attached_node="model.shop.orders"),
        "test.shop.unique": node("test", "unique", attached_node="model.shop.orders"),
        "test.shop.adds_up": node("test", "adds_up", **reads),
        "test.shop.of_a_source": node("test", "of_a_source", depends_on={"nodes": ["source.shop.bronze.carts"]}),
    }
    results = [
        ("model.shop.orders", "success", 1.25),
        ("seed.shop.names", "success", 0.5),
        ("test.shop.not_null", "pass", 0.1),
        ("test.shop.unique", "fail", 0.1),
        ("model.shop.sales", "error", 2.0),
        ("test.shop.adds_up", "error", 0.1),
        ("model.shop.late", "skipped", 0.0),
        ("test.shop.of_a_source", "fail", 0.1),
        ("operation.shop.turn", "success", 0.1),
    ]
    told = [dict(zip(("unique_id", "status", "execution_time"), each, strict=True)) for each in results]
    (tmp_path / "run_results.json").write_text(json.dumps({"results": told}))
    (tmp_path / "manifest.json").write_text(json.dumps({"nodes": nodes}))
    return tmp_path


def test_models_are_told_with_their_tests_and_what_did_not_run_is_not(script: Any, target: Path) -> None:
    found = {(each.layer, each.name): (each.seconds, each.tests_failed) for each in script.models(target)}

    assert found == {
        ("silver", "orders"): (1.25, 1),
        ("gold", "sales"): (2.0, 1),
        ("staging", "names"): (0.5, None),
    }


def test_the_lines_are_those_that_the_catalogue_makes(script: Any, target: Path) -> None:
    """A name, a unit, a label or a rollup that is changed in the catalogue alone fails here."""
    catalogue = load_catalogue()
    found = script.models(target)
    emitted = {name for name, metric in catalogue.metrics.items() if metric.emitted_by == ("dbt",)}

    assert {name for model in found for name in model.values} == emitted
    sent, printed = list(script.statsd_lines(found)), list(script.emf_lines(found, "Ingot/test", AT.timestamp()))
    for model, line in zip(found, printed, strict=True):
        labels = {"layer": model.layer, "model": model.name}
        same = emf_line(catalogue, model.values, labels, namespace="Ingot/test", at=AT, step="dbt")
        assert json.loads(line) == json.loads(same)
        for each in statsd_lines(catalogue, model.values, labels, at=AT):
            sent.remove(each)
    assert sent == []


def test_it_sends_and_prints_where_it_is_told_to(target: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 0))
        receiver.settimeout(10)
        told = {"INGOT_STATSD": f"127.0.0.1:{receiver.getsockname()[1]}", "INGOT_METRICS_NAMESPACE": "Ingot/test"}
        done = subprocess.run([sys.executable, SCRIPT, target], env=told, capture_output=True, text=True, check=True)
        assert receiver.recv(1000) == b"ingot.dbt_model_seconds:1250|ms|#layer:silver,model:orders"
    assert [json.loads(line)["model"] for line in done.stdout.splitlines()] == ["orders", "names", "sales"]


@pytest.mark.parametrize("told", [{}, {"INGOT_STATSD": "nowhere"}, {"INGOT_STATSD": "127.0.0.1:1"}])
def test_nothing_that_is_missing_or_wrong_fails_a_run(tmp_path: Path, target: Path, told: dict[str, str]) -> None:
    for folder in (tmp_path / "none", target):
        done = subprocess.run([sys.executable, SCRIPT, folder], env=told, capture_output=True, text=True, check=True)
        assert done.stdout == ""
