"""Prometheus, Alertmanager and who is told, as compose configures them, on free ports of this machine."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import yaml
from monitoring.alertmanager import alertmanager
from monitoring.prometheus import prometheus, targets
from monitoring.queries import Choices, Query

from tests.ports import free_ports

ROOT = Path(__file__).resolve().parents[1]
GENERATED = ROOT / "localstack" / "monitoring"
PROGRAMS = ROOT / ".venv-prometheus" / "usr" / "bin"
HOST = "127.0.0.1"


def program(name: str) -> str:
    """One of Debian's, unpacked."""
    path = PROGRAMS / name
    assert path.exists(), "run `make .venv-prometheus/.made`, as `make test` does"
    return str(path)


@dataclass(frozen=True, kw_only=True)
class Watching:
    """What runs.

    Attributes:
        prometheus, alertmanager: URLs.
        told: what was printed by who is told.
    """

    prometheus: str
    alertmanager: str
    told: Path

    def ask(self, path: str, **parameters: Any) -> Any:
        """An answer of Prometheus' API."""
        answer = httpx.get(f"{self.prometheus}/api/v1/{path}", params=parameters)
        assert answer.status_code == 200, f"{parameters}: {answer.text}"
        return answer.json()["data"]

    def values(self, expression: str) -> dict[tuple[str, ...], float]:
        """Values of labels, in the order of the labels' names → value, now."""
        added = ("__name__", "instance", "job")
        found = self.ask("query", query=expression)["result"]
        labels = (
            sorted((label, value) for label, value in each["metric"].items() if label not in added) for each in found
        )
        return {
            tuple(value for _, value in own): float(each["value"][1]) for own, each in zip(labels, found, strict=True)
        }

    def rows(self, query: Query, start: datetime, end: datetime) -> list[Any]:
        """What a panel's query gets."""
        if query.at_the_end:
            return self.ask("query", query=query.text, time=end.timestamp())["result"]
        times = {"start": start.timestamp(), "end": end.timestamp(), "step": query.step}
        return self.ask("query_range", query=query.text, **times)["result"]

    def choices(self, query: str, chosen: Choices) -> Sequence[str]:
        """What there is to choose: ``label_values(series, label)``."""
        inner = query.removeprefix("label_values(").removesuffix(")")
        series, _, label = inner.rpartition(",")
        for name, values in chosen.items():
            series = series.replace(f"${name}", "|".join(values))
        return self.ask(f"label/{label.strip()}/values", **{"match[]": series})

    def alerts(self, name: str) -> list[dict[str, Any]]:
        """Those of Prometheus, pending ones too."""
        return [each for each in self.ask("alerts")["alerts"] if each["labels"]["alertname"] == name]

    def firing(self, name: str) -> list[dict[str, str]]:
        """Labels of those that ring."""
        return [
            {label: value for label, value in each["labels"].items() if label != "alertname"}
            for each in self.alerts(name)
            if each["state"] == "firing"
        ]


@contextmanager
def watching(metrics: str, folder: Path) -> Iterator[Watching]:
    """Start them.

    Args:
        metrics: ``host:port`` that Prometheus asks.
        folder: for what they keep.
    """
    ports = free_ports(3)
    asked, managed, told = (f"{HOST}:{port}" for port in ports)
    shutil.copytree(GENERATED / "rules", folder / "rules")
    shutil.copy(GENERATED / "alertmanager.tmpl", folder)
    (folder / "targets").mkdir()
    for name, document in {
        # Its own files, but for how often it looks and whom it asks.
        "prometheus.yml": prometheus(seconds=1),
        "targets/metrics.yml": targets(metrics),
        "targets/alertmanagers.yml": targets(managed),
        "alertmanager.yml": alertmanager(receiver=f"http://{told}/", seconds=1),
    }.items():
        (folder / name).write_text(yaml.safe_dump(document))
    with ExitStack() as stack:
        receiver = [sys.executable, "-m", "monitoring.receiver", "--port", str(ports[2])]
        stack.enter_context(_running(receiver, folder / "told.txt", f"http://{told}/"))
        manager = [
            program("prometheus-alertmanager"), f"--config.file={folder / 'alertmanager.yml'}",
            f"--storage.path={folder / 'alertmanager'}", f"--web.listen-address={managed}", "--cluster.listen-address=",
        ]  # fmt: skip
        stack.enter_context(_running(manager, folder / "alertmanager.log", f"http://{managed}/-/ready"))
        server = [
            program("prometheus"), f"--config.file={folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={folder / 'prometheus'}", f"--web.listen-address={asked}",
        ]  # fmt: skip
        stack.enter_context(_running(server, folder / "prometheus.log", f"http://{asked}/-/ready"))
        found = Watching(prometheus=f"http://{asked}", alertmanager=f"http://{managed}", told=folder / "told.txt")
        until(lambda: found.values("up") == {(): 1.0}, seconds=30)
        yield found


def until(holds: Callable[[], bool], *, seconds: float, what: Callable[[], object] = lambda: "") -> None:
    """Wait until something holds; what there is instead is said when it does not."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, what()
        time.sleep(0.2)


def now() -> datetime:
    return datetime.now(UTC)


@contextmanager
def _running(command: list[str], log: Path, ready: str) -> Iterator[None]:
    variables = {**os.environ, "PYTHONPATH": f"{ROOT / 'localstack'}{os.pathsep}{ROOT}"}
    with log.open("wb") as out:
        # Debian's Alertmanager finds its own template from there: see localstack/laptop/get-prometheus.sh.
        process = subprocess.Popen(command, stdout=out, stderr=out, env=variables, cwd=ROOT / ".venv-prometheus")
    try:
        until(lambda: process.poll() is not None or _answers(ready), seconds=60, what=log.read_text)
        assert process.poll() is None, log.read_text()
        yield
    finally:
        process.terminate()
        process.wait(timeout=30)


def _answers(url: str) -> bool:
    try:
        return httpx.get(url).status_code == 200
    except httpx.TransportError:
        return False
