"""Which series the catalogue's metrics have in a deployment, and the limits that differ between them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import aws_cdk as cdk

from infra.constructs.redshift import redshift_name
from infra.deployment import Deployment
from infra.settings import Aurora, Redshift
from ingot.metrics import Catalogue, Limit, Metric, metrics_namespace
from ingot.metrics.limits import limit_value
from ingot.naming import JOBS
from ingot.sources import Source


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where metrics are emitted: one deployment.

    Attributes:
        deployment: its settings and names.
        sources: whose metrics they are.
        catalogue: all metrics.
        stack: for the ARNs that are dimensions.
        console: label → what AWS calls the console's load balancer and its targets, with a number that it draws.
    """

    deployment: Deployment
    sources: Mapping[str, Source]
    catalogue: Catalogue
    stack: cdk.Stack
    console: Mapping[str, str] = field(default_factory=dict)

    @property
    def namespace(self) -> str:
        """Of our own metrics in CloudWatch."""
        return metrics_namespace(self.deployment.settings.environment)

    def series(self, metric: Metric, labels: Sequence[str]) -> Iterator[dict[str, str]]:
        """Label → value, for each series of a metric by these labels; none of what this deployment does not have."""
        if self.emits(metric):
            yield from self._grow(metric, tuple(labels), {})

    def emits(self, metric: Metric) -> bool:
        """Whether there is somebody to emit it; what Airflow says reaches CloudWatch from MWAA."""
        return self.deployment.settings.mwaa is not None or not {"airflow", "dbt"} & set(metric.emitted_by)

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
                streams = self.sources[so_far["source"]].streams.values()
                yield from (stream.name for stream in streams if metric.mode in (None, stream.mode))
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
            case "delivery_stream" if settings.event_streams:
                streams = (each for source in self.sources.values() for each in source.streams.values())
                yield from (names.event_stream(each.source, each.name) for each in streams if each.delivery is not None)
            case "layer":
                yield from ("staging", "silver", "gold")
            case "dag":
                yield from (f"ingest_{source}" for source in self.sources)
                yield "transform"
            case "state":
                yield from ("success", "failed", "up_for_retry")
            case "load_balancer" | "target_group" if label in self.console:
                yield f"ingot-{names.environment}"
            case "state_machine" | "cluster" | "workgroup" | "delivery_stream" | "load_balancer" | "target_group":
                return
            case _:
                raise ValueError(f"nothing says which values the label {label} has")

    def dimensions(self, metric: Metric, labels: Mapping[str, str]) -> dict[str, str]:
        """What CloudWatch calls a series: dimension → value."""
        if metric.aws is None:
            return dict(labels)
        return {
            **{metric.aws.dimensions[label]: self._dimension(label, value) for label, value in labels.items()},
            **dict.fromkeys(metric.aws.all, "All"),
            **self._of_airflow(metric),
        }

    def search(self, metric: str, statistic: str, period: int) -> str:
        """An expression for a dashboard that finds all series of a metric: who has them is known only as they come.

        https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/search-expression-syntax.html
        """
        found = self.catalogue[metric]
        namespace, own = (found.aws.namespace, found.aws.metric) if found.aws else (self.namespace, metric)
        fixed = self._of_airflow(found)
        names = [*(found.aws.dimensions.values() if found.aws else found.labels), *fixed]
        terms = " ".join(f'{name}="{value}"' for name, value in {"MetricName": own, **fixed}.items())
        return f"SEARCH('{{{','.join((namespace, *names))}}} {terms}', '{statistic}', {period})"

    def _of_airflow(self, metric: Metric) -> dict[str, str]:
        return {"Environment": self.deployment.names.airflow} if metric.airflow else {}

    def _dimension(self, label: str, value: str) -> str:
        if label in self.console:
            return self.console[label]
        if label != "state_machine":
            return value
        return self.stack.format_arn(
            service="states", resource="stateMachine", resource_name=value, arn_format=cdk.ArnFormat.COLON_RESOURCE_NAME
        )

    def limit(self, limit: Limit, labels: Mapping[str, str]) -> float:
        """What a limit is for one series."""
        return limit_value(limit, labels, self.sources)
