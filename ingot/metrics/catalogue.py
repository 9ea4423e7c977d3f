"""The catalogue of metrics: ``catalogue.yaml``, read and checked once."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Annotated, Literal

import msgspec
import yaml

from ingot.errors import ConfigurationError

CATALOGUE_FILE = Path(__file__).with_name("catalogue.yaml")

Name = Annotated[str, msgspec.Meta(pattern="^[a-z][a-z0-9_]*$")]
Text = Annotated[str, msgspec.Meta(min_length=1)]


class Limit(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A threshold that differs from one source or stream to the next.

    Attributes:
        limit: of what: ``max_reject_rate``: the contract's, in percent; ``interval``: the longest interval of the
            source's schedule, in seconds; ``timeout``: after how many seconds Glue stops the job.
        times: the share of it.
    """

    limit: Literal["max_reject_rate", "interval", "timeout"]
    times: float = 1.0


class Alarm(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When a metric rings, and what it then says: the same words wherever it rings.

    Attributes:
        name: its own, and its section's in docs/runbook.md.
        above: it rings where the statistic is greater.
        statistic: of the values of one period.
        minutes: the period's length.
        happened, safe, do: what it tells a person: what rang, what is still whole, the first thing to do.
        per: an alarm a combination of these labels; all of the metric's unless given.
        missing: what a period without a value means: ``notBreaching``: all is well; ``breaching``: as bad as too
            high a value (where the schedule allows to tell).
    """

    name: Annotated[str, msgspec.Meta(pattern="^[a-z][a-z-]*$")]
    above: float | Limit
    statistic: Literal["max", "min", "sum"]
    minutes: Annotated[int, msgspec.Meta(ge=1, le=1440)]
    happened: Text
    safe: Text
    do: Text
    per: tuple[Name, ...] | None = None
    missing: Literal["notBreaching", "breaching"] = "notBreaching"


class Aws(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where CloudWatch has a metric that an AWS service emits itself.

    Attributes:
        namespace, metric: AWS's names.
        dimensions: our label → AWS's.
    """

    namespace: str
    metric: str
    dimensions: dict[Name, str]


class Metric(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One metric.

    Attributes:
        type: ``counter``: values add up; ``gauge``: the last one holds; ``distribution``: a value an event.
        unit: of its values.
        labels: what tells its series apart.
        emitted_by: jobs' steps; ``glue``: a metric filter on Glue's own events; ``aws``: the service itself.
        meaning: what it counts.
        good: what to expect.
        rollups: fewer labels by which it is kept besides: the values of all the rest together.
        alarm: when it rings; None: it is for looking at.
        aws: where it is, if a service of AWS emits it.
    """

    type: Literal["counter", "gauge", "distribution"]
    unit: Literal["count", "bytes", "seconds", "percent"]
    labels: tuple[Name, ...]
    emitted_by: Annotated[tuple[Name, ...], msgspec.Meta(min_length=1)]
    meaning: Text
    good: Text
    rollups: tuple[tuple[Name, ...], ...] = ()
    alarm: Alarm | None = None
    aws: Aws | None = None

    def __post_init__(self) -> None:
        for labels in (*self.rollups, (self.alarm and self.alarm.per) or ()):
            if not set(labels) <= set(self.labels):
                raise ValueError(f"{', '.join(labels)} are not all labels of it")
        if self.alarm and self.alarm.per and self.alarm.per not in self.series:
            raise ValueError("the labels that an alarm is made per are no series of it")
        if (self.aws is not None) != (self.emitted_by == ("aws",)):
            raise ValueError("aws says where a metric is that is emitted by aws, and no other")
        if self.aws is not None and set(self.aws.dimensions) != set(self.labels):
            raise ValueError("aws.dimensions names each label")

    @property
    def series(self) -> tuple[tuple[str, ...], ...]:
        """The labels that its values are kept by: all of them, and the rollups."""
        return (self.labels, *self.rollups)


class Catalogue(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All of them.

    Attributes:
        namespace: of ours in CloudWatch, see :func:`metrics_namespace`.
        metrics: name → metric.
    """

    namespace: Annotated[str, msgspec.Meta(pattern="^[A-Za-z]+$")]
    metrics: dict[Name, Metric]

    def __getitem__(self, name: str) -> Metric:
        try:
            return self.metrics[name]
        except KeyError:
            raise ConfigurationError(
                f"There is no metric {name!r}.", hint=f"add it to {CATALOGUE_FILE.name}, with what it means"
            ) from None

    @property
    def alarms(self) -> dict[str, Alarm]:
        """Metric → alarm, of those that ring."""
        return {name: metric.alarm for name, metric in self.metrics.items() if metric.alarm is not None}


def read_catalogue(text: str, name: str = CATALOGUE_FILE.name) -> Catalogue:
    """A catalogue from its text.

    Raises:
        ConfigurationError: it is no catalogue.
    """
    try:
        return msgspec.convert(yaml.safe_load(text), Catalogue)
    except (msgspec.ValidationError, yaml.YAMLError) as error:
        raise ConfigurationError(f"{name} is wrong: {error}.", hint="see ingot/metrics/catalogue.py") from error


@cache
def load_catalogue() -> Catalogue:
    """The catalogue.

    Raises:
        ConfigurationError: the file is wrong.
    """
    return read_catalogue(CATALOGUE_FILE.read_text(encoding="utf-8"))


def metrics_namespace(environment: str) -> str:
    """Where CloudWatch keeps an environment's metrics: two in one account do not mix."""
    return f"{load_catalogue().namespace}/{environment}"
