"""What who reports in OpenLineage may do for it."""

from __future__ import annotations

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from constructs import Construct

from infra.settings import Lineage


def lineage_statement(scope: Construct, lineage: Lineage) -> iam.PolicyStatement | None:
    """The right to send events to a domain of Amazon DataZone; None where they go elsewhere, which asks for none.

    See https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazondatazone.html

    Args:
        scope: of whose account and region the domain is.
    """
    if lineage.datazone is None:
        return None
    domain = cdk.Stack.of(scope).format_arn(service="datazone", resource="domain", resource_name=lineage.datazone)
    return iam.PolicyStatement(sid="Lineage", actions=["datazone:PostLineageEvent"], resources=[domain])
