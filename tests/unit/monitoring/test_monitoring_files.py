"""What configures Prometheus, Alertmanager and Grafana: fresh, valid by their own tools, and true to the catalogue."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard
from monitoring.files import files
from monitoring.queries import panels

from ingot.metrics import Catalogue, alarm_text, load_catalogue
from ingot.metrics.catalogue import read_catalogue
from ingot.metrics.prometheus import in_prometheus, prometheus_name, rules
from ingot.sources import Source, load_sources
from tests.watching import GENERATED, ROOT, program

TESTS = ("rules-tests/alerts.yml", "rules-tests/slow.yml")
CATALOGUE = load_catalogue()
DASHBOARDS = sorted((GENERATED / "grafana/dashboards").glob("*.json"))
RULES = ("rules/alerts.yml", "rules/scheduled.yml")
ALERTS = [
    rule for file in RULES for group in yaml.safe_load((GENERATED / file).read_text())["groups"]
    for rule in group["rules"]
]  # fmt: skip


@pytest.fixture(scope="module")
def sources() -> dict[str, Source]:
    return load_sources(ROOT / "sources")


def run(*command: str, folder: Path = GENERATED) -> subprocess.CompletedProcess[str]:
    name, *arguments = command
    return subprocess.run([program(name), *arguments], cwd=folder, capture_output=True, text=True, check=False)


def written(folder: Path, catalogue: Catalogue, sources: Mapping[str, Source]) -> Path:
    for path, text in files(catalogue, sources).items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    return folder


def test_what_is_committed_is_what_the_catalogue_says(sources: dict[str, Source]) -> None:
    stale = [path for path, text in files(CATALOGUE, sources).items() if (GENERATED / path).read_text() != text]
    assert stale == [], "run `make docs`"


@pytest.mark.parametrize(
    "command",
    [
        ("promtool", "check", "config", "prometheus.yml"),
        ("promtool", "check", "rules", "--lint-fatal", *RULES),
        ("promtool", "test", "rules", *TESTS),
        ("amtool", "check-config", "alertmanager.yml"),
    ],
)
def test_their_own_tools_find_nothing_wrong(command: tuple[str, ...]) -> None:
    done = run(*command)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]


def test_nothing_is_late_where_people_start_runs() -> None:
    """Compose and the laptop deploy `local`, and a demo's days are years ago."""
    assert not yaml.safe_load((ROOT / "infra/settings.yaml").read_text())["local"]["schedules"]
    read = yaml.safe_load((GENERATED / "prometheus.yml").read_text())["rule_files"]
    text = "".join(file.read_text() for pattern in read for file in GENERATED.glob(pattern))
    assert "alert: failing" in text
    assert "alert: late" not in text
    assert "alert: stream-lag" not in text


def test_every_alarm_that_prometheus_can_see_is_tested_for_ringing_and_for_silence() -> None:
    tests = [test for file in TESTS for test in yaml.safe_load((GENERATED / file).read_text())["tests"]]
    seen = {(test["alertname"], bool(test["exp_alerts"])) for each in tests for test in each["alert_rule_test"]}
    there = {alarm.name for name, alarm in CATALOGUE.alarms.items() if in_prometheus(CATALOGUE[name])}
    assert {"late", "failing", "reject-rate", "drift", "stream-lag", "cost-jump", "dag-failed"} <= there
    assert seen == {(name, rings) for name in [*there, "metrics-missing"] for rings in (True, False)}
    # Those of AWS's own services ring in CloudWatch, which has their metrics.
    assert {rule["alert"] for rule in ALERTS} == {*there, "metrics-missing"}
    others = {
        alarm.name: CATALOGUE[name].emitted_by for name, alarm in CATALOGUE.alarms.items() if alarm.name not in there
    }
    assert {"job-failed", "execution-failed", "delivery-stuck"} <= others.keys()
    assert set(others.values()) <= {("aws",), ("glue",)}


