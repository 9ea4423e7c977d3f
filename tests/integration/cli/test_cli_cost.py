"""`ingot cost runs`: what batches cost, from what their steps left in Bronze and what the jobs run on."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import boto3
import pytest

from ingot.attempt import attempt
from ingot.batch import Batch
from ingot.errors import IngotError
from ingot.sources import load_source
from ingot.steps.extract import extract
from ingot.storage import ObjectStore

if TYPE_CHECKING:
    from .conftest import Deployed


def test_runs_cost_what_their_attempts_and_objects_do(deployed: Deployed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INGOT_SOURCE_URL_FAKESTORE", deployed.laptop.source.url)
    names, source = deployed.names, load_source(deployed.sources / "fakestore")
    bronze, end = ObjectStore(names.bronze_bucket), datetime(2020, 3, 2, tzinfo=UTC)
    products, carts = (
        Batch(source="fakestore", stream=stream, interval_start=datetime(2020, 3, 1, tzinfo=UTC), interval_end=end)
        for stream in ("products", "carts")
    )
    with attempt(bronze, products, "extract") as record:
        manifest = extract(products, source=source, bronze=bronze, as_of=end, record=record)
    with pytest.raises(IngotError), attempt(bronze, carts, "extract"):
        raise IngotError("no")

    unsized = deployed.ingot("cost", "runs")
    assert unsized.code == 1
    assert "does not say what it runs on" in unsized.err
    job = {"JobName": names.job("fakestore", "extract")}
    deployed_job = boto3.client("glue").get_job(**job)["Job"]
    update = {name: deployed_job[name] for name in ("Role", "Command", "GlueVersion", "DefaultArguments")}
    boto3.client("glue").update_job(**job, JobUpdate={**update, "WorkerType": "G.1X", "NumberOfWorkers": 2})

    answer = deployed.ingot("cost", "runs", "--json")
    assert answer.code == 0, answer.err
    failed, good = answer.json["batches"]
    assert (failed["batch_id"], failed["state"], failed["dpu_seconds"]) == (carts.id, "FAILED", 120)
    assert (good["batch_id"], good["state"], good["attempts"]) == (products.id, "COMMITTED", 1)
    assert good["glue_usd"] == pytest.approx(120 / 3600 * 0.44, abs=1e-6)
    assert manifest.parts
    assert good["storage_usd"] == round(sum(part.stored_bytes for part in manifest.parts) / 2**30 * 0.023, 6)
    assert answer.json["usd"] == pytest.approx(failed["usd"] + good["usd"], abs=2e-6)
    assert answer.json["unchecked_prices"]

    assert products.id in deployed.ingot("cost", "runs", "--stream", "products").out
    assert carts.id not in deployed.ingot("cost", "runs", "--stream", "products").out
    assert deployed.ingot("cost", "runs", "--batch", "fakestore.carts.none").code == 2
