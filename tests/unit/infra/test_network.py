"""The network: no way in, no way out but to what is needed, and all that passes is logged."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from infra.settings import Network, Redshift

PROTECTED = ("AWS::EC2::VPC", "AWS::EC2::Subnet")


def the(assembly: Any, kind: str, *, having: str = "") -> dict[str, Any]:
    """The properties of the one resource of a type whose name holds a word."""
    (found,) = (
        resource["Properties"]
        for path, resource in assembly.resources(kind).items()
        if path.startswith("network/") and having in path
    )
    return dict(found)


def group(name: str) -> dict[str, Any]:
    """A rule's peer, in the words of the template."""
    return {"Fn::GetAtt": [name, "GroupId"]}


@pytest.fixture(scope="module")
def closed(warehouse_stacks: Callable[..., Any]) -> Any:
    """A network without NAT, of three zones, with Redshift in it."""
    return warehouse_stacks(Network(zones=["a", "b", "c"], endpoints=["sqs"]), Redshift(), allow_data_deletion=True)


def test_no_security_group_takes_a_connection_from_an_address(prod: Any, closed: Any) -> None:
    for assembly in (prod, closed):
        for path, found in assembly.resources("AWS::EC2::SecurityGroup").items():
            assert "SecurityGroupIngress" not in found["Properties"], path
        rules = assembly.resources("AWS::EC2::SecurityGroupIngress")
        assert rules
        for path, rule in rules.items():
            assert "Fn::GetAtt" in rule["Properties"]["SourceSecurityGroupId"], path


def named(assembly: Any, part: str) -> dict[str, Any]:
    """The one security group whose name has a part."""
    (name,) = (p.split("/")[1] for p in assembly.resources("AWS::EC2::SecurityGroup") if f"Network{part}" in p)
    return group(name)


def test_the_warehouse_is_reached_by_its_clients_and_airflow_at_its_port_and_by_nobody_else(
    prod: Any, closed: Any
) -> None:
    for assembly, port, clients in ((prod, 5432, ("Airflow", "Clients")), (closed, 5439, ("Clients",))):
        rules = [rule["Properties"] for rule in assembly.resources("AWS::EC2::SecurityGroupIngress").values()]
        rules = [rule for rule in rules if rule["GroupId"] == named(assembly, "Warehouse")]
        wanted = [(named(assembly, client), port, port) for client in clients]

        found = [(rule["SourceSecurityGroupId"], rule["FromPort"], rule["ToPort"]) for rule in rules]
        assert sorted(found, key=str) == sorted(wanted, key=str)


def test_airflow_is_spoken_to_by_itself_alone_and_is_there_where_the_settings_have_it(prod: Any, closed: Any) -> None:
    airflow = named(prod, "Airflow")
    rules = [rule["Properties"] for rule in prod.resources("AWS::EC2::SecurityGroupIngress").values()]

    assert [(r["SourceSecurityGroupId"], r["IpProtocol"]) for r in rules if r["GroupId"] == airflow] == [
        (airflow, "-1")
    ]
    assert (airflow, 443) in [
        (r["SourceSecurityGroupId"], r["FromPort"]) for r in rules if r["GroupId"] == named(prod, "Endpoints")
    ]
    assert "Airflow" not in " ".join(closed.resources("AWS::EC2::SecurityGroup"))


def test_the_workers_of_a_job_reach_each_other_as_glue_demands(prod: Any) -> None:
    (clients,) = (p.split("/")[1] for p in prod.resources("AWS::EC2::SecurityGroup") if "NetworkClients" in p)
    for kind, peer in (("Ingress", "SourceSecurityGroupId"), ("Egress", "DestinationSecurityGroupId")):
        rules = [r["Properties"] for r in prod.resources(f"AWS::EC2::SecurityGroup{kind}").values()]

        assert (0, 65535, "tcp") in [
            (rule["FromPort"], rule["ToPort"], rule["IpProtocol"])
            for rule in rules
            if rule["GroupId"] == rule[peer] == group(clients)
        ]


