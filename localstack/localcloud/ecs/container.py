"""What the container of a task is run with. Whatever ECS would fail a task for before it runs is a `StartError`."""

from __future__ import annotations

import fnmatch
import json
import logging
import os
import threading
import time
from collections.abc import Mapping
from typing import Any

from botocore.exceptions import ClientError
from moto.logs.models import LogsBackend, logs_backends

from localcloud.clients import client_as
from localcloud.permissions import log_stream_arn, role_may
from localcloud.roles import RoleError, assume, identity, nobody

log = logging.getLogger(__name__)

PRINCIPAL = "ecs-tasks.amazonaws.com"
LONGEST_MESSAGE = 256 * 1024  # what CloudWatch Logs takes as one event
PASSED = [
    "PATH",
    "TZ",
    "LANG",
    "LC_*",
    "LD_LIBRARY_PATH",
    "PYTHONDONTWRITEBYTECODE",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "REQUESTS_CA_BUNDLE",
    "*_PROXY",
    "*_proxy",
]
"""What of this machine's environment a container sees: none of what points at a warehouse or a source."""

_writing = threading.Lock()


class StartError(RuntimeError):
    """The task's `stoppedReason`; it begins with ECS's name of the failure."""


def entry_point(image: str) -> list[str]:
    """The words that stand for an image's ENTRYPOINT.

    Raises:
        StartError: nothing stands for it: a registry without the image.
    """
    name = image.partition("@")[0]
    head, _, last = name.rpartition("/")
    name = f"{head}/{last.partition(':')[0]}" if head else last.partition(":")[0]
    images: dict[str, list[str]] = json.loads(os.environ.get("LOCALCLOUD_ECS_IMAGES") or "{}")
    if name not in images:
        raise StartError(
            f"CannotPullContainerError: no program stands for the image {image}: name one in LOCALCLOUD_ECS_IMAGES"
        )
    return images[name]


def environment(
    definition: Mapping[str, Any], override: Mapping[str, Any], *, roles: Mapping[str, str | None], account: str,
    region: str, folder: str,
) -> dict[str, str]:  # fmt: skip
    """The container's variables: of the definition, of RunTask's override, secrets, and the task role's keys.

    Args:
        definition: the container's.
        override: RunTask's for this container.
        roles: `task` and `execution`, by ARN.
        account, region: where it runs.
        folder: the task's own.

    Raises:
        StartError: a role cannot be assumed, or a secret cannot be read.
    """
    task_role = roles["task"]
    me = identity(_keys(task_role, account, region), region) if task_role else nobody(region)
    return {
        **{name: value for name, value in os.environ.items() if any(fnmatch.fnmatchcase(name, p) for p in PASSED)},
        "HOME": folder,
        "TMPDIR": folder,
        "PYTHONUNBUFFERED": "1",
        **me,
        **{pair["name"]: pair["value"] for pair in definition.get("environment") or []},
        **{pair["name"]: pair["value"] for pair in override.get("environment") or []},
        **_secrets(definition.get("secrets") or [], roles["execution"], account, region),
    }


def _secrets(wanted: list[dict[str, str]], role: str | None, account: str, region: str) -> dict[str, str]:
    """Variable → value, read as the execution role."""
    if not wanted:
        return {}
    if role is None:
        raise StartError("ResourceInitializationError: secrets need an execution role")
    secretsmanager = client_as(_keys(role, account, region), "secretsmanager", region)
    found: dict[str, str] = {}
    for secret in wanted:
        # arn:aws:secretsmanager:REGION:ACCOUNT:secret:NAME[:KEY:STAGE:VERSION]
        # https://docs.aws.amazon.com/AmazonECS/latest/developerguide/secrets-envvar-secrets-manager.html
        parts = secret["valueFrom"].split(":")
        if parts[2:3] != ["secretsmanager"]:
            raise StartError(f"ResourceInitializationError: {secret['valueFrom']} is no ARN of Secrets Manager")
        key, stage, version = (*parts[7:], "", "", "")[:3]
        wanted_version = {"VersionStage": stage or None, "VersionId": version or None}
        try:
            answer = secretsmanager.get_secret_value(
                SecretId=":".join(parts[:7]), **{name: value for name, value in wanted_version.items() if value}
            )
        except ClientError as error:
            raise StartError(
                f"ResourceInitializationError: unable to pull secrets: {secret['valueFrom']}: {error}"
            ) from error
        found[secret["name"]] = _member(answer["SecretString"], key) if key else answer["SecretString"]
    return found


def _member(secret: str, key: str) -> str:
    values = json.loads(secret)
    if key not in values:
        raise StartError(
            f"ResourceInitializationError: retrieved secret from Secrets Manager did not contain json key {key}"
        )
    value = values[key]
    return value if isinstance(value, str) else json.dumps(value)


def _keys(role: str, account: str, region: str) -> dict[str, str]:
    try:
        return assume(role, PRINCIPAL, account=account, region=region, session="ecs-task")
    except RoleError as error:
        raise StartError(f"ResourceInitializationError: {error}") from error


class ContainerLog:
    """Where the lines of a container go: the stream that `awslogs` names, written in the execution role's name.

    Args:
        definition: the container's.
        task: the task's id.
        role: the execution role.
        account: where.

    Raises:
        StartError: the group is not there, or the role may not write to it.
    """

    def __init__(self, definition: Mapping[str, Any], *, task: str, role: str | None, account: str) -> None:
        settings = definition.get("logConfiguration") or {}
        options = settings.get("options") or {}
        self._backend: LogsBackend | None = None
        if not settings:
            return
        if settings.get("logDriver") != "awslogs" or role is None:
            raise StartError("ResourceInitializationError: the local cloud logs by awslogs, with an execution role")
        region = options["awslogs-region"]
        self._group = options["awslogs-group"]
        self._stream = f"{options['awslogs-stream-prefix']}/{definition['name']}/{task}"
        backend: LogsBackend = logs_backends[account][region]
        if self._group not in backend.groups:
            raise StartError(
                f"ResourceInitializationError: failed to validate logger args: the log group {self._group} is not there"
            )
        resource = log_stream_arn(region, account, self._group, self._stream)
        for action in ("logs:CreateLogStream", "logs:PutLogEvents"):
            if not role_may(account, role.rpartition("/")[2], action, resource):
                raise StartError(
                    f"ResourceInitializationError: failed to validate logger args: {role} is not authorized to {action}"
                )
        with _writing:
            backend.create_log_stream(self._group, self._stream)
        self._backend = backend

    def emit(self, kind: str, line: str) -> None:
        """Write a line; `output` and `error` share the stream."""
        if self._backend is None:
            return
        event = {"timestamp": int(time.time() * 1000), "message": line[:LONGEST_MESSAGE] or " "}
        with _writing:
            if self._group in self._backend.groups:  # unless a stack deleted it meanwhile
                self._backend.put_log_events(self._group, self._stream, [event])
