-- Generated from sources/suppliers/costs.odcs.yaml by "ingot contract compile"; do not edit.
select
    product_id,
    valid_from,
    supplier,
    unit_cost,
    currency,
    _batch_id,
    _line,
    _ingested_at,
    _record_hash,
    _deleted,
    _load_id
from {{ bronze('suppliers', 'costs') }}
