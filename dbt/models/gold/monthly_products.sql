-- depends_on: {{ ref('order_lines') }}, {{ ref('order_line_costs') }} (which name the touched days)
{{ config(unique_key='order_month', indexes=indexes_on('_load_id', '_event_load_id', '_cost_load_id')) }}

with

touched as (
    {{ touched_margins('order_date') }}
),

changed as (
    select distinct {{ first_of_month('order_date') }} as order_month from touched
),

days as (
    select
        days.*,
        {{ first_of_month('days.order_date') }} as order_month
    from {{ ref('daily_products') }} as days
    {%- if is_incremental() %}
    inner join changed
        on days.order_date >= changed.order_month
        and days.order_date < {{ dbt.dateadd('month', 1, 'changed.order_month') }}
    {%- endif %}
),

-- An order has one day, and so the orders of days add up.
months as (
    select
        order_month,
        product_id,
        category,
        cast(sum(orders) as bigint) as orders,
        {{ margin_sums('cast(sum(units) as bigint)', 'margin') }}
    from days
    group by order_month, product_id, category
),

final as (
    select
        order_month,
        product_id,
        category,
        orders,
        units,
        revenue,
        cost,
        margin,
        _load_id,
        _event_load_id,
        _cost_load_id
    from {{ each_changed('months', 'order_month') }}
)

select * from final
