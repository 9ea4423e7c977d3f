"""Roles that a service takes on to work in somebody's name, if their trust policies let it."""

from __future__ import annotations

from typing import Any

from localcloud.clients import client, endpoint


class RoleError(RuntimeError):
    """The role does not exist, or does not trust the service."""


def assume(role: str, principal: str, *, account: str, region: str, session: str) -> dict[str, str]:
    """Temporary keys of a role, as STS gives them.

    Args:
        role: its name or its ARN.
        principal: of the service, e.g. ``ecs-tasks.amazonaws.com``.
        account, region: where.
        session: the session's name.

    Raises:
        RoleError: the service could not assume it in AWS either.
    """
    arn = role if role.startswith("arn:") else f"arn:aws:iam::{account}:role/{role}"
    iam: Any = client("iam", region)
    try:
        document = iam.get_role(RoleName=arn.rsplit("/", 1)[-1])["Role"]["AssumeRolePolicyDocument"]
    except iam.exceptions.NoSuchEntityException as error:
        raise RoleError(f"The role {arn} does not exist") from error
    if not any(_trusts(statement, principal) for statement in document["Statement"]):
        raise RoleError(f"The role {arn} cannot be assumed: its trust policy must allow {principal}")
    answer = client("sts", region).assume_role(RoleArn=arn, RoleSessionName=session)
    credentials: dict[str, str] = answer["Credentials"]
    return credentials


def identity(keys: dict[str, str], region: str) -> dict[str, str]:
    """The variables by which a process is the role, and finds the local cloud."""
    return {
        "AWS_ACCESS_KEY_ID": keys["AccessKeyId"],
        "AWS_SECRET_ACCESS_KEY": keys["SecretAccessKey"],
        "AWS_SESSION_TOKEN": keys["SessionToken"],
        **nobody(region),
    }


def nobody(region: str) -> dict[str, str]:
    """The variables by which a process finds the local cloud; nothing of the person's own stands in for a role."""
    return {
        "AWS_DEFAULT_REGION": region,
        "AWS_REGION": region,
        "AWS_ENDPOINT_URL": endpoint(),
        "AWS_CONFIG_FILE": "/dev/null",
        "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
        "AWS_EC2_METADATA_DISABLED": "true",
    }


def _trusts(statement: dict[str, Any], principal: str) -> bool:
    trusted = statement.get("Principal")
    services = trusted.get("Service", []) if isinstance(trusted, dict) else []
    return statement.get("Effect") == "Allow" and principal in ([services] if isinstance(services, str) else services)
