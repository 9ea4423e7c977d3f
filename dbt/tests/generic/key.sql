{#- Fails with the keys that are incomplete or stand in more than one row. For a column, or for `columns` of a model. -#}
{% test key(model, column_name=none, columns=none) %}
{%- set columns = columns or [column_name] %}
select {{ columns | join(', ') }}, count(*) as occurrences
from {{ model }}
group by {{ columns | join(', ') }}
having count(*) > 1{% for column in columns %} or {{ column }} is null{% endfor %}
{% endtest %}
