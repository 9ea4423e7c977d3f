"""A tool that we did not write reads our contracts and holds our tables against them: datacontract-cli, in an
environment of its own."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
import yaml

from ingot.contract import read_contract
from ingot.contract.odcs import table_contract

if TYPE_CHECKING:
    from ingot.warehouse import Endpoint
    from tests.integration.ingot.conftest import World

ROOT = Path(__file__).resolve().parents[3]
TOOL = ROOT / ".venv-datacontract" / "bin" / "datacontract"
CONTRACTS = sorted((ROOT / "sources").glob("*/*.odcs.yaml"))
LOADED = sorted((ROOT / "sources/fakestore").glob("*.odcs.yaml"))
STREAMS = ("carts", "products", "users")


def datacontract(
    *arguments: str, home: Path, variables: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    assert TOOL.exists(), "run `make .venv-datacontract/.made`, as `make test` does"
    return subprocess.run(
        [str(TOOL), *arguments],
        env={**os.environ, "HOME": str(home), **(variables or {})},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def compiled(folder: Path, contracts: list[Path]) -> Path:
    """What the contracts are compiled to, in one document: each call of the tool takes seconds."""
    documents = [yaml.safe_load(table_contract(file.parent.name, read_contract(file))) for file in contracts]
    document = documents[0] | {"schema": [schema for each in documents for schema in each["schema"]]}
    file = folder / "tables.odcs.yaml"
    file.write_text(yaml.safe_dump(document))
    return file


@pytest.mark.parametrize("contract", CONTRACTS, ids=lambda path: path.stem)
def test_datacontract_lint_accepts_every_contract(contract: Path, tmp_path: Path) -> None:
    done = datacontract("lint", str(contract), home=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "v3.1.0" in done.stdout


def test_datacontract_lint_accepts_how_a_source_writes_its_values(tmp_path: Path) -> None:
    document = yaml.safe_load((ROOT / "sources/fakestore/carts.odcs.yaml").read_text())
    for prop in document["schema"][0]["properties"]:
        form = {"timestamp": "epochMillis", "integer": "textOrNumber"}.get(prop["logicalType"])
        prop |= {"customProperties": [{"property": "sourceForm", "value": form}]} if form else {}
    file = tmp_path / "carts.odcs.yaml"
    file.write_text(yaml.safe_dump(document))
    assert {prop.source_form for prop in read_contract(file).properties} == {"epochMillis", "textOrNumber", ""}
    done = datacontract("lint", str(file), home=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr


def test_datacontract_lint_accepts_what_a_contract_is_compiled_to(tmp_path: Path) -> None:
    done = datacontract("lint", str(compiled(tmp_path, CONTRACTS)), home=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr


def test_datacontract_lint_refuses_a_contract_that_is_not_odcs(tmp_path: Path) -> None:
    broken = tmp_path / "broken.odcs.yaml"
    broken.write_text(CONTRACTS[0].read_text().replace("logicalType: timestamp", "logicalType: moment"))
    assert datacontract("lint", str(broken), home=tmp_path).returncode != 0


def failing(end: Endpoint, home: Path) -> set[str]:
    """``datacontract test`` of the loaded tables: the checks that do not pass."""
    results = home / "results.json"
    variables = {"HOST": end.host, "PORT": str(end.port), "DATABASE": end.dbname}
    variables |= {"USERNAME": end.username, "PASSWORD": end.password}
    done = datacontract(
        *("test", str(compiled(home, LOADED)), "--output-format", "json", "--output", str(results)),
        home=home,
        variables={f"DATACONTRACT_POSTGRES_{name}": value for name, value in variables.items()},
    )
    checks: list[dict[str, Any]] = json.loads(results.read_text())["checks"]
    assert {check["model"] for check in checks} == {f"fakestore_{stream}" for stream in STREAMS}
    wrong = {f"{check['model']}: {check['name']}" for check in checks if check["result"] != "passed"}
    assert (done.returncode == 0) == (not wrong), done.stdout + done.stderr
    return wrong


@pytest.mark.slow
def test_datacontract_test_passes_on_loaded_tables_and_fails_on_broken_ones(
    world: World, warehouse_endpoint: Endpoint, tmp_path: Path
) -> None:
    for stream in STREAMS:
        world.run(world.batch(stream))
    end = warehouse_endpoint
    with psycopg.connect(
        host=end.host, port=end.port, user=end.username, password=end.password, dbname=end.dbname, autocommit=True
    ) as connection:
        products, carts, users = (f"bronze.fakestore_{stream}" for stream in ("products", "carts", "users"))
        # A key that is gone, and a record that lacks what it may lack, are no faults.
        connection.execute(
            f"insert into {products} (id, _batch_id, _line, _ingested_at, _record_hash, _deleted, _load_id) "
            "values (1, 'later', 0, now(), repeat('0', 64), true, 9)"
        )
        connection.execute(f"update {products} set image = null, rating_rate = null where id = 2")
        assert failing(end, tmp_path) == set()

        connection.execute(f"update {products} set title = null where id = 3")
        connection.execute(f"update {products} set price = -1 where id = 4")
        connection.execute(f"insert into {products} select * from {products} where id = 5")
        connection.execute(f"alter table {products} alter column category type varchar(65)")
        connection.execute(f"update {carts} set products = jsonb_set(products, '{{0,quantity}}', '0') where id = 1")
        connection.execute(f"update {carts} set products = products #- '{{0,product_id}}' where id = 2")
        connection.execute(f"update {carts} set products = '[]' where id = 3")
        connection.execute(f"update {users} set email = 'nobody' where id = 1")
        assert failing(end, tmp_path) == {
            "fakestore_products: title is there unless the key is deleted",
            "fakestore_products: Check that field price has a minimum of 0",
            "fakestore_products: Check that primary key (_batch_id, _line) has no duplicate values",
            "fakestore_products: Check that field category has physical type varchar(64)",
            "fakestore_carts: products has 1 items or more",
            "fakestore_carts: products[].product_id is there",
            "fakestore_carts: products[].quantity is at least 1",
            r"fakestore_users: Check that field email matches regex pattern ^[^@\s]+@[^@\s]+$",
        }
