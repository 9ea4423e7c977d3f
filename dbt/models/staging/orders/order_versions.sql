{#- Each version of an order that Bronze holds: a cart, as its API had it, and an event, as the shop sent it. An order seen
    by both is one order.

    A version speaks for a time, _version_at: a cart for when the API was asked, an event for when it occurred. The newest
    one counts, and of two of the same time the event; when either arrived has no part in it. A cancellation is a tombstone.

    The two tables number their loads apart, and so a version has two numbers of which one is 0. -#}
select
    id as order_id,
    user_id,
    date as ordered_at,
    products as lines,
    _ingested_at as _version_at,
    cast('' as varchar(36)) as _event_id,
    _deleted,
    _batch_id,
    _line,
    _ingested_at,
    _load_id,
    cast(0 as bigint) as _event_load_id
from {{ ref('stg_fakestore__carts') }}
union all
select
    order_id,
    user_id,
    placed_at as ordered_at,
    lines,
    occurred_at as _version_at,
    event_id as _event_id,
    _deleted or type = 'cancelled' as _deleted,
    _batch_id,
    _line,
    _ingested_at,
    cast(0 as bigint) as _load_id,
    _load_id as _event_load_id
from {{ ref('stg_orders_stream__orders') }}
