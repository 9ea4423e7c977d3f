"""The resource types, one module a service. A module that is named here registers its types when imported."""

from __future__ import annotations

from importlib import import_module

MODULES = (
    "athena",
    "awslambda",
    "cdk",
    "cloudwatch",
    "ec2",
    "ecr",
    "ecs",
    "elasticloadbalancing",
    "events",
    "firehose",
    "glue",
    "glueconnection",
    "iam",
    "kinesis",
    "kms",
    "lakeformation",
    "logs",
    "pipes",
    "rds",
    "s3",
    "scheduler",
    "secretsmanager",
    "sns",
    "sqs",
    "ssm",
    "stepfunctions",
)


def load() -> None:
    """Import every module, and so register every type."""
    for module in MODULES:
        import_module(f"{__name__}.{module}")
