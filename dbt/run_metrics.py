"""What a run of dbt came to, as metrics: `python run_metrics.py TARGET` reads what dbt left in its target folder.

Where INGOT_STATSD says host:port they are sent there as StatsD; where INGOT_METRICS_NAMESPACE names a namespace of
CloudWatch they are printed, a model a line, in the embedded metric format. What is not there is no error, and neither
is anything that goes wrong: a metric may never make a run fail. The names are those of ingot/metrics/catalogue.yaml, to
which a test holds them. Run by whoever ran dbt, with whatever Python that has: it imports the standard library only.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SECONDS = "dbt_model_seconds"
TESTS_FAILED = "dbt_tests_failed"
_BUILT = ("model", "seed", "snapshot")
_FAILED = ("fail", "error", "runtime error")


@dataclass
class Model:
    """What became of a model.

    Attributes:
        layer: the schema that it is in.
        name: its own.
        seconds: that it took to build; None: it was not built.
        tests_failed: of those that ran; None: none did.
    """

    layer: str
    name: str
    seconds: float | None = None
    tests_failed: int | None = None

    @property
    def values(self) -> dict[str, float]:
        """Metric → value."""
        both = {SECONDS: self.seconds, TESTS_FAILED: self.tests_failed}
        return {name: value for name, value in both.items() if value is not None}


def models(target: Path) -> list[Model]:
    """What dbt says of each model that it built or tested.

    Raises:
        OSError, ValueError, KeyError: there is no run to read.
    """
    results = json.loads((target / "run_results.json").read_text(encoding="utf-8"))["results"]
    nodes: dict[str, dict[str, Any]] = json.loads((target / "manifest.json").read_text(encoding="utf-8"))["nodes"]
    found: dict[str, Model] = {}
    for result in results:
        node = nodes.get(result["unique_id"])
        if node is None or result["status"] == "skipped":
            continue
        about = _tested(node) if node["resource_type"] == "test" else result["unique_id"]
        if about not in nodes or nodes[about]["resource_type"] not in _BUILT:
            continue
        model = found.setdefault(about, Model(nodes[about]["schema"], nodes[about]["name"]))
        if node["resource_type"] == "test":
            model.tests_failed = (model.tests_failed or 0) + (result["status"] in _FAILED)
        else:
            model.seconds = result["execution_time"]
    return list(found.values())


def _tested(node: dict[str, Any]) -> str:
    """The model that a test is of: the one that it is written at, else the last that it reads."""
    return str(node.get("attached_node") or next(reversed(node["depends_on"]["nodes"]), ""))


def statsd_lines(found: list[Model]) -> Iterator[str]:
    """As ingot/metrics/statsd.py has them."""
    for model in found:
        tags = f"|#layer:{model.layer},model:{model.name}"
        for name, value in model.values.items():
            yield f"ingot.{name}:" + (f"{1000 * value:.15g}|ms" if name == SECONDS else f"{value:.15g}|c") + tags


def emf_lines(found: list[Model], namespace: str, at: float) -> Iterator[str]:
    """As ingot/metrics/emf.py has them."""
    units = {SECONDS: "Seconds", TESTS_FAILED: "Count"}
    for model in found:
        metrics = [{"Name": name, "Unit": units[name]} for name in model.values]
        directive = {"Namespace": namespace, "Dimensions": [["layer", "model"], ["layer"]], "Metrics": metrics}
        about = {"Timestamp": int(1000 * at), "CloudWatchMetrics": [directive]}
        yield json.dumps({"_aws": about, "layer": model.layer, "model": model.name, **model.values})


def main(target: str) -> None:
    """Send and print."""
    try:
        found = models(Path(target))
        address = os.environ.get("INGOT_STATSD")
        if address:
            host, _, port = address.rpartition(":")
            ((family, kind, protocol, _, place), *_) = socket.getaddrinfo(host, int(port), type=socket.SOCK_DGRAM)
            with socket.socket(family, kind, protocol) as sender:
                for line in statsd_lines(found):
                    sender.sendto(line.encode(), place)
        namespace = os.environ.get("INGOT_METRICS_NAMESPACE")
        if namespace:
            for line in emf_lines(found, namespace, time.time()):
                print(line)
    except (OSError, ValueError, KeyError) as error:
        print(f"No metrics of dbt's run: {error!r}", file=sys.stderr)


if __name__ == "__main__":
    main(sys.argv[1])
