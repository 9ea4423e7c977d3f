"""Where lineage goes is the settings' choice, and asks for one right more at most."""

from __future__ import annotations

import json
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import boto3
import msgspec
import pytest

from infra.constructs.airflow_environment import airflow_options
from infra.constructs.state_machine_definition import definition
from infra.constructs.state_machine_schedule import rhythm
from infra.settings import Lineage
from ingot.lineage.events import Job, run_event
from ingot.lineage.transport import choose
from ingot.naming import Names

ROOT = Path(__file__).resolve().parents[3]
NAMES = Names(environment="local", account="000000000000", region="us-east-1")
DOMAIN = "dzd_abc123"
BELOW = f"arn:aws:s3:::{NAMES.bronze_bucket}/lineage/shop/*"
SOME = ("extract", "rebuild", "audit")


@pytest.fixture(scope="module")
def jobs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, tuple[dict[str, str], list[Any]]]]:
    """Where lineage goes → job → its arguments and what its role allows."""
    import aws_cdk as cdk
    from aws_cdk import aws_kms as kms
    from aws_cdk import aws_logs as logs
    from aws_cdk import aws_s3 as s3
    from aws_cdk import aws_secretsmanager as secretsmanager
    from aws_cdk.assertions import Template

    from infra.constructs.step_job import Platform, StepJob
    from infra.job_code import Code

    found: dict[str, dict[str, tuple[dict[str, str], list[Any]]]] = {}
    stacks: dict[str, cdk.Stack] = {}
    out = tmp_path_factory.mktemp("cdk-lineage")
    app = cdk.App(outdir=str(out), analytics_reporting=False)
    for number, to in enumerate(("", "s3", "https://marquez.example.com", f"datazone:{DOMAIN}")):
        stack = cdk.Stack(app, f"jobs-{number}", env=cdk.Environment(account=NAMES.account, region=NAMES.region))
        platform = Platform(
            names=NAMES,
            buckets={
                purpose: s3.Bucket.from_bucket_name(stack, purpose, name)
                for purpose, name in (
                    ("bronze", NAMES.bronze_bucket),
                    ("lake", NAMES.lake_bucket),
                    ("artifacts", NAMES.artifacts_bucket),
                )
            },
            key=kms.Key.from_key_arn(stack, "Key", f"arn:aws:kms:us-east-1:{NAMES.account}:key/k"),
            warehouse=secretsmanager.Secret.from_secret_name_v2(stack, "Secret", NAMES.warehouse_secret),
            warehouse_rights=(),
            connection=None,
            log_prefix="/log",
            log_groups=(logs.LogGroup.from_log_group_name(stack, "Log", "/log/output"),),
            code=Code(archive=out, modules="wheels/ingot.zip"),
            lineage=Lineage(to=to) if to else None,
        )
        for step in SOME:
            StepJob(stack, step, platform=platform, source="shop", step=step)
        stacks[to] = stack
    for to, stack in stacks.items():
        template = Template.from_stack(stack).to_json()["Resources"]
        found[to] = {}
        for resource in template.values():
            if resource["Type"] == "AWS::Glue::Job":
                role = template[resource["Properties"]["Role"]["Fn::GetAtt"][0]]["Properties"]
                rights = [
                    (action, json.dumps(each))
                    for policy in role["Policies"]
                    for statement in policy["PolicyDocument"]["Statement"]
                    for action in _list(statement["Action"])
                    for each in _list(statement["Resource"])
                ]
                step = resource["Properties"]["Name"].rpartition("-")[2]
                found[to][step] = resource["Properties"]["DefaultArguments"], rights
    return found


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


@pytest.mark.parametrize(
    ("to", "argument", "action", "resource"),
    [
        ("s3", f"s3://{NAMES.bronze_bucket}/lineage/shop", "s3:PutObject", f"{NAMES.bronze_bucket}/lineage/shop/*"),
        ("https://marquez.example.com", "https://marquez.example.com", None, ""),
        (f"datazone:{DOMAIN}", f"datazone:{DOMAIN}", "datazone:PostLineageEvent", f"domain/{DOMAIN}"),
    ],
)
def test_who_reports_may_do_one_thing_more_and_who_does_not_nothing(
    jobs: Any, to: str, argument: str, action: str | None, resource: str
) -> None:
    for step in SOME:
        plain, told = jobs[""][step], jobs[to][step]
        more = [right for right in told[1] if right not in plain[1]]
        assert [right for right in plain[1] if right not in told[1]] == []
        if step == "audit":
            assert told == plain
            continue
        assert set(told[0].items()) - set(plain[0].items()) == {("--lineage", argument)}
        assert [right[0] for right in more] == ([action] if action else [])
        assert all(resource in right[1] for right in more)


def test_what_is_kept_in_s3_lies_where_the_right_reaches(monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[dict[str, Any]] = []

    class S3:
        def put_object(self, **given: Any) -> None:
            written.append(given)

    monkeypatch.setattr(boto3, "client", lambda *_, **__: S3())
    send = choose(f"s3://{NAMES.bronze_bucket}/lineage/shop", {})
    assert send is not None
    send(run_event("START", Job("ingot-local", "shop.carts.extract"), "6f2cb1a5-3f1e-4b7e-8b1c-0a5d1c6f8e01"))

    (each,) = written
    assert fnmatchcase(f"arn:aws:s3:::{each['Bucket']}/{each['Key']}", BELOW)


def test_airflow_reports_where_it_has_a_way_to_and_as_the_jobs_do() -> None:
    def told(to: str | None) -> dict[str, str]:
        options = airflow_options("prod", Lineage(to=to) if to else None)
        return {key: value for key, value in options.items() if key.startswith("openlineage.")}

    assert told(None) == told("s3") == {}
    datazone = {"type": "amazon_datazone_api", "domainId": DOMAIN}
    for to, transport in (
        ("https://marquez.example.com", {"type": "http", "url": "https://marquez.example.com"}),
        (f"datazone:{DOMAIN}", datazone),
    ):
        options = told(to)
        assert json.loads(options["openlineage.transport"]) == transport
        assert options["openlineage.namespace"] == "ingot-prod"


def test_a_state_machine_tells_its_jobs_which_execution_they_are_a_part_of() -> None:
    def arguments(lineage: bool) -> dict[str, str]:
        written = definition(
            names=NAMES, source="shop", streams=["carts"], rhythm=rhythm("@daily"), retry_seconds=5, lineage=lineage
        )
        (branch,) = written["States"]["streams"]["ItemProcessor"]["States"]["extract"]["Branches"]
        found: dict[str, str] = branch["States"]["run extract"]["Arguments"]["Arguments"]
        return found

    assert "--lineage_parent" not in arguments(False)
    text = arguments(True)["--lineage_parent"]
    assert text.startswith("{% 'ingot-local/' & $states.context.StateMachine.Name & '/' & $states.context.Execution")


@pytest.mark.parametrize("to", ["ftp://x", "datazone:", "s3://bucket", ""])
def test_an_address_that_is_none_is_refused(to: str) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"to": to}, Lineage)
