{{ config(unique_key='category', indexes=indexes_on('category', '_load_id', '_event_load_id')) }}

with

changed as (
    {{ touched_keys('category') }}
),

-- As in product_performance: lines of the touched categories, then shares over the few sums.
sold as (
    select
        category,
        count(distinct order_id) as orders,
        count(distinct product_id) as products_sold,
        sum(quantity) as units,
        coalesce(sum(line_total), 0) as revenue,
        max(_load_id) as _load_id,
        max(_event_load_id) as _event_load_id
    from {{ ref('order_lines') }}
    {{ where_changed('category', 'category') }}
    group by category
    {%- if is_incremental() %}
    union all
    select category, orders, products_sold, units, revenue, _load_id, _event_load_id
    from {{ this }}
    where orders > 0 and category not in (select category from changed)
    {%- endif %}
),

listed as (
    select
        category,
        count(*) as products_listed
    from {{ ref('products') }}
    where deleted_at is null
    group by category
),

categories as (
    select category from listed
    union
    select category from sold
),

revenue as (
    select
        categories.category,
        coalesce(sold.orders, 0) as orders,
        coalesce(listed.products_listed, 0) as products_listed,
        coalesce(sold.products_sold, 0) as products_sold,
        coalesce(sold.units, 0) as units,
        cast(coalesce(sold.revenue, 0) as numeric(14, 2)) as revenue,
        coalesce(sold._load_id, 0) as _load_id,
        coalesce(sold._event_load_id, 0) as _event_load_id
    from categories
    left join sold on categories.category = sold.category
    left join listed on categories.category = listed.category
),

final as (
    select
        category,
        orders,
        products_listed,
        products_sold,
        units,
        revenue,
        {{ share_of_total('revenue') }} as revenue_share,
        _load_id,
        _event_load_id
    from revenue
)

{{ differences('final', 'category') }}
