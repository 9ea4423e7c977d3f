"""The console's stack: who gets to it, as whom it runs, what it may do, and the image that is built for it."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest

from infra.access import CONSOLE, CONSOLE_JOBS
from infra.console_image import FOLDER, build_context
from infra.settings import Console, Redshift, load_settings
from ingot.console.settings import Settings as ConsoleSettings
from ingot.cost import fixed_lines, load_prices
from ingot.naming import JOBS
from ingot.warehouse.reader import OWNER, READER
from tests.console_example import CLIENT_SECRET, console_settings
from tests.console_example import CONSOLE as EXAMPLE
from tests.unit.infra.conftest import VARIABLES
from tests.unit.infra.review import flat, read_exceptions, review, unexplained

ROOT = Path(__file__).resolve().parents[3]
DOCKERFILE = FOLDER / "Dockerfile"
HADOLINT = ROOT / ".venv-hadolint" / "bin" / "hadolint"


def the(assembly: Any, kind: str, *, having: str = "") -> dict[str, Any]:
    """The properties of the one resource of a type in the console's stack whose name holds a word."""
    (found,) = (
        resource["Properties"]
        for path, resource in assembly.resources(kind).items()
        if path.startswith("console/") and having in path
    )
    return dict(found)


def containers(assembly: Any) -> dict[str, dict[str, Any]]:
    return {each["Name"]: each for each in the(assembly, "AWS::ECS::TaskDefinition")["ContainerDefinitions"]}


def statements(assembly: Any, role: str) -> dict[str, Any]:
    found = the(assembly, "AWS::IAM::Role", having=role)
    return {each["Sid"]: each for policy in found["Policies"] for each in policy["PolicyDocument"]["Statement"]}


def test_no_environment_of_the_repository_has_a_console(every: Mapping[str, Any]) -> None:
    assert not [name for name, assembly in every.items() if "console" in assembly.templates]


def test_a_console_changes_nothing_else_but_what_it_stands_on(with_console: Any, prod: Any) -> None:
    besides = {path.split("/")[0] for path in with_console.resources_besides(prod)}

    assert besides == {"console", "network", "warehouse", "observability"}
    gone = prod.resources_besides(with_console)
    assert gone == {}, "a network that stands keeps its subnets"
    for kind in ("AWS::EC2::Subnet", "AWS::EC2::NatGateway"):
        before, after = prod.resources(kind), with_console.resources(kind)
        assert {path: after[path]["Properties"] for path in before} == {p: r["Properties"] for p, r in before.items()}


def test_a_reviewer_and_cdk_nag_find_nothing_in_it_without_a_reason(with_console: Any) -> None:
    """cfn-lint and checkov are asked in test_templates_lint.py."""
    found = {
        finding
        for purpose in ("console", "network", "warehouse")
        for finding in review(purpose, with_console.templates[purpose], protect=True)
    }

    assert unexplained(found, read_exceptions()) == []
    assert with_console.findings == []


def test_what_it_costs_is_known(with_console: Any) -> None:
    lines = fixed_lines({"console": with_console.templates["console"]}, load_prices())

    assert [(line.what, line.note) for line in lines if line.unknown] == []
    assert {line.price for line in lines if line.price} >= {"load-balancer", "fargate-vcpu", "fargate-gb"}
    of_tasks = {line.price: line.quantity for line in lines if line.what == "ECS::Service"}
    hours = load_prices().hours_per_month
    assert of_tasks["fargate-vcpu"] == hours * 2 * 512 / 1024, "two tasks"
    assert of_tasks["fargate-gb"] == hours * 2


