"""A contract that is inferred from records: it takes them, says what it saw, and does not say more."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ingot.contract.model import Property, load_contract
from ingot.contract.shape import VALUES
from ingot.discover.draft import Draft, Drafting, Wanted
from ingot.discover.dry_run import Answer
from ingot.discover.fields import Field, Properties, Said
from ingot.discover.personal import classify
from ingot.discover.questions import Nobody
from ingot.errors import ConfigurationError


def drafted(records: list[dict[str, Any]], **wanted: Any) -> Draft:
    raw = [json.dumps(record).encode() for record in records]
    told = Wanted(name="shop", url="unused", start_date=date(2026, 1, 1), **wanted)
    drafting = Drafting(told, "things", Nobody())
    page = Answer(b"[" + b",".join(raw) + b"]", raw)
    return drafting.drafted([page], lambda _: {"name": "shop"}, whole=True)


def field(records: list[dict[str, Any]], name: str = "value") -> Property:
    numbered = [{"id": number, **record} for number, record in enumerate(records)]
    return next(p for p in drafted(numbered).contract.properties if p.name == name)


def said(records: list[dict[str, Any]], name: str = "value") -> dict[str, Any]:
    """The property as it is written, with its comments."""
    holder = Field("record")
    for record in records:
        holder.add(VALUES.decode(json.dumps(record)))
    return next(p for p in Properties().of(holder) if p["name"] == name)


texts = st.text(st.characters(blacklist_categories=("Cs",), blacklist_characters="\x00"), max_size=12)
integers = st.integers(-(2**62), 2**62)
numbers = st.floats(allow_nan=False, allow_infinity=False, width=32)
moments = st.datetimes().map(lambda moment: f"{moment.isoformat()}Z")
written = st.integers(-999, 999).map(str) | st.decimals(-999, 999, places=2).map(str)
leaves = st.sampled_from([texts, integers, numbers, st.booleans(), moments, st.dates().map(str), written])
names = st.sampled_from(
    ["value", "price", "user", "order", "+1", "Status", "email", "password", "created_at", "ü", "a b"]
)


@st.composite
def tables(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Records whose fields hold what one field may, or a mixture; some are missing or null."""
    kinds: dict[str, st.SearchStrategy[Any]] = {}
    for name in draw(st.sets(names, min_size=1, max_size=5)):
        kind = draw(leaves)
        if draw(st.booleans()):
            kind = kind | draw(leaves)
        shape = draw(st.sampled_from(["plain", "object", "array", "objects"]))
        inside = {"inner": kind, "Other": draw(leaves)}
        kinds[name] = {
            "plain": kind,
            "object": st.fixed_dictionaries({}, optional=inside),
            "array": st.lists(kind, max_size=3),
            "objects": st.lists(st.fixed_dictionaries({}, optional=inside), max_size=3),
        }[shape]
        if draw(st.booleans()):
            kinds[name] = st.none() | kinds[name]
    records = draw(st.lists(st.fixed_dictionaries({}, optional=kinds), min_size=1, max_size=30))
    return [{"id": number, **record} for number, record in enumerate(records)]


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(tables())
def test_the_contract_of_records_takes_all_of_them(records: list[dict[str, Any]]) -> None:
    draft = drafted(records)
    assert draft.sampled.refused == 0, (draft.sampled.rules, draft.texts["things.odcs.yaml"])
    assert draft.sampled.accepted == len(records)
    assert load_contract(draft.texts["things.odcs.yaml"], origin="test") == draft.contract
    # What the contract does not have is said at its head, and nothing else is unknown.
    unknown = {path.removeprefix("$.").replace("[]", ".[]").replace("..", ".") for path in draft.sampled.unknown}
    assert all(any(path.startswith(left) or left.startswith(path) for left in draft.left_out) for path in unknown)


