"""Dynamic partitioning: keys from records, and keys of objects from prefixes.

Firehose runs jq 1.6. Here is the part of it that picks one field a key, e.g.
``{day: (.placed_at[0:10]? // "other"), region: .address.region}``: a path of names, then perhaps a slice, ``?``, and
``//`` with a text. Everything else is refused, so that nothing is partitioned otherwise than in an account.
"""

from __future__ import annotations

import json
import re
import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import Any

_PAIR = re.compile(
    r"""\s*(?P<key>\w+)\s*:\s*(?P<open>\()?\s*
    (?P<path>(?:\.[A-Za-z_]\w*)+)
    (?:\[(?P<low>\d*):(?P<high>\d*)\])?
    (?P<optional>\?)?
    (?:\s*//\s*"(?P<other>[^"\\]*)")?
    \s*(?P<close>\))?\s*""",
    re.VERBOSE,
)
_EXPRESSION = re.compile(r"!\{([^}]*)\}")
# Java's letters, of which a prefix is made: https://docs.aws.amazon.com/firehose/latest/dev/s3-prefixes.html
_TIMES = {"yyyy": "%Y", "MM": "%m", "dd": "%d", "HH": "%H", "mm": "%M", "ss": "%S"}
_PATTERN = re.compile("|".join(_TIMES))


class NotPartitioned(ValueError):
    """A record without a key, and why, as Firehose says it."""


class Unsupported(ValueError):
    """A query or a prefix that the local cloud does not understand."""


@dataclass(frozen=True)
class _Field:
    path: tuple[str, ...]
    low: int | None
    high: int | None
    sliced: bool
    optional: bool
    other: str | None


class Query:
    """A metadata extraction query.

    Raises:
        Unsupported: it is more than what is said above.
    """

    def __init__(self, text: str) -> None:
        inner = text.strip()
        if not (inner.startswith("{") and inner.endswith("}")):
            raise Unsupported(f"The local cloud does not understand the jq query {text!r}")
        self._fields: dict[str, _Field] = {}
        place, inner = 0, inner[1:-1]
        while place <= len(inner):
            match = _PAIR.match(inner, place)
            after = match.end() if match else -1
            if (
                match is None
                or bool(match["open"]) != bool(match["close"])
                or inner[after : after + 1] not in ("", ",")
            ):
                raise Unsupported(f"The local cloud does not understand the jq query {text!r}")
            self._fields[match["key"]] = _Field(
                path=tuple(match["path"][1:].split(".")),
                low=int(match["low"]) if match["low"] else None,
                high=int(match["high"]) if match["high"] else None,
                sliced=match["low"] is not None,
                optional=match["optional"] is not None,
                other=match["other"],
            )
            place = after + 1

    @property
    def keys(self) -> set[str]:
        """What it extracts."""
        return set(self._fields)

    def extract(self, data: bytes) -> dict[str, str]:
        """The partition keys of one record.

        Raises:
            NotPartitioned: it is not one JSON value, or lacks a key.
        """
        try:
            record = json.loads(data)
        except (ValueError, RecursionError) as error:
            raise NotPartitioned("Non JSON record provided") from error
        return {name: _scalar(_value(field, record)) for name, field in self._fields.items()}


def _value(field: _Field, record: Any) -> Any:
    value = record
    try:
        for name in field.path:
            if value is not None and not isinstance(value, dict):
                raise NotPartitioned(f"jq: cannot index {type(value).__name__} with {name!r}")
            value = value.get(name) if value is not None else None
        if field.sliced and value is not None:
            if not isinstance(value, str | list):
                raise NotPartitioned(f"jq: cannot index {type(value).__name__} with object")
            value = value[field.low : field.high]
    except NotPartitioned:
        # The alternative operator catches errors too.
        if not field.optional and field.other is None:
            raise
        value = None
    return field.other if value in (None, False) and field.other is not None else value


def _scalar(value: Any) -> str:
    if value is None or value == "":
        raise NotPartitioned("partitionKeys values must not be null or empty")
    if isinstance(value, dict | list):
        raise NotPartitioned("partitionKeys values must be of primitive types")
    return value if isinstance(value, str) else json.dumps(value)


def check_prefix(prefix: str, keys: set[str]) -> None:
    """Raise Unsupported if `prefix` has an expression that is not evaluated here, or a key that nobody extracts."""
    for expression in _EXPRESSION.findall(prefix):
        namespace, _, value = expression.partition(":")
        known = {
            "partitionKeyFromQuery": value in keys,
            "firehose": value in ("error-output-type", "random-string"),
            "timestamp": not re.search("[A-Za-z]", _PATTERN.sub("", value)),
        }
        if not known.get(namespace):
            raise Unsupported(f"The local cloud cannot evaluate !{{{expression}}} of the prefix {prefix}")


def evaluate(prefix: str, keys: dict[str, str], moment: datetime, failure: str = "") -> str:
    """A prefix with its expressions evaluated; one without any gets the hour, as Firehose does it."""
    if not _EXPRESSION.search(prefix):
        return f"{prefix}{moment:%Y/%m/%d/%H}/"

    def value(match: re.Match[str]) -> str:
        namespace, _, name = match[1].partition(":")
        if namespace == "timestamp":
            return moment.strftime(_PATTERN.sub(lambda letters: _TIMES[letters[0]], name))
        if namespace == "firehose":
            return failure if name == "error-output-type" else uuid.uuid4().hex[:11]
        return keys[name]

    return _EXPRESSION.sub(value, prefix)


def object_name(delivery_stream: str, version: str, moment: datetime, extension: str) -> str:
    """The last part of an object's key: https://docs.aws.amazon.com/firehose/latest/dev/s3-object-name.html"""
    return f"{delivery_stream}-{version}-{moment:%Y-%m-%d-%H-%M-%S}-{uuid.uuid4()}{extension}"
