"""The first model in Silver: one column tells records apart, and nothing personal is in clear."""

from __future__ import annotations

from itertools import product

import duckdb
import pytest
import yaml

from ingot.contract.model import Contract, load_contract
from ingot.discover.silver import key_of, model_files
from ingot.discover.text import document


def contract(
    fields: dict[str, tuple[str, str]], key: tuple[str, ...], classes: dict[str, str] | None = None
) -> Contract:
    properties = [
        {
            "name": name,
            "logicalType": kind,
            "physicalType": physical,
            "required": True,
            "classification": (classes or {}).get(name, "internal"),
            **({"primaryKey": True, "primaryKeyPosition": key.index(name) + 1} if name in key else {}),
        }
        for name, (kind, physical) in fields.items()
    ]
    properties.sort(key=lambda prop: prop.get("primaryKeyPosition", 99))
    text = document(
        {
            "apiVersion": "v3.1.0",
            "kind": "DataContract",
            "id": "urn:ingot:shop:things",
            "version": "1.0.0",
            "status": "active",
            "schema": [{"name": "things", "logicalType": "object", "properties": properties}],
        }
    )
    return load_contract(text, origin="test")


TEXT, NUMBER, DAY = ("string", "varchar(64)"), ("integer", "bigint"), ("date", "date")


@pytest.mark.parametrize(
    ("fields", "key", "classes", "name", "expression"),
    [
        ({"id": NUMBER}, ("id",), {}, "thing_id", "id"),
        ({"id": NUMBER, "thing_id": TEXT}, ("id",), {}, "thing_key", "id"),
        ({"sku": TEXT}, ("sku",), {}, "sku", "sku"),
        (
            {"n": NUMBER, "day": DAY},
            ("n", "day"),
            {},
            "thing_key",
            "cast(n as varchar(64)) || '|' || to_char(day, 'YYYY-MM-DD')",
        ),
        ({"email": TEXT}, ("email",), {"email": "personal"}, "thing_key", '{{ mask_hash("email") }}'),
    ],
)
def test_the_key_is_one_column(
    fields: dict[str, tuple[str, str]], key: tuple[str, ...], classes: dict[str, str], name: str, expression: str
) -> None:
    found = key_of("things", contract(fields, key, classes))
    assert (found.name, found.expression) == (name, expression)


def test_different_keys_of_several_texts_stay_different() -> None:
    texts = ["".join(letters) for length in range(4) for letters in product("a|~1", repeat=length)]
    keys = list(product(texts, texts))
    expression = key_of("things", contract({"one": TEXT, "two": TEXT}, ("one", "two"))).expression
    with duckdb.connect() as connection:
        connection.execute("create table things (one varchar, two varchar)")
        rows = ", ".join(f"('{one}', '{two}')" for one, two in keys)
        connection.execute(f"insert into things values {rows}")
        (found,) = connection.execute(f"select count(distinct {expression}) from things").fetchall()
    assert found == (len(keys),)


def test_nothing_personal_is_shown_in_clear() -> None:
    names = ["email", "phone", "first_name", "zip", "latitude", "nickname", "age", "title", "id"]
    fields = {name: NUMBER if name in ("age", "id") else TEXT for name in names}
    personal = dict.fromkeys(set(names) - {"title", "id"}, "personal")
    files = model_files("shop", "things", contract(fields, ("id",), personal))
    model = files["shop_things.sql"].partition("final as (")[2]
    for macro, name in (
        ("email", "email"),
        ("phone", "phone"),
        ("name", "first_name"),
        ("zipcode", "zip"),
        ("coordinate", "latitude"),
        ("name", "nickname"),
    ):
        assert (
            f'{{{{ mask_{macro}("{name}") }}}} as {name}_' in model
            or f'{{{{ mask_hash("{name}") }}}} as {name}_' in model
        )
    assert "age" not in model.replace("_latitude", "").replace("image", "")
    assert "-- age is personal, and has no mask: it ends in staging." in files["shop_things.sql"]
    described = yaml.safe_load(files["_shop_things__model.yml"])["models"][0]
    shown = [column["name"] for column in described["columns"]]
    assert shown[0] == "thing_id"
    assert not set(personal) & set(shown)


def test_a_value_that_is_new_to_a_small_set_warns() -> None:
    files = model_files(
        "shop", "things", contract({"id": NUMBER, "category": TEXT}, ("id",)), values={"category": ["a", "men's"]}
    )
    described = yaml.safe_load(files["_shop_things__model.yml"])["models"][0]
    (test,) = next(column for column in described["columns"] if column["name"] == "category")["data_tests"]
    assert test["accepted_values"]["config"] == {"severity": "warn"}
    assert test["accepted_values"]["arguments"]["values"] == ["a", "men''s"]
