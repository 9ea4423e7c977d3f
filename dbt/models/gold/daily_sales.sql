{{ config(unique_key='order_date', indexes=indexes_on('order_date', '_load_id', '_event_load_id')) }}

with

changed as (
    {{ touched_keys('order_date') }}
),

lines as (
    select *
    from {{ ref('order_lines') }}
    {{ where_changed('order_date', 'order_date') }}
),

days as (
    select
        order_date,
        count(distinct order_id) as orders,
        sum(quantity) as units,
        coalesce(sum(line_total), 0) as revenue,
        max(_load_id) as _load_id,
        max(_event_load_id) as _event_load_id
    from lines
    group by order_date
),

final as (
    select
        order_date,
        orders,
        units,
        cast(revenue as numeric(14, 2)) as revenue,
        cast(round(revenue / orders, 2) as numeric(14, 2)) as average_order_value,
        _load_id,
        _event_load_id
    from {{ each_changed('days', 'order_date') }}
)

select * from final
