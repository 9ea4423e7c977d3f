"""Alarms, dashboard and runbook: all of the catalogue, nothing else, and each leads to the next."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from infra.constructs.alarms import _looking_back
from infra.settings import load_settings
from ingot.cli.app import app
from ingot.metrics import load_catalogue, metrics_namespace
from ingot.metrics.limits import longest_interval
from tests.unit.infra.conftest import ENVIRONMENTS, ROOT, VARIABLES

RUNBOOK = (ROOT / "docs" / "runbook.md").read_text(encoding="utf-8")
CATALOGUE = load_catalogue()


def alarms(assembly: Any) -> dict[str, dict[str, Any]]:
    """An environment's alarms, by name."""
    found = [resource["Properties"] for resource in assembly.resources("AWS::CloudWatch::Alarm").values()]
    return {alarm["AlarmName"]: alarm for alarm in found}


def sections() -> set[str]:
    return set(re.findall(r"^## (.+)$", RUNBOOK, re.MULTILINE))


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_every_alarm_says_what_it_is_about_and_links_a_section_of_the_runbook(
    every: Mapping[str, Any], environment: str
) -> None:
    found = alarms(every[environment])

    assert found
    for name, alarm in found.items():
        text = alarm["AlarmDescription"]
        anchor = re.search(r"Runbook: docs/runbook\.md#([a-z-]+)$", text)
        assert anchor, name
        assert anchor[1] in sections(), name
        assert name.removeprefix(f"ingot-{environment}-").startswith(anchor[1])
        assert "\n\nSafe: " in text, name
        assert "\n\nDo: " in text, name
        assert len(text) <= 1024, "CloudWatch takes no more"
        topic = alarm["AlarmActions"]
        assert topic == alarm["OKActions"] != []


def test_no_section_of_the_runbook_is_without_an_alarm(every: Mapping[str, Any], with_console: Any) -> None:
    ringing = {alarm.name for alarm in CATALOGUE.alarms.values()}
    deployed = {
        alarm["AlarmDescription"].rpartition("#")[2]
        for each in (*every.values(), with_console)
        for alarm in alarms(each).values()
    }

    assert sections() == ringing
    assert deployed == ringing, "an alarm that no environment has"


def test_a_section_s_links_lead_somewhere() -> None:
    for target in re.findall(r"\]\(([^)]+)\)", RUNBOOK):
        file, _, anchor = target.partition("#")
        text = (ROOT / "docs" / file).read_text(encoding="utf-8") if file else RUNBOOK
        anchors = {re.sub(r"[^\w -]", "", h.lower()).replace(" ", "-") for h in re.findall(r"^#+ (.+)$", text, re.M)}
        assert not anchor or anchor in anchors, target


def commands() -> Iterator[str]:
    for block in re.findall(r"```sh\n(.*?)```", RUNBOOK, re.DOTALL):
        yield from (line.partition("  #")[0].strip() for line in block.splitlines())


@pytest.mark.parametrize("line", sorted(set(commands())))
def test_the_runbook_s_commands_are_commands(line: str) -> None:
    program, *words = shlex.split(line)
    assert program == "ingot"
    click = get_command(app)
    while hasattr(click, "commands"):
        click = click.commands[words.pop(0)]
    click.make_context(line, words)  # raises for an option that is none


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_alarms_and_panels_ask_for_what_the_catalogue_has_and_jobs_emit_it_there(
    every: Mapping[str, Any], environment: str
) -> None:
    namespace = metrics_namespace(environment)
    known = {
        (metric.aws.namespace, metric.aws.metric) if metric.aws else (namespace, name)
        for name, metric in CATALOGUE.metrics.items()
    }
    assembly = every[environment]

    assert {(alarm["Namespace"], alarm["MetricName"]) for alarm in alarms(assembly).values()} <= known
    assert {(line[0], line[1]) for panel in panels(assembly) for line in panel["metrics"] if len(line) > 1} <= known
    assert {searched(line[0]) for panel in panels(assembly) for line in panel["metrics"] if len(line) == 1} <= known
    for job in assembly.resources("AWS::Glue::Job").values():
        assert job["Properties"]["DefaultArguments"]["--metrics_namespace"] == namespace
    (filtered,) = assembly.resources("AWS::Logs::MetricFilter").values()
    (made,) = filtered["Properties"]["MetricTransformations"]
    assert (made["MetricNamespace"], made["MetricName"]) in known
    assert [dimension["Key"] for dimension in made["Dimensions"]] == list(CATALOGUE["runs_failed"].labels)


