"""What jobs log becomes metrics, what Glue says of their ends is counted, and a topic hears of it."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from ingot.naming import Names
from ingot.sources import load_sources

ROOT = Path(__file__).resolve().parents[3]
NAMES = Names(environment="local", account="000000000000", region="us-east-1")
TOPIC = "arn:aws:sns:us-east-1:000000000000:ingot-local-alarms"

EMITS = """
from ingot.job import emit, report
print("no metric at all")
print('{"_aws": "no document of the format"}')
report("audit", rows=3)
emit("audit", {"freshness_seconds": 90.5}, source="shop", stream="carts")
"""
FAILED = '{ ($.detail.state = "FAILED") || ($.detail.state = "TIMEOUT") }'


def values(cloud: Any, namespace: str, metric: str, wanted: int, **dimensions: str) -> list[float]:
    """The values of a metric, once there are as many."""
    now, deadline = datetime.now(UTC), time.monotonic() + 20
    stat = {
        "Metric": {
            "Namespace": namespace,
            "MetricName": metric,
            "Dimensions": [{"Name": name, "Value": value} for name, value in dimensions.items()],
        },
        "Period": 86400,
        "Stat": "Sum",
    }
    while True:
        answer = cloud.client("cloudwatch").get_metric_data(
            MetricDataQueries=[{"Id": "m", "MetricStat": stat}],
            StartTime=now - timedelta(hours=1),
            EndTime=now + timedelta(hours=1),
        )["MetricDataResults"][0]["Values"]
        if len(answer) >= wanted or time.monotonic() > deadline:
            return [float(value) for value in answer]
        time.sleep(0.05)


def test_a_job_s_line_of_metrics_is_read_by_cloudwatch_and_no_other_line(cloud: Any, start: Any, unique: str) -> None:
    job, run = start(EMITS, {"--metrics_namespace": f"Ingot/{unique}"})

    assert cloud.wait_for_run(job, run)["JobRunState"] == "SUCCEEDED"

    assert values(cloud, f"Ingot/{unique}", "freshness_seconds", 1, source="shop", stream="carts") == [90.5]
    listed = cloud.client("cloudwatch").list_metrics(Namespace=f"Ingot/{unique}")["Metrics"]
    assert [metric["MetricName"] for metric in listed] == ["freshness_seconds"]


@pytest.fixture
def watched(cloud: Any, unique: str) -> dict[str, Any]:
    """A log group of Glue's events, a filter that counts failures in it, and a topic that hears of them."""
    group = f"/aws/events/{unique}"
    log_arn = {"Fn::GetAtt": ["Events", "Arn"]}
    ended = {"source": ["aws.glue"], "detail": {"jobName": [{"prefix": unique}]}}
    return {
        "Events": {"Type": "AWS::Logs::LogGroup", "Properties": {"LogGroupName": group}},
        "Topic": {"Type": "AWS::SNS::Topic", "Properties": {"TopicName": unique, "DisplayName": "Alarms"}},
        "Filter": {
            "Type": "AWS::Logs::MetricFilter",
            "Properties": {
                "LogGroupName": {"Ref": "Events"},
                "FilterPattern": FAILED,
                "MetricTransformations": [
                    {
                        "MetricNamespace": unique,
                        "MetricName": "runs_failed",
                        "MetricValue": "1",
                        "Dimensions": [{"Key": "job", "Value": "$.detail.jobName"}],
                    }
                ],
            },
        },
        "Rule": {
            "Type": "AWS::Events::Rule",
            "Properties": {
                "EventPattern": ended,
                "Targets": [
                    {"Id": "log", "Arn": {"Fn::Join": ["", ["arn:aws:logs:us-east-1:000000000000:log-group:", group]]}},
                    {
                        "Id": "topic",
                        "Arn": {"Ref": "Topic"},
                        "InputTransformer": {
                            "InputPathsMap": {"job": "$.detail.jobName", "message": "$.detail.message"},
                            "InputTemplate": '"<job>: <message>"',
                        },
                    },
                ],
            },
        },
        "Alarm": {
            "Type": "AWS::CloudWatch::Alarm",
            "Properties": {
                "AlarmName": unique,
                "Namespace": unique,
                "MetricName": "runs_failed",
                "Statistic": "Sum",
                "Period": "300",
                "EvaluationPeriods": 1,
                "Threshold": 0,
                "ComparisonOperator": "GreaterThanThreshold",
                "AlarmActions": [{"Ref": "Topic"}],
            },
        },
        "Dashboard": {
            "Type": "AWS::CloudWatch::Dashboard",
            "Properties": {"DashboardName": unique, "DashboardBody": json.dumps({"widgets": []})},
        },
        "Policy": {
            "Type": "AWS::Logs::ResourcePolicy",
            "Properties": {"PolicyName": unique, "PolicyDocument": json.dumps({"Version": "2012-10-17"})},
        },
    } | {"LogArn": {"Type": "AWS::SSM::Parameter", "Properties": {"Type": "String", "Value": log_arn}}}


