"""dbt's container task: what it runs, as whom, with which rights, and the image that is built for it."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from infra.dbt_image import DOCKERFILE, build_context
from infra.settings import DbtTask, Network, load_settings
from ingot.naming import Names
from tests.unit.infra.conftest import VARIABLES

ROOT = Path(__file__).resolve().parents[3]
HADOLINT = ROOT / ".venv-hadolint" / "bin" / "hadolint"


def container(assembly: Any) -> dict[str, Any]:
    (task,) = assembly.resources("AWS::ECS::TaskDefinition").values()
    (found,) = task["Properties"]["ContainerDefinitions"]
    return dict(found)


def statements(assembly: Any, role: str) -> dict[str, Any]:
    (found,) = (
        each["Properties"] for name, each in assembly.resources("AWS::IAM::Role").items() if f"Dbt{role}" in name
    )
    return {each["Sid"]: each for policy in found.get("Policies", []) for each in policy["PolicyDocument"]["Statement"]}


def test_the_warehouses_secret_reaches_it_as_secrets_and_nothing_as_plain_variables(local: Any) -> None:
    found = container(local)
    profile = (ROOT / "dbt/profiles.yml").read_text(encoding="utf-8")

    assert "Environment" not in found
    members = {each["Name"]: each["ValueFrom"]["Fn::Join"][1][-1] for each in found["Secrets"]}
    assert members == {
        "INGOT_WAREHOUSE_HOST": ":host::",
        "INGOT_WAREHOUSE_PORT": ":port::",
        "INGOT_WAREHOUSE_USER": ":username::",
        "INGOT_WAREHOUSE_PASSWORD": ":password::",
        "INGOT_WAREHOUSE_DBNAME": ":dbname::",
    }
    assert set(re.findall(r"env_var\('(\w+)'", profile)) == set(members)


def test_it_is_nobody_special(local: Any) -> None:
    found = container(local)
    (task,) = local.resources("AWS::ECS::TaskDefinition").values()

    assert found["ReadonlyRootFilesystem"] is True
    assert found["User"] not in ("root", "0", "0:0")
    assert found["LinuxParameters"]["Capabilities"] == {"Drop": ["ALL"]}
    assert "Privileged" not in found
    assert task["Properties"]["NetworkMode"] == "awsvpc"
    assert statements(local, "TaskRole") == {}
    (cluster,) = local.resources("AWS::ECS::Cluster").values()
    storage = cluster["Properties"]["Configuration"]["ManagedStorageConfiguration"]
    assert "ingot-local-lake:ExportsOutputFnGetAttKey" in storage["FargateEphemeralStorageKmsKeyId"]["Fn::ImportValue"]
    assert cluster["Properties"]["ClusterSettings"] == [{"Name": "containerInsights", "Value": "enabled"}]


def test_ecs_may_read_the_secret_and_write_the_log_and_no_more(local: Any) -> None:
    found = statements(local, "ExecutionRole")

    assert set(found) == {"Secrets", "Key", "Log"}, "no image is pulled from a registry of AWS"
    assert "*" not in json.dumps([each["Resource"] for each in found.values()])
    assert "ingot-local-warehouse:" in found["Secrets"]["Resource"]["Fn::ImportValue"]
    assert found["Key"]["Action"] == "kms:Decrypt"


def test_what_it_runs_is_what_the_command_line_runs(local: Any) -> None:
    """That dbt takes the words is shown where it runs: tests/e2e/test_state_machine.py."""
    build, *words = container(local)["Command"]
    transform = (ROOT / "ingot/cli/transform.py").read_text(encoding="utf-8")

    assert build == "build"
    assert dict(zip(words[::2], words[1::2], strict=True)) == {
        "--target": "postgres", "--exclude-resource-type": "unit_test",
    }  # fmt: skip
    assert all(f'"{option}"' in transform for option in words[::2])


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Any]:
    """``built(task, network)``: the stack as it is where the image comes from elsewhere, and cdk-nag's findings."""

    def run(task: DbtTask, network: Network) -> Any:
        import aws_cdk as cdk
        from aws_cdk import aws_kms as kms
        from aws_cdk import aws_secretsmanager as secretsmanager
        from cdk_nag import AwsSolutionsChecks

        from infra.constructs.mask_salt import MaskSalt
        from infra.deployment import Deployment, IngotStack
        from infra.stacks.network import NetworkStack
        from infra.stacks.state_machines import StateMachinesStack
        from infra.stacks.transform import TransformStack
        from ingot.sources import load_sources
        from tests.unit.infra.conftest import _assembly

        out = tmp_path_factory.mktemp("transform")
        flags = json.loads((ROOT / "cdk.json").read_text(encoding="utf-8"))["context"]
        app = cdk.App(outdir=str(out), analytics_reporting=False, context=flags)
        settings = msgspec.structs.replace(load_settings("local", VARIABLES), dbt_task=task, network=network)
        names = Names(environment="local", account="000000000000", region="us-east-1")
        deployment = Deployment(settings=settings, names=names, root=ROOT, build=out / "build")
        lake = IngotStack(app, "lake", deployment, description="The key")
        key = kms.Key(lake, "Key", enable_key_rotation=True)
        secret = secretsmanager.Secret.from_secret_name_v2(lake, "Secret", names.warehouse_secret)
        salt = MaskSalt(lake, "MaskSalt", deployment, key=key) if task.mask_salt else None
        inside = NetworkStack(app, deployment, network, key=key).network
        dbt = TransformStack(app, deployment, task, key=key, warehouse=secret, salt=salt, network=inside).dbt
        StateMachinesStack(app, deployment, load_sources(ROOT / "sources"), key=key, dbt=dbt)
        cdk.Validations.of(app).add_plugins(AwsSolutionsChecks(app))
        return _assembly(app, "local", out, 0.0)

    return run


