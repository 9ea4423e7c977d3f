-- depends_on: {{ ref('daily_sales') }} (so that the test of their agreement has both sides)
{{ config(unique_key='category', indexes=indexes_on('category')) }}

with

categories as (
    select
        category,
        {{ margin_sums('cast(sum(units) as bigint)', 'margin') }}
    from {{ ref('monthly_products') }}
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
    from categories
)

{{ differences('final', 'category') }}