@pytest.fixture
def deployed(cloud: Any, tmp_path: Path) -> Iterator[None]:
    """The stack that watches a laptop's environment, and of the lake the key alone."""
    import infra  # noqa: F401  (first: silences jsii's notice about Node)
    import aws_cdk as cdk  # isort: skip
    from aws_cdk import aws_kms as kms

    from infra.deployment import Deployment, IngotStack
    from infra.settings import Observability, load_settings
    from infra.stacks.observability import ObservabilityStack

    app = cdk.App(outdir=str(tmp_path), analytics_reporting=False, builtin_cloud_formation_validation=False)
    settings = load_settings("local", {"INGOT_WAREHOUSE_HOST": "localhost", "INGOT_WAREHOUSE_PORT": "5432"})
    deployment = Deployment(settings=settings, names=NAMES, root=ROOT, build=tmp_path, allow_data_deletion=True)
    key = kms.Key(IngotStack(app, "lake", deployment, description="The key"), "Key")
    ObservabilityStack(app, deployment, Observability(), load_sources(ROOT / "sources"), key=key)
    app.synth()
    stacks = ("ingot-local-lake", "ingot-local-observability")
    version = {"Name": "/cdk-bootstrap/hnb659fds/version", "Value": "30", "Type": "String"}
    cloud.client("ssm").put_parameter(**version, Overwrite=True)  # the templates ask for it
    for name in stacks:
        template = json.loads((tmp_path / f"{name}.template.json").read_text(encoding="utf-8"))
        sections = {title: template[title] for title in ("Outputs", "Parameters") if title in template}
        stack = cloud.deploy(name, template["Resources"], **sections)
        assert stack["StackStatus"] == "CREATE_COMPLETE", cloud.reasons(name)
    yield
    for name in reversed(stacks):
        cloud.client("cloudformation").delete_stack(StackName=name)
        assert cloud.stack(name) is None


def test_a_run_that_fails_is_counted_and_told_and_one_that_succeeds_is_not(
    cloud: Any, deployed: None, unique: str, bucket: str, role: str
) -> None:
    """By what the stacks deploy: rules, log, filter and topic."""
    queue = cloud.client("sqs").create_queue(QueueName=unique)["QueueUrl"]
    arn = f"arn:aws:sqs:us-east-1:000000000000:{unique}"
    cloud.client("sns").subscribe(TopicArn=TOPIC, Protocol="sqs", Endpoint=arn)
    glue, job = cloud.client("glue"), NAMES.job("fakestore", "extract")
    script = b"import sys\nif '--fail' in sys.argv: sys.exit('TERMINAL SourceRefused: it was told to')\n"
    cloud.client("s3").put_object(Bucket=bucket, Key="job.py", Body=script)
    command = {"Name": "glueetl", "ScriptLocation": f"s3://{bucket}/job.py"}
    glue.create_job(Name=job, Role=role, Command=command)
    for arguments, state in (({}, "SUCCEEDED"), ({"--fail": "yes"}, "FAILED")):
        run = glue.start_job_run(JobName=job, Arguments=arguments)["JobRunId"]
        assert cloud.wait_for_run(job, run)["JobRunState"] == state
    glue.delete_job(JobName=job)

    assert values(cloud, "Ingot/local", "runs_failed", 1, job=job) == [1.0]
    answer = cloud.client("sqs").receive_message(QueueUrl=queue, WaitTimeSeconds=10, MaxNumberOfMessages=10)
    (heard,) = [json.loads(message["Body"])["Message"] for message in answer["Messages"]]
    assert heard.startswith(f"{job} is FAILED: TERMINAL SourceRefused: it was told to (run {run}). Safe: What has no")
    assert heard.endswith("Runbook: docs/runbook.md#job-failed")
    ended = cloud.client("logs").filter_log_events(logGroupName="/aws/events/ingot-local-jobs")["events"]
    assert [json.loads(event["message"])["detail"]["state"] for event in ended] == ["SUCCEEDED", "FAILED"]
    # And an alarm looks at just this series.
    (alarm,) = cloud.client("cloudwatch").describe_alarms(AlarmNames=["ingot-local-job-failed-fakestore-extract"])[
        "MetricAlarms"
    ]
    assert (alarm["Namespace"], alarm["MetricName"]) == ("Ingot/local", "runs_failed")
    assert alarm["Dimensions"] == [{"Name": "job", "Value": job}]
    assert alarm["AlarmActions"] == [TOPIC]


