"""What was sold: sums by day, category, product, customer, country and currency, made in the warehouse.

Days, categories and products are read from gold, whose rows are few. Customers of some days, and all that is of one
country, are in silver's order lines only: a question reads them once. Revenue of another currency than the shop's own
is each day's at that day's rate, as gold has it (``gold.revenue_by_currency``).
"""

# ruff: noqa: S608 - what comes from outside is in literals, see `literal`

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from ingot.warehouse.base import Queries
from ingot.warehouse.literal import literal

PRODUCTS, CUSTOMERS, COUNTRIES, CATEGORIES = 10, 10, 20, 50
"""The most rows of each kind on the page."""

OWN = "USD"
"""The shop's currency, in which prices are (dbt's ``price_currency``)."""

Row = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Options:
    """What can be chosen, whatever is.

    Attributes:
        first, last: the days of the first and the last order; None without orders.
        categories: those that sell most first.
        countries: none, if no source names one.
    """

    first: date | None
    last: date | None
    categories: list[str]
    currencies: list[str]
    countries: list[str]


@dataclass(frozen=True, kw_only=True)
class Filter:
    """Which sales; what is empty does not choose.

    Attributes:
        since, until: the first and the last day, both with it.
        whole: whether these are the days of the first and the last order.
    """

    since: date
    until: date
    category: str = ""
    country: str = ""
    currency: str = OWN
    whole: bool = False

    @property
    def all_of_it(self) -> bool:
        """Whether all that a customer bought is in it, in the shop's currency: gold then has the sums of customers."""
        return self.whole and not self.category and self.currency == OWN

    @property
    def days(self) -> int:
        """How many days it spans."""
        return (self.until - self.since).days + 1

    @property
    def period(self) -> str:
        """How many days, in words."""
        return "day" if self.days == 1 else f"{self.days} days"

    def has_before(self, first: date) -> bool:
        """Whether the period before lies whole behind the first day of all: of a part, any growth could be told."""
        return self.since.toordinal() - self.days >= first.toordinal()

    @property
    def before(self) -> Filter:
        """The period before, as long as this."""
        return replace(
            self, whole=False, since=self.since - timedelta(days=self.days), until=self.since - timedelta(days=1)
        )

    @property
    def bucket(self) -> str:
        """What a step of the trend is: few enough to be told apart."""
        return "day" if self.days <= 92 else "week" if self.days <= 731 else "month"


@dataclass(frozen=True, kw_only=True)
class Headline:
    """The figures of a period.

    Attributes:
        revenue: None if no day of it has a rate.
        priced: orders of days with a rate: the revenue is of these.
        unpriced: days with sales whose rate is not known: they are in no revenue.
        margin: of what was sold at a known cost, in the shop's currency.
        costed: the revenue of that, in the shop's currency.
        own: all revenue in it.
    """

    revenue: Decimal | None
    orders: int
    priced: int
    units: int
    unpriced: int
    margin: Decimal | None
    costed: Decimal | None
    own: Decimal | None

    @property
    def average(self) -> Decimal | None:
        """Of an order."""
        return self.revenue / self.priced if self.revenue is not None and self.priced else None

    @property
    def margin_rate(self) -> Decimal | None:
        """Part of the revenue at known cost that the margin is."""
        return self.margin / self.costed if self.margin is not None and self.costed else None

    @property
    def covered(self) -> Decimal | None:
        """Part of all revenue whose cost is known."""
        return self.costed / self.own if self.costed is not None and self.own else None


@dataclass(frozen=True, kw_only=True)
class Sales:
    """What was sold.

    Attributes:
        total: of all of it, see :func:`headline`.
        trend: revenue by step of time and category.
        categories: revenue by category.
        products: those that bring most.
        margins: revenue, cost and margin by category, in the shop's currency, of what was sold at a known cost.
        currencies: the same revenue in each currency that gold has rates for.
    """

    total: Row
    trend: list[Row]
    categories: list[Row]
    products: list[Row]
    margins: list[Row]
    currencies: list[Row]


@dataclass(frozen=True, kw_only=True)
class Buyers:
    """Who bought.

    Attributes:
        customers: those who bring most, by their ids; ``of_all`` is how much all of them did, ``active`` how many they
            are.
        countries: revenue by country; none where :attr:`Options.countries` has none.
    """

    customers: list[Row]
    countries: list[Row]