@pytest.mark.parametrize(
    ("values", "kind", "physical"),
    [
        ([1, 2, 3], "integer", "bigint"),
        ([1, 2.5], "number", "decimal(10,2)"),
        ([0.1234567], "number", "double"),
        (["a", "bb"], "string", "varchar(64)"),
        (["x" * 100], "string", "varchar(256)"),
        (["2026-01-01"], "date", "date"),
        (["2026-01-01T00:00:00Z"], "timestamp", "timestamptz"),
        (["2026-01-01T00:00:00"], "string", "varchar(64)"),  # no zone: no moment
        (["2026-01-01", "soon"], "string", "varchar(64)"),
        ([True, False], "boolean", "boolean"),
        ([1706747220069, 1706751135719], "integer", "bigint"),  # a number, unless its name is a time's
    ],
)
def test_types(values: list[Any], kind: str, physical: str) -> None:
    found = field([{"thing": value} for value in values], "thing")
    assert (found.logical_type, found.physical_type) == (kind, physical)


@pytest.mark.parametrize(
    ("name", "values", "kind", "form"),
    [
        ("created_at", [1706747220069, 1706751135719], "timestamp", "epochMillis"),
        ("count", [1, "2"], "integer", "textOrNumber"),
        ("price", [1, "2"], "number", "textOrNumber"),
        ("price", ["1.50"] * 20, "number", "textOrNumber"),  # all text, and called like an amount
        ("phone_id", ["150"] * 20, "string", ""),
        ("price", ["1.50"] * 19, "string", ""),
        ("sku", [1, "A-2"], "string", "textOrNumber"),
    ],
)
def test_forms_that_differ_from_the_type(name: str, values: list[Any], kind: str, form: str) -> None:
    found = field([{name: value} for value in values], name)
    assert (found.logical_type, found.source_form) == (kind, form)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, "which tells no type"),
        ([], "empty in"),
        ([1.5], "arrays of numbers"),
        ([None], "hold null"),
        ([[1]], "arrays of numbers and of arrays"),
        ({}, "no field of its objects"),
    ],
)
def test_what_no_contract_can_say_is_left_out_and_said(value: Any, reason: str) -> None:
    draft = drafted([{"id": number, "value": value} for number in range(9)])
    assert [p.name for p in draft.contract.properties] == ["id"]
    assert reason in draft.left_out["value"]
    assert f"# left out: value: {draft.left_out['value']}" in draft.texts["things.odcs.yaml"]
    assert draft.sampled.refused == 0


def test_a_field_is_required_if_enough_records_all_have_it() -> None:
    assert field([{"value": 1}] * 5).required
    assert not field([{"value": 1}] * 4).required
    assert not field([{"value": 1}] * 99 + [{}]).required
    assert not field([{"value": 1}] * 99 + [{"value": None}]).required
    assert said([{"value": 1}] * 99 + [{}])["required"] == Said(False, "present in 99 of 100 records")
    assert field([{"value": 1}] + [{}] * 50).sparse


@pytest.mark.parametrize(
    ("name", "values", "least"),
    [
        ("quantity", [3] * 20, 0),
        ("quantity", [3] * 19, None),  # too few
        ("quantity", [3] * 19 + [-1], None),
        ("temperature", [3] * 20, None),  # may be below zero tomorrow
    ],
)
def test_a_range_is_a_rule_only_where_the_name_agrees(name: str, values: list[int], least: int | None) -> None:
    options = field([{name: value} for value in values], name).logical_type_options
    assert (options.minimum, options.maximum) == (least, None)


def test_a_closed_set_is_a_rule_only_with_strong_evidence() -> None:
    def pattern(name: str, values: list[str]) -> str | None:
        return field([{name: value} for value in values], name).logical_type_options.pattern

    two = ["open", "closed"] * 60
    assert pattern("status", two) == "^(closed|open)$"
    assert pattern("status", two[:80]) is None  # too few
    assert pattern("status", [*two, "merged"]) is None  # seen once: there may be more like it
    assert pattern("title", two) is None  # not named like a status
    assert pattern("status", ["open"] * 120) is None  # one value shows no choice
    assert any("2 distinct values in 120" in line for line in said([{"title": value} for value in two], "title")["#"])


def test_formats_become_patterns_where_the_name_agrees() -> None:
    emails = [{"email": f"a{n}@example.com", "value": f"a{n}@example.com"} for n in range(20)]
    assert field(emails, "email").logical_type_options.pattern == r"^[^@\s]+@[^@\s]+$"
    assert field(emails, "value").logical_type_options.pattern is None
    assert field(emails, "value").classification == "personal"
    ids = [{"value": f"00000000-0000-4000-8000-{n:012}"} for n in range(20)]
    assert field(ids).logical_type_options.pattern is not None


