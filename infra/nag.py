"""Why a rule of cdk-nag does not hold in a place: the reason beside the place, never wider than it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import aws_cdk as cdk
from constructs import IConstruct


def acknowledge(construct: IConstruct, reasons: Mapping[str, str]) -> None:
    """Acknowledges findings on one construct.

    Args:
        construct: the narrowest that has the finding.
        reasons: the finding's id (``AwsSolutions-IAM5[Resource::*]``) → why it is right here.
    """
    cdk.Validations.of(construct).acknowledge(
        *(cdk.Acknowledgment(id=finding, reason=reason) for finding, reason in reasons.items())
    )


def wildcard_resource(scope: IConstruct, arn: str) -> str:
    """The id of the finding that a policy of a construct names a resource by a pattern.

    Args:
        scope: where the policy is: its stack resolves the ARN.
        arn: as in the policy; it may refer to resources of the same stack.
    """
    return f"AwsSolutions-IAM5[Resource::{_flat(cdk.Stack.of(scope).resolve(arn))}]"


def _flat(value: Any) -> str:
    """A resolved value as cdk-nag writes it: ``<LogicalId.Attribute>`` for what only the deployment knows."""
    match value:
        case {"Fn::Join": [separator, parts]}:
            return str(separator).join(_flat(part) for part in parts)
        case {"Fn::GetAtt": [resource, attribute]}:
            return f"<{resource}.{attribute}>"
        case {"Ref": name}:
            return f"<{name}>"
        case _:
            return str(value)
