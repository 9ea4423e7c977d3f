"""AWS::EC2: networks and all that stands in them; and the CDK's resource that closes the default security group.

EC2 changes few things in place: of most types a change of anything but the tags makes a new one, as in AWS.
"""

from __future__ import annotations

import json
from abc import abstractmethod
from typing import Any, ClassVar

from localcloud.cloudformation.resources import Context, Properties, Resource, ResourceType, register

_ANYWHERE = {"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}
"""The rule that a new security group has for what leaves it."""


class _Ec2(ResourceType):
    """A resource with an id of EC2's and with tags."""

    in_place: ClassVar[frozenset[str]] = frozenset()
    """Properties that an update changes, besides the tags."""

    def needs_replacement(self, old: dict[str, Any], new: dict[str, Any]) -> bool:
        return any(old.get(name) != new.get(name) for name in (old.keys() | new.keys()) - self.in_place - {"Tags"})

    def create(self, context: Context, properties: Properties) -> Resource:
        tags = properties.take("Tags")
        made = self.make(context, properties)
        try:
            self.change(context, made.physical_id, properties, {})
            _tag(context, self.tagged(context, made.physical_id), tags, None)
        except Exception:
            self.delete(context, made.physical_id, {})
            raise
        return made

    def update(self, context: Context, physical_id: str, properties: Properties, old: dict[str, Any]) -> Resource:
        _tag(context, self.tagged(context, physical_id), properties.take("Tags"), old.get("Tags"))
        self.change(context, physical_id, properties, old)
        properties.rest()  # as it was: else it would have been replaced
        return Resource(physical_id, self.attributes(context, physical_id))

    @abstractmethod
    def make(self, context: Context, properties: Properties) -> Resource:
        """Make it, without its tags and without what `change` sets."""

    def change(self, context: Context, physical_id: str, properties: Properties, old: dict[str, Any]) -> None:
        """Set what can be set in place."""

    def tagged(self, context: Context, physical_id: str) -> str:
        """The id that carries the tags."""
        return physical_id

    def attributes(self, context: Context, physical_id: str) -> dict[str, Any]:
        """The values of `Fn::GetAtt`."""
        return {}

    def made(self, context: Context, physical_id: str) -> Resource:
        return Resource(physical_id, self.attributes(context, physical_id))


def _tag(context: Context, resource: str, new: Any, old: Any) -> None:
    new, kept = new or [], {tag["Key"] for tag in new or []}
    if gone := [{"Key": tag["Key"]} for tag in old or [] if tag["Key"] not in kept]:
        context.call("ec2", "DeleteTags", Resources=[resource], Tags=gone)
    if new:
        context.call("ec2", "CreateTags", Resources=[resource], Tags=new)


@register
class Vpc(_Ec2):
    name = "AWS::EC2::VPC"
    in_place = frozenset({"EnableDnsSupport", "EnableDnsHostnames"})

    def make(self, context: Context, properties: Properties) -> Resource:
        vpc = context.call(
            "ec2",
            "CreateVpc",
            CidrBlock=properties.require("CidrBlock"),
            InstanceTenancy=properties.take("InstanceTenancy"),
        )["Vpc"]
        return self.made(context, vpc["VpcId"])

    def change(self, context: Context, physical_id: str, properties: Properties, old: dict[str, Any]) -> None:
        for name, default in (("EnableDnsSupport", True), ("EnableDnsHostnames", False)):
            value = {name: {"Value": properties.take(name, default)}}
            context.call("ec2", "ModifyVpcAttribute", VpcId=physical_id, **value)

    def attributes(self, context: Context, physical_id: str) -> dict[str, Any]:
        vpc = context.call("ec2", "DescribeVpcs", VpcIds=[physical_id])["Vpcs"][0]
        return {
            "VpcId": physical_id,
            "CidrBlock": vpc["CidrBlock"],
            "DefaultSecurityGroup": _default_group(context, physical_id)["GroupId"],
        }

    def delete(self, context: Context, physical_id: str, properties: dict[str, Any]) -> None:
        context.call("ec2", "DeleteVpc", VpcId=physical_id)


def _default_group(context: Context, vpc: str) -> dict[str, Any]:
    filters = [{"Name": "vpc-id", "Values": [vpc]}, {"Name": "group-name", "Values": ["default"]}]
    found: dict[str, Any] = context.call("ec2", "DescribeSecurityGroups", Filters=filters)["SecurityGroups"][0]
    return found


@register
class Subnet(_Ec2):
    name = "AWS::EC2::Subnet"
    in_place = frozenset({"MapPublicIpOnLaunch"})

    def make(self, context: Context, properties: Properties) -> Resource:
        subnet = context.call(
            "ec2",
            "CreateSubnet",
            VpcId=properties.require("VpcId"),
            CidrBlock=properties.require("CidrBlock"),
            AvailabilityZone=properties.take("AvailabilityZone"),
        )["Subnet"]
        return self.made(context, subnet["SubnetId"])

    def change(self, context: Context, physical_id: str, properties: Properties, old: dict[str, Any]) -> None:
        public = {"Value": properties.take("MapPublicIpOnLaunch", False)}
        context.call("ec2", "ModifySubnetAttribute", SubnetId=physical_id, MapPublicIpOnLaunch=public)

    def attributes(self, context: Context, physical_id: str) -> dict[str, Any]:
        subnet = context.call("ec2", "DescribeSubnets", SubnetIds=[physical_id])["Subnets"][0]
        return {name: subnet[name] for name in ("SubnetId", "VpcId", "CidrBlock", "AvailabilityZone")}

    def delete(self, context: Context, physical_id: str, properties: dict[str, Any]) -> None:
        context.call("ec2", "DeleteSubnet", SubnetId=physical_id)


@register
class RouteTable(_Ec2):
    name = "AWS::EC2::RouteTable"

    def make(self, context: Context, properties: Properties) -> Resource:
        table = context.call("ec2", "CreateRouteTable", VpcId=properties.require("VpcId"))["RouteTable"]
        return self.made(context, table["RouteTableId"])

    def attributes(self, context: Context, physical_id: str) -> dict[str, Any]:
        return {"RouteTableId": physical_id}

    def delete(self, context: Context, physical_id: str, properties: dict[str, Any]) -> None:
        context.call("ec2", "DeleteRouteTable", RouteTableId=physical_id)


@register
class SubnetRouteTableAssociation(_Ec2):
    name = "AWS::EC2::SubnetRouteTableAssociation"

    def make(self, context: Context, properties: Properties) -> Resource:
        association = context.call("ec2", "AssociateRouteTable", **properties.rest())["AssociationId"]
        return self.made(context, association)

    def attributes(self, context: Context, physical_id: str) -> dict[str, Any]:
        return {"Id": physical_id}

    def delete(self, context: Context, physical_id: str, properties: dict[str, Any]) -> None:
        context.call("ec2", "DisassociateRouteTable", AssociationId=physical_id)


@register
class Route(_Ec2):
    """Its id is the table's and the destination."""

    name = "AWS::EC2::Route"

    def make(self, context: Context, properties: Properties) -> Resource:
        table, to = properties.require("RouteTableId"), properties.require("DestinationCidrBlock")
        context.call("ec2", "CreateRoute", RouteTableId=table, DestinationCidrBlock=to, **properties.rest())
        return Resource(f"{table}|{to}", {"CidrBlock": to})

    def delete(self, context: Context, physical_id: str, properties: dict[str, Any]) -> None:
        table, _, to = physical_id.partition("|")
        context.call("ec2", "DeleteRoute", RouteTableId=table, DestinationCidrBlock=to)


@register
class InternetGateway(_Ec2):
    name = "AWS::EC2::InternetGateway"

    def make(self, context: Context, properties: Properties) -> Resource:
        return self.made(context, context.call("ec2", "CreateInternetGateway")["InternetGateway"]["InternetGatewayId"])

    def attributes(self, context: Context, physical_id: str) -> dict[str, Any]:
        return {"InternetGatewayId": physical_id}

    def delete(self, context: Context, physical_id: str, properties: dict[str, Any]) -> None:
        context.call("ec2", "DeleteInternetGateway", InternetGatewayId=physical_id)


@register
class VpcGatewayAttachment(_Ec2):
    name = "AWS::EC2::VPCGatewayAttachment"

    def make(self, context: Context, properties: Properties) -> Resource:
        vpc, gateway = properties.require("VpcId"), properties.require("InternetGatewayId")
        context.call("ec2", "AttachInternetGateway", VpcId=vpc, InternetGatewayId=gateway)
        return Resource(f"{gateway}|{vpc}", {"AttachmentType": "IGW"})

    def delete(self, context: Context, physical_id: str, properties: dict[str, Any]) -> None:
        gateway, _, vpc = physical_id.partition("|")
        context.call("ec2", "DetachInternetGateway", VpcId=vpc, InternetGatewayId=gateway)


@register
class Eip(_Ec2):
    """`Ref` gives the address; the API wants its allocation."""

    name = "AWS::EC2::EIP"

    def make(self, context: Context, properties: Properties) -> Resource:
        address = context.call("ec2", "AllocateAddress", Domain=properties.take("Domain") or "vpc")
        return self.made(context, address["PublicIp"])

    def tagged(self, context: Context, physical_id: str) -> str:
        allocation: str = self.attributes(context, physical_id)["AllocationId"]
        return allocation

    def attributes(self, context: Context, physical_id: str) -> dict[str, Any]:
        address = context.call("ec2", "DescribeAddresses", PublicIps=[physical_id])["Addresses"][0]
        return {"AllocationId": address["AllocationId"], "PublicIp": physical_id}

    def delete(self, context: Context, physical_id: str, properties: dict[str, Any]) -> None:
        context.call("ec2", "ReleaseAddress", AllocationId=self.tagged(context, physical_id))


@register
class NatGateway(_Ec2):
    name = "AWS::EC2::NatGateway"

    def make(self, context: Context, properties: Properties) -> Resource:
        return self.made(
            context, context.call("ec2", "CreateNatGateway", **properties.rest())["NatGateway"]["NatGatewayId"]
        )

    def attributes(self, context: Context, physical_id: str) -> dict[str, Any]:
        return {"NatGatewayId": physical_id}

    def delete(self, context: Context, physical_id: str, properties: dict[str, Any]) -> None:
        context.call("ec2", "DeleteNatGateway", NatGatewayId=physical_id)


@register
class VpcEndpoint(_Ec2):
    name = "AWS::EC2::VPCEndpoint"
    in_place = frozenset({"PolicyDocument", "RouteTableIds", "SubnetIds", "SecurityGroupIds"})

    def make(self, context: Context, properties: Properties) -> Resource:
        policy = properties.take("PolicyDocument")
        endpoint = context.call(
            "ec2",
            "CreateVpcEndpoint",
            PolicyDocument=json.dumps(policy) if policy else None,
            **properties.rest(),
        )["VpcEndpoint"]
        return self.made(context, endpoint["VpcEndpointId"])

    def change(self, context: Context, physical_id: str, properties: Properties, old: dict[str, Any]) -> None:
        if not old:  # it was made with all of these
            return
        policy = properties.take("PolicyDocument")
        changes: dict[str, Any] = {"PolicyDocument": json.dumps(policy) if policy else None}
        for name in ("RouteTableIds", "SubnetIds", "SecurityGroupIds"):
            now, before = properties.take(name) or [], old.get(name) or []
            changes[f"Add{name}"] = [item for item in now if item not in before] or None
            changes[f"Remove{name}"] = [item for item in before if item not in now] or None
        context.call("ec2", "ModifyVpcEndpoint", VpcEndpointId=physical_id, **changes)

    def attributes(self, context: Context, physical_id: str) -> dict[str, Any]:
        return {"Id": physical_id}

    def delete(self, context: Context, physical_id: str, properties: dict[str, Any]) -> None:
        context.call("ec2", "DeleteVpcEndpoints", VpcEndpointIds=[physical_id])


@register
class FlowLog(_Ec2):
    name = "AWS::EC2::FlowLog"

    def make(self, context: Context, properties: Properties) -> Resource:
        resource = properties.require("ResourceId")
        answer = context.call("ec2", "CreateFlowLogs", ResourceIds=[resource], **properties.rest())
        if failed := answer.get("Unsuccessful"):
            raise ValueError(f"CreateFlowLogs: {failed[0]['Error']['Message']}")
        return self.made(context, answer["FlowLogIds"][0])

    def attributes(self, context: Context, physical_id: str) -> dict[str, Any]:
        return {"Id": physical_id}

    def delete(self, context: Context, physical_id: str, properties: dict[str, Any]) -> None:
        context.call("ec2", "DeleteFlowLogs", FlowLogIds=[physical_id])


@register
class SecurityGroup(_Ec2):
    name = "AWS::EC2::SecurityGroup"
    in_place = frozenset({"SecurityGroupIngress", "SecurityGroupEgress"})

    def make(self, context: Context, properties: Properties) -> Resource:
        group = context.call(
            "ec2",
            "CreateSecurityGroup",
            GroupName=properties.take("GroupName") or context.name(longest=255),
            Description=properties.require("GroupDescription"),
            VpcId=properties.require("VpcId"),
        )["GroupId"]
        return self.made(context, group)

    def change(self, context: Context, physical_id: str, properties: Properties, old: dict[str, Any]) -> None:
        for name in ("SecurityGroupIngress", "SecurityGroupEgress"):
            direction = name.removeprefix("SecurityGroup")
            # Without any egress rule in the template a group lets everything out.
            default = [_ANYWHERE] if direction == "Egress" else []
            now = [_permission(rule) for rule in properties.take(name) or []] or default
            before = [_permission(rule) for rule in old.get(name) or []] or default
            _change_rules(context, physical_id, direction, before, now)

    def attributes(self, context: Context, physical_id: str) -> dict[str, Any]:
        group = context.call("ec2", "DescribeSecurityGroups", GroupIds=[physical_id])["SecurityGroups"][0]
        return {"GroupId": physical_id, "VpcId": group["VpcId"]}

    def delete(self, context: Context, physical_id: str, properties: dict[str, Any]) -> None:
        context.call("ec2", "DeleteSecurityGroup", GroupId=physical_id)


def _change_rules(
    context: Context, group: str, direction: str, before: list[dict[str, Any]], now: list[dict[str, Any]]
) -> None:
    if gone := [rule for rule in before if rule not in now]:
        context.call("ec2", f"RevokeSecurityGroup{direction}", GroupId=group, IpPermissions=gone)
    if new := [rule for rule in now if rule not in before]:
        context.call("ec2", f"AuthorizeSecurityGroup{direction}", GroupId=group, IpPermissions=new)


_PEERS = {
    "CidrIp": ("IpRanges", "CidrIp"),
    "CidrIpv6": ("Ipv6Ranges", "CidrIpv6"),
    "SourceSecurityGroupId": ("UserIdGroupPairs", "GroupId"),
    "DestinationSecurityGroupId": ("UserIdGroupPairs", "GroupId"),
    "SourcePrefixListId": ("PrefixListIds", "PrefixListId"),
    "DestinationPrefixListId": ("PrefixListIds", "PrefixListId"),
}
"""A peer in CloudFormation → the API's list of such peers, and the member that holds it."""


def _permission(rule: dict[str, Any]) -> dict[str, Any]:
    """A rule of CloudFormation's as the API has it; raises ValueError for what would be dropped."""
    left = dict(rule)
    permission: dict[str, Any] = {
        name: left.pop(name) if name == "IpProtocol" else int(left.pop(name))
        for name in ("IpProtocol", "FromPort", "ToPort")
        if name in left
    }
    description = left.pop("Description", None)
    peers = [name for name in _PEERS if name in left]
    if len(peers) != 1 or len(left) != 1:
        raise ValueError(f"A rule of a security group has one peer of {', '.join(_PEERS)}, not {sorted(left)}")
    list_name, member = _PEERS[peers[0]]
    peer = {member: left[peers[0]], **({"Description": description} if description else {})}
    return {**permission, list_name: [peer]}


class _Rule(_Ec2):
    """A rule beside its group, so that two groups can name each other."""

    direction: ClassVar[str]

    def make(self, context: Context, properties: Properties) -> Resource:
        group = properties.require("GroupId")
        answer = context.call(
            "ec2",
            f"AuthorizeSecurityGroup{self.direction}",
            GroupId=group,
            IpPermissions=[_permission(properties.rest())],
        )
        rule = answer["SecurityGroupRules"][0]["SecurityGroupRuleId"]
        return Resource(rule, {"Id": rule})

    def delete(self, context: Context, physical_id: str, properties: dict[str, Any]) -> None:
        rule = {name: value for name, value in properties.items() if name != "GroupId"}
        context.call(
            "ec2",
            f"RevokeSecurityGroup{self.direction}",
            GroupId=properties["GroupId"],
            IpPermissions=[_permission(rule)],
        )


@register
class SecurityGroupIngress(_Rule):
    name = "AWS::EC2::SecurityGroupIngress"
    direction = "Ingress"


@register
class SecurityGroupEgress(_Rule):
    name = "AWS::EC2::SecurityGroupEgress"
    direction = "Egress"


@register
class RestrictDefaultSecurityGroup(ResourceType):
    """Take all rules from a VPC's default security group, as the CDK's handler does in an account."""

    name = "Custom::VpcRestrictDefaultSG"
    replaced_by = frozenset({"DefaultSecurityGroupId"})

    def create(self, context: Context, properties: Properties) -> Resource:
        properties.take("ServiceToken")
        properties.take("Account")
        group_id = properties.require("DefaultSecurityGroupId")
        group = context.call("ec2", "DescribeSecurityGroups", GroupIds=[group_id])["SecurityGroups"][0]
        for direction, rules in (("Ingress", group["IpPermissions"]), ("Egress", group["IpPermissionsEgress"])):
            if rules:
                context.call("ec2", f"RevokeSecurityGroup{direction}", GroupId=group_id, IpPermissions=rules)
        return Resource(f"{group_id}-restricted")

    def update(self, context: Context, physical_id: str, properties: Properties, old: dict[str, Any]) -> Resource:
        return self.create(context, properties)

    def delete(self, context: Context, physical_id: str, properties: dict[str, Any]) -> None:
        """The CDK's handler puts the rules back; nothing here would ask for them."""
