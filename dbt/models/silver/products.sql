{{ config(unique_key='product_id', indexes=indexes_on('product_id', '_load_id', '_deleted_load_id', '_batch_id')) }}

{%- set products = ref('stg_fakestore__products') %}

with

changed as (
    {{ changed_keys(products, 'product_id') }}
),

latest as (
    {{ latest_versions(products, 'product_id') }}
),

final as (
    select
        product_id,
        trim(title) as title,
        trim(description) as description,
        trim(category) as category,
        image as image_url,
        price,
        rating_rate,
        rating_count,
        deleted_at,
        _batch_id,
        _line,
        _ingested_at,
        _record_hash,
        _load_id,
        _deleted_batch_id,
        _deleted_line,
        _deleted_load_id
    from {{ each_changed('latest', 'product_id') }}
)

select * from final
