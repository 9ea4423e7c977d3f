-- depends_on: {{ ref('daily_sales') }} (so that the test of their agreement has both sides)
{{ config(unique_key='order_date', indexes=indexes_on('order_date', '_load_id', '_event_load_id', '_rate_load_id')) }}

{%- set exchange_rates, currencies = ref('exchange_rates'), ref('reporting_currencies') %}
{%- set own = "'" ~ var('price_currency') ~ "'" %}

with

changed as (
    {{ touched_keys('order_date') }}
    {%- if is_incremental() %}
    -- Days that a rate which is news may price.
    union
    select days.order_date
    from (select distinct order_date from {{ this }}) as days
    inner join (
        select distinct rate_date from {{ exchange_rates }} where _load_id > {{ seen('_rate_load_id') }}
    ) as news on {{ is_priced_by('days.order_date', 'news.rate_date') }}
    -- All days, when the list of currencies is another one.
    union
    select order_date
    from {{ this }}
    where exists (select 1 from {{ currencies }} where currency not in (select currency from {{ this }}))
        or exists (select 1 from {{ this }} where currency not in (select currency from {{ currencies }}))
    {%- endif %}
),

sold as (
    select * from {{ ref('daily_categories') }}
    {{ where_changed('order_date', 'order_date') }}
),

days as (
    select distinct order_date from sold
),

-- What a bank's rates of one day and base price, the base itself among it.
quoted as (
    select rate_date, base_currency, currency, rate, _load_id
    from {{ exchange_rates }}
    where currency <> base_currency
    union all
    select rate_date, base_currency, base_currency as currency, cast(1 as numeric(15, 8)) as rate, max(_load_id)
    from {{ exchange_rates }}
    group by rate_date, base_currency
),

-- The last rates up to each day: on days on which banks do not work, those of the last day on which they did.
priced as (
    select
        days.order_date,
        quoted.currency,
        quoted.rate / own.rate as rate,
        quoted.rate_date,
        greatest(quoted._load_id, own._load_id) as _rate_load_id,
        row_number() over (
            partition by days.order_date, quoted.currency order by quoted.rate_date desc, quoted.base_currency
        ) as _recency
    from days
    inner join quoted on {{ is_priced_by('days.order_date', 'quoted.rate_date') }}
    inner join quoted as own
        on quoted.rate_date = own.rate_date and quoted.base_currency = own.base_currency and own.currency = {{ own }}
),

converted as (
    select
        sold.order_date,
        sold.category,
        currencies.currency,
        sold.orders,
        sold.units,
        sold.revenue,
        case when currencies.currency = {{ own }} then 1 else priced.rate end as rate,
        priced.rate_date,
        sold._load_id,
        sold._event_load_id,
        priced._rate_load_id
    from sold
    cross join {{ currencies }} as currencies
    left join priced
        on sold.order_date = priced.order_date and currencies.currency = priced.currency and priced._recency = 1
),

final as (
    select
        order_date,
        category,
        currency,
        orders,
        units,
        cast(round(revenue * rate, 4) as numeric(18, 4)) as revenue,
        cast(round(rate, 8) as numeric(15, 8)) as rate,
        rate_date,
        _load_id,
        _event_load_id,
        _rate_load_id
    from {{ each_changed('converted', 'order_date') }}
)

select * from final
