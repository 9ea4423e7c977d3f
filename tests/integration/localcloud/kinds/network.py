"""EC2: networks and what stands in them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from tests.integration.localcloud.comparison import Kind, Thing, nothing
from tests.integration.localcloud.kinds.table import KINDS, Account, kind


def _ours(account: Account, operation: str, key: str) -> Iterator[Any]:
    """What is not of the network that every account has from the beginning."""
    given = {vpc["VpcId"] for vpc in account.pages("ec2", "describe_vpcs", "Vpcs") if vpc["IsDefault"]}
    for each in account.pages("ec2", operation, key):
        if each.get("VpcId") not in given:
            yield each


@kind("AWS::EC2::VPC", identity=("CidrBlock", "Tags"))
def networks(account: Account) -> Iterator[Thing]:
    ec2 = account.client("ec2")
    groups = list(account.pages("ec2", "describe_security_groups", "SecurityGroups"))
    for vpc in _ours(account, "describe_vpcs", "Vpcs"):
        attributes = {
            name[0].upper() + name[1:]: ec2.describe_vpc_attribute(VpcId=vpc["VpcId"], Attribute=name)[
                name[0].upper() + name[1:]
            ]["Value"]
            for name in ("enableDnsSupport", "enableDnsHostnames")
        }
        (default,) = (g["GroupId"] for g in groups if (g["VpcId"], g["GroupName"]) == (vpc["VpcId"], "default"))
        yield Thing(vpc["VpcId"], {**vpc, **attributes}, {"DefaultSecurityGroup": default})


@kind("AWS::EC2::Subnet", identity=("CidrBlock",))
def subnets(account: Account) -> Iterator[Thing]:
    for subnet in _ours(account, "describe_subnets", "Subnets"):
        yield Thing(subnet["SubnetId"], subnet)


@kind("AWS::EC2::RouteTable", identity=("VpcId", "Tags"))
def route_tables(account: Account) -> Iterator[Thing]:
    for table in _ours(account, "describe_route_tables", "RouteTables"):
        if not any(each.get("Main") for each in table["Associations"]):  # that is the network's own
            yield Thing(table["RouteTableId"], table, {"RouteTableId": table["RouteTableId"]})


@kind("AWS::EC2::SubnetRouteTableAssociation", identity=("RouteTableId", "SubnetId"))
def route_table_associations(account: Account) -> Iterator[Thing]:
    for table in _ours(account, "describe_route_tables", "RouteTables"):
        for each in table["Associations"]:
            if not each.get("Main"):
                yield Thing(each["RouteTableAssociationId"], each)


@kind("AWS::EC2::Route", identity=("RouteTableId", "DestinationCidrBlock"))
def routes(account: Account) -> Iterator[Thing]:
    for table in _ours(account, "describe_route_tables", "RouteTables"):
        for route in table["Routes"]:
            # One to the network itself is there from the beginning; those to a gateway endpoint are its own.
            if route.get("GatewayId") != "local" and not route.get("GatewayId", "").startswith("vpce-"):
                properties = {"RouteTableId": table["RouteTableId"], **route}
                yield Thing(f"{table['RouteTableId']}|{route.get('DestinationCidrBlock')}", properties)


@kind("AWS::EC2::InternetGateway", identity=("Tags",))
def internet_gateways(account: Account) -> Iterator[Thing]:
    for gateway in account.pages("ec2", "describe_internet_gateways", "InternetGateways"):
        yield Thing(gateway["InternetGatewayId"], gateway)


@kind("AWS::EC2::VPCGatewayAttachment", identity=("VpcId", "InternetGatewayId"))
def gateway_attachments(account: Account) -> Iterator[Thing]:
    for gateway in account.pages("ec2", "describe_internet_gateways", "InternetGateways"):
        for each in gateway["Attachments"]:
            properties = {"VpcId": each["VpcId"], "InternetGatewayId": gateway["InternetGatewayId"]}
            yield Thing("|".join(properties.values()), properties)


@kind("AWS::EC2::EIP", identity=("Tags",))
def addresses(account: Account) -> Iterator[Thing]:
    for address in account.pages("ec2", "describe_addresses", "Addresses"):
        yield Thing(address["PublicIp"], address, {"AllocationId": address["AllocationId"]})


@kind("AWS::EC2::NatGateway", identity=("SubnetId",))
def nat_gateways(account: Account) -> Iterator[Thing]:
    for gateway in account.pages("ec2", "describe_nat_gateways", "NatGateways"):
        if gateway["State"] != "deleted":
            allocations = [each.get("AllocationId") for each in gateway["NatGatewayAddresses"]]
            yield Thing(gateway["NatGatewayId"], {**gateway, "AllocationId": allocations[0]})


@kind("AWS::EC2::VPCEndpoint", identity=("VpcId", "ServiceName"))
def endpoints(account: Account) -> Iterator[Thing]:
    for endpoint in account.pages("ec2", "describe_vpc_endpoints", "VpcEndpoints"):
        if endpoint["State"] != "deleted":
            groups = [group["GroupId"] for group in endpoint.get("Groups", ())]
            yield Thing(endpoint["VpcEndpointId"], {**endpoint, "SecurityGroupIds": groups})


@kind("AWS::EC2::FlowLog", identity=("ResourceId",), unseen={"ResourceType": "the resource's id begins with it"})
def flow_logs(account: Account) -> Iterator[Thing]:
    for log in account.pages("ec2", "describe_flow_logs", "FlowLogs"):
        yield Thing(log["FlowLogId"], log)


def _rules(account: Account, properties: Mapping[str, Any], group: str) -> Iterator[tuple[str, dict[str, Any]]]:
    for direction in ("Ingress", "Egress"):
        for rule in properties.get(f"SecurityGroup{direction}", ()):
            yield f"AWS::EC2::SecurityGroup{direction}", {"GroupId": group, **rule}
    if "SecurityGroupEgress" not in properties:  # then everything may leave
        yield "AWS::EC2::SecurityGroupEgress", {"GroupId": group, "IpProtocol": "-1", "CidrIp": "0.0.0.0/0"}


_APART = "each is looked for as a rule of its own"


@kind(
    "AWS::EC2::SecurityGroup",
    identity=("GroupDescription", "VpcId"),
    unseen={"SecurityGroupIngress": _APART, "SecurityGroupEgress": _APART},
    parts=_rules,
)
def security_groups(account: Account) -> Iterator[Thing]:
    for group in _ours(account, "describe_security_groups", "SecurityGroups"):
        if group["GroupName"] != "default":
            properties = {**group, "GroupDescription": group["Description"]}
            yield Thing(group["GroupId"], properties, {"GroupId": group["GroupId"]})


def _rules_of(direction: str) -> Callable[[Account], Iterator[Thing]]:
    peers = {"Ingress": "Source", "Egress": "Destination"}[direction]

    def rules(account: Account) -> Iterator[Thing]:
        """The default group's too: no template names a rule of it."""
        lists = {"Ingress": "IpPermissions", "Egress": "IpPermissionsEgress"}
        for group in _ours(account, "describe_security_groups", "SecurityGroups"):
            for permission in group[lists[direction]]:
                ports = {name: permission.get(name) for name in ("IpProtocol", "FromPort", "ToPort")}
                for peer in (
                    *(
                        {"CidrIp": each["CidrIp"], "Description": each.get("Description")}
                        for each in permission["IpRanges"]
                    ),
                    *({"CidrIpv6": each["CidrIpv6"]} for each in permission.get("Ipv6Ranges", ())),
                    *({f"{peers}PrefixListId": each["PrefixListId"]} for each in permission.get("PrefixListIds", ())),
                    *(
                        {f"{peers}SecurityGroupId": each["GroupId"], "Description": each.get("Description")}
                        for each in permission["UserIdGroupPairs"]
                    ),
                ):
                    yield Thing(f"{group['GroupId']} {ports} {peer}", {"GroupId": group["GroupId"], **ports, **peer})

    return rules


for _direction in ("Ingress", "Egress"):
    KINDS[f"AWS::EC2::SecurityGroup{_direction}"] = Kind(
        found=_rules_of(_direction),
        identity=(
            "GroupId", "IpProtocol", "FromPort", "ToPort", "CidrIp", "CidrIpv6",
            "SourceSecurityGroupId", "DestinationSecurityGroupId",
        ),
    )  # fmt: skip


# Its doing is what is no longer there: a rule in the default security group would be one that no template names.
KINDS["Custom::VpcRestrictDefaultSG"] = Kind(found=nothing)
