"""Refused records come back after a fix, or are given up: once, whoever asks, and in their own place in time."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from ingot.bronze import read_lines
from ingot.errors import ConfigurationError, RejectRateExceeded
from ingot.manifest import Manifest, read_manifest
from ingot.quarantine import list_objects, read_rejects

if TYPE_CHECKING:
    from ingot.contract import Contract
    from ingot.steps.resolve import Resolved

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


ALONE = {"id": 1, "title": "Product 1", "description": "", "category": "things"}


def serve(world: World, *products: dict[str, Any]) -> None:
    """Versions of one product, in this order in one answer."""
    world.recorded.behave()
    body = [ALONE | product for product in products]
    world.recorded.misbehave("/products", status=200, body=body, headers={"Content-Type": "application/json"})


def allowing(world: World, **least: float) -> Contract:
    """The contract of products that refuses nothing as a whole, with other minimums."""
    contract = world.source.stream("products").contract

    def mend(prop: Any) -> Any:
        options = prop.logical_type_options
        if prop.name in least:
            options = msgspec.structs.replace(options, minimum=least[prop.name])
        return msgspec.structs.replace(prop, logical_type_options=options, properties=tuple(map(mend, prop.properties)))

    return msgspec.structs.replace(contract, max_reject_rate=1.0, properties=tuple(map(mend, contract.properties)))


def day(world: World, number: int) -> Manifest:
    return world.run(
        world.batch("products", f"2020-04-0{number}", f"2020-04-0{number + 1}"),
        as_of=datetime(2020, 4, number + 1, 6, tzinfo=UTC),
    )


def replay(world: World, manifest: Manifest, **least: float) -> Resolved:
    """Through the whole pipeline."""
    assert manifest.rejects is not None
    done = world.resolve(manifest.rejects.key, contract=allowing(world, **least))
    assert done.manifest is not None
    if done.accepted:
        world.refine(done.manifest.batch)
        world.load(done.manifest.batch)
    return done


def latest_price(world: World) -> float:
    """What silver says of the one product."""
    ((price,),) = world.rows(
        "select price from bronze.fakestore_products order by _ingested_at desc, _batch_id desc, _line desc limit 1"
    )
    return float(str(price))


@pytest.mark.parametrize("mode", ["interval", "snapshot"])
@pytest.mark.parametrize(
    ("prices", "superseded"),
    [((-5, 20), 1), ((20, -5), 0), ((20, -5, 30), 1), ((-5, 20, -6), 1), ((20, -5, -6), 0), ((20, -5, 20), 1)],
    ids=str,
)
def test_of_two_versions_in_one_answer_the_later_stays_the_present_one(
    world: World, mode: str, prices: tuple[int, ...], superseded: int
) -> None:
    world.change("products", mode=mode, contract=allowing(world))
    serve(world, *({"price": price} for price in prices))
    done = replay(world, day(world, 1), price=-100)
    assert done.superseded == superseded
    assert done.accepted + done.superseded == sum(price < 0 for price in prices)
    assert latest_price(world) == prices[-1]
    assert {o.state for o in list_objects(world.bronze, "fakestore")} == {"RESOLVED"}


def test_the_audit_counts_superseded_records_too(world: World) -> None:
    """So that a refused record that is in no table, and waits for nobody, is missed by nobody."""
    world.change("products", contract=allowing(world))
    serve(world, *({"price": price} for price in (-5, 20, -6)))
    done = replay(world, day(world, 1), price=-100)
    world.audit()
    assert done.manifest is not None
    assert world.rows(
        "select accepted, rejected, discarded, superseded from audit.batches order by resolved_key nulls first"
    ) == [(1, 2, None, None), (1, 0, 0, 1)]


def test_what_is_as_it_was_before_the_answer_is_later_than_what_was_refused_in_it(world: World) -> None:
    world.change("products", mode="snapshot", contract=allowing(world))
    serve(world, {"price": 20})
    day(world, 1)
    serve(world, {"price": -5}, {"price": 20})
    bad = day(world, 2)
    assert day(world, 3).accepted == 0
    assert replay(world, bad, price=-100).superseded == 1
    assert latest_price(world) == 20


@pytest.mark.parametrize("last", ["price", "rate"])
def test_two_replays_of_one_batch_keep_the_order_of_its_answer(world: World, last: str) -> None:
    """Which of the two is replayed first says nothing about which the source sent last."""
    world.change("products", mode="snapshot", contract=allowing(world))
    versions = [{"price": -5}, {"price": 7, "rating": {"rate": -1, "count": 1}}]
    serve(world, *(versions if last == "rate" else versions[::-1]))
    first = replay(world, day(world, 1), price=-100)
    assert first.manifest is not None
    second = replay(world, first.manifest, price=-100, rate=-100)
    assert (second.accepted, second.superseded) == ((1, 0) if last == "rate" else (0, 1))
    assert latest_price(world) == (7 if last == "rate" else -5)


def test_what_became_a_secret_is_cut_from_what_is_not_chosen_too(world: World) -> None:
    world.recorded.misbehave("/users", drop_field={"id": 4, "field": "phone"})
    world.recorded.misbehave("/users", set_field={"id": 5, "field": "email", "value": 5})
    contract = world.source.stream("users").contract
    world.change("users", contract=msgspec.structs.replace(contract, max_reject_rate=1.0))
    manifest = world.extract(world.batch("users"))
    assert manifest.rejects is not None
    done = world.resolve(
        manifest.rejects.key, contract=secret(contract, "username"), action="discard", rule="required", reason="x"
    )
    assert done.manifest is not None
    (left,) = read_rejects(world.bronze, done.manifest)
    assert left.record is not None
    assert "username" not in left.record
    assert '"email":5' in left.record
    assert left.record_sha256 == sha256(left.record.encode()).hexdigest()
    assert "username" in done.manifest.redacted


def test_what_became_a_secret_and_cannot_be_cut_is_withheld(world: World) -> None:
    world.change("products", contract=allowing(world))
    contract = secret(world.source.stream("products").contract, "category")
    # Another record is given up, so that there is a batch.
    serve(world, {"price": "free", "title": '{"category": broken'}, {"id": 2, "price": -1})
    manifest = day(world, 1)
    assert manifest.rejects is not None
    done = world.resolve(manifest.rejects.key, contract=contract, action="discard", rule="minimum", reason="x")
    assert done.manifest is not None
    (left,) = read_rejects(world.bronze, done.manifest)
    assert (left.record, left.withheld, left.record_sha256) == (None, True, None)


def secret(contract: Contract, name: str) -> Contract:
    """The contract, once somebody saw that a field is one."""
    return msgspec.structs.replace(
        contract,
        version="2.0.0",
        properties=tuple(
            msgspec.structs.replace(p, classification="secret") if p.name == name else p for p in contract.properties
        ),
    )


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
