"""What lands starts the state machine of its source: S3's events, gathered for a while, one start for all of them."""

from __future__ import annotations

import json

import aws_cdk as cdk
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_pipes as pipes
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from infra.deployment import Deployment
from infra.nag import acknowledge
from ingot.naming import LANDING

MOST_EVENTS = 1_000
"""Of one start; their number does not matter, the batch lists what is there."""
LONGEST_WINDOW = 300
"""Seconds: https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-pipes-batching-concurrency.html"""
TRIES = 5
_KEPT_DAYS = 14


class LandingStart(Construct):
    """EventBridge puts S3's events of a source's landing prefix into a queue, and a pipe starts the state machine.

    The pipe waits from the first event on until the window is over, and starts the machine once for what came by then.
    An event is gone from the queue when the machine has been started, so that each is followed by a start: at least
    once. A batch takes what is there, whatever events told of it, and so neither a doubled nor a lost event matters
    while another comes; the schedule, where it is followed, finds the rest. Two executions may run at once: of two
    batches that took the same objects one is published, and the other begins again from it.

    Args:
        scope, id: as for every construct.
        deployment: what it is made from; its settings have a ``landing_window_seconds``.
        source: its name.
        machine_arn: of its state machine.
        key: the lake's, with which the state machine is encrypted.

    Example::

        LandingStart(self, "Landing", deployment, source="orders_stream", machine_arn=machine.attr_arn, key=key)
    """

    def __init__(
        self, scope: Construct, id: str, deployment: Deployment, *, source: str, machine_arn: str, key: kms.IKey
    ) -> None:
        super().__init__(scope, id)
        window = deployment.settings.landing_window_seconds
        assert window is not None
        account = cdk.Stack.of(self).account
        name = deployment.names.landing_start(source)
        # An event names a bucket and a key, and no record: SQS's own key will do, which EventBridge may use.
        unsent = sqs.Queue(
            self,
            "Unsent",
            encryption=sqs.QueueEncryption.SQS_MANAGED,
            enforce_ssl=True,
            retention_period=cdk.Duration.days(_KEPT_DAYS),
        )
        queue = sqs.Queue(
            self,
            "Queue",
            encryption=sqs.QueueEncryption.SQS_MANAGED,
            enforce_ssl=True,
            # Six windows: https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html, as for a function
            visibility_timeout=cdk.Duration.seconds(max(30, 6 * window)),
            dead_letter_queue=sqs.DeadLetterQueue(queue=unsent, max_receive_count=TRIES),
        )
        rule = events.Rule(
            self,
            "Rule",
            rule_name=name,
            description=f"What lands of the source {source}",
            event_pattern=events.EventPattern(
                source=["aws.s3"],
                detail_type=["Object Created"],
                detail={
                    "bucket": {"name": [deployment.names.bronze_bucket]},
                    "object": {"key": [{"prefix": f"{LANDING}{source}/"}]},
                },
            ),
        )
        rule.add_target(targets.SqsQueue(queue))
        role = iam.Role(
            self,
            "Role",
            assumed_by=iam.ServicePrincipal(
                "pipes.amazonaws.com", conditions={"StringEquals": {"aws:SourceAccount": account}}
            ),
            description=f"Starts the state machine of source {source} when something landed",
            inline_policies={
                "Start": iam.PolicyDocument(
                    statements=[
                        iam.PolicyStatement(
                            sid="Take",
                            actions=["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"],
                            resources=[queue.queue_arn],
                        ),
                        iam.PolicyStatement(sid="Start", actions=["states:StartExecution"], resources=[machine_arn]),
                        iam.PolicyStatement(
                            sid="Key", actions=["kms:Decrypt", "kms:GenerateDataKey"], resources=[key.key_arn]
                        ),
                    ]
                )
            },
        )
        acknowledge(unsent, {"AwsSolutions-SQS3": "It is itself where messages end that could not be delivered."})
        pipes.CfnPipe(
            self,
            "Pipe",
            name=name,
            description=f"Starts the state machine of source {source} when something landed",
            role_arn=role.role_arn,
            source=queue.queue_arn,
            source_parameters=pipes.CfnPipe.PipeSourceParametersProperty(
                sqs_queue_parameters=pipes.CfnPipe.PipeSourceSqsQueueParametersProperty(
                    batch_size=MOST_EVENTS, maximum_batching_window_in_seconds=window
                )
            ),
            target=machine_arn,
            target_parameters=pipes.CfnPipe.PipeTargetParametersProperty(
                # For each event; the machine is given an array of them.
                input_template=json.dumps({"landed": True}),
                step_function_state_machine_parameters=pipes.CfnPipe.PipeTargetStateMachineParametersProperty(
                    invocation_type="FIRE_AND_FORGET"
                ),
            ),
        )
