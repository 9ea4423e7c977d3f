"""Grafana's dashboard of the business: what gold's tables say, by Grafana's Postgres data source."""

# ruff: noqa: S608 - no part of a query here comes from anywhere else

from __future__ import annotations

from typing import Any

from grafana_foundation_sdk.builders import dashboard
from grafana_foundation_sdk.models import dashboard as models

from monitoring.panels import (
    HALF,
    HIGH,
    LOW,
    QUARTER,
    SIXTH,
    THIRD,
    WAREHOUSE,
    WHOLE,
    Sql,
    bars,
    column,
    donut,
    limits,
    lines,
    number,
    page,
    rows,
    said,
    variable,
)

RECORDED = ("2020-01-01T00:00:00.000Z", "2020-03-31T23:59:59.000Z")
"""What the recordings of a laptop have; where data is live, the link "Last 90 days" leads to it."""

MONEY = "revenue in ${currency}"
_CHOSEN = "currency = ${currency:sqlstring} and category in (${category:sqlstring}) and $__timeFilter(order_date)"
_CATEGORIES = "category in (${category:sqlstring})"
_AT_LIST_PRICE = "At list price, in US dollars, over all time."


def business() -> dict[str, Any]:
    """The dashboard, as JSON has it."""
    sections = {
        "Sales": [*_totals(), *_trend()],
        "Revenue by category and currency": [*_categories(), *_currencies()],
        "Products": [*_products()],
        "Customers": [*_customers()],
    }
    recent = dashboard.DashboardLink("Last 90 days").type(models.DashboardLinkType.LINK).icon("external link")
    recorded = dashboard.DashboardLink("The recorded quarter").type(models.DashboardLinkType.LINK)
    return page(
        "ingot-business",
        "Business",
        "Sales, revenue, products and customers, from gold's tables. Days are UTC; nobody's name is in them.",
        sections,
        [
            variable(
                "currency",
                "Currency",
                "select currency from gold.revenue_by_currency group by 1 order by currency = 'USD' desc, currency",
                WAREHOUSE,
                several=False,
            ).sort(models.VariableSort.DISABLED),
            variable(
                "category",
                "Category",
                "select category from gold.category_revenue order by 1",
                WAREHOUSE,
                several=True,
            ),
        ],
        time=RECORDED,
        refresh="",
        links=[
            recent.url("/d/ingot-business?from=now-90d&to=now"),
            recorded.icon("external link").url("/d/ingot-business"),
        ],
    )


def _totals() -> list[Any]:
    sums = f" from gold.revenue_by_currency where {_CHOSEN}"
    days = " from gold.daily_sales where $__timeFilter(order_date)"
    numbers = [
        ("Revenue", f"Sum of line totals: {MONEY}, by the rate of each order's day.", "short",
         f"select coalesce(sum(revenue), 0) as revenue{sums}"),
        ("Units", "Units ordered, of the chosen categories.", "short",
         f"select coalesce(sum(units), 0) as units{sums}"),
        ("Orders", "Orders of all categories.", "short", f"select coalesce(sum(orders), 0) as orders{days}"),
        ("Order value", "Revenue by orders, of all categories, in US dollars.", "currencyUSD",
         f"select round(sum(revenue) / nullif(sum(orders), 0), 2) as order_value{days}"),
        ("Customers who ordered", "Of all time.", "short",
         "select count(*) as customers from gold.customer_activity where orders > 0"),
        ("Margin", f"Revenue less the costs of the suppliers' price lists. {_AT_LIST_PRICE}", "currencyUSD",
         f"select sum(margin) as margin from gold.category_margin where {_CATEGORIES}"),
    ]  # fmt: skip
    return [_panel(number(), title, words, unit, SIXTH, LOW, sql).thresholds(limits(None)).color_scheme(_calm())
            for title, words, unit, sql in numbers]  # fmt: skip


def _trend() -> list[Any]:
    revenue = (
        "select $__timeGroupAlias(order_date, '1d'), category as metric, sum(revenue) as revenue\n"
        f"from gold.revenue_by_currency where {_CHOSEN}\ngroup by 1, 2 order by 1, 2"
    )
    orders = (
        "select $__timeGroupAlias(order_date, '1d'), sum(orders) as orders, sum(units) as units\n"
        "from gold.daily_sales where $__timeFilter(order_date)\ngroup by 1 order by 1"
    )
    value = (
        "select $__timeGroupAlias(order_date, '1d'), max(average_order_value) as order_value\n"
        "from gold.daily_sales where $__timeFilter(order_date)\ngroup by 1 order by 1"
    )
    return [
        _panel(lines(stacked_bars=True), f"Sales trend: {MONEY}", "Revenue a day and category.", "short", WHOLE, HIGH,
               revenue, series=True).axis_label("revenue a day"),
        _panel(lines(), "Orders and units", "A day, of all categories.", "short", HALF, HIGH, orders,
               series=True).axis_label("a day"),
        _panel(lines(), "Order value", "Revenue by orders of a day, of all categories, in US dollars.", "currencyUSD",
               HALF, HIGH, value, series=True).axis_label("US dollars an order"),
    ]  # fmt: skip