def options(warehouse: Queries) -> Options:
    """What the warehouse has to choose from."""
    first, last = warehouse.query("SELECT min(order_date), max(order_date) FROM gold.daily_sales").rows[0]
    categories = warehouse.query(
        f"SELECT category FROM gold.category_revenue ORDER BY revenue DESC, category LIMIT {CATEGORIES}"
    )
    currencies = warehouse.query("SELECT DISTINCT currency FROM gold.revenue_by_currency ORDER BY 1 LIMIT 50")
    return Options(
        first=first,
        last=last,
        categories=[row[0] for row in categories.rows],
        currencies=[row[0] for row in currencies.rows] or [OWN],
        countries=_countries(warehouse),
    )


def _countries(warehouse: Queries) -> list[str]:
    known = warehouse.query(
        "SELECT 1 FROM information_schema.columns "
        "WHERE table_schema = 'silver' AND table_name = 'addresses' AND column_name = 'country'"
    )
    if not known.rows:
        return []
    found = warehouse.query(
        "SELECT DISTINCT country FROM silver.addresses WHERE deleted_at IS NULL AND country IS NOT NULL "
        "ORDER BY 1 LIMIT 300"
    )
    return [row[0] for row in found.rows]


def sales(warehouse: Queries, wanted: Filter) -> Sales:
    """What was sold, by day, category, product and currency: of the days' sums, which are read once."""
    parts = {
        "total": f"""
            SELECT 1 AS place, {_columns("units", "revenue", "own", "unpriced")} FROM (
                SELECT sum(units) AS units, sum(revenue) AS revenue, sum(own) AS own,
                    count(DISTINCT CASE WHEN revenue IS NULL THEN order_date END) AS unpriced
                FROM days
            ) AS sums
        """,
        # At most 800 steps (a month each, for 60 years).
        "step": f"""
            SELECT {_place("step, name", "step", "name", "units", "revenue")} FROM (
                SELECT cast(date_trunc('{wanted.bucket}', order_date) AS date) AS step, category AS name,
                    sum(units) AS units, coalesce(sum(revenue), 0) AS revenue
                FROM days GROUP BY 1, 2
            ) AS sums ORDER BY place LIMIT {800 * CATEGORIES}
        """,
        "category": f"""
            SELECT {_place("revenue DESC, name", "name", "units", "revenue")} FROM (
                SELECT category AS name, sum(units) AS units, coalesce(sum(revenue), 0) AS revenue
                FROM days GROUP BY category
            ) AS sums ORDER BY place LIMIT {CATEGORIES}
        """,
        "product": f"""
            SELECT {_place("revenue DESC NULLS LAST, product_id", "name", "product_id", "units", "revenue")} FROM (
                SELECT goods.product_id, max(goods.category) AS name, sum(goods.units) AS units,
                    sum(goods.own * rates.rate) AS revenue
                FROM goods LEFT JOIN ({_rates(wanted)}) AS rates ON rates.order_date = goods.order_date
                GROUP BY goods.product_id
            ) AS sums ORDER BY place LIMIT {PRODUCTS}
        """,
        "margin": f"""
            SELECT {_place("margin DESC NULLS LAST, name", "name", "own", "costed", "cost", "margin")} FROM (
                SELECT category AS name, sum(own) AS own, sum(CASE WHEN cost IS NOT NULL THEN own END) AS costed,
                    sum(CASE WHEN own IS NOT NULL THEN cost END) AS cost, sum(own - cost) AS margin
                FROM goods GROUP BY category
            ) AS sums ORDER BY place LIMIT {CATEGORIES}
        """,
        "currency": f"""
            SELECT {_place("name", "name", "revenue")} FROM ({_currencies(wanted)}) AS sums ORDER BY place LIMIT 50
        """,
    }
    found = _by_kind(warehouse, f"WITH goods AS ({_goods(wanted)}), days AS ({_days(wanted)})", parts)
    titles = _titles(warehouse, [row["product_id"] for row in found["product"]])
    (total,) = found["total"]
    return Sales(
        total=total,
        trend=[_named(row, "category", "step", "revenue", "units") for row in found["step"]],
        categories=[_named(row, "category", "revenue", "units") for row in found["category"]],
        products=[
            {
                "product_id": row["product_id"],
                "title": titles.get(row["product_id"]) or f"Product {row['product_id']}",
                **_named(row, "category", "units", "revenue"),
            }
            for row in found["product"]
        ],
        margins=[_named(row, "category", "own", "costed", "cost", "margin") for row in found["margin"]],
        currencies=[_named(row, "currency", "revenue") for row in found["currency"]],
    )


