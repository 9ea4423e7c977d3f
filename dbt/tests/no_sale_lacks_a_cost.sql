-- Every product has a cost on each day on which it was sold; the products and days that lack one are named in dbt's log.
-- Where no supplier's cost was ever loaded, nobody asks for margins yet: that is said, and is no failure.
-- depends_on: {{ ref('category_margin') }} (so that gold has what is known of the others before it fails)
{#- Which lines have no cost says an index on its load; a cost that there is has a value (`required`). -#}
{%- set lacking %}
select product_id, order_date, sum(quantity) as units
from {{ ref('order_line_costs') }}
where _cost_load_id is null and exists (select 1 from {{ ref('product_costs') }})
group by product_id, order_date
{%- endset %}
{%- if execute and flags.WHICH in ('build', 'test') %}
    {%- if not run_query('select 1 from ' ~ ref('product_costs') ~ ' limit 1').rows %}
        {%- do log('No cost of a product was ever loaded: margins are unknown. (ingot land FILE --source suppliers)', info=true) %}
    {%- endif %}
    {%- for product, day, units in run_query(lacking ~ ' order by 2, 1').rows %}
        {%- do log('No cost of product ' ~ product ~ ' for ' ~ day ~ ', when ' ~ units ~ ' were sold.', info=true) %}
    {%- endfor %}
{%- endif %}
{{ lacking }}
