"""What a person does to a demo that stands, by the command line: through the deployed jobs, into gold."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ingot.naming import table_name
from ingot.sources import load_source, load_sources

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

    with demo.contract_deployed(CONTRACT, "maximum: 5\n", "maximum: 10\n"):
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
    sources = sorted(load_sources(ROOT / "sources"))
    assert [(row["what"], row["rebuilt"]) for row in json.loads(rebuilt.stdout)] == [
        *((source, True) for source in sources),
        ("silver and gold", True),
    ]
    assert {**demo.everything(), **loaded(demo)} == before
    filled = (
        "bronze.fakestore_carts",
        "bronze.fx_rates",
        "bronze.suppliers_costs",
        "silver.orders",
        "gold.daily_sales",
    )
    assert all(before[table] for table in filled)


def answer(demo: Demo, *arguments: str) -> list[dict[str, Any]]:
    done = demo.ingot(*arguments, "--json")
    assert done.returncode == 0, done.stderr
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found


def loaded(demo: Demo) -> dict[str, list[str]]:
    """Every row of Bronze, and the numbers under which batches are loaded."""
    streams = [(source, stream) for source in demo.sources for stream in load_source(ROOT / "sources" / source).streams]
    queries = {table: table for table in (f"bronze.{table_name(*each)}" for each in streams)}
    queries["audit.batches"] = "(select batch_id, state, accepted, rejected, load_id from audit.batches)"
    with demo.laptop.postgres.connect("ingot") as connection:
        return {
            name: [str(row) for (row,) in connection.execute(f"select t::text from {query} t order by 1")]
            for name, query in queries.items()
        }
