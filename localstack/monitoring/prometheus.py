"""Prometheus' own configuration: what it asks, what it evaluates, whom it tells.

Whom it asks and tells is in files of their own, which it reads again when they change: where ports are free ones, only
these differ.
"""

from __future__ import annotations

from typing import Any

METRICS, ALERTMANAGERS = "statsd-exporter:9102", "alertmanager:9093"
"""What the services are called in compose."""
JOB = "ingot"


def prometheus(*, seconds: int = 15) -> dict[str, Any]:
    """The configuration, of where people start runs: ``rules/scheduled.yml`` is for where schedules are followed.

    Args:
        seconds: between two looks, at the metrics and at the rules.
    """
    return {
        "global": {"scrape_interval": f"{seconds}s", "scrape_timeout": f"{min(10, seconds)}s",
                   "evaluation_interval": f"{seconds}s"},
        "rule_files": ["rules/alerts.yml"],
        "alerting": {"alertmanagers": [{"file_sd_configs": [{"files": ["targets/alertmanagers.yml"]}]}]},
        "scrape_configs": [
            {"job_name": JOB, "file_sd_configs": [{"files": ["targets/metrics.yml"]}]},
        ],
    }  # fmt: skip


def targets(*addresses: str) -> list[dict[str, Any]]:
    """A file of addresses (https://prometheus.io/docs/guides/file-sd/)."""
    return [{"targets": list(addresses)}]
