"""The rotation of a warehouse's password by the function that AWS keeps for it."""

from __future__ import annotations

import string

import aws_cdk as cdk
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_secretsmanager as secretsmanager

from infra.constructs.network import PrivateNetwork

PASSWORD_LENGTH = 32
DAYS = 30
"""Also what RDS and Redshift rotate by, where they manage a password themselves in seven and thirty days."""


def password(template: str) -> secretsmanager.SecretStringGenerator:
    """A password made in the account, in the field ``password`` of a JSON object.

    It has no punctuation, since it becomes part of connection URLs.

    Args:
        template: the object's other fields, as JSON.
    """
    return secretsmanager.SecretStringGenerator(
        secret_string_template=template,
        generate_string_key="password",
        password_length=PASSWORD_LENGTH,
        exclude_punctuation=True,
    )


def rotate(secret: secretsmanager.ISecret, network: PrivateNetwork, *, engine: str) -> None:
    """Has the password changed every thirty days, by a function inside the network.

    Not by the services themselves (``ManageMasterUserPassword`` of RDS, ``ManageAdminPassword`` of Redshift),
    which would be less: they choose the secret's name, and RDS leaves host and database out of it, so that
    jobs, Airflow and dbt would each need a second place to look. The function is AWS's own code:
    https://docs.aws.amazon.com/secretsmanager/latest/userguide/reference_available-rotation-templates.html

    Args:
        secret: with engine, host, port and dbname in it.
        network: where the warehouse is.
        engine: ``postgres`` or ``redshift``.
    """
    hosted = {
        "postgres": secretsmanager.HostedRotation.postgre_sql_single_user,
        "redshift": secretsmanager.HostedRotation.redshift_single_user,
    }[engine]
    secret.add_rotation_schedule(
        "Rotation",
        automatically_after=cdk.Duration.days(DAYS),
        hosted_rotation=hosted(
            vpc=network.vpc,
            vpc_subnets=ec2.SubnetSelection(subnets=network.subnets),
            security_groups=[network.clients],
            exclude_characters=string.punctuation,
        ),
    )
