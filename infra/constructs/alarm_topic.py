"""The topic that alarms go to, under a key of its own."""

from __future__ import annotations

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sns_subscriptions as subscriptions
from constructs import Construct

from infra.deployment import Deployment


class AlarmTopic(Construct):
    """An encrypted SNS topic that CloudWatch's alarms and EventBridge's rules publish to.

    Its key is not the lake's: EventBridge's use of a key cannot be held to an account or a rule by a condition
    (https://docs.aws.amazon.com/sns/latest/dg/sns-key-management.html), and here there is nothing else to read.

    Args:
        scope, id: as for every construct.
        deployment: what it is made from.
        emails: who is written to; each confirms it once, in a mail that SNS sends.

    Attributes:
        topic: the topic.

    Example::

        AlarmTopic(self, "Topic", deployment, emails=["data@example.com"]).topic
    """

    def __init__(self, scope: Construct, id: str, deployment: Deployment, *, emails: list[str]) -> None:
        super().__init__(scope, id)
        name = f"ingot-{deployment.settings.environment}-alarms"
        stack = cdk.Stack.of(self)
        key = kms.Key(
            self,
            "Key",
            description=f"Messages of the topic {name}",
            enable_key_rotation=True,
            removal_policy=deployment.removal_policy,
        )
        self.topic = sns.Topic(self, "Topic", topic_name=name, display_name="Ingot", master_key=key, enforce_ssl=True)
        of_this_account = {"StringEquals": {"aws:SourceAccount": stack.account}}
        for service, conditions in (("cloudwatch", of_this_account), ("events", {})):
            principal = iam.ServicePrincipal(f"{service}.amazonaws.com")
            key.add_to_resource_policy(
                iam.PolicyStatement(
                    principals=[principal],
                    actions=["kms:Decrypt", "kms:GenerateDataKey"],
                    resources=["*"],
                    conditions=conditions,
                )
            )
            self.topic.add_to_resource_policy(
                iam.PolicyStatement(
                    principals=[principal],
                    actions=["sns:Publish"],
                    resources=[self.topic.topic_arn],
                    conditions=conditions,
                )
            )
        for email in emails:
            self.topic.add_subscription(subscriptions.EmailSubscription(email))
