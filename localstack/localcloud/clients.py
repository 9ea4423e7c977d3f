"""boto3 clients on the local cloud itself.

What one service does to another (a stack to S3, a job run to STS) goes through the AWS API, so that
it takes the same path, and meets the same checks, as what a user does.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import cache
from threading import Lock
from typing import Any

import boto3
from botocore.config import Config

# moto takes the account from MOTO_ACCOUNT_ID for keys that it did not issue.
ROOT_CREDENTIALS = {"aws_access_key_id": "localcloud", "aws_secret_access_key": "localcloud"}

ELSEWHERE = {"s3", "kms", "lambda"}
"""What may be another's: the local cloud asks for these over HTTP wherever it needs them."""

_endpoint: str | None = None
_creating = Lock()


def set_endpoint(url: str) -> None:
    """Say where the local cloud listens. Call it once, before the first client is made."""
    global _endpoint
    _endpoint = url


def endpoint() -> str:
    """The URL of the local cloud; raises RuntimeError before it serves."""
    if _endpoint is None:
        raise RuntimeError("the local cloud does not serve yet: call set_endpoint() first")
    return _endpoint


def endpoint_of(service: str) -> str:
    """Where `service` is: here, or where boto3's own variable points: AWS_ENDPOINT_URL_S3, _KMS or _LAMBDA.

    So the local cloud can serve beside another that has these (docker-compose.yml, profile localstack). What it reads
    in its own memory (identities, logs, the catalog) stays here.
    """
    elsewhere = os.environ.get(f"AWS_ENDPOINT_URL_{service.upper()}") if service in ELSEWHERE else None
    return elsewhere or endpoint()


def _config() -> Config:
    return Config(
        retries={"max_attempts": 1}, s3={"addressing_style": "path"}, connect_timeout=5, max_pool_connections=20
    )


@cache
def _client(service: str, region: str) -> Any:
    with _creating:  # boto3's default session is not thread-safe while it makes a client
        session = boto3.session.Session(region_name=region, **ROOT_CREDENTIALS)
        return session.client(service, endpoint_url=endpoint_of(service), config=_config())


def client(service: str, region: str) -> Any:
    """A client of `service` in `region`, with the credentials of the account's root."""
    return _client(service, region)


def client_as(credentials: Mapping[str, str], service: str, region: str) -> Any:
    """The same for whoever holds temporary credentials, as STS gives them."""
    with _creating:
        return _session().client(
            service,
            region_name=region,
            endpoint_url=endpoint_of(service),
            config=_config(),
            aws_access_key_id=credentials["AccessKeyId"],
            aws_secret_access_key=credentials["SecretAccessKey"],
            aws_session_token=credentials["SessionToken"],
        )


@cache
def _session() -> boto3.session.Session:
    """One for all of them: what it knows of the services is read once."""
    return boto3.session.Session()
