"""What a person does to a demo that stands, by the command line: through the deployed jobs, into gold."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pytest

if TYPE_CHECKING:
    from conftest import Demo

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

ROOT = Path(__file__).resolve().parents[2]
CONTRACT = "sources/fakestore/products.odcs.yaml"
DAY = ("--from", "2020-04-01", "--to", "2020-04-02")
PRICE = "select list_price::text as price from gold.product_performance where product_id = 3"


def test_a_refused_record_reaches_gold_once_the_contract_allows_it(demo: Demo) -> None:
    demo.misbehave(path="/products", patch={"id": 3, "merge": {"price": 1000, "rating": {"rate": 7}}})
    taken = demo.ingot("backfill", "--source", "fakestore", "--stream", "products", *DAY)
    demo.behave()
    assert taken.returncode == 0, taken.stderr
    assert answer(demo, "quarantine", "list", "--stream", "products")[0]["rules"] == {"maximum": 1}
    (record,) = answer(demo, "quarantine", "show", "--stream", "products")
    assert (record["key"], record["violations"][0]["path"]) == ("3", "$.rating.rate")

    with contract_deployed(demo, "maximum: 5\n", "maximum: 10\n"):
        replayed = demo.ingot("quarantine", "replay", "--source", "fakestore", "--stream", "products", "--json")
    assert replayed.returncode == 0, replayed.stderr
    (result,) = json.loads(replayed.stdout)
    assert (result["accepted"], result["open"]) == (1, 0)

    assert demo.rows(PRICE) == [{"price": "55.99"}], "gold follows with the next transform"
    transformed = demo.ingot("transform")
    assert transformed.returncode == 0, transformed.stderr[-3000:]
    assert demo.rows(PRICE) == [{"price": "1000.00"}]
    assert demo.rows("select count(*) as n from silver.products") == [{"n": 20}]


def test_the_warehouse_is_rebuilt_from_bronze_with_the_source_switched_off(demo: Demo) -> None:
    before = {**demo.everything(), **loaded(demo)}
    demo.laptop.source.stop()
    rebuilt = demo.ingot("rebuild", "--yes", "--json")
    demo.laptop.source.start()

    assert rebuilt.returncode == 0, rebuilt.stderr[-3000:]
    assert [(row["what"], row["rebuilt"]) for row in json.loads(rebuilt.stdout)] == [
        ("fakestore", True),
        ("silver and gold", True),
    ]
    assert {**demo.everything(), **loaded(demo)} == before
    assert all(before[table] for table in ("bronze.fakestore_carts", "silver.orders", "gold.daily_sales"))


def answer(demo: Demo, *arguments: str) -> list[dict[str, Any]]:
    done = demo.ingot(*arguments, "--json")
    assert done.returncode == 0, done.stderr
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found


def loaded(demo: Demo) -> dict[str, list[str]]:
    """Every row of Bronze, and the numbers under which batches are loaded."""
    queries = {f"bronze.fakestore_{s}": f"bronze.fakestore_{s}" for s in ("carts", "products", "users")}
    queries["audit.batches"] = "(select batch_id, state, accepted, rejected, load_id from audit.batches)"
    with demo.laptop.postgres.connect("ingot") as connection:
        return {
            name: [str(row) for (row,) in connection.execute(f"select t::text from {query} t order by 1")]
            for name, query in queries.items()
        }


@contextmanager
def contract_deployed(demo: Demo, old: str, new: str) -> Iterator[None]:
    """Another contract of products in the artifacts bucket, where a deployment puts it."""
    from laptop.deploy import NAMES

    s3 = boto3.client("s3", endpoint_url=demo.laptop.cloud.url)
    text = (ROOT / CONTRACT).read_text(encoding="utf-8")
    assert text.count(old) == 1
    s3.put_object(Bucket=NAMES.artifacts_bucket, Key=CONTRACT, Body=text.replace(old, new).encode())
    yield
    s3.put_object(Bucket=NAMES.artifacts_bucket, Key=CONTRACT, Body=text.encode())
