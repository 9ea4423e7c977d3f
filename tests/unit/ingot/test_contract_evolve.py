"""From drift to a patch of the contract's file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ingot.contract import Contract, load_contract
from ingot.contract.evolve import Patch, propose
from ingot.contract.paths import locate, values_at
from ingot.contract.shape import VALUES, Shape
from ingot.drift import observe
from ingot.gate import Gate

SOURCES = Path(__file__).resolve().parents[3] / "sources" / "fakestore"
CARTS = (SOURCES / "carts.odcs.yaml").read_text()
BATCH = "fakestore.carts.20200301T000000Z.20200302T000000Z"
CART: dict[str, Any] = {
    "id": 1,
    "userId": 1,
    "date": "2020-03-02T00:00:00.000Z",
    "products": [{"productId": 1, "quantity": 4}],
    "__v": 0,
}


def read(text: str) -> Contract:
    return load_contract(text, origin="x")


def refused(text: str, records: list[dict[str, Any]]) -> int:
    lines = [json.dumps(record).encode() for record in records]
    return len(Gate(read(text)).check(b"[" + b",".join(lines) + b"]", lines).refused)


def patch_for(records: list[dict[str, Any]], text: str = CARTS, **how: Any) -> Patch:
    contract = read(text)
    gate = Gate(contract)
    lines = [json.dumps(record).encode() for record in records]
    gate.check(b"[" + b",".join(lines) + b"]", lines)
    drift = observe(gate)
    shapes = {}
    for one in drift:
        shapes[one.path] = Shape()
        for line in lines:
            for value in values_at(VALUES.decode(line), locate(contract, one.path)[0]):
                shapes[one.path].add(value)
    return propose(text, origin="x", drift=drift, shapes=shapes, batch_id=BATCH, **how)


class TestWhatIsProposed:
    def test_new_fields_are_optional_described_as_unwritten_and_raise_the_minor_version(self) -> None:
        records = [CART | {"tip": 2.5}, CART | {"gift": {"wrap": True, "card": {"text": "x"}}}]
        patch = patch_for(records)
        contract = read(patch.after)
        assert contract.version == patch.version == "1.1.0"
        tip, gift = contract.properties[-2:]
        assert (tip.name, tip.required, tip.classification) == ("tip", False, "internal")
        assert tip.description == f"To be written; new in {BATCH}."
        assert [c.name for c in contract.columns[-2:]] == ["gift_wrap", "gift_card_text"]
        assert gift.properties[1].classification == "personal"  # a card: by its name
        again = patch_for(records, patch.after)
        assert (again.accepted, again.unchanged) == ((), ())

    def test_a_new_field_inside_an_array_stands_there(self) -> None:
        records = [CART | {"products": [{"productId": 1, "quantity": 1, "size": "L"}]}]
        patch = patch_for(records)
        _, size = locate(read(patch.after), "$.products[].size")
        assert size is not None
        assert patch_for(records, patch.after).accepted == ()

    @pytest.mark.parametrize(
        ("new", "type_"),
        [
            ({"__v": 1.25}, "decimal(15,2)"),
            ({"__v": "a"}, "varchar(64)"),
            ({"__v": True}, "boolean"),
            ({"date": "2020-03-02"}, "date"),
            ({"date": "2 March"}, "varchar(64)"),
            ({"userId": {"id": 1}}, "object"),
            ({"products": ["a"]}, "varchar(64)"),
        ],
        ids=str,
    )
    def test_a_retyped_field_gets_the_type_that_takes_its_values_and_a_major_version(
        self, new: dict[str, Any], type_: str
    ) -> None:
        records = [CART | new, CART | new]
        assert refused(CARTS, records) == 2
        patch = patch_for(records)
        assert patch.version == "2.0.0"
        assert patch.accepted[0][1].endswith(type_)
        assert refused(patch.after, records) == 0

    def test_bounds_that_still_mean_something_stay(self) -> None:
        text = CARTS.replace("nullable: no", "")
        patch = patch_for([CART | {"userId": 1.5}], text)
        _, prop = locate(read(patch.after), "$.userId")
        assert prop is not None
        assert prop.logical_type_options.minimum == 1
        assert refused(patch.after, [CART | {"userId": 0.5}]) == 1

    def test_a_required_field_that_some_records_lack_becomes_optional_and_no_more(self) -> None:
        patch = patch_for([CART, {k: v for k, v in CART.items() if k != "userId"}])
        _, prop = locate(read(patch.after), "$.userId")
        assert prop is not None
        assert (prop.required, prop.sparse, patch.version) == (False, False, "2.0.0")

    def test_a_secret_by_its_name_gets_no_column(self) -> None:
        patch = patch_for([CART | {"session_token": "x"}])
        contract = read(patch.after)
        assert contract.secrets == {"session_token"}
        assert "session_token" not in [c.name for c in contract.columns]

    @pytest.mark.parametrize("name", ["no", "12:30", "a: b", "- a", "1", "x#y", "größe x"])
    def test_a_name_that_yaml_would_read_otherwise_is_the_same_name_afterwards(self, name: str) -> None:
        patch = patch_for([CART | {name: True}])
        if patch.accepted:
            assert read(patch.after).properties[-1].name == name
        else:
            assert "column" in patch.unchanged[0][1]


class TestWhatIsNot:
    @pytest.mark.parametrize(
        ("records", "reason"),
        [
            ([CART | {"x": None}], "only null"),
            ([CART | {"x": 1}, CART | {"x": "a"}], "a field has one type"),
            ([CART | {"x": [1.5]}], "arrays of numbers"),
            ([CART | {"user_id": 1}], "same column"),
            ([CART | {"價格": 1}], "column"),
            ([CART | {"id": "a"}], "primary key"),
            ([CART, CART | {"date": "2 March"}], "as before"),
            ([CART | {"a@example.org": 1}], "data itself"),
        ],
        ids=["null", "mixed", "numbers", "collides", "no column", "key", "one bad date", "key is data"],
    )
    def test_what_could_not_be_enforced_is_explained_and_the_file_stays(
        self, records: list[dict[str, Any]], reason: str
    ) -> None:
        patch = patch_for(records)
        assert (patch.after, patch.accepted, patch.version) == (CARTS, (), "1.0.0")
        assert reason in patch.unchanged[0][1]

    def test_a_cursor_stays_as_it_is(self) -> None:
        patch = patch_for([{k: v for k, v in CART.items() if k != "date"}], fixed=frozenset({"date"}))
        assert "cursor" in patch.unchanged[0][1]

    def test_what_can_be_proposed_is_proposed_beside_what_cannot(self) -> None:
        patch = patch_for([CART | {"x": None, "y": 1}])
        assert ([path for path, _ in patch.accepted], [path for path, _ in patch.unchanged]) == (["$.y"], ["$.x"])


class TestTheFile:
    COMMENTED = (
        CARTS.replace("        required: true\n        classification: internal\n        logicalTypeOptions:\n"
                      "          minimum: 1\n      - name: date\n",
                      "        required: true  # since 2019\n        classification: internal\n"
                      "        logicalTypeOptions:\n          minimum: 1\n\n      # When, not where.\n"
                      "      - name: date\n")
        .replace("description: Who ordered.", 'description: "Who ordered."')
        + "# the end\n"
    )  # fmt: skip

    def test_only_what_changes_changes(self) -> None:
        assert "# When, not where." in self.COMMENTED
        records = [CART | {"userId": 1.5, "tip": 1}]
        diff = patch_for(records, self.COMMENTED).diff("c.yaml").splitlines()
        removed = [line for line in diff if line.startswith("-") and not line.startswith("---")]
        assert [line[1:].strip() for line in removed] == [
            "version: 1.0.0", "logicalType: integer", "physicalType: bigint",
        ]  # fmt: skip

    def test_comments_stay_where_they_were_even_if_the_field_before_them_changes(self) -> None:
        after = patch_for([CART | {"userId": "x", "tip": 1}], self.COMMENTED).after
        assert "\n\n      # When, not where.\n      - name: date\n" in after
        assert "required: true  # since 2019\n" in after
        assert "name: tip" in after
        assert after.endswith("classification: internal\n# the end\n")

    def test_a_comment_that_would_get_lost_stops_the_change(self) -> None:
        text = self.COMMENTED.replace("          minimum: 1\n\n", "          minimum: 1\n          # no\n\n")
        text = text.replace(
            "          minimum: 1\n          # no", "          minimum: 1\n          # no\n          maximum: 9"
        )
        patch = patch_for([CART | {"userId": "x"}], text)
        assert patch.after == text
        assert "# no" in patch.unchanged[0][1]

    def test_a_file_in_another_hand_keeps_it(self) -> None:
        import yaml

        text = yaml.safe_dump(yaml.safe_load(CARTS), sort_keys=False, width=1_000)
        assert text.splitlines() != CARTS.splitlines()
        diff = patch_for([CART | {"tip": 1}], text).diff("c.yaml").splitlines()
        assert [line for line in diff if line.startswith("-") and not line.startswith("---")] == ["-version: 1.0.0"]
