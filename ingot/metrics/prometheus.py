"""What Prometheus calls the catalogue's metrics, and when the catalogue's alarms ring there.

A counter of the catalogue is one of Prometheus, a gauge a gauge, a distribution a histogram. An age is the time at
which it was nothing, so that it grows though nobody emits it; see ``Metric.age``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ingot.metrics.catalogue import Alarm, Catalogue, Limit, Metric

if TYPE_CHECKING:
    from ingot.sources import Source

BUCKETS: Mapping[str, tuple[float, ...]] = {
    "seconds": (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 7200, 21600),
}
"""Unit → the upper bounds of a histogram's buckets. What an alarm is held against is one of them."""

GRACE_MINUTES = 120
"""How long after its time a value may still come: runs take a while, and start late."""

_REMEMBERED = "15d"
"""How long Prometheus keeps values unless it is told otherwise: an age goes on though its exporter began anew."""


@dataclass(frozen=True, kw_only=True)
class Rule:
    """An alert of Prometheus: an alarm of the catalogue, for all its series or for one.

    Attributes:
        alarm: what rings, and what it says.
        metric: the metric's name in the catalogue.
        labels: the labels that the expression's result has.
        series: label → value, of the one series that it is about; empty: all of them.
        expression: PromQL; it rings for each result.
        for_minutes: how long there has to be one before it rings.
        threshold: what the value is held against.
    """

    alarm: Alarm
    metric: str
    labels: tuple[str, ...]
    series: Mapping[str, str]
    expression: str
    for_minutes: int
    threshold: float


def in_prometheus(metric: Metric) -> bool:
    """Whether a metric travels by StatsD; what AWS's services say of themselves is in CloudWatch alone."""
    return metric.emitted_by not in (("aws",), ("glue",))


def statsd_name(name: str, metric: Metric) -> str:
    """What a metric of ours is called in StatsD."""
    return f"ingot.{_age_name(name) if metric.age else name}"


def prometheus_name(name: str, metric: Metric) -> str:
    """What Prometheus calls a metric; a histogram's series are this and ``_bucket``, ``_sum`` or ``_count``."""
    own = f"ingot_{_age_name(name) if metric.age else name}"
    return f"{own}_total" if metric.type == "counter" else own


def _age_name(name: str) -> str:
    return f"{name.removesuffix('_seconds')}_timestamp_seconds"


def selector(series: Mapping[str, str]) -> str:
    """``{source="fakestore"}``; nothing for no labels."""
    inner = ",".join(f'{label}="{value}"' for label, value in series.items() if label != "le")
    if bound := series.get("le"):
        inner += f'{"," if inner else ""}le=~"{bound}([.]0)?"'  # Prometheus 3 writes bounds as floats, 2 as they came
    return f"{{{inner}}}" if inner else ""


def current(name: str, metric: Metric, series: Mapping[str, str] | None = None) -> str:
    """PromQL of a gauge's value now, by its labels; an age is what it has grown to."""
    value = f"max by ({', '.join(metric.labels)}) ({prometheus_name(name, metric)}{selector(series or {})})"
    return f"time() - {value}" if metric.age else value


def increase(
    name: str,
    metric: Metric,
    within: int | str,
    per: Sequence[str] | None = None,
    series: Mapping[str, str] | None = None,
    *,
    part: str = "",
    gaps: bool = False,
) -> str:
    """PromQL of how much a counter, or a part of a histogram, grew within the last minutes.

    It is the difference between two values, and not ``increase``: that leaves out the first value of a series, and most
    of a pipeline begin with the event that somebody waits for; and it reckons what it did not see, so that two failures
    become 2.008. Where the value fell, it began anew.

    Args:
        within: minutes, or PromQL's (or Grafana's) word for a duration.
        per: by these labels; all of the metric's unless given.
        part: of a histogram: ``_count``, ``_sum`` or ``_bucket``.
        gaps: whether a series that was there whenever Prometheus looked is not taken for a new one, where Prometheus
            itself did not look for a while (a laptop sleeps at night): it grew since the first look. Dashboards rather
            show what there is.
    """
    one = f"{prometheus_name(name, metric)}{part}{selector(series or {})}"
    labels = ", ".join(metric.labels if per is None else per)
    time = f"{within}m" if isinstance(within, int) else within
    grew = f"({one} - {one} offset {time} >= 0) or {one}"
    if gaps:
        always = f"count_over_time({one}[{time}]) >= on (job, instance) group_left () sum_over_time(up[{time}])"
        grew = f"({one} - {one} offset {time} >= 0) or ({one} - min_over_time({one}[{time}]) and {always}) or {one}"
    return f"sum by ({labels}) ({grew})" if labels else f"sum({grew})"


