"""The salt of the masks that stand for personal data in Silver."""

from __future__ import annotations

from aws_cdk import aws_kms as kms
from aws_cdk import aws_secretsmanager as secretsmanager
from constructs import Construct

from infra.deployment import Deployment
from infra.nag import acknowledge


class MaskSalt(secretsmanager.Secret):
    """A secret that is made once and stays: whoever knows it can undo masks, and whoever changes it gets others.

    All that runs dbt on a warehouse takes the same one, as ``INGOT_MASK_SALT``: dbt masks no warehouse without.

    Args:
        scope, id: as for every construct.
        deployment: what it is made from.
        key: the lake's.

    Example::

        MaskSalt(self, "MaskSalt", deployment, key=lake.key)
    """

    def __init__(self, scope: Construct, id: str, deployment: Deployment, *, key: kms.IKey) -> None:
        super().__init__(
            scope,
            id,
            secret_name=deployment.names.mask_salt_secret,
            description="The salt of the masks in Silver; it stays as it is",
            encryption_key=key,
            generate_secret_string=secretsmanager.SecretStringGenerator(password_length=48, exclude_punctuation=True),
            removal_policy=deployment.removal_policy,
        )
        acknowledge(self, {"AwsSolutions-SMG4": "Another salt makes other masks, which join with nothing before."})
