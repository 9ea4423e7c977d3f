"""Which environment a command speaks to.

``INGOT_ENVIRONMENT`` and AWS's own variables say it. In a checkout whose services run, the file `.ingot/env`
holds them; like any dotenv file it fills in what the shell has not set.
"""

from __future__ import annotations

import os
from pathlib import Path

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from ingot.errors import ConfigurationError
from ingot.naming import Names
from ingot.warehouse import Warehouse, load_warehouse, read_endpoint

_NEXT = "run `make demo`, or set INGOT_ENVIRONMENT and AWS credentials for a deployed one"


def warehouse() -> Warehouse:
    """The warehouse of the current environment.

    Raises:
        ConfigurationError: no environment is chosen, or it cannot be reached.
    """
    return load_warehouse(read_endpoint(names().warehouse_secret))


def names() -> Names:
    """What things are called in the current environment."""
    load_environment_file(Path.cwd())
    environment = os.environ.get("INGOT_ENVIRONMENT")
    if not environment:
        raise ConfigurationError("No environment is chosen.", hint=_NEXT)
    session = boto3.Session()
    try:
        account = session.client("sts").get_caller_identity()["Account"]
    except (BotoCoreError, ClientError) as error:
        raise ConfigurationError(f"AWS does not answer: {error}.", hint=_NEXT) from error
    return Names(environment=environment, account=account, region=session.region_name)


def load_environment_file(start: Path) -> None:
    """Read the nearest `.ingot/env` at or above a folder, if there is one."""
    home = os.environ.get("INGOT_HOME")
    candidates = [Path(home) / "env"] if home else [folder / ".ingot" / "env" for folder in (start, *start.parents)]
    for file in candidates:
        if file.is_file():
            for line in file.read_text(encoding="utf-8").splitlines():
                name, separator, value = line.partition("=")
                if separator and not line.startswith("#"):
                    os.environ.setdefault(name.strip(), value.strip())
            return
