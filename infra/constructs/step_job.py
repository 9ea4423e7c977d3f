"""One step of one source as a Glue job, with a role that may do that step and nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from aws_cdk import aws_glue as glue
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_logs as logs
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_secretsmanager as secretsmanager
from constructs import Construct

from infra.access import ACCESS, Access
from infra.constructs.lineage import lineage_statement
from infra.constructs.network_connection import GlueConnection
from infra.constructs.redshift import DATA_API_REASONS
from infra.job_code import Code
from infra.nag import acknowledge, wildcard_resource
from infra.settings import Lineage
from ingot.cost import STEP_WORKER
from ingot.metrics.limits import REBUILD_TIMEOUT, STEP_TIMEOUT
from ingot.naming import LINEAGE, Names

MAX_CONCURRENT_RUNS = 20
"""Every stream of a source may run at once, and a backfill beside them; but only one rebuild."""


_REPORTED = frozenset({"extract", "refine", "load", "replay", "rebuild"})
"""Jobs that read and write data: the audit's tables are about them."""
_TRACED = frozenset({"extract", "refine", "load", "replay"})
"""Jobs that are at one batch: what the others do is said by the batches' own attempts."""


@dataclass(frozen=True, kw_only=True)
class Platform:
    """What all jobs have in common.

    Attributes:
        names: of the deployment.
        buckets: purpose (``bronze``, ``lake``, ``artifacts``) → bucket.
        key: the lake's.
        warehouse: the secret.
        warehouse_rights: what a job may do that reaches the warehouse, besides reading the secret.
        connection: into the network, for the jobs that reach the warehouse; None: it is not there.
        log_prefix, log_groups: where jobs log.
        code: what they run.
        metrics_namespace: where in CloudWatch their metrics belong; None: they emit none.
        tracing: whether they send traces to X-Ray.
        lineage: where they report what they read and wrote; None: nowhere.
    """

    names: Names
    buckets: Mapping[str, s3.IBucket]
    key: kms.IKey
    warehouse: secretsmanager.ISecret
    warehouse_rights: Sequence[iam.PolicyStatement]
    connection: GlueConnection | None
    log_prefix: str
    log_groups: tuple[logs.ILogGroup, ...]
    code: Code
    metrics_namespace: str | None = None
    tracing: bool = False
    lineage: Lineage | None = None


