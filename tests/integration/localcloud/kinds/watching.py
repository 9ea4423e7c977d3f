"""What is written down and looked at: CloudWatch, its logs, events and topics."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from tests.integration.localcloud.comparison import Thing
from tests.integration.localcloud.kinds.table import Account, camel, kind


@kind("AWS::Logs::LogGroup", identity=("LogGroupName",))
def log_groups(account: Account) -> Iterator[Thing]:
    for group in account.pages("logs", "describe_log_groups", "logGroups"):
        properties = {
            "LogGroupName": group["logGroupName"],
            "RetentionInDays": group.get("retentionInDays"),
            "KmsKeyId": group.get("kmsKeyId"),
            "LogGroupClass": group.get("logGroupClass"),
        }
        arn = group["arn"].removesuffix(":*")
        yield Thing(group["logGroupName"], properties, {"Arn": f"{arn}:*"})


@kind("AWS::Logs::MetricFilter", identity=("FilterName", "LogGroupName"))
def metric_filters(account: Account) -> Iterator[Thing]:
    for each in account.pages("logs", "describe_metric_filters", "metricFilters"):
        filters = [
            {**camel(one), "Dimensions": [{"Key": k, "Value": v} for k, v in one.get("dimensions", {}).items()]}
            for one in each["metricTransformations"]
        ]
        yield Thing(each["filterName"], {**camel(each), "MetricTransformations": filters})


@kind("AWS::Logs::ResourcePolicy", identity=("PolicyName",))
def log_policies(account: Account) -> Iterator[Thing]:
    for each in account.pages("logs", "describe_resource_policies", "resourcePolicies"):
        yield Thing(each["policyName"], {**camel(each), "PolicyDocument": json.loads(each["policyDocument"])})


@kind("AWS::CloudWatch::Alarm", identity=("AlarmName",))
def alarms(account: Account) -> Iterator[Thing]:
    for each in account.pages("cloudwatch", "describe_alarms", "MetricAlarms"):
        yield Thing(each["AlarmName"], each, {"Arn": each["AlarmArn"]})


@kind("AWS::CloudWatch::Dashboard", identity=("DashboardName",))
def dashboards(account: Account) -> Iterator[Thing]:
    for each in account.pages("cloudwatch", "list_dashboards", "DashboardEntries"):
        told = account.client("cloudwatch").get_dashboard(DashboardName=each["DashboardName"])
        yield Thing(each["DashboardName"], {**told, "DashboardBody": json.loads(told["DashboardBody"])})


def _event(account: Account, properties: dict[str, Any]) -> dict[str, Any]:
    return {"EventBusName": "default", "State": "ENABLED", **properties}


@kind("AWS::Events::Rule", identity=("Name",), expect=_event)
def rules(account: Account) -> Iterator[Thing]:
    for rule in account.pages("events", "list_rules", "Rules"):
        targets = list(account.pages("events", "list_targets_by_rule", "Targets", Rule=rule["Name"]))
        pattern = json.loads(rule.get("EventPattern") or "null")
        yield Thing(rule["Name"], {**rule, "EventPattern": pattern, "Targets": targets}, {"Arn": rule["Arn"]})


def _topics(account: Account) -> Iterator[Mapping[str, Any]]:
    for each in account.pages("sns", "list_topics", "Topics"):
        yield account.client("sns").get_topic_attributes(TopicArn=each["TopicArn"])["Attributes"]


@kind("AWS::SNS::Topic", identity=("TopicName",))
def topics(account: Account) -> Iterator[Thing]:
    for topic in _topics(account):
        arn = topic["TopicArn"]
        tags = account.client("sns").list_tags_for_resource(ResourceArn=arn)["Tags"]
        name = arn.rpartition(":")[2]
        yield Thing(arn, {**topic, "TopicName": name, "Tags": tags}, {"TopicArn": arn, "TopicName": name})


@kind("AWS::SNS::TopicPolicy", identity=("Topics",))
def topic_policies(account: Account) -> Iterator[Thing]:
    """But for the one that a topic is born with."""
    for topic in _topics(account):
        policy = json.loads(topic["Policy"])
        if policy.get("Id") != "__default_policy_ID":
            yield Thing(topic["TopicArn"], {"Topics": [topic["TopicArn"]], "PolicyDocument": policy})


@kind("AWS::SNS::Subscription", identity=("TopicArn", "Protocol", "Endpoint"))
def subscriptions(account: Account) -> Iterator[Thing]:
    for each in account.pages("sns", "list_subscriptions", "Subscriptions"):
        yield Thing(each["SubscriptionArn"], each)
