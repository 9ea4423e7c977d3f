"""AWS::RDS: a cluster with its instances, subnets and parameters. They are kept and described; no database runs.

What is deployed to a laptop asks its own Postgres. This is for the templates of environments that have an Aurora: that
they deploy, and that what is kept is what they say.
"""

from __future__ import annotations

from typing import Any, ClassVar

from localcloud.cloudformation.resources import Context, Properties, Resource, ResourceType, register


class _Rds(ResourceType):
    """What the four have in common: one API of the same properties."""

    kind: ClassVar[str]
    identifier: ClassVar[str]
    """The property that is its name."""
    longest: ClassVar[int] = 63
    in_place: ClassVar[frozenset[str]] = frozenset()
    """Properties that an update changes."""
    deleting: ClassVar[dict[str, Any]] = {}
    """Further arguments of the call that deletes it."""

    def create(self, context: Context, properties: Properties) -> Resource:
        name = properties.take(self.identifier) or context.name(longest=self.longest, lower=True)
        context.call("rds", f"Create{self.kind}", **{self.identifier: name}, **properties.rest())
        return self.described(context, name)

    def update(self, context: Context, physical_id: str, properties: Properties, old: dict[str, Any]) -> Resource:
        given = properties.rest()  # what may not be changed is as it was: else it would have been replaced
        changes = {name: value for name, value in given.items() if value != old.get(name)}
        context.call("rds", f"Modify{self.kind}", **{self.identifier: physical_id}, **changes)
        return self.described(context, physical_id)

    def delete(self, context: Context, physical_id: str, properties: dict[str, Any]) -> None:
        context.call("rds", f"Delete{self.kind}", **{self.identifier: physical_id}, **self.deleting)

    def needs_replacement(self, old: dict[str, Any], new: dict[str, Any]) -> bool:
        return any(old.get(name) != new.get(name) for name in (old.keys() | new.keys()) - self.in_place)

    def described(self, context: Context, name: str) -> Resource:
        return Resource(name)


@register
class SubnetGroup(_Rds):
    name = "AWS::RDS::DBSubnetGroup"
    kind = "DBSubnetGroup"
    identifier = "DBSubnetGroupName"
    in_place = frozenset({"DBSubnetGroupDescription", "SubnetIds"})


@register
class ClusterParameterGroup(_Rds):
    name = "AWS::RDS::DBClusterParameterGroup"
    kind = "DBClusterParameterGroup"
    identifier = "DBClusterParameterGroupName"
    in_place = frozenset({"Parameters"})

    def create(self, context: Context, properties: Properties) -> Resource:
        name = properties.take(self.identifier) or context.name(longest=255, lower=True)
        context.call(
            "rds",
            "CreateDBClusterParameterGroup",
            DBClusterParameterGroupName=name,
            DBParameterGroupFamily=properties.require("Family"),
            Description=properties.require("Description"),
            Tags=properties.take("Tags"),
        )
        self._set(context, name, properties.require("Parameters"))
        return Resource(name)

    def update(self, context: Context, physical_id: str, properties: Properties, old: dict[str, Any]) -> Resource:
        self._set(context, physical_id, properties.require("Parameters"))
        properties.rest()  # as it was: else it would have been replaced
        return Resource(physical_id)

    @staticmethod
    def _set(context: Context, group: str, parameters: dict[str, Any]) -> None:
        values = [
            {"ParameterName": name, "ParameterValue": value, "ApplyMethod": "pending-reboot"}
            for name, value in parameters.items()
        ]
        context.call("rds", "ModifyDBClusterParameterGroup", DBClusterParameterGroupName=group, Parameters=values)


@register
class Cluster(_Rds):
    name = "AWS::RDS::DBCluster"
    kind = "DBCluster"
    identifier = "DBClusterIdentifier"
    in_place = frozenset({"BackupRetentionPeriod", "DeletionProtection", "ServerlessV2ScalingConfiguration"})
    deleting: ClassVar[dict[str, Any]] = {"SkipFinalSnapshot": True}

    def described(self, context: Context, name: str) -> Resource:
        cluster = context.call("rds", "DescribeDBClusters", DBClusterIdentifier=name)["DBClusters"][0]
        return Resource(
            name,
            {
                "Endpoint.Address": cluster["Endpoint"],
                "Endpoint.Port": str(cluster["Port"]),
                "ReadEndpoint.Address": cluster["ReaderEndpoint"],
                "DBClusterArn": cluster["DBClusterArn"],
                "DBClusterResourceId": cluster["DbClusterResourceId"],
            },
        )


@register
class Instance(_Rds):
    name = "AWS::RDS::DBInstance"
    kind = "DBInstance"
    identifier = "DBInstanceIdentifier"
    in_place = frozenset({"PromotionTier", "AutoMinorVersionUpgrade"})
    deleting: ClassVar[dict[str, Any]] = {"SkipFinalSnapshot": True}