@pytest.mark.parametrize(
    ("path", "formats", "beside", "kept"),
    [
        (("email",), {}, (), "personal"),
        (("phone_number",), {}, (), "personal"),
        (("date_of_birth",), {}, (), "personal"),
        (("password",), {}, (), "secret"),
        (("api_token",), {}, (), "secret"),
        (("contact",), {"email": 9}, (), "personal"),
        (("source",), {"ip": 9}, (), "personal"),
        (("mobile",), {"phone": 9}, (), "personal"),
        (("contact",), {"email": 4}, (), "internal"),
        (("name",), {}, (), "internal"),  # of a product
        (("name",), {}, ("email",), "personal"),
        (("customer", "name"), {}, (), "personal"),
        (("author_name",), {}, (), "personal"),
        (("price",), {}, (), "internal"),
        (("latitude",), {}, (), "personal"),
    ],
)
def test_classification(path: tuple[str, ...], formats: dict[str, int], beside: tuple[str, ...], kept: str) -> None:
    found, why = classify(path, formats, 9, beside)
    assert found == kept
    assert why


def test_what_is_inside_of_personal_data_is_personal() -> None:
    contract = drafted([{"id": n, "address": {"number": n, "floors": [{"level": 1}]}} for n in range(9)]).contract
    kept = {p.name: p for p in contract.properties}["address"]
    assert {p.classification for p in kept.properties} == {"personal"}
    levels = kept.properties[1].items
    assert levels is not None
    assert levels.properties[0].classification == "personal"


@pytest.mark.parametrize(
    ("name", "column"),
    [
        ("order", "order_value"),
        ("+1", "n1"),
        ("ctid", "ctid_value"),
        ("deleted_at", "deleted_at_value"),
        ("größe", "gr_e"),
        ("温度", "field"),
        ("x" * 100, "x" * 60),
    ],
)
def test_names_that_no_column_can_have_get_another(name: str, column: str) -> None:
    contract = drafted([{"id": n, name: 1} for n in range(9)]).contract
    assert [c.name for c in contract.columns] == ["id", column]


def test_two_fields_do_not_become_one_column() -> None:
    contract = drafted([{"id": n, "a_b": 1, "aB": 2, "a-b": 3, "A_B": 4} for n in range(9)]).contract
    assert [c.name for c in contract.columns] == ["id", "a_b", "a_b_2", "a_b_3"]


def test_keys() -> None:
    def key(records: list[dict[str, Any]], **wanted: Any) -> tuple[str, ...]:
        return drafted(records, **wanted).contract.primary_key

    assert key([{"price": n / 4, "id": n} for n in range(30)]) == ("id",)
    assert key([{"thing_id": n, "name": f"n{n}"} for n in range(30)]) == ("thing_id",)
    assert key([{"id": str(n) if n % 2 else n} for n in range(30)]) == ("id",)
    assert key([{"id": 1, "part": n} for n in range(30)], key=("id", "part")) == ("id", "part")
    # The same bytes twice are one record; an id that comes again with other bytes is no key.
    assert key([{"id": n} for n in (1, 2, 3, 3, 4)]) == ("id",)
    with pytest.raises(ConfigurationError, match="no candidate was seen"):
        key([{"id": 1, "at": n % 2 == 0} for n in range(3)])
    with pytest.raises(ConfigurationError, match=r"name \(unique in 30 of 30 records\)"):
        key([{"name": f"n{n}"} for n in range(30)])
    # A secret, a float and an object are no keys.
    for value in ({"password": "a"}, {"rate": 0.12345678}, {"inner": {"id": 1}}):
        with pytest.raises(ConfigurationError):
            key(
                [
                    {name: f"{each}{n}" if each == "a" else n * 1.00000001 for name, each in value.items()}
                    for n in (1, 2)
                ]
            )


def test_evidence_does_not_hold_what_is_personal() -> None:
    records = [
        {"id": n, "birthday": f"1990-01-{n % 28 + 1:02}", "age": 40 + n % 3, "sex": "fm"[n % 2]} for n in range(120)
    ]
    text = drafted(records).texts["things.odcs.yaml"]
    assert "1990-01" not in text
    assert "40" not in text
    assert "2 distinct" not in text
