"""The compiled rulesets hold for what refine writes: for versions of a key, and for keys that are gone."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from ingot.contract.dqdl import ruleset
from tests.dqdl import failing

if TYPE_CHECKING:
    from ingot.manifest import Manifest
    from tests.integration.ingot.conftest import World

RECORDINGS = Path(__file__).resolve().parents[3] / "localstack" / "recorded_source" / "recordings" / "fakestore"


def refined(world: World, *manifests: Manifest) -> duckdb.DuckDBPyRelation:
    tables = [pq.read_table(io.BytesIO(world.lake.get(manifest.parquet_key))) for manifest in manifests]
    return duckdb.from_arrow(pa.concat_tables(tables))


def take(world: World, stream: str, end: str = "2020-04-01") -> Manifest:
    batch = world.batch(stream, end=end)
    manifest = world.extract(batch, datetime.fromisoformat(end).replace(tzinfo=UTC))
    world.refine(batch)
    return manifest


def test_a_ruleset_holds_for_what_the_source_sends(world: World) -> None:
    for stream in ("carts", "users"):
        table = refined(world, take(world, stream))
        assert failing(ruleset(world.source.stream(stream).contract), table) == []


def test_a_ruleset_holds_for_versions_of_a_key_and_for_keys_that_are_gone(world: World) -> None:
    first = take(world, "products")
    changed = json.loads((RECORDINGS / "products_2025.json").read_bytes())[:-1]
    for product in changed[:3]:
        del product["image"], product["rating"]
    world.recorded.misbehave("/products", status=200, body=changed, headers={"Content-Type": "application/json"})
    second = take(world, "products", end="2020-04-02")
    assert (second.accepted, second.deleted) == (19, 1)
    rules = ruleset(world.source.stream("products").contract)
    assert failing(rules, refined(world, first, second)) == []
    assert failing(rules, refined(world, first, second, second))  # and it is no ruleset that holds for everything