def test_people_come_by_https_and_are_asked_who_they_are_and_no_path_is_left_out(with_console: Any) -> None:
    listeners = with_console.resources("AWS::ElasticLoadBalancingV2::Listener").values()
    https, http = (
        next(each["Properties"] for each in listeners if each["Properties"]["Port"] == port) for port in (443, 80)
    )
    assert len(listeners) == 2
    ask, forward = sorted(https["DefaultActions"], key=lambda action: action["Order"])

    assert (https["Protocol"], https["SslPolicy"]) == ("HTTPS", "ELBSecurityPolicy-TLS13-1-3-2021-06")
    assert (ask["Type"], forward["Type"]) == ("authenticate-oidc", "forward")
    oidc = ask["AuthenticateOidcConfig"]
    assert oidc["OnUnauthenticatedRequest"] == "authenticate"
    assert oidc["ClientSecret"] == f"{{{{resolve:secretsmanager:{CLIENT_SECRET}:SecretString:client_secret::}}}}"
    assert [action["Type"] for action in http["DefaultActions"]] == ["redirect"]
    assert http["DefaultActions"][0]["RedirectConfig"]["Protocol"] == "HTTPS"
    assert with_console.resources("AWS::ElasticLoadBalancingV2::ListenerRule") == {}


def test_the_load_balancer_is_as_the_settings_say_and_protected_where_data_is(
    with_console: Any, synthesise: Callable[..., Any], tmp_path: Path
) -> None:
    def attributes(assembly: Any) -> dict[str, str]:
        found = the(assembly, "AWS::ElasticLoadBalancingV2::LoadBalancer")["LoadBalancerAttributes"]
        return {each["Key"]: each["Value"] for each in found}

    acl = "arn:aws:wafv2:us-east-1:111111111111:regional/webacl/ours/0c3f6e2a"
    everybody = {"addresses": ["0.0.0.0/0"], "internal": True, "web_acl": acl, "insights": False}
    dev = synthesise("dev", settings=console_settings(tmp_path, "dev", **everybody))

    assert attributes(with_console)["deletion_protection.enabled"] == "true"
    assert attributes(dev)["deletion_protection.enabled"] == "false"
    assert attributes(dev)["routing.http.drop_invalid_header_fields.enabled"] == "true"
    # This one is for whoever is connected with the network, and WAF looks at what they ask.
    balancer = the(dev, "AWS::ElasticLoadBalancingV2::LoadBalancer")
    assert balancer["Scheme"] == "internal"
    assert "PrivateSubnet" in json.dumps(balancer["Subnets"])
    assert not [path for path in dev.resources("AWS::EC2::Subnet") if "Balancer" in path]
    assert the(dev, "AWS::WAFv2::WebACLAssociation")["WebACLArn"] == acl
    (setting,) = the(dev, "AWS::ECS::Cluster")["ClusterSettings"]
    assert setting == {"Name": "containerInsights", "Value": "disabled"}
    assert dev.findings == []


def test_security_groups_lead_from_the_named_addresses_to_the_balancer_to_the_task_and_no_further(
    with_console: Any,
) -> None:
    groups = {
        name: path.partition("/")[2]
        for name in ("Balancer", "Task")
        for path in with_console.resources("AWS::EC2::SecurityGroup")
        if f"Console{name}" in path
    }
    inline = {
        name: with_console.resources("AWS::EC2::SecurityGroup")[f"network/{path}"]["Properties"]
        for name, path in groups.items()
    }
    reference = {name: {"Fn::GetAtt": [path, "GroupId"]} for name, path in groups.items()}

    def rules(direction: str, group: str) -> list[tuple[Any, int]]:
        peer = "SourceSecurityGroupId" if direction == "Ingress" else "DestinationSecurityGroupId"
        beside = [r["Properties"] for r in with_console.resources(f"AWS::EC2::SecurityGroup{direction}").values()]
        return [(each[peer], each["FromPort"]) for each in beside if each["GroupId"] == reference[group]]

    came = [(rule["CidrIp"], rule["FromPort"]) for rule in inline["Balancer"]["SecurityGroupIngress"]]
    assert sorted(came) == [(address, port) for address in EXAMPLE["addresses"] for port in (80, 443)]
    assert rules("Ingress", "Balancer") == []
    assert rules("Egress", "Balancer") == [(reference["Task"], 8080)]
    assert "SecurityGroupIngress" not in inline["Task"]
    assert rules("Ingress", "Task") == [(reference["Balancer"], 8080)]
    ((warehouse, port),) = rules("Egress", "Task")
    assert ("NetworkWarehouse" in json.dumps(warehouse), port) == (True, 5432)
    for each in inline.values():
        assert [rule["FromPort"] for rule in each["SecurityGroupEgress"]] == [443]


