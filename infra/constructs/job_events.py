"""What Glue itself says of each run that ended: written down, counted, and told to a topic if it failed."""

from __future__ import annotations

import aws_cdk as cdk
from aws_cdk import aws_events as events
from aws_cdk import aws_kms as kms
from aws_cdk import aws_logs as logs
from aws_cdk import aws_sns as sns
from constructs import Construct

from infra.constructs.log_group import EncryptedLogGroup
from infra.constructs.metric_series import Place

METRIC = "runs_failed"
ENDED_BADLY = ("FAILED", "TIMEOUT")
"""States of a run of which Glue sends an event, besides SUCCEEDED and STOPPED
(https://docs.aws.amazon.com/glue/latest/dg/automating-awsglue-with-cloudwatch-events.html)."""


class JobEvents(Construct):
    """EventBridge's rules for the ends of all runs. One that was killed emits no metric of its own; Glue says so.

    Args:
        scope, id: as for every construct.
        place: whose jobs they are.
        key: the log's.
        topic: what hears of runs that failed, with the run's own last words.
        runbook: where the runbook is.

    Example::

        JobEvents(self, "JobEvents", place=place, key=lake.key, topic=topic, runbook="docs/runbook.md")
    """

    def __init__(
        self, scope: Construct, id: str, *, place: Place, key: kms.IKey, topic: sns.ITopic, runbook: str
    ) -> None:
        super().__init__(scope, id)
        metric, environment = place.catalogue[METRIC], place.deployment.settings.environment
        jobs = [labels["job"] for labels in place.series(metric, metric.labels)]
        name = f"/aws/events/ingot-{environment}-jobs"
        log = EncryptedLogGroup(self, "Log", place.deployment, name=name, key=key).group
        stack = cdk.Stack.of(self)
        log_arn = stack.format_arn(
            service="logs", resource="log-group", resource_name=name, arn_format=cdk.ArnFormat.COLON_RESOURCE_NAME
        )
        written = events.CfnRule(
            self,
            "Ended",
            name=f"ingot-{environment}-job-ended",
            description="Each run of Ingot's jobs that ended, for its log",
            event_pattern=_pattern(jobs),
            targets=[events.CfnRule.TargetProperty(id="log", arn=log_arn)],
        )
        written.node.add_dependency(self._let_events_write(environment, log_arn))
        logs.CfnMetricFilter(
            self,
            "Failures",
            filter_name=METRIC,
            log_group_name=log.log_group_name,
            filter_pattern="{ " + " || ".join(f'($.detail.state = "{state}")' for state in ENDED_BADLY) + " }",
            metric_transformations=[
                logs.CfnMetricFilter.MetricTransformationProperty(
                    metric_namespace=place.namespace,
                    metric_name=METRIC,
                    metric_value="1",
                    unit="Count",
                    dimensions=[logs.CfnMetricFilter.DimensionProperty(key="job", value="$.detail.jobName")],
                )
            ],
        )
        alarm = place.catalogue.alarms[METRIC]
        events.CfnRule(
            self,
            "Failed",
            name=f"ingot-{environment}-job-failed",
            description="Runs of Ingot's jobs that failed, for whoever hears of alarms",
            event_pattern=_pattern(jobs, state=list(ENDED_BADLY)),
            targets=[
                events.CfnRule.TargetProperty(
                    id="topic",
                    arn=topic.topic_arn,
                    input_transformer=events.CfnRule.InputTransformerProperty(
                        input_paths_map={
                            "job": "$.detail.jobName",
                            "run": "$.detail.jobRunId",
                            "state": "$.detail.state",
                            "message": "$.detail.message",
                        },
                        input_template=f'"<job> is <state>: <message> (run <run>). Safe: {alarm.safe} '
                        f'Do: {alarm.do} Runbook: {runbook}#{alarm.name}"',
                    ),
                )
            ],
        )

    def _let_events_write(self, environment: str, log_arn: str) -> logs.CfnResourcePolicy:
        """As EventBridge's documentation has it: https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-use-resource-based.html."""
        stack = cdk.Stack.of(self)
        services = {"Service": ["events.amazonaws.com", "delivery.logs.amazonaws.com"]}
        rule = stack.format_arn(service="events", resource="rule", resource_name=f"ingot-{environment}-job-ended")
        statements = [
            {"Action": "logs:CreateLogStream"},
            {"Action": "logs:PutLogEvents", "Condition": {"ArnEquals": {"aws:SourceArn": rule}}},
        ]
        document = {
            "Version": "2012-10-17",
            "Statement": [
                {"Effect": "Allow", "Principal": services, "Resource": f"{log_arn}:*", **statement}
                for statement in statements
            ],
        }
        return logs.CfnResourcePolicy(
            self,
            "Policy",
            policy_name=f"ingot-{environment}-events",
            policy_document=stack.to_json_string(document),
        )


def _pattern(jobs: list[str], **detail: list[str]) -> dict[str, object]:
    return {
        "source": ["aws.glue"],
        "detail-type": ["Glue Job State Change"],
        "detail": {"jobName": jobs, **detail},
    }
