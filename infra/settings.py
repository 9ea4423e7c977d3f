"""What differs between environments, read from ``settings.yaml`` and checked once.

The file is the only place that knows one environment from another: no stack and no construct asks which
one it is in.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
import yaml

from ingot.errors import ConfigurationError

SETTINGS_FILE = Path(__file__).with_name("settings.yaml")
_PLACEHOLDER = re.compile(r"\$\{([A-Z][A-Z0-9_]*)\}")

Days = Annotated[int, msgspec.Meta(ge=1)]
StorageClass = Literal["INTELLIGENT_TIERING", "STANDARD_IA", "GLACIER_IR", "GLACIER", "DEEP_ARCHIVE"]


class Warehouse(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The Postgres that jobs load into; its password is generated and lives in Secrets Manager only.

    Attributes:
        engine: as in the secrets of RDS.
        host, port, dbname, username: how to reach it.
    """

    engine: Literal["postgres"]
    host: Annotated[str, msgspec.Meta(min_length=1)]
    port: Annotated[int, msgspec.Meta(ge=1, le=65535)]
    dbname: Annotated[str, msgspec.Meta(min_length=1)]
    username: Annotated[str, msgspec.Meta(min_length=1)]


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One environment.

    Attributes:
        environment: its name, part of every other name.
        account: the account's number; None: that of the credentials at hand.
        region: where it is deployed.
        synthesizer: ``default`` deploys through the roles that ``cdk bootstrap`` makes;
            ``cli-credentials`` with the caller's own, where there are no such roles.
        protect_data: True: nothing that holds data is ever deleted; False: the first of the two keys.
        schedules: whether the sources' schedules are followed, or only people start runs.
        poll_seconds: how often the orchestrator asks a job whether it is done.
        log_retention_days: how long logs are kept; CloudWatch Logs takes a few fixed periods only.
        noncurrent_version_days: how long an overwritten or deleted object can be recovered.
        transitions: storage class → age in days from which on data is kept there.
        warehouse: see :class:`Warehouse`.
    """

    environment: Annotated[str, msgspec.Meta(pattern="^[a-z][a-z0-9]{1,11}$")]
    account: Annotated[str, msgspec.Meta(pattern="^[0-9]{12}$")] | None
    region: str
    synthesizer: Literal["default", "cli-credentials"]
    protect_data: bool
    schedules: bool
    poll_seconds: Annotated[int, msgspec.Meta(ge=1)]
    log_retention_days: Literal[7, 30, 90, 365]
    noncurrent_version_days: Days
    transitions: dict[StorageClass, Days]
    warehouse: Warehouse


def load_settings(environment: str, variables: Mapping[str, str], file: Path = SETTINGS_FILE) -> Settings:
    """The settings of one environment.

    Args:
        environment: which one.
        variables: where placeholders are looked up: the process's environment.
        file: the settings of all environments.

    Raises:
        ConfigurationError: there is no such environment, a key is unknown or missing, a value is wrong, or
            a placeholder's variable is not set.
    """
    every = yaml.safe_load(file.read_text(encoding="utf-8"))
    if environment not in every:
        raise ConfigurationError(
            f"{file} has no environment {environment!r}.", hint=f"choose -c environment={'|'.join(every)}"
        )
    values = _expand(every[environment], variables, path=environment, file=file)
    try:
        # Not strict: a port that comes from a variable is a string of digits.
        return msgspec.convert({"environment": environment, **values}, Settings, strict=False)
    except msgspec.ValidationError as error:
        raise ConfigurationError(
            f"{file}, environment {environment}: {error}.",
            hint=f"correct the file; the keys are described in {Path(__file__).name}",
        ) from error


def _expand(value: Any, variables: Mapping[str, str], *, path: str, file: Path) -> Any:
    """Replaces ``${NAME}`` in every string below a value."""
    if isinstance(value, dict):
        return {key: _expand(inner, variables, path=f"{path}.{key}", file=file) for key, inner in value.items()}
    if not isinstance(value, str):
        return value
    for name in _PLACEHOLDER.findall(value):
        if not variables.get(name):
            raise ConfigurationError(
                f"{path} in {file} takes the environment variable {name}, which is not set.",
                hint=f"export {name}=…, or write the value itself into the file",
            )
    return _PLACEHOLDER.sub(lambda match: variables[match[1]], value)
