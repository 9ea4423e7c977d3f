"""What the demo takes is seen from the sources: a new one takes part by its files alone."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from laptop.recordings import in_batches, landing_files, source_urls

ROOT = Path(__file__).resolve().parents[3]
FILES = """
name: {name}
title: Files of a test
schedule: "@daily"
start_date: 2020-01-01
streams:
  orders: {{mode: landed{delivery}}}
"""


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    """Fakestore, and sources of files: recorded ones, one that events are sent to, and one without any."""
    shutil.copytree(ROOT / "sources" / "fakestore", tmp_path / "fakestore")
    contract = (ROOT / "tests" / "sources" / "simple_orders" / "orders.odcs.yaml").read_text()
    for name, delivery in (("files", ""), ("events", ", delivery: {partition_by: placed_at}"), ("nothing", "")):
        landing = tmp_path / name / "recorded" / "landing" / "orders"
        landing.mkdir(parents=True)
        (tmp_path / name / "source.yaml").write_text(FILES.format(name=name, delivery=delivery))
        (tmp_path / name / "orders.odcs.yaml").write_text(contract)
        if name != "nothing":
            (landing / "january.ndjson").touch()
    (tmp_path / "files" / "recorded" / "api.yaml").touch()
    return tmp_path


def test_an_api_that_is_declared_is_served_below_its_sources_name(sources: Path) -> None:
    urls = source_urls(sources, "http://localhost:1")
    assert urls == {"fakestore": "http://localhost:1", "files": "http://localhost:1/files"}


def test_files_know_the_stream_that_they_are_for(sources: Path) -> None:
    found = [(source, stream, file.name) for source, stream, file in landing_files(sources)]
    assert found == [("events", "orders", "january.ndjson"), ("files", "orders", "january.ndjson")]


def test_the_demo_asks_what_was_recorded_and_waits_for_no_events(sources: Path) -> None:
    assert in_batches(sources) == ["fakestore", "files"]


def test_the_projects_own_sources_take_part() -> None:
    assert {"fakestore", "fx", "suppliers"} <= set(in_batches(ROOT / "sources"))
    assert "orders_stream" not in in_batches(ROOT / "sources")
