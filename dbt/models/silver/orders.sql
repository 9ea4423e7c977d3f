-- depends_on: {{ ref('users') }} (so that the test of the relation has both sides)
{{ config(unique_key='order_id', indexes=indexes_on('order_id', '_load_id', '_deleted_load_id', '_batch_id')) }}

{%- set carts = ref('stg_fakestore__carts') %}

with

changed as (
    {{ changed_keys(carts, 'order_id') }}
),

latest as (
    {{ latest_versions(carts, 'order_id') }}
),

lines as (
    select
        latest.order_id,
        count(*) as line_count,
        sum({{ array_field('quantity', 'integer') }}) as units
    from latest{{ unnest('latest', 'products') }}
    group by latest.order_id
),

final as (
    select
        order_id,
        user_id,
        coalesce(line_count, 0) as line_count,
        coalesce(units, 0) as units,
        date as ordered_at,
        cast(date at time zone 'UTC' as date) as order_date,
        deleted_at,
        _batch_id,
        _line,
        _ingested_at,
        _load_id,
        _deleted_batch_id,
        _deleted_line,
        _deleted_load_id
    from {{ each_changed('latest', 'order_id') }}
    left join lines using (order_id)
)

select * from final
