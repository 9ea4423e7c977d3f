-- Generated from sources/orders_stream/orders.odcs.yaml by "ingot contract compile"; do not edit.
select
    order_id,
    event_id,
    type,
    occurred_at,
    placed_at,
    user_id,
    lines,
    _batch_id,
    _line,
    _ingested_at,
    _record_hash,
    _deleted,
    _load_id
from {{ bronze('orders_stream', 'orders') }}
