"""What statsd-exporter makes of datagrams: its mapping file, from the catalogue.

The form is its own (https://github.com/prometheus/statsd_exporter#metric-mapping-and-configuration). What the catalogue
does not have is dropped: Airflow emits some hundred metrics.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import yaml

from ingot.metrics.catalogue import Catalogue, Metric
from ingot.metrics.prometheus import BUCKETS, in_prometheus, prometheus_name, statsd_name

_HEADER = "# Generated from ingot/metrics/catalogue.yaml by `make docs`; do not edit.\n"
_AIRFLOW = "airflow"
"""What Airflow's names begin with, unless its configuration says otherwise (``[metrics] statsd_prefix``)."""
_TYPES = {"counter": "counter", "gauge": "gauge", "distribution": "observer"}


def statsd_mapping(catalogue: Catalogue) -> str:
    """The file, in YAML."""
    return _HEADER + yaml.safe_dump({"mappings": list(_mappings(catalogue))}, sort_keys=False, width=120)


def _mappings(catalogue: Catalogue) -> Iterator[dict[str, Any]]:
    for name, metric in catalogue.metrics.items():
        if in_prometheus(metric):
            yield {
                **_matched(name, metric),
                "match_metric_type": _TYPES[metric.type],
                "name": prometheus_name(name, metric),
                "help": metric.meaning,
                **_histogram(metric),
            }
    yield {"match": ".", "match_type": "regex", "action": "drop", "name": "dropped"}


def _matched(name: str, metric: Metric) -> dict[str, Any]:
    """Ours have their labels as tags, Airflow's in their name."""
    if metric.airflow is None:
        return {"match": statsd_name(name, metric)}
    parts = ("*" if part.startswith("{") else part for part in metric.airflow.statsd.split("."))
    labels = {label: f"${place}" for place, label in enumerate(metric.airflow.labels, start=1)}
    return {"match": ".".join((_AIRFLOW, *parts)), "labels": labels}


def _histogram(metric: Metric) -> dict[str, Any]:
    if metric.type != "distribution":
        return {}
    return {"observer_type": "histogram", "histogram_options": {"buckets": list(BUCKETS[metric.unit])}}
