"""The warehouse on Aurora PostgreSQL Serverless v2."""

from __future__ import annotations

import aws_cdk as cdk
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_kms as kms
from aws_cdk import aws_rds as rds
from aws_cdk import aws_secretsmanager as secretsmanager
from constructs import Construct

from infra.constructs.log_group import EncryptedLogGroup
from infra.constructs.network import PrivateNetwork
from infra.constructs.rotation import rotate
from infra.deployment import Deployment
from infra.nag import acknowledge
from infra.settings import Aurora

VERSION = rds.AuroraPostgresEngineVersion.VER_17_9
_SLOW_MS = 1000


class AuroraWarehouse(Construct):
    """A cluster in the private subnets, encrypted, TLS only, backed up, its password rotated.

    It is kept with its stack gone, and protected against deletion, unless both keys allow it.

    Attributes:
        cluster: the cluster.

    Args:
        scope, id: as for every construct.
        deployment: what it is made from.
        settings: its capacity, see :class:`infra.settings.Aurora`.
        network: where it stands.
        key: encrypts storage, backups, logs and insights.
        secret: with username, dbname and a generated password; host and port are added to it.

    Example::

        AuroraWarehouse(self, "Aurora", deployment, settings=Aurora(min_acu=0, max_acu=4), network=network,
                        key=lake.key, secret=secret)
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        deployment: Deployment,
        *,
        settings: Aurora,
        network: PrivateNetwork,
        key: kms.IKey,
        secret: secretsmanager.Secret,
    ) -> None:
        super().__init__(scope, id)
        name = f"ingot-{deployment.names.environment}"
        # RDS would make it, without our key and for ever.
        logs = EncryptedLogGroup(self, "Log", deployment, name=f"/aws/rds/cluster/{name}/postgresql", key=key)
        engine = rds.DatabaseClusterEngine.aurora_postgres(version=VERSION)
        parameters = rds.ParameterGroup(
            self,
            "Parameters",
            engine=engine,
            description="Ingot: TLS only; changes of tables and slow statements are logged",
            parameters={
                "rds.force_ssl": "1",
                "log_statement": "ddl",
                "log_connections": "1",
                "log_min_duration_statement": str(_SLOW_MS),
            },
            removal_policy=deployment.removal_policy,  # kept with the cluster that uses it
        )
        self.cluster = rds.DatabaseCluster(
            self,
            "Cluster",
            cluster_identifier=name,
            engine=engine,
            credentials=rds.Credentials.from_secret(secret, settings.username),
            default_database_name=settings.dbname,
            port=settings.port,
            vpc=network.vpc,
            vpc_subnets=ec2.SubnetSelection(subnets=network.subnets),
            security_groups=[network.warehouse],
            writer=self._instance("Writer", key),
            readers=[self._instance(f"Reader{n + 1}", key, reader=True) for n in range(settings.readers)],
            serverless_v2_min_capacity=settings.min_acu,
            serverless_v2_max_capacity=settings.max_acu,
            serverless_v2_auto_pause_duration=None
            if settings.min_acu
            else cdk.Duration.minutes(settings.pause_minutes),
            storage_encrypted=True,
            storage_encryption_key=key,
            iam_authentication=True,  # for people: no password to hand out
            backup=rds.BackupProps(retention=cdk.Duration.days(settings.backup_days)),
            copy_tags_to_snapshot=True,
            deletion_protection=not deployment.delete_data,
            removal_policy=deployment.removal_policy,
            cloudwatch_logs_exports=["postgresql"],
            parameter_group=parameters,
        )
        self.cluster.node.add_dependency(logs)
        attached = self.cluster.secret
        assert attached is not None  # credentials from a secret: the CDK attaches it
        rotate(attached, network, engine=settings.engine)
        self._explain(deployment)

    def _instance(self, id: str, key: kms.IKey, *, reader: bool = False) -> rds.IClusterInstance:
        options = {
            "publicly_accessible": False,
            "auto_minor_version_upgrade": True,
            "enable_performance_insights": True,  # seven days of it cost nothing
            "performance_insight_encryption_key": key,
        }
        if reader:
            options["scale_with_writer"] = True  # it takes over at the size that is needed
        return rds.ClusterInstance.serverless_v2(id, **options)

    def _explain(self, deployment: Deployment) -> None:
        reasons = {
            "AwsSolutions-RDS11": "Another port hides nothing from who is inside, and nobody else has a way to it: "
            "one security group may connect, from private subnets. Drivers, dbt and Airflow know this one."
        }
        if deployment.delete_data:
            reasons["AwsSolutions-RDS10"] = "Settings and command line both allow that the data is deleted."
        acknowledge(self.cluster, reasons)
