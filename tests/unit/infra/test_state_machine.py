"""The state machine of a source: the graph of its DAG, a role for it, and a schedule that says when it was due."""

from __future__ import annotations

import ast
import json
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec
import pytest
from localcloud.stepfunctions import evaluate

from infra.bundle import bundle_facts
from infra.constructs.state_machine_definition import Transform, definition
from infra.constructs.state_machine_schedule import rhythm
from infra.settings import load_settings
from ingot.errors import ConfigurationError
from ingot.naming import Names
from ingot.schedule import intervals
from ingot.sources import load_sources

ROOT = Path(__file__).resolve().parents[3]
LOCAL = Names(environment="local", account="000000000000", region="us-east-1")
SOURCES = load_sources(ROOT / "sources")
DBT = Transform(arguments={}, timeout_seconds=60, log_group="/ingot/local/dbt")


@pytest.mark.parametrize(
    ("schedule", "expression"),
    [
        ("@daily", "cron(0 0 * * ? *)"),
        ("@hourly", "cron(0 * * * ? *)"),
        ("@weekly", "cron(0 0 ? * SUN *)"),
        ("30 6 * * *", "cron(30 6 * * ? *)"),
        ("*/15 * * * *", "cron(0/15 * * * ? *)"),
        ("0 */6 * * *", "cron(0 0/6 * * ? *)"),
        ("5 4 * * 1", "cron(5 4 ? * MON *)"),
        ("5 4 * * 7", "cron(5 4 ? * SUN *)"),
    ],
)
def test_a_tick_is_the_end_of_the_interval_that_the_schedule_gives(schedule: str, expression: str) -> None:
    found = rhythm(schedule)

    assert found.expression == expression
    start = datetime(2026, 11, 1, tzinfo=UTC)
    some = list(islice(intervals(schedule, start, start + timedelta(days=21)), 100))
    assert some
    for interval in some:
        end = int(interval.end.timestamp() * 1000)
        assert (end - found.offset) % found.period == 0
        assert end - found.period == int(interval.start.timestamp() * 1000)


@pytest.mark.parametrize("schedule", ["@monthly", "@yearly", "0 0 * * 1-5", "0 8-18 * * *", "*/7 * * * *", "0 0 1 * 1"])
def test_a_schedule_that_json_cannot_compute_is_refused_when_it_is_deployed(schedule: str) -> None:
    with pytest.raises(ConfigurationError, match="differ in length"):
        rhythm(schedule)


def machine(assembly: Any) -> dict[str, Any]:
    """Fakestore's: there is one a source."""
    machines = [each["Properties"] for each in assembly.resources("AWS::StepFunctions::StateMachine").values()]
    by_name = {each["StateMachineName"]: each for each in machines}
    assert by_name.keys() == {LOCAL.state_machine(source) for source in SOURCES}
    return dict(by_name[LOCAL.state_machine("fakestore")])


def written_in(assembly: Any) -> dict[str, Any]:
    """Its definition; what another stack exports stands there by its name."""
    text = machine(assembly)["DefinitionString"]
    parts = text["Fn::Join"][1] if isinstance(text, dict) else [text]
    whole = "".join(part if isinstance(part, str) else part["Fn::ImportValue"] for part in parts)
    return dict(json.loads(whole))


