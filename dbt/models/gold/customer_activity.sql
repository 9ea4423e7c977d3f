-- depends_on: {{ ref('daily_sales') }} (so that the test of their agreement has both sides)
{{ config(unique_key='user_id', indexes=indexes_on('user_id', '_load_id', '_event_load_id')) }}

{%- set users = ref('users') %}

with

touched as (
    {{ touched_keys('user_id') }}
),

changed as (
    select user_id from touched
    {%- if is_incremental() %}
    -- Customers who have come or gone without an order.
    union
    (select user_id from {{ users }} where deleted_at is null except select user_id from {{ this }})
    union
    (select user_id from {{ this }} where orders = 0 except select user_id from {{ users }} where deleted_at is null)
    {%- endif %}
),

purchases as (
    select
        user_id,
        count(distinct order_id) as orders,
        sum(quantity) as units,
        coalesce(sum(line_total), 0) as revenue,
        min(order_date) as first_order_date,
        max(order_date) as last_order_date,
        max(_load_id) as _load_id,
        max(_event_load_id) as _event_load_id
    from {{ ref('order_lines') }}
    {%- if is_incremental() %}
    where user_id in (select user_id from touched)
    {%- endif %}
    group by user_id
),

-- A user whose orders came first is a customer too, and one who is gone was one: gold's totals are those of the order
-- lines.
customers as (
    select user_id
    from (select * from {{ users }} where deleted_at is null) as living
    {{ where_changed('user_id', 'user_id') }}
    union
    select user_id from purchases
),

activity as (
    select
        customers.user_id,
        coalesce(purchases.orders, 0) as orders,
        coalesce(purchases.units, 0) as units,
        coalesce(purchases.revenue, 0) as revenue,
        purchases.first_order_date,
        purchases.last_order_date,
        {{ dbt.datediff('purchases.first_order_date', 'purchases.last_order_date', 'day') }} as days_active,
        coalesce(purchases._load_id, 0) as _load_id,
        coalesce(purchases._event_load_id, 0) as _event_load_id
    from customers
    left join purchases on customers.user_id = purchases.user_id
),

final as (
    select
        user_id,
        orders,
        units,
        cast(revenue as numeric(14, 2)) as revenue,
        cast(round(revenue / nullif(orders, 0), 2) as numeric(14, 2)) as average_order_value,
        cast(round(cast(days_active as numeric(14, 2)) / nullif(orders - 1, 0), 2) as numeric(14, 2))
            as average_days_between_orders,
        first_order_date,
        last_order_date,
        _load_id,
        _event_load_id
    from {{ each_changed('activity', 'user_id') }}
)

select * from final
