{{ config(unique_key='category', indexes=indexes_on('category', '_load_id', '_event_load_id', '_cost_load_id')) }}

with

changed as (
    {{ touched_margins('category') }}
),

categories as (
    select
        category,
        {{ margin_sums() }}
    from {{ ref('order_line_costs') }}
    {{ where_changed('category', 'category') }}
    group by category
),

final as (
    select
        category,
        units,
        revenue,
        cost,
        margin,
        {{ margin_rate() }} as margin_rate,
        _load_id,
        _event_load_id,
        _cost_load_id
    from {{ each_changed('categories', 'category') }}
)

select * from final
