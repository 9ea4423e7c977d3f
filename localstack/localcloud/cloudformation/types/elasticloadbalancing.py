"""AWS::ElasticLoadBalancingV2: a load balancer, its listeners and its target groups. They are recorded and described.

Nothing listens, nobody is asked who they are, and no target is ever asked for its health.
"""

from __future__ import annotations

from typing import Any

from localcloud.cloudformation.resources import Context, Properties, Resource, ResourceType, register

SERVICE = "elbv2"


def _attributes(listed: Any) -> list[dict[str, str]]:
    return [{"Key": each["Key"], "Value": str(each["Value"])} for each in listed or []]


def _tag(context: Context, arn: str, new: Any, old: Any) -> None:
    kept = {tag["Key"] for tag in new or []}
    if gone := [tag["Key"] for tag in old or [] if tag["Key"] not in kept]:
        context.call(SERVICE, "RemoveTags", ResourceArns=[arn], TagKeys=gone)
    if new:
        context.call(SERVICE, "AddTags", ResourceArns=[arn], Tags=new)


@register
class LoadBalancer(ResourceType):
    name = "AWS::ElasticLoadBalancingV2::LoadBalancer"
    replaced_by = frozenset({"Name", "Scheme", "Type"})

    def create(self, context: Context, properties: Properties) -> Resource:
        attributes = _attributes(properties.take("LoadBalancerAttributes"))
        made = context.call(
            SERVICE,
            "CreateLoadBalancer",
            Name=properties.take("Name") or context.name(longest=32),
            **properties.rest(),
        )["LoadBalancers"][0]
        arn = str(made["LoadBalancerArn"])
        if attributes:
            context.call(SERVICE, "ModifyLoadBalancerAttributes", LoadBalancerArn=arn, Attributes=attributes)
        return self._described(context, arn)

    def update(self, context: Context, physical_id: str, properties: Properties, old: dict[str, Any]) -> Resource:
        attributes = _attributes(properties.take("LoadBalancerAttributes"))
        context.call(SERVICE, "ModifyLoadBalancerAttributes", LoadBalancerArn=physical_id, Attributes=attributes)
        groups, subnets = properties.take("SecurityGroups"), properties.take("Subnets")
        context.call(SERVICE, "SetSecurityGroups", LoadBalancerArn=physical_id, SecurityGroups=groups)
        context.call(SERVICE, "SetSubnets", LoadBalancerArn=physical_id, Subnets=subnets)
        _tag(context, physical_id, properties.take("Tags"), old.get("Tags"))
        properties.rest()  # as it was: else it would have been replaced
        return self._described(context, physical_id)

    def delete(self, context: Context, physical_id: str, properties: dict[str, Any]) -> None:
        context.call(SERVICE, "DeleteLoadBalancer", LoadBalancerArn=physical_id)

    @staticmethod
    def _described(context: Context, arn: str) -> Resource:
        told = context.call(SERVICE, "DescribeLoadBalancers", LoadBalancerArns=[arn])["LoadBalancers"][0]
        return Resource(
            arn,
            {
                "LoadBalancerArn": arn,
                "LoadBalancerName": told["LoadBalancerName"],
                "LoadBalancerFullName": arn.partition(":loadbalancer/")[2],
                "DNSName": told["DNSName"],
                "CanonicalHostedZoneID": told["CanonicalHostedZoneId"],
                "SecurityGroups": told.get("SecurityGroups", []),
            },
        )


@register
class TargetGroup(ResourceType):
    name = "AWS::ElasticLoadBalancingV2::TargetGroup"
    replaced_by = frozenset({"Name", "Port", "Protocol", "TargetType", "VpcId"})

    def create(self, context: Context, properties: Properties) -> Resource:
        attributes = _attributes(properties.take("TargetGroupAttributes"))
        made = context.call(
            SERVICE, "CreateTargetGroup", Name=properties.take("Name") or context.name(longest=32), **properties.rest()
        )["TargetGroups"][0]
        arn = str(made["TargetGroupArn"])
        if attributes:
            context.call(SERVICE, "ModifyTargetGroupAttributes", TargetGroupArn=arn, Attributes=attributes)
        return self._made(arn)

    def update(self, context: Context, physical_id: str, properties: Properties, old: dict[str, Any]) -> Resource:
        attributes = _attributes(properties.take("TargetGroupAttributes"))
        if attributes:
            context.call(SERVICE, "ModifyTargetGroupAttributes", TargetGroupArn=physical_id, Attributes=attributes)
        _tag(context, physical_id, properties.take("Tags"), old.get("Tags"))
        for kept in self.replaced_by:
            properties.take(kept)
        context.call(SERVICE, "ModifyTargetGroup", TargetGroupArn=physical_id, **properties.rest())
        return self._made(physical_id)

    def delete(self, context: Context, physical_id: str, properties: dict[str, Any]) -> None:
        context.call(SERVICE, "DeleteTargetGroup", TargetGroupArn=physical_id)

    @staticmethod
    def _made(arn: str) -> Resource:
        full = arn.rpartition(":")[2]
        return Resource(
            arn, {"TargetGroupArn": arn, "TargetGroupFullName": full, "TargetGroupName": full.split("/")[1]}
        )


@register
class Listener(ResourceType):
    name = "AWS::ElasticLoadBalancingV2::Listener"
    replaced_by = frozenset({"LoadBalancerArn"})

    def create(self, context: Context, properties: Properties) -> Resource:
        arn = context.call(SERVICE, "CreateListener", **properties.rest())["Listeners"][0]["ListenerArn"]
        return Resource(arn, {"ListenerArn": arn})

    def update(self, context: Context, physical_id: str, properties: Properties, old: dict[str, Any]) -> Resource:
        properties.take("LoadBalancerArn")
        context.call(SERVICE, "ModifyListener", ListenerArn=physical_id, **properties.rest())
        return Resource(physical_id, {"ListenerArn": physical_id})

    def delete(self, context: Context, physical_id: str, properties: dict[str, Any]) -> None:
        context.call(SERVICE, "DeleteListener", ListenerArn=physical_id)