def test_what_watches_is_there_by_api_is_changed_and_goes_with_its_stack(
    cloud: Any, unique: str, watched: dict[str, Any]
) -> None:
    cloudwatch, logs = cloud.client("cloudwatch"), cloud.client("logs")
    group = f"/aws/events/{unique}"
    assert cloud.deploy(unique, watched)["StackStatus"] == "CREATE_COMPLETE", cloud.reasons(unique)

    watched["Alarm"]["Properties"]["Threshold"] = "5"
    watched["Filter"]["Properties"]["FilterPattern"] = '{ $.detail.state = "FAILED" }'
    watched["Topic"]["Properties"]["DisplayName"] = "Bells"
    watched["Rule"]["Properties"]["Targets"].pop()
    assert cloud.deploy(unique, watched)["StackStatus"] == "UPDATE_COMPLETE", cloud.reasons(unique)

    (alarm,) = cloudwatch.describe_alarms(AlarmNames=[unique])["MetricAlarms"]
    assert (alarm["Threshold"], alarm["AlarmActions"]) == (5.0, [f"arn:aws:sns:us-east-1:000000000000:{unique}"])
    (found,) = logs.describe_metric_filters(logGroupName=group)["metricFilters"]
    assert found["filterPattern"] == '{ $.detail.state = "FAILED" }'
    assert found["metricTransformations"][0]["dimensions"] == {"job": "$.detail.jobName"}
    topic = cloud.client("sns").get_topic_attributes(TopicArn=alarm["AlarmActions"][0])["Attributes"]
    assert topic["DisplayName"] == "Bells"
    (rule,) = [r for r in cloud.client("events").list_rules()["Rules"] if r["Name"].startswith(unique)]
    targets = cloud.client("events").list_targets_by_rule(Rule=rule["Name"])["Targets"]
    assert [target["Id"] for target in targets] == ["log"]
    assert cloudwatch.get_dashboard(DashboardName=unique)["DashboardBody"] == '{"widgets": []}'

    cloud.client("cloudformation").delete_stack(StackName=unique)

    assert cloud.stack(unique) is None
    assert cloudwatch.describe_alarms(AlarmNames=[unique])["MetricAlarms"] == []
    assert cloudwatch.list_dashboards(DashboardNamePrefix=unique)["DashboardEntries"] == []
    assert unique not in str(cloud.client("sns").list_topics()["Topics"])
    assert unique not in str(cloud.client("events").list_rules()["Rules"])
    assert unique not in str(logs.describe_resource_policies()["resourcePolicies"])


@pytest.mark.parametrize("pattern", ["{ $.a = ", "[ip, user]", "{ $.a EXISTS }", "?ERROR ?WARN", "{ a = 1 }", "%x%"])
def test_a_filter_that_would_never_count_is_refused(cloud: Any, unique: str, pattern: str) -> None:
    cloud.client("logs").create_log_group(logGroupName=unique)
    transformation = {"metricName": "m", "metricNamespace": "n", "metricValue": "1"}

    with pytest.raises(ClientError, match="does not evaluate"):
        cloud.client("logs").put_metric_filter(
            logGroupName=unique, filterName="f", filterPattern=pattern, metricTransformations=[transformation]
        )


@pytest.mark.parametrize(
    ("pattern", "message", "counts"),
    [
        ('{ $.a = "x*" }', {"a": "xyz"}, True),
        ('{ $.a = "x*" }', {"a": "zyx"}, False),
        ('{ $.a != "x" }', {"a": "y"}, True),
        ('{ $.a != "x" }', {"b": "y"}, False),
        ("{ $.a.b > 1.5 }", {"a": {"b": 2}}, True),
        ("{ $.a.b <= 1.5 }", {"a": {"b": 2}}, False),
        ('{ $.a = 1 || $.b = 2 && $.c = "3" }', {"a": 1}, True),
        ('{ ($.a = 1 || $.b = 2) && $.c = "3" }', {"a": 1}, False),
        ("", "anything", True),
        ("TERMINAL", "TERMINAL SourceRefused", True),
        ('"a b" c', "c is a b", True),
        ('"a b" c', "c is b", False),
    ],
)
def test_a_filter_s_pattern_matches_as_it_says(pattern: str, message: Any, counts: bool) -> None:
    from localcloud.metrics import compile_pattern

    text = message if isinstance(message, str) else json.dumps(message)
    assert (compile_pattern(pattern)(text) is not None) is counts
