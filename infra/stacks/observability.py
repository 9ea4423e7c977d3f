"""What watches the pipeline: alarms, the dashboard, and who hears of what rings."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import aws_cdk as cdk
from aws_cdk import aws_kms as kms

from infra.constructs.alarm_topic import AlarmTopic
from infra.constructs.alarms import CatalogueAlarms
from infra.constructs.dashboards import HealthDashboard
from infra.constructs.job_events import JobEvents
from infra.constructs.metric_series import Place
from infra.deployment import Deployment, IngotStack
from infra.settings import Observability
from ingot.metrics import load_catalogue
from ingot.sources import Source


class ObservabilityStack(IngotStack):
    """All of it from the catalogue (ingot/metrics/catalogue.yaml): a metric that is added there is here too.

    It names nothing of other stacks but by names that are fixed, so it comes and goes without them; but for the
    console's load balancer, whose name AWS ends with a number.

    Args:
        scope: the app.
        deployment: what it is made from.
        settings: who is told, and where the runbook is.
        sources: whose metrics they are.
        key: the lake's, for the log of Glue's events.
        console: label → what AWS calls the parts of the console's load balancer; empty: there is no console.
    """

    def __init__(
        self,
        scope: cdk.Stage,
        deployment: Deployment,
        settings: Observability,
        sources: Mapping[str, Source],
        *,
        key: kms.IKey,
        console: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        super().__init__(scope, "observability", deployment, description="Ingot: alarms, dashboard, and who is told")
        place = Place(deployment=deployment, sources=sources, catalogue=load_catalogue(), stack=self, console=console)
        topic = AlarmTopic(self, "Topic", deployment, emails=settings.emails).topic
        JobEvents(self, "JobEvents", place=place, key=key, topic=topic, runbook=settings.runbook)
        alarms = CatalogueAlarms(self, "Alarms", place=place, topic=topic, runbook=settings.runbook)
        HealthDashboard(
            self,
            "Dashboard",
            place=place,
            alarms=[alarm.attr_arn for each in alarms.alarms.values() for alarm in each],
        )
