-- Versions of a product are numbered from 1, each begins where the one before it ends and differs from it, and only the
-- last is current.
with versions as (
    select
        product_id,
        version,
        valid_from,
        valid_to,
        is_current,
        _record_hash,
        row_number() over (partition by product_id order by valid_from) as expected_version,
        lead(valid_from) over (partition by product_id order by valid_from) as next_valid_from,
        lead(_record_hash) over (partition by product_id order by valid_from) as next_record_hash
    from {{ ref('product_history') }}
)

select *
from versions
where version <> expected_version
    or coalesce(valid_to <> next_valid_from, (valid_to is null) <> (next_valid_from is null))
    or is_current <> (next_valid_from is null)
    or valid_from >= valid_to
    or _record_hash = next_record_hash
