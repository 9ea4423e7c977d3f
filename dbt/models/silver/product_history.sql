{{ config(unique_key='product_id', indexes=indexes_on('product_id', '_load_id', '_last_load_id', '_batch_id', '_last_batch_id')) }}

{%- set products = ref('stg_fakestore__products') %}

with

changed as (
    {{ changed_keys(products, 'product_id', seen_in='_last_load_id', batches_in=['_batch_id', '_last_batch_id']) }}
),

-- What was known of a product at one time: of two records of the same time the later in the batch counts.
deliveries as (
    select
        *,
        row_number() over (partition by id, _ingested_at order by _batch_id desc, _line desc) as _recency
    from {{ products }}
    {{ where_changed('id', 'product_id') }}
),

compared as (
    select
        *,
        lag(_record_hash) over (partition by id order by _ingested_at) as _previous_hash
    from deliveries
    where _recency = 1
),

-- Deliveries without a change in between belong to one version; what comes back later is a version of its own.
versioned as (
    select
        *,
        id as product_id,
        cast(
            sum(case when _record_hash = _previous_hash then 0 else 1 end) over (
                partition by id order by _ingested_at rows between unbounded preceding and current row
            ) as integer
        ) as version
    from compared
),

confirmed as (
    select
        *,
        last_value(_ingested_at) over (
            partition by id, version order by _ingested_at rows between unbounded preceding and unbounded following
        ) as last_seen_at,
        last_value(_batch_id) over (
            partition by id, version order by _ingested_at rows between unbounded preceding and unbounded following
        ) as _last_batch_id,
        last_value(_load_id) over (
            partition by id, version order by _ingested_at rows between unbounded preceding and unbounded following
        ) as _last_load_id
    from versioned
),

opened as (
    select
        *,
        lead(_ingested_at) over (partition by product_id order by version) as valid_to
    from confirmed
    where _previous_hash is null or _record_hash <> _previous_hash
),

final as (
    select
        product_id,
        version,
        trim(title) as title,
        trim(description) as description,
        trim(category) as category,
        image as image_url,
        price,
        rating_rate,
        rating_count,
        valid_to is null as is_current,
        _ingested_at as valid_from,
        valid_to,
        last_seen_at,
        _batch_id,
        _line,
        _record_hash,
        _load_id,
        _last_batch_id,
        _last_load_id
    from {{ each_changed('opened', 'product_id') }}
)

select * from final