def test_the_service_is_private_and_a_bad_deployment_goes_back(with_console: Any) -> None:
    service = the(with_console, "AWS::ECS::Service")

    network = service["NetworkConfiguration"]["AwsvpcConfiguration"]
    assert network["AssignPublicIp"] == "DISABLED"
    assert all("PrivateSubnet" in json.dumps(subnet) for subnet in network["Subnets"])
    how = service["DeploymentConfiguration"]
    assert how["DeploymentCircuitBreaker"] == {"Enable": True, "Rollback": True}
    assert (how["MinimumHealthyPercent"], how["MaximumPercent"]) == (100, 200)
    assert (service["DesiredCount"], service["EnableExecuteCommand"]) == (2, False)


def test_its_containers_are_nobody_special_and_write_to_a_scratch_folder_only(with_console: Any) -> None:
    for found in containers(with_console).values():
        assert found["ReadonlyRootFilesystem"] is True
        assert found["User"] not in ("root", "0", "0:0")
        assert found["LinuxParameters"]["Capabilities"] == {"Drop": ["ALL"]}
        assert "Privileged" not in found
        (scratch,) = found["MountPoints"]
        assert json.loads(instructions("VOLUME")[0]) == [scratch["ContainerPath"]]
        assert instructions("USER") == [found["User"]]


def test_the_console_never_holds_the_login_that_can_write(with_console: Any) -> None:
    found = containers(with_console)

    assert "Secrets" not in found["console"]
    assert {each["Name"] for each in found["grant"]["Secrets"]} == {OWNER, READER}
    assert found["grant"]["EntryPoint"] == ["python", "-m", "ingot.warehouse.reader"]
    assert found["grant"]["Essential"] is False
    assert found["console"]["DependsOn"] == [{"ContainerName": "grant", "Condition": "SUCCESS"}]
    read = statements(with_console, "TaskRole")["Warehouse"]
    assert json.dumps(read["Resource"]).count("Reader") == 1
    assert isinstance(read["Resource"], dict), "one secret"


def test_the_console_is_told_whom_to_believe(with_console: Any) -> None:
    variables = {each["Name"]: each["Value"] for each in containers(with_console)["console"]["Environment"]}
    (balancer,) = (
        path.partition("/")[2] for path in with_console.resources("AWS::ElasticLoadBalancingV2::LoadBalancer")
    )
    assert variables["INGOT_UI_ALB_ARN"] == {"Ref": balancer}

    told = ConsoleSettings.read({**variables, "INGOT_UI_ALB_ARN": "arn:aws:elasticloadbalancing:r:1:loadbalancer/app"})

    assert (told.auth, told.warehouse_secret) == ("alb", "ingot/prod/warehouse_reader")
    assert variables["INGOT_ENVIRONMENT"] == "prod"


def test_the_task_reads_and_starts_what_a_replay_takes_and_nothing_else(with_console: Any) -> None:
    found = statements(with_console, "TaskRole")

    assert {action for each in found.values() for action in each["Action"] if isinstance(each["Action"], list)} == {
        "glue:StartJobRun", "glue:GetJobRun",
    }  # fmt: skip
    assert {each["Action"] for each in found.values() if isinstance(each["Action"], str)} == {
        "s3:GetObject", "s3:ListBucket", "secretsmanager:GetSecretValue", "kms:Decrypt",
    }  # fmt: skip
    steps = {flat(job).rpartition("-")[2] for job in found["Replay"]["Resource"]}
    assert steps == set(CONSOLE_JOBS) < set(JOBS)
    assert len(found["Read"]["Resource"]) == len(CONSOLE.read)
    assert not any(path.startswith("bronze/data/") for path in CONSOLE.read), "no accepted record"


