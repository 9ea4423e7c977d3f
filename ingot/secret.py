"""Secrets Manager, asked once and in one way."""

from __future__ import annotations

from typing import Any

import boto3
import msgspec
from botocore.exceptions import BotoCoreError, ClientError

from ingot.errors import ConfigurationError, TransientError

_MISSING_OR_FORBIDDEN = {
    "AccessDenied",
    "AccessDeniedException",
    "DecryptionFailure",
    "InvalidParameterException",
    "InvalidRequestException",
    "ResourceNotFoundException",
    "UnrecognizedClientException",
}


def read_secret(secret: str, *, unavailable: type[TransientError]) -> dict[str, Any]:
    """A secret that is a JSON object.

    Args:
        secret: its name or ARN.
        unavailable: what is raised if Secrets Manager does not answer.

    Raises:
        ConfigurationError: there is none, it may not be read, or it is no JSON object. No error holds any of it.
    """
    try:
        text = boto3.client("secretsmanager").get_secret_value(SecretId=secret)["SecretString"]
    except ClientError as error:
        code = error.response["Error"]["Code"]
        if code in _MISSING_OR_FORBIDDEN:
            raise ConfigurationError(
                f"The secret {secret} cannot be read: {code}.",
                key=secret,
                hint="see that it is deployed and has a value, and that the job's role may read it",
            ) from error
        raise unavailable(f"Secrets Manager did not give {secret}: {code}.", key=secret) from error
    except BotoCoreError as error:
        raise unavailable(f"Secrets Manager did not answer: {error}.", key=secret) from error
    except KeyError:
        text = ""  # a binary secret
    try:
        return msgspec.json.decode(text, type=dict[str, Any])
    except ValueError:
        raise ConfigurationError(
            f"The secret {secret} is no JSON object.", key=secret, hint="put it as an object with a field a value"
        ) from None
