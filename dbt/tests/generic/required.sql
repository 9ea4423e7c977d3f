{#- Fails with the rows that lack a value in one of `columns` or, unless they are tombstones, in one of `unless_deleted`:
    one query for all of them. -#}
{% test required(model, columns, unless_deleted=[]) %}
select *
from {{ model }}
where {% for column in columns %}{{ column }} is null{{ ' or ' if not loop.last }}{% endfor %}
{%- if unless_deleted %}
    or (not _deleted and ({% for column in unless_deleted %}{{ column }} is null{{ ' or ' if not loop.last }}{% endfor %}))
{%- endif %}
{% endtest %}
