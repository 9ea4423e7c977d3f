-- depends_on: {{ ref('daily_sales') }} (so that the test of their agreement has both sides)
{{ config(unique_key='category', indexes=indexes_on('category')) }}

with

-- An order has one day, and so the orders of days add up.
sold as (
    select
        category,
        cast(sum(orders) as bigint) as orders,
        cast(sum(units) as bigint) as units,
        sum(revenue) as revenue,
        max(_load_id) as _load_id,
        max(_event_load_id) as _event_load_id
    from {{ ref('daily_categories') }}
    group by category
),

assortments as (
    select
        category,
        count(*) as products_sold
    from (select distinct category, product_id from {{ ref('monthly_products') }}) as pairs
    group by category
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
        coalesce(assortments.products_sold, 0) as products_sold,
        coalesce(sold.units, 0) as units,
        cast(coalesce(sold.revenue, 0) as numeric(14, 2)) as revenue,
        coalesce(sold._load_id, 0) as _load_id,
        coalesce(sold._event_load_id, 0) as _event_load_id
    from categories
    left join sold on categories.category = sold.category
    left join assortments on categories.category = assortments.category
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