def _wrong(rule: dict[str, Any], how: str) -> dict[str, Any]:
    """An alert that rings at another value, or over another time."""
    expression = rule["expr"]
    limit = re.search(r"> ([\d.]+)$", expression)
    offset = re.search(r"offset (\d+)m", expression)
    if how == "time":
        waits = (
            {"for": f"{int(rule['for'].removesuffix('m')) - 20 if rule['for'] != '10m' else 8}m"}
            if "for" in rule
            else {}
        )
        other = expression.replace(offset[0], f"offset {int(offset[1]) - 3}m") if offset else expression
        return {**rule, **waits, "expr": other}
    if limit is None:
        return rule
    # Where time goes on, it does so by minutes; else something is counted.
    little, more = (1500, 1500) if "time()" in expression else (1, 2)
    other = float(limit[1]) + (-little if how == "sooner" else more)
    return {**rule, "expr": f"{expression[: limit.start()]}> {other:g}"}


@pytest.mark.parametrize("how", ["sooner", "later", "time"])
def test_alerts_that_are_made_wrong_fail_their_tests(how: str, tmp_path: Path) -> None:
    shutil.copytree(GENERATED / "rules-tests", tmp_path / "rules-tests")
    (tmp_path / "rules").mkdir()
    wrong = set()
    for file in RULES:
        document = yaml.safe_load((GENERATED / file).read_text())
        for group in document["groups"]:
            for place, rule in enumerate(group["rules"]):
                group["rules"][place] = _wrong(rule, how)
                if group["rules"][place] != rule:
                    wrong.add(rule["alert"])
        (tmp_path / file).write_text(yaml.safe_dump(document))
    assert len(wrong) > 4
    done = run("promtool", "test", "rules", *TESTS, folder=tmp_path)
    assert done.returncode == 1, done.stderr
    assert set(re.findall(r"alertname: ([a-z-]+), time", done.stdout + done.stderr)) == wrong


def test_alertmanager_sends_the_text_of_each_alert_and_routes_by_names_that_there_are() -> None:
    shown = run(
        "amtool",
        "template",
        "render",
        "--template.glob=alertmanager.tmpl",
        '--template.text={{ template "ingot.text" . }}',
    )
    assert shown.returncode == 0, shown.stderr
    document = yaml.safe_load((GENERATED / "alertmanager.yml").read_text())
    names = {rule["alert"] for rule in ALERTS}
    for rule in document["inhibit_rules"]:
        for matcher in (*rule["source_matchers"], *rule["target_matchers"]):
            label, value = re.fullmatch(r'(\w+)=~?"(.*)"', matcher).groups()  # type: ignore[union-attr]
            assert label == "alertname"
            assert set(value.split("|")) <= names


@pytest.mark.parametrize("file", DASHBOARDS, ids=lambda file: file.stem)
def test_a_dashboard_is_what_the_sdks_types_read_and_write(file: Path) -> None:
    register_default_plugins()
    document = json.loads(file.read_text())
    again = json.loads(JSONEncoder().encode(Dashboard.from_json(document)))
    for before, after in zip(document["panels"], again["panels"], strict=True):
        defaults = after.get("fieldConfig", {}).get("defaults", {})
        if defaults.get("custom") == {} and "custom" not in before["fieldConfig"]["defaults"]:
            del defaults["custom"]  # of a kind of panel that was given none
    assert again == document


@pytest.mark.parametrize("file", DASHBOARDS, ids=lambda file: file.stem)
def test_each_panel_says_what_it_shows_in_which_unit_of_a_source_that_is_provisioned(file: Path) -> None:
    provisioned = yaml.safe_load((GENERATED / "grafana/provisioning/datasources/datasources.yml").read_text())
    known = {(each["type"], each["uid"]) for each in provisioned["datasources"]}
    document = json.loads(file.read_text())
    found = list(panels(document))
    assert len(found) > 10
    taken = set()
    for panel in found:
        assert panel["title"]
        assert panel["description"], panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]
        assert panel["targets"], panel["title"]
        for datasource in (panel["datasource"], *(target["datasource"] for target in panel["targets"])):
            assert (datasource["type"], datasource["uid"]) in known, panel["title"]
        place = panel["gridPos"]
        cells = {(x, y) for x in range(place["x"], place["x"] + place["w"])
                 for y in range(place["y"], place["y"] + place["h"])}  # fmt: skip
        assert not cells & taken, f"{panel['title']} lies over another"
        assert place["x"] + place["w"] <= 24
        taken |= cells
    for variable in document["templating"]["list"]:
        assert (variable["datasource"]["type"], variable["datasource"]["uid"]) in known


