"""Airflow as a service: an MWAA environment over the DAG bundle, and what it may do."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_mwaa as mwaa
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_secretsmanager as secretsmanager
from constructs import Construct

from infra.constructs.lineage import lineage_statement
from infra.constructs.log_group import EncryptedLogGroup
from infra.constructs.network import PrivateNetwork
from infra.deployment import Deployment
from infra.nag import acknowledge, wildcard_resource
from infra.settings import Lineage, Mwaa
from ingot.naming import STEPS

AIRFLOW_VERSION = "3.3.1"
"""What the DAG folder is tested with: MWAA's constraints for it are in requirements/."""

SUBNETS = 2
"""MWAA takes exactly two, in two zones: https://docs.aws.amazon.com/mwaa/latest/userguide/networking-about.html"""

LOGS = {
    "DAGProcessing": "dag_processing_logs",
    "Scheduler": "scheduler_logs",
    "Task": "task_logs",
    "WebServer": "webserver_logs",
    "Worker": "worker_logs",
}
"""The last part of each log group's name → the property that switches it on."""

# https://docs.aws.amazon.com/mwaa/latest/userguide/mwaa-create-role.html: the policy for a key of one's own.
_LOG = (
    "logs:CreateLogStream",
    "logs:PutLogEvents",
    "logs:GetLogEvents",
    "logs:GetLogRecord",
    "logs:GetLogGroupFields",
    "logs:GetQueryResults",
    "logs:DescribeLogStreams",  # with which the web server of Airflow 3 finds a triggerer's part of a task's log
)
_QUEUE = (
    "sqs:ChangeMessageVisibility",
    "sqs:DeleteMessage",
    "sqs:GetQueueAttributes",
    "sqs:GetQueueUrl",
    "sqs:ReceiveMessage",
    "sqs:SendMessage",
)
_BUCKET = ("s3:GetObject*", "s3:GetBucket*", "s3:List*")
_KEY = (
    "kms:Decrypt",
    "kms:DescribeKey",
    "kms:Encrypt",
    "kms:GenerateDataKey",
    "kms:GenerateDataKeyWithoutPlaintext",
)
_GLUE = ("glue:GetJob", "glue:StartJobRun", "glue:GetJobRun", "glue:BatchStopJobRun")
"""What ``dags/ingot_glue.py`` asks; the last one when a task is killed."""
METRICS = "AmazonMWAA"
"""The namespace of Airflow's own metrics: https://docs.aws.amazon.com/mwaa/latest/userguide/access-metrics-cw.html"""


def airflow_options(environment: str, lineage: Lineage | None = None) -> dict[str, str]:
    """What of Airflow's configuration differs from MWAA's; ``startup.sh`` exports the rest.

    Args:
        environment: whose secrets are connections.
        lineage: where tasks, and dbt in them, report what they read and wrote; they have no way to S3 for it.
    """
    transport = lineage.transport if lineage else None
    reporting = {"openlineage.transport": json.dumps(transport), "openlineage.namespace": f"ingot-{environment}"}
    return {
        **(reporting if transport else {}),
        # The warehouse's secret is the connection `warehouse`, the salt of dbt's masks the variable `mask_salt`, and
        # nothing else is looked for there: the role may read no other secret. Workers look the same way.
        "secrets.backend": "airflow.providers.amazon.aws.secrets.secrets_manager.SecretsManagerBackend",
        "secrets.backend_kwargs": json.dumps(
            {
                "connections_prefix": f"ingot/{environment}",
                "connections_lookup_pattern": "^warehouse$",
                "variables_prefix": f"ingot/{environment}",
                "variables_lookup_pattern": "^mask_salt$",
                "config_prefix": None,
                "sep": "/",
                # RDS's own secrets name the database so.
                "extra_conn_words": {"schema": ["dbname"]},
            }
        ),
        # What a variable or a connection of such a name holds is not shown in logs and rendered templates; the first
        # two are MWAA's own.
        "core.sensitive_var_conn_names": "proxy,proxies,salt",
        # Whether schedules are followed is the settings' choice, and travels in the bundle.
        "core.dags_are_paused_at_creation": "False",
        # MWAA copies the folder every half minute; Airflow would look for new files every five.
        "dag_processor.refresh_interval": "30",
    }