class StepJob(Construct):
    """A Glue job and its role.

    There is no retry in Glue: only the orchestrator knows whether a failure is worth one.

    Args:
        scope, id: as for every construct.
        platform: what all jobs have in common.
        source: the source's name.
        step: one of ``ingot.naming.JOBS``.
        secret: the source's, where it asks for credentials.
        lands: whether the source takes what lands in the Bronze bucket.
        workers: how many it has; the least that Glue allows, unless its work is shared out among them.

    Example::

        StepJob(self, "fakestore-extract", platform=platform, source="fakestore", step="extract")
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        platform: Platform,
        source: str,
        step: str,
        secret: secretsmanager.CfnSecret | None = None,
        lands: bool = False,
        workers: int = STEP_WORKER.count,
    ) -> None:
        super().__init__(scope, id)
        self._platform = platform
        self._secret = secret if ACCESS[step].source else None
        # A job inside has no way to the internet: one that asks a source stays outside.
        self._connection = platform.connection if ACCESS[step].warehouse else None
        self._traced = platform.tracing and step in _TRACED
        self._lineage = platform.lineage if step in _REPORTED else None
        alone = step == "rebuild"
        access = ACCESS[step].of_source(source, lands=lands)
        if self._lineage is not None and self._lineage.to == "s3":
            access = replace(access, write=(*access.write, f"bronze/{LINEAGE}{source}/"))
        artifacts = platform.buckets["artifacts"]
        self.role = iam.Role(
            self,
            "Role",
            assumed_by=iam.ServicePrincipal("glue.amazonaws.com"),
            description=f"Job {step} of source {source}",
            inline_policies={"Step": iam.PolicyDocument(statements=list(self._statements(step, access)))},
        )
        self.job = glue.CfnJob(
            self,
            "Job",
            name=platform.names.job(source, step),
            role=self.role.role_arn,
            glue_version="6.0",
            worker_type=STEP_WORKER.kind,
            number_of_workers=workers,
            timeout=int((REBUILD_TIMEOUT if alone else STEP_TIMEOUT).total_seconds() / 60),
            max_retries=0,
            execution_property=glue.CfnJob.ExecutionPropertyProperty(
                max_concurrent_runs=1 if alone else MAX_CONCURRENT_RUNS
            ),
            connections=glue.CfnJob.ConnectionsListProperty(connections=[self._connection.name])
            if self._connection
            else None,
            command=glue.CfnJob.JobCommandProperty(
                name="glueetl",
                python_version="3",
                script_location=artifacts.s3_url_for_object(platform.code.script(step)),
            ),
            default_arguments={
                "--job-language": "python",
                "--job-bookmark-option": "job-bookmark-disable",
                "--custom-logGroup-prefix": platform.log_prefix,
                "--additional-python-modules": artifacts.s3_url_for_object(platform.code.modules),
                "--python-modules-installer-option": "--no-index",  # the archive is all that pip may take from
                "--sources_uri": artifacts.s3_url_for_object("sources"),
                "--source": source,
                **self._step_arguments(source, access),
            },
        )
        if self._connection:
            self.job.node.add_dependency(self._connection)
        self._explain(access)

    def _step_arguments(self, source: str, access: Access) -> dict[str, str]:
        """The names of what the step may touch: none without a right, and no right without a name."""
        platform = self._platform
        arguments = {
            f"--{purpose}_bucket": platform.buckets[purpose].bucket_name
            for purpose in ("bronze", "lake")
            if any(path.startswith(f"{purpose}/") for path in (*access.read, *access.write))
        }
        if platform.metrics_namespace:
            arguments["--metrics_namespace"] = platform.metrics_namespace
        if self._traced:
            arguments["--tracing"] = "xray"
        if self._lineage is not None:
            to = self._lineage.to
            place = platform.buckets["bronze"].s3_url_for_object(f"{LINEAGE}{source}")
            arguments["--lineage"] = place if to == "s3" else to
        if access.warehouse:
            arguments["--warehouse_secret"] = platform.names.warehouse_secret
        if self._secret is not None:
            arguments["--source_secret"] = platform.names.source_secret(source)
        return arguments

    def _statements(self, step: str, access: Access) -> Iterable[iam.PolicyStatement]:
        platform, artifacts = self._platform, self._platform.buckets["artifacts"]
        code = [platform.code.script(step), platform.code.modules]
        if access.contracts:
            code.append("sources/*")
        yield iam.PolicyStatement(
            sid="Read",
            actions=["s3:GetObject"],
            resources=[
                *(artifacts.arn_for_objects(key) for key in code),
                *(self._objects_below(path) for path in access.read),
            ],
        )
        for purpose, prefixes in _by_bucket(access.list).items():
            yield iam.PolicyStatement(
                sid=f"List{purpose.capitalize()}",
                actions=["s3:ListBucket"],
                resources=[platform.buckets[purpose].bucket_arn],
                conditions={"StringLike": {"s3:prefix": [f"{prefix}*" for prefix in prefixes]}},
            )
        if access.write:
            yield iam.PolicyStatement(
                sid="Write",
                actions=["s3:PutObject"],
                resources=[self._objects_below(path) for path in access.write],
            )
        if access.warehouse:
            yield iam.PolicyStatement(
                sid="Warehouse",
                actions=["secretsmanager:GetSecretValue"],
                resources=[platform.warehouse.secret_arn],
            )
            yield from (statement.copy() for statement in platform.warehouse_rights)
        if self._secret is not None:
            yield iam.PolicyStatement(
                sid="Source",
                actions=["secretsmanager:GetSecretValue"],
                resources=[self._secret.ref],  # its ARN
            )
        if self._connection is not None:
            yield from self._connection.statements()
        use = ["kms:Decrypt", *(["kms:GenerateDataKey"] if access.write else [])]
        yield iam.PolicyStatement(sid="Key", actions=use, resources=[platform.key.key_arn])
        if self._traced:
            # https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsx-ray.html
            yield iam.PolicyStatement(sid="Trace", actions=["xray:PutTraceSegments"], resources=["*"])
        if self._lineage is not None and (statement := lineage_statement(self, self._lineage)) is not None:
            yield statement
        yield iam.PolicyStatement(
            sid="Log",
            actions=["logs:CreateLogStream", "logs:PutLogEvents"],
            resources=[group.log_group_arn for group in platform.log_groups],  # ends in :*, its streams
        )

    def _objects_below(self, path: str) -> str:
        purpose, _, prefix = path.partition("/")
        return self._platform.buckets[purpose].arn_for_objects(f"{prefix}*")

    def _explain(self, access: Access) -> None:
        """The findings of cdk-nag that are right here, and why."""
        keys = "Its keys hold the batch's id and the content's hash, which only the run knows."
        reasons = {
            **{wildcard_resource(self, self._objects_below(path)): keys for path in (*access.read, *access.write)},
            **(self._connection.reasons() if self._connection else {}),
            **(DATA_API_REASONS if access.warehouse and self._platform.warehouse_rights else {}),
        }
        if self._traced:
            # The id of the finding is the one of a network's actions: one reason has to hold for both.
            everywhere = "AwsSolutions-IAM5[Resource::*]"
            reasons[everywhere] = " ".join(filter(None, (reasons.get(everywhere), "X-Ray knows no resources.")))
        if access.contracts:
            sources = self._platform.buckets["artifacts"].arn_for_objects("sources/*")
            reasons[wildcard_resource(self, sources)] = "One folder of contracts; a job reads the files of its source."
        acknowledge(self.role, reasons)
        acknowledge(
            self.job,
            {
                "AwsSolutions-GL1": "Its log groups are made by this stack, with the key and a retention; "
                "a security configuration would have Glue make others, without retention.",
                "AwsSolutions-GL3": "Bookmarks are off: what a run has done is in the batch's manifest.",
            },
        )


def _by_bucket(paths: Iterable[str]) -> dict[str, list[str]]:
    grouped: dict[str, list[str]] = {}
    for path in paths:
        purpose, _, prefix = path.partition("/")
        grouped.setdefault(purpose, []).append(prefix)
    return grouped
