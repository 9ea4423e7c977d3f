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


{#- To follow a relation in a FROM clause: each row's totals over the elements of an array column. `totals` has the name of
    each and its expression, of what array_field() reads. Postgres sums up beside each row; Redshift cannot, and so groups
    by the relation's key. -#}
{% macro join_array_totals(relation, key, column, totals) -%}
    {{ adapter.dispatch('join_array_totals')(relation, key, column, totals) }}
{%- endmacro %}

{% macro postgres__join_array_totals(relation, key, column, totals) -%}
    left join lateral (
        select
        {%- for name, expression in totals.items() %}
            {{ expression }} as {{ name }}{{ ',' if not loop.last }}
        {%- endfor %}
        from jsonb_array_elements({{ relation }}.{{ column }}) as unnested (item)
    ) as totals on true
{%- endmacro %}

{% macro redshift__join_array_totals(relation, key, column, totals) -%}
    left join (
        select
            {{ relation }}.{{ key }},
        {%- for name, expression in totals.items() %}
            {{ expression }} as {{ name }}{{ ',' if not loop.last }}
        {%- endfor %}
        from {{ relation }}{{ unnest(relation, column) }}
        group by {{ relation }}.{{ key }}
    ) as totals using ({{ key }})
{%- endmacro %}


{#- Whether a column has a value that a query of one column finds. Postgres knows nothing of how many a query of this run's
    changes finds, guesses half of the table, and reads all of it; of an array it expects few values. It looks each up by
    the column's index then: for rows that came together, as those of an order, a day or a batch. (Those of a product or a
    user are all over the table, where to read all of it is quicker.) -#}
{% macro is_among(column, query) -%}
    {{ adapter.dispatch('is_among')(column, query) }}
{%- endmacro %}

{% macro postgres__is_among(column, query) -%}
    {{ column }} = any(array({{ query }}))
{%- endmacro %}

{% macro redshift__is_among(column, query) -%}
    {{ column }} in ({{ query }})
{%- endmacro %}


{#- Indexes for the `indexes` config, one a list of columns. Redshift has none. `rare` are columns with a load that most rows
    have none of (null or 0): their indexes leave these rows out, and cost nothing to make and to keep. -#}
{% macro indexes_on() -%}
    {%- set indexes = [] -%}
    {%- if target.type == 'postgres' -%}
        {%- for columns in varargs -%}
            {%- do indexes.append({'columns': columns if columns is not string else [columns]}) -%}
        {%- endfor -%}
        {%- for column in kwargs.get('rare', []) -%}
            {%- do indexes.append({'columns': [column], 'where': column ~ ' > 0'}) -%}
        {%- endfor -%}
    {%- endif -%}
    {{ return(indexes) }}
{%- endmacro %}

{#- dbt's own, which knows no `where`. -#}
{% macro postgres__get_create_index_sql(relation, index_dict) -%}
    {%- set where = index_dict.get('where') -%}
    {%- set columns = dict(index_dict) -%}
    {%- do columns.pop('where', none) -%}
    {{ dbt.postgres__get_create_index_sql(relation, columns) }}
    {%- if where %} where {{ where }}{% endif %}
{%- endmacro %}


{#- Statistics of an increment, for the statements that put it into its table: without them half of the table is expected to
    be in it. -#}
{% macro analyze_increment(increment) -%}
    {{ adapter.dispatch('analyze_increment')(increment) }}
{%- endmacro %}

{% macro postgres__analyze_increment(increment) -%}
    analyze {{ increment }};
{%- endmacro %}

{% macro redshift__analyze_increment(increment) -%}
{%- endmacro %}


{#- Before a model is built: its turn, if two dbts build it at once. It ends with the connection, which is the model's own.
    Both would take away a key's old rows, and neither the other's new ones. Redshift has no lock that is no table's. -#}
{% macro take_turn() -%}
    {{ adapter.dispatch('take_turn')() }}
{%- endmacro %}

{% macro postgres__take_turn() -%}
    select pg_advisory_lock(hashtextextended('{{ this }}', 0))
{%- endmacro %}

{% macro redshift__take_turn() -%}
{%- endmacro %}


{#- Statistics for the planner right after a build. Postgres would come to it a minute later, when the models that
    read this one are done; its cost is bounded by the sample. Redshift analyses by itself.

    How many rows a batch has cannot be learnt from those that are there: one that holds a whole history would have every
    later one taken for as large, and looked for by reading the table. It is told to expect few. -#}
{% macro analyze_table() -%}
    {{ adapter.dispatch('analyze_table')() }}
{%- endmacro %}

{% macro postgres__analyze_table() -%}
    {%- if execute -%}
        {%- for column in adapter.get_columns_in_relation(this) if column.name in ('_batch_id', '_price_batch_id') %}
    alter table {{ this }} alter column {{ column.name }} set (n_distinct = -0.05);
        {%- endfor %}
    {%- endif %}
    analyze {{ this }}
{%- endmacro %}

{% macro redshift__analyze_table() -%}
{%- endmacro %}


{#- After a model is built: its key (`meta.key`) is the table's primary key, so that an increment that would write a row
    twice, or one without a key, fails and leaves the table as it was. What that costs follows the increment; counting all
    keys in a test follows the table. Redshift takes a primary key for a hint, and so its keys are counted. -#}
{% macro hold_key() -%}
    {{ adapter.dispatch('hold_key')() }}
{%- endmacro %}

{% macro postgres__hold_key() -%}
    {%- set key = config.get('meta', {}).get('key') if execute -%}
    {%- if key and not holds_key(this, key) -%}
    alter table {{ this }} add primary key ({{ key | join(', ') }})
    {%- endif -%}
{%- endmacro %}

{% macro redshift__hold_key() -%}
{%- endmacro %}


{#- After a model is built: its `holds` tests are the table's CHECK constraints, as its key is the primary key, and for the
    same reason. What such a test no longer says is let go. Redshift has no such constraints, and so its rows are read. -#}
{% macro hold_conditions() -%}
    {{ adapter.dispatch('hold_conditions')() }}
{%- endmacro %}

{% macro postgres__hold_conditions() -%}
    {%- if execute and flags.INTROSPECT -%}
        {%- set declared = {} -%}
        {%- for test in graph.nodes.values() if test.resource_type == 'test' and test.attached_node == model.unique_id -%}
            {%- if test.test_metadata.name == 'holds' -%}
                {%- set condition = test.test_metadata.kwargs.condition -%}
                {%- do declared.update({constraint_of(condition): condition}) -%}
            {%- endif -%}
        {%- endfor -%}
        {%- set held = held_conditions(this) -%}
        {%- set changes = [] -%}
        {%- for name in held if name not in declared -%}
            {%- do changes.append('drop constraint ' ~ name) -%}
        {%- endfor -%}
        {%- for name, condition in declared.items() if name not in held -%}
            {%- do changes.append('add constraint ' ~ name ~ ' check (' ~ condition ~ ')') -%}
        {%- endfor -%}
        {%- if changes -%}
    alter table {{ this }} {{ changes | join(', ') }}
        {%- endif -%}
    {%- endif -%}
{%- endmacro %}

{% macro redshift__hold_conditions() -%}
{%- endmacro %}


{#- The name of the constraint that says a condition. -#}
{% macro constraint_of(condition) -%}
    {{ return('holds_' ~ local_md5(condition)) }}
{%- endmacro %}


{#- Constraints by which the warehouse itself sees to it that conditions hold in every row of a table. -#}
{% macro held_conditions(relation) -%}
    {{ return(adapter.dispatch('held_conditions')(relation)) }}
{%- endmacro %}

{% macro postgres__held_conditions(relation) -%}
    {%- if not execute or not flags.INTROSPECT -%}
        {{ return([]) }}
    {%- endif -%}
    {%- set query -%}
        select conname from pg_constraint
        where conrelid = to_regclass('{{ relation }}') and contype = 'c' and convalidated and conname like 'holds_%'
    {%- endset -%}
    {{ return(run_query(query).columns[0].values() | list) }}
{%- endmacro %}

{% macro redshift__held_conditions(relation) -%}
    {{ return([]) }}
{%- endmacro %}


{#- Whether the warehouse itself sees to it that these columns are a key of a table: complete, and in one row only. -#}
{% macro holds_key(relation, columns) -%}
    {{ return(adapter.dispatch('holds_key')(relation, columns)) }}
{%- endmacro %}

{% macro postgres__holds_key(relation, columns) -%}
    {%- if not execute or not flags.INTROSPECT -%}
        {{ return(false) }}
    {%- endif -%}
    {%- set query -%}
        select count(*) = {{ columns | length }} and count(*) = min(indnkeyatts)
        from pg_index
        inner join pg_attribute on attrelid = indrelid and attnum = any(indkey)
        where indrelid = to_regclass('{{ relation }}') and indisprimary and indisvalid
            and attname in ('{{ columns | join("', '") }}')
    {%- endset -%}
    {{ return(run_query(query).columns[0].values()[0] or false) }}
{%- endmacro %}

{% macro redshift__holds_key(relation, columns) -%}
    {{ return(false) }}
{%- endmacro %}
