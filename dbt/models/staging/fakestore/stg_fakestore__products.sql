-- Generated from sources/fakestore/products.odcs.yaml by "ingot contract compile"; do not edit.
select
    id,
    title,
    price,
    description,
    category,
    image,
    rating_rate,
    rating_count,
    _batch_id,
    _line,
    _ingested_at,
    _record_hash,
    _deleted,
    _load_id
from {{ bronze('fakestore', 'products') }}