def test_pipeline_health_shows_every_metric_that_prometheus_has() -> None:
    document = json.loads((GENERATED / "grafana/dashboards/pipeline-health.json").read_text())
    asked = " ".join(target["expr"] for panel in panels(document) for target in panel["targets"])
    for name, metric in CATALOGUE.metrics.items():
        assert (prometheus_name(name, metric) in asked) == in_prometheus(metric), name


def test_each_alert_says_what_sns_says(sources: dict[str, Source]) -> None:
    """By the same function with the labels' values in place; what the stacks write is held to it with the stacks."""
    by_name = {rule["alert"]: rule["annotations"]["description"] for rule in ALERTS}
    for rule in rules(CATALOGUE, sources):
        labels = {label: f"one-{label}" for label in rule.labels}
        said = by_name[rule.alarm.name]
        for label, value in labels.items():
            said = said.replace(f"{{{{ $labels.{label} }}}}", value)
        assert said == alarm_text(rule.alarm, labels, runbook="docs/runbook.md")
    assert not [name for name, said in by_name.items() if "()" in said], "what is of nothing names nothing"


def test_a_metric_with_another_name_has_it_everywhere(sources: dict[str, Source], tmp_path: Path) -> None:
    """But for those that a dashboard names itself, which are then missing and fail."""
    text = (ROOT / "ingot/metrics/catalogue.yaml").read_text()
    renamed = read_catalogue(text.replace("  run_cost_percent:", "  price_jump_percent:"))
    folder = written(tmp_path, renamed, sources)
    everything = {path: (folder / path).read_text() for path in files(renamed, sources)}
    assert not [path for path, content in everything.items() if "run_cost_percent" in content]
    changed = {str(path) for path, content in everything.items() if "price_jump_percent" in content}
    assert changed == {"rules/alerts.yml", "rules-tests/alerts.yml", "grafana/dashboards/pipeline-health.json"}
    done = run("promtool", "check", "rules", *RULES, folder=folder)
    assert done.returncode == 0, done.stdout


def test_a_metric_that_a_dashboard_names_cannot_go_unnoticed(sources: dict[str, Source]) -> None:
    from ingot.errors import ConfigurationError

    fewer = {name: metric for name, metric in CATALOGUE.metrics.items() if name != "rows_accepted"}
    with pytest.raises(ConfigurationError, match="rows_accepted"):
        files(msgspec.structs.replace(CATALOGUE, metrics=fewer), sources)


def test_the_alarms_of_an_account_say_the_same() -> None:
    """As its templates have them, which other tests hold to what is deployed."""
    template = (ROOT / "tests/unit/infra/snapshots/prod/observability.yaml").read_text()
    descriptions = {each["AlarmDescription"] for each in _with("AlarmDescription", yaml.safe_load(template))}
    for rule in ALERTS:
        if rule["alert"] == "metrics-missing":
            continue
        words = re.escape(rule["annotations"]["description"])
        pattern = re.compile(re.sub(r"\\{\\{\\ \\\$labels\\\.\w+\\ \\}\\}", r"[\\w-]+", words))
        assert any(pattern.fullmatch(each) for each in descriptions), rule["alert"]


def _with(key: str, document: object) -> Iterator[dict[str, Any]]:
    """Every mapping in it that has a key."""
    if isinstance(document, dict):
        if key in document:
            yield document
        for value in document.values():
            yield from _with(key, value)
    elif isinstance(document, list):
        for value in document:
            yield from _with(key, value)
