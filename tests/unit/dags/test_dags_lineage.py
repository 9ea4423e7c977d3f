"""What dbt's integration reports of a model is put right: names as in the warehouse, columns, no table of itself."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[3]
WAREHOUSE = "postgres://db:5432"
MODELS = [
    {
        "table": "staging.stg_shop__orders",
        "inputs": ["bronze.shop_orders"],
        "columns": {
            "buyer": [{"dataset": "bronze.shop_orders", "column": "user_id", "kind": "same"}],
            "lines": [{"dataset": "bronze.shop_orders", "column": "*", "kind": "aggregated"}],
        },
    }
]


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    monkeypatch.syspath_prepend(str(ROOT / "dags"))
    module = importlib.import_module("ingot_lineage")
    monkeypatch.setattr(module, "LINEAGE", tmp_path / "lineage.json")
    module.LINEAGE.write_text(json.dumps(MODELS))
    return module


def event(inputs: list[str], outputs: list[str]) -> Any:
    from openlineage.client.event_v2 import InputDataset, Job, OutputDataset, Run, RunEvent, RunState

    return RunEvent(
        eventTime="2026-01-01T00:00:00Z",
        eventType=RunState.COMPLETE,
        run=Run(runId="6f2cb1a5-3f1e-4b7e-8b1c-0a5d1c6f8e01"),
        job=Job("ns", "job"),
        inputs=[InputDataset(WAREHOUSE, name) for name in inputs],
        outputs=[OutputDataset(WAREHOUSE, name) for name in outputs],
    )


def test_a_model_reads_what_it_reads_and_tells_of_its_columns(module: Any) -> None:
    model = event(["ingot.bronze.orders"], ["ingot.staging.stg_shop__orders"])
    test = event(["ingot.staging.stg_shop__orders"], [])
    operator = SimpleNamespace(openlineage_events_completes=[model, test])

    module.complete_lineage("", context={"task": operator}, namespace="", log_group="")

    (told,) = operator.openlineage_events_completes
    assert [(each.namespace, each.name) for each in told.inputs] == [(WAREHOUSE, "ingot.bronze.shop_orders")]
    fields = told.outputs[0].facets["columnLineage"].fields
    (origin,) = fields["buyer"].inputFields
    assert (origin.namespace, origin.name, origin.field) == (WAREHOUSE, "ingot.bronze.shop_orders", "user_id")
    assert set(fields) == {"buyer"}, "of the number of rows there is no field"


def test_a_task_goes_on_without_the_file(module: Any) -> None:
    model = event(["ingot.bronze.orders"], ["ingot.staging.stg_shop__orders"])
    operator = SimpleNamespace(openlineage_events_completes=[model])
    module.LINEAGE.unlink()

    module.complete_lineage("", context={"task": operator})

    assert operator.openlineage_events_completes == [model]
    assert [each.name for each in model.inputs] == ["ingot.bronze.orders"]


@pytest.mark.parametrize("stored", [True, False])
def test_the_salt_of_the_masks_stays_in_the_warehouse(module: Any, stored: bool) -> None:
    """dbt's integration reports each model's compiled SQL, in which the salt is a literal."""
    from openlineage.client.facet_v2 import sql_job

    model = event(["ingot.bronze.orders"], ["ingot.staging.stg_shop__orders"])
    model.job.facets["sql"] = sql_job.SQLJobFacet(query="select sha256('pepper:' || lower(trim(email)))")
    operator = SimpleNamespace(openlineage_events_completes=[model])
    if not stored:
        module.LINEAGE.unlink()

    module.complete_lineage("", context={"task": operator})

    (told,) = operator.openlineage_events_completes
    assert "pepper" not in str(told)


def test_a_task_goes_on_where_openlineage_is_not(module: Any) -> None:
    module.complete_lineage("", context={"task": SimpleNamespace()})
