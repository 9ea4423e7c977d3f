{{ config(unique_key='product_id', indexes=indexes_on('product_id', '_load_id', '_event_load_id', '_cost_load_id')) }}

with

changed as (
    {{ touched_margins('product_id') }}
),

products as (
    select
        product_id,
        {{ margin_sums() }}
    from {{ ref('order_line_costs') }}
    {{ where_changed('product_id', 'product_id') }}
    group by product_id
),

final as (
    select
        product_id,
        units,
        revenue,
        cost,
        margin,
        {{ margin_rate() }} as margin_rate,
        _load_id,
        _event_load_id,
        _cost_load_id
    from {{ each_changed('products', 'product_id') }}
)

select * from final