def orders(warehouse: Queries, wanted: Filter) -> Row:
    """How many orders: ``orders`` of all days, ``priced`` of days with a rate. An order of two categories is one."""
    if wanted.country:
        chosen = f"""
            SELECT lines.order_id, max(lines.order_date) AS order_date, 1 AS orders
            FROM silver.order_lines AS lines {_customers(wanted)} WHERE {_where(wanted, "lines.")}
            GROUP BY lines.order_id
        """
    elif wanted.category:
        chosen = f"""
            SELECT order_date, orders FROM gold.revenue_by_currency
            WHERE {_where(wanted)} AND currency = {literal(wanted.currency)}
        """
    else:
        chosen = f"SELECT order_date, orders FROM gold.daily_sales WHERE {_where(wanted)}"
    return _one(
        warehouse,
        f"""
        SELECT coalesce(sum(chosen.orders), 0) AS orders,
            coalesce(sum(CASE WHEN rates.rate IS NOT NULL THEN chosen.orders END), 0) AS priced
        FROM ({chosen}) AS chosen
        LEFT JOIN ({_rates(wanted)}) AS rates ON rates.order_date = chosen.order_date
        """,
    )


def headline(sold: Sales, counted: Row) -> Headline:
    """The figures of :func:`sales` and :func:`orders`."""

    def known(name: str) -> Decimal | None:
        values = [row[name] for row in sold.margins if row[name] is not None]
        return sum(values, Decimal(0)) if sold.margins else None

    return Headline(
        revenue=sold.total["revenue"],
        orders=int(counted["orders"]),
        priced=int(counted["priced"]),
        units=int(sold.total["units"] or 0),
        unpriced=int(sold.total["unpriced"]),
        margin=known("margin"),
        costed=known("costed"),
        own=sold.total["own"],
    )


def buyers(warehouse: Queries, wanted: Filter, *, countries: bool) -> Buyers:
    """Who bought: of sums by customer, which are made once.

    Args:
        countries: whether addresses name them.
    """
    parts = {
        "customer": f"""
            SELECT * FROM (
                SELECT {_place("revenue DESC NULLS LAST, user_id", "user_id", "units", "revenue", "last_order_date")},
                    count(*) OVER () AS active, sum(revenue) OVER () AS of_all
                FROM bought
            ) AS ranked WHERE place <= {CUSTOMERS}
        """
    }
    if countries:
        parts["country"] = f"""
            SELECT {_place("revenue DESC NULLS LAST, name", "name", "revenue")}, 0 AS active, 0 AS of_all FROM (
                SELECT coalesce(addresses.country, 'unknown') AS name, sum(bought.revenue) AS revenue
                FROM bought LEFT JOIN silver.addresses AS addresses ON addresses.user_id = bought.user_id
                GROUP BY 1
            ) AS sums ORDER BY place LIMIT {COUNTRIES}
        """
    found = _by_kind(warehouse, f"WITH bought AS ({_bought(wanted)})", parts)
    told = ("user_id", "revenue", "units", "last_order_date", "active", "of_all")
    return Buyers(
        customers=[{name: row[name] for name in told} for row in found["customer"]],
        countries=[_named(row, "country", "revenue") for row in found.get("country", [])],
    )


_TYPES = {
    "name": "varchar(256)",
    **dict.fromkeys(("step", "last_order_date"), "date"),
    **dict.fromkeys(("product_id", "user_id", "unpriced"), "bigint"),
    **dict.fromkeys(("units", "revenue", "own", "costed", "cost", "margin"), "numeric"),
}
"""Columns of the parts of an answer; a part has some of them."""


def _columns(*own: str) -> str:
    return ", ".join(f"cast({name if name in own else 'NULL'} AS {kind}) AS {name}" for name, kind in _TYPES.items())


def _place(order: str, *own: str) -> str:
    return f"row_number() OVER (ORDER BY {order}) AS place, {_columns(*own)}"


def _by_kind(warehouse: Queries, common: str, parts: dict[str, str]) -> dict[str, list[Row]]:
    """Several answers of one statement, so that what is common to them is computed once."""
    union = " UNION ALL ".join(f"SELECT '{kind}' AS kind, part.* FROM ({sql}) AS part" for kind, sql in parts.items())
    found: dict[str, list[Row]] = {kind: [] for kind in parts}
    for row in _rows(warehouse, f"{common} {union} ORDER BY kind, place"):
        found[row["kind"]].append(row)
    return found


def _named(row: Row, name: str, *others: str) -> Row:
    return {name: row["name"]} | {other: row[other] for other in others}


def _titles(warehouse: Queries, products: list[int]) -> dict[int, str]:
    if not products:
        return {}
    numbers = ", ".join(str(int(number)) for number in products)
    return dict(warehouse.query(f"SELECT product_id, title FROM silver.products WHERE product_id IN ({numbers})").rows)


