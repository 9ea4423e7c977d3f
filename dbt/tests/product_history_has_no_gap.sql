-- Versions of a product are numbered from 1 and do not overlap. Each begins where the one before it ends, and differs
-- from it; only where a tombstone stands may one end before the next begins, or with no next one.
with versions as (
    select
        *,
        row_number() over (partition by product_id order by valid_from) as expected_version,
        lead(valid_from) over (partition by product_id order by valid_from) as expected_next,
        lead(_record_hash) over (partition by product_id order by valid_from) as next_record_hash
    from {{ ref('product_history') }}
),

tombstones as (
    select distinct id as product_id, _ingested_at as deleted_at
    from {{ ref('stg_fakestore__products') }}
    where _deleted
)

select versions.*
from versions
left join tombstones on versions.product_id = tombstones.product_id and versions.valid_to = tombstones.deleted_at
where version <> expected_version
    or coalesce(next_valid_from <> expected_next, (next_valid_from is null) <> (expected_next is null))
    or is_current <> (valid_to is null)
    or valid_from >= valid_to
    or valid_to > expected_next
    or (valid_to is null and expected_next is not null)
    or (valid_to = expected_next and _record_hash = next_record_hash)
    or (deleted_at is null and coalesce(valid_to <> expected_next, valid_to is not null))
    or (deleted_at is null) <> (_deleted_batch_id is null)
