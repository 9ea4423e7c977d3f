{#- All that Postgres and Redshift write differently. Everything else in this project is SQL that both read. -#}

{#- SHA-256 of a string, as 64 hexadecimal digits. -#}
{% macro sha256_hex(expression) -%}
    {{ adapter.dispatch('sha256_hex')(expression) }}
{%- endmacro %}

{% macro postgres__sha256_hex(expression) -%}
    encode(sha256(convert_to({{ expression }}, 'UTF8')), 'hex')
{%- endmacro %}

{% macro redshift__sha256_hex(expression) -%}
    sha2({{ expression }}, 256)
{%- endmacro %}


{#- What stands in a FROM clause to give one row an element of an array column: `from carts{{ unnest('carts', 'products') }}`.
    Elements are read with array_field() and array_position(). -#}
{% macro unnest(relation, column) -%}
    {{ adapter.dispatch('unnest')(relation, column) }}
{%- endmacro %}

{% macro postgres__unnest(relation, column) -%}
    , jsonb_array_elements({{ relation }}.{{ column }}) with ordinality as unnested (item, ordinal)
{%- endmacro %}

{% macro redshift__unnest(relation, column) -%}
    , {{ relation }}.{{ column }} as item at ordinal
{%- endmacro %}


{#- A field of the element that unnest() gave. -#}
{% macro array_field(field, type) -%}
    {{ adapter.dispatch('array_field')(field, type) }}
{%- endmacro %}

{% macro postgres__array_field(field, type) -%}
    cast(unnested.item ->> '{{ field }}' as {{ type }})
{%- endmacro %}

{% macro redshift__array_field(field, type) -%}
    cast(item.{{ field }} as {{ type }})
{%- endmacro %}


{#- The place of the element that unnest() gave, counted from 1. -#}
{% macro array_position() -%}
    {{ adapter.dispatch('array_position')() }}
{%- endmacro %}

{% macro postgres__array_position() -%}
    cast(unnested.ordinal as integer)
{%- endmacro %}

{% macro redshift__array_position() -%}
    cast(ordinal + 1 as integer)
{%- endmacro %}


{#- Indexes for the `indexes` config, one a list of columns. Redshift has none. -#}
{% macro indexes_on() -%}
    {%- set indexes = [] -%}
    {%- if target.type == 'postgres' -%}
        {%- for columns in varargs -%}
            {%- do indexes.append({'columns': columns if columns is not string else [columns]}) -%}
        {%- endfor -%}
    {%- endif -%}
    {{ return(indexes) }}
{%- endmacro %}


{#- Statistics for the planner right after a build. Postgres would come to it a minute later, when the models that
    read this one are done; its cost is bounded by the sample. Redshift analyses by itself. -#}
{% macro analyze_table() -%}
    {{ adapter.dispatch('analyze_table')() }}
{%- endmacro %}

{% macro postgres__analyze_table() -%}
    analyze {{ this }}
{%- endmacro %}

{% macro redshift__analyze_table() -%}
{%- endmacro %}
