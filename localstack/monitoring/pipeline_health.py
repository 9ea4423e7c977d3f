"""Grafana's dashboard of the pipeline's health: a panel for each metric of the catalogue that Prometheus has."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from grafana_foundation_sdk.builders import common
from grafana_foundation_sdk.models import common as common_models
from grafana_foundation_sdk.models import dashboard as models

from ingot.metrics import Catalogue, Metric
from ingot.metrics.prometheus import Rule, current, in_prometheus, increase, prometheus_name, rules
from ingot.metrics.wording import runbook_section
from ingot.sources import Source
from monitoring.alerts import RUNBOOK
from monitoring.panels import (
    GREEN,
    HALF,
    HIGH,
    LOW,
    PROMETHEUS,
    SIXTH,
    THIRD,
    UNITS,
    WHOLE,
    column,
    limits,
    lines,
    number,
    page,
    promql,
    rows,
    said,
    variable,
)

AT_A_GLANCE = ("rows_accepted", "rows_rejected", "attempts_failed", "failed_dag_run_seconds", "dbt_tests_failed")
"""What is counted on top, over the whole time that is looked at."""
EACH_STREAM = ("freshness_seconds", "rows_accepted", "rows_rejected", "reject_rate", "drift_fields")
"""The columns of the table of streams."""
CHOICES = ("source", "stream")
"""Labels to choose by."""


def pipeline_health(catalogue: Catalogue, sources: Mapping[str, Source]) -> dict[str, Any]:
    """The dashboard, as JSON has it."""
    known = {name: metric for name, metric in catalogue.metrics.items() if in_prometheus(metric)}
    ringing: dict[str, list[Rule]] = {}
    for rule in rules(catalogue, sources):
        ringing.setdefault(rule.metric, []).append(rule)
    sections: dict[str, list[Any]] = {
        "At a glance": [*_glance(catalogue), _alerts(), _streams(catalogue)],
        "Streams": [],
        "Steps": [],
        "Runs in Airflow": [],
        "dbt": [],
        "Cost": [],
    }
    for name, metric in known.items():
        sections[_section(metric)].append(_panel(name, metric, ringing.get(name, [])))
    any_stream = next(name for name, metric in known.items() if set(metric.labels) == set(CHOICES))
    by_stream = prometheus_name(any_stream, known[any_stream])
    return page(
        "ingot-pipeline-health",
        "Pipeline health",
        "Whether data comes, how much of it is refused, how long steps take, and what rings. Times are UTC.",
        sections,
        [
            variable("source", "Source", f"label_values({by_stream}, source)", PROMETHEUS, several=True),
            variable(
                "stream", "Stream", f'label_values({by_stream}{{source=~"$source"}}, stream)', PROMETHEUS, several=True
            ),
        ],
        time=("now-24h", "now"),
        refresh="1m",
    )


def _section(metric: Metric) -> str:
    if metric.airflow is not None:
        return "Runs in Airflow"
    if "dbt" in metric.emitted_by:
        return "dbt"
    if "step" in metric.labels:
        return "Steps"
    return "Streams" if "stream" in metric.labels else "Cost"


def _glance(catalogue: Catalogue) -> Iterator[Any]:
    yield (
        said(number(), "Alerts that ring", "Alerts that ring now; the table below says which.", unit="short",
             width=SIXTH, height=LOW)
        .with_target(promql('count(ALERTS{alertstate="firing"}) or vector(0)'))
        .thresholds(limits(0, calm=GREEN))
        .datasource(PROMETHEUS)
    )  # fmt: skip
    for name in AT_A_GLANCE:
        metric = catalogue[name]
        part = "_count" if metric.type == "distribution" else ""
        grown = increase(name, metric, "$__range", per=(), series=_chosen(metric), part=part)
        title = _title(name) if not part else _title(name).removesuffix("s") + "s"
        bad = metric.alarm is not None or name == "rows_rejected"
        yield (
            said(number(), title, f"Over the time that is looked at. {metric.meaning}", unit="short", width=SIXTH,
                 height=LOW)
            .with_target(promql(f"{_matched(grown)} or vector(0)", at_the_end=True))
            .thresholds(limits(0 if bad else None, calm=GREEN if bad else "blue"))
            .datasource(PROMETHEUS)
        )  # fmt: skip


def _alerts() -> Any:
    panel = said(
        rows(),
        "Alerts",
        f"What rings (firing), and what will if it stays so (pending). What to do is in {RUNBOOK}, in the section that"
        " has the alert's name.",
        unit="short",
        width=THIRD,
        height=HIGH,
    )
    shown = "max by (alertname, alertstate, source, stream, step, dag, layer) (ALERTS)"
    hidden = {
        "excludeByName": {"Time": True, "Value": True},
        "renameByName": {"alertname": "Alert", "alertstate": "State"},
    }
    return (
        panel.with_target(promql(shown, at_the_end=True))
        .datasource(PROMETHEUS)
        .with_transformation(models.DataTransformerConfig(id_val="organize", options=hidden))
        .no_value("nothing rings")
    )


def _streams(catalogue: Catalogue) -> Any:
    panel = said(
        rows(),
        "Streams",
        "Each stream as it is now; rows are those of the time that is looked at.",
        unit="short",
        width=WHOLE - THIRD,
        height=HIGH,
    ).datasource(PROMETHEUS)
    names = {}
    for place, name in enumerate(EACH_STREAM):
        metric, ref = catalogue[name], chr(ord("A") + place)
        value = (
            increase(name, metric, "$__range", series=_chosen(metric))
            if metric.type == "counter"
            else current(name, metric, _chosen(metric))
        )
        names[f"Value #{ref}"] = _title(name)
        panel.with_target(promql(_matched(value), ref=ref, at_the_end=True))
        panel.override_by_name(*column(_title(name), UNITS[metric.unit]))
    tidy = {"excludeByName": {"Time": True}, "renameByName": {"source": "Source", "stream": "Stream", **names}}
    return panel.with_transformation(models.DataTransformerConfig(id_val="merge", options={})).with_transformation(
        models.DataTransformerConfig(id_val="organize", options=tidy)
    )


def _panel(name: str, metric: Metric, ringing: list[Rule]) -> Any:
    shared = {rule.threshold for rule in ringing}
    limit = next(iter(shared)) if len(shared) == 1 else None
    title, by = _title(name), tuple(label for label in metric.labels if label != "task" or metric.type != "counter")
    legend = " ".join(f"{{{{{label}}}}}" for label in by)
    if metric.type == "counter":
        panel = lines(stacked_bars=True).interval("1m")
        expression = increase(name, metric, "$__interval", per=by, series=_chosen(metric))
    elif metric.type == "gauge":
        panel, expression = lines(), current(name, metric, _chosen(metric))
    else:
        panel, title = lines(points=True).interval("1m"), f"{title}, mean"
        total, count = (
            increase(name, metric, "$__interval", per=by, series=_chosen(metric), part=part)
            for part in ("_sum", "_count")
        )
        expression = f"{total} / ({count} > 0)"
    panel = said(panel, title, _words(metric, ringing), unit=UNITS[metric.unit], width=HALF, height=HIGH)
    if limit is not None and metric.type == "gauge" and limit:
        line = common.GraphThresholdsStyleConfig().mode(common_models.GraphTresholdsStyleMode.DASHED)
        panel.thresholds_style(line)
    return (
        panel.with_target(promql(_matched(expression), legend))
        .thresholds(limits(limit))
        .datasource(PROMETHEUS)
        .axis_label(metric.unit)
    )


def _words(metric: Metric, ringing: list[Rule]) -> str:
    """What a metric means, what is good, and when it rings."""
    words = [metric.meaning, f"**Good:** {metric.good}"]
    if ringing:
        alarm = ringing[0].alarm
        above = {f"{' '.join(rule.series.values()) or 'all'}: {rule.threshold:g}" for rule in ringing}
        words.append(
            f"**Rings** as `{alarm.name}`: {alarm.happened} Above (in {metric.unit}), {'; '.join(sorted(above))}."
            f" Runbook: {runbook_section(alarm, runbook=RUNBOOK)}"
        )
    return "\n\n".join(words)


def _title(name: str) -> str:
    words = (
        name.removesuffix("_seconds").removesuffix("_usd").replace("_percent", ", percent of usual").replace("_", " ")
    )
    return (words[0].upper() + words[1:]).replace("Dbt", "dbt").replace("Dag", "DAG").replace(" dag", " DAG")


def _chosen(metric: Metric) -> dict[str, str]:
    return {label: f"${label}" for label in CHOICES if label in metric.labels}


def _matched(expression: str) -> str:
    """What is chosen may be several: a pattern."""
    return expression.replace('="$', '=~"$')