def test_what_leaves_to_any_address_is_https_but_from_airflow_which_demands_all(prod: Any, closed: Any) -> None:
    for assembly in (prod, closed):
        for path, found in assembly.resources("AWS::EC2::SecurityGroup").items():
            if "NetworkAirflow" in path:
                assert [rule["IpProtocol"] for rule in found["Properties"]["SecurityGroupEgress"]] == ["-1"]
                continue
            for rule in found["Properties"]["SecurityGroupEgress"]:
                if rule["CidrIp"] == "0.0.0.0/0":
                    assert (rule["IpProtocol"], rule["FromPort"], rule["ToPort"]) == ("tcp", 443, 443), path


def test_without_nat_no_route_leads_out(closed: Any, prod: Any) -> None:
    for kind in ("InternetGateway", "NatGateway", "Route", "EIP"):
        assert closed.resources(f"AWS::EC2::{kind}") == {}, kind
    assert len(prod.resources("AWS::EC2::NatGateway")) == 1


def test_no_subnet_gives_out_public_addresses_and_nat_is_all_that_is_in_a_public_one(prod: Any, closed: Any) -> None:
    for assembly in (prod, closed):
        for path, subnet in assembly.resources("AWS::EC2::Subnet").items():
            assert subnet["Properties"]["MapPublicIpOnLaunch"] is False, path
    public = {path.split("/")[1] for path in prod.resources("AWS::EC2::Subnet") if "Public" in path}
    users = {
        path
        for purpose, template in prod.templates.items()
        for path, resource in template["Resources"].items()
        if purpose == "network" and any(name in json.dumps(resource.get("Properties", {})) for name in public)
    }

    assert {prod.templates["network"]["Resources"][path]["Type"] for path in users} == {
        "AWS::EC2::SubnetRouteTableAssociation",
        "AWS::EC2::NatGateway",
    }


def test_zones_are_those_of_the_settings_and_an_added_one_or_nat_renumbers_no_subnet(
    prod: Any, closed: Any, synthesise: Callable[..., Any]
) -> None:
    def private(assembly: Any) -> dict[str, str]:
        return {
            subnet["Properties"]["AvailabilityZone"]: subnet["Properties"]["CidrBlock"]
            for path, subnet in assembly.resources("AWS::EC2::Subnet").items()
            if "Private" in path
        }

    dev = private(synthesise("dev"))
    assert private(prod) == private(closed)
    assert list(private(closed)) == ["us-east-1a", "us-east-1b", "us-east-1c"]
    assert dev == {zone: private(closed)[zone] for zone in ("us-east-1a", "us-east-1b")}


def test_services_are_reached_through_endpoints_in_the_private_subnets(prod: Any, closed: Any) -> None:
    always = {"secretsmanager", "logs", "glue", "kms", "sts", "monitoring"}
    for assembly, services in (
        (prod, always | {"sqs"}),  # Airflow's queue
        (closed, always | {"sqs", "redshift-data", "redshift-serverless", "ecr.api", "ecr.dkr"}),  # dbt's image
    ):
        endpoints = [found["Properties"] for found in assembly.resources("AWS::EC2::VPCEndpoint").values()]
        inside = [endpoint for endpoint in endpoints if endpoint["VpcEndpointType"] == "Interface"]

        assert {endpoint["ServiceName"].removeprefix("com.amazonaws.us-east-1.") for endpoint in inside} == services
        for endpoint in inside:
            assert endpoint["PrivateDnsEnabled"] is True
            assert len(endpoint["SubnetIds"]) == 3
            assert "Private" in json.dumps(endpoint["SubnetIds"])
        (s3,) = (endpoint for endpoint in endpoints if endpoint["VpcEndpointType"] == "Gateway")
        assert len(s3["RouteTableIds"]) == 3
        assert "Public" not in json.dumps(s3["RouteTableIds"])