def instructions(name: str) -> list[str]:
    """The arguments of every such instruction of the image's last stage."""
    text = re.sub(r"\\\n", "", DOCKERFILE.read_text(encoding="utf-8")).rpartition("\nFROM ")[2]
    return re.findall(rf"^{name} (.+)$", "FROM " + text, re.MULTILINE)


def test_the_image_holds_what_its_dockerfile_copies_and_nothing_that_a_tool_left(tmp_path: Path) -> None:
    context = build_context(tmp_path / "context", ROOT)
    copied = re.findall(r"^COPY (?!--from)(\S+)", DOCKERFILE.read_text(encoding="utf-8"), re.MULTILINE)

    assert copied
    for source in copied:
        assert (context / source).exists(), source
        assert (ROOT / source).exists(), source
    there = {path.relative_to(context).as_posix() for path in context.rglob("*") if path.is_file()}
    assert {"Dockerfile", "requirements/ui.txt", "ingot/cli/app.py", "sources/fakestore/source.yaml"} <= there
    assert not [path for path in there if "recorded/" in path or "__pycache__" in path]
    tops = {path.split("/")[0] for path in there}
    assert tops == {"Dockerfile"} | {source.split("/")[0] for source in copied}


def test_the_image_is_what_the_service_takes_it_for(with_console: Any) -> None:
    found = containers(with_console)["console"]
    (mapped,) = found["PortMappings"]

    assert instructions("EXPOSE") == [str(mapped["ContainerPort"])]
    assert json.loads(instructions("CMD")[0])[-1] == str(mapped["ContainerPort"])
    assert found["HealthCheck"]["Command"][1:] == json.loads(instructions("HEALTHCHECK")[0].partition("CMD ")[2])
    bases = re.findall(r"^FROM (\S+)", DOCKERFILE.read_text(encoding="utf-8"), re.MULTILINE)
    assert len(set(bases)) == 1
    assert re.fullmatch(r"[a-z]+:\d+\.\d+\.\d+-[a-z-]+", bases[0])
    assert the(with_console, "AWS::ECS::TaskDefinition")["RuntimePlatform"]["CpuArchitecture"] == "X86_64"


def test_hadolint_finds_nothing() -> None:
    assert HADOLINT.exists(), "run `make .venv-hadolint/.made`, as `make test` does"
    done = subprocess.run([str(HADOLINT), str(DOCKERFILE)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"network": None, "mwaa": None, "smoke_test": None}, "network with nat"),
        ({"network": {"zones": ["a", "b"], "nat": True, "cidr": "10.60.0.0/24"}}, "/22 or larger"),
        ({"warehouse": Redshift(), "network": {"zones": ["a", "b", "c"], "nat": True}}, "no Redshift"),
    ],
)
def test_where_it_cannot_stand_it_is_refused(changes: dict[str, Any], reason: str) -> None:
    settings = load_settings("dev", VARIABLES)
    network = changes.get("network")
    if network:
        changes = {**changes, "network": msgspec.convert(network, type(settings.network))}
    with pytest.raises(ValueError, match=reason):
        msgspec.structs.replace(settings, console=msgspec.convert(EXAMPLE, Console), **changes)


@pytest.mark.parametrize(
    "wrong",
    [
        {"addresses": []},
        {"addresses": ["everybody"]},
        {"certificate": "arn:aws:iam::1:server-certificate/x"},
        {"domain": "https://ingot.example.com"},
        {"image": "ingot/console"},
        {"memory_mib": 512},
        {"oidc": {**EXAMPLE["oidc"], "scope": "email"}},
        {"oidc": {**EXAMPLE["oidc"], "token_endpoint": "http://login.example.com/token"}},
        {"oidc": {**EXAMPLE["oidc"], "client_secret": "{{resolve}}"}},
    ],
)
def test_a_wrong_setting_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({**EXAMPLE, **wrong}, Console)
