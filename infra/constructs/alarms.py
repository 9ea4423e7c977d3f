"""An alarm for each series of the catalogue's metrics that ring."""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil

from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_sns as sns
from constructs import Construct

from infra.constructs.metric_series import Place
from ingot.metrics import Alarm, Limit, Metric, alarm_text

_STATISTICS = {"max": "Maximum", "min": "Minimum", "sum": "Sum", "count": "SampleCount"}
_GRACE_PERIODS = 2
"""How many periods after its time a value may still come: runs take a while, and start late."""
_LONGEST = 7 * 24 * 60
"""Minutes that an alarm can look back
(https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricAlarm.html)."""


class CatalogueAlarms(Construct):
    """The alarms of one deployment. Each says what happened, what is safe, what to do, and where the runbook goes on.

    Args:
        scope, id: as for every construct.
        place: whose metrics they watch.
        topic: what hears of them, when they ring and when they are over.
        runbook: where the runbook is; an alarm's section has its name.

    Attributes:
        alarms: alarm's name in the catalogue → the alarms.

    Example::

        CatalogueAlarms(self, "Alarms", place=place, topic=topic, runbook="docs/runbook.md")
    """

    def __init__(self, scope: Construct, id: str, *, place: Place, topic: sns.ITopic, runbook: str) -> None:
        super().__init__(scope, id)
        self._place, self._topic, self._runbook = place, topic, runbook
        self.alarms: dict[str, list[cloudwatch.CfnAlarm]] = {}
        for name, alarm in place.catalogue.alarms.items():
            metric = place.catalogue[name]
            if isinstance(alarm.above, Limit) and alarm.above.limit == "interval" and not self._follows_schedules:
                continue  # where a person starts what is to run, nothing is ever late
            self.alarms[alarm.name] = [
                self._alarm(name, metric, alarm, labels) for labels in place.series(metric, alarm.per or metric.labels)
            ]

    @property
    def _follows_schedules(self) -> bool:
        return self._place.deployment.settings.schedules

    def _alarm(self, name: str, metric: Metric, alarm: Alarm, labels: Mapping[str, str]) -> cloudwatch.CfnAlarm:
        place = self._place
        ours = f"ingot-{place.deployment.settings.environment}"
        # A series is named by its labels; what every name begins with is said once.
        called = "-".join(filter(None, (alarm.name, *(v.removeprefix(ours).lstrip("-") for v in labels.values()))))
        threshold = place.limit(alarm.above, labels) if isinstance(alarm.above, Limit) else alarm.above
        missing, periods = _looking_back(alarm, threshold)
        return cloudwatch.CfnAlarm(
            self,
            called,
            alarm_name=f"{ours}-{called}",
            alarm_description=alarm_text(alarm, labels, runbook=self._runbook),
            namespace=metric.aws.namespace if metric.aws else place.namespace,
            metric_name=metric.aws.metric if metric.aws else name,
            dimensions=[
                cloudwatch.CfnAlarm.DimensionProperty(name=key, value=value)
                for key, value in place.dimensions(metric, labels).items()
            ],
            statistic=_STATISTICS[alarm.statistic],
            period=alarm.minutes * 60,
            evaluation_periods=periods,
            comparison_operator="GreaterThanThreshold",
            threshold=threshold,
            treat_missing_data=missing,
            alarm_actions=[self._topic.topic_arn],
            ok_actions=[self._topic.topic_arn],
        )


def _looking_back(alarm: Alarm, threshold: float) -> tuple[str, int]:
    """What a missing value means, and over how many periods an alarm looks.

    A metric that is emitted once an interval is missing in most periods; that it is missing in all of an interval,
    and some more, is what breaches.
    """
    if alarm.missing == "notBreaching":
        return alarm.missing, 1
    periods = ceil(threshold / 60 / alarm.minutes) + _GRACE_PERIODS
    return ("breaching", periods) if periods * alarm.minutes <= _LONGEST else ("notBreaching", 1)