def test_every_metric_is_on_a_dashboard(every: Mapping[str, Any], with_console: Any) -> None:
    lines = [line for each in (*every.values(), with_console) for panel in panels(each) for line in panel["metrics"]]
    shown = {line[1] if len(line) > 1 else searched(line[0])[1] for line in lines}

    redshift_only = {"ComputeCapacity"}
    assert shown | redshift_only == {m.aws.metric if m.aws else name for name, m in CATALOGUE.metrics.items()}


def searched(line: Mapping[str, str]) -> tuple[str, str]:
    """Namespace and metric of an expression that finds series."""
    found = re.fullmatch(r"SEARCH\('\{([^,]+),[^}]+\} MetricName=\"([^\"]+)\".*', '\w+', \d+\)", line["expression"])
    assert found, line
    return found[1], found[2]


def test_what_airflow_says_is_asked_for_as_mwaa_has_it_and_only_where_there_is_one(every: Mapping[str, Any]) -> None:
    """Names and dimensions: https://docs.aws.amazon.com/mwaa/latest/userguide/access-metrics-cw.html."""
    for environment, assembly in every.items():
        lines = [line for panel in panels(assembly) for line in panel["metrics"]]
        here = [line[0] == "AmazonMWAA" or "{AmazonMWAA," in str(line[0]) for line in lines]
        assert any(here) == bool(load_settings(environment, VARIABLES).mwaa), environment

    prod = [line[:-1] for panel in panels(every["prod"]) for line in panel["metrics"] if line[0] == "AmazonMWAA"]
    assert ["AmazonMWAA", "DAGDurationSuccess", "DAG", "transform", "Environment", "ingot-prod"] in prod
    finished = ["State", "failed", "DAG", "All", "Task", "All", "Environment", "ingot-prod"]
    assert ["AmazonMWAA", "TaskInstanceFinished", *finished] in prod
    (tasks,) = (
        line[0]["expression"]
        for panel in panels(every["prod"])
        for line in panel["metrics"]
        if "TaskInstanceDuration" in str(line)
    )
    assert tasks == (
        'SEARCH(\'{AmazonMWAA,DAG,Task,Environment} MetricName="TaskInstanceDuration" Environment="ingot-prod"\','
        " 'Maximum', 3600)"
    )
    failed = alarms(every["prod"])["ingot-prod-dag-failed-ingest_fakestore"]
    assert (failed["MetricName"], failed["Statistic"], failed["Threshold"]) == ("DAGDurationFailed", "SampleCount", 0)
    assert {each["Name"]: each["Value"] for each in failed["Dimensions"]} == {
        "DAG": "ingest_fakestore",
        "Environment": "ingot-prod",
    }


def test_a_stream_lags_by_its_own_schedule_and_only_if_it_lands(every: Mapping[str, Any]) -> None:
    lags = {name: each["Threshold"] for name, each in alarms(every["prod"]).items() if "-stream-lag-" in name}

    assert lags == {
        "ingot-prod-stream-lag-orders_stream-orders": 3 * 300,
        "ingot-prod-stream-lag-suppliers-costs": 3 * 86400,
    }


def panels(assembly: Any) -> list[dict[str, Any]]:
    (dashboard,) = assembly.resources("AWS::CloudWatch::Dashboard").values()
    body = dashboard["Properties"]["DashboardBody"]
    text = body if isinstance(body, str) else "".join(p if isinstance(p, str) else "token" for p in body["Fn::Join"][1])
    widgets = json.loads(text)["widgets"]
    corners = [(w["x"], w["y"]) for w in widgets]
    assert len(corners) == len(set(corners)), "one panel covers another"
    return [widget["properties"] for widget in widgets if widget["type"] == "metric"]


