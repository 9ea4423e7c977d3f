"""The warehouse on Redshift Serverless."""

from __future__ import annotations

from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_redshiftserverless as redshift
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_secretsmanager as secretsmanager
from constructs import Construct

from infra.constructs.log_group import EncryptedLogGroup
from infra.constructs.network import PrivateNetwork
from infra.constructs.rotation import rotate
from infra.deployment import Deployment
from infra.nag import acknowledge, wildcard_resource
from infra.settings import Redshift

LOGS = ("connectionlog", "useractivitylog", "userlog")
PARQUET = "bronze/"
"""The prefix of the lake that refine writes to and COPY reads from."""

DATA_API_REASONS = {
    "AwsSolutions-IAM5[Resource::*]": "A statement of the Data API has no ARN: a condition holds the job to its own."
}


def redshift_name(deployment: Deployment) -> str:
    """What the namespace and the workgroup are called."""
    return f"ingot-{deployment.names.environment}"


def redshift_host(deployment: Deployment) -> str:
    """The workgroup's address, which is a function of its name: so the secret can hold it before it is there.

    https://docs.aws.amazon.com/redshift/latest/mgmt/serverless-connecting.html
    """
    names = deployment.names
    return f"{redshift_name(deployment)}.{names.account}.{names.region}.redshift-serverless.amazonaws.com"


class RedshiftWarehouse(Construct):
    """A namespace (the data) and a workgroup (what computes) in the private subnets.

    Encrypted, TLS only, its traffic to S3 inside the network, its password rotated. The namespace is kept with
    its stack gone, unless both keys allow its deletion.

    Attributes:
        job_rights: what a job's role needs to load through the Data API, besides reading the secret.
        copy_role: the namespace's default role, as which ``COPY … IAM_ROLE default`` reads the lake's Parquet.

    Args:
        scope, id: as for every construct.
        deployment: what it is made from.
        settings: its capacity, see :class:`infra.settings.Redshift`.
        network: where it stands.
        key: encrypts the data, and the Parquet that COPY reads.
        secret: with engine, host, port, dbname, username and a generated password.

    Example::

        RedshiftWarehouse(self, "Redshift", deployment, settings=Redshift(), network=network, key=lake.key,
                          secret=secret)
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        deployment: Deployment,
        *,
        settings: Redshift,
        network: PrivateNetwork,
        key: kms.IKey,
        secret: secretsmanager.Secret,
    ) -> None:
        super().__init__(scope, id)
        name = redshift_name(deployment)
        self.copy_role = self._copy_role(deployment, key)
        logs = [
            EncryptedLogGroup(self, f"Log-{kind}", deployment, name=f"/aws/redshift/{name}/{kind}", key=key)
            for kind in LOGS
        ]
        namespace = redshift.CfnNamespace(
            self,
            "Namespace",
            namespace_name=name,
            db_name=settings.dbname,
            admin_username=settings.username,
            # A reference that CloudFormation resolves in the account: the password is in no template.
            admin_user_password=secret.secret_value_from_json("password").unsafe_unwrap(),
            kms_key_id=key.key_arn,
            iam_roles=[self.copy_role.role_arn],
            default_iam_role_arn=self.copy_role.role_arn,
            log_exports=list(LOGS),
        )
        namespace.apply_removal_policy(deployment.removal_policy)
        namespace.node.add_dependency(*logs)
        workgroup = redshift.CfnWorkgroup(
            self,
            "Workgroup",
            workgroup_name=name,
            namespace_name=namespace.namespace_name,
            base_capacity=settings.base_rpu,
            max_capacity=settings.max_rpu,
            port=settings.port,
            publicly_accessible=False,
            enhanced_vpc_routing=True,
            subnet_ids=[subnet.subnet_id for subnet in network.subnets],
            security_group_ids=[network.warehouse.security_group_id],
            config_parameters=[
                redshift.CfnWorkgroup.ConfigParameterProperty(parameter_key=parameter, parameter_value="true")
                for parameter in ("require_ssl", "enable_user_activity_logging")
            ],
        )
        workgroup.node.add_dependency(namespace)
        self.job_rights = [
            iam.PolicyStatement(
                sid="Ask",
                actions=["redshift-data:ExecuteStatement", "redshift-data:BatchExecuteStatement"],
                resources=[workgroup.attr_workgroup_workgroup_arn],
            ),
            # As in AWS's own policy AmazonRedshiftDataFullAccess.
            iam.PolicyStatement(
                sid="Answer",
                actions=[
                    "redshift-data:CancelStatement",
                    "redshift-data:DescribeStatement",
                    "redshift-data:GetStatementResult",
                ],
                resources=["*"],
                conditions={"StringEquals": {"redshift-data:statement-owner-iam-userid": "${aws:userid}"}},
            ),
        ]
        rotate(secret, network, engine=settings.engine)
        secret.node.find_child("Rotation").node.add_dependency(workgroup)  # it rotates at once

    def _copy_role(self, deployment: Deployment, key: kms.IKey) -> iam.Role:
        bucket = s3.Bucket.from_bucket_name(self, "Lake", deployment.lake_buckets["lake"])
        parquet = bucket.arn_for_objects(f"{PARQUET}*")
        statements = [
            iam.PolicyStatement(sid="Read", actions=["s3:GetObject"], resources=[parquet]),
            iam.PolicyStatement(
                sid="List",
                actions=["s3:ListBucket"],
                resources=[bucket.bucket_arn],
                conditions={"StringLike": {"s3:prefix": [f"{PARQUET}*"]}},
            ),
            iam.PolicyStatement(sid="Key", actions=["kms:Decrypt"], resources=[key.key_arn]),
        ]
        role = iam.Role(
            self,
            "Copy",
            assumed_by=iam.CompositePrincipal(
                iam.ServicePrincipal("redshift-serverless.amazonaws.com"),
                iam.ServicePrincipal("redshift.amazonaws.com"),
            ),
            description="Redshift's COPY from the lake's Parquet",
            inline_policies={"Copy": iam.PolicyDocument(statements=statements)},
        )
        reason = "The Parquet of all sources, whose keys hold date and batch: one warehouse takes them all."
        acknowledge(role, {wildcard_resource(self, parquet): reason})
        return role
