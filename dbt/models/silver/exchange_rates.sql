{{ config(unique_key='rate_date', indexes=indexes_on('rate_date', '_load_id', '_batch_id')) }}

{%- set rates = ref('stg_fx__rates') %}

with

changed as (
    {{ changed_keys(rates, 'rate_date', seen_in=['_load_id'], id='date') }}
),

-- A rate that came again with another value replaces the one before.
versions as (
    select
        *,
        date as rate_date,
        row_number() over (
            partition by date, base, quote order by _ingested_at desc, _batch_id desc, _line desc
        ) as _recency
    from {{ rates }}
    {{ where_changed('date', 'rate_date') }}
),

latest as (
    select * from versions where _recency = 1 and not _deleted
),

final as (
    select
        rate_date,
        base as base_currency,
        quote as currency,
        rate,
        _batch_id,
        _line,
        _ingested_at,
        _load_id
    from {{ each_changed('latest', 'rate_date') }}
)

select * from final
