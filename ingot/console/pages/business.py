"""*Business*: what was sold: when, of what, to whom, in which currency, and with which margin."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from ingot.console import charts, formats
from ingot.console.charts import Chart
from ingot.console.context import of
from ingot.console.queries import business as ask
from ingot.console.queries.business import OWN, Filter, Headline, Options, Row
from ingot.console.tables import Cell, Column, View
from ingot.console.web import address, page

router = APIRouter()
Text = Annotated[str, Query(max_length=200)]
_NOTHING = "No sales with this filter. Take a longer time, or clear a part of it."
_ZERO = "datum.value == 0 ? '0' : datum.label"  # not 0k
_STEPS: dict[str, Any] = {"day": "utcyearmonthdate", "week": "utcyearmonthdate", "month": "utcyearmonth"}


@router.get("/business")
def business(
    request: Request,
    since: Text = "",
    until: Text = "",
    category: Text = "",
    country: Text = "",
    currency: Text = "",
) -> Response:
    """The page."""
    warehouse = of(request).warehouse
    can = ask.options(warehouse)
    if can.first is None or can.last is None:
        return page(request, "business.html", title="Business", options=can, wanted=None)
    wanted, ignored = _filter(can, since, until, category, country, currency)
    later = warehouse.later
    asked = [wanted, wanted.before] if wanted.has_before(can.first) else [wanted]
    sold = [later(partial(ask.sales, warehouse, each)) for each in asked]
    counted = [later(partial(ask.orders, warehouse, each)) for each in asked]
    bought_ = later(partial(ask.buyers, warehouse, wanted, countries=bool(can.countries)))
    now, *before = map(ask.headline, [each.result() for each in sold], [each.result() for each in counted])
    sales, bought = sold[0].result(), bought_.result()
    names = _coloured(can.categories)
    drawn = [
        _trend(wanted, sales.trend, names),
        # Two stand side by side: those that are as high as each other.
        _categories(wanted, sales.categories, names),
        _margins(sales.margins, names),
        _products(wanted, sales.products, names),
        _customers(wanted, bought.customers),
        _currencies(wanted, sales.currencies),
        _countries(wanted, bought.countries, can),
    ]
    return page(
        request,
        "business.html",
        title="Business",
        options=can,
        wanted=wanted,
        ignored=ignored,
        figures=_figures(wanted, now, before[0] if before else None),
        unpriced=now.unpriced,
        charts=drawn,
        all=address("/business"),
    )


def _filter(can: Options, *texts: str) -> tuple[Filter, list[str]]:
    """The filter that an address asks for, and what of it means nothing here."""
    assert can.first is not None
    assert can.last is not None
    since, until, category, country, currency = (text.strip() for text in texts)
    ignored = []
    first, last = _day(since), _day(until)
    if (since and first is None) or (until and last is None):
        ignored.append("a day is written as 2020-03-31")
    first, last = first or can.first, last or can.last
    if first > last:
        ignored.append("the first day was after the last: they changed places")
        first, last = last, first
    chosen = {}
    for name, value, known in (
        ("category", category, can.categories),
        ("country", country, can.countries),
        ("currency", currency, can.currencies),
    ):
        if value and value not in known:
            ignored.append(f"there is no {name} “{value}”")
        elif value:
            chosen[name] = value
    return Filter(since=first, until=last, whole=(first, last) == (can.first, can.last), **chosen), ignored


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def _coloured(categories: Sequence[str]) -> list[str]:
    """Those that sell most get the colours, in the order of the alphabet; all others the last."""
    own = len(charts.PALETTE) - 1
    return [*sorted(categories[:own]), *sorted(categories[own:])]


def _figures(wanted: Filter, now: Headline, before: Headline | None) -> list[tuple[str, str, str]]:
    """Label, value and what is to be said beside it."""

    def beside(new: Any, old: Any) -> str:
        if before is None:
            return "no whole time before to compare with"
        if new is None or not old:
            return "nothing in the time before"
        return f"{formats.change((Decimal(new) - Decimal(old)) / Decimal(old))} against the {wanted.period} before"

    def points(new: Decimal | None, old: Decimal | None) -> str:
        parts = []
        if now.covered is not None and now.covered < Decimal("0.9995"):
            parts.append(f"of the {formats.percent(now.covered)} of revenue whose costs are known")
        if new is not None and old is not None:
            parts.append(f"{(new - old) * 100:+.1f} points against the {wanted.period} before")
        return "; ".join(parts) or ("no costs are known" if new is None else "no whole time before to compare with")

    return [
        ("Revenue", formats.money(now.revenue, wanted.currency), beside(now.revenue, before and before.revenue)),
        ("Orders", formats.number(now.orders), beside(now.orders, before and before.orders)),
        ("Average order", formats.money(now.average, wanted.currency), beside(now.average, before and before.average)),
        ("Margin", formats.percent(now.margin_rate), points(now.margin_rate, before.margin_rate if before else None)),
    ]


def _values(rows: Sequence[Row]) -> list[Row]:
    return [{name: _plain(value) for name, value in row.items()} for row in rows]


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return round(float(value), 4)
    return value.isoformat() if isinstance(value, date) else value


def _money_axis(currency: str, what: str = "Revenue") -> dict[str, Any]:
    return {"title": f"{what} ({currency})", "format": "~s", "tickCount": 6, "labelExpr": _ZERO}


def _told(currency: str) -> dict[str, Any]:
    return charts.quantity("revenue", title=f"Revenue ({currency})", format=",.2f")


def _trend(wanted: Filter, rows: list[Row], names: list[str]) -> Chart:
    present = sorted({row["category"] for row in rows}, key=names.index)
    drawn = charts.bars(
        _values(rows),
        height=280,
        x=charts.moment(
            "step",
            timeUnit=_STEPS[wanted.bucket],
            title=f"{wanted.bucket.capitalize()}{' from Monday' if wanted.bucket == 'week' else ''} (UTC)",
            axis={
                "format": "%b %Y" if wanted.bucket == "month" else "%-d %b %Y",
                "labelOverlap": True,
                "labelAngle": 0,
            },
        ),
        y=charts.quantity("revenue", axis=_money_axis(wanted.currency), stack="zero"),
        color=charts.name("category", scale=charts.colours(names), legend={"values": present}),
        tooltip=[
            charts.moment("step", title=wanted.bucket.capitalize(), timeUnit=_STEPS[wanted.bucket]),
            charts.name("category", title="Category"),
            _told(wanted.currency),
            charts.quantity("units", title="Units", format=","),
        ],
    )
    steps = _by_step(rows)
    table = View(
        f"Revenue by {wanted.bucket} and category",
        [
            Column(wanted.bucket.capitalize(), "day"),
            Column("Category"),
            Column("Revenue", "money", currency=wanted.currency),
            Column("Units", "number"),
        ],
        [
            (
                _origin("daily_sales", row["step"]) if wanted.bucket == "day" else row["step"],
                *(_named(row["category"], names), row["revenue"], row["units"]),
            )
            for row in rows
        ],
        empty=_NOTHING,
    )
    label = "Bars of revenue over time, stacked by category."
    if steps:
        best = max(steps, key=lambda each: steps[each])
        label += (
            f" {len(steps)} {wanted.bucket}s with sales; most on {best.isoformat()}:"
            f" {formats.money(steps[best], wanted.currency)}."
        )
    return Chart("trend", "Sales trend", label, drawn, table)


def _by_step(rows: list[Row]) -> dict[date, Decimal]:
    steps: dict[date, Decimal] = {}
    for row in rows:
        steps[row["step"]] = steps.get(row["step"], Decimal(0)) + row["revenue"]
    return steps


def _categories(wanted: Filter, rows: list[Row], names: list[str]) -> Chart:
    total = sum((row["revenue"] for row in rows), Decimal(0))
    drawn = _bars(rows, "category", "Category", wanted.currency, names)
    table = View(
        "Revenue by category",
        [
            Column("Category"),
            Column("Revenue", "money", currency=wanted.currency),
            Column("Share", "percent"),
            Column("Units", "number"),
        ],
        [
            (
                _origin("category_revenue", row["category"], mark=charts.colour_of(row["category"], names)),
                *(row["revenue"], row["revenue"] / total if total else None, row["units"]),
            )
            for row in rows
        ],
        empty=_NOTHING,
    )
    return Chart("categories", "Revenue by category", _most("category", rows, wanted.currency), drawn, table)


def _products(wanted: Filter, rows: list[Row], names: list[str]) -> Chart:
    drawn = _bars([{**row, "title": _short(row["title"])} for row in rows], "title", "Product", wanted.currency, names)
    table = View(
        "Products that bring most",
        [
            Column("Product"),
            Column("Category"),
            Column("Revenue", "money", currency=wanted.currency),
            Column("Units", "number"),
        ],
        [
            (
                _origin("product_performance", row["product_id"], row["title"]),
                *(_named(row["category"], names), row["revenue"], row["units"]),
            )
            for row in rows
        ],
        empty=_NOTHING,
    )
    return Chart(
        "products",
        "Product performance",
        _most("title", rows, wanted.currency),
        drawn,
        table,
        note=f"The {ask.PRODUCTS} products that bring most; colours are categories." if rows else "",
    )


def _margins(rows: list[Row], names: list[str]) -> Chart:
    found = [
        row | {"rate": row["margin"] / row["costed"]} for row in rows if row["margin"] is not None and row["costed"]
    ]
    drawn = charts.bars(
        _values(found),
        height=_height(found),
        x=charts.quantity("rate", axis={"title": "Margin (% of revenue)", "format": "%", "tickCount": 6}),
        y=charts.name("category", title=None, sort="-x"),
        color=charts.name("category", scale=charts.colours(names), legend=None),
        tooltip=[
            charts.name("category", title="Category"),
            charts.quantity("rate", title="Margin", format=".1%"),
            charts.quantity("margin", title=f"Margin ({OWN})", format=",.2f"),
            charts.quantity("cost", title=f"Cost ({OWN})", format=",.2f"),
        ],
    )
    money = [Column(name, "money", currency=OWN) for name in ("Revenue at known cost", "Cost", "Margin")]
    table = View(
        "Margin by category",
        [Column("Category"), *money, Column("Margin (%)", "percent"), Column("Of all revenue", "percent")],
        [
            (
                _origin("category_margin", row["category"], mark=charts.colour_of(row["category"], names)),
                *(row["costed"], row["cost"], row["margin"]),
                *(row["rate"], row["costed"] / row["own"] if row["own"] else None),
            )
            for row in found
        ],
        empty="No sales at known costs with this filter." if not rows else "No supplier has told what these cost.",
    )
    best = f" Best: {found[0]['category']}." if found else ""
    return Chart(
        "margins",
        "Margin by category",
        f"Bars of the margin as a part of revenue, by category.{best}",
        drawn,
        table,
        note=f"Costs are in the shop's currency, {OWN}." if found else "",
    )


def _customers(wanted: Filter, rows: list[Row]) -> Chart:
    named = [row | {"customer": f"Customer {row['user_id']}"} for row in rows]
    drawn = charts.bars(
        _values(named),
        height=_height(named),
        x=charts.quantity("revenue", axis=_money_axis(wanted.currency)),
        y=charts.name("customer", title=None, sort="-x"),
        tooltip=[
            charts.name("customer", title="Customer"),
            _told(wanted.currency),
            charts.quantity("units", title="Units", format=","),
            charts.moment("last_order_date", title="Last order"),
        ],
    )
    table = View(
        "Customers who bring most",
        [
            Column("Customer"),
            Column("Revenue", "money", currency=wanted.currency),
            Column("Share", "percent"),
            Column("Units", "number"),
            Column("Last order", "day"),
        ],
        [
            (
                *(_origin("customer_activity", row["user_id"], row["customer"]), row["revenue"]),
                *(row["revenue"] / row["of_all"] if row["of_all"] and row["revenue"] is not None else None,),
                *(row["units"], row["last_order_date"]),
            )
            for row in named
        ],
        empty=_NOTHING,
    )
    note = f"{rows[0]['active']:,} bought something; those who bring most, by their ids." if rows else ""
    label = _most("customer", named, wanted.currency)
    return Chart("customers", "Customer activity", label, drawn, table, note=note)


def _currencies(wanted: Filter, rows: list[Row]) -> Chart:
    drawn = charts.bars(
        _values([row for row in rows if row["revenue"] is not None]),
        height=_height(rows),
        x=charts.quantity("revenue", axis=_money_axis("each in its own currency")),
        y=charts.name("currency", title=None),
        opacity={"condition": {"test": {"field": "currency", "equal": wanted.currency}, "value": 1}, "value": 0.65},
        tooltip=[
            charts.name("currency", title="Currency"),
            charts.quantity("revenue", title="Revenue", format=",.2f"),
        ],
    )
    table = View(
        "The same revenue in each currency",
        [Column("Currency"), Column("Revenue", "number", digits=2)],
        [(row["currency"], row["revenue"]) for row in rows],
        empty=_NOTHING,
    )
    told = "; ".join(formats.money(row["revenue"], row["currency"]) for row in rows)
    return Chart(
        "currencies",
        "Revenue by currency",
        f"The same revenue in each currency: {told or 'none'}.",
        drawn,
        table,
        note="The same sales in each currency, at each day's rate." if rows else "",
    )


def _countries(wanted: Filter, rows: list[Row], can: Options) -> Chart:
    drawn = _bars(rows, "country", "Country", wanted.currency, None)
    table = View(
        "Revenue by country",
        [Column("Country"), Column("Revenue", "money", currency=wanted.currency)],
        [(row["country"], row["revenue"]) for row in rows],
        empty=_NOTHING
        if can.countries
        else "The shop's addresses name no country. Where silver.addresses has a column country, it is shown here.",
    )
    return Chart("countries", "Revenue by country", _most("country", rows, wanted.currency), drawn, table)


def _bars(rows: Sequence[Row], field: str, title: str, currency: str, names: list[str] | None) -> Any:
    """Bars from the left, the longest on top; with the colours of categories, where the rows have one."""
    coloured = {} if names is None else {"color": charts.name("category", scale=charts.colours(names), legend=None)}
    return charts.bars(
        _values(rows),
        height=_height(rows),
        x=charts.quantity("revenue", axis=_money_axis(currency)),
        y=charts.name(field, title=None, sort="-x"),
        tooltip=[
            charts.name(field, title=title),
            *([charts.name("category", title="Category")] if names is not None and field != "category" else []),
            _told(currency),
            *([charts.quantity("units", title="Units", format=",")] if rows and "units" in rows[0] else []),
        ],
        **coloured,
    )


def _height(rows: Sequence[Row]) -> int:
    return max(4, len(rows)) * 28 + 12


def _origin(table: str, key: Any, shown: Any = None, *, mark: int | None = None) -> Cell:
    """What leads to the row of gold that is of all time, and from it to the source."""
    asked = address("/lineage/explain", table=f"gold.{table}", key=str(key))
    return Cell(key if shown is None else shown, href=asked, mark=mark)


def _named(category: str, names: list[str]) -> Cell:
    return Cell(category, mark=charts.colour_of(category, names))


def _short(title: str, most: int = 32) -> str:
    return title if len(title) <= most else f"{title[: most - 1].rstrip()}…"


def _most(field: str, rows: Sequence[Row], currency: str) -> str:
    if not rows:
        return "Nothing to draw."
    return f"Bars of revenue; most: {rows[0][field]}, {formats.money(rows[0]['revenue'], currency)}."
