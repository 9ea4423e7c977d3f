{#- Fails when an aggregate over the model differs from one over a model that it comes from: nothing is lost or counted
    twice between layers. `totals` maps an aggregate over the model to one over `origin`. -#}
{% test agrees(model, origin, totals) %}
select *
from (
    select
        {%- for here in totals %}
        coalesce({{ here }}, 0) as here_{{ loop.index }}{{ ',' if not loop.last }}
        {%- endfor %}
    from {{ model }}
) as here
cross join (
    select
        {%- for there in totals.values() %}
        coalesce({{ there }}, 0) as there_{{ loop.index }}{{ ',' if not loop.last }}
        {%- endfor %}
    from {{ origin }}
) as there
where {% for _ in totals %}here_{{ loop.index }} <> there_{{ loop.index }}{{ ' or ' if not loop.last }}{% endfor %}
{% endtest %}
