{#- Whether the rates of one day may price another: they are of that day or of few days before. An older rate is missing:
    it would be a figure that nobody meant. -#}
{% macro is_priced_by(day, rate_date) -%}
    {{ rate_date }} <= {{ day }} and {{ day }} < {{ dbt.dateadd('day', var('rate_days'), rate_date) }}
{%- endmacro %}