def _categories() -> list[Any]:
    share = (
        f"select category, sum(revenue) as revenue\nfrom gold.revenue_by_currency where {_CHOSEN}\n"
        "group by 1 order by 2 desc"
    )
    table = (
        "select c.category, c.orders, c.products_sold, c.units, c.revenue, c.revenue_share, m.cost, m.margin, "
        "m.margin_rate\nfrom gold.category_revenue as c\n"
        "left join gold.category_margin as m on m.category = c.category\n"
        "where c.category in (${category:sqlstring}) order by c.revenue desc"
    )
    panel = _panel(rows(), "Categories", _AT_LIST_PRICE, "short", WHOLE - THIRD, HIGH, table)
    for name, unit in (("revenue", "currencyUSD"), ("cost", "currencyUSD"), ("margin", "currencyUSD"),
                       ("revenue_share", "percentunit"), ("margin_rate", "percentunit")):  # fmt: skip
        panel.override_by_name(*column(name, unit))
    return [_panel(donut(), f"Categories: {MONEY}", "Their parts of the revenue.", "short", THIRD, HIGH, share), panel]


def _currencies() -> list[Any]:
    totals = (
        "select currency, sum(revenue) as revenue\nfrom gold.revenue_by_currency\n"
        f"where {_CATEGORIES} and $__timeFilter(order_date)\ngroup by 1 order by 2 desc"
    )
    rates = (
        "select $__timeGroupAlias(order_date, '1d'), currency as metric, max(rate) as rate\n"
        "from gold.revenue_by_currency where $__timeFilter(order_date) and currency <> 'USD'\n"
        "group by 1, 2 order by 1, 2"
    )
    return [
        _panel(bars(), "The same revenue in each currency", "By the rate of each day; each bar in its currency.",
               "short", HALF, HIGH, totals).axis_label("units of the currency"),
        _panel(lines(), "Rates", "Units of a currency for one US dollar, on days with orders.", "short", HALF, HIGH,
               rates, series=True).axis_label("for one US dollar"),
    ]  # fmt: skip


def _products() -> list[Any]:
    best = (
        "select title, revenue from gold.product_performance\n"
        f"where {_CATEGORIES} and units > 0 order by revenue desc limit 10"
    )
    table = (
        "select p.revenue_rank, p.title, p.category, p.list_price, p.orders, p.buyers, p.units, p.revenue, "
        "p.revenue_share, m.margin, m.margin_rate\n"
        "from gold.product_performance as p left join gold.product_margin as m on m.product_id = p.product_id\n"
        "where p.category in (${category:sqlstring}) order by p.revenue_rank, p.product_id limit 200"
    )
    panel = _panel(rows(), "Products", f"Listed or sold; the 200 with most revenue. {_AT_LIST_PRICE}", "short", WHOLE,
                   HIGH + LOW, table)  # fmt: skip
    for name, unit in (("list_price", "currencyUSD"), ("revenue", "currencyUSD"), ("margin", "currencyUSD"),
                       ("revenue_share", "percentunit"), ("margin_rate", "percentunit")):  # fmt: skip
        panel.override_by_name(*column(name, unit))
    return [
        _panel(bars(), "Products with most revenue", _AT_LIST_PRICE, "currencyUSD", WHOLE, HIGH, best).axis_label(
            "US dollars"
        ),
        panel,
    ]


def _customers() -> list[Any]:
    by_orders = (
        "select orders::text as orders_each, count(*) as customers\n"
        "from gold.customer_activity group by orders order by orders"
    )
    activity = (
        "select user_id, orders, units, revenue, average_order_value, average_days_between_orders, first_order_date, "
        "last_order_date\nfrom gold.customer_activity where orders > 0 order by revenue desc, user_id limit 200"
    )
    newest = (
        "select $__timeGroupAlias(first_order_date, '1d'), count(*) as new_customers\n"
        "from gold.customer_activity where $__timeFilter(first_order_date)\ngroup by 1 order by 1"
    )
    panel = _panel(rows(), "Customer activity", f"The 200 with most revenue, by their number alone. {_AT_LIST_PRICE}",
                   "short", HALF, HIGH, activity)  # fmt: skip
    for name, unit in (("revenue", "currencyUSD"), ("average_order_value", "currencyUSD"),
                       ("first_order_date", "time:YYYY-MM-DD"), ("last_order_date", "time:YYYY-MM-DD"),
                       ("average_days_between_orders", "d"), ("user_id", "none")):  # fmt: skip
        panel.override_by_name(*column(name, unit))
    return [
        _panel(bars(), "Customers by their orders", "How many customers have so many orders.", "short", QUARTER, HIGH,
               by_orders).axis_label("customers"),
        _panel(lines(stacked_bars=True), "New customers", "By the day of their first order.", "short", QUARTER,
               HIGH, newest, series=True).axis_label("a day"),
        panel,
    ]  # fmt: skip


def _panel(
    panel: Any, title: str, words: str, unit: str, width: int, height: int, sql: str, *, series: bool = False
) -> Any:
    found = said(panel, title, words, unit=unit, width=width, height=height)
    return found.with_target(Sql(sql, series=series)).datasource(WAREHOUSE)


def _calm() -> dashboard.FieldColor:
    return dashboard.FieldColor().mode(models.FieldColorModeId.FIXED).fixed_color("text")
