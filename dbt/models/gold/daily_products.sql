-- depends_on: {{ ref('daily_sales') }} (so that the test of their agreement has both sides)
{{ config(unique_key='order_date', indexes=indexes_on('_load_id', '_event_load_id', '_cost_load_id')) }}

with

changed as (
    {{ touched_margins('order_date') }}
),

days as (
    select
        order_date,
        product_id,
        category,
        count(distinct order_id) as orders,
        cast(max(unit_cost) as numeric(10, 2)) as unit_cost,
        {{ margin_sums() }}
    from {{ ref('order_line_costs') }}
    {{ where_changed('order_date', 'order_date') }}
    group by order_date, product_id, category
),

final as (
    select
        order_date,
        product_id,
        category,
        orders,
        units,
        revenue,
        unit_cost,
        cost,
        margin,
        _load_id,
        _event_load_id,
        _cost_load_id
    from {{ each_changed('days', 'order_date') }}
)

select * from final