def rules(catalogue: Catalogue, sources: Mapping[str, Source], *, schedules: bool = True) -> Iterator[Rule]:
    """The alerts: one an alarm, or one a series where their limits differ.

    Args:
        sources: whose limits they are.
        schedules: whether the sources' schedules are followed; where they are not, nothing is ever late.
    """
    for name, alarm in catalogue.alarms.items():
        metric = catalogue[name]
        scheduled = isinstance(alarm.above, Limit) and alarm.above.limit == "interval"
        if not in_prometheus(metric) or (scheduled and not schedules):
            continue
        labels = alarm.per or metric.labels
        for series, above in _thresholds(metric, alarm, labels, sources):
            yield Rule(
                alarm=alarm,
                metric=name,
                labels=labels,
                series=series,
                expression=_expression(name, metric, alarm, labels, series, above),
                for_minutes=GRACE_MINUTES if alarm.missing == "breaching" else 0,
                threshold=above,
            )


def _thresholds(
    metric: Metric, alarm: Alarm, labels: Sequence[str], sources: Mapping[str, Source]
) -> list[tuple[dict[str, str], float]]:
    """What values are held against: a series and its own, or all series and what they share."""
    # It reads schedules, and jobs, which need the names only, have no croniter.
    from ingot.metrics.limits import limit_value

    if not isinstance(alarm.above, Limit):
        return [({}, alarm.above)]
    each = [(series, limit_value(alarm.above, series, sources)) for series in _series(metric, labels, sources)]
    shared = {above for _, above in each}
    return each if len(shared) > 1 else [({}, above) for above in shared]


def _series(metric: Metric, labels: Sequence[str], sources: Mapping[str, Source]) -> Iterator[dict[str, str]]:
    for source in sources.values():
        if "stream" in labels:
            streams = (stream for stream in source.streams.values() if metric.mode in (None, stream.mode))
            yield from ({"source": source.name, "stream": stream.name} for stream in streams)
        elif "step" in labels:
            yield from ({"source": source.name, "step": step} for step in metric.emitted_by)
        else:
            yield {"source": source.name}


def _expression(
    name: str, metric: Metric, alarm: Alarm, labels: Sequence[str], series: Mapping[str, str], above: float
) -> str:
    if metric.age:
        own = f"{prometheus_name(name, metric)}{selector(series)}[{_REMEMBERED}]"
        return f"time() - max by ({', '.join(metric.labels)}) (last_over_time({own})) > {above:g}"
    if metric.type == "gauge":
        return f"{current(name, metric, series)} > {above:g}"
    if metric.type == "counter":
        return f"{increase(name, metric, alarm.minutes, labels, series, gaps=True)} > {above:g}"
    if alarm.statistic == "count":
        return f"{increase(name, metric, alarm.minutes, labels, series, part='_count', gaps=True)} > {above:g}"
    # A histogram has no greatest value; how many were above one of its bounds it does have.
    bound = next(bound for bound in BUCKETS[metric.unit] if bound >= above)
    below = _selected_bucket(series, bound)
    return (
        f"{increase(name, metric, alarm.minutes, labels, series, part='_count', gaps=True)}"
        f" - {increase(name, metric, alarm.minutes, labels, below, part='_bucket', gaps=True)} > 0"
    )


def _selected_bucket(series: Mapping[str, str], bound: float) -> dict[str, str]:
    return {**series, "le": f"{bound:g}"}
