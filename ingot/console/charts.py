"""Charts: Vega-Lite, drawn in the browser, with a table of the same numbers.

A chart is the few words of Vega-Lite that it needs, as its documentation has them: a library that writes them takes a
second to import.

Colours are those of Okabe and Ito's palette for all kinds of sight ("Color Universal Design"), each made as light as
stands out three to one from white and from black. Where a name has a colour, it has it in every chart: the names'
order decides, which :func:`colours` is given whole, whatever a page shows of them.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from markupsafe import Markup

from ingot.console.tables import View

PALETTE = ("#2a78c2", "#d1620a", "#0f9571", "#b8609a", "#a67c00", "#2f93b8", "#8a63d2", "#7d8590")
"""The last is for all names that have none of their own."""

_FONT = 'system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif'


@dataclass(frozen=True)
class Chart:
    """One chart.

    Attributes:
        id: of its element.
        label: what it shows, in a sentence with its numbers' gist: for who does not see it.
        spec: Vega-Lite's.
        table: the same numbers.
    """

    id: str
    title: str
    label: str
    spec: dict[str, Any]
    table: View
    note: str = ""

    @property
    def empty(self) -> bool:
        """Whether there is nothing to draw."""
        return not self.table.rows

    @property
    def json(self) -> Markup:
        """The spec, for a script element that is data."""
        return _inert(self.spec)


def bars(values: Sequence[dict[str, Any]], *, height: int, **encoding: Any) -> dict[str, Any]:
    """Vega-Lite's spec of bars as wide as there is room.

    Args:
        values: one a bar, or a part of one.
        height: in pixels.
        encoding: what is where: of :func:`quantity`, :func:`name` and :func:`moment`.
    """
    return {
        "data": {"name": "rows", "values": list(values)},
        "mark": {"type": "bar"},
        "encoding": encoding,
        "width": "container",
        "height": height,
    }


def quantity(field: str, **more: Any) -> dict[str, Any]:
    """A field that is a number."""
    return {"field": field, "type": "quantitative", **more}


def name(field: str, **more: Any) -> dict[str, Any]:
    """A field that is a name."""
    return {"field": field, "type": "nominal", **more}


def moment(field: str, **more: Any) -> dict[str, Any]:
    """A field that is a time."""
    return {"field": field, "type": "temporal", **more}


def colours(names: Sequence[str]) -> dict[str, Any]:
    """The scale of some names, all that there may be, in an order that does not depend on the filter."""
    return {"domain": list(names), "range": [PALETTE[colour_of(name, names)] for name in names]}


def colour_of(name: str, names: Sequence[str]) -> int:
    """A name's place in the palette."""
    last = len(PALETTE) - 1
    return min(names.index(name), last) if name in names else last


@cache
def themes_json() -> Markup:
    """Vega's configuration for light and for dark."""
    return _inert(
        {
            "light": _theme(text="#1a2029", muted="#5a6472", line="#dde2e8"),
            "dark": _theme(text="#e8ecf1", muted="#a8b3c1", line="#303843"),
        }
    )


def _theme(*, text: str, muted: str, line: str) -> dict[str, Any]:
    titles = {"titleColor": muted, "titleFontWeight": "normal", "titleFontSize": 12, "titlePadding": 8}
    labels = {"labelColor": muted, "labelFontSize": 12, "labelLimit": 220}
    return {
        "background": "transparent",
        "font": _FONT,
        "view": {"stroke": "transparent"},
        "axis": {
            **titles,
            **labels,
            "gridColor": line,
            "domainColor": line,
            "tickColor": line,
            "labelPadding": 6,
            "labelOverlap": True,
            "labelSeparation": 6,
        },
        "axisBand": {"grid": False},
        "legend": {**labels, "title": None, "orient": "top", "columns": 0, "symbolType": "square", "labelColor": text},
        "bar": {"color": PALETTE[0], "cornerRadiusEnd": 2},
        "line": {"color": PALETTE[0], "strokeWidth": 2},
        "area": {"color": PALETTE[0]},
        "point": {"color": PALETTE[0], "filled": True},
        "text": {"color": text, "fontSize": 12},
        "range": {"category": list(PALETTE)},
    }


def _inert(value: Any) -> Markup:
    # In a script element nothing is read but its end.
    text = json.dumps(value, default=_plain, separators=(",", ":")).replace("<", "\\u003c")
    return Markup(text)  # noqa: S704 - see above


def _plain(value: Any) -> Any:
    from decimal import Decimal

    return float(value) if isinstance(value, Decimal) else str(value)
