"""Sources: what is taken, from where and how, as declared in ``sources/{name}/source.yaml``.

A source is read from a folder or, by the jobs, from the artifacts bucket: the same files either way.
"""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from string import Formatter
from typing import Literal
from urllib.parse import urlparse

import boto3
import msgspec
import yaml
from botocore.exceptions import BotoCoreError, ClientError

from ingot.contract import Contract, load_contract
from ingot.errors import ConfigurationError, StorageUnavailable


class RequestPolicy(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How long and how often a source is asked.

    Attributes:
        timeout_seconds: of one attempt, from connection to last byte of silence.
        attempts: how often a request is sent at most.
        deadline_seconds: of all attempts of one batch together.
    """

    timeout_seconds: float = 30.0
    attempts: int = 3
    deadline_seconds: float = 300.0


class _StreamEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    path: str
    mode: Literal["snapshot", "interval"]
    params: dict[str, str] = {}


class _SourceFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str
    title: str
    schedule: str
    start_date: date
    base_url: str
    streams: dict[str, _StreamEntry]
    request: RequestPolicy = RequestPolicy()


class Stream(msgspec.Struct, frozen=True):
    """One kind of record of a source.

    Attributes:
        source: the name of its source.
        name: its own.
        path: what is asked of the API, appended to the source's base URL.
        mode: ``snapshot``: every batch is all there is; ``interval``: a batch is what falls in its interval.
        params: query parameters; ``{interval_start}`` and ``{interval_end}`` take the batch's (str.format).
        contract: what its records must be.
    """

    source: str
    name: str
    path: str
    mode: Literal["snapshot", "interval"]
    params: dict[str, str]
    contract: Contract

    def query(self, interval_start: datetime, interval_end: datetime) -> dict[str, str]:
        """The query parameters of one batch.

        Raises:
            ConfigurationError: a parameter cannot say a bound exactly (a date, for an interval of hours): the
                batch would hold other records than its name says.
        """
        moments = {"interval_start": interval_start, "interval_end": interval_end}
        for name, template in self.params.items():
            for _, bound, form, _ in Formatter().parse(template):
                if bound and form and not _says(moments[bound], form):
                    raise ConfigurationError(
                        f"The parameter {name} of stream {self.name} cannot say {moments[bound].isoformat()}.",
                        source=self.source,
                        stream=self.name,
                        hint="choose an interval that begins and ends where the source can cut: at midnight UTC",
                    )
        return {name: template.format(**moments) for name, template in self.params.items()}


class Source(msgspec.Struct, frozen=True):
    """One source with all its streams."""

    name: str
    title: str
    schedule: str
    start_date: date
    base_url: str
    request: RequestPolicy
    streams: dict[str, Stream]

    def stream(self, name: str) -> Stream:
        """One stream by name.

        Raises:
            ConfigurationError: there is none of that name.
        """
        if name not in self.streams:
            raise ConfigurationError(
                f"Source {self.name} has no stream {name!r}.", hint=f"choose one of {', '.join(self.streams)}"
            )
        return self.streams[name]


def load_source(location: str | Path) -> Source:
    """Read one source and its contracts.

    Args:
        location: its folder, or its ``s3://bucket/prefix``.

    Raises:
        ConfigurationError: a file is missing or wrong.
        StorageUnavailable: S3 did not answer.
    """
    origin = f"{location}/source.yaml"
    try:
        entry = msgspec.convert(yaml.safe_load(_read(str(location), "source.yaml")), _SourceFile)
    except (yaml.YAMLError, msgspec.ValidationError) as error:
        raise ConfigurationError(f"{origin} is no source: {error}.", hint="correct the file") from error
    streams = {}
    for name, stream in entry.streams.items():
        file = f"{name}.odcs.yaml"
        contract = load_contract(_read(str(location), file), origin=f"{location}/{file}")
        if contract.stream != name:
            raise ConfigurationError(
                f"{location}/{file} describes {contract.stream!r}.", hint=f"call its schema object {name!r}"
            )
        streams[name] = Stream(entry.name, name, stream.path, stream.mode, stream.params, contract)
    return Source(
        name=entry.name,
        title=entry.title,
        schedule=entry.schedule,
        start_date=entry.start_date,
        base_url=entry.base_url.rstrip("/"),
        request=entry.request,
        streams=streams,
    )


def load_sources(folder: str | Path) -> dict[str, Source]:
    """Every source below a folder, by name.

    Raises:
        ConfigurationError: a file is wrong, or a folder's name is not its source's.
    """
    sources = {}
    for file in sorted(Path(folder).glob("*/source.yaml")):
        source = load_source(file.parent)
        if source.name != file.parent.name:
            raise ConfigurationError(f"{file} calls itself {source.name!r}.", hint="name it as its folder")
        sources[source.name] = source
    return sources


def _says(moment: datetime, form: str) -> bool:
    return datetime.strptime(moment.strftime(form), form).replace(tzinfo=UTC) == moment


def _read(location: str, file: str) -> str:
    if not location.startswith("s3://"):
        path = Path(location) / file
        if not path.is_file():
            raise ConfigurationError(f"{path} does not exist.", hint="see sources/fakestore for an example")
        return path.read_text(encoding="utf-8")
    url = urlparse(location)
    key = f"{url.path.strip('/')}/{file}"
    try:
        body = boto3.client("s3").get_object(Bucket=url.netloc, Key=key)["Body"].read()
    except ClientError as error:
        if error.response["Error"]["Code"] in ("NoSuchKey", "NoSuchBucket", "AccessDenied"):
            raise ConfigurationError(
                f"s3://{url.netloc}/{key} cannot be read: {error}.",
                key=key,
                hint="deploy the jobs stack again",
            ) from error
        raise StorageUnavailable(f"S3 failed on {key}: {error}.", key=key) from error
    except BotoCoreError as error:
        raise StorageUnavailable(f"S3 failed on {key}: {error}.", key=key) from error
    return bytes(body).decode("utf-8")
