{#- Keys of a gold model of margins that new or changed order lines touch, and those that a cost which is news touches. -#}
{% macro touched_margins(key) -%}
    {{ touched_keys(key) }}
    {%- if is_incremental() %}
    union
    select {{ key }} from {{ ref('order_line_costs') }} where _cost_load_id > {{ seen('_cost_load_id') }}
    {%- endif -%}
{%- endmacro %}


{#- Sums over order lines and their costs, or over such sums. What lacks a part is not a smaller sum: the cost is null where
    a line lacks one, and the margin also where a line lacks a price. -#}
{% macro margin_sums(units='sum(quantity)', margin='revenue - cost') -%}
    {{ units }} as units,
    cast(coalesce(sum(revenue), 0) as numeric(14, 2)) as revenue,
    cast(case when count(*) = count(cost) then sum(cost) end as numeric(14, 2)) as cost,
    cast(case when count(*) = count({{ margin }}) then sum({{ margin }}) end as numeric(14, 2)) as margin,
    max(_load_id) as _load_id,
    max(_event_load_id) as _event_load_id,
    coalesce(max(_cost_load_id), 0) as _cost_load_id
{%- endmacro %}


{#- Part of the revenue that the margin is, from 0 to 1; below 0 for what is sold under its cost; null without revenue. -#}
{% macro margin_rate() -%}
    cast(round(cast(margin as numeric(18, 6)) / nullif(revenue, 0), 4) as numeric(9, 4))
{%- endmacro %}
