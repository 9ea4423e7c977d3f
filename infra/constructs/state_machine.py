"""One source's pipeline as a Step Functions state machine, and the schedule that starts it."""

from __future__ import annotations

import json
from collections.abc import Iterable

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_scheduler as scheduler
from aws_cdk import aws_stepfunctions as stepfunctions
from constructs import Construct

from infra.constructs.dbt_task import DbtBuild
from infra.constructs.landing_start import LandingStart
from infra.constructs.log_group import EncryptedLogGroup
from infra.constructs.state_machine_definition import Transform, definition
from infra.constructs.state_machine_schedule import rhythm
from infra.deployment import Deployment
from infra.nag import acknowledge
from ingot.naming import STEPS
from ingot.sources import Source

RETRY_POLLS = 5
"""A step waits as many polls before its second try, as the DAG's tasks do."""

# https://docs.aws.amazon.com/step-functions/latest/dg/cw-logs.html#cloudwatch-iam-policy
# https://docs.aws.amazon.com/step-functions/latest/dg/concepts-xray-tracing.html
_DELIVERY = (
    "logs:CreateLogDelivery",
    "logs:GetLogDelivery",
    "logs:UpdateLogDelivery",
    "logs:DeleteLogDelivery",
    "logs:ListLogDeliveries",
    "logs:PutResourcePolicy",
    "logs:DescribeResourcePolicies",
    "logs:DescribeLogGroups",
)
_TRACING = (
    "xray:PutTraceSegments",
    "xray:PutTelemetryRecords",
    "xray:GetSamplingRules",
    "xray:GetSamplingTargets",
)
_EVERYWHERE = "Deliveries of logs and X-Ray's traces have no resource that a policy could name (AWS's documentation)."


