"""What deploys: the pipeline, and the roles of GitHub's workflows."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from infra.delivery.settings import load_delivery
from infra.settings import SETTINGS_FILE, load_settings
from ingot.cost import fixed_lines, load_prices
from ingot.errors import ConfigurationError
from tests.unit.infra.conftest import ENVIRONMENTS, ROOT, delivery_settings
from tests.unit.infra.review import read_exceptions, review, unexplained
from tests.unit.infra.test_templates_snapshot import RENEW, differences, dump, plain, renew

SNAPSHOTS = Path(__file__).with_name("snapshots-delivery")
ISSUER = "token.actions.githubusercontent.com"


def test_it_has_no_finding_without_a_reason(delivery: Any) -> None:
    assert delivery.findings == []
    found = {
        finding
        for purpose, template in delivery.templates.items()
        for finding in review(purpose, template, protect=True)
    }
    assert unexplained(found, read_exceptions()) == []


def test_it_is_as_it_was_agreed_on(delivery: Any) -> None:
    now = {f"{purpose}.yaml": dump(plain(template, "delivery")) for purpose, template in delivery.templates.items()}
    if os.environ.get(RENEW) == "renew":
        renew(SNAPSHOTS, now)

    assert differences(SNAPSHOTS, now) == {}, "if they are meant: make snapshots"


def stages(delivery: Any) -> dict[str, list[dict[str, Any]]]:
    """Stage → its actions in the order in which they run."""
    (pipeline,) = delivery.resources("AWS::CodePipeline::Pipeline").values()
    return {
        stage["Name"]: sorted(stage["Actions"], key=lambda action: action.get("RunOrder", 1))
        for stage in pipeline["Properties"]["Stages"]
    }


def test_nothing_is_deployed_before_the_tests_and_prod_not_before_the_smoke_test_and_a_person(delivery: Any) -> None:
    order = list(stages(delivery))

    assert order == ["Source", "Build", "UpdatePipeline", "Tests", "staging", "prod"]
    assert [action["Name"] for action in stages(delivery)["staging"]] == ["Deploy-staging", "SmokeTest-staging"]
    assert [action["RunOrder"] for action in stages(delivery)["staging"]] == [1, 2]
    first = stages(delivery)["prod"][0]
    assert (first["Name"], first["ActionTypeId"]["Provider"]) == ("Approve-prod", "Manual")
    assert all(action["RunOrder"] > first["RunOrder"] for action in stages(delivery)["prod"][1:])


def test_a_commit_comes_over_the_connection_and_waits_for_the_one_before(delivery: Any) -> None:
    (source,) = stages(delivery)["Source"]
    (pipeline,) = delivery.resources("AWS::CodePipeline::Pipeline").values()

    assert source["Configuration"]["FullRepositoryId"] == "example/shop"
    assert source["Configuration"]["BranchName"] == "main"
    assert source["Configuration"]["ConnectionArn"].endswith("connection/0c3f")
    assert pipeline["Properties"]["ExecutionMode"] == "QUEUED"


def test_what_is_deployed_was_synthesised_before_anything_was(delivery: Any) -> None:
    (synth,) = stages(delivery)["Build"]
    made = {each["Name"] for each in synth["OutputArtifacts"]}
    for environment in ("staging", "prod"):
        (deploy,) = (each for each in stages(delivery)[environment] if each["Name"] == f"Deploy-{environment}")
        (taken,) = deploy["InputArtifacts"]
        assert taken["Name"] in made, environment
        assert environment in taken["Name"]
        assert f"cdk synth --quiet -c environment={environment} --output assemblies/{environment}" in commands(delivery)


def commands(delivery: Any) -> list[str]:
    """What all builds call."""
    return [
        command
        for project in builds(delivery).values()
        for phase in json.loads(project["Source"]["BuildSpec"])["phases"].values()
        for command in phase.get("commands", [])
    ]


def builds(delivery: Any) -> dict[str, dict[str, Any]]:
    """Name of a project → its properties."""
    return {name: each["Properties"] for name, each in delivery.resources("AWS::CodeBuild::Project").items()}


def test_builds_are_pinned_encrypted_logged_and_end(delivery: Any) -> None:
    for name, project in builds(delivery).items():
        environment = project["Environment"]
        assert environment["Image"] == "aws/codebuild/standard:7.0", name
        assert environment["PrivilegedMode"] is False, name
        assert "Key" in json.dumps(project["EncryptionKey"]), name
        assert project["LogsConfig"]["CloudWatchLogs"]["Status"] == "ENABLED", name
        assert project["TimeoutInMinutes"] == 120, name


def test_steps_call_what_the_checkout_has_with_the_clis_that_are_pinned(delivery: Any) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    (cli,) = re.findall(r"^CDK_CLI := (.+)$", makefile, re.MULTILINE)

    called = commands(delivery)
    assert f"npm install -g aws-cdk@{cli}" in called, "of the pipeline itself"
    assert called.count(f"npm install --global aws-cdk@{cli}") == 2
    assert called.count("cdk deploy --all --app . --require-approval never --ci") == 2
    assert ".ci/run" in called
    assert "make lint\nmake test\n" in (ROOT / ".ci/run").read_text(encoding="utf-8")
    for command in called:
        if match := re.fullmatch(r"make (.+)", command):
            assert all(re.search(rf"^{target}:", makefile, re.MULTILINE) for target in match[1].split()), command
        if match := re.match(r"python (\S+\.py) (\S+)$", command):
            assert (ROOT / match[1]).is_file(), command
            assert match[2] == "ingot-staging-smoke-test"
        for path in re.findall(r"requirements/\S+", command):
            assert (ROOT / path).is_file(), command


def roles(delivery: Any) -> dict[str, dict[str, Any]]:
    """Name → role, of those with a name: GitHub's."""
    return {
        role["Properties"]["RoleName"]: role["Properties"]
        for role in delivery.resources("AWS::IAM::Role").values()
        if "RoleName" in role["Properties"]
    }


