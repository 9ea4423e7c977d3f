"""RDS: what is kept of a cluster."""

from __future__ import annotations

import json
from collections.abc import Iterator

from tests.integration.localcloud.comparison import Thing
from tests.integration.localcloud.kinds.access import secrets
from tests.integration.localcloud.kinds.table import Account, kind, or_none


@kind("AWS::RDS::DBSubnetGroup", identity=("DBSubnetGroupName",))
def subnet_groups(account: Account) -> Iterator[Thing]:
    for group in account.pages("rds", "describe_db_subnet_groups", "DBSubnetGroups"):
        subnets = [subnet["SubnetIdentifier"] for subnet in group["Subnets"]]
        yield Thing(group["DBSubnetGroupName"], {**group, "SubnetIds": subnets})


@kind("AWS::RDS::DBClusterParameterGroup", identity=("DBClusterParameterGroupName",))
def cluster_parameter_groups(account: Account) -> Iterator[Thing]:
    for group in account.pages("rds", "describe_db_cluster_parameter_groups", "DBClusterParameterGroups"):
        name = group["DBClusterParameterGroupName"]
        if name.startswith("default."):
            continue
        given = account.pages("rds", "describe_db_cluster_parameters", "Parameters", DBClusterParameterGroupName=name)
        parameters = {each["ParameterName"]: each.get("ParameterValue") for each in given}
        yield Thing(name, {**group, "Family": group["DBParameterGroupFamily"], "Parameters": parameters})


@kind(
    "AWS::RDS::DBCluster",
    identity=("DBClusterIdentifier",),
    unseen={"MasterUserPassword": "no call tells it"},
)
def clusters(account: Account) -> Iterator[Thing]:
    for cluster in account.pages("rds", "describe_db_clusters", "DBClusters"):
        properties = {
            **cluster,
            "DBClusterParameterGroupName": cluster["DBClusterParameterGroup"],
            "DBSubnetGroupName": cluster["DBSubnetGroup"],
            "EnableCloudwatchLogsExports": cluster.get("EnabledCloudwatchLogsExports"),
            "EnableIAMDatabaseAuthentication": cluster["IAMDatabaseAuthenticationEnabled"],
            "VpcSecurityGroupIds": [group["VpcSecurityGroupId"] for group in cluster["VpcSecurityGroups"]],
        }
        attributes = {"Endpoint.Address": cluster["Endpoint"], "DBClusterArn": cluster["DBClusterArn"]}
        attributes |= {"DBClusterResourceId": cluster["DbClusterResourceId"]}
        yield Thing(cluster["DBClusterIdentifier"], properties, attributes)


@kind("AWS::RDS::DBInstance", identity=("DBClusterIdentifier", "PromotionTier"))
def instances(account: Account) -> Iterator[Thing]:
    for instance in account.pages("rds", "describe_db_instances", "DBInstances"):
        properties = {
            **instance,
            "EnablePerformanceInsights": instance.get("PerformanceInsightsEnabled"),
            "PerformanceInsightsKMSKeyId": instance.get("PerformanceInsightsKMSKeyId"),
        }
        yield Thing(instance["DBInstanceIdentifier"], properties)


@kind("AWS::SecretsManager::SecretTargetAttachment", identity=("SecretId",))
def attachments(account: Account) -> Iterator[Thing]:
    """As the secrets say themselves."""
    read = account.client("secretsmanager").get_secret_value
    for secret in secrets(account):
        answer = or_none(read, "ResourceNotFoundException", SecretId=secret.id)  # one that nobody filled in yet
        text = (answer or {}).get("SecretString", "")
        value = json.loads(text) if text.startswith("{") else {}
        if "dbClusterIdentifier" in value:
            about = {"TargetId": value["dbClusterIdentifier"], "TargetType": "AWS::RDS::DBCluster"}
            yield Thing(secret.id, {"SecretId": secret.id, **about})
