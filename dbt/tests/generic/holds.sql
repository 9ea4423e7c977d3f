{#- Fails with the rows for which the condition is not true. What cannot be known (null) holds; `required` is for that. -#}
{% test holds(model, condition) %}
select *
from {{ model }}
where not ({{ condition }})
{% endtest %}
