"""What Grafana asks when a dashboard is opened: each panel's queries, with variables and macros in them replaced.

As Grafana does it: `variables <https://grafana.com/docs/grafana/latest/dashboards/variables/variable-syntax>`_ and
`macros <https://grafana.com/docs/grafana/latest/datasources/postgres/#macros>`_. Only what the dashboards use is known;
what is left with a dollar is an error.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

Choices = Mapping[str, Sequence[str]]
"""Variable → what is chosen."""


@dataclass(frozen=True, kw_only=True)
class Query:
    """One query of a panel.

    Attributes:
        panel: its title.
        source: the data source's uid.
        text: PromQL or SQL.
        at_the_end: whether Prometheus is asked for one moment, not for a time.
        step: of what it is asked for over time.
    """

    panel: str
    source: str
    text: str
    at_the_end: bool = False
    step: int = 0


def panels(dashboard: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Its panels, those in rows too."""
    for each in dashboard["panels"]:
        if each["type"] == "row":
            yield from each.get("panels") or []
        else:
            yield each


def variables(
    dashboard: Mapping[str, Any], values: Callable[[str, str, Choices], Sequence[str]]
) -> dict[str, list[str]]:
    """What is chosen when it is opened: of one, the first; of several, all.

    Args:
        values: data source's uid, query, and what is chosen so far → what there is to choose.
    """
    chosen: dict[str, list[str]] = {}
    for each in dashboard["templating"]["list"]:
        found = list(values(each["datasource"]["uid"], each["query"], chosen))
        chosen[each["name"]] = found if each.get("multi") else found[:1]
    return chosen


def queries(
    dashboard: Mapping[str, Any], chosen: Choices, start: datetime, end: datetime, *, step: int = 60
) -> Iterator[Query]:
    """Every query of every panel.

    Raises:
        ValueError: something in one stays as it was.
    """
    for panel in panels(dashboard):
        for target in panel["targets"]:
            source = panel["datasource"]["uid"]
            sql = "rawSql" in target
            text = (
                sql_text(target["rawSql"], chosen, start, end)
                if sql
                else promql_text(target["expr"], chosen, start, end, step=step)
            )
            if "$" in text:
                raise ValueError(f"{panel['title']}: nothing says what stands for the dollar in {text}")
            yield Query(
                panel=panel["title"], source=source, text=text, at_the_end=bool(target.get("instant")), step=step
            )


def sql_text(text: str, chosen: Choices, start: datetime, end: datetime) -> str:
    """SQL with macros and variables replaced."""
    between = f"BETWEEN '{start:%Y-%m-%dT%H:%M:%SZ}' AND '{end:%Y-%m-%dT%H:%M:%SZ}'"
    text = re.sub(r"\$__timeFilter\(([^)]+)\)", rf"\1 {between}", text)
    day = r'floor(extract(epoch from \1)/86400)*86400 AS "time"'
    text = re.sub(r"\$__timeGroupAlias\(([^,]+), '1d'\)", day, text)
    for name, values in chosen.items():
        quoted = ",".join("'" + value.replace("'", "''") + "'" for value in values)
        text = text.replace(f"${{{name}:sqlstring}}", quoted)
    return text


def promql_text(text: str, chosen: Choices, start: datetime, end: datetime, *, step: int) -> str:
    """PromQL with variables replaced."""
    text = text.replace("$__interval", f"{step}s").replace("$__range", f"{int((end - start).total_seconds())}s")
    for name, values in chosen.items():
        escaped = [re.sub(r"([\\.+*?()|\[\]{}^$])", r"\\\\\1", value) for value in values]
        text = text.replace(f"${name}", escaped[0] if len(escaped) == 1 else f"({'|'.join(escaped)})")
    return text
