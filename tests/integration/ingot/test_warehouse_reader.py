"""The warehouse's second user reads what the console shows, and can do nothing else, whoever makes it."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec
import psycopg
import pytest
from psycopg import sql

from ingot.errors import ConfigurationError, WarehouseUnavailable
from ingot.warehouse import Endpoint, load_warehouse
from ingot.warehouse.reader import OWNER, READER, grant_reader, main

if TYPE_CHECKING:
    from laptop.services import Laptop

TABLES = """
    CREATE SCHEMA bronze; CREATE SCHEMA gold;
    CREATE TABLE bronze.shop_users (id bigint, email text, _batch_id text, _line bigint);
    CREATE TABLE gold.daily_sales (order_date date, revenue numeric);
    INSERT INTO bronze.shop_users VALUES (1, 'somebody@example.com', 'b', 0);
    INSERT INTO gold.daily_sales VALUES ('2020-01-01', 9.5)
"""


@dataclass
class Place:
    """A warehouse with something in it, its owner, and the one who is to read."""

    owner: Endpoint
    reader: Endpoint
    laptop: Laptop

    def as_owner(self, statement: str) -> None:
        with self.laptop.postgres.connect(self.owner.dbname) as admin:
            admin.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(self.owner.username)))
            admin.execute(statement.encode())

    def as_admin(self, statement: str, *names: str) -> None:
        with self.laptop.postgres.connect(self.owner.dbname) as admin:
            admin.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))

    def read(self, query: str) -> list[tuple[Any, ...]]:
        return load_warehouse(self.reader).query(query).rows

    def write(self, statement: str) -> None:
        """Without the guards of our own library: a person with the password and any client."""
        reader = self.reader
        with psycopg.connect(
            host=reader.host,
            port=reader.port,
            user=reader.username,
            password=reader.password,
            dbname=reader.dbname,
            autocommit=True,
        ) as connection:
            connection.execute("SET default_transaction_read_only = off")
            connection.execute(statement.encode())


@pytest.fixture
def place(warehouse_endpoint: Endpoint, laptop: Laptop) -> Iterator[Place]:
    reader = msgspec.structs.replace(
        warehouse_endpoint, username=f"{warehouse_endpoint.username}_reader", password=secrets.token_urlsafe(12)
    )
    found = Place(warehouse_endpoint, reader, laptop)
    found.as_owner(TABLES)
    yield found
    found.as_admin("DROP OWNED BY {} CASCADE", found.owner.username)
    with laptop.postgres.connect(found.owner.dbname) as admin:
        if admin.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [reader.username]).fetchone():
            admin.execute(sql.SQL("DROP OWNED BY {0}; DROP ROLE {0}").format(sql.Identifier(reader.username)))


@pytest.fixture
def made(place: Place) -> Place:
    """By an owner who may make users, as the master user of Aurora may."""
    place.as_admin("ALTER ROLE {} CREATEROLE", place.owner.username)
    grant_reader(place.owner, place.reader, keys=frozenset({"id"}))
    return place


def test_it_reads_gold_and_of_bronze_what_leads_back_to_a_record(made: Place) -> None:
    assert made.read("SELECT revenue FROM gold.daily_sales")[0][0] == 9.5
    assert made.read("SELECT id, _batch_id, _line FROM bronze.shop_users") == [(1, "b", 0)]
    for columns in ("email", "*", "count(email)"):
        with pytest.raises(ConfigurationError, match="permission denied"):
            made.read(f"SELECT {columns} FROM bronze.shop_users")


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO gold.daily_sales VALUES ('2020-01-02', 1)",
        "UPDATE gold.daily_sales SET revenue = 0",
        "DELETE FROM gold.daily_sales",
        "TRUNCATE gold.daily_sales",
        "DROP TABLE gold.daily_sales",
        "CREATE TABLE gold.mine (id int)",
        "CREATE SCHEMA mine",
        "CREATE ROLE another LOGIN",
        "COPY gold.daily_sales TO PROGRAM 'true'",
    ],
)
def test_it_changes_nothing_even_where_it_lets_itself_write(made: Place, statement: str) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        made.write(statement)


def test_it_reads_tables_that_dbt_makes_later(made: Place) -> None:
    made.as_owner("DROP TABLE gold.daily_sales; CREATE TABLE gold.daily_sales AS SELECT 1 AS revenue")
    made.as_owner("CREATE TABLE silver.orders AS SELECT 7 AS order_id")

    assert made.read("SELECT revenue FROM gold.daily_sales") == [(1,)]
    assert made.read("SELECT order_id FROM silver.orders") == [(7,)]


def test_it_can_be_made_again_with_another_password_and_sees_new_tables_of_bronze(made: Place) -> None:
    made.as_owner("CREATE TABLE bronze.shop_carts (id bigint, _batch_id text)")
    former, made.reader = made.reader, msgspec.structs.replace(made.reader, password=secrets.token_urlsafe(12))
    with pytest.raises(WarehouseUnavailable):
        made.read("SELECT 1")

    grant_reader(made.owner, made.reader)

    assert made.read("SELECT _batch_id FROM bronze.shop_carts") == []
    with pytest.raises(WarehouseUnavailable):
        load_warehouse(former).query("SELECT 1")


def test_where_the_owner_may_make_no_users_an_administrator_makes_it_and_is_told_to(place: Place) -> None:
    with pytest.raises(ConfigurationError, match="may make none") as raised:
        grant_reader(place.owner, place.reader)
    assert "CREATE ROLE" in str(raised.value.hint)
    with place.laptop.postgres.connect("postgres") as admin:
        admin.execute(
            sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(
                sql.Identifier(place.reader.username), sql.Literal(place.reader.password)
            )
        )

    grant_reader(place.owner, place.reader)

    assert place.read("SELECT count(*) FROM gold.daily_sales") == [(1,)]
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        place.write("DELETE FROM gold.daily_sales")


def test_as_a_program_it_takes_both_logins_from_variables_and_shows_neither(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    place.as_admin("ALTER ROLE {} CREATEROLE", place.owner.username)
    variables = {
        name: json.dumps({**msgspec.to_builtins(each), "dbClusterIdentifier": "added by an attachment"})
        for name, each in ((OWNER, place.owner), (READER, place.reader))
    }

    assert main(variables) == 0
    assert place.read("SELECT id FROM bronze.shop_users") == [(1,)], "the keys are those of the contracts"
    assert main({OWNER: variables[OWNER], READER: '{"password": "s3cret"'}) == 1
    shown = "".join(capsys.readouterr())
    assert READER in shown
    assert not any(text in shown for text in (place.owner.password, place.reader.password, "s3cret"))