def test_an_image_of_the_checkout_is_staged_without_docker_and_may_be_pulled(built: Callable[..., Any]) -> None:
    assembly = built(DbtTask(), Network(zones=["a", "b"]))

    assert "cdk-hnb659fds-container-assets-" in json.dumps(container(assembly)["Image"])
    pull = statements(assembly, "ExecutionRole")["Pull"]
    assert "repository/cdk-hnb659fds-container-assets-" in json.dumps(pull["Resource"])
    (staged,) = assembly.files[0].parent.glob("asset.*/Dockerfile")
    assert staged.read_bytes() == DOCKERFILE.read_bytes()
    (salt,) = (name for name in assembly.resources("AWS::SecretsManager::Secret") if "MaskSalt" in name)
    assert salt.startswith("lake/")
    (reference,) = (one["ValueFrom"] for one in container(assembly)["Secrets"] if one["Name"] == "INGOT_MASK_SALT")
    assert "lake:ExportsOutputRefMaskSalt" in reference["Fn::ImportValue"]
    assert reference in statements(assembly, "ExecutionRole")["Secrets"]["Resource"]
    assert [finding for finding in assembly.findings if "/transform" in finding[1] or "-machines" in finding[1]] == []
    services = json.dumps(
        [e["Properties"]["ServiceName"] for e in assembly.resources("AWS::EC2::VPCEndpoint").values()]
    )
    assert "ecr.api" in services, "without NAT an image has no other way in"
    assert "ecr.dkr" in services


def test_an_image_of_a_registry_in_aws_may_be_pulled_from_there_alone(built: Callable[..., Any]) -> None:
    uri = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/team/dbt:1.2"
    assembly = built(DbtTask(image=uri), Network(zones=["a", "b"], nat=True))

    assert container(assembly)["Image"] == uri
    pull = statements(assembly, "ExecutionRole")["Pull"]
    assert ":ecr:eu-central-1:123456789012:repository/team/dbt" in json.dumps(pull["Resource"])
    services = json.dumps(
        [e["Properties"]["ServiceName"] for e in assembly.resources("AWS::EC2::VPCEndpoint").values()]
    )
    assert "ecr." not in services


@pytest.mark.parametrize(
    "wrong",
    [
        {"image": "ingot/dbt"},
        {"image": "ingot/dbt:latest"},
        {"image": "registry:5000/dbt"},
        {"cpu": 256, "memory_mib": 4096},
        {"cpu": 1024, "memory_mib": 2560},
        {"cpu": 4096, "memory_mib": 4096},
    ],
)
def test_an_image_without_a_version_and_a_size_that_fargate_lacks_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(wrong, DbtTask)


def test_what_fits_is_taken() -> None:
    for right in (
        {"cpu": 256, "memory_mib": 512},
        {"cpu": 4096, "memory_mib": 30720},
        {"image": "registry:5000/dbt:1"},
    ):
        msgspec.convert(right, DbtTask)


def test_without_a_network_there_is_no_task() -> None:
    settings = load_settings("local", VARIABLES)
    with pytest.raises(ValueError, match="dbt_task needs a network"):
        msgspec.structs.replace(settings, network=None)


def instructions(name: str) -> list[str]:
    text = re.sub(r"\\\n", "", DOCKERFILE.read_text(encoding="utf-8"))
    return re.findall(rf"^{name} (.+)$", text, re.MULTILINE)


def test_the_image_holds_the_lock_and_the_project_and_nothing_that_a_tool_left(tmp_path: Path) -> None:
    context = build_context(tmp_path / "context", ROOT)

    for source in (line.split()[0] for line in instructions("COPY")):
        assert (context / source).exists(), source
    there = {path.relative_to(context).as_posix() for path in context.rglob("*") if path.is_file()}
    assert {"Dockerfile", "requirements/dbt.txt", "dbt/dbt_project.yml", "dbt/profiles.yml"} <= there
    assert not [path for path in there if path.startswith(("dbt/target", "dbt/logs")) or ".user.yml" in path]


def test_the_image_is_what_the_task_takes_it_for(local: Any) -> None:
    found = container(local)
    (scratch,) = found["MountPoints"]

    assert instructions("USER") == [found["User"]]
    assert json.loads(instructions("VOLUME")[0]) == [scratch["ContainerPath"]]
    (environment,) = instructions("ENV")
    written_to = dict(pair.split("=") for pair in environment.split())
    for name in ("DBT_TARGET_PATH", "DBT_LOG_PATH", "HOME", "TMPDIR"):
        assert written_to[name].startswith(scratch["ContainerPath"]), name
    (base,) = instructions("FROM")
    assert re.fullmatch(r"[a-z]+:\d+\.\d+\.\d+-[a-z-]+", base)
    assert json.loads(instructions("ENTRYPOINT")[0]) == ["/opt/dbt/bin/python", "turn.py", "/opt/dbt/bin/dbt"]


def test_hadolint_finds_nothing() -> None:
    assert HADOLINT.exists(), "run `make .venv-hadolint/.made`, as `make test` does"
    done = subprocess.run([str(HADOLINT), str(DOCKERFILE)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")
