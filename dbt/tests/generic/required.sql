{#- Fails with the rows that lack a value in one of the columns: one query for all of them. -#}
{% test required(model, columns) %}
select *
from {{ model }}
where {% for column in columns %}{{ column }} is null{{ ' or ' if not loop.last }}{% endfor %}
{% endtest %}
