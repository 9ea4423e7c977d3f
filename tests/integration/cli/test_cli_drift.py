"""Drift from the source to the contract and back: seen, proposed, accepted, and then no drift any more."""

from __future__ import annotations

import io
import shutil
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ingot.attempt import attempt
from ingot.batch import Batch
from ingot.errors import RejectRateExceeded
from ingot.manifest import Manifest
from ingot.sources import Source, load_source
from ingot.steps.extract import extract
from ingot.steps.load import load
from ingot.steps.refine import refine
from ingot.storage import ObjectStore
from ingot.warehouse import load_warehouse

if TYPE_CHECKING:
    from .conftest import Answer, Deployed

ROOT = Path(__file__).resolve().parents[3]


@dataclass
class Shop:
    """The environment, with the steps in this process: the jobs are tested elsewhere."""

    deployed: Deployed
    dbt: Path
    docs: Path

    def run(self, stream: str, day: int) -> Manifest:
        """The batch of one day of March 2020, as far as Bronze."""
        start, end = datetime(2020, 3, day, tzinfo=UTC), datetime(2020, 3, day + 1, tzinfo=UTC)
        batch = Batch(source="fakestore", stream=stream, interval_start=start, interval_end=end)
        bronze = ObjectStore(self.deployed.names.bronze_bucket)
        with attempt(bronze, batch, "extract") as record:
            return extract(batch, source=self.source(), bronze=bronze, as_of=end, record=record)

    def publish(self, manifest: Manifest) -> None:
        """The batch as Parquet, and in the warehouse."""
        names, batch = self.deployed.names, manifest.batch
        bronze, lake = ObjectStore(names.bronze_bucket), ObjectStore(names.lake_bucket)
        contract = self.source().stream(batch.stream).contract
        with attempt(bronze, batch, "refine") as record:
            refine(batch, contract=contract, bronze=bronze, lake=lake, record=record)
        warehouse = load_warehouse(self.deployed.endpoint)
        with attempt(bronze, batch, "load") as record:
            load(batch, contract=contract, bronze=bronze, lake=lake, warehouse=warehouse, record=record)

    def source(self) -> Source:
        return load_source(self.deployed.sources / "fakestore")

    def parquet(self, manifest: Manifest) -> pa.Table:
        return pq.read_table(io.BytesIO(ObjectStore(self.deployed.names.lake_bucket).get(manifest.parquet_key)))

    def diff(self, *arguments: str) -> Answer:
        return self.deployed.ingot("contract", "diff", *arguments, "--sources", str(self.deployed.sources))

    def drift(self, *arguments: str) -> list[tuple[Any, ...]]:
        found = self.diff(*arguments, "--json").json["drift"]
        return [(d["kind"], d["path"], d["old"], d["new"], d["example"], d["count"]) for d in found]

    def accept(self, *arguments: str, answer: str = "") -> Answer:
        folders = ("--sources", str(self.deployed.sources), "--dbt", str(self.dbt), "--docs", str(self.docs))
        return self.deployed.ingot("contract", "accept", *arguments, *folders, answer=answer)

    def contract(self, stream: str) -> str:
        return (self.deployed.sources / "fakestore" / f"{stream}.odcs.yaml").read_text()


