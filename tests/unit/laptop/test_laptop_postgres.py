"""The embedded Postgres: it outlives who started it, wants a password, and keeps its data."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from laptop.memory import Memory
from laptop.paths import Home
from laptop.postgres import SUPERUSER, Postgres

ROOT = Path(__file__).resolve().parents[3]
START = """
from laptop.memory import Memory; from laptop.paths import Home; from laptop.postgres import Postgres
home = Home.find(); Postgres(home, Memory(home.memory)).start()
"""


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    """Started by a process that has ended since."""
    # Not below pytest's folder, which each session closes to other users, and the server may run as one.
    with tempfile.TemporaryDirectory(prefix="ingot-postgres-") as folder:
        environment = {**os.environ, "INGOT_HOME": folder, "PYTHONPATH": f"{ROOT / 'localstack'}:{ROOT}"}
        subprocess.run([sys.executable, "-c", START], env=environment, check=True, timeout=60)
        home = Home(Path(folder))
        server = Postgres(home, Memory(home.memory))
        yield server
        server.stop()


def test_it_outlives_the_process_that_started_it(postgres: Postgres) -> None:
    assert postgres.ready()
    assert not postgres.start()


def test_it_refuses_the_superuser_without_the_generated_password(postgres: Postgres) -> None:
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(host=postgres.host, port=postgres.port, user=SUPERUSER, password="postgres", dbname="ingot")


def test_it_listens_on_loopback_only(postgres: Postgres) -> None:
    process = postgres.service.process()
    assert process is not None
    listening = {connection.laddr.ip for connection in process.net_connections() if connection.status == "LISTEN"}
    assert listening == {"127.0.0.1"}


def test_a_role_gets_its_password_and_owns_its_database_however_often_it_is_said(postgres: Postgres) -> None:
    for password in ("first", 'it\'s "second"'):
        postgres.ensure_role("ingot", password, owner_of="ingot")
    with psycopg.connect(
        host=postgres.host, port=postgres.port, user="ingot", password='it\'s "second"', dbname="ingot"
    ) as connection:
        connection.execute("create schema gold")


def test_its_data_is_there_after_a_stop_and_a_start(postgres: Postgres) -> None:
    with postgres.connect("ingot") as connection:
        connection.execute("create table kept as select 42 as answer")
    assert postgres.stop()
    assert not postgres.ready()
    assert not postgres.stop()
    assert postgres.start()
    with postgres.connect("ingot") as connection:
        assert connection.execute("select answer from kept").fetchall() == [(42,)]


def test_a_reader_reads_its_schemas_and_what_comes_later_and_nothing_else(postgres: Postgres) -> None:
    postgres.ensure_role("ingot", "owner's", owner_of="ingot")
    for _ in range(2):
        postgres.ensure_reader("grafana", "reader's", database="ingot", schemas=("gold", "audit"))
    place = {"host": postgres.host, "port": postgres.port, "dbname": "ingot", "autocommit": True}
    with psycopg.connect(user="ingot", password="owner's", **place) as owner:
        owner.execute("create schema if not exists gold")  # as dbt does
        owner.execute("create schema silver")
        for table in ("gold.made_later", "silver.users"):
            owner.execute(f"create table {table} as select 1 as n")
    with psycopg.connect(user="grafana", password="reader's", **place) as reader:
        assert reader.execute("select n from gold.made_later").fetchone() == (1,)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            reader.execute("select n from silver.users")
        reader.execute("set default_transaction_read_only = off")
        for statement in ("delete from gold.made_later", "create table gold.mine (n int)", "create schema mine"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                reader.execute(statement)
