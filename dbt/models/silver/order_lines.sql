-- depends_on: {{ ref('products') }} (so that the test of the relation has both sides)
-- depends_on: {{ ref('stg_fakestore__carts') }}, {{ ref('stg_orders_stream__orders') }} (for the notes of log_order_changes)
{{ config(
    unique_key='order_id',
    meta={'logs_order_changes': true},
    pre_hook='{{ prepare_order_changes() }}',
    indexes=indexes_on(
        'order_date', 'user_id', ['product_id', 'ordered_at'],
        '_load_id', '_batch_id', '_price_load_id', '_price_batch_id', rare=['_event_load_id']
    )
) }}

{%- set versions, products = ref('order_versions'), ref('stg_fakestore__products') %}
{%- set orders, product_history = ref('orders'), ref('product_history') %}

with

changed as (
    {{ changed_keys(versions, 'order_id', id='order_id', seen_in={
        '_load_id': ['_load_id'], '_event_load_id': ['_event_load_id']
    }) }}
    {{ repriced_orders(product_history, products) }}
),

-- silver.orders has decided which version of an order counts, and whether it is still one; here its lines are taken from
-- that version. Its batch and line alone say which that is; but Bronze is indexed by key, which few orders are found by,
-- and a third column makes the planner expect one row of all.
living as (
    select
        orders.*,
        versions.lines
    from {{ orders }} as orders
    inner join {{ versions }} as versions
        on orders._batch_id = versions._batch_id and orders._line = versions._line and orders.deleted_at is null
        {%- if is_incremental() %} and orders.order_id = versions.order_id {%- endif %}
    {{ where_changed('orders.order_id', 'order_id') }}
),

lines as (
    select
        living.*,
        {{ array_position() }} as line_number,
        {{ array_field('product_id', 'bigint') }} as product_id,
        {{ array_field('quantity', 'integer') }} as quantity
    from living{{ unnest('living', 'lines') }}
),

-- The price of the order's time; an order from before a product's first known version gets that one, and one from a
-- time when the product was gone gets the last before that.
priced as (
    select
        lines.*,
        versions.category,
        versions.price as unit_price,
        versions._batch_id as _price_batch_id,
        versions._line as _price_line,
        versions._load_id as _price_load_id
    from lines
    left join {{ product_history }} as versions
        on lines.product_id = versions.product_id
        and (versions.version = 1 or lines.ordered_at >= versions.valid_from)
        and (versions.next_valid_from is null or lines.ordered_at < versions.next_valid_from)
),

final as (
    select
        order_id,
        line_number,
        product_id,
        user_id,
        coalesce(category, 'unknown') as category,
        quantity,
        cast(unit_price as numeric(10, 2)) as unit_price,
        cast(quantity * unit_price as numeric(12, 2)) as line_total,
        ordered_at,
        order_date,
        _batch_id,
        _line,
        _ingested_at,
        _load_id,
        _event_load_id,
        _price_batch_id,
        _price_line,
        _price_load_id
    from {{ each_changed('priced', 'order_id') }}
)

select * from final