def tasks(states: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Every task below, by name."""
    found = {}
    for name, state in states.items():
        if state["Type"] == "Task":
            found[name] = state
        for inner in [*state.get("Branches", []), *([state["ItemProcessor"]] if "ItemProcessor" in state else [])]:
            found |= tasks(inner["States"])
    return found


def test_it_runs_the_jobs_of_the_dag_with_the_dags_arguments(local: Any) -> None:
    """Held to what dags/ingest.py says, which this environment cannot import."""
    dag = ast.parse((ROOT / "dags/ingest.py").read_text(encoding="utf-8"))
    constants = {
        node.targets[0].id: node.value
        for node in dag.body
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
    }
    steps = ast.literal_eval(constants["STEPS"])
    interval = set(ast.literal_eval(constants["INTERVAL_ARGUMENTS"]))
    source = SOURCES["fakestore"]

    written = written_in(local)
    found = tasks(written["States"])
    transform = found.pop("run dbt")

    assert written["States"]["streams"]["Items"] == list(source.streams)
    assert set(found) == {f"run {step}" for step in [*steps, "audit"]}
    for step in steps:
        given = found[f"run {step}"]["Arguments"]
        assert given["JobName"] == LOCAL.job("fakestore", step)
        assert set(given["Arguments"]) == {"--source", "--stream", "--as_of"} | interval
    assert set(found["run audit"]["Arguments"]["Arguments"]) == {"--source"} | interval
    assert {state["Resource"] for state in found.values()} == {"arn:aws:states:::glue:startJobRun.sync"}
    assert transform["Resource"] == "arn:aws:states:::ecs:runTask.sync"
    assert (transform["Arguments"]["TaskDefinition"], transform["Arguments"]["LaunchType"]) == (
        "ingot-local-dbt", "FARGATE",
    )  # fmt: skip
    network = transform["Arguments"]["NetworkConfiguration"]["AwsvpcConfiguration"]
    assert network["AssignPublicIp"] == "DISABLED"
    assert [name.split(":")[0] for name in (*network["Subnets"], *network["SecurityGroups"])] == [
        "ingot-local-network"
    ] * 3
    assert "Subnet" in network["Subnets"][0]
    assert "Clients" in network["SecurityGroups"][0]


def test_only_what_is_transient_is_retried() -> None:
    written = definition(
        names=LOCAL, source="shop", streams=["carts"], rhythm=rhythm("@daily"), retry_seconds=5, dbt=DBT
    )

    def retriers(states: dict[str, Any]) -> list[dict[str, Any]]:
        return [
            retry
            for state in states.values()
            for retry in [
                *state.get("Retry", []),
                *(retriers(state["ItemProcessor"]["States"]) if "ItemProcessor" in state else []),
                *(each for branch in state.get("Branches", []) for each in retriers(branch["States"])),
            ]
        ]

    found = retriers(written["States"])
    assert len(found) == 5
    assert {tuple(retry["ErrorEquals"]) for retry in found} == {("TRANSIENT",)}


@pytest.mark.parametrize(
    ("failures", "transformed"), [("[]", True), ("[{'step': 'audit'}]", True), ("[{'stream': 'carts'}]", False)]
)
def test_dbt_runs_once_every_stream_is_loaded_as_airflows_does(failures: str, transformed: bool) -> None:
    states = definition(
        names=LOCAL, source="shop", streams=["carts"], rhythm=rhythm("@daily"), retry_seconds=5, dbt=DBT
    )["States"]

    assert states["audit"]["Next"] == states["audit"]["Catch"][0]["Next"] == "all loaded?"
    (loaded,) = states["all loaded?"]["Choices"]
    condition = loaded["Condition"].removeprefix("{%").removesuffix("%}")
    assert evaluate(f"($failures := {failures}; {condition})") is transformed
    assert (loaded["Next"], states["all loaded?"]["Default"]) == ("dbt", "all well?")
    assert states["dbt"]["Next"] == states["dbt"]["Catch"][0]["Next"] == "all well?"


TASK = "arn:aws:ecs:us-east-1:000000000000:task/ingot-local/0123"


@pytest.mark.parametrize(
    ("failed", "error", "cause"),
    [
        (1, "TERMINAL", "dbt ended with exit code 1 (log /ingot/local/dbt, task 0123)"),
        (2, "TRANSIENT", "dbt ended with exit code 2 (log /ingot/local/dbt, task 0123)"),
        (None, "TRANSIENT", "dbt did not end: no image (log /ingot/local/dbt, task 0123)"),
        ({"Error": "ECS.AccessDeniedException", "Cause": "no"}, "TERMINAL", "dbt did not end: no"),
        ({"Error": "States.Timeout", "Cause": ""}, "TRANSIENT", "dbt did not end: States.Timeout"),
    ],
)
def test_what_dbt_says_by_its_exit_code_decides_on_another_try(failed: Any, error: str, cause: str) -> None:
    """As dags/ingot_dbt.py has it: a model's error or a failed test is none that a second try changes."""
    written = definition(
        names=LOCAL, source="shop", streams=["carts"], rhythm=rhythm("@daily"), retry_seconds=5, dbt=DBT
    )
    fail = written["States"]["dbt"]["Branches"][0]["States"]["dbt failed"]
    if not isinstance(failed, dict):
        containers = [{"ExitCode": failed} if failed is not None else {}]
        task = {"TaskArn": TASK, "Containers": containers, "StoppedReason": "no image"}
        failed = {"Error": "States.TaskFailed", "Cause": json.dumps(task)}

    def value(expression: str) -> Any:
        inner = expression.removeprefix("{%").removesuffix("%}").replace("$states.input", "$given")
        # $parse is Step Functions' own.
        return evaluate(f"($given := {json.dumps(failed)}; $parse := $eval; {inner})")

    assert (value(fail["Error"]), value(fail["Cause"])) == (error, cause)


def test_its_role_starts_its_own_jobs_and_no_others(local: Any) -> None:
    role_id = machine(local)["RoleArn"]["Fn::GetAtt"][0]
    role = local.templates["state-machines"]["Resources"][role_id]["Properties"]
    (policy,) = role["Policies"]
    statements = {statement["Sid"]: statement for statement in policy["PolicyDocument"]["Statement"]}

    assert set(statements["Jobs"]["Action"]) == {
        "glue:StartJobRun", "glue:GetJobRun", "glue:GetJobRuns", "glue:BatchStopJobRun",
    }  # fmt: skip
    jobs = json.dumps(statements["Jobs"]["Resource"])
    assert [step in jobs for step in ("-extract", "-refine", "-load", "-audit", "-rebuild", "-replay", "*")] == [
        *[True] * 4, *[False] * 3,
    ]  # fmt: skip
    assert statements["RunDbt"]["Action"] == "ecs:RunTask"
    assert ":task-definition/ingot-local-dbt:*" in json.dumps(statements["RunDbt"]["Resource"])
    assert ":cluster/ingot-local" in json.dumps(statements["RunDbt"]["Condition"]["ArnEquals"]["ecs:cluster"])
    passed = statements["PassDbtRoles"]
    assert passed["Condition"] == {"StringEquals": {"iam:PassedToService": "ecs-tasks.amazonaws.com"}}
    (task,) = local.resources("AWS::ECS::TaskDefinition").values()
    own = {task["Properties"][f"{kind}RoleArn"]["Fn::GetAtt"][0] for kind in ("Task", "Execution")}
    assert len(passed["Resource"]) == len(own) == 2
    assert all(any(role in each["Fn::ImportValue"] for each in passed["Resource"]) for role in own)
    unnamed = {sid for sid, statement in statements.items() if statement["Resource"] == "*"}
    assert unnamed == {"Log", "Trace"}
    assert role["AssumeRolePolicyDocument"]["Statement"][0]["Principal"] == {"Service": "states.amazonaws.com"}


def test_it_is_logged_without_data_traced_and_encrypted(local: Any) -> None:
    found = machine(local)

    assert found["LoggingConfiguration"]["Level"] == "ALL"
    assert found["LoggingConfiguration"]["IncludeExecutionData"] is False
    assert found["TracingConfiguration"] == {"Enabled": True}
    assert found["EncryptionConfiguration"]["Type"] == "CUSTOMER_MANAGED_KMS_KEY"


@pytest.mark.parametrize(
    ("schedules", "step_functions", "airflow"), [(True, False, True), (True, True, False), (False, True, False)]
)
def test_one_clock_starts_a_source(schedules: bool, step_functions: bool, airflow: bool) -> None:
    settings = msgspec.structs.replace(
        load_settings("local", {"INGOT_WAREHOUSE_HOST": "localhost", "INGOT_WAREHOUSE_PORT": "5433"}),
        schedules=schedules,
        step_functions=step_functions,
    )

    assert bundle_facts(settings)["schedules"] is airflow


def test_nobody_gets_one_who_did_not_ask(prod: Any) -> None:
    assert not prod.resources("AWS::StepFunctions::StateMachine")


@pytest.fixture(scope="module")
def scheduled(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], list[str]]:
    """The stack where schedules are followed and what lands starts its source, and cdk-nag's findings."""
    import aws_cdk as cdk
    from aws_cdk import aws_kms as kms
    from cdk_nag import AwsSolutionsChecks

    from infra.deployment import Deployment
    from infra.stacks.state_machines import StateMachinesStack

    settings = msgspec.structs.replace(
        load_settings("local", {"INGOT_WAREHOUSE_HOST": "localhost", "INGOT_WAREHOUSE_PORT": "5433"}),
        schedules=True,
        landing_window_seconds=60,
    )
    out = tmp_path_factory.mktemp("scheduled")
    app = cdk.App(outdir=str(out), analytics_reporting=False)
    deployment = Deployment(settings=settings, names=LOCAL, root=ROOT, build=out)
    key = kms.Key(cdk.Stack(app, "keys", env=cdk.Environment(region="us-east-1")), "Key", enable_key_rotation=True)
    StateMachinesStack(app, deployment, SOURCES, key=key)
    cdk.Validations.of(app).add_plugins(AwsSolutionsChecks(app))
    try:
        app.synth()
    except RuntimeError as error:
        if "ValidationFailed" not in str(error):
            raise
    report = json.loads((out / "validation-report.json").read_text(encoding="utf-8"))
    template = json.loads((out / "ingot-local-state-machines.template.json").read_text(encoding="utf-8"))
    return template["Resources"], [v["ruleName"] for each in report["pluginReports"] for v in each["violations"]]


