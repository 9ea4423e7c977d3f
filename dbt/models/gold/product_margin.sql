-- depends_on: {{ ref('daily_sales') }} (so that the test of their agreement has both sides)
{{ config(unique_key='product_id', indexes=indexes_on('product_id')) }}

with

products as (
    select
        product_id,
        {{ margin_sums('cast(sum(units) as bigint)', 'margin') }}
    from {{ ref('monthly_products') }}
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
    from products
)

{{ differences('final', 'product_id') }}
