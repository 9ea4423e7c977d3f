"""Refused records come back after a fix, or are given up: once, whoever asks, and in their own place in time."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from ingot.bronze import read_lines
from ingot.errors import ConfigurationError, RejectRateExceeded
from ingot.manifest import Manifest, read_manifest
from ingot.quarantine import list_objects, read_rejects

if TYPE_CHECKING:
    from ingot.contract import Contract

    from .conftest import World


def with_bad_records(world: World) -> tuple[Manifest, str]:
    """Two refused products of twenty: one whose price is too high for the contract, one whose price is a text."""
    world.recorded.misbehave("/products", set_field={"id": 3, "field": "rating.rate", "value": 7.5})
    world.recorded.misbehave("/products", set_field={"id": 5, "field": "price", "value": "free"})
    batch = world.batch("products")
    manifest = world.run(batch)
    assert manifest.rejects is not None
    return manifest, manifest.rejects.key


def out_of_ten(world: World) -> Contract:
    """The contract, once somebody saw that ratings go up to ten."""
    contract = world.source.stream("products").contract

    def mend(prop: Any) -> Any:
        if prop.name == "rate":
            options = msgspec.structs.replace(prop.logical_type_options, maximum=10)
            return msgspec.structs.replace(prop, logical_type_options=options)
        return msgspec.structs.replace(prop, properties=tuple(map(mend, prop.properties)))

    return msgspec.structs.replace(contract, version="1.1.0", properties=tuple(map(mend, contract.properties)))


def test_what_passes_now_becomes_a_batch_that_names_where_it_came_from(world: World) -> None:
    original, key = with_bad_records(world)
    done = world.resolve(key, contract=out_of_ten(world))
    assert (done.accepted, done.remaining, done.remaining_records) == (1, {"type": 1}, 1)
    manifest = done.manifest
    assert manifest is not None
    assert manifest.resolves is not None
    assert manifest.batch_id.startswith(f"{original.batch_id}.resolve-")
    assert (manifest.resolves.batch_id, manifest.resolves.key, manifest.resolves.action) == (
        original.batch_id,
        key,
        "replay",
    )
    assert (manifest.contract_version, manifest.as_of, manifest.number) == ("1.1.0", original.as_of, None)
    assert read_manifest(world.bronze, manifest.batch) == manifest


def test_a_replayed_record_has_the_bytes_that_the_source_sent(world: World) -> None:
    original, key = with_bad_records(world)
    (kept,) = [r for r in read_rejects(world.bronze, original) if r.key == "3"]
    done = world.resolve(key, contract=out_of_ten(world))
    assert done.manifest is not None
    assert list(read_lines(world.bronze, done.manifest.parts[0])) == [(kept.record or "").encode()]
    assert b'"rate":7.5' in (kept.record or "").encode()


def test_a_replayed_batch_is_refined_loaded_and_audited_as_any(world: World) -> None:
    _, key = with_bad_records(world)
    done = world.resolve(key, contract=out_of_ten(world))
    assert done.manifest is not None
    world.refine(done.manifest.batch)
    world.load(done.manifest.batch)
    world.audit()
    assert world.rows("select count(*), count(distinct id) from bronze.fakestore_products") == [(19, 19)]
    assert world.rows(
        "select state, accepted, rejected, resolved_batch_id is not null from audit.batches order by batch_id"
    ) == [("LOADED", 18, 2, False), ("LOADED", 1, 1, True)]
    assert world.rows("select record_key, rule from audit.open_rejects") == [("5", "type")]


def test_every_refused_record_is_in_one_place_whatever_is_done(world: World) -> None:
    _, key = with_bad_records(world)
    assert [(o.state, o.records) for o in list_objects(world.bronze, "fakestore")] == [("OPEN", 2)]
    first = world.resolve(key, contract=out_of_ten(world))
    assert first.manifest is not None
    assert first.manifest.rejects is not None
    assert {(o.state, o.records) for o in list_objects(world.bronze, "fakestore", "products")} == {
        ("RESOLVED", 2),
        ("OPEN", 1),
    }
    left = first.manifest.rejects.key
    last = world.resolve(left, action="discard", reason="a test record of the shop's own")
    assert (last.accepted, last.discarded, last.remaining_records) == (0, 1, 0)
    assert last.manifest is not None
    assert last.manifest.resolves is not None
    assert last.manifest.resolves.reason == "a test record of the shop's own"
    world.audit()
    assert {o.state for o in list_objects(world.bronze, "fakestore")} == {"RESOLVED"}
    assert world.rows("select count(*) from audit.open_rejects") == [(0,)]


def test_again_and_at_once_is_once(world: World) -> None:
    _, key = with_bad_records(world)
    contract = out_of_ten(world)
    with ThreadPoolExecutor(4) as pool:
        done = list(
            pool.map(
                lambda action: world.resolve(key, contract=contract, action=action, reason="x"),
                ["replay", "discard", "replay", "discard"],
            )
        )
    (manifest,) = {msgspec.json.encode(d.manifest) for d in done}
    assert sum(not d.already for d in done) == 1
    winner = msgspec.json.decode(manifest, type=Manifest)
    assert winner.resolves is not None
    assert winner.accepted + winner.resolves.discarded + winner.rejected == 2


def test_what_does_not_pass_yet_stays_open(world: World) -> None:
    _, key = with_bad_records(world)
    done = world.resolve(key)
    assert (done.manifest, done.remaining) == (None, {"maximum": 1, "type": 1})
    assert [o.state for o in list_objects(world.bronze, "fakestore")] == ["OPEN"]
    world.audit()
    assert world.rows("select count(*) from audit.open_rejects") == [(2,)]
    assert world.resolve(key, contract=out_of_ten(world)).accepted == 1


def test_only_records_that_break_the_rule_are_chosen(world: World) -> None:
    _, key = with_bad_records(world)
    done = world.resolve(key, action="discard", rule="maximum", reason="nonsense")
    assert (done.discarded, done.remaining) == (1, {"type": 1})


def test_a_replayed_record_stands_behind_newer_versions_of_its_key(world: World) -> None:
    _, key = with_bad_records(world)
    world.recorded.behave()
    world.run(world.batch("products", "2020-04-01", "2020-04-02"))
    done = world.resolve(key, contract=out_of_ten(world))
    assert done.manifest is not None
    world.refine(done.manifest.batch)
    world.load(done.manifest.batch)
    assert [
        float(str(rate))
        for (rate,) in world.rows(
            "select rating_rate from bronze.fakestore_products where id = 3 order by _ingested_at, _batch_id"
        )
    ] == [7.5, 4.7]


def test_secrets_that_were_cut_are_not_asked_for_again(world: World) -> None:
    world.recorded.misbehave("/users", drop_field={"id": 4, "field": "phone"})
    manifest = world.extract(world.batch("users"))
    assert manifest.rejects is not None
    contract = world.source.stream("users").contract
    relaxed = msgspec.structs.replace(
        contract,
        properties=tuple(
            msgspec.structs.replace(p, required=p.required and p.name != "phone") for p in contract.properties
        ),
    )
    assert world.resolve(manifest.rejects.key, contract=relaxed).accepted == 1


def test_what_was_never_published_is_not_replayed(world: World) -> None:
    for product in (1, 2, 3):
        world.recorded.misbehave("/products", set_field={"id": product, "field": "price", "value": "free"})
    with pytest.raises(RejectRateExceeded):
        world.extract(world.batch("products"))
    (held,) = list_objects(world.bronze, "fakestore")
    assert held.state == "UNPUBLISHED"
    with pytest.raises(ConfigurationError, match=r"published nothing.*run the interval again"):
        world.resolve(held.key)
