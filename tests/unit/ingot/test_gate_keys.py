"""Keys are counted from what was decoded: what counts too many would let a key pass that stands twice."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest

from ingot.contract import read_contract
from ingot.gate import Gate
from ingot.gate.keys import key_counter
from ingot.gate.types import record_type

ROOT = Path(__file__).resolve().parents[3]
CARTS = read_contract(ROOT / "sources" / "fakestore" / "carts.odcs.yaml")
CART = {
    "id": 1,
    "userId": 2,
    "date": "2024-01-01T00:00:00Z",
    "products": [{"productId": 3, "quantity": 4}, {"productId": 5, "quantity": 6}],
    "__v": 0,
}


def keys(*carts: dict) -> int:
    count = key_counter(CARTS.properties)
    assert count is not None
    kind = record_type(CARTS.properties, {})
    return count(msgspec.json.decode(json.dumps(carts), type=list[kind]))


@pytest.mark.parametrize(
    ("cart", "due"),
    [
        (CART, 9),
        ({**CART, "products": CART["products"][:1]}, 7),
        ({name: value for name, value in CART.items() if name != "__v"}, 8),
        ({**CART, "__v": None}, 8),  # as if it were not there: a false alarm, and no more
    ],
)
def test_every_key_that_stands_there_is_counted_once(cart: dict, due: int) -> None:
    assert keys(cart) == due
    assert keys(cart, CART, cart) == 2 * due + 9


@pytest.mark.parametrize(
    "twice",
    [
        (b'"userId":2', b'"userId":2,"userId":2'),
        (b'"quantity":6', b'"quantity":6,"quantity":6'),
        (b'"__v":0', b'"__v":0,"__v":0'),
        (b'"__v":0', b'"__v":null,"__v":0'),
        (b'"userId":2', b'"userId" :2,"userId":2'),
    ],
)
def test_a_key_that_stands_twice_in_the_midst_of_a_page_costs_its_record_alone(twice: tuple[bytes, bytes]) -> None:
    good = json.dumps(CART, separators=(",", ":")).encode()
    records = [good] * 50
    records[20] = good.replace(*twice)
    assert records[20] != good
    verdict = Gate(CARTS).check(b"[" + b",".join(records) + b"]", records)
    assert [(refusal.position, refusal.violations[0].rule) for refusal in verdict.refused] == [(20, "duplicate_key")]
    assert verdict.accepted == [good] * 49


def test_what_is_no_json_in_the_midst_of_a_page_costs_its_record_alone() -> None:
    good = json.dumps(CART, separators=(",", ":")).encode()
    records = [good] * 50
    records[20] = good.replace(b'"userId":2', b'"userId":')
    verdict = Gate(CARTS).check(b"[" + b",".join(records) + b"]", records)
    assert [(refusal.position, refusal.violations[0].rule) for refusal in verdict.refused] == [(20, "json")]
    assert verdict.accepted == [good] * 49
