"""Which environment a command speaks to, and what is deployed there.

``INGOT_ENVIRONMENT`` and AWS's own variables say it. In a checkout whose services run, the file `.ingot/env`
holds them; like any dotenv file it fills in what the shell has not set.
"""

from __future__ import annotations

import os
from pathlib import Path

import boto3
import typer
from botocore.exceptions import BotoCoreError, ClientError

from ingot.errors import ConfigurationError
from ingot.naming import Names
from ingot.sources import Source, Stream, load_source
from ingot.storage import ObjectStore
from ingot.warehouse import Endpoint, Warehouse, load_warehouse, read_endpoint

_NEXT = "run `make demo`, or set INGOT_ENVIRONMENT and AWS credentials for a deployed one"


def warehouse() -> Warehouse:
    """The warehouse of the current environment.

    Raises:
        ConfigurationError: no environment is chosen, or it cannot be reached.
    """
    return load_warehouse(endpoint())


def endpoint() -> Endpoint:
    """Where the warehouse of the current environment is, and how to get in.

    Raises:
        ConfigurationError: no environment is chosen, or its secret cannot be read.
    """
    return read_endpoint(names().warehouse_secret)


def bronze(names: Names) -> ObjectStore:
    """The Bronze bucket."""
    return ObjectStore(names.bronze_bucket)


def deployed_sources(names: Names, only: str | None = None) -> list[Source]:
    """The sources as they are deployed, with the contracts that jobs enforce; or one of them.

    Raises:
        typer.BadParameter: there is none of that name.
    """
    prefix, suffix = "sources/", "/source.yaml"
    keys = ObjectStore(names.artifacts_bucket).keys(prefix)
    known = [key.removeprefix(prefix).removesuffix(suffix) for key in keys if key.endswith(suffix)]
    if only is not None and only not in known:
        raise typer.BadParameter(f"there is no source {only!r}; deployed are: {', '.join(known) or 'none'}")
    return [load_source(f"s3://{names.artifacts_bucket}/sources/{name}") for name in known if only in (None, name)]


def streams_of(source: Source, only: str | None = None) -> list[Stream]:
    """The streams of a source, or one of them; none if it has none of that name."""
    return [stream for stream in source.streams.values() if only in (None, stream.name)]


def chosen_streams(names: Names, source: str | None, stream: str | None) -> list[tuple[Source, Stream]]:
    """The deployed streams that two options choose, with their sources.

    Raises:
        typer.BadParameter: they choose none.
    """
    sources = deployed_sources(names, source)
    chosen = [(each, one) for each in sources for one in streams_of(each, stream)]
    if stream is not None and not chosen:
        known = ", ".join(f"{each.name}.{name}" for each in sources for name in each.streams)
        raise typer.BadParameter(f"there is no stream {stream!r}; deployed are: {known}")
    return chosen


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
