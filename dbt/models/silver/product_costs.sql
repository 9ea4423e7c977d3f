{{ config(unique_key='product_id', indexes=indexes_on('product_id', '_load_id', '_batch_id')) }}

{%- set costs = ref('stg_suppliers__costs') %}

with

changed as (
    {{ changed_keys(costs, 'product_id', seen_in=['_load_id'], id='product_id') }}
),

-- A cost that came again for the same day replaces the one before, whoever sent it: a product has one cost at a time.
versions as (
    select
        *,
        row_number() over (
            partition by product_id, valid_from order by _ingested_at desc, _batch_id desc, _line desc
        ) as _recency
    from {{ costs }}
    {{ where_changed('product_id', 'product_id') }}
),

intervals as (
    select
        *,
        lead(valid_from) over (partition by product_id order by valid_from) as valid_to
    from versions
    where _recency = 1 and not _deleted
),

final as (
    select
        product_id,
        supplier,
        unit_cost,
        valid_from,
        valid_to,
        _batch_id,
        _line,
        _ingested_at,
        _load_id
    from {{ each_changed('intervals', 'product_id') }}
)

select * from final