@pytest.mark.parametrize(
    ("name", "subject"),
    [
        ("diff", "pull_request"),
        ("dev", "environment:dev"),
        ("staging", "environment:staging"),
        ("prod", "environment:prod"),
    ],
)
def test_a_role_is_taken_by_one_subject_of_one_repository(delivery: Any, name: str, subject: str) -> None:
    (statement,) = roles(delivery)[f"ingot-delivery-github-{name}"]["AssumeRolePolicyDocument"]["Statement"]

    assert statement["Action"] == "sts:AssumeRoleWithWebIdentity"
    assert statement["Condition"] == {
        "StringEquals": {f"{ISSUER}:aud": "sts.amazonaws.com", f"{ISSUER}:sub": f"repo:example/shop:{subject}"}
    }
    assert "Provider" in json.dumps(statement["Principal"]["Federated"])


def rights(role: Mapping[str, Any]) -> dict[str, str]:
    """Action → the resources that it is allowed on, as text."""
    return {
        action: json.dumps(statement["Resource"])
        for policy in role["Policies"]
        for statement in policy["PolicyDocument"]["Statement"]
        for action in ([statement["Action"]] if isinstance(statement["Action"], str) else statement["Action"])
    }


def test_the_role_of_pull_requests_takes_the_role_that_reads_and_no_other(delivery: Any) -> None:
    allowed = rights(roles(delivery)["ingot-delivery-github-diff"])

    assert set(allowed) == {"sts:AssumeRole"}
    assert re.findall(r"role/([\w-]+)", allowed["sts:AssumeRole"]) == [
        "cdk-hnb659fds-lookup-role-111111111111-us-east-1"
    ]


def test_a_role_that_deploys_takes_bootstrap_roles_and_starts_its_own_smoke_test(delivery: Any) -> None:
    allowed = rights(roles(delivery)["ingot-delivery-github-prod"])

    assert set(re.findall(r"role/cdk-hnb659fds-([a-z-]+)-role-", allowed.pop("sts:AssumeRole"))) == {
        "deploy", "file-publishing", "image-publishing", "lookup",
    }  # fmt: skip
    assert set(allowed) == {"codebuild:StartBuild", "codebuild:BatchGetBuilds", "logs:GetLogEvents"}
    assert "project/ingot-prod-smoke-test" in allowed["codebuild:StartBuild"]
    assert "/ingot/prod/smoke-test:" in allowed["logs:GetLogEvents"]


