"""A job's role allows what docs/reference/layout.md says of its step, and nothing else."""

from __future__ import annotations

import re
from collections.abc import Iterator
from fnmatch import fnmatchcase
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from ingot import __version__
from ingot.naming import JOBS

LAYOUT = Path(__file__).resolve().parents[3] / "docs/reference/layout.md"
SOURCE = "fakestore"
ACCOUNT_AND_REGION = "000000000000-us-east-1"

Right = tuple[str, str]  # an action, and what it is allowed on: {bucket's purpose}/{pattern}, or a word for it


def documented(step: str) -> set[Right]:
    """The rights of a step as the table and the sentence above it give them."""
    (row,) = (
        line
        for line in LAYOUT.read_text(encoding="utf-8").splitlines()
        if line.startswith(f"| {step} |") and line.count("|") == 5
    )
    _, _, reads, lists, writes, _ = row.split("|")
    rights = {
        ("s3:GetObject", f"artifacts/wheels/ingot-{__version__}.gluewheels.zip"),
        ("s3:GetObject", f"artifacts/jobs/{step}.py"),
        ("kms:Decrypt", "the lake's key"),
        *product(("logs:CreateLogStream", "logs:PutLogEvents"), ("the output's log", "the errors' log")),
    }
    rights |= {("s3:GetObject", path) for path in paths(reads)}
    if written := {("s3:PutObject", path) for path in paths(writes)}:
        rights |= written | {("kms:GenerateDataKey", "the lake's key")}
    if step != "audit":
        rights.add(("s3:GetObject", "artifacts/sources/*"))
    rights |= {("s3:ListBucket", path) for path in paths(lists)}
    if "the warehouse secret" in reads:
        rights.add(("secretsmanager:GetSecretValue", "the warehouse's secret"))
    (traced,) = re.findall(r"\| `--tracing xray` \|.*\| (.*) \|", LAYOUT.read_text(encoding="utf-8"))
    if step in traced.split(", "):
        rights.add(("xray:PutTraceSegments", "X-Ray, which knows no resources"))
    return rights


def paths(cell: str) -> Iterator[str]:
    """Every path in a cell, its ``{a,b}`` spelt out and its source filled in."""
    for pattern in re.findall(r"`([^`]+)`", cell):
        head, *choice = re.split(r"\{(.*?)\}", pattern.replace("{source}", SOURCE), maxsplit=1)
        if not choice:
            yield head
        else:
            yield from (f"{head}{one}{choice[1]}" for one in choice[0].split(","))


def deployed(assembly: Any, step: str) -> set[Right]:
    """The rights of the role that a job is deployed with, in the same words."""
    return {
        right
        for statement in statements(assembly, step)
        for action in as_list(statement["Action"])
        for resource in as_list(statement["Resource"])
        for right in named(action, resource, statement.get("Condition"))
    }


def statements(assembly: Any, step: str) -> list[dict[str, Any]]:
    (job,) = (
        job["Properties"]
        for job in assembly.resources("AWS::Glue::Job").values()
        if job["Properties"]["Name"] == f"ingot-{assembly.environment}-{SOURCE}-{step}"
    )
    role_id = job["Role"]["Fn::GetAtt"][0]
    for policy in assembly.resources("AWS::IAM::Policy").values():
        assert {"Ref": role_id} not in policy["Properties"]["Roles"], "rights beside the role's own"
    role = assembly.templates["jobs"]["Resources"][role_id]["Properties"]
    assert not role.get("ManagedPolicyArns")
    (policy,) = role["Policies"]
    assert all(statement["Effect"] == "Allow" for statement in policy["PolicyDocument"]["Statement"])
    return list(policy["PolicyDocument"]["Statement"])


def named(action: str, resource: Any, condition: Any) -> Iterator[Right]:
    match resource:
        case {"Fn::ImportValue": str(export)} if export.startswith("ingot-local-lake:ExportsOutputFnGetAttKey"):
            yield action, "the lake's key"
        case {"Fn::ImportValue": str(export)} if export.startswith("ingot-local-warehouse:ExportsOutputRefSecret"):
            yield action, "the warehouse's secret"
        case {"Ref": str(secret)} if secret == f"{SOURCE}secret":
            yield action, "the source's secret"
        case {"Fn::GetAtt": [str(log), "Arn"]} if log.startswith("Log"):
            yield action, "the output's log" if "output" in log else "the errors' log"
        case "*" if action == "xray:PutTraceSegments":
            yield action, "X-Ray, which knows no resources"
        case str():
            bucket = re.fullmatch(rf"arn:aws:s3:::ingot-local-(\w+)-{ACCOUNT_AND_REGION}(/.*)?", resource)
            assert bucket, resource
            if bucket[2]:
                assert condition is None
                yield action, f"{bucket[1]}{bucket[2]}"
            else:
                assert list(condition) == ["StringLike"]
                assert list(condition["StringLike"]) == ["s3:prefix"]
                for prefix in as_list(condition["StringLike"]["s3:prefix"]):
                    yield action, f"{bucket[1]}/{prefix}"
        case _:
            raise AssertionError(f"{action} is allowed on {resource}, which the layout does not know")


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


@pytest.mark.parametrize("step", JOBS)
def test_a_steps_role_allows_what_the_layout_says_and_no_more(local: Any, step: str) -> None:
    assert deployed(local, step) == documented(step)


@pytest.mark.parametrize("step", JOBS)
def test_a_sources_secret_is_read_by_the_job_that_asks_the_source_and_by_no_other(
    local: Any, guarded: Any, step: str
) -> None:
    secret = ("secretsmanager:GetSecretValue", "the source's secret")
    (row,) = (
        line for line in LAYOUT.read_text(encoding="utf-8").splitlines() if line.startswith(f"| {step} | `bronze")
    )

    assert deployed(guarded, step) - deployed(local, step) == ({secret} if "the source's secret" in row else set())
    assert ("the source's secret" in row) == (step == "extract")


@pytest.mark.parametrize("step", JOBS)
def test_no_action_of_a_job_is_a_pattern(local: Any, step: str) -> None:
    actions = [action for statement in statements(local, step) for action in as_list(statement["Action"])]

    assert actions
    assert not [action for action in actions if "*" in action]


@pytest.mark.parametrize("other", ["fakestore2", "fakestor", "shop"])
@pytest.mark.parametrize("step", JOBS)
def test_a_role_reaches_no_other_sources_data(local: Any, step: str, other: str) -> None:
    keys = [
        *(f"bronze/{kind}/{other}/carts/x" for kind in ("data", "quarantine", "manifests", "attempts", "known")),
        f"lake/bronze/{other}/carts/x",
    ]

    assert not [
        (action, key, pattern) for action, pattern in deployed(local, step) for key in keys if fnmatchcase(key, pattern)
    ]


def test_only_glue_can_take_a_jobs_role(local: Any) -> None:
    roles = {job["Properties"]["Role"]["Fn::GetAtt"][0] for job in local.resources("AWS::Glue::Job").values()}
    trusted = [
        statement["Principal"]
        for role in roles
        for statement in local.templates["jobs"]["Resources"][role]["Properties"]["AssumeRolePolicyDocument"][
            "Statement"
        ]
    ]

    jobs = len(local.resources("AWS::Glue::Job"))
    assert len(roles) == jobs >= 2 * len(JOBS), "a role a job"
    assert trusted == [{"Service": "glue.amazonaws.com"}] * jobs
