"""An Athena workgroup whose queries cannot cost more, or be kept less safely, than the settings say."""

from __future__ import annotations

import aws_cdk as cdk
from aws_cdk import aws_athena as athena
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from constructs import Construct

from infra.deployment import Deployment

ENGINE = "Athena engine version 3"
_GB = 1_000_000_000


class Workgroup(Construct):
    """Where people query the catalog.

    What it says is enforced: a client cannot choose another bucket for its results, leave them unencrypted or read
    more than the limit. It writes metrics (what was read, how long it took, what failed) to CloudWatch.

    A workgroup holds the queries that people saved. It goes with them only where data may be deleted.

    A caller needs IAM's leave for ``athena:StartQueryExecution``, ``athena:GetQueryExecution`` and
    ``athena:GetQueryResults`` on it, to read and write the results' prefix, and to use the key.

    Args:
        scope, id: as for every construct.
        deployment: what it is made from.
        name: see ``ingot.naming``.
        results: the bucket of the results.
        key: encrypts them.
        prefix: where in the bucket.
            @default "results": all of a workgroup's results expire alike.

    Example::

        Workgroup(self, "Workgroup", deployment, name=names.athena_workgroup, results=bucket, key=key)
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        deployment: Deployment,
        *,
        name: str,
        results: s3.IBucket,
        key: kms.IKey,
        prefix: str = "results",
    ) -> None:
        super().__init__(scope, id)
        settings = deployment.settings
        self.workgroup = athena.CfnWorkGroup(
            self,
            "Workgroup",
            name=name,
            description=f"Ingot {settings.environment}: the catalog's tables",
            state="ENABLED",
            recursive_delete_option=deployment.delete_data,
            work_group_configuration=athena.CfnWorkGroup.WorkGroupConfigurationProperty(
                enforce_work_group_configuration=True,
                bytes_scanned_cutoff_per_query=settings.athena.scan_limit_gb * _GB,
                engine_version=athena.CfnWorkGroup.EngineVersionProperty(selected_engine_version=ENGINE),
                publish_cloud_watch_metrics_enabled=True,
                requester_pays_enabled=False,
                result_configuration=athena.CfnWorkGroup.ResultConfigurationProperty(
                    output_location=f"s3://{results.bucket_name}/{prefix}/",
                    encryption_configuration=athena.CfnWorkGroup.EncryptionConfigurationProperty(
                        encryption_option="SSE_KMS", kms_key=key.key_arn
                    ),
                    expected_bucket_owner=cdk.Aws.ACCOUNT_ID,
                ),
            ),
        )
        # Where data is protected the queries that people saved stay when the stack goes, and so it stays with them.
        self.workgroup.apply_removal_policy(deployment.removal_policy)
