"""source.yaml: what it declares, and what is refused."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ingot.errors import ConfigurationError
from ingot.sources import load_source, load_sources

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(ROOT / "sources" / "fakestore", tmp_path / "fakestore"))


def test_the_interval_becomes_the_query_with_an_exclusive_end() -> None:
    carts = load_source(ROOT / "sources" / "fakestore").stream("carts")
    query = carts.query(datetime(2020, 1, 1, tzinfo=UTC), datetime(2020, 4, 1, tzinfo=UTC))
    assert query == {"startdate": "2020-01-01", "enddate": "2020-04-01"}


@pytest.mark.parametrize("hours", [(0, 12), (12, 36), (1, 2)])
def test_an_interval_that_the_source_cannot_cut_is_refused(hours: tuple[int, int]) -> None:
    carts = load_source(ROOT / "sources" / "fakestore").stream("carts")
    start, end = (datetime(2020, 1, 1, tzinfo=UTC) + timedelta(hours=h) for h in hours)
    with pytest.raises(ConfigurationError, match="cannot say"):
        carts.query(start, end)


@pytest.mark.parametrize(
    ("old", "new"),
    [("mode: snapshot", "mode: sometimes"), ("path: /carts", "pfad: /carts"), ("attempts: 3", "attempts: many")],
)
def test_a_wrong_entry_is_refused_with_the_file(folder: Path, old: str, new: str) -> None:
    file = folder / "source.yaml"
    file.write_text(file.read_text().replace(old, new, 1))
    with pytest.raises(ConfigurationError, match=r"source\.yaml is no source"):
        load_source(folder)


def test_a_stream_without_a_contract_is_refused(folder: Path) -> None:
    (folder / "carts.odcs.yaml").unlink()
    with pytest.raises(ConfigurationError, match=r"carts\.odcs\.yaml does not exist"):
        load_source(folder)


def test_a_contract_of_another_stream_is_refused(folder: Path) -> None:
    shutil.copy(folder / "users.odcs.yaml", folder / "carts.odcs.yaml")
    with pytest.raises(ConfigurationError, match="describes 'users'"):
        load_source(folder)


def test_a_folder_is_called_as_its_source(folder: Path) -> None:
    folder.rename(folder.parent / "other")
    with pytest.raises(ConfigurationError, match="name it as its folder"):
        load_sources(folder.parent)


def test_an_unknown_stream_is_refused_with_those_there_are() -> None:
    with pytest.raises(ConfigurationError, match="products, users, carts"):
        load_source(ROOT / "sources" / "fakestore").stream("orders")


LANDED = ROOT / "tests" / "sources" / "simple_orders"


def test_a_source_whose_streams_land_has_no_address() -> None:
    source = load_source(LANDED)
    orders = source.stream("orders")
    assert (source.base_url, source.lands, orders.continues) == ("", True, True)
    assert orders.delivery is not None
    assert orders.delivery.partition_by == "placed_at"
    assert (orders.files.format, orders.files.once) == ("ndjson", "name")
    assert not load_source(ROOT / "sources" / "fakestore").lands


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("mode: landed", "mode: landed\n    path: /orders", "takes what lands and has path"),
        ("mode: landed", "mode: landed\n    headers: {X-A: b}", "takes what lands and has headers"),
        ("mode: landed", "mode: snapshot\n    path: /orders", "takes nothing that lands"),
        ("mode: landed", "mode: landed\n    files: {decimal: ','}", "has files and a delivery"),
        ("    delivery: {partition_by: placed_at}\n", "    files: {thousands: x}\n", "between thousands"),
        (
            "mode: landed\n    delivery: {partition_by: placed_at}",
            "mode: snapshot\n    path: /orders\n    files: {decimal: ','}",
            "says how files are read, and takes nothing that lands",
        ),
        ("    delivery: {partition_by: placed_at}\n", "  others:\n    mode: snapshot\n", "has no path"),
        ("placed_at", "order_id", "no required timestamp or date"),
        ("placed_at", "nothing", "no required timestamp or date"),
    ],
)
def test_what_lands_is_declared_as_such_or_refused(tmp_path: Path, old: str, new: str, reason: str) -> None:
    folder = Path(shutil.copytree(LANDED, tmp_path / "simple_orders"))
    contract = (folder / "orders.odcs.yaml").read_text()
    (folder / "others.odcs.yaml").write_text(contract.replace("name: orders\n", "name: others\n"))
    file = folder / "source.yaml"
    assert old in file.read_text()
    file.write_text(file.read_text().replace(old, new, 1))
    with pytest.raises(ConfigurationError, match=reason):
        load_source(folder)


def test_a_source_that_is_asked_needs_an_address(folder: Path) -> None:
    file = folder / "source.yaml"
    file.write_text(file.read_text().replace("base_url:", "#"))
    with pytest.raises(ConfigurationError, match="has no base_url"):
        load_source(folder)
