"""The alerts: the catalogue's alarms, in the words that SNS has too, and one that watches the watching.

Those that are held against a schedule have a file of their own: where only people start runs, as on a laptop and in
compose, all that there is would be late for ever.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ingot.metrics import Alarm, Catalogue, alarm_text
from ingot.metrics.prometheus import Rule, rules
from ingot.metrics.wording import runbook_section
from ingot.sources import Source
from monitoring.prometheus import JOB

RUNBOOK = "docs/runbook.md"
"""Where it is read, unless a deployment says otherwise."""

SILENCE = Alarm(
    name="metrics-missing",
    above=0,
    statistic="max",
    minutes=10,
    happened="Prometheus has had no metrics for ten minutes.",
    safe="Jobs send metrics without waiting for anybody; what they load is whole. Other alerts say nothing meanwhile.",
    do="See that the StatsD exporter (on a laptop, the bridge) runs and that Prometheus reaches it (its page Targets).",
)
"""No alarm of the catalogue, which are about metrics that there are: CloudWatch needs nobody in between."""


def alerts(catalogue: Catalogue, sources: Mapping[str, Source], *, runbook: str = RUNBOOK) -> dict[str, Any]:
    """The rules that hold wherever Ingot runs.

    Args:
        runbook: where docs/runbook.md is read.
    """
    found = [_of_rule(rule, runbook) for rule in rules(catalogue, sources, schedules=False)]
    missing = f'absent(up{{job="{JOB}"}} == 1)'
    watched = _alert(SILENCE, missing, SILENCE.minutes, (), "docs/how-to/monitoring.md")
    return {"groups": [{"name": "catalogue", "rules": found}, {"name": "watching", "rules": [watched]}]}


def scheduled_alerts(catalogue: Catalogue, sources: Mapping[str, Source], *, runbook: str = RUNBOOK) -> dict[str, Any]:
    """The rules that hold besides where the sources' schedules are followed.

    Args:
        runbook: where docs/runbook.md is read.
    """
    everywhere = {rule.alarm.name for rule in rules(catalogue, sources, schedules=False)}
    found = [_of_rule(rule, runbook) for rule in rules(catalogue, sources) if rule.alarm.name not in everywhere]
    return {"groups": [{"name": "schedules", "rules": found}]}


def annotations(alarm: Alarm, labels: Mapping[str, str], *, runbook: str = RUNBOOK) -> dict[str, str]:
    """What an alert carries: ``description`` is the whole text, as in CloudWatch and SNS, the rest its parts."""
    return {
        "summary": alarm.happened,
        "safe": alarm.safe,
        "do": alarm.do,
        "runbook_url": runbook_section(alarm, runbook=runbook),
        "description": alarm_text(alarm, labels, runbook=runbook),
    }


def _of_rule(rule: Rule, runbook: str) -> dict[str, Any]:
    return _alert(rule.alarm, rule.expression, rule.for_minutes, rule.labels, runbook, rule.series)


def _alert(
    alarm: Alarm,
    expression: str,
    minutes: int,
    labels: tuple[str, ...],
    runbook: str,
    series: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    known_then = {label: f"{{{{ $labels.{label} }}}}" for label in labels}
    return {
        "alert": alarm.name,
        "expr": expression,
        **({"for": f"{minutes}m"} if minutes else {}),
        # The result has them anyway; here they tell rules of one name apart.
        **({"labels": dict(series)} if series else {}),
        "annotations": annotations(alarm, known_then, runbook=runbook),
    }
