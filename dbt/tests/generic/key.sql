{#- Fails with the keys that are incomplete or stand in more than one row. For a column, or for `columns` of a model. Where
    they are the table's primary key there can be none, and nothing is counted (hold_key() in macros/dialects.sql). -#}
{% test key(model, column_name=none, columns=none) %}
{%- set columns = columns or [column_name] %}
{%- if holds_key(model, columns) %}
select 0 as occurrences
where 1 = 0
{%- else %}
select {{ columns | join(', ') }}, count(*) as occurrences
from {{ model }}
group by {{ columns | join(', ') }}
having count(*) > 1{% for column in columns %} or {{ column }} is null{% endfor %}
{%- endif %}
{% endtest %}
