"""The smoke test's project: it has what its commands name, is where the warehouse is, and may do little."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from infra.settings import load_settings
from ingot.errors import ConfigurationError
from tests.unit.infra.conftest import ROOT
from tests.unit.infra.test_infra_settings import changed


@pytest.fixture(scope="module")
def resources(synthesise: Callable[..., Any]) -> dict[str, dict[str, Any]]:
    """Staging's."""
    made: dict[str, dict[str, Any]] = synthesise("staging").templates["smoke-test"]["Resources"]
    return made


def project(resources: Mapping[str, Any]) -> dict[str, Any]:
    (found,) = (each for each in resources.values() if each["Type"] == "AWS::CodeBuild::Project")
    return dict(found["Properties"])


def test_its_commands_name_what_is_in_its_folder(resources: Mapping[str, Any], tmp_path: Path) -> None:
    from infra.constructs.smoke_test import build_smoke_test

    folder = build_smoke_test(tmp_path / "smoke", ROOT)
    phases = json.loads(project(resources)["Source"]["BuildSpec"])["phases"]
    (test,) = phases["build"]["commands"]

    for command in phases["install"]["commands"]:
        for path in re.findall(r"requirements/\S+", command):
            assert "--hash=sha256:" in (folder / path).read_text(), command
        for pattern in re.findall(r"\S+\.whl", command):
            assert len(list(folder.glob(pattern))) == 1, command
    script = re.search(r"\.venv/bin/python (\S+)(.*)", test)
    assert script
    assert (folder / "dbt/dbt_project.yml").is_file()
    assert not (folder / "dbt/target").exists()
    # The script alone, without the checkout: it reads these very arguments.
    asked = subprocess.run(
        [sys.executable, "-P", script[1], *script[2].split(), "--help"], cwd=folder, capture_output=True, text=True
    )
    assert asked.returncode == 0, asked.stderr


def test_it_is_in_the_network_as_one_who_speaks_to_the_warehouse(resources: Mapping[str, Any]) -> None:
    inside = project(resources)["VpcConfig"]

    assert "NetworkClients" in json.dumps(inside["SecurityGroupIds"])
    assert len(inside["Subnets"]) == 2


def test_it_starts_the_jobs_of_its_source_and_reads_that_source(resources: Mapping[str, Any]) -> None:
    (role,) = (each["Properties"] for each in resources.values() if each["Type"] == "AWS::IAM::Role")
    (policy,) = role["Policies"]
    rights = {each["Sid"]: each for each in policy["PolicyDocument"]["Statement"]}

    assert set(rights) == {"Jobs", "Read", "List", "Warehouse"}
    jobs = {arn.rsplit("/", 1)[1] for arn in rights["Jobs"]["Resource"]}
    assert jobs == {f"ingot-staging-fakestore-{step}" for step in ("extract", "refine", "load", "audit")}
    prefixes = re.findall(r"us-east-1/([\w/*]+)", json.dumps(rights["Read"]["Resource"]))
    assert prefixes == ["sources/fakestore/*", "manifests/fakestore/*"]


def test_with_state_machines_it_starts_the_sources(tmp_path: Path) -> None:
    import aws_cdk as cdk
    from aws_cdk import aws_kms as kms
    from aws_cdk import aws_secretsmanager as secretsmanager

    from infra.deployment import Deployment, IngotStack
    from infra.stacks.smoke_test import SmokeTestStack
    from ingot.naming import Names

    variables = {"INGOT_WAREHOUSE_HOST": "localhost", "INGOT_WAREHOUSE_PORT": "5433"}
    test = {"source": "fakestore", "first_day": "2020-03-01"}
    settings = load_settings("local", variables, changed(tmp_path, "local", smoke_test=test))
    assert settings.smoke_test
    app = cdk.App(outdir=str(tmp_path / "out"), analytics_reporting=False, builtin_cloud_formation_validation=False)
    names = Names(environment="local", account="000000000000", region="us-east-1")
    deployment = Deployment(settings=settings, names=names, root=ROOT, build=tmp_path / "build")
    lake = IngotStack(app, "lake", deployment, description="The key")
    SmokeTestStack(
        app,
        deployment,
        settings.smoke_test,
        key=kms.Key(lake, "Key"),
        warehouse=secretsmanager.Secret(lake, "Secret"),
        warehouse_rights=[],
        network=None,
    )
    app.synth()
    made = json.loads((tmp_path / "out/ingot-local-smoke-test.template.json").read_text())["Resources"]

    assert "VpcConfig" not in project(made)
    assert "--runner state-machine" in project(made)["Source"]["BuildSpec"]
    (role,) = (each["Properties"] for each in made.values() if each["Type"] == "AWS::IAM::Role")
    allowed = json.dumps(role["Policies"])
    assert "stateMachine:ingot-local-fakestore" in allowed
    assert "glue:StartJobRun" not in allowed


def test_inside_it_needs_a_way_to_the_package_index(tmp_path: Path) -> None:
    file = changed(tmp_path, "dev", network={"zones": ["a", "b"]}, mwaa=None)

    with pytest.raises(ConfigurationError, match="smoke_test needs a network with nat"):
        load_settings("dev", {}, file)
