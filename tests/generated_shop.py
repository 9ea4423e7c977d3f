"""Silver and gold of a shop as large as one likes, made in the warehouse: what the console is tried and measured on.

``python -m tests.generated_shop postgresql://… 1000000`` fills a database. Columns are those that the console reads.
"""

from __future__ import annotations

import sys

import psycopg

_TABLES = """
CREATE SCHEMA IF NOT EXISTS silver;
CREATE SCHEMA IF NOT EXISTS gold;
CREATE TABLE silver.products AS
SELECT p AS product_id, 'Product with a rather long name, number ' || p AS title,
    'category ' || (1 + p % 5) AS category, NULL::timestamptz AS deleted_at
FROM generate_series(1, 200) AS p;
CREATE TABLE silver.addresses AS
SELECT u AS user_id, (ARRAY['DE', 'FR', 'US', 'NZ'])[1 + u % 4] AS country, NULL::timestamptz AS deleted_at
FROM generate_series(1, greatest({orders} / 20, 5)) AS u;
CREATE TABLE silver.orders AS
SELECT o AS order_id, 1 + (o * 7919) % greatest({orders} / 20, 5) AS user_id,
    date '2024-01-01' + ((o * 104729) % 730)::int AS order_date
FROM generate_series(1::bigint, {orders}) AS o;
CREATE TABLE silver.order_lines AS
SELECT orders.order_id, n AS line_number, products.product_id, orders.user_id, products.category,
    (1 + (orders.order_id + n) % 4)::int AS quantity,
    ((1 + (orders.order_id + n) % 4) * (products.product_id * 1.37 + 3))::numeric(12, 2) AS line_total,
    orders.order_date,
    -- As wide as a pipeline's: it is what a scan has to pass by.
    'fakestore.carts.20200101T000000Z.20200401T000000Z' AS _batch_id, orders.order_id AS _line,
    timestamptz '2026-01-01' AS _ingested_at, 1::bigint AS _load_id, 0::bigint AS _event_load_id,
    'fakestore.products.20200101T000000Z.20200401T000000Z' AS _price_batch_id, 1::bigint AS _price_load_id
FROM silver.orders AS orders
CROSS JOIN LATERAL generate_series(1, (1 + orders.order_id % 4)::int) AS n
INNER JOIN silver.products AS products ON products.product_id = 1 + (orders.order_id * 31 + n * 17) % 200;
CREATE TABLE silver.order_line_costs AS
SELECT order_id, line_number, product_id, category, quantity, line_total AS revenue,
    CASE WHEN product_id % 10 > 0 THEN (product_id * 0.82 + 2)::numeric(10, 2) END AS unit_cost,
    CASE WHEN product_id % 10 > 0 THEN quantity * (product_id * 0.82 + 2)::numeric(10, 2) END AS cost, order_date
FROM silver.order_lines;
CREATE INDEX ON silver.order_lines (order_date);
CREATE INDEX ON silver.order_lines (order_id);
CREATE INDEX ON silver.order_lines (user_id);
CREATE INDEX ON silver.products (product_id);
CREATE INDEX ON silver.addresses (user_id);
CREATE TABLE gold.daily_sales AS
SELECT order_date, count(DISTINCT order_id) AS orders, sum(quantity) AS units, sum(line_total) AS revenue
FROM silver.order_lines GROUP BY order_date;
CREATE TABLE gold.category_revenue AS
SELECT category, sum(line_total) AS revenue FROM silver.order_lines GROUP BY category;
CREATE TABLE gold.product_performance AS
SELECT product_id, max(title) AS title, max(lines.category) AS category, count(DISTINCT order_id) AS orders,
    sum(quantity) AS units, sum(line_total) AS revenue
FROM silver.order_lines AS lines INNER JOIN silver.products USING (product_id) GROUP BY product_id;
CREATE TABLE gold.customer_activity AS
SELECT user_id, count(DISTINCT order_id) AS orders, sum(quantity) AS units, sum(line_total) AS revenue,
    max(order_date) AS last_order_date
FROM silver.order_lines GROUP BY user_id;
CREATE TABLE gold.daily_products AS
SELECT order_date, product_id, category, count(DISTINCT order_id) AS orders, sum(quantity) AS units,
    sum(revenue) AS revenue, max(unit_cost) AS unit_cost, sum(cost) AS cost, sum(revenue - cost) AS margin
FROM silver.order_line_costs GROUP BY order_date, product_id, category;
CREATE INDEX ON gold.daily_products (order_date);
CREATE TABLE gold.category_margin AS
SELECT category, sum(revenue) AS revenue,
    CASE WHEN count(*) = count(cost) THEN sum(cost) END AS cost,
    CASE WHEN count(*) = count(cost) THEN sum(revenue - cost) END AS margin
FROM silver.order_line_costs GROUP BY category;
CREATE TABLE gold.revenue_by_currency AS
SELECT order_date, category, currency, count(DISTINCT order_id) AS orders, sum(quantity) AS units,
    round(sum(line_total) * rate, 4) AS revenue, rate
FROM silver.order_lines CROSS JOIN (VALUES ('USD', 1.0), ('EUR', 0.9), ('GBP', 0.8)) AS rates (currency, rate)
GROUP BY order_date, category, currency, rate;
"""


def fill(connection: psycopg.Connection[tuple[object, ...]], orders: int) -> None:
    """Make the tables, and say to the planner what is in them."""
    for statement in _TABLES.format(orders=orders).split(";\n"):
        if statement.strip():
            connection.execute(statement.encode())
    connection.commit()
    connection.autocommit = True
    connection.execute("VACUUM ANALYZE")


if __name__ == "__main__":
    with psycopg.connect(sys.argv[1]) as to:
        fill(to, int(sys.argv[2]))
