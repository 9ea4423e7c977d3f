{#- The Bronze table of a stream, for a FROM clause. While it is not there, as of a source that was never loaded, it has no
    rows and the columns of the contract: what reads it is built from the other sources. A staging view is made anew in
    each run, and so reads the table from the run on that finds it. -#}
{% macro bronze(source_name, stream) -%}
    {%- set table = source(source_name, stream) -%}
    {%- if not execute or not flags.INTROSPECT or is_loaded(table) -%}
        {{ return(table) }}
    {%- endif -%}
    {%- do log('Nothing was ever loaded of ' ~ source_name ~ '.' ~ stream ~ ': it counts as empty.', info=true) -%}
    {%- set declared = graph.sources['source.' ~ project_name ~ '.' ~ source_name ~ '.' ~ stream] -%}
    {{ return('(' ~ no_rows(declared.columns.values()) ~ ') as ' ~ stream) }}
{%- endmacro %}


{#- Whether the table is there. It asks the database, not dbt's cache of relations (`load_relation`): where several threads
    meet a schema that is not cached yet, one lists it and adds its tables one by one, and whoever looks meanwhile misses
    the rest. Bronze is such a schema, since no model is in it; and then what was loaded would count as empty. -#}
{% macro is_loaded(table) -%}
    {%- set query -%}
        select 1 from pg_tables where schemaname = '{{ table.schema }}' and tablename = '{{ table.identifier }}'
    {%- endset -%}
    {{ return(run_query(query).rows | length > 0) }}
{%- endmacro %}


{#- A query without rows, of these columns (`name`, `data_type`). -#}
{% macro no_rows(columns) -%}
    select
    {%- for column in columns %}
        cast(null as {{ bronze_type(column.data_type) }}) as {{ column.name }}{{ ',' if not loop.last }}
    {%- endfor %}
    where 1 = 0
{%- endmacro %}


{#- What the load step makes a column whose type in the contract is this: an array has none there. -#}
{% macro bronze_type(data_type) -%}
    {{ adapter.dispatch('bronze_type')(data_type) }}
{%- endmacro %}

{% macro postgres__bronze_type(data_type) -%}
    {{ data_type or 'jsonb' }}
{%- endmacro %}

{#- A contract counts characters, Redshift bytes. -#}
{% macro redshift__bronze_type(data_type) -%}
    {%- set sized = modules.re.fullmatch('varchar[(](\d+)[)]', data_type or 'super') -%}
    {{ 'varchar(' ~ [4 * (sized[1] | int), 65535] | min ~ ')' if sized else data_type or 'super' }}
{%- endmacro %}
