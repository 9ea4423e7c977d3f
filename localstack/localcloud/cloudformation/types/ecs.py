"""AWS::ECS::Cluster, TaskDefinition and Service.

A service is recorded, as one that waits for its tasks: the local cloud starts none, and moto keeps neither how it is
deployed (DeploymentConfiguration, HealthCheckGracePeriodSeconds) nor whether commands can be run in it.
"""

from __future__ import annotations

from typing import Any

from localcloud.cloudformation.resources import Context, Properties, Resource, ResourceType, api_case, register

_MAPS = frozenset({"Options", "DockerLabels"})
"""Their members are the user's own words."""


@register
class Cluster(ResourceType):
    name = "AWS::ECS::Cluster"
    replaced_by = frozenset({"ClusterName"})

    def create(self, context: Context, properties: Properties) -> Resource:
        name = properties.take("ClusterName") or context.name(longest=255)
        context.call(
            "ecs",
            "CreateCluster",
            clusterName=name,
            settings=api_case(properties.take("ClusterSettings")),
            configuration=api_case(properties.take("Configuration")),
            tags=api_case(properties.take("Tags")),
        )
        return self._described(context, name)

    def update(self, context: Context, physical_id: str, properties: Properties, old: dict[str, Any]) -> Resource:
        properties.take("ClusterName")
        context.call(
            "ecs",
            "UpdateCluster",
            cluster=physical_id,
            settings=api_case(properties.take("ClusterSettings")),
            configuration=api_case(properties.take("Configuration")),
        )
        arn = self._described(context, physical_id).attributes["Arn"]
        tags = properties.take("Tags") or []
        kept = {tag["Key"] for tag in tags}
        if gone := [tag["Key"] for tag in old.get("Tags") or [] if tag["Key"] not in kept]:
            context.call("ecs", "UntagResource", resourceArn=arn, tagKeys=gone)
        if tags:
            context.call("ecs", "TagResource", resourceArn=arn, tags=api_case(tags))
        return self._described(context, physical_id)

    def delete(self, context: Context, physical_id: str, properties: dict[str, Any]) -> None:
        context.call("ecs", "DeleteCluster", cluster=physical_id)

    @staticmethod
    def _described(context: Context, name: str) -> Resource:
        return Resource(name, {"Arn": context.arn("ecs", f"cluster/{name}")})


@register
class TaskDefinition(ResourceType):
    """A revision: every change makes the next, and the one before is deregistered."""

    name = "AWS::ECS::TaskDefinition"

    def needs_replacement(self, old: dict[str, Any], new: dict[str, Any]) -> bool:
        return old != new

    def create(self, context: Context, properties: Properties) -> Resource:
        family = properties.take("Family") or context.name(longest=255)
        definition = context.call(
            "ecs", "RegisterTaskDefinition", family=family, **api_case(properties.rest(), maps=_MAPS)
        )
        arn = definition["taskDefinition"]["taskDefinitionArn"]
        return Resource(arn, {"TaskDefinitionArn": arn})

    def update(self, context: Context, physical_id: str, properties: Properties, old: dict[str, Any]) -> Resource:
        raise AssertionError("a task definition is replaced")

    def delete(self, context: Context, physical_id: str, properties: dict[str, Any]) -> None:
        context.call("ecs", "DeregisterTaskDefinition", taskDefinition=physical_id)


@register
class Service(ResourceType):
    name = "AWS::ECS::Service"
    replaced_by = frozenset({"Cluster", "ServiceName", "LaunchType"})

    def create(self, context: Context, properties: Properties) -> Resource:
        name = properties.take("ServiceName") or context.name(longest=255)
        made = context.call(
            "ecs",
            "CreateService",
            serviceName=name,
            cluster=properties.require("Cluster"),
            tags=api_case(properties.take("Tags")),
            **api_case(properties.rest(), maps=_MAPS),
        )["service"]
        return Resource(made["serviceArn"], {"ServiceArn": made["serviceArn"], "Name": name})

    def update(self, context: Context, physical_id: str, properties: Properties, old: dict[str, Any]) -> Resource:
        cluster, name = properties.require("Cluster"), properties.take("ServiceName") or physical_id.rpartition("/")[2]
        context.call(
            "ecs",
            "UpdateService",
            cluster=cluster,
            service=name,
            taskDefinition=properties.require("TaskDefinition"),
            desiredCount=properties.take("DesiredCount"),
        )
        properties.rest()  # the rest of a service is recorded when it is made
        return Resource(physical_id, {"ServiceArn": physical_id, "Name": name})

    def delete(self, context: Context, physical_id: str, properties: dict[str, Any]) -> None:
        context.call("ecs", "DeleteService", cluster=properties["Cluster"], service=physical_id, force=True)
