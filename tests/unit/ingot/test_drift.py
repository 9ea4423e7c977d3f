"""What the gate notes in what records differ from their contract, and what a manifest tells of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ingot.contract import Contract, load_contract, read_contract
from ingot.contract.paths import locate
from ingot.contract.shape import VALUES, NotEnforceable, Shape
from ingot.drift import classification, observe, stands
from ingot.gate import Gate
from ingot.gate.differences import MOST_FIELDS, SAMPLE
from ingot.manifest import Drift

SOURCES = Path(__file__).resolve().parents[3] / "sources" / "fakestore"
CARTS = read_contract(SOURCES / "carts.odcs.yaml")
USERS = read_contract(SOURCES / "users.odcs.yaml")
CART: dict[str, Any] = {
    "id": 1,
    "userId": 1,
    "date": "2020-03-02T00:00:00.000Z",
    "products": [{"productId": 1, "quantity": 4}],
    "__v": 0,
}
USER: dict[str, Any] = {
    "id": 1,
    "email": "john@gmail.com",
    "username": "johnd",
    "password": "m38rmF$",
    "name": {"firstname": "john", "lastname": "doe"},
    "phone": "1-570-236-7033",
    "address": {"city": "kilcoole", "street": "new road", "number": 7682, "zipcode": "12926-3874"}
    | {"geolocation": {"lat": "-37.3159", "long": "81.1496"}},
    "__v": 0,
}


def drift_of(contract: Contract, *pages: list[dict[str, Any]]) -> list[Drift]:
    gate = Gate(contract)
    for page in pages:
        gate.check(json.dumps(page).encode(), [json.dumps(record).encode() for record in page])
    return list(observe(gate))


def told(drift: list[Drift]) -> list[tuple[Any, ...]]:
    return [(d.kind, d.path, d.old, d.new, d.count, d.first_position) for d in drift]


def shape_of(*values: str) -> Shape:
    shape = Shape()
    for value in values:
        shape.add(VALUES.decode(value.encode()))
    return shape


class TestWhatIsNoted:
    def test_records_as_the_contract_wants_them_show_nothing(self) -> None:
        assert drift_of(CARTS, [CART], [CART]) == []

    def test_a_new_field_has_its_shape_an_example_and_how_often_it_was_seen(self) -> None:
        page = [CART, CART | {"gift": {"wrap": True, "notes": []}}, CART | {"gift": {"wrap": False, "cost": 1.5}}]
        (drift,) = drift_of(CARTS, page)
        assert told([drift]) == [("new", "$.gift", None, "{wrap: boolean, notes: [], cost: number}", 2, 1)]
        assert drift.example == '{"wrap":true,"notes":[]}'

    def test_a_new_field_is_seen_in_refused_records_and_inside_arrays_too(self) -> None:
        page = [CART | {"id": "x", "products": [{"productId": 1, "quantity": 1, "size": "L"}]}]
        assert ("new", "$.products[].size", None, "string", 1, 0) in told(drift_of(CARTS, page))

    def test_a_field_of_another_type_has_both_types_and_counts_records(self) -> None:
        lines = [{"productId": 1, "quantity": "4"}, {"productId": "1", "quantity": "5"}]
        assert told(drift_of(CARTS, [CART, CART | {"products": lines}, CART | {"products": lines[:1]}])) == [
            ("retyped", "$.products[].quantity", "integer", "string", 2, 1),
            ("retyped", "$.products[].productId", "integer bigint", "string", 1, 1),
        ]

    def test_a_time_that_is_none_any_more_is_retyped(self) -> None:
        assert told(drift_of(CARTS, [CART | {"date": "2020-03-02"}, CART | {"date": "2 March"}])) == [
            ("retyped", "$.date", "timestamp timestamptz", "date or string", 2, 0)
        ]

    def test_a_required_field_is_missing_whether_absent_or_null(self) -> None:
        page = [{k: v for k, v in CART.items() if k != "userId"}, CART | {"date": None}]
        assert told(drift_of(CARTS, page)) == [
            ("missing", "$.userId", "integer bigint, required", None, 1, 0),
            ("missing", "$.date", "timestamp timestamptz, required", "null", 1, 1),
        ]

    def test_a_value_out_of_bounds_is_a_bad_record_and_no_drift(self) -> None:
        assert drift_of(CARTS, [CART | {"id": 0}, CART]) == []

    def test_an_optional_field_is_missing_if_no_record_of_the_sample_has_it(self) -> None:
        bare = {k: v for k, v in CART.items() if k != "__v"}
        assert drift_of(CARTS, [bare] * (SAMPLE - 1) + [CART]) == []
        assert told(drift_of(CARTS, [bare] * SAMPLE, [CART])) == [
            ("missing", "$.__v", "integer, optional", None, SAMPLE, 0)
        ]
        assert told(drift_of(CARTS, [CART | {"__v": None}])) == [("missing", "$.__v", "integer, optional", None, 1, 0)]
        assert drift_of(CARTS, [CART | {"id": 0, "__v": None}]) == []  # nothing was accepted: nothing is known

    def test_what_an_absent_object_would_hold_is_not_missing_besides(self) -> None:
        contract = load_contract(
            (SOURCES / "products.odcs.yaml").read_text().replace("required: true\n            class", "class"),
            origin="x",
        )
        product = {"id": 1, "title": "a", "price": 1, "description": "b", "category": "c", "image": "d"}
        assert [d.path for d in drift_of(contract, [product])] == ["$.rating"]
        assert [d.path for d in drift_of(contract, [product | {"rating": {"rate": 1, "count": 1}}])] == []

    def test_fields_without_end_are_told_up_to_a_limit(self) -> None:
        gate = Gate(CARTS)
        page = [CART | {f"k{i}": i, "id": "x"} for i in range(2 * MOST_FIELDS)]
        gate.check(json.dumps(page).encode(), [json.dumps(record).encode() for record in page])
        assert len(observe(gate)) == MOST_FIELDS


class TestWhatIsShown:
    @pytest.mark.parametrize(
        "new",
        [
            {"access_token": "MARK"},
            {"customerEmail": "MARK"},
            {"note": "write to MARK@example.org"},
            {"note": "call 0570 236-7033"},
            {"note": "eyJhbGciOiJIUzI1NiJ9.MARK.abcdefghij"},
            {"buyer": {"phone": "MARK"}},
        ],
        ids=str,
    )
    def test_what_looks_like_a_secret_or_like_somebodys_data_is_withheld(self, new: dict[str, Any]) -> None:
        (drift,) = drift_of(CARTS, [CART | new])
        assert drift.example == "withheld"

    def test_a_key_that_is_data_is_withheld_and_so_is_one_inside(self) -> None:
        first, second = drift_of(CARTS, [CART | {"john@example.org": 1, "by": {"john@example.org": 1}}])
        assert (first.path, second.path) == ("$.(withheld)", "$.by")
        assert "john" not in str((first, second))

    def test_a_text_of_unknown_meaning_is_shown_in_carts_and_withheld_among_personal_data(self) -> None:
        assert [d.example for d in drift_of(CARTS, [CART | {"tier": "gold"}])] == ['"gold"']
        assert [d.example for d in drift_of(USERS, [USER | {"tier": "gold"}])] == ["withheld"]

    def test_a_field_is_as_close_as_its_own_classification_and_that_of_what_is_around_it(self) -> None:
        text = (SOURCES / "carts.odcs.yaml").read_text()
        for name, record in (
            ("products", CART | {"products": [{"productId": 1, "quantity": 1, "size": 3}]}),
            ("__v", CART | {"__v": "three"}),
        ):
            before, here, after = text.partition(f"- name: {name}\n")
            closer = load_contract(before + here + after.replace(": internal", ": personal", 1), origin="x")
            (shown,) = drift_of(CARTS, [record])
            (withheld,) = drift_of(closer, [record])
            assert shown.example in ("3", '"three"')
            assert withheld.example == "withheld"

    def test_an_example_is_short(self) -> None:
        (drift,) = drift_of(CARTS, [CART | {"note": "a b " * 100}])
        assert drift.example is not None
        assert len(drift.example) == 60

    @pytest.mark.parametrize(
        ("name", "expected"),
        [
            *((name, "internal") for name in ("discount", "imageUrl", "author", "language", "product_name")),
            *((name, "secret") for name in ("apiKey", "Pass-Word", "refresh_token")),
            *((name, "personal") for name in ("e_mail", "dateOfBirth", "zip", "shippingAddress")),
        ],
    )
    def test_a_name_tells_how_a_field_is_to_be_classified(self, name: str, expected: str) -> None:
        assert classification(name) == expected


class TestWhetherItStands:
    def test_a_contract_that_caught_up_no_longer_drifts(self) -> None:
        text = (SOURCES / "carts.odcs.yaml").read_text()
        (missing,) = drift_of(CARTS, [{k: v for k, v in CART.items() if k != "userId"}])
        assert stands(missing, CARTS)
        assert not stands(missing, load_contract(text.replace("name: userId", "name: other"), origin="x"))
        (new,) = drift_of(CARTS, [CART | {"tip": 1}])
        assert stands(new, CARTS)
        assert not stands(new, load_contract(text.replace("name: __v", "name: tip"), origin="x"))
        (retyped,) = drift_of(CARTS, [CART | {"__v": "1"}])
        assert stands(retyped, CARTS)
        widened = text.replace("name: __v\n        logicalType: integer\n        physicalType: integer", "name: __v\n"
                               "        logicalType: string\n        physicalType: varchar(8)")  # fmt: skip
        assert not stands(retyped, load_contract(widened, origin="x"))


class TestPaths:
    def test_a_path_leads_to_the_field_through_arrays_and_dots(self) -> None:
        steps, prop = locate(CARTS, "$.products[3].quantity")
        assert steps == ("products", 3, "quantity")
        assert prop is not None
        assert prop.name == "quantity"
        assert locate(CARTS, "$.products[].a.b") == (("products", "[]", "a.b"), None)
        assert locate(CARTS, "$.userIdx") == (("userIdx",), None)


class TestShapes:
    @pytest.mark.parametrize(
        ("values", "logical", "physical"),
        [
            (["1", "null"], "integer", "bigint"),
            (["1", "2.25"], "number", "decimal(10,2)"),
            (["123456789012.5"], "number", "decimal(15,2)"),
            (["0.1234567"], "number", "double"),
            (["true"], "boolean", "boolean"),
            (['"2020-01-01"'], "date", "date"),
            (['"2020-01-01T00:00:00Z"', '"2020-01-01T00:00:00.5+02:00"'], "timestamp", "timestamptz"),
            (['"2020-01-01"', '"2020-01-01T00:00:00Z"'], "string", "varchar(64)"),
            (['"2020-01-01T00:00:00"'], "string", "varchar(64)"),
            ([json.dumps("x" * 40)], "string", "varchar(128)"),
            (['{"a": 1}', '{"b": null}'], "object", "object"),
            (["[]", '[{"a": 1}]'], "array", "array"),
        ],
        ids=str,
    )
    def test_values_have_the_type_that_takes_them_all(self, values: list[str], logical: str, physical: str) -> None:
        definition = shape_of(*values).definition()
        assert (definition["logicalType"], definition["physicalType"]) == (logical, physical)

    @pytest.mark.parametrize(
        ("values", "reason"),
        [
            (["null"], "only null"),
            (["{}"], "empty objects"),
            (["[]"], "empty arrays"),
            (["[1.5]"], "arrays of numbers"),
            (["[[1]]"], "arrays of numbers and of arrays"),
            (["[1, null]"], "hold null"),
            (["1", '"a"'], "one type"),
            (['{"a": {"b": [1.5]}}'], "in it, a: in it, b: arrays of numbers"),
            (["12345678901234567890"], "64 bits"),
            ([json.dumps({f"k{i}": i for i in range(200)})], "map keyed by data"),
            (['{"a":' * 12 + "1" + "}" * 12], "levels"),
            ([json.dumps("x" * 70_000)], "70000 characters"),
        ],
        ids=["null", "{}", "[]", "[1.5]", "[[1]]", "[null]", "mixed", "inside", "large", "map", "deep", "long"],
    )
    def test_what_no_contract_could_enforce_is_explained(self, values: list[str], reason: str) -> None:
        with pytest.raises(NotEnforceable, match=reason):
            shape_of(*values).definition()