def test_a_provider_that_is_there_is_not_made_again(tmp_path: Path) -> None:
    import aws_cdk as cdk

    from infra.delivery.app import add_delivery

    there = f"arn:aws:iam::111111111111:oidc-provider/{ISSUER}"
    file = delivery_settings(tmp_path, pipeline=None, github={"environments": ["dev"], "provider": there})
    app = cdk.App(outdir=str(tmp_path / "out"), analytics_reporting=False, builtin_cloud_formation_validation=False)
    add_delivery(app, variables={"CDK_DEFAULT_ACCOUNT": "111111111111"}, file=file)
    app.synth()

    (template,) = (json.loads(each.read_text()) for each in (tmp_path / "out").glob("*.template.json"))
    assert {each["Type"] for each in template["Resources"].values()} == {"AWS::IAM::Role"}
    assert there in json.dumps(template)


def test_without_an_account_the_roles_are_those_of_the_one_that_it_lands_in(tmp_path: Path) -> None:
    import aws_cdk as cdk

    from infra.delivery.app import add_delivery

    flags = json.loads((ROOT / "cdk.json").read_text(encoding="utf-8"))["context"]
    out = tmp_path / "out"
    app = cdk.App(outdir=str(out), analytics_reporting=False, context=flags, builtin_cloud_formation_validation=False)
    add_delivery(app, variables={}, file=delivery_settings(tmp_path))
    app.synth()
    github = json.loads((out / "ingot-delivery-github.template.json").read_text())["Resources"]
    (prod,) = (
        json.dumps(role["Properties"]["Policies"])
        for role in github.values()
        if role["Properties"].get("RoleName") == "ingot-delivery-github-prod"
    )

    assert "codebuild:StartBuild" in prod
    assert '"Ref": "AWS::AccountId"' in prod


def test_everything_has_a_price_or_costs_by_use(delivery: Any) -> None:
    lines = fixed_lines(delivery.templates, load_prices())

    assert [(line.what, line.note) for line in lines if line.unknown] == []
    notes = {line.what: line.note for line in lines}
    assert notes["CodeBuild::Project"] == "by the minute of builds"
    assert notes["CodePipeline::Pipeline"] == "by the minute of its actions"
    assert {line.price for line in lines if line.price} == {"kms-key"}, "nothing else costs while nothing runs"


def test_what_only_the_user_knows_is_asked_for() -> None:
    with pytest.raises(
        ConfigurationError, match=r"delivery\.repository and delivery\.pipeline\.connection.*delivery\.md"
    ):
        load_delivery(SETTINGS_FILE)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"repository": "shop"}, "repository"),
        ({"repository": "example/shop:ref:x"}, "repository"),
        ({"branches": "main"}, "unknown field `branches`"),
        ({"github": {"environments": []}}, r"github\.environments"),
        ({"pipeline": {"connection": "arn:aws:iam::1:role/x", "stages": [{"environment": "dev"}]}}, r"connection"),
    ],
)
def test_a_wrong_setting_is_named(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        load_delivery(delivery_settings(tmp_path, **changes))


def test_it_is_no_environment_and_names_only_such() -> None:
    with pytest.raises(ConfigurationError, match=r"no environment 'delivery'.*local\|dev\|staging\|prod$"):
        load_settings("delivery", {})
    values = yaml.safe_load(SETTINGS_FILE.read_text(encoding="utf-8"))["delivery"]
    named = {*values["github"]["environments"], *(stage["environment"] for stage in values["pipeline"]["stages"])}
    assert named <= set(ENVIRONMENTS) - {"local"}


def test_an_environment_that_a_pipeline_cannot_test_is_refused(tmp_path: Path) -> None:
    import aws_cdk as cdk

    from infra.delivery.app import add_delivery

    file = delivery_settings(tmp_path, account="222222222222")
    every = yaml.safe_load(file.read_text())
    every["staging"]["account"] = "333333333333"
    file.write_text(yaml.safe_dump(every))
    with pytest.raises(ConfigurationError, match="staging is in another account"):
        add_delivery(cdk.App(analytics_reporting=False), variables={}, file=file)