class SourceStateMachine(Construct):
    """A state machine that runs the steps of one source, see :mod:`infra.constructs.state_machine_definition`.

    It is encrypted with the lake's key, traced, and logs every state without its data. Its role starts, watches and
    stops the source's own jobs, and dbt's task. Where the settings follow schedules, EventBridge starts it with the
    time it was due; where they say so, what lands starts it too.

    Args:
        scope, id: as for every construct.
        deployment: what it is made from.
        source: whose pipeline it is; its jobs have to be there.
        key: the lake's.
        dbt: what builds silver and gold when the source is loaded.
            @default None: nothing is transformed.

    Attributes:
        machine: the state machine.

    Example::

        SourceStateMachine(self, "fakestore", deployment, source=source, key=lake.key)
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        deployment: Deployment,
        *,
        source: Source,
        key: kms.IKey,
        dbt: DbtBuild | None = None,
    ) -> None:
        super().__init__(scope, id)
        self._deployment, self._source, self._key = deployment, source, key
        settings, names = deployment.settings, deployment.names
        name = names.state_machine(source.name)
        # Vended logs have their prefix for a reason: the policy for others is of a size that many groups exceed
        # (https://docs.aws.amazon.com/step-functions/latest/dg/cw-logs.html).
        log = EncryptedLogGroup(self, "Log", deployment, name=f"/aws/vendedlogs/states/{name}", key=key).group
        stack = cdk.Stack.of(self)
        self._arn = stack.format_arn(
            service="states", resource="stateMachine", resource_name=name, arn_format=cdk.ArnFormat.COLON_RESOURCE_NAME
        )
        role = iam.Role(
            self,
            "Role",
            assumed_by=iam.ServicePrincipal("states.amazonaws.com"),
            description=f"State machine of source {source.name}",
            inline_policies={
                "Run": iam.PolicyDocument(
                    statements=[*self._statements(), *(dbt.run_statements(self) if dbt else ())],
                )
            },
        )
        reasons = dbt.run_reasons(self) if dbt else {}
        acknowledge(role, {"AwsSolutions-IAM5[Resource::*]": _EVERYWHERE, **reasons})
        self._let_deliveries_decrypt()
        ticks = rhythm(source.schedule)
        self.machine = stepfunctions.CfnStateMachine(
            self,
            "Machine",
            state_machine_name=name,
            state_machine_type="STANDARD",
            definition_string=stack.to_json_string(
                definition(
                    names=names,
                    source=source.name,
                    streams=list(source.streams),
                    rhythm=ticks,
                    retry_seconds=RETRY_POLLS * settings.poll_seconds,
                    dbt=Transform(
                        arguments=dbt.run_arguments(),
                        timeout_seconds=dbt.settings.timeout_minutes * 60,
                        log_group=dbt.log_group,
                    )
                    if dbt
                    else None,
                    lineage=settings.lineage is not None,
                )
            ),
            role_arn=role.role_arn,
            encryption_configuration=stepfunctions.CfnStateMachine.EncryptionConfigurationProperty(
                type="CUSTOMER_MANAGED_KMS_KEY", kms_key_id=key.key_arn, kms_data_key_reuse_period_seconds=300
            ),
            logging_configuration=stepfunctions.CfnStateMachine.LoggingConfigurationProperty(
                level="ALL",
                include_execution_data=False,  # who may read logs need not read what jobs say of records
                destinations=[
                    stepfunctions.CfnStateMachine.LogDestinationProperty(
                        cloud_watch_logs_log_group=stepfunctions.CfnStateMachine.CloudWatchLogsLogGroupProperty(
                            log_group_arn=log.log_group_arn
                        )
                    )
                ],
            ),
            tracing_configuration=stepfunctions.CfnStateMachine.TracingConfigurationProperty(enabled=True),
        )
        if settings.schedules:
            self._schedule(ticks.expression)
        if settings.landing_window_seconds is not None and source.lands:
            LandingStart(self, "Landing", deployment, source=source.name, machine_arn=self.machine.attr_arn, key=key)

    def _statements(self) -> Iterable[iam.PolicyStatement]:
        names, stack = self._deployment.names, cdk.Stack.of(self)
        yield iam.PolicyStatement(
            sid="Jobs",
            # What the .sync integration asks for: https://docs.aws.amazon.com/step-functions/latest/dg/connect-glue.html
            actions=["glue:StartJobRun", "glue:GetJobRun", "glue:GetJobRuns", "glue:BatchStopJobRun"],
            resources=[
                stack.format_arn(service="glue", resource="job", resource_name=names.job(self._source.name, step))
                for step in STEPS
            ],
        )
        # https://docs.aws.amazon.com/step-functions/latest/dg/encryption-at-rest.html
        yield iam.PolicyStatement(
            sid="Key",
            actions=["kms:Decrypt", "kms:GenerateDataKey"],
            resources=[self._key.key_arn],
            conditions={"StringEquals": {"kms:EncryptionContext:aws:states:stateMachineArn": self._arn}},
        )
        yield iam.PolicyStatement(
            sid="LogKey",
            actions=["kms:GenerateDataKey"],
            resources=[self._key.key_arn],
            conditions={
                "StringEquals": {
                    "kms:EncryptionContext:SourceArn": stack.format_arn(
                        service="logs", resource="*", arn_format=cdk.ArnFormat.NO_RESOURCE_NAME
                    )
                }
            },
        )
        yield iam.PolicyStatement(sid="Log", actions=list(_DELIVERY), resources=["*"])
        yield iam.PolicyStatement(sid="Trace", actions=list(_TRACING), resources=["*"])

    def _let_deliveries_decrypt(self) -> None:
        """Logs of an encrypted state machine arrive encrypted with its key (as above)."""
        self._key.add_to_resource_policy(
            iam.PolicyStatement(
                principals=[iam.ServicePrincipal("delivery.logs.amazonaws.com")],
                actions=["kms:Decrypt"],
                resources=["*"],
                conditions={"StringEquals": {"aws:SourceAccount": cdk.Stack.of(self).account}},
            )
        )

    def _schedule(self, expression: str) -> None:
        account = cdk.Stack.of(self).account
        role = iam.Role(
            self,
            "Starter",
            assumed_by=iam.ServicePrincipal(
                "scheduler.amazonaws.com", conditions={"StringEquals": {"aws:SourceAccount": account}}
            ),
            description=f"Starts the state machine of source {self._source.name}",
            inline_policies={
                "Start": iam.PolicyDocument(
                    statements=[
                        iam.PolicyStatement(actions=["states:StartExecution"], resources=[self._arn]),
                        iam.PolicyStatement(
                            actions=["kms:Decrypt", "kms:GenerateDataKey"], resources=[self._key.key_arn]
                        ),
                    ]
                )
            },
        )
        scheduler.CfnSchedule(
            self,
            "Schedule",
            name=self._deployment.names.state_machine(self._source.name),
            description=f"When the source {self._source.name} is asked",
            schedule_expression=expression,
            schedule_expression_timezone="UTC",
            flexible_time_window=scheduler.CfnSchedule.FlexibleTimeWindowProperty(mode="OFF"),
            kms_key_arn=self._key.key_arn,
            target=scheduler.CfnSchedule.TargetProperty(
                arn=self.machine.attr_arn,
                role_arn=role.role_arn,
                # https://docs.aws.amazon.com/scheduler/latest/UserGuide/managing-schedule-context-attributes.html
                input=json.dumps({"scheduled_time": "<aws.scheduler.scheduled-time>"}),
            ),
        )