@pytest.fixture
def shop(deployed: Deployed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shop:
    monkeypatch.setenv("INGOT_SOURCE_URL_FAKESTORE", deployed.laptop.source.url)
    shutil.copytree(ROOT / "dbt" / "models" / "staging", tmp_path / "dbt" / "models" / "staging")
    shutil.copytree(ROOT / "docs" / "reference" / "contracts", tmp_path / "docs" / "reference" / "contracts")
    return Shop(deployed, tmp_path / "dbt", tmp_path / "docs")


def test_where_nothing_drifts_there_is_nothing_to_say(shop: Shop) -> None:
    shop.run("carts", 1)
    answer = shop.diff()
    assert (answer.code, answer.out) == (0, "No drift.\n")
    assert "fakestore.products: there is no batch" in answer.err
    assert shop.accept("fakestore.carts").out == "No drift: there is nothing to accept.\n"


def test_new_fields_are_reported_proposed_accepted_and_become_columns(shop: Shop) -> None:
    shop.deployed.misbehave(
        path="/products", patch={"merge": {"discount": 12.5, "supplier": {"code": "a-1", "since": "2019-05-01"}}}
    )
    first = shop.run("products", 1)
    shop.publish(first)
    assert shop.drift("fakestore.products") == [
        ("new", "$.discount", None, "number", "12.5", 20),
        ("new", "$.supplier", None, "{code: string, since: date}", '{"code":"a-1","since":"2019-05-01"}', 20),
    ]
    shown = shop.diff("fakestore.products")
    assert shown.code == 1
    assert "+      - name: discount\n+        logicalType: number\n+        physicalType: decimal(10,2)" in shown.out
    assert "With this patch 20 of the 20 stored records" in shown.out

    before = shop.contract("products")
    dry = shop.accept("fakestore.products", "--dry-run")
    assert (dry.code, shop.contract("products")) == (0, before)
    assert shop.accept("fakestore.products", answer="n\n").code == 1
    assert shop.contract("products") == before

    accepted = shop.accept("fakestore.products", "--yes")
    assert accepted.code == 0, accepted.err
    assert "version: 1.1.0" in shop.contract("products")
    assert "description: To be written; new in" in shop.contract("products")
    assert "supplier_since" in (shop.dbt / "models/staging/fakestore/stg_fakestore__products.sql").read_text()
    assert "stg_fakestore__products.sql" in accepted.out
    assert "write the descriptions" in accepted.out

    assert shop.diff("fakestore.products").code == 0  # the contract has caught up with the batch
    shop.deployed.misbehave(path="/products", patch={"merge": {"discount": 13.75}})
    second = shop.run("products", 2)
    shop.publish(second)
    assert second.drift == ()
    assert second.contract_version == "1.1.0"
    assert shop.diff("fakestore.products").code == 0
    assert "discount" not in shop.parquet(first).schema.names
    assert shop.parquet(second).schema.field("supplier_since").type == pa.date32()
    rows = shop.deployed.rows(
        "select discount, supplier_code, count(*) as n from bronze.fakestore_products group by 1, 2 order by 1"
    )
    assert rows == [
        {"discount": 13.75, "supplier_code": "a-1", "n": 20},
        {"discount": None, "supplier_code": None, "n": 20},
    ]


def test_a_batch_that_failed_for_its_reject_rate_still_says_what_changed(shop: Shop) -> None:
    shop.run("carts", 1)
    shop.deployed.misbehave(path="/carts", drop_field={"field": "userId"}, patch={"merge": {"buyer": {"no": 7}}})
    with pytest.raises(RejectRateExceeded):
        shop.run("carts", 2)
    assert shop.drift("fakestore.carts") == [
        ("missing", "$.userId", "integer bigint, required", None, None, 1),
        ("new", "$.buyer", None, "{no: integer}", '{"no":7}', 1),
    ]
    assert shop.accept("fakestore.carts", "--yes").code == 0
    assert "version: 2.0.0" in shop.contract("carts")
    manifest = shop.run("carts", 2)
    shop.publish(manifest)
    assert (manifest.accepted, manifest.drift) == (1, ())
    assert shop.parquet(manifest)["buyer_no"].to_pylist() == [7]
    assert shop.drift("fakestore.carts") == []


def test_a_field_of_another_type_is_widened_as_far_as_all_records_allow(shop: Shop) -> None:
    shop.deployed.misbehave(path="/products", set_field={"field": "rating.count", "value": 3.5, "id": 1})
    shop.deployed.misbehave(path="/products", set_field={"field": "price", "value": "9.99", "id": 2})
    shop.run("products", 1)
    assert shop.drift("fakestore.products") == [
        ("retyped", "$.rating.count", "integer", "number", "3.5", 1),
        ("retyped", "$.price", "number decimal(10,2)", "string", '"9.99"', 1),
    ]
    accepted = shop.accept("fakestore.products", "--yes")
    assert accepted.code == 0
    # Prices of both types are in the batch: no type takes them all, and half a patch is better than a wrong one.
    assert "not proposed: $.price: some values are integer and some number and some string" in accepted.out
    assert "physicalType: decimal(15,2)" in shop.contract("products")
    assert "With this patch 19 of the 20 stored records" in accepted.out
    assert "still refused: 1 for type at $.price" in accepted.out
    assert "version: 2.0.0" in shop.contract("products")


def test_a_snapshot_of_old_news_is_still_seen_whole(shop: Shop) -> None:
    shop.run("products", 1)
    shop.deployed.misbehave(path="/products", set_field={"field": "image", "value": 7, "id": 3})
    shop.run("products", 2)
    third = shop.run("products", 3)
    assert (third.accepted, third.rejected) == (0, 0)  # nothing new: all is known, the refused record too
    assert [d[:2] for d in shop.drift("fakestore.products")] == [("retyped", "$.image")]
    answer = shop.diff("fakestore.products")
    assert "not proposed: $.image: some values are integer and some string" in answer.out


def test_an_optional_field_that_nobody_sends_is_missing_until_that_is_accepted(shop: Shop) -> None:
    shop.deployed.misbehave(path="/products", drop_field={"field": "image"})
    shop.run("products", 1)
    assert shop.drift() == [("missing", "$.image", "string varchar(1024), optional", None, None, 20)]
    assert shop.accept("fakestore.products", "--yes").code == 0
    assert "- property: sparse\n            value: true" in shop.contract("products")
    assert "version: 1.0.0" in shop.contract("products")  # what is promised to readers stays as it was
    assert shop.diff().code == 0
    assert shop.run("products", 2).drift == ()


def test_no_secret_and_nothing_personal_is_shown(shop: Shop) -> None:
    shop.deployed.misbehave(
        path="/users",
        patch={
            "merge": {
                "motto": "MARK-1",
                "mobile_no": "MARK-2",
                "x": {"password": "MARK-3"},
                "n": 4,
                "Pass_Word": "MARK-4",
            }
        },
    )
    shop.deployed.misbehave(path="/users", set_field={"field": "phone", "value": 7331, "id": 1})
    manifest = shop.run("users", 1)
    shown = {d.path: d.example for d in manifest.drift}
    assert shown["$.n"] == "4"
    assert shown["$.x"] == "{}"  # what is left of it
    assert {path for path, text in shown.items() if text == "withheld"} == {"$.motto", "$.mobile_no", "$.phone"}
    printed = shop.diff("fakestore.users").out + shop.diff("--json").out
    assert not any(value in printed for value in ("MARK", "7331", "m38rmF$"))


def test_one_path_can_be_accepted_and_one_that_does_not_drift_cannot(shop: Shop) -> None:
    shop.deployed.misbehave(path="/carts", patch={"merge": {"a": 1, "b": True}})
    batch = shop.run("carts", 1).batch_id
    assert shop.accept("fakestore.carts", "--path", "$.c", "--yes").code == 2
    assert shop.accept("fakestore.carts", "--path", "$.b", "--batch", batch, "--yes").code == 0
    assert [d[1] for d in shop.drift("fakestore.carts", "--batch", batch)] == ["$.a"]
    assert shop.diff("fakestore.carts", "--batch", "fakestore.carts.nonsense").code == 1
    assert shop.diff("fakestore.nothing").code == 2
