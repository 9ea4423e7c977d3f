"""A network by EC2's own API: made by the stack, changed by an update, gone with it."""

from __future__ import annotations

import copy

import pytest

TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Principal": {"Service": "vpc-flow-logs.amazonaws.com"}, "Action": "sts:AssumeRole"}
    ],
}
VPC = {"Ref": "Vpc"}


def resource(kind: str, **properties) -> dict:
    return {"Type": kind if "::" in kind else f"AWS::EC2::{kind}", "Properties": properties}


def get(name: str, attribute: str) -> dict:
    return {"Fn::GetAtt": [name, attribute]}


def network(unique: str) -> dict:
    """What the network's stack is made of, with NAT, which the laptop's environment has not."""
    return {
        "Vpc": resource(
            "VPC",
            CidrBlock="10.7.0.0/16",
            EnableDnsSupport="true",
            EnableDnsHostnames=True,
            Tags=[{"Key": "Name", "Value": unique}],
        ),
        "Closed": resource(
            "Custom::VpcRestrictDefaultSG",
            ServiceToken="arn",
            Account="0",
            DefaultSecurityGroupId=get("Vpc", "DefaultSecurityGroup"),
        ),
        "Private": resource("Subnet", VpcId=VPC, CidrBlock="10.7.0.0/24", AvailabilityZone="us-east-1a"),
        "Public": resource(
            "Subnet", VpcId=VPC, CidrBlock="10.7.1.0/28", AvailabilityZone="us-east-1a", MapPublicIpOnLaunch=False
        ),
        "Table": resource("RouteTable", VpcId=VPC),
        "OfPrivate": resource(
            "SubnetRouteTableAssociation", SubnetId={"Ref": "Private"}, RouteTableId={"Ref": "Table"}
        ),
        "Gateway": resource("InternetGateway"),
        "Attached": resource("VPCGatewayAttachment", VpcId=VPC, InternetGatewayId={"Ref": "Gateway"}),
        "Address": resource("EIP", Domain="vpc", Tags=[{"Key": "Name", "Value": unique}]),
        "Nat": resource("NatGateway", SubnetId={"Ref": "Public"}, AllocationId=get("Address", "AllocationId")),
        "Out": resource(
            "Route", RouteTableId={"Ref": "Table"}, DestinationCidrBlock="0.0.0.0/0", NatGatewayId={"Ref": "Nat"}
        ),
        "S3": resource(
            "VPCEndpoint",
            VpcId=VPC,
            VpcEndpointType="Gateway",
            ServiceName="com.amazonaws.us-east-1.s3",
            RouteTableIds=[{"Ref": "Table"}],
        ),
        "Clients": resource(
            "SecurityGroup",
            VpcId=VPC,
            GroupDescription="jobs",
            SecurityGroupEgress=[
                {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "CidrIp": "0.0.0.0/0", "Description": "S3"}
            ],
        ),
        "Open": resource("SecurityGroup", VpcId=VPC, GroupDescription="no rule given: everything leaves"),
        "Among": resource(
            "SecurityGroupIngress",
            GroupId=get("Clients", "GroupId"),
            SourceSecurityGroupId=get("Clients", "GroupId"),
            IpProtocol="tcp",
            FromPort=0,
            ToPort="65535",
        ),
        "To": resource(
            "SecurityGroupEgress",
            GroupId=get("Clients", "GroupId"),
            DestinationSecurityGroupId=get("Open", "GroupId"),
            IpProtocol="tcp",
            FromPort=5432,
            ToPort=5432,
        ),
        "Secrets": resource(
            "VPCEndpoint",
            VpcId=VPC,
            VpcEndpointType="Interface",
            ServiceName="com.amazonaws.us-east-1.secretsmanager",
            SubnetIds=[{"Ref": "Private"}],
            SecurityGroupIds=[get("Clients", "GroupId")],
            PrivateDnsEnabled="true",
        ),
        "Group": resource("AWS::Logs::LogGroup", LogGroupName=f"/{unique}"),
        "Role": resource("AWS::IAM::Role", AssumeRolePolicyDocument=TRUST),
        "Flows": resource(
            "FlowLog",
            ResourceId=VPC,
            ResourceType="VPC",
            TrafficType="ALL",
            LogDestinationType="cloud-watch-logs",
            LogGroupName={"Ref": "Group"},
            DeliverLogsPermissionArn=get("Role", "Arn"),
        ),
        "Connection": resource(
            "AWS::Glue::Connection",
            CatalogId={"Ref": "AWS::AccountId"},
            ConnectionInput={
                "Name": unique,
                "ConnectionType": "NETWORK",
                "PhysicalConnectionRequirements": {
                    "AvailabilityZone": "us-east-1a",
                    "SubnetId": {"Ref": "Private"},
                    "SecurityGroupIdList": [get("Clients", "GroupId")],
                },
            },
        ),
    }


def rules(permissions: list[dict]) -> set[tuple]:
    """(from, to, peer) of every rule."""
    return {
        (rule.get("FromPort"), rule.get("ToPort"), peer.get("CidrIp") or peer.get("GroupId"))
        for rule in permissions
        for peer in (*rule["IpRanges"], *rule["UserIdGroupPairs"])
    }


