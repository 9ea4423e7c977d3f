"""Two dbts at once in one warehouse: models are built in turn, and so are whole runs."""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psycopg
import pytest

from ingot.cli.transform import build
from ingot.warehouse import Endpoint
from tests.integration.dbt.bronze import Bronze
from tests.integration.dbt.warehouse import PROJECT, Dbt, Warehouse, dbt_process

Record = dict[str, Any]
IMAGE = PROJECT.parent / "localstack" / "laptop" / "dbt-image.sh"
ADVISORY = "select count(*) filter (where granted), count(*) filter (where not granted) from pg_locks where locktype = "
# A dbt that is slow, and says when it began and ended: how it is called is dbt's own matter.
SLOW = """#!/bin/sh
echo "$1 begins" >> "$RECORD"; while [ ! -e "$RECORD.go" ]; do sleep 0.05; done; echo "$1 ends" >> "$RECORD"
exit 3
"""


def environment(warehouse: Warehouse) -> dict[str, str]:
    """How dbt finds the warehouse."""
    info = warehouse.connection.info
    names = {"HOST": info.host, "PORT": str(info.port), "USER": info.user, "PASSWORD": info.password}
    return {f"INGOT_WAREHOUSE_{name}": value for name, value in {**names, "DBNAME": info.dbname}.items()}


@pytest.fixture
def second(warehouse: Warehouse, dbt_python: Path) -> Iterator[Dbt]:
    """Another dbt in the same warehouse."""
    with (
        tempfile.TemporaryDirectory(prefix="ingot-dbt-") as state,
        dbt_process(dbt_python, "postgres", Path(state), environment(warehouse)) as dbt,
    ):
        yield dbt


def locks(warehouse: Warehouse) -> tuple[int, int]:
    """Advisory locks that are held, and those that are waited for."""
    ((held, waited),) = warehouse.rows(f"{ADVISORY}'advisory' and database = (select oid from pg_database "
                                       "where datname = current_database())")  # fmt: skip
    return held, waited


def test_two_dbts_at_once_leave_what_one_would(
    warehouse: Warehouse, bronze: Bronze, second: Dbt, recordings: dict[str, list[Record]]
) -> None:
    orders = ["run", "--select", "+orders"]
    bronze.deliver("carts", recordings["carts"], batch="carts.1", at="2026-01-01T00:00:00Z")
    assert warehouse.dbt(*orders) == []
    news = [{**cart, "id": 100 + cart["id"]} for cart in recordings["carts"]]
    bronze.deliver("carts", news, batch="carts.2", at="2026-02-01T00:00:00Z")
    info = warehouse.connection.info
    with ThreadPoolExecutor(2) as pool, psycopg.connect(info.dsn, password=info.password, autocommit=True) as other:
        # Both have decided what is news, and wait for their turn at the orders.
        name = f'"{info.dbname}"."silver"."orders"'
        other.execute("select pg_advisory_lock(hashtextextended(%s, 0))", [name])
        running = [pool.submit(dbt, *orders) for dbt in (warehouse.dbt, second)]
        deadline = time.monotonic() + 60
        while locks(warehouse)[1] < 2:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        other.execute("select pg_advisory_unlock_all()")
        assert [each.result() for each in running] == [[], []]

    both = warehouse.contents()
    assert len(both["silver.orders"]) == 2 * len(recordings["carts"])
    assert locks(warehouse) == (0, 0), "a turn ends with its model"
    assert warehouse.dbt(*orders, "--full-refresh") == []
    assert both == warehouse.contents()


def test_the_container_and_ingot_transform_wait_for_each_other(
    warehouse: Warehouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    slow, record = tmp_path / "dbt", tmp_path / "record"
    slow.write_text(SLOW)
    slow.chmod(0o755)
    monkeypatch.setenv("RECORD", str(record))
    info = warehouse.connection.info
    endpoint = Endpoint("postgres", info.host, info.port, info.user, info.password, info.dbname)
    container = {**os.environ, **environment(warehouse), "TMPDIR": str(tmp_path)}
    with ThreadPoolExecutor(3) as pool:
        running = [
            pool.submit(lambda: subprocess.run([IMAGE, slow, "build"], env=container, check=False).returncode),
            pool.submit(build, str(slow), PROJECT, endpoint, []),
            pool.submit(build, str(slow), PROJECT, endpoint, []),
        ]
        deadline = time.monotonic() + 60
        while locks(warehouse) != (1, 2) and time.monotonic() < deadline:
            time.sleep(0.02)
        Path(f"{record}.go").touch()
        codes = [each.result() for each in running]

    assert codes == [3, 3, 3], "dbt's own exit code"
    assert record.read_text().splitlines() == ["build begins", "build ends"] * 3
    assert capfd.readouterr().err.count("Another dbt builds in this warehouse") == 2
    while locks(warehouse) != (0, 0):  # the server sees a moment later that a session is gone
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_run_that_is_killed_gives_its_turn_back(warehouse: Warehouse, tmp_path: Path) -> None:
    sleeper = tmp_path / "dbt"
    sleeper.write_text("#!/bin/sh\nexec sleep 60\n")
    sleeper.chmod(0o755)
    container = {**os.environ, **environment(warehouse), "TMPDIR": str(tmp_path)}
    with subprocess.Popen([IMAGE, sleeper, "build"], env=container) as running:
        deadline = time.monotonic() + 60
        while locks(warehouse) != (1, 0):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        running.kill()
    while locks(warehouse) != (0, 0):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_warehouse_that_does_not_answer_is_worth_another_try(tmp_path: Path, warehouse: Warehouse) -> None:
    container = {**os.environ, **environment(warehouse), "INGOT_WAREHOUSE_PORT": "1", "TMPDIR": str(tmp_path)}

    done = subprocess.run([IMAGE, "/bin/true", "build"], env=container, capture_output=True, text=True, check=False)

    assert done.returncode == 2, "what dbt itself says then"
    assert "whose turn" in done.stderr
