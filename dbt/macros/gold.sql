{#- The first day of the month that a day is in. -#}
{% macro first_of_month(day) -%}
    cast({{ dbt.date_trunc('month', day) }} as date)
{%- endmacro %}


{#- Part of the column's total over all rows, from 0 to 1; null when the total is 0. -#}
{% macro share_of_total(column) -%}
    cast(round(cast({{ column }} as numeric(18, 6)) / nullif(sum({{ column }}) over (), 0), 4) as numeric(5, 4))
{%- endmacro %}


{#- The rows that are not already in the target, and an empty row for each key that is no longer there. For small tables
    that are computed as a whole, so that a run with nothing new writes nothing. The key is the first column. -#}
{% macro differences(relation, key) -%}
    {%- if is_incremental() -%}
select *
from (
    select {{ key }} from {{ relation }}
    union
    select {{ key }} from {{ this }}
) as keys
left join {{ relation }} using ({{ key }})
except
select * from {{ this }}
    {%- else -%}
select * from {{ relation }}
    {%- endif -%}
{%- endmacro %}
