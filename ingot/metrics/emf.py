"""CloudWatch's embedded metric format: values that travel in a line of a log.

CloudWatch Logs makes metrics of such a line by itself, in every log group; no right is needed but that to log
(https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec

from ingot.metrics.catalogue import Catalogue

_UNITS = {"count": "Count", "bytes": "Bytes", "seconds": "Seconds", "percent": "Percent", "usd": "None"}


def emf_line(
    catalogue: Catalogue,
    values: Mapping[str, float],
    labels: Mapping[str, str],
    *,
    namespace: str,
    at: datetime,
    step: str,
    **about: Any,
) -> str:
    """One line of JSON that holds some metrics of one step.

    Args:
        values: metric → value; each by those of the labels that the catalogue gives it.
        labels: label → value.
        namespace: in CloudWatch.
        at: when they were measured.
        step: who emits them.
        about: what else the line says, to those who read or search logs; it is no metric.

    Raises:
        ConfigurationError: the catalogue has no such metric.
        ValueError: the step does not emit it, or a label of it is not given.
    """
    directives: dict[tuple[tuple[str, ...], ...], list[dict[str, str]]] = {}
    for name in values:
        metric = catalogue[name]
        if step not in metric.emitted_by:
            raise ValueError(f"the catalogue does not say that {step} emits {name}")
        if missing := set(metric.labels) - labels.keys():
            raise ValueError(f"{name} lacks {', '.join(sorted(missing))}")
        directives.setdefault(metric.series, []).append({"Name": name, "Unit": _UNITS[metric.unit]})
    document = {
        "_aws": {
            "Timestamp": int(at.timestamp() * 1000),
            "CloudWatchMetrics": [
                {"Namespace": namespace, "Dimensions": series, "Metrics": metrics}
                for series, metrics in directives.items()
            ],
        },
        **about,
        **labels,
        **values,
    }
    return msgspec.json.encode(document).decode()