def test_a_network_is_there_by_api_follows_the_template_and_goes_with_it(cloud, unique):
    ec2, glue = cloud.client("ec2"), cloud.client("glue")
    template = network(unique)
    outputs = {name: {"Value": {"Ref": name}} for name in template}

    def found(operation: str, key: str, **only) -> list[dict]:
        filters = [{"Name": name.replace("_", "-"), "Values": [value]} for name, value in only.items()]
        return getattr(ec2, operation)(Filters=filters)[key]

    stack = cloud.deploy(unique, template, Outputs=outputs)
    assert stack["StackStatus"] == "CREATE_COMPLETE", cloud.reasons(unique)
    made = {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}
    vpc = made["Vpc"]

    for attribute in ("enableDnsSupport", "enableDnsHostnames"):
        answer = ec2.describe_vpc_attribute(VpcId=vpc, Attribute=attribute)
        assert answer[attribute[0].upper() + attribute[1:]] == {"Value": True}
    assert {s["SubnetId"] for s in found("describe_subnets", "Subnets", vpc_id=vpc)} == {
        made["Private"],
        made["Public"],
    }
    (table,) = ec2.describe_route_tables(RouteTableIds=[made["Table"]])["RouteTables"]
    assert table["Associations"][0]["SubnetId"] == made["Private"]
    assert made["Nat"] in [route.get("NatGatewayId") for route in table["Routes"]]
    assert made["S3"] in [route.get("GatewayId") for route in table["Routes"]]
    groups = {g["GroupId"]: g for g in found("describe_security_groups", "SecurityGroups", vpc_id=vpc)}
    clients, open_ = groups[made["Clients"]], groups[made["Open"]]
    assert rules(clients["IpPermissions"]) == {(0, 65535, made["Clients"])}
    assert rules(clients["IpPermissionsEgress"]) == {(443, 443, "0.0.0.0/0"), (5432, 5432, made["Open"])}
    assert rules(open_["IpPermissionsEgress"]) == {(None, None, "0.0.0.0/0")}
    (default,) = [g for g in groups.values() if g["GroupName"] == "default"]
    assert (default["IpPermissions"], default["IpPermissionsEgress"]) == ([], [])
    endpoints = {e["VpcEndpointId"]: e for e in found("describe_vpc_endpoints", "VpcEndpoints", vpc_id=vpc)}
    assert endpoints[made["Secrets"]]["SubnetIds"] == [made["Private"]]
    assert endpoints[made["Secrets"]]["PrivateDnsEnabled"] is True
    (flows,) = ec2.describe_flow_logs(FlowLogIds=[made["Flows"]])["FlowLogs"]
    assert (flows["ResourceId"], flows["LogGroupName"], flows["FlowLogStatus"]) == (vpc, f"/{unique}", "ACTIVE")
    connection = glue.get_connection(Name=unique)["Connection"]
    assert connection["PhysicalConnectionRequirements"]["SubnetId"] == made["Private"]

    changed = copy.deepcopy(template)
    changed["Vpc"]["Properties"] |= {"EnableDnsHostnames": False, "Tags": [{"Key": "owner", "Value": "lake"}]}
    changed["Clients"]["Properties"]["SecurityGroupEgress"][0] |= {"FromPort": 80, "ToPort": 80}
    changed["To"]["Properties"] |= {"FromPort": 5439, "ToPort": 5439}
    changed["Secrets"]["Properties"]["SubnetIds"] = [{"Ref": "Public"}]
    changed["Connection"]["Properties"]["ConnectionInput"]["Description"] = "changed"
    stack = cloud.deploy(unique, changed, Outputs=outputs)
    assert stack["StackStatus"] == "UPDATE_COMPLETE", cloud.reasons(unique)
    now = {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}

    assert {name for name in made if made[name] != now[name]} == {"To"}, "all else is changed in place"
    (described,) = ec2.describe_vpcs(VpcIds=[vpc])["Vpcs"]
    assert described["Tags"] == [{"Key": "owner", "Value": "lake"}]
    assert ec2.describe_vpc_attribute(VpcId=vpc, Attribute="enableDnsHostnames")["EnableDnsHostnames"] == {
        "Value": False
    }
    (clients,) = ec2.describe_security_groups(GroupIds=[made["Clients"]])["SecurityGroups"]
    assert rules(clients["IpPermissionsEgress"]) == {(80, 80, "0.0.0.0/0"), (5439, 5439, made["Open"])}
    (endpoint,) = ec2.describe_vpc_endpoints(VpcEndpointIds=[made["Secrets"]])["VpcEndpoints"]
    assert endpoint["SubnetIds"] == [made["Public"]]
    assert glue.get_connection(Name=unique)["Connection"]["Description"] == "changed"

    cloud.client("cloudformation").delete_stack(StackName=unique)

    assert cloud.stack(unique) is None, cloud.reasons(unique)
    assert found("describe_vpcs", "Vpcs", vpc_id=vpc) == []
    assert found("describe_subnets", "Subnets", vpc_id=vpc) == []
    assert found("describe_internet_gateways", "InternetGateways", internet_gateway_id=made["Gateway"]) == []
    assert ec2.describe_flow_logs()["FlowLogs"] == []
    assert {e["State"] for e in ec2.describe_vpc_endpoints()["VpcEndpoints"] if e["VpcId"] == vpc} <= {"deleted"}
    assert ec2.describe_addresses()["Addresses"] == []
    with pytest.raises(glue.exceptions.EntityNotFoundException):
        glue.get_connection(Name=unique)


def test_a_rule_whose_peer_would_be_dropped_fails_the_stack(cloud, unique):
    rule = {"IpProtocol": "tcp", "FromPort": 1, "ToPort": 1, "SourceSecurityGroupName": "other"}
    group = resource("SecurityGroup", VpcId=VPC, GroupDescription="g", SecurityGroupIngress=[rule])
    stack = cloud.deploy(unique, {"Vpc": resource("VPC", CidrBlock="10.8.0.0/16"), "Group": group})

    assert stack["StackStatus"] == "ROLLBACK_COMPLETE"
    assert "SourceSecurityGroupName" in cloud.reasons(unique)
    mine = [{"Name": "cidr", "Values": ["10.8.0.0/16"]}]
    assert cloud.client("ec2").describe_vpcs(Filters=mine)["Vpcs"] == []