def test_a_schedule_starts_it_with_the_time_it_was_due(scheduled: tuple[dict[str, Any], list[str]]) -> None:
    resources, findings = scheduled
    (schedule,) = (
        each["Properties"]
        for each in resources.values()
        if each["Type"] == "AWS::Scheduler::Schedule" and each["Properties"]["Name"] == LOCAL.state_machine("fakestore")
    )

    assert findings == []
    assert (schedule["ScheduleExpression"], schedule["ScheduleExpressionTimezone"]) == ("cron(0 0 * * ? *)", "UTC")
    assert json.loads(schedule["Target"]["Input"]) == {"scheduled_time": "<aws.scheduler.scheduled-time>"}
    role = resources[schedule["Target"]["RoleArn"]["Fn::GetAtt"][0]]["Properties"]
    (start,) = (
        statement
        for statement in role["Policies"][0]["PolicyDocument"]["Statement"]
        if statement["Action"] == "states:StartExecution"
    )
    assert json.dumps(start["Resource"]).count("stateMachine:ingot-local-fakestore") == 1
    assert "*" not in json.dumps(start["Resource"])


def test_what_lands_of_a_source_starts_its_machine_once_for_all_that_came_in_a_while(
    scheduled: tuple[dict[str, Any], list[str]],
) -> None:
    resources, _ = scheduled
    lands = {name for name, source in SOURCES.items() if source.lands}
    pipes = {each["Name"]: each for each in of_type(resources, "AWS::Pipes::Pipe")}
    rules = {each["Name"]: each for each in of_type(resources, "AWS::Events::Rule")}

    assert pipes.keys() == rules.keys() == {LOCAL.landing_start(name) for name in lands} != set()
    pipe, rule = (made[LOCAL.landing_start("orders_stream")] for made in (pipes, rules))
    assert rule["EventPattern"] == {
        "source": ["aws.s3"],
        "detail-type": ["Object Created"],
        "detail": {
            "bucket": {"name": [LOCAL.bronze_bucket]},
            "object": {"key": [{"prefix": "landing/orders_stream/"}]},
        },
    }
    ((queue, _),) = [target["Arn"]["Fn::GetAtt"] for target in rule["Targets"]]
    assert pipe["Source"] == {"Fn::GetAtt": [queue, "Arn"]}
    assert pipe["SourceParameters"]["SqsQueueParameters"]["MaximumBatchingWindowInSeconds"] == 60
    told = resources[queue]["Properties"]
    assert told["SqsManagedSseEnabled"] is True
    assert told["VisibilityTimeout"] >= 6 * 60
    assert "deadLetterTargetArn" in told["RedrivePolicy"]
    machine = resources[pipe["Target"]["Fn::GetAtt"][0]]["Properties"]
    assert machine["StateMachineName"] == LOCAL.state_machine("orders_stream")
    assert pipe["TargetParameters"]["StepFunctionStateMachineParameters"] == {"InvocationType": "FIRE_AND_FORGET"}
    assert json.loads(pipe["TargetParameters"]["InputTemplate"]) == {"landed": True}

    role = resources[pipe["RoleArn"]["Fn::GetAtt"][0]]["Properties"]
    (trust,) = role["AssumeRolePolicyDocument"]["Statement"]
    assert trust["Principal"] == {"Service": "pipes.amazonaws.com"}
    assert "aws:SourceAccount" in trust["Condition"]["StringEquals"]
    (policy,) = role["Policies"]
    rights = {each["Sid"]: each for each in policy["PolicyDocument"]["Statement"]}
    assert rights["Take"]["Resource"] == pipe["Source"]
    assert rights["Start"]["Resource"] == pipe["Target"]
    assert "*" not in str([[each["Action"], each["Resource"]] for each in rights.values()])


