-- Generated from sources/fakestore/carts.odcs.yaml by "ingot contract compile"; do not edit.
select
    id,
    user_id,
    date,
    products,
    v,
    _batch_id,
    _line,
    _ingested_at,
    _record_hash,
    _deleted,
    _load_id
from {{ bronze('fakestore', 'carts') }}
