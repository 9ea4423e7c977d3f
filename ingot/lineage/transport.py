"""Where events go: nowhere, a file each, S3, an HTTP endpoint (Marquez and its like) or Amazon DataZone.

A job is told by its argument ``--lineage``, and else by the variables that OpenLineage's own clients read
(https://openlineage.io/docs/client/python/configuration), as far as there is such a transport here. Every one of them
gives up within seconds: who waits for lineage has lost more than it is worth.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
import msgspec
from botocore.config import Config

from ingot.errors import ConfigurationError
from ingot.lineage.events import Event

Transport = Callable[[Event], None]
"""Takes an event, and raises whatever error kept it from being delivered."""

SECONDS = 3.0
_PATIENCE = Config(connect_timeout=2, read_timeout=SECONDS, retries={"total_max_attempts": 1})
_VARIABLE = "OPENLINEAGE__TRANSPORT"
_HINT = "see docs/how-to/lineage.md"


def choose(told: str = "", environment: Mapping[str, str] = os.environ) -> Transport | None:
    """The transport that is asked for; None: events are not wanted.

    Args:
        told: ``s3://bucket/prefix``, ``https://…``, ``datazone:DOMAIN`` or ``file:PATH``; empty: the variables say it.

    Raises:
        ConfigurationError: what is asked for is none.
    """
    if environment.get("OPENLINEAGE_DISABLED", "").lower() in ("true", "1"):
        return None
    if told:
        return _of_address(told, environment)
    if config := _config(environment):
        return _of_config(config)
    if url := environment.get("OPENLINEAGE_URL"):
        return _http(url, environment.get("OPENLINEAGE_ENDPOINT", ""), environment.get("OPENLINEAGE_API_KEY", ""))
    return None


def _of_address(address: str, environment: Mapping[str, str]) -> Transport:
    scheme, _, rest = address.partition(":")
    match scheme:
        case "s3":
            where = urlsplit(address)
            return _s3(where.netloc, where.path.strip("/"))
        case "http" | "https":
            return _http(address, "", environment.get("OPENLINEAGE_API_KEY", ""))
        case "datazone" if rest:
            return _datazone(rest)
        case "file" if rest:
            return _file(rest.removeprefix("//"), append=False)
    # Not what follows: a password may be in it.
    raise ConfigurationError(f"Lineage cannot be sent to {scheme + ':…'!r}.", hint=_HINT)


def _of_config(config: Mapping[str, Any]) -> Transport | None:
    match config.get("type"):
        case "noop":
            return None
        case "console":
            return _print
        case "file" if path := config.get("log_file_path"):
            return _file(path, append=str(config.get("append", "")).lower() == "true")
        case "http" if url := config.get("url"):
            auth = config.get("auth", {})
            key = auth.get("api_key") or auth.get("apikey") or auth.get("apiKey") or ""
            return _http(url, config.get("endpoint", ""), key, float(config.get("timeout", SECONDS)))
        case "amazon_datazone_api" if domain := config.get("domainid") or config.get("domainId"):
            return _datazone(domain)
        case other:
            raise ConfigurationError(f"{_VARIABLE}__TYPE={other} is no transport here, or lacks a part.", hint=_HINT)


def _config(environment: Mapping[str, str]) -> dict[str, Any]:
    """What ``OPENLINEAGE__TRANSPORT`` (JSON) and ``OPENLINEAGE__TRANSPORT__…`` say, as their own client reads them."""
    try:
        config: dict[str, Any] = msgspec.json.decode(environment.get(_VARIABLE, "{}"), type=dict[str, Any])
    except msgspec.DecodeError as error:
        raise ConfigurationError(f"{_VARIABLE} is no JSON object: {error}.", hint=_HINT) from error
    for name, value in environment.items():
        if name.startswith(f"{_VARIABLE}__"):
            *outer, last = name.removeprefix(f"{_VARIABLE}__").lower().split("__")
            place = config
            for key in outer:
                place = place.setdefault(key, {})
            place[last] = value
    return config


def _print(event: Event) -> None:
    print(msgspec.json.encode(event).decode(), flush=True)


def _file(path: str, *, append: bool) -> Transport:
    def send(event: Event) -> None:
        content = msgspec.json.encode(event) + b"\n"
        if append:
            # At once: events of other processes may go to the same file.
            file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
            try:
                os.write(file, content)
            finally:
                os.close(file)
        else:
            Path(f"{path}-{_stamp()}-{_mark(event)}.json").write_bytes(content)

    Path(path).parent.mkdir(parents=True, exist_ok=True)
    return send


def _s3(bucket: str, prefix: str) -> Transport:
    s3: Any = boto3.client("s3", config=_PATIENCE)

    def send(event: Event) -> None:
        key = f"{prefix}/{event['eventTime'][:10]}/{_stamp()}-{_mark(event)}.json"
        s3.put_object(Bucket=bucket, Key=key, Body=msgspec.json.encode(event), ContentType="application/json")

    return send


def _http(url: str, endpoint: str, api_key: str, seconds: float = SECONDS) -> Transport:
    import httpx

    address = f"{url.rstrip('/')}/{(endpoint or 'api/v1/lineage').lstrip('/')}"
    headers = {"Content-Type": "application/json", **({"Authorization": f"Bearer {api_key}"} if api_key else {})}

    def send(event: Event) -> None:
        answer = httpx.post(address, content=msgspec.json.encode(event), headers=headers, timeout=seconds)
        # httpx's own error quotes the address, and a password in it.
        if not answer.is_success:
            raise OSError(f"{urlsplit(address).hostname} answered {answer.status_code}")

    return send


def _datazone(domain: str) -> Transport:
    datazone: Any = boto3.client("datazone", config=_PATIENCE)

    def send(event: Event) -> None:
        if "run" in event:  # it takes no others
            datazone.post_lineage_event(domainIdentifier=domain, event=msgspec.json.encode(event))

    return send


def _stamp() -> str:
    return datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%fZ")


def _mark(event: Event) -> str:
    """What tells two events of one moment apart."""
    run = event.get("run", {}).get("runId", "")[:8] or "declared"
    return f"{run}-{event.get('eventType', 'JOB').lower()}"
