-- Generated from sources/fx/rates.odcs.yaml by "ingot contract compile"; do not edit.
select
    date,
    base,
    quote,
    rate,
    _batch_id,
    _line,
    _ingested_at,
    _record_hash,
    _deleted,
    _load_id
from {{ bronze('fx', 'rates') }}