def of_type(resources: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    return [each["Properties"] for each in resources.values() if each["Type"] == kind]


def test_the_bucket_tells_of_what_lands_only_where_somebody_listens(local: Any, tmp_path: Path) -> None:
    import aws_cdk as cdk

    from infra.deployment import Deployment
    from infra.stacks.lake import LakeStack

    def tells(template: dict[str, Any]) -> list[str]:
        buckets = of_type(template["Resources"], "AWS::S3::Bucket")
        return [str(each["BucketName"]) for each in buckets if "NotificationConfiguration" in each]

    settings = load_settings("local", {"INGOT_WAREHOUSE_HOST": "localhost", "INGOT_WAREHOUSE_PORT": "5433"})
    listening = msgspec.structs.replace(settings, landing_window_seconds=60)
    app = cdk.App(outdir=str(tmp_path), analytics_reporting=False)
    deployment = Deployment(settings=listening, names=LOCAL, root=ROOT, build=tmp_path)
    stack = LakeStack(app, deployment, {"orders_stream": SOURCES["orders_stream"]})

    assert tells(local.templates["lake"]) == []
    assert tells(app.synth().get_stack_by_name(stack.stack_name).template) == [LOCAL.bronze_bucket]


def test_a_window_without_a_state_machine_is_refused() -> None:
    settings = load_settings("local", {"INGOT_WAREHOUSE_HOST": "localhost", "INGOT_WAREHOUSE_PORT": "5433"})
    with pytest.raises(ValueError, match="needs step_functions"):
        msgspec.structs.replace(settings, step_functions=False, landing_window_seconds=60)
