"""AWS::CloudWatch::Alarm and AWS::CloudWatch::Dashboard. Alarms are kept and described; nothing evaluates them."""

from __future__ import annotations

from typing import Any

from localcloud.cloudformation.resources import Context, Properties, Resource, ResourceType, register


@register
class Alarm(ResourceType):
    name = "AWS::CloudWatch::Alarm"
    replaced_by = frozenset({"AlarmName"})

    def create(self, context: Context, properties: Properties) -> Resource:
        name = properties.take("AlarmName") or context.name(longest=255)
        return self._put(context, name, properties)

    def update(self, context: Context, physical_id: str, properties: Properties, old: dict[str, Any]) -> Resource:
        properties.take("AlarmName")
        return self._put(context, physical_id, properties)

    def delete(self, context: Context, physical_id: str, properties: dict[str, Any]) -> None:
        context.call("cloudwatch", "DeleteAlarms", AlarmNames=[physical_id])

    @staticmethod
    def _put(context: Context, name: str, properties: Properties) -> Resource:
        context.call("cloudwatch", "PutMetricAlarm", AlarmName=name, **properties.rest())
        return Resource(name, {"Arn": context.arn("cloudwatch", f"alarm:{name}")})


@register
class Dashboard(ResourceType):
    name = "AWS::CloudWatch::Dashboard"
    replaced_by = frozenset({"DashboardName"})

    def create(self, context: Context, properties: Properties) -> Resource:
        return self._put(context, properties.take("DashboardName") or context.name(longest=255), properties)

    def update(self, context: Context, physical_id: str, properties: Properties, old: dict[str, Any]) -> Resource:
        properties.take("DashboardName")
        return self._put(context, physical_id, properties)

    def delete(self, context: Context, physical_id: str, properties: dict[str, Any]) -> None:
        context.call("cloudwatch", "DeleteDashboards", DashboardNames=[physical_id])

    @staticmethod
    def _put(context: Context, name: str, properties: Properties) -> Resource:
        body = properties.require("DashboardBody")
        context.call("cloudwatch", "PutDashboard", DashboardName=name, DashboardBody=body)
        return Resource(name)
