{#- What gold needs to take back.

    Gold computes anew what new order lines touch. Where an order was there before and changed, the day, customer or
    product that it no longer belongs to has to be computed anew too, and silver.order_lines does not hold it any more.
    So the run that replaces an order's lines notes, in the same transaction, what both the old and the new ones
    touched. The notes are working state, not data: they follow the order of arrival, which silver and gold do not. -#}

{% macro order_changes() -%}
    {{ api.Relation.create(database=target.database, schema='staging', identifier='order_changes') }}
{%- endmacro %}


{#- Makes the table of notes, and makes it anew when everything is computed anew. -#}
{% macro prepare_order_changes() -%}
    {%- if not is_incremental() %}
    drop table if exists {{ order_changes() }};
    {%- endif %}
    create table if not exists {{ order_changes() }} (
        order_id bigint, order_date date, user_id bigint, product_id bigint, category varchar(64),
        _load_id bigint, _event_load_id bigint
    );
{%- endmacro %}


{#- Notes old and new lines of the orders that `increment` replaces in `lines`, under the newest loads of carts and of
    events: no gold model can have seen greater ones. -#}
{% macro log_order_changes(lines, increment) -%}
    {%- set touched = 'order_id, order_date, user_id, product_id, category' -%}
    insert into {{ order_changes() }} ({{ touched }}, _load_id, _event_load_id)
    select
        {{ touched }},
        (select coalesce(max(_load_id), 0) from {{ ref('stg_fakestore__carts') }}),
        (select coalesce(max(_load_id), 0) from {{ ref('stg_orders_stream__orders') }})
    from (
        select {{ touched }} from {{ lines }} where order_id in (select order_id from {{ increment }})
        union
        select {{ touched }} from {{ increment }}
        where order_id in (select order_id from {{ lines }}) and _load_id is not null
    ) as replaced
{%- endmacro %}


{#- Keys of a gold model that new or changed order lines touch. -#}
{% macro touched_keys(key) -%}
    {%- if is_incremental() -%}
        {%- set carts, events = seen('_load_id'), seen('_event_load_id') -%}
    select {{ key }} from {{ ref('order_lines') }} where _load_id > {{ carts }} or _event_load_id > {{ events }}
    union
    select {{ key }} from {{ order_changes() }} where _load_id >= {{ carts }} and _event_load_id >= {{ events }}
    {%- else -%}
    select distinct {{ key }} from {{ ref('order_lines') }}
    {%- endif -%}
{%- endmacro %}
