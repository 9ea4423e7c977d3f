-- Every day with a sale has a rate for each currency that revenue is reported in; the days that lack one are named in
-- dbt's log. Either the source of rates is late (`ingot gaps --source fx`), or it does not know the currency.
{{ config(tags='needs_another_source') }}
{%- set lacking %}
select distinct order_date, currency
from {{ ref('revenue_by_currency') }}
where rate is null
{%- endset %}
{%- if execute and flags.WHICH in ('build', 'test') %}
    {%- for day, currency in run_query(lacking ~ ' order by 1, 2').rows %}
        {%- do log('No rate of ' ~ currency ~ ' for ' ~ day ~ ', nor for the ' ~ (var('rate_days') - 1) ~ ' days before.', info=true) %}
    {%- endfor %}
{%- endif %}
{{ lacking }}
