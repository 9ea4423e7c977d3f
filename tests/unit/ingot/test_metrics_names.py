"""A metric's name stands in the catalogue; everywhere else it follows from it, or somebody notices."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from docs.generator import metrics as reference
from ingot.metrics import Catalogue, Limit, load_catalogue
from ingot.metrics.catalogue import CATALOGUE_FILE, read_catalogue
from ingot.metrics.limits import STEP_TIMEOUT
from ingot.metrics.mapping import statsd_mapping
from ingot.metrics.prometheus import BUCKETS, in_prometheus, prometheus_name, rules
from ingot.sources import load_sources

ROOT = Path(__file__).resolve().parents[3]
CATALOGUE = load_catalogue()
SOURCES = load_sources(ROOT / "sources")
NAMED = "runs_failed"
RENAMED = {name: metric for name, metric in CATALOGUE.metrics.items() if name != NAMED}


@pytest.fixture(scope="module")
def renamed() -> Catalogue:
    """Every metric by another name, changed in the catalogue alone: `rows_accepted` → `other_rows_accepted`.

    But for the one that CDK names, which does not synthesise without it.
    """
    text = CATALOGUE_FILE.read_text(encoding="utf-8")
    return read_catalogue(re.sub(rf"^  (?!{NAMED}:)([a-z_]+):$", r"  other_\1:", text, flags=re.MULTILINE))


def words(text: str) -> set[str]:
    return set(re.findall(r"\w+", text))


def test_what_is_generated_follows(renamed: Catalogue, monkeypatch: pytest.MonkeyPatch) -> None:
    assert set(renamed.metrics) == {NAMED, *(f"other_{name}" for name in RENAMED)}
    monkeypatch.setattr(reference, "load_catalogue", lambda: renamed)
    expressions = " ".join(rule.expression for rule in rules(renamed, SOURCES))
    mapping, page = statsd_mapping(renamed), reference.metrics_page()

    for name, metric in RENAMED.items():
        assert f"other_{name}" in words(page)
        assert name not in words(page)
        if in_prometheus(metric):
            old, new = prometheus_name(name, metric), prometheus_name(f"other_{name}", metric)
            assert new in words(mapping)
            assert old not in words(mapping)
            assert old not in words(expressions)
            assert metric.alarm is None or re.search(rf"\b{new}(_count)?\b", expressions)


def test_cloudwatch_s_dashboard_and_alarms_follow(
    renamed: Catalogue, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    import aws_cdk as cdk
    import msgspec
    from aws_cdk import aws_kms as kms

    from infra.deployment import Deployment, IngotStack
    from infra.settings import load_settings
    from infra.stacks import observability
    from ingot.naming import Names

    # Airflow, state machines and all: who emits them is there.
    settings = msgspec.structs.replace(load_settings("prod", {}), step_functions=True)
    names = Names(environment="prod", account=cdk.Aws.ACCOUNT_ID, region="us-east-1")

    monkeypatch.setattr(observability, "load_catalogue", lambda: renamed)
    app = cdk.App(outdir=str(tmp_path), analytics_reporting=False)
    deployment = Deployment(settings=settings, names=names, root=ROOT, build=tmp_path)
    key = kms.Key(IngotStack(app, "lake", deployment, description="The key"), "Key")
    assert settings.observability is not None
    observability.ObservabilityStack(app, deployment, settings.observability, SOURCES, key=key)
    app.synth()
    resources = json.loads((tmp_path / "ingot-prod-observability.template.json").read_text())["Resources"]
    asked = words(" ".join(_names(resources)))

    for name, metric in RENAMED.items():
        if metric.aws is None:
            assert f"other_{name}" in asked
            assert name not in asked


def _names(resources: dict[str, Any]) -> list[str]:
    """What alarms and panels ask for; not the words in which an alarm speaks."""
    asked = [each["Properties"]["MetricName"] for each in resources.values() if "MetricName" in each["Properties"]]
    bodies = [each["Properties"].get("DashboardBody") for each in resources.values()]
    return [*asked, *(json.dumps(body) for body in bodies if body)]


def test_who_emits_one_names_it_as_the_catalogue_does() -> None:
    """Jobs name what they emit; a name that is changed in the catalogue alone is missing there."""
    files = [*(ROOT / "glue_jobs").glob("*.py"), ROOT / "ingot/job.py", ROOT / "dbt/run_metrics.py"]
    text = "".join(file.read_text(encoding="utf-8") for file in files)
    elsewhere = {"airflow", "glue", "aws"}

    for name, metric in CATALOGUE.metrics.items():
        if not elsewhere & set(metric.emitted_by):
            assert f'"{name}"' in text, f"nobody emits {name}"


def test_a_metric_of_glue_s_events_is_filtered_by_its_name() -> None:
    text = (ROOT / "infra/constructs/job_events.py").read_text(encoding="utf-8")

    for name, metric in CATALOGUE.metrics.items():
        assert metric.emitted_by != ("glue",) or f'"{name}"' in text


def test_every_alarm_of_ours_rings_in_prometheus_with_the_limits_of_the_sources() -> None:
    found = list(rules(CATALOGUE, SOURCES))
    thresholds = {(rule.alarm.name, rule.series.get("stream")): rule.threshold for rule in found}

    assert {rule.alarm.name for rule in found} == {
        alarm.name for name, alarm in CATALOGUE.alarms.items() if in_prometheus(CATALOGUE[name])
    }
    # Half of the contract's maxRejectRate, an interval of the schedule and three, half of the time-out.
    assert thresholds["reject-rate", "rates"] == 2.5
    assert (thresholds["late", "orders"], thresholds["late", "carts"]) == (300, 86400)
    assert (thresholds["stream-lag", "orders"], thresholds["stream-lag", "costs"]) == (900, 3 * 86400)
    assert thresholds["slow-step", None] == STEP_TIMEOUT.total_seconds() / 2
    lagging = {rule.series["stream"] for rule in found if rule.alarm.name == "stream-lag"}
    assert lagging == {"orders", "costs"}, "only streams that take what lands"


def test_where_no_schedule_is_followed_nothing_is_late() -> None:
    without = {rule.alarm.name for rule in rules(CATALOGUE, SOURCES, schedules=False)}

    assert {rule.alarm.name for rule in rules(CATALOGUE, SOURCES)} - without == {"late", "stream-lag"}


def test_a_histogram_has_a_bucket_that_ends_where_its_alarm_begins() -> None:
    for rule in rules(CATALOGUE, SOURCES):
        metric = CATALOGUE[rule.metric]
        if metric.type == "distribution" and isinstance(rule.alarm.above, Limit):
            assert rule.threshold in BUCKETS[metric.unit]
