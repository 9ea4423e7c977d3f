"""From a row back to the request: the recorded shop, through the real steps and models."""

from __future__ import annotations

import hashlib
import io
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pytest
import yaml
import zstandard

from ingot.explain import read_walk
from tests.integration.dbt.shop import ROOT, Shop, open_shop

if TYPE_CHECKING:
    from tests.integration.dbt.warehouse import Warehouse


@pytest.fixture(scope="module")
def shop(cloud: str, warehouse: Warehouse, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    with open_shop(warehouse, tmp_path_factory.mktemp("home")) as filled:
        yield filled


def edge(row: dict[str, Any], table: str, label: str = "") -> dict[str, Any]:
    (found,) = [rows for rows in row["made_of"] if (rows["table"], rows["label"]) == (table, label)]
    return dict(found)


def stored_line(origin: dict[str, Any]) -> bytes:
    """The line that an origin points to, read from S3 without Ingot."""
    bucket, _, key = origin["object"].removeprefix("s3://").partition("/")
    body = boto3.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read()
    lines = zstandard.ZstdDecompressor().stream_reader(io.BytesIO(body)).readall().split(b"\n")[:-1]
    assert len(lines) == origin["object_lines"]
    return lines[origin["object_line"] - 1]


def test_revenue_is_walked_back_to_the_carts_the_prices_and_the_requests(shop: Shop) -> None:
    found = shop.tree("gold.category_revenue", "electronics", "--record")
    assert (found["table"], found["total"]) == ("gold.category_revenue", 1)
    (row,) = found["rows"]
    assert (row["key"], row["values"]["revenue"]) == ({"category": "electronics"}, 624.0)
    lines = edge(row, "silver.order_lines")
    assert [line["key"]["order_id"] for line in lines["rows"]] == [3, 6, 6]
    assert sum(line["values"]["line_total"] for line in lines["rows"]) == 624.0
    for line in lines["rows"]:
        (cart,) = edge(line, "bronze.fakestore_carts")["rows"]
        (product,) = edge(line, "bronze.fakestore_products", "price")["rows"]
        for bronze, number, asked in (
            (cart, line["key"]["order_id"], shop.requests["carts"][0]),
            (product, line["values"]["product_id"], shop.requests["products"][0]),
        ):
            origin = bronze["origin"]
            record = stored_line(origin)
            assert json.loads(record)["id"] == number
            assert hashlib.sha256(record).hexdigest() == origin["record_hash"]
            assert origin["record"].encode() == record
            assert [(r["url"], r["status"]) for r in origin["requests"]] == [(asked, 200)]
            assert not origin["deleted"]
    assert shop.requests["carts"][0].endswith("/carts?startdate=2020-01-01&enddate=2020-04-01")


def test_a_margin_is_walked_back_to_the_line_of_the_price_list(shop: Shop) -> None:
    (row,) = shop.tree("gold.category_margin", "men's clothing", "--limit", "20", "--record")["rows"]
    assert (row["values"]["cost"], row["values"]["margin"]) == (1455.35, 1191.09)
    lines = edge(row, "silver.order_line_costs")["rows"]
    assert sum(line["values"]["cost"] for line in lines) == 1455.35
    found = set()
    for line in lines:
        (cart,) = edge(edge(line, "silver.order_lines")["rows"][0], "bronze.fakestore_carts")["rows"]
        assert json.loads(cart["origin"]["record"])["id"] == line["key"]["order_id"]
        (cost,) = edge(line, "silver.product_costs")["rows"]
        (bronze,) = edge(cost, "bronze.suppliers_costs")["rows"]
        landed = bronze["origin"]["landed"]
        record = json.loads(bronze["origin"]["record"])
        assert (record["product_id"], record["unit_cost"]) == (
            line["values"]["product_id"],
            line["values"]["unit_cost"],
        )
        found.add((landed["object"].rpartition("/")[2], landed["line"], record["product_id"], record["unit_cost"]))
    # As they stand in the file, with a decimal comma.
    list_ = "tissus-leman-tarifs-2020.tsv"
    assert found == {
        (list_, 2, 1, 61.5),
        (list_, 14, 1, 64.25),
        (list_, 3, 2, 9.4),
        (list_, 13, 2, 9.95),
        (list_, 4, 3, 27.8),
    }


def test_a_person_reads_the_same_as_a_tree(shop: Shop) -> None:
    answer = shop.explain("gold.category_revenue", "electronics")
    assert answer.code == 0, answer.err
    lines = [re.sub(r"^(│ {3}| {4})*([├└]── )?", "", line) for line in answer.out.splitlines()]
    assert lines[0] == "gold.category_revenue category=electronics"
    assert "silver.order_lines: 3 rows" in lines
    assert "order_id=6 line_number=2" in lines
    assert "bronze.fakestore_carts id=6" in lines
    assert "price: bronze.fakestore_products id=12" in lines
    (asked,) = {line for line in lines if "/carts?" in line}
    assert asked.startswith(f"from GET {shop.requests['carts'][0]} → 200 in ")


def test_of_many_rows_a_few_are_listed_and_all_are_counted(shop: Shop) -> None:
    (row,) = shop.tree("gold.category_revenue", "electronics", "--limit", "2")["rows"]
    lines = edge(row, "silver.order_lines")
    assert (lines["total"], len(lines["rows"])) == (3, 2)
    assert "… and 1 more;" in shop.explain("gold.category_revenue", "electronics", "--limit", "2").out
    many = shop.explain("silver.order_lines", "--where", "category=electronics", "--limit", "1").out
    assert "… and 2 more;" in many


def test_a_record_is_shown_only_to_who_asks_and_never_a_secret(shop: Shop) -> None:
    hidden, shown = shop.explain("silver.users", "1"), shop.explain("silver.users", "1", "--record")
    for personal in ("john@gmail.com", "johnd", "12926-3874"):
        assert personal not in hidden.out
        assert personal in shown.out
    assert "m38rmF" not in shown.out
    assert "password" not in shown.out


def test_a_replayed_record_leads_to_where_it_was_refused_and_to_the_request_before_that(shop: Shop) -> None:
    (row,) = shop.tree("silver.products", "3", "--record")["rows"]
    (bronze,) = edge(row, "bronze.fakestore_products")["rows"]
    origin = bronze["origin"]
    original = "fakestore.products.20200101T000000Z.20200102T000000Z"
    assert origin["batch_id"].startswith(f"{original}.resolve-")
    (refused,) = origin["replayed_from"]
    assert refused["batch_id"] == original
    assert refused["object"].startswith(f"s3://{shop.names.bronze_bucket}/quarantine/fakestore/products/{original}/")
    assert [r["url"] for r in origin["requests"]] == [shop.requests["products"][0]]
    assert json.loads(origin["record"])["rating"]["rate"] == 7.5
    assert hashlib.sha256(stored_line(origin)).hexdigest() == origin["record_hash"]


def test_what_is_gone_leads_to_its_record_and_to_the_answer_that_lacked_it(shop: Shop) -> None:
    (row,) = shop.tree("silver.products", "20", "--record")["rows"]
    assert row["values"]["deleted_at"] is not None
    (record,) = edge(row, "bronze.fakestore_products")["rows"]
    (tombstone,) = edge(row, "bronze.fakestore_products", "deletion")["rows"]
    assert [r["origin"]["deleted"] for r in (record, tombstone)] == [False, True]
    assert json.loads(record["origin"]["record"])["title"] == row["values"]["title"]
    assert tombstone["origin"]["record"].encode() == stored_line(tombstone["origin"]) == b'{"id":20}'
    assert "/deletes/" in tombstone["origin"]["object"]
    assert len(tombstone["origin"]["requests"]) == 1
    assert tombstone["origin"]["extracted_at"] > record["origin"]["extracted_at"]
    assert "not in the answer to GET" in shop.explain("silver.products", "20").out
    # Product 19 lives: nothing is said of a deletion.
    (row,) = shop.tree("silver.products", "19")["rows"]
    assert [rows["label"] for rows in row["made_of"]] == [""]


def test_a_bronze_row_and_a_key_of_two_columns_are_found_by_position_or_by_name(shop: Shop) -> None:
    versions = shop.tree("bronze.fakestore_products", "20")
    assert [row["origin"]["deleted"] for row in versions["rows"]] == [True, False]  # the newest first
    by_position = shop.tree("silver.order_lines", "6", "2")
    assert by_position == shop.tree("silver.order_lines", "--where", "order_id=6", "--where", "line_number=2")
    assert by_position["total"] == 1
    assert shop.tree("silver.order_lines", "6")["total"] == 2


def test_bytes_that_were_changed_in_s3_are_not_shown(shop: Shop) -> None:
    (row,) = shop.tree("silver.orders", "6")["rows"]
    (cart,) = edge(row, "bronze.fakestore_carts")["rows"]
    bucket, _, key = cart["origin"]["object"].removeprefix("s3://").partition("/")
    s3 = boto3.client("s3")
    before = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
    lines = zstandard.ZstdDecompressor().stream_reader(io.BytesIO(before)).readall().split(b"\n")
    lines[0] = lines[0].replace(b'"userId":1', b'"userId":2')  # another line than the one that is asked for
    s3.put_object(Bucket=bucket, Key=key, Body=zstandard.compress(b"\n".join(lines)))
    try:
        answer = shop.explain("silver.orders", "6", "--record")
    finally:
        s3.put_object(Bucket=bucket, Key=key, Body=before)
    assert (answer.code, answer.out) == (1, "")
    assert answer.err.startswith("IntegrityError The object is not what its manifest recorded.")


def test_a_row_that_was_changed_in_the_warehouse_does_not_pass_for_the_record(shop: Shop) -> None:
    swap = ("bronze.fakestore_carts", "id"), ("silver.orders", "order_id")
    for table, key in swap:
        shop.connection.execute(f"update {table} set _line = 7 - _line where {key} = 6")
    try:
        answer = shop.explain("silver.orders", "6", "--record")
    finally:
        for table, key in swap:
            shop.connection.execute(f"update {table} set _line = 7 - _line where {key} = 6")
    assert (answer.code, answer.out) == (1, "")
    assert answer.err.startswith("IntegrityError Line 3 is not the record that the warehouse was loaded with.")


@pytest.mark.parametrize(
    ("arguments", "code", "complaint"),
    [
        (["gold.nowhere", "1"], 1, "There is no table 'gold.nowhere' whose rows can be explained."),
        (["gold.category_revenue", "toys"], 1, "gold.category_revenue has no row with category = toys."),
        (["gold.category_revenue", "--where", "colour=red"], 1, 'column "colour" does not exist'),
        (["silver.orders", "six"], 1, "The warehouse refused the query"),
        (["silver.orders", "' or '1'='1"], 1, "The warehouse refused the query"),
        (["gold.category_revenue", "--where", 'category" is not null --=x'], 1, "does not exist"),
        (["silver.orders", "6", "7"], 2, "the key has 1 columns: order_id"),
        (["silver.order_lines"], 2, "say which row: its order_id, line_number, or --where COLUMN=VALUE"),
        (["silver.orders", "--where", "order_id"], 2, "'order_id' is no condition"),
        (["silver.orders", "6", "--dbt", "nowhere"], 2, "does not exist"),
    ],
)
def test_what_cannot_be_explained_says_why(shop: Shop, arguments: list[str], code: int, complaint: str) -> None:
    answer = shop.explain(*arguments)
    assert (answer.code, answer.out) == (code, "")
    assert complaint in " ".join(answer.err.replace("│", " ").split())


def test_without_a_checkout_the_deployed_project_says_the_walk(
    shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = shop.tree("gold.category_revenue", "electronics")
    monkeypatch.chdir(tmp_path)
    nothing = shop.explain("gold.category_revenue", "electronics")
    assert nothing.code == 1
    assert "There is no dbt project that says what its rows are made of." in nothing.err
    for file in (ROOT / "dbt" / "models").rglob("*"):
        if file.is_file():
            key = f"dags/dbt/{file.relative_to(ROOT / 'dbt')}"
            boto3.client("s3").put_object(Bucket=shop.names.dags_bucket, Key=key, Body=file.read_bytes())
    assert shop.tree("gold.category_revenue", "electronics") == here


def test_an_order_is_walked_back_to_the_event_that_counts_and_to_the_object_that_it_came_in(shop: Shop) -> None:
    for table, where in (("silver.orders", ["7"]), ("silver.order_lines", ["7", "1"])):
        (row,) = shop.tree(table, *where)["rows"]
        (event,) = edge(row, "bronze.orders_stream_orders", "event")["rows"]
        assert (event["key"]["order_id"], event["origin"]["landed"]["record"]) == (7, 1)
        assert not [each for each in row["made_of"] if each["table"] == "bronze.fakestore_carts"]


def test_every_silver_and_gold_table_can_be_explained_from_its_first_row(shop: Shop) -> None:
    """What the YAML declares is there: each step's table and columns, and Bronze at the end of every way."""
    walk = read_walk(ROOT / "dbt", shop.names)
    models = {f"{path.parent.name}.{path.stem}" for path in (ROOT / "dbt/models").glob("*/*.sql")}
    assert models == {table for table, node in walk.items() if node.stream is None}
    for table, node in walk.items():
        columns = ", ".join(node.key)
        (first,) = shop.world.rows(f"select {columns} from {table} order by {columns} limit 1")
        (row,) = shop.tree(table, *map(str, first))["rows"]
        assert all(leaf.startswith("bronze.") for leaf in leaves(table, row))


def test_the_keys_of_the_walk_are_those_that_dbt_tests(shop: Shop) -> None:
    tested = {}
    for file in (ROOT / "dbt/models").glob("*/_*__models.yml"):
        for model in yaml.safe_load(file.read_text())["models"]:
            name = f"{file.parent.name}.{model['name']}"
            for column in model["columns"]:
                if "key" in column.get("data_tests", ()):
                    tested[name] = (column["name"],)
            for test in model.get("data_tests", ()):
                if "key" in test:
                    tested[name] = tuple(test["key"]["arguments"]["columns"])
    walk = read_walk(ROOT / "dbt", shop.names)
    assert tested == {table: node.key for table, node in walk.items() if node.stream is None}


def leaves(table: str, row: dict[str, Any]) -> list[str]:
    found = [leaf for rows in row["made_of"] for one in rows["rows"] for leaf in leaves(rows["table"], one)]
    return found or [table]