def test_what_only_a_schedule_can_tell_rings_only_where_one_is_followed(every: Mapping[str, Any]) -> None:
    for environment, assembly in every.items():
        late = [alarm for name, alarm in alarms(assembly).items() if "-late-" in name]
        assert bool(late) == load_settings(environment, VARIABLES).schedules, environment
    prod = alarms(every["prod"])["ingot-prod-late-fakestore-carts"]
    # Its schedule is daily; two hours are for the run itself.
    assert (prod["Threshold"], prod["EvaluationPeriods"] * prod["Period"]) == (86400, 26 * 3600)
    assert prod["TreatMissingData"] == "breaching"
    assert prod["Dimensions"] == [{"Name": "source", "Value": "fakestore"}, {"Name": "stream", "Value": "carts"}]


@pytest.mark.parametrize(
    ("schedule", "longest"),
    [
        ("@hourly", timedelta(hours=1)),
        ("@daily", timedelta(days=1)),
        ("0 9 * * 1-5", timedelta(days=3)),
        ("*/15 8-18 * * 1-5", timedelta(days=2, hours=13, minutes=15)),
        ("@monthly", timedelta(days=31)),
        ("@quarterly", timedelta(days=92)),
    ],
)
def test_the_longest_interval_of_a_schedule(schedule: str, longest: timedelta) -> None:
    assert longest_interval(schedule) == longest


def test_an_alarm_cannot_look_back_over_more_than_a_week() -> None:
    late = CATALOGUE.alarms["freshness_seconds"]

    assert _looking_back(late, 3600) == ("breaching", 3)
    assert _looking_back(late, 6 * 86400) == ("breaching", 6 * 24 + 2)
    assert _looking_back(late, 7 * 86400) == ("notBreaching", 1)


def test_the_topic_is_encrypted_and_takes_messages_of_alarms_and_events_alone(prod: Any) -> None:
    (topic,) = prod.resources("AWS::SNS::Topic").values()
    (policy,) = prod.resources("AWS::SNS::TopicPolicy").values()
    allowed = [s for s in policy["Properties"]["PolicyDocument"]["Statement"] if s["Effect"] == "Allow"]

    assert topic["Properties"]["KmsMasterKeyId"]
    assert {s["Principal"]["Service"] for s in allowed} == {"cloudwatch.amazonaws.com", "events.amazonaws.com"}
    assert {s["Action"] for s in allowed} == {"sns:Publish"}


def test_who_is_named_in_the_settings_is_told(tmp_path: Path) -> None:
    import aws_cdk as cdk
    import msgspec
    from aws_cdk import aws_kms as kms

    from infra.deployment import Deployment, IngotStack
    from infra.settings import Observability
    from infra.stacks.observability import ObservabilityStack
    from ingot.naming import Names
    from ingot.sources import load_sources

    app = cdk.App(outdir=str(tmp_path), analytics_reporting=False)
    settings = load_settings("local", VARIABLES)
    deployment = Deployment(
        settings=msgspec.structs.replace(settings, schedules=True),
        names=Names(environment="local", account=cdk.Aws.ACCOUNT_ID, region="us-east-1"),
        root=ROOT,
        build=tmp_path,
    )
    key = kms.Key(IngotStack(app, "lake", deployment, description="The key"), "Key")
    told = Observability(emails=["data@example.com"], runbook="https://docs.example.com/runbook")
    ObservabilityStack(app, deployment, told, load_sources(ROOT / "sources"), key=key)
    app.synth()
    text = (tmp_path / "ingot-local-observability.template.json").read_text(encoding="utf-8")
    resources = json.loads(text)["Resources"].values()

    subscribed = [r["Properties"] for r in resources if r["Type"] == "AWS::SNS::Subscription"]
    assert [(each["Protocol"], each["Endpoint"]) for each in subscribed] == [("email", "data@example.com")]
    described = [r["Properties"]["AlarmDescription"] for r in resources if r["Type"] == "AWS::CloudWatch::Alarm"]
    assert all("Runbook: https://docs.example.com/runbook#" in each for each in described)
