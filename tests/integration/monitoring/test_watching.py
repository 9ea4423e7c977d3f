"""Metrics as jobs send them, through the laptop's bridge, to a real Prometheus, a real Alertmanager and who is told."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from laptop.memory import Memory
from laptop.paths import Home
from laptop.services import Laptop
from monitoring.queries import queries, variables

from ingot.job import emit
from ingot.metrics import alarm_text, load_catalogue
from ingot.metrics.prometheus import in_prometheus
from tests.watching import GENERATED, Watching, now, until, watching

CATALOGUE = load_catalogue()
HEALTH = json.loads((GENERATED / "grafana/dashboards/pipeline-health.json").read_text())


@dataclass
class Shop:
    """What sends metrics, and what watches it."""

    watching: Watching
    address: str
    began: datetime

    def airflow(self, name: str, **labels: str) -> None:
        """A line of Airflow's own."""
        metric = CATALOGUE[name]
        assert metric.airflow
        kind = "1|c" if metric.type == "counter" else "1500|ms"
        host, _, port = self.address.partition(":")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.sendto(f"airflow.{metric.airflow.statsd.format(**labels)}:{kind}".encode(), (host, int(port)))


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    home = Home(tmp_path_factory.mktemp("bridge"))
    for folder in (home.run, home.logs):
        folder.mkdir()
    laptop = Laptop(home=home)
    assert isinstance(laptop.memory, Memory)
    laptop.metrics.start()
    address = f"127.0.0.1:{laptop.metrics.port}"
    try:
        with watching(address, tmp_path_factory.mktemp("watching")) as found:
            yield Shop(found, address, now())
    finally:
        laptop.metrics.stop()


@pytest.fixture(autouse=True)
def heard(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INGOT_STATSD", shop.address)


def test_a_source_that_is_down_rings_in_the_words_that_sns_has(shop: Shop) -> None:
    assert shop.watching.alerts("failing") == []
    for _ in range(3):
        emit("extract", {"attempts_failed": 1, "step_seconds": 0.5}, source="fakestore", stream="carts")
        emit("extract", {"attempts_failed": 0, "step_seconds": 2}, source="fx", stream="rates")

    until(lambda: shop.watching.firing("failing") == [{"source": "fakestore"}], seconds=30)

    words = alarm_text(CATALOGUE.alarms["attempts_failed"], {"source": "fakestore"}, runbook="docs/runbook.md")
    until(lambda: f"RINGS failing\n{words}\n" in shop.watching.told.read_text(), seconds=30)
    assert "fx" not in shop.watching.told.read_text()


def test_drift_rings_and_is_over_when_it_is(shop: Shop) -> None:
    emit("extract", {"drift_fields": 2}, source="fakestore", stream="users")
    until(lambda: shop.watching.firing("drift") == [{"source": "fakestore", "stream": "users"}], seconds=30)
    emit("extract", {"drift_fields": 0}, source="fakestore", stream="users")
    until(lambda: shop.watching.alerts("drift") == [], seconds=30)


def test_every_panel_of_the_pipelines_health_gets_rows_when_every_metric_is_sent(shop: Shop) -> None:
    values = {"count": 3.0, "bytes": 2e5, "seconds": 4.0, "percent": 1.0, "usd": 0.25}
    for name, metric in CATALOGUE.metrics.items():
        if not in_prometheus(metric):
            continue
        if metric.airflow is not None:
            shop.airflow(name, dag="ingest_fakestore", task="carts__extract", state="success")
            continue
        labels = {"source": "fakestore", "stream": "carts", "layer": "gold", "model": "daily_sales"}
        given = {label: labels[label] for label in metric.labels if label in labels}
        _send(name, values[metric.unit], {**given, "step": metric.emitted_by[0]})
    until(lambda: len(shop.watching.values("ingot_rows_accepted_total")) == 1, seconds=30)
    end = now() + timedelta(seconds=2)
    chosen = variables(HEALTH, lambda _, query, so_far: shop.watching.choices(query, so_far))
    assert set(chosen["source"]) == {"fakestore"}
    assert "carts" in chosen["stream"]

    def empty() -> list[str]:
        asked = queries(HEALTH, chosen, shop.began - timedelta(minutes=5), max(end, now()), step=5)
        return [query.panel for query in asked if not shop.watching.rows(query, shop.began, max(end, now()))]

    until(lambda: not empty(), seconds=30, what=empty)


def _send(name: str, value: float, labels: dict[str, str]) -> None:
    from ingot.metrics.statsd import send, statsd_lines

    send(statsd_lines(CATALOGUE, {name: value}, labels, at=now()))


def test_the_targets_are_read_again_so_that_a_port_may_change(shop: Shop) -> None:
    """By what Prometheus itself says of its one target."""
    (target,) = shop.watching.ask("targets")["activeTargets"]
    assert target["health"] == "up"
    assert target["discoveredLabels"]["__meta_filepath"].endswith(str(Path("targets/metrics.yml")))
