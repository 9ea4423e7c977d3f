-- depends_on: {{ ref('users') }} (so that the test of the relation has both sides)
{{ config(unique_key='order_id', indexes=indexes_on(
    '_load_id', '_batch_id', rare=['_event_load_id', '_deleted_load_id', '_deleted_event_load_id']
)) }}

{%- set versions = ref('order_versions') %}

with

changed as (
    {{ changed_keys(versions, 'order_id', id='order_id', seen_in={
        '_load_id': ['_load_id', '_deleted_load_id'],
        '_event_load_id': ['_event_load_id', '_deleted_event_load_id'],
    }) }}
),

latest as (
    {{ latest_versions(
        versions, 'order_id', id='order_id',
        at='_version_at', then=['_event_id', '_batch_id', '_line'], loads=['_load_id', '_event_load_id']
    ) }}
),

final as (
    select
        order_id,
        user_id,
        coalesce(line_count, 0) as line_count,
        coalesce(units, 0) as units,
        ordered_at,
        cast(ordered_at at time zone 'UTC' as date) as order_date,
        deleted_at,
        _batch_id,
        _line,
        _ingested_at,
        _load_id,
        _event_load_id,
        _deleted_batch_id,
        _deleted_line,
        _deleted_load_id,
        _deleted_event_load_id
    from {{ each_changed('latest', 'order_id') }}
    {{ join_array_totals('latest', 'order_id', 'lines', {
        'line_count': 'count(*)', 'units': 'sum(' ~ array_field('quantity', 'integer') ~ ')'
    }) }}
)

select * from final