def test_all_that_passes_is_logged_encrypted_and_kept_as_long_as_the_settings_say(prod: Any, closed: Any) -> None:
    for assembly, days in ((prod, 365), (closed, 7)):
        flows, logs = the(assembly, "AWS::EC2::FlowLog"), the(assembly, "AWS::Logs::LogGroup")

        assert (flows["ResourceType"], flows["TrafficType"]) == ("VPC", "ALL")
        assert logs["LogGroupName"] == f"/ingot/{assembly.environment}/network"
        assert logs["RetentionInDays"] == days
        assert "lake:ExportsOutputFnGetAttKey" in json.dumps(logs["KmsKeyId"])
        (key,) = (key for path, key in assembly.resources("AWS::KMS::Key").items() if path.startswith("lake/"))
        assert f"log-group:/ingot/{assembly.environment}/network" in json.dumps(key["Properties"]["KeyPolicy"])


def test_the_default_security_group_has_no_rule(prod: Any) -> None:
    restricted = the(prod, "Custom::VpcRestrictDefaultSG")["DefaultSecurityGroupId"]

    assert restricted["Fn::GetAtt"][1] == "DefaultSecurityGroup"


def test_a_network_stays_as_long_as_a_cluster_that_is_kept_in_it(prod: Any, closed: Any) -> None:
    for kind in PROTECTED:
        assert {found["DeletionPolicy"] for p, found in prod.resources(kind).items() if "Public" not in p} == {"Retain"}
        assert {found.get("DeletionPolicy", "Delete") for found in closed.resources(kind).values()} == {"Delete"}


def test_the_rules_hold_for_a_network_without_nat(closed: Any) -> None:
    assert closed.findings == []


@pytest.mark.parametrize("step", ["load", "audit", "rebuild"])
def test_a_job_that_reaches_the_warehouse_enters_the_network_and_may_do_there_what_that_takes(
    prod: Any, step: str
) -> None:
    connection = prod.resources("AWS::Glue::Connection")
    (wanted,) = (found["Properties"]["ConnectionInput"] for found in connection.values())
    job = job_of(prod, step)
    statements = {
        statement["Sid"]: statement
        for statement in prod.templates["jobs"]["Resources"][job["Role"]["Fn::GetAtt"][0]]["Properties"]["Policies"][0][
            "PolicyDocument"
        ]["Statement"]
    }
    place = wanted["PhysicalConnectionRequirements"]

    assert wanted["ConnectionType"] == "NETWORK"
    assert job["Connections"]["Connections"] == [wanted["Name"]]
    assert place["AvailabilityZone"] == "us-east-1a"
    entered = json.dumps(statements["Enter"]["Resource"])
    assert json.dumps(place["SubnetId"]) in entered
    assert json.dumps(place["SecurityGroupIdList"][0]) in entered
    for name in ("Tag", "Leave"):
        assert "ec2:Vpc" in statements[name]["Condition"]["ArnEquals"]
    anywhere = {name for name, found in statements.items() if found["Resource"] == "*"}
    assert anywhere - {"Trace"} == {"LookAround"}  # X-Ray knows no resources to be narrowed to
    assert all(action.startswith("ec2:Describe") for action in statements["LookAround"]["Action"])


@pytest.mark.parametrize("step", ["extract", "refine", "replay"])
def test_a_job_that_does_not_stays_outside_where_the_internet_is(prod: Any, step: str) -> None:
    job = job_of(prod, step)

    assert "Connections" not in job
    assert "ec2:" not in json.dumps(prod.templates["jobs"]["Resources"][job["Role"]["Fn::GetAtt"][0]])


def job_of(assembly: Any, step: str) -> dict[str, Any]:
    (job,) = (
        found["Properties"]
        for found in assembly.resources("AWS::Glue::Job").values()
        if found["Properties"]["Name"].endswith(f"-fakestore-{step}")
    )
    return dict(job)


def test_where_the_warehouse_is_not_inside_no_job_is(local: Any) -> None:
    assert local.resources("AWS::EC2::VPC")
    assert local.resources("AWS::Glue::Connection") == {}
    assert not [job for job in local.resources("AWS::Glue::Job").values() if "Connections" in job["Properties"]]
