"""The catalog's front door: Athena, with what may be asked of it and where the answers go."""

from __future__ import annotations

from collections.abc import Mapping

import aws_cdk as cdk
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3

from infra.constructs.data_bucket import DataBucket
from infra.constructs.named_queries import NamedQueries
from infra.constructs.workgroup import Workgroup
from infra.deployment import Deployment, IngotStack
from ingot.sources import Source


class CatalogStack(IngotStack):
    """The workgroup, the queries saved in it and the bucket of its results.

    The tables are the lake stack's, which has what they describe.

    Args:
        scope: the app.
        deployment: what it is made from.
        sources: whose streams the saved queries ask.
        key: the lake's.
        access_logs: receives the access logs of the results' bucket.
    """

    def __init__(
        self,
        scope: cdk.App,
        deployment: Deployment,
        sources: Mapping[str, Source],
        *,
        key: kms.IKey,
        access_logs: s3.IBucket,
    ) -> None:
        super().__init__(scope, "catalog", deployment, description="Ingot: Athena over the lake's tables")
        names = deployment.names
        results = DataBucket(
            self,
            "Results",
            deployment,
            bucket_name=names.athena_bucket,
            key=key,
            access_logs=access_logs,
            expire_days=deployment.settings.athena.result_days,
        ).bucket
        workgroup = Workgroup(self, "Workgroup", deployment, name=names.athena_workgroup, results=results, key=key)
        NamedQueries(self, "Queries", workgroup=workgroup, database=names.glue_database, sources=sources)
