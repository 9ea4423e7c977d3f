"""The table of resource types, an account to ask, and what its rows share."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from tests.integration.localcloud.comparison import Assembly, Kind, Thing

QUALIFIER = "hnb659fds"
"""That of the CDK's bootstrap: what has it in its name belongs to no stack of ours."""

KINDS: dict[str, Kind] = {}
"""Resource type → how it is found."""


class Account:
    """One account and region, as its administrator sees it."""

    def __init__(self, endpoint: str, assembly: Assembly, credentials: Mapping[str, str]) -> None:
        self.id, self.region = "000000000000", "us-east-1"
        self.endpoint, self.assembly = endpoint, assembly
        session = boto3.session.Session(region_name=self.region, **credentials)
        config = Config(retries={"max_attempts": 1}, s3={"addressing_style": "path"})
        self.client: Callable[[str], Any] = cache(
            lambda service: session.client(service, endpoint_url=endpoint, config=config)
        )

    def pages(self, service: str, operation: str, key: str, **arguments: Any) -> Iterator[Any]:
        """All items of a list, over its pages if it has some."""
        client = self.client(service)
        if client.can_paginate(operation):
            for page in client.get_paginator(operation).paginate(**arguments):
                yield from page.get(key) or ()
        else:
            yield from getattr(client, operation)(**arguments).get(key) or ()


def kind(name: str, **row: Any) -> Callable[[Callable[[Account], Iterable[Thing]]], Any]:
    """Decorator: a row of the table."""

    def add(found: Callable[[Account], Iterable[Thing]]) -> Callable[[Account], Iterable[Thing]]:
        KINDS[name] = Kind(found=found, **row)
        return found

    return add


def camel(value: Any) -> Any:
    """The same with names that begin with a capital letter, as templates have them."""
    if isinstance(value, dict):
        return {
            name[:1].upper() + name[1:]: inner if name in _OWN_WORDS else camel(inner) for name, inner in value.items()
        }
    return [camel(inner) for inner in value] if isinstance(value, list) else value


_OWN_WORDS = frozenset({"options", "dockerLabels", "dimensions"})
"""Members whose members have names that are not AWS's."""


def or_none(call: Callable[..., Any], *codes: str, **arguments: Any) -> Any:
    """The answer; none where it is that there is nothing."""
    try:
        return call(**arguments)
    except ClientError as error:
        if error.response["Error"]["Code"] in codes:
            return None
        raise
