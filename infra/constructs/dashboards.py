"""The dashboard: every metric of the catalogue, by source."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cloudwatch
from constructs import Construct

from infra.constructs.metric_series import Place
from ingot.metrics import Metric

_STATISTICS = {"counter": "Sum", "gauge": "Maximum", "distribution": "Maximum"}
_WIDTH, _HEIGHT, _COLUMNS = 8, 6, 24
_PERIOD = 3600
_OPEN = {"task", "model"}
"""Labels whose values nobody lists: what there is, is shown."""


class HealthDashboard(Construct):
    """One dashboard: which alarms ring, then a row of panels a source, then jobs and what else runs.

    Args:
        scope, id: as for every construct.
        place: whose metrics it shows.
        alarms: ARNs of the alarms whose state stands on top.

    Example::

        HealthDashboard(self, "Dashboard", place=place, alarms=[alarm.attr_arn])
    """

    def __init__(self, scope: Construct, id: str, *, place: Place, alarms: Sequence[str]) -> None:
        super().__init__(scope, id)
        self._place = place
        environment = place.deployment.settings.environment
        cloudwatch.CfnDashboard(
            self,
            "Dashboard",
            dashboard_name=f"ingot-{environment}",
            dashboard_body=cdk.Stack.of(self).to_json_string({"widgets": list(self._widgets(environment, alarms))}),
        )

    def _widgets(self, environment: str, alarms: Sequence[str]) -> Iterator[dict[str, Any]]:
        # One that rings comes first (https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/CloudWatch-Dashboard-Body-Structure.html).
        states = {"title": "Alarms", "alarms": list(alarms)[:100], "sortBy": "stateUpdatedTimestamp"}
        yield _at(0, 0, _COLUMNS, _HEIGHT, "alarm", states)
        top = _HEIGHT
        for title, panels in self._sections(environment):
            if not panels:
                continue
            yield _at(0, top, _COLUMNS, 1, "text", {"markdown": f"## {title}"})
            top += 1
            for number, panel in enumerate(panels):
                x, y = number * _WIDTH % _COLUMNS, number * _WIDTH // _COLUMNS * _HEIGHT
                yield _at(x, top + y, _WIDTH, _HEIGHT, "metric", panel)
            top += -(-len(panels) * _WIDTH // _COLUMNS) * _HEIGHT

    def _sections(self, environment: str) -> Iterator[tuple[str, list[dict[str, Any]]]]:
        metrics = self._place.catalogue.metrics
        by_source = {name: metric for name, metric in metrics.items() if "source" in metric.labels}
        for source in self._place.sources:
            panels = [self._panel(name, metric, source) for name, metric in by_source.items()]
            yield f"Source {source}", [panel for panel in panels if panel["metrics"]]
        others = [self._panel(name, metric) for name, metric in metrics.items() if name not in by_source]
        yield (
            f"Runs, models, jobs and the warehouse of {environment}",
            [panel for panel in others if panel["metrics"]],
        )

    def _panel(self, name: str, metric: Metric, source: str | None = None) -> dict[str, Any]:
        unit = metric.aws.unit if metric.aws and metric.aws.unit else metric.unit
        return {
            "title": name.replace("_", " "),
            "view": "timeSeries",
            "region": self._place.deployment.names.region,
            "stat": _STATISTICS[metric.type],
            "period": _PERIOD,
            "metrics": self._lines(name, metric, source),
            "yAxis": {"left": {"label": unit, "showUnits": False, "min": 0}},
        }

    def _lines(self, name: str, metric: Metric, source: str | None) -> list[list[Any]]:
        place = self._place
        if _OPEN & set(metric.told_apart):
            search = place.search(name, _STATISTICS[metric.type], _PERIOD)
            return [[{"expression": search, "id": name}]] if place.emits(metric) else []
        lines: list[list[Any]] = []
        for labels in place.series(metric, metric.told_apart):
            if source is None or labels["source"] == source:
                named = " ".join(value for label, value in labels.items() if label != "source") or source
                path = [part for pair in place.dimensions(metric, labels).items() for part in pair]
                namespace, own = (metric.aws.namespace, metric.aws.metric) if metric.aws else (place.namespace, name)
                lines.append([namespace, own, *path, {"label": named}])
        return lines


def _at(x: int, y: int, width: int, height: int, kind: str, properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": kind, "x": x, "y": y, "width": width, "height": height, "properties": properties}
