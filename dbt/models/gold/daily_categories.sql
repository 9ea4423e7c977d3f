{{ config(unique_key='order_date', indexes=indexes_on('_load_id', '_event_load_id')) }}

with

changed as (
    {{ touched_keys('order_date') }}
),

days as (
    select
        order_date,
        category,
        count(distinct order_id) as orders,
        sum(quantity) as units,
        cast(coalesce(sum(line_total), 0) as numeric(14, 2)) as revenue,
        max(_load_id) as _load_id,
        max(_event_load_id) as _event_load_id
    from {{ ref('order_lines') }}
    {{ where_changed('order_date', 'order_date') }}
    group by order_date, category
),

final as (
    select
        order_date,
        category,
        orders,
        units,
        revenue,
        _load_id,
        _event_load_id
    from {{ each_changed('days', 'order_date') }}
)

select * from final
