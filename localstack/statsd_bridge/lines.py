"""Lines of StatsD, plain ones and those with DogStatsD's tags."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import isfinite
from typing import Literal

Kind = Literal["counter", "gauge", "observer"]
_RAREST = 1e-6
"""Sampled less often, a timing would be taken a million times here."""
_KINDS: Mapping[str, Kind] = {"c": "counter", "g": "gauge", "ms": "observer", "h": "observer", "d": "observer"}


class LineError(ValueError):
    """A line that is none."""


@dataclass(frozen=True, kw_only=True)
class Event:
    """One value.

    Attributes:
        name: in StatsD.
        kind: what is done with it.
        value: a timing's in seconds.
        relative: of a gauge: it is added to what there is.
        times: how often a sampled timing stands for itself.
        tags: DogStatsD's.
    """

    name: str
    kind: Kind
    value: float
    relative: bool = False
    times: int = 1
    tags: Mapping[str, str] = field(default_factory=dict)


def parse(line: str) -> Event:
    """The value that a line carries.

    Raises:
        LineError: it is no such line.
    """
    name, colon, rest = line.partition(":")
    value, *parts = rest.split("|")
    if not (name and colon and parts and parts[0] in _KINDS):
        raise LineError(line)
    kind, rate, tags = _KINDS[parts[0]], 1.0, {}
    try:
        number = float(value)
        for part in parts[1:]:
            if part.startswith("@"):
                rate = float(part[1:])
            elif part.startswith("#"):
                tags = dict(_tag(tag) for tag in part[1:].split(","))
    except ValueError as error:
        raise LineError(line) from error
    # A counter that something endless was added to has no value any more.
    if not (isfinite(number) and _RAREST <= rate <= 1):
        raise LineError(line)
    if parts[0] == "ms":
        number /= 1000
    if kind == "counter":
        number /= rate
    relative = kind == "gauge" and value.startswith(("+", "-"))
    times = int(1 / rate) if kind == "observer" else 1
    return Event(name=name, kind=kind, value=number, relative=relative, times=times, tags=tags)


def _tag(text: str) -> tuple[str, str]:
    key, colon, value = text.partition(":")
    if not (key and colon):
        raise ValueError(text)
    return key, value