class AirflowEnvironment(Construct):
    """An MWAA environment in the network, encrypted, logged, with a role for our jobs and the warehouse's secret.

    What its containers are made from lies in a folder of the DAG bucket that is named by its content: so a change of
    it changes the environment, which replaces its containers, and a change of a DAG does not. A pinned version of an
    object would not do: each upload makes a new version of every object, and old ones expire.

    Args:
        scope, id: as for every construct.
        deployment: what it is made from.
        settings: its size, see :class:`infra.settings.Mwaa`.
        bucket: the DAG bucket, with the bundle's ``dags/`` in it.
        setup: the prefix of the bucket that holds ``requirements.txt`` and ``startup.sh``.
        network: where it runs.
        key: encrypts all that it keeps; it is the bucket's too, as MWAA wants.
        warehouse: the secret that dbt connects with.
        salt: the secret that its masks are salted with.
        sources: the names of those whose jobs it runs.

    Attributes:
        environment: the environment.
        role: what its tasks, and all other parts of it, are allowed to do.

    Example::

        AirflowEnvironment(self, "Airflow", deployment, settings=Mwaa(), bucket=bucket, setup="setup/1a2b",
                           network=network, key=lake.key, warehouse=secret, salt=salt, sources=["fakestore"])
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        deployment: Deployment,
        *,
        settings: Mwaa,
        bucket: s3.IBucket,
        setup: str,
        network: PrivateNetwork,
        key: kms.IKey,
        warehouse: secretsmanager.ISecret,
        salt: secretsmanager.ISecret,
        sources: Iterable[str],
    ) -> None:
        super().__init__(scope, id)
        self._bucket, self._key, self._secrets = bucket, key, (warehouse, salt)
        self._lineage = deployment.settings.lineage
        self._name = deployment.names.airflow
        stack = cdk.Stack.of(self)
        self._arn = stack.format_arn(service="airflow", resource="environment", resource_name=self._name)
        assert network.airflow is not None  # the network's settings are of the same environment
        # MWAA would make them, without our key's policy and for ever.
        groups = {
            kind: EncryptedLogGroup(self, f"Log-{kind}", deployment, name=deployment.names.airflow_log(kind), key=key)
            for kind in LOGS
        }
        jobs = [
            stack.format_arn(service="glue", resource="job", resource_name=deployment.names.job(source, step))
            for source in sources
            for step in STEPS
        ]
        self._queues = stack.format_arn(service="sqs", account="*", resource="airflow-celery-*")
        self.role = iam.Role(
            self,
            "Role",
            # https://docs.aws.amazon.com/mwaa/latest/userguide/cross-service-confused-deputy-prevention.html
            assumed_by=iam.CompositePrincipal(
                *(
                    iam.ServicePrincipal(
                        f"{service}.amazonaws.com",
                        conditions={
                            "StringEquals": {"aws:SourceAccount": stack.account},
                            "ArnLike": {"aws:SourceArn": self._arn},
                        },
                    )
                    for service in ("airflow", "airflow-env")
                )
            ),
            description="Airflow's tasks, workers, scheduler and web server",
            inline_policies={
                "Run": iam.PolicyDocument(statements=[*self._own([g.group.log_group_arn for g in groups.values()])]),
                "Dags": iam.PolicyDocument(statements=[*self._dags(jobs)]),
            },
        )
        self._explain()
        level = {"Task": settings.task_log_level}
        self.environment = mwaa.CfnEnvironment(
            self,
            "Environment",
            name=self._name,
            airflow_version=AIRFLOW_VERSION,
            airflow_configuration_options=airflow_options(deployment.names.environment, deployment.settings.lineage),
            environment_class=settings.environment_class,
            min_workers=settings.min_workers,
            max_workers=settings.max_workers,
            schedulers=settings.schedulers,
            source_bucket_arn=bucket.bucket_arn,
            dag_s3_path="dags",
            requirements_s3_path=f"{setup}/requirements.txt",
            startup_script_s3_path=f"{setup}/startup.sh",
            execution_role_arn=self.role.role_arn,
            kms_key=key.key_arn,
            network_configuration=mwaa.CfnEnvironment.NetworkConfigurationProperty(
                subnet_ids=[subnet.subnet_id for subnet in network.subnets[:SUBNETS]],
                security_group_ids=[network.airflow.security_group_id],
            ),
            webserver_access_mode=settings.webserver,
            logging_configuration=mwaa.CfnEnvironment.LoggingConfigurationProperty(
                **{
                    option: mwaa.CfnEnvironment.ModuleLoggingConfigurationProperty(
                        enabled=True, log_level=level.get(kind, settings.log_level)
                    )
                    for kind, option in LOGS.items()
                }
            ),
            weekly_maintenance_window_start=settings.maintenance,
            worker_replacement_strategy=settings.worker_replacement,
        )
        self.environment.node.add_dependency(*groups.values())

    def _own(self, groups: Sequence[str]) -> Iterable[iam.PolicyStatement]:
        """What MWAA itself asks of the role."""
        stack = cdk.Stack.of(self)
        yield iam.PolicyStatement(sid="Health", actions=["airflow:PublishMetrics"], resources=[self._arn])
        yield iam.PolicyStatement(
            sid="Bundle",
            actions=list(_BUCKET),
            resources=[self._bucket.bucket_arn, self._bucket.arn_for_objects("*")],
        )
        yield iam.PolicyStatement(sid="Public", actions=["s3:GetAccountPublicAccessBlock"], resources=["*"])
        yield iam.PolicyStatement(sid="Log", actions=list(_LOG), resources=list(groups))  # each ends in :*, its streams
        yield iam.PolicyStatement(sid="FindLogs", actions=["logs:DescribeLogGroups"], resources=["*"])
        yield iam.PolicyStatement(
            sid="Metrics",
            actions=["cloudwatch:PutMetricData"],
            resources=["*"],
            conditions={"StringEquals": {"cloudwatch:namespace": METRICS}},
        )
        yield iam.PolicyStatement(sid="Queue", actions=list(_QUEUE), resources=[self._queues])
        yield iam.PolicyStatement(
            sid="Key",
            actions=list(_KEY),
            resources=[self._key.key_arn],
            conditions={
                "StringEquals": {
                    "kms:ViaService": [f"{service}.{stack.region}.amazonaws.com" for service in ("sqs", "s3")]
                }
            },
        )

    def _dags(self, jobs: list[str]) -> Iterable[iam.PolicyStatement]:
        """What the DAG folder's tasks ask of it."""
        via = f"secretsmanager.{cdk.Stack.of(self).region}.amazonaws.com"
        yield iam.PolicyStatement(sid="Jobs", actions=list(_GLUE), resources=jobs)
        if self._lineage is not None and (statement := lineage_statement(self, self._lineage)) is not None:
            yield statement
        yield iam.PolicyStatement(
            sid="Secrets",
            actions=["secretsmanager:GetSecretValue"],
            resources=[secret.secret_arn for secret in self._secrets],
        )
        yield iam.PolicyStatement(
            sid="SecretsKey",
            actions=["kms:Decrypt"],
            resources=[self._key.key_arn],
            conditions={"StringEquals": {"kms:ViaService": via}},
        )

    def _explain(self) -> None:
        bucket = "MWAA's own policy asks for these families, on the bucket that holds the DAG bundle and nothing else."
        queue = "The queue is in an account of MWAA's, under a name that it makes up with the environment."
        account = (
            "Metrics (of one namespace), the list of log groups and the account's block of public access have no "
            "resource that a policy could name."
        )
        acknowledge(
            self.role,
            {
                **{f"AwsSolutions-IAM5[Action::{action}]": bucket for action in _BUCKET},
                wildcard_resource(self, self._bucket.arn_for_objects("*")): bucket,
                wildcard_resource(self, self._queues): queue,
                "AwsSolutions-IAM5[Resource::*]": account,
            },
        )
