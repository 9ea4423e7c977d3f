-- depends_on: {{ ref('daily_sales') }} (so that the test of their agreement has both sides)
{{ config(unique_key='product_id', indexes=indexes_on('product_id', '_load_id', '_event_load_id')) }}

{%- set products = ref('products') %}

with

changed as (
    {{ touched_keys('product_id') }}
),

-- Who bought again is one buyer, so that the buyers of months do not add up: they are counted in the lines of the touched
-- products.
bought as (
    select
        product_id,
        count(*) as buyers
    from (
        select distinct product_id, user_id
        from {{ ref('order_lines') }}
        {%- if is_incremental() %}
        where product_id in (select product_id from changed)
        {%- endif %}
    ) as pairs
    group by product_id
    {%- if is_incremental() %}
    union all
    select product_id, buyers
    from {{ this }}
    where product_id not in (select product_id from changed)
    {%- endif %}
),

sold as (
    select
        product_id,
        cast(sum(orders) as bigint) as orders,
        cast(sum(units) as bigint) as units,
        sum(revenue) as revenue,
        max(_load_id) as _load_id,
        max(_event_load_id) as _event_load_id
    from {{ ref('monthly_products') }}
    group by product_id
),

listed as (
    select product_id from {{ products }} where deleted_at is null
    union
    select product_id from sold
),

performance as (
    select
        listed.product_id,
        products.title,
        products.category,
        products.price as list_price,
        products.product_id is not null and products.deleted_at is null as is_listed,
        coalesce(sold.orders, 0) as orders,
        coalesce(bought.buyers, 0) as buyers,
        coalesce(sold.units, 0) as units,
        cast(coalesce(sold.revenue, 0) as numeric(14, 2)) as revenue,
        coalesce(sold._load_id, 0) as _load_id,
        coalesce(sold._event_load_id, 0) as _event_load_id
    from listed
    left join sold on listed.product_id = sold.product_id
    left join bought on listed.product_id = bought.product_id
    left join {{ products }} as products on listed.product_id = products.product_id
),

final as (
    select
        product_id,
        title,
        category,
        list_price,
        orders,
        buyers,
        units,
        revenue,
        {{ share_of_total('revenue') }} as revenue_share,
        rank() over (order by revenue desc) as revenue_rank,
        is_listed,
        _load_id,
        _event_load_id
    from performance
)

{{ differences('final', 'product_id') }}
