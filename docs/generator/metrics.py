"""The reference of the metrics, from their catalogue."""

from __future__ import annotations

from ingot.markdown import blocks, table
from ingot.metrics import Alarm, Limit, Metric, load_catalogue
from ingot.metrics.prometheus import in_prometheus, prometheus_name

_LIMITS = {
    "max_reject_rate": "the contract's `maxRejectRate`",
    "interval": "an interval of the source's schedule",
    "timeout": "the job's time-out",
}


def metrics_page() -> str:
    """The page, in Markdown."""
    catalogue = load_catalogue()
    metrics = (
        (
            f"`{name}`",
            f"`{prometheus_name(name, metric)}`" if in_prometheus(metric) else "",
            metric.type,
            metric.unit,
            ", ".join(metric.labels),
            _emitter(metric),
            metric.meaning,
            metric.good,
        )
        for name, metric in catalogue.metrics.items()
    )
    alarms = (
        (f"[`{alarm.name}`](../runbook.md#{alarm.name})", _when(name, alarm, catalogue[name]), alarm.happened)
        for name, alarm in catalogue.alarms.items()
    )
    return blocks(
        [
            "# Metrics",
            '<!-- Generated from ingot/metrics/catalogue.yaml by "make docs"; do not edit. -->',
            f"In CloudWatch they are in the namespace `{catalogue.namespace}/{{environment}}`, with the labels as"
            " dimensions, where `infra/settings.yaml` has `observability`. Those of AWS's own services are where these"
            " put them. Why it is done so: [ADR 12](../adr/0012-metrics.md).",
            "Where a job, Airflow or `ingot transform` finds `INGOT_STATSD`, they go to Prometheus too, as the second"
            " column names them (a distribution is a histogram: `_bucket`, `_sum`, `_count`), through statsd-exporter"
            " and `localstack/monitoring/statsd-mapping.yml`. An age is there as the time at which it was nothing.",
            table(("metric", "in Prometheus", "type", "unit", "labels", "emitted by", "meaning", "good"), metrics),
            "## Alarms",
            "What to do when one rings is in the [runbook](../runbook.md).",
            table(("alarm", "rings when", "that is"), alarms),
        ]
    )


def _emitter(metric: Metric) -> str:
    if metric.airflow is not None and metric.aws is not None:
        return f"Airflow: `{metric.airflow.statsd}`; {metric.aws.namespace}: `{metric.aws.metric}`"
    if metric.aws is not None:
        return f"{metric.aws.namespace}: `{metric.aws.metric}`"
    if metric.emitted_by == ("glue",):
        return "Glue's events"
    return ", ".join(metric.emitted_by)


def _when(name: str, alarm: Alarm, metric: Metric) -> str:
    above = _limit(alarm.above) if isinstance(alarm.above, Limit) else f"{alarm.above:g}"
    per = ", ".join(alarm.per or metric.labels)
    silence = ", or it is not emitted for longer than that" if alarm.missing == "breaching" else ""
    return f"{alarm.statistic} of `{name}` in {alarm.minutes} minutes is above {above}{silence}; one a {per}"


def _limit(limit: Limit) -> str:
    return _LIMITS[limit.limit] if limit.times == 1 else f"{limit.times:g} of {_LIMITS[limit.limit]}"
