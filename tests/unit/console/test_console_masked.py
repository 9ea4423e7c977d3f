"""What may be seen of a refused record: its own bytes where the contract lets them show, and never more."""

from __future__ import annotations

from pathlib import Path

import pytest

from ingot.console.masked import MASKED, Shown, show, shown_key
from ingot.contract import read_contract

FAKESTORE = Path(__file__).resolve().parents[3] / "sources" / "fakestore"
USERS, CARTS = (read_contract(FAKESTORE / f"{name}.odcs.yaml") for name in ("users", "carts"))
USER = (
    '{"id":7,"email":"jane@example.com","username":"jane","name":{"firstname":"Jane","lastname":"Roe"},'
    '"phone":"555","address":{"city":"Kiel","street":"Main","number":5,"zipcode":"12","geolocation":{"lat":"1",'
    '"long":"2"}},"__v":0,"nick":"jd","Jane Roe":{"age":30}}'
)


def text(shown: Shown) -> str:
    return "".join(mark.text for mark in shown.marks)


def broken(shown: Shown) -> list[str]:
    return [mark.text for mark in shown.marks if mark.broken]


def test_people_are_masked_whether_the_contract_knows_the_field_or_not() -> None:
    shown = show(USER, USERS, ["$.phone"])
    told = ["jane", "Jane", "Roe", "example", "555", "Kiel", "Main", '"12"', "30", "jd", "nick"]
    assert [word for word in told if word in text(shown)] == []
    assert '"id": 7' in text(shown)
    assert '"__v": 0' in text(shown)
    assert broken(shown) == ['"phone"', f"{MASKED} string"]
    assert shown.masked == 13


@pytest.mark.parametrize("value", ['"Jane Roe"', '{"Jane": "Roe"}', '["Jane"]'])
def test_a_field_for_everyone_is_none_when_something_else_stands_in_it(value: str) -> None:
    assert "Jane" not in text(show(f'{{"id":{value}}}', USERS, ["$.id"]))


def test_a_value_that_looks_like_a_person_is_masked_where_the_contract_knows_no_people() -> None:
    shown = show('{"id":1,"userId":"jane@example.com","contact":"x","phone":"1"}', CARTS, ["$.userId"])
    assert "jane" not in text(shown)
    assert '"contact": "x"' in text(shown)
    assert broken(shown) == ['"userId"', f"{MASKED} string"]


def test_numbers_escapes_and_doubled_keys_stand_as_they_came_and_the_broken_ones_stand_out() -> None:
    record = '{"id":1.50e1 ,\n "id":\t2,"products":[{"productId":1,"quantity":0},{"quantity":1}],"t":"\\u00e9\u202e"}'
    shown = show(record, CARTS, ["$.products[0].quantity", "$.products[1].productId"])
    assert '"id": 1.50e1,\n  "id": 2,' in text(shown)
    assert '"\\u00e9\\u202e"' in text(shown), "what turns text around is written out"
    assert broken(shown) == ['"quantity"', "0", "productId: missing"]


def test_what_is_long_is_cut_and_what_breaks_a_rule_is_not() -> None:
    record = '{{"id":1,"products":[{}],"t":"{}"}}'.format(",".join(["{}"] * 10_000), "long text " * 50_000)
    shown = show(record, CARTS, ["$.products[9999].quantity"])
    assert shown.cut
    assert shown.bytes == len(record)
    assert len(text(shown)) < 3_000
    assert "… 9,949 more" in text(shown)
    assert broken(shown) == ["quantity: missing"]


@pytest.mark.parametrize(
    "record", ['{"id":1', "jane@example.com,3", "[" * 100, '{"a":tru}', '{"a" 1}', "[1]", '{"\\q":1}']
)
def test_what_cannot_be_taken_apart_is_shown_only_where_there_is_nothing_to_hide(record: str) -> None:
    hidden = show(record, USERS, ["$"])
    assert (list(hidden.marks), hidden.masked) == ([], 1)
    assert hidden.whole
    assert "jane" not in text(show(record, CARTS, ["$"]))
    assert len(show(record, CARTS, ["$"]).marks) == 1


def test_a_key_is_shown_where_it_is_one() -> None:
    assert shown_key("3", USERS) == "3"
    assert shown_key(None, USERS) is None
    assert shown_key('"jane@example.com"', CARTS) == MASKED
    assert shown_key("3", None) == MASKED
    assert shown_key("[1,2]", CARTS) == MASKED
