"""What both dashboards' panels have in common: queries, units, colours, sizes."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol, Self

from grafana_foundation_sdk.builders import barchart, common, dashboard, piechart, stat, table, timeseries
from grafana_foundation_sdk.builders import prometheus as prometheus_builder
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.runtime import UnknownDataquery
from grafana_foundation_sdk.cog.variants import Dataquery
from grafana_foundation_sdk.models import common as common_models
from grafana_foundation_sdk.models import dashboard as models
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

PROMETHEUS = models.DataSourceRef(type_val="prometheus", uid="prometheus")
WAREHOUSE = models.DataSourceRef(type_val="grafana-postgresql-datasource", uid="warehouse")
"""As grafana/provisioning/datasources has them."""

UNITS: Mapping[str, str] = {
    "count": "short",
    "bytes": "decbytes",
    "seconds": "s",
    "percent": "percent",
    "usd": "currencyUSD",
}
"""The catalogue's → Grafana's (https://grafana.com/docs/grafana/latest/panels-visualizations/configure-standard-options)."""

WHOLE, HALF, THIRD, QUARTER, SIXTH = 24, 12, 8, 6, 4
"""Widths: a row has 24 columns."""
LOW, HIGH = 4, 8
GREEN, RED, NEUTRAL = "green", "red", "blue"


class Sql(Builder[Dataquery]):
    """A query of Grafana's Postgres data source, for which the SDK has no type.

    Args:
        text: SQL, with Grafana's macros.
        series: whether it is a time series: one column is ``time``, text names series; else it is a table.
    """

    def __init__(self, text: str, *, series: bool = False) -> None:
        self._text, self._format = text, "time_series" if series else "table"

    def build(self) -> Dataquery:
        return UnknownDataquery(
            {
                "refId": "A",
                "datasource": {"type": WAREHOUSE.type_val, "uid": WAREHOUSE.uid},
                "editorMode": "code",
                "format": self._format,
                "rawQuery": True,
                "rawSql": self._text,
            }
        )


def promql(expression: str, legend: str = "", *, ref: str = "A", at_the_end: bool = False) -> Builder[Dataquery]:
    """A query of Prometheus: over time, or only at the end of the time that is looked at, for tables."""
    query = prometheus_builder.Dataquery().expr(expression).ref_id(ref).datasource(PROMETHEUS)
    if legend:
        query.legend_format(legend)
    return query.instant().format(PromQueryFormat.TABLE) if at_the_end else query.range()


class Panel(Protocol):
    """What every kind of panel can."""

    def title(self, title: str) -> Self: ...
    def description(self, description: str) -> Self: ...
    def datasource(self, datasource: models.DataSourceRef) -> Self: ...
    def span(self, w: int) -> Self: ...
    def height(self, h: int) -> Self: ...
    def unit(self, unit: str) -> Self: ...
    def with_target(self, target: Builder[Dataquery]) -> Self: ...
    def thresholds(self, thresholds: Builder[models.ThresholdsConfig]) -> Self: ...
    def color_scheme(self, color: Builder[models.FieldColor]) -> Self: ...
    def no_value(self, no_value: str) -> Self: ...


def said[P: Panel](panel: P, title: str, description: str, *, unit: str, width: int, height: int) -> P:
    """A panel with its words, unit and size. Where there is nothing, it says so."""
    return panel.title(title).description(description).unit(unit).span(width).height(height).no_value("none yet")


def lines(*, stacked_bars: bool = False, points: bool = False) -> timeseries.Panel:
    """Something over time: lines, bars of what adds up, or points of what happens now and then."""
    legend = (
        common.VizLegendOptions()
        .show_legend(True)
        .display_mode(common_models.LegendDisplayMode.LIST)
        .placement(common_models.LegendPlacement.BOTTOM)
    )
    tooltip = common.VizTooltipOptions().mode(common_models.TooltipDisplayMode.MULTI)
    panel = timeseries.Panel().legend(legend).tooltip(tooltip).color_scheme(by_name()).axis_soft_min(0)
    if stacked_bars:
        stacking = common.StackingConfig().mode(common_models.StackingMode.NORMAL)
        return panel.draw_style(common_models.GraphDrawStyle.BARS).fill_opacity(80).line_width(0).stacking(stacking)
    if points:
        return panel.draw_style(common_models.GraphDrawStyle.POINTS).point_size(6)
    return panel.line_width(2).fill_opacity(8).show_points(common_models.VisibilityMode.AUTO)


def number(*, trend: bool = False) -> stat.Panel:
    """One number, the last one; with how it went behind it."""
    reduced = common.ReduceDataOptions().calcs(["lastNotNull"])
    graph = common_models.BigValueGraphMode.AREA if trend else common_models.BigValueGraphMode.NONE
    return stat.Panel().reduce_options(reduced).graph_mode(graph).color_mode(common_models.BigValueColorMode.VALUE)


def rows() -> table.Panel:
    """A table."""
    return table.Panel().show_header(True)


def bars() -> barchart.Panel:
    """Categories side by side, the longest on top."""
    return (
        barchart.Panel()
        .orientation(common_models.VizOrientation.HORIZONTAL)
        .show_value(common_models.VisibilityMode.AUTO)
        .fill_opacity(80)
        .color_scheme(by_name())
        .legend(common.VizLegendOptions().show_legend(False))
    )


def donut() -> piechart.Panel:
    """Parts of a whole, few of them."""
    from grafana_foundation_sdk.models.piechart import PieChartLabels, PieChartType

    legend = piechart.PieChartLegendOptions().show_legend(True).placement(common_models.LegendPlacement.RIGHT)
    return (
        piechart.Panel()
        .pie_type(PieChartType.DONUT)
        .display_labels([PieChartLabels.PERCENT])
        .reduce_options(common.ReduceDataOptions().values(True).calcs(["lastNotNull"]))
        .legend(legend.display_mode(common_models.LegendDisplayMode.LIST))
        .color_scheme(by_name())
    )


def by_name() -> dashboard.FieldColor:
    """The same colour for the same name, on every panel."""
    return dashboard.FieldColor().mode(models.FieldColorModeId.PALETTE_CLASSIC_BY_NAME)


def limits(red_above: float | None, *, calm: str = NEUTRAL) -> dashboard.ThresholdsConfig:
    """Red from a value on; calm below it, or always if there is none."""
    steps = [models.Threshold(value=None, color=calm)]
    if red_above is not None:
        # Grafana's begin at their value, and alarms ring above it.
        steps.append(models.Threshold(value=red_above + (1e-9 if red_above else 1e-6), color=RED))
    return dashboard.ThresholdsConfig().mode(models.ThresholdsMode.ABSOLUTE).steps(steps)


def column(name: str, unit: str) -> tuple[str, list[models.DynamicConfigValue]]:
    """A table's column in its unit."""
    return name, [models.DynamicConfigValue(id_val="unit", value=unit)]


def variable(
    name: str, label: str, query: str | dict[str, object], source: models.DataSourceRef, *, several: bool
) -> dashboard.QueryVariable:
    """Something to choose: one, or several and all at first."""
    chosen = dashboard.QueryVariable(name).label(label).query(query).datasource(source)
    chosen.refresh(models.VariableRefresh.ON_TIME_RANGE_CHANGED).sort(models.VariableSort.ALPHABETICAL_ASC)
    if several:
        everything = models.VariableOption(selected=True, text=["All"], value=["$__all"])
        chosen.multi(True).include_all(True).current(everything)
    return chosen


def page(
    uid: str,
    title: str,
    description: str,
    sections: Mapping[str, Iterable[Any]],
    variables: Sequence[dashboard.QueryVariable],
    *,
    time: tuple[str, str],
    refresh: str,
    links: Sequence[dashboard.DashboardLink] = (),
) -> dict[str, Any]:
    """A dashboard of sections with panels, as JSON has it."""
    others = (
        dashboard.DashboardLink("Ingot").type(models.DashboardLinkType.DASHBOARDS).tags(["ingot"]).as_dropdown(False)
    )
    built = (
        dashboard.Dashboard(title).uid(uid).description(description).tags(["ingot"]).timezone("utc").readonly()
        .tooltip(models.DashboardCursorSync.CROSSHAIR).time(*time).refresh(refresh)
        .link(others.include_vars(False).keep_time(False))
    )  # fmt: skip
    for link in links:
        built.link(link)
    for each in variables:
        built.with_variable(each)
    for name, panels in sections.items():
        built.with_row(dashboard.Row(name))
        for panel in panels:
            built.with_panel(panel)
    found: dict[str, Any] = json.loads(JSONEncoder(sort_keys=True).encode(built.build()))
    return found
