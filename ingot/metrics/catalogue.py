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
        statistic: of the values of one period; ``count``: how many there were.
        minutes: the period's length.
        happened, safe, do: what it tells a person: what rang, what is still whole, the first thing to do.
        per: an alarm a combination of these labels; all of the metric's unless given.
        missing: what a period without a value means: ``notBreaching``: all is well; ``breaching``: as bad as too
            high a value (where the schedule allows to tell).
    """

    name: Annotated[str, msgspec.Meta(pattern="^[a-z][a-z-]*$")]
    above: float | Limit
    statistic: Literal["max", "min", "sum", "count"]
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
        dimensions: our label → AWS's; a label of Airflow's that AWS does not tell apart has none.
        all: dimensions that then have the value ``All``.
        unit: of the values there, if it is not the metric's.
    """

    namespace: str
    metric: str
    dimensions: dict[Name, str]
    all: tuple[str, ...] = ()
    unit: Literal["milliseconds"] | None = None


class Airflow(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What Airflow calls a metric that it emits itself.

    Attributes:
        statsd: the name in StatsD, with our labels in braces where it has values
            (https://airflow.apache.org/docs/apache-airflow/stable/administration-and-deployment/logging-monitoring/metrics.html).
    """

    statsd: Annotated[str, msgspec.Meta(pattern=r"^[a-z_]+(\.([a-z_]+|\{[a-z_]+\}))+$")]

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels in the name, in its order."""
        return tuple(part[1:-1] for part in self.statsd.split(".") if part.startswith("{"))


class Metric(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One metric.

    Attributes:
        type: ``counter``: values add up; ``gauge``: the last one holds; ``distribution``: a value an event.
        unit: of its values.
        labels: what tells its series apart.
        emitted_by: jobs' steps; ``dbt``: who runs dbt, when it ends; ``airflow``: Airflow itself; ``glue``: a metric
            filter on Glue's own events; ``aws``: the service itself.
        meaning: what it counts.
        good: what to expect.
        rollups: fewer labels by which it is kept besides: the values of all the rest together.
        alarm: when it rings; None: it is for looking at.
        mode: only streams in this mode have it, if it is about streams.
        age: it grows by a second a second until it is emitted anew; Prometheus has the time at which it was nothing.
        aws: where it is, if a service of AWS emits it, or MWAA what Airflow does.
        airflow: what it is called there, if Airflow emits it.
    """

    type: Literal["counter", "gauge", "distribution"]
    unit: Literal["count", "bytes", "seconds", "percent", "usd"]
    labels: tuple[Name, ...]
    emitted_by: Annotated[tuple[Name, ...], msgspec.Meta(min_length=1)]
    meaning: Text
    good: Text
    rollups: tuple[tuple[Name, ...], ...] = ()
    alarm: Alarm | None = None
    mode: Literal["landed"] | None = None
    age: bool = False
    aws: Aws | None = None
    airflow: Airflow | None = None

    def __post_init__(self) -> None:
        for labels in (*self.rollups, (self.alarm and self.alarm.per) or ()):
            if not set(labels) <= set(self.labels):
                raise ValueError(f"{', '.join(labels)} are not all labels of it")
        if self.alarm and self.alarm.per and self.alarm.per not in self.series:
            raise ValueError("the labels that an alarm is made per are no series of it")
        if (self.aws is not None) != (self.emitted_by in (("aws",), ("airflow",))):
            raise ValueError("aws says where a metric is that is emitted by aws or airflow, and no other")
        if (self.airflow is not None) != (self.emitted_by == ("airflow",)):
            raise ValueError("airflow says what a metric is called that is emitted by airflow, and no other")
        if self.airflow is not None and set(self.airflow.labels) != set(self.labels):
            raise ValueError("airflow.statsd names each label")
        if self.type == "distribution" and self.unit != "seconds":
            raise ValueError("a distribution is in seconds, as StatsD's timings are")
        if self.age and (self.type, self.unit) != ("gauge", "seconds"):
            raise ValueError("an age is a gauge in seconds")
        if self.aws is not None and len(self.aws.dimensions) + len(self.aws.all) != len(self.labels):
            raise ValueError("aws.dimensions names each label")
        if self.aws and self.aws.unit and self.alarm and self.alarm.statistic != "count":
            raise ValueError("an alarm on values is not held against others of another unit")

    @property
    def told_apart(self) -> tuple[str, ...]:
        """The labels by which CloudWatch has it."""
        return tuple(self.aws.dimensions) if self.aws else self.labels

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
