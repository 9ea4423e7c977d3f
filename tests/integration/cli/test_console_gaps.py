"""What the console says of several sources at once, and what it has read before anybody asks."""

from __future__ import annotations

import re
import shutil
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import msgspec
import pytest

from ingot.console import reading
from ingot.console.app import create_app
from ingot.console.context import Console
from ingot.console.queries import deployed as kept
from ingot.console.reading import Reading
from ingot.warehouse import load_warehouse
from ingot.warehouse.base import Table
from tests.ports import free_port
from tests.serving import served

if TYPE_CHECKING:
    from conftest import Deployed

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def two_sources(deployed: Deployed) -> Deployed:
    shutil.copytree(ROOT / "sources/fx", deployed.sources / "fx")
    deployed.deploy_sources()
    return deployed


class Counting(Reading):
    """That also says how often it was asked."""

    asked = 0

    def query(self, sql: str, parameters: Mapping[str, Any] | None = None, *, limit: int | None = None) -> Table:
        self.asked += 1
        return super().query(sql, parameters, limit=limit)


def test_what_several_sources_lack_is_told_though_the_warehouse_is_away_and_it_is_waited_for_once(
    two_sources: Deployed, monkeypatch: pytest.MonkeyPatch
) -> None:
    load_warehouse(two_sources.endpoint).known_attempts("fakestore")  # makes the audit tables
    pages = {}
    for where, port, patience in (("there", two_sources.endpoint.port, 60), ("away", free_port(), 0.5)):
        monkeypatch.setattr(reading, "_WAIT_SECONDS", patience)
        console = Console.connect()
        console.warehouse.close()
        console.warehouse = asked = Counting(msgspec.structs.replace(two_sources.endpoint, port=port))
        with served(create_app(console)) as url:
            answer = httpx.get(f"{url}/runs/gaps", timeout=60)
        assert answer.status_code == 200
        pages[where] = answer.text, asked.asked
    for text, _ in pages.values():
        rows = re.findall(r"<td[^>]*>(fakestore|fx)</td>\s*<td[^>]*>(\w+)</td>\s*<td[^>]*>MISSING</td>", text)
        assert {("fakestore", "carts"), ("fx", "rates")} <= set(rows), text
    assert [text.count("Whether batches are loaded is not known") for text, _ in pages.values()] == [0, 1]
    assert pages["away"][1] == 1


def test_what_is_deployed_is_read_before_the_first_visitor(deployed: Deployed, monkeypatch: pytest.MonkeyPatch) -> None:
    load_warehouse(deployed.endpoint).known_attempts("fakestore")
    with served(create_app()) as url:
        for thread in threading.enumerate():
            if thread.name == "deployed":
                thread.join(60)
        for name in ("read_graph", "read_walk", "read_endpoint"):
            monkeypatch.setattr(kept, name, None)  # it would be a fault to call it
        assert httpx.get(f"{url}/lineage?table=gold.daily_sales", timeout=60).status_code == 200
