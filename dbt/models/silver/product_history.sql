{{ config(unique_key='product_id', indexes=indexes_on('product_id', '_load_id', '_deleted_load_id', '_batch_id')) }}

{%- set products = ref('stg_fakestore__products') %}

with

changed as (
    {{ changed_keys(products, 'product_id') }}
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
        lag(_record_hash) over (partition by id order by _ingested_at) as _previous_hash,
        lag(_deleted) over (partition by id order by _ingested_at) as _previous_deleted
    from deliveries
    where _recency = 1
),

-- The same content again, or a tombstone after a tombstone, changes nothing.
changes as (
    select
        *,
        lead(_ingested_at) over (partition by id order by _ingested_at) as valid_to,
        lead(_deleted) over (partition by id order by _ingested_at) as _ends_deleted,
        lead(_batch_id) over (partition by id order by _ingested_at) as _end_batch_id,
        lead(_line) over (partition by id order by _ingested_at) as _end_line,
        lead(_load_id) over (partition by id order by _ingested_at) as _end_load_id
    from compared
    where _previous_hash is null
        or _record_hash <> _previous_hash
        or _deleted <> _previous_deleted
),

-- What comes back, be it an older content or a product that was gone, is a version of its own.
versions as (
    select
        *,
        id as product_id,
        cast(row_number() over (partition by id order by _ingested_at) as integer) as version,
        lead(_ingested_at) over (partition by id order by _ingested_at) as next_valid_from
    from changes
    where not _deleted
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
        next_valid_from,
        _batch_id,
        _line,
        _record_hash,
        _load_id,
        case when _ends_deleted then _end_batch_id end as _deleted_batch_id,
        case when _ends_deleted then _end_line end as _deleted_line,
        case when _ends_deleted then _end_load_id end as _deleted_load_id
    from {{ each_changed('versions', 'product_id') }}
)

select * from final
