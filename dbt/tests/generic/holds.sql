{#- Fails with the rows for which the condition is not true. What cannot be known (null) holds; `required` is for that. Where it
    is a CHECK constraint of the table there can be none, and no row is read (hold_conditions() in macros/dialects.sql). -#}
{% test holds(model, condition) %}
select *
from {{ model }}
where {{ '1 = 0' if constraint_of(condition) in held_conditions(model) else 'not (' ~ condition ~ ')' }}
{% endtest %}