def _goods(wanted: Filter) -> str:
    """Day, category and product, in the shop's currency: its units of a day have one cost."""
    if not wanted.country:
        return f"""
            SELECT order_date, category, product_id, units, revenue AS own, cost
            FROM gold.daily_products WHERE {_where(wanted)}
        """
    return f"""
        SELECT sold.order_date, sold.category, sold.product_id, sold.units, sold.own,
            sold.units * known.unit_cost AS cost
        FROM (
            SELECT lines.order_date, lines.category, lines.product_id, sum(lines.quantity) AS units,
                sum(lines.line_total) AS own
            FROM silver.order_lines AS lines {_customers(wanted)} WHERE {_where(wanted, "lines.")}
            GROUP BY lines.order_date, lines.category, lines.product_id
        ) AS sold
        LEFT JOIN gold.daily_products AS known
            ON known.order_date = sold.order_date AND known.category = sold.category
            AND known.product_id = sold.product_id
    """


def _days(wanted: Filter) -> str:
    """Day and category, with the revenue in the chosen currency and in the shop's own."""
    if wanted.country:
        return f"""
            SELECT sums.order_date, sums.category, sums.units, sums.own * rates.rate AS revenue, sums.own
            FROM (
                SELECT order_date, category, sum(units) AS units, sum(own) AS own FROM goods
                GROUP BY order_date, category
            ) AS sums
            LEFT JOIN ({_rates(wanted)}) AS rates ON rates.order_date = sums.order_date
        """
    return f"""
        SELECT chosen.order_date, chosen.category, chosen.units, chosen.revenue, own.revenue AS own
        FROM (
            SELECT order_date, category, units, revenue FROM gold.revenue_by_currency
            WHERE {_where(wanted)} AND currency = {literal(wanted.currency)}
        ) AS chosen
        LEFT JOIN (
            SELECT order_date, category, revenue FROM gold.revenue_by_currency
            WHERE {_where(wanted)} AND currency = {literal(OWN)}
        ) AS own ON own.order_date = chosen.order_date AND own.category = chosen.category
    """


def _currencies(wanted: Filter) -> str:
    if wanted.country:
        return f"""
            SELECT rates.currency AS name, sum(days.own * rates.rate) AS revenue FROM days
            INNER JOIN ({_rates(wanted, every=True)}) AS rates ON rates.order_date = days.order_date
            GROUP BY rates.currency
        """
    return f"""
        SELECT currency AS name, sum(revenue) AS revenue FROM gold.revenue_by_currency
        WHERE {_where(wanted)} GROUP BY currency
    """


def _bought(wanted: Filter) -> str:
    """Customer by customer."""
    if wanted.all_of_it:
        return f"""
            SELECT sums.user_id, sums.revenue, sums.units, sums.last_order_date
            FROM gold.customer_activity AS sums {_customers(wanted, "sums")} WHERE sums.orders > 0
        """
    own = wanted.currency == OWN  # its rate is 1: millions of lines are not multiplied by it
    rates = "" if own else f"LEFT JOIN ({_rates(wanted)}) AS rates ON rates.order_date = lines.order_date"
    return f"""
        SELECT lines.user_id, sum(lines.line_total{"" if own else " * rates.rate"}) AS revenue,
            sum(lines.quantity) AS units, max(lines.order_date) AS last_order_date
        FROM silver.order_lines AS lines {_customers(wanted)} {rates}
        WHERE {_where(wanted, "lines.")}
        GROUP BY lines.user_id
    """


def _rates(wanted: Filter, *, every: bool = False) -> str:
    """A day's rate: one for all categories."""
    chosen = "" if every else f"AND currency = {literal(wanted.currency)}"
    return f"""
        SELECT order_date, currency, max(rate) AS rate FROM gold.revenue_by_currency
        WHERE {_where(replace(wanted, category=""))} {chosen} GROUP BY order_date, currency
    """


def _customers(wanted: Filter, table: str = "lines") -> str:
    """Joins the customers of a country, if one is chosen."""
    if not wanted.country:
        return ""
    return f"""
        INNER JOIN (
            SELECT user_id AS customer FROM silver.addresses
            WHERE deleted_at IS NULL AND country = {literal(wanted.country)}
        ) AS living ON living.customer = {table}.user_id
    """


def _where(wanted: Filter, table: str = "") -> str:
    parts = [
        f"{table}order_date >= {literal(wanted.since.isoformat())}",
        f"{table}order_date <= {literal(wanted.until.isoformat())}",
    ]
    if wanted.category:
        parts.append(f"{table}category = {literal(wanted.category)}")
    return " AND ".join(parts)


def _rows(warehouse: Queries, sql: str) -> list[Row]:
    answer = warehouse.query(sql)
    return [dict(zip(answer.columns, row, strict=True)) for row in answer.rows]


def _one(warehouse: Queries, sql: str) -> Row:
    (row,) = _rows(warehouse, sql)
    return row
