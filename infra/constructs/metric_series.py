"""Which series the catalogue's metrics have in a deployment, and the limits that differ between them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice

import aws_cdk as cdk

from infra.constructs.redshift import redshift_name
from infra.constructs.step_job import REBUILD_TIMEOUT, TIMEOUT
from infra.deployment import Deployment
from infra.settings import Aurora, Redshift
from ingot.metrics import Catalogue, Limit, Metric, metrics_namespace
from ingot.naming import JOBS
from ingot.schedule import intervals
from ingot.sources import Source

_FROM = datetime(2024, 1, 1, tzinfo=UTC)  # a leap year: it has the longest month, quarter and year
_SEEN = 400
"""Intervals that are looked at: a year of days, and a week of hours or quarters of hours."""


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where metrics are emitted: one deployment.

    Attributes:
        deployment: its settings and names.
        sources: whose metrics they are.
        catalogue: all metrics.
        stack: for the ARNs that are dimensions.
    """

    deployment: Deployment
    sources: Mapping[str, Source]
    catalogue: Catalogue
    stack: cdk.Stack

    @property
    def namespace(self) -> str:
        """Of our own metrics in CloudWatch."""
        return metrics_namespace(self.deployment.settings.environment)

    def series(self, metric: Metric, labels: Sequence[str]) -> Iterator[dict[str, str]]:
        """Label → value, for each series of a metric by these labels; none of what this deployment does not have."""
        yield from self._grow(metric, tuple(labels), {})

    def _grow(self, metric: Metric, labels: tuple[str, ...], so_far: dict[str, str]) -> Iterator[dict[str, str]]:
        if not labels:
            yield so_far
            return
        for value in self._values(metric, labels[0], so_far):
            yield from self._grow(metric, labels[1:], {**so_far, labels[0]: value})

    def _values(self, metric: Metric, label: str, so_far: Mapping[str, str]) -> Iterator[str]:
        settings, names = self.deployment.settings, self.deployment.names
        match label:
            case "source":
                yield from self.sources
            case "stream":
                yield from self.sources[so_far["source"]].streams
            case "step":
                yield from metric.emitted_by
            case "job":
                yield from (names.job(source, step) for source in self.sources for step in JOBS)
            case "state_machine" if settings.step_functions:
                yield from (names.state_machine(source) for source in self.sources)
            case "cluster" if isinstance(settings.warehouse, Aurora):
                yield f"ingot-{names.environment}"
            case "workgroup" if isinstance(settings.warehouse, Redshift):
                yield redshift_name(self.deployment)
            case "state_machine" | "cluster" | "workgroup":
                return
            case _:
                raise ValueError(f"nothing says which values the label {label} has")

    def dimensions(self, metric: Metric, labels: Mapping[str, str]) -> dict[str, str]:
        """What CloudWatch calls a series: dimension → value."""
        if metric.aws is None:
            return dict(labels)
        return {metric.aws.dimensions[label]: self._dimension(label, value) for label, value in labels.items()}

    def _dimension(self, label: str, value: str) -> str:
        if label != "state_machine":
            return value
        return self.stack.format_arn(
            service="states", resource="stateMachine", resource_name=value, arn_format=cdk.ArnFormat.COLON_RESOURCE_NAME
        )

    def limit(self, limit: Limit, labels: Mapping[str, str]) -> float:
        """What a limit is for one series."""
        source = self.sources[labels["source"]]
        match limit.limit:
            case "max_reject_rate":
                whole = 100 * source.stream(labels["stream"]).contract.max_reject_rate
            case "interval":
                whole = longest_interval(source.schedule).total_seconds()
            case "timeout":
                whole = (REBUILD_TIMEOUT if labels.get("step") == "rebuild" else TIMEOUT).to_seconds()
        return round(whole * limit.times, 4)


def longest_interval(schedule: str) -> timedelta:
    """The longest time between two of a schedule's ticks.

    Raises:
        ConfigurationError: it is no schedule.
    """
    found = islice(intervals(schedule, _FROM, _FROM + timedelta(days=800)), _SEEN)
    return max((end - start for start, end in found), default=timedelta(days=366))
