{#- How a model takes in only what is new, and why a full refresh gives the same rows.

    Bronze numbers its loads without gaps, and a load that delivers a batch again replaces that batch's rows. So the keys
    that an increment can change are those with rows in newer loads than the target has seen, and those whose row came
    from a batch that has since been delivered again, perhaps without it. A model computes exactly these keys anew, from
    all that Bronze holds of them, and the `replace` strategy swaps their rows. Nothing depends on the order of arrival,
    and whatever is computed twice comes out the same.

    A key that a source no longer has is a row too, a tombstone (`_deleted`), and counts in its place in time like any
    version: a thing that is gone keeps its row with its last values and `deleted_at`, and lives again when it returns. -#}


{#- dbt's own, but where there is no table to ask a variable chooses the branch (`--vars 'as_increment: true'`), and unit
    tests choose it by overriding this macro. -#}
{% macro is_incremental() -%}
    {%- if var('as_increment', none) is not none -%}
        {{ return(var('as_increment')) }}
    {%- endif -%}
    {%- if model.resource_type == 'unit_test' -%}
        {{ return(false) }}
    {%- endif -%}
    {{ return(dbt.is_incremental()) }}
{%- endmacro %}


{#- The greatest load in the target's columns. A number when there is a database to ask: with a subquery in its place the
    planner guesses a third of the table, and reads all of it. Each column by itself, and above 0: as its index finds it. -#}
{% macro seen() -%}
    {%- set loads = [] -%}
    {%- for column in varargs -%}
        {%- do loads.append('(select max(' ~ column ~ ') from ' ~ this ~ ' where ' ~ column ~ ' > 0)') -%}
    {%- endfor -%}
    {%- set query = 'select coalesce(greatest(' ~ loads | join(', ') ~ '), 0)' -%}
    {%- if execute and flags.INTROSPECT and model.resource_type == 'model' and var('as_increment', none) is none -%}
        {{ return(run_query(query).columns[0].values()[0] | int) }}
    {%- endif -%}
    {{ return('(' ~ query ~ ')') }}
{%- endmacro %}


{#- Keys that this run computes: `key`, read from the staging column `id` (or an expression of columns, where several
    make a key). `seen_in` are the target's columns with a load, `_batch_id` names the batch of a row. (What a
    tombstone's batch deleted is not looked for: such a batch continues its stream, and is never delivered with another
    content.) Staging that unites tables has a number of loads for each: then `seen_in` is a mapping, of each such column
    to the target's. -#}
{% macro changed_keys(staging, key, seen_in=['_load_id', '_deleted_load_id'], id='id') -%}
    {%- if is_incremental() -%}
        {%- set news = [] -%}
        {%- for number, columns in (seen_in if seen_in is mapping else {'_load_id': seen_in}).items() -%}
            {%- do news.append(number ~ ' > ' ~ seen(*columns)) -%}
        {%- endfor -%}
        {%- set is_news = news | join(' or ') -%}
    select {{ id }} as {{ key }} from {{ staging }} where {{ is_news }}
    union
    select {{ key }} from {{ this }}
    where {{ is_among('_batch_id', 'select _batch_id from ' ~ staging ~ ' where ' ~ is_news) }}
    {%- else -%}
    select distinct {{ id }} as {{ key }} from {{ staging }}
    {%- endif -%}
{%- endmacro %}


{#- Rows of the changed keys, or all when every key is computed. -#}
{% macro where_changed(column, key) -%}
    {%- if is_incremental() -%}
    where {{ is_among(column, 'select ' ~ key ~ ' from changed') }}
    {%- endif -%}
{%- endmacro %}


{#- The latest version of each changed key, whatever the order of arrival. What follows it, if anything does, are
    tombstones: the first of them says since when the source no longer has the key. `at` is the time that a version
    speaks for, `then` decides between those of one time, and `loads` are all its numbers of a load. -#}
{% macro latest_versions(
    staging, key, id='id', at='_ingested_at', then=['_batch_id', '_line'], loads=['_load_id']
) -%}
    {%- set newest_first = 'partition by ' ~ id ~ ' order by ' ~ ([at] + then) | join(' desc, ') ~ ' desc' -%}
    select *
    from (
        select
            *,
            {%- if id != key %}
            {{ id }} as {{ key }},
            {%- endif %}
            sum(case when _deleted then 0 else 1 end) over ({{ newest_first }} rows unbounded preceding) as _recency,
            lag({{ at }}) over ({{ newest_first }}) as deleted_at,
            lag(_batch_id) over ({{ newest_first }}) as _deleted_batch_id,
            {%- for load in loads %}
            lag({{ load }}) over ({{ newest_first }}) as _deleted{{ load }},
            {%- endfor %}
            lag(_line) over ({{ newest_first }}) as _deleted_line
        from {{ staging }}
        {{ where_changed(id, key) }}
    ) as versions
    where _recency = 1 and not _deleted
{%- endmacro %}


{#- `relation` for a FROM clause. In an increment a changed key with no row left comes along, empty, for `replace` to
    delete: a row without `_load_id` is such a key. (A full join gives what a left one would, as the relation has changed
    keys only; but it is never made row by row, which the planner takes to be cheap where it expects few.) -#}
{% macro each_changed(relation, key) -%}
    {%- if is_incremental() -%}
    changed full join {{ relation }} using ({{ key }})
    {%- else -%}
    {{ relation }}
    {%- endif -%}
{%- endmacro %}


{#- The incremental strategy `replace`: of each key in the increment, the rows go and the new ones come.
    dbt's delete+insert differs in one thing: it cannot take away a key that has no new row. -#}
{% macro get_incremental_replace_sql(arguments) -%}
    {%- set target_relation, increment = arguments['target_relation'], arguments['temp_relation'] -%}
    {%- set key = arguments['unique_key'] -%}
    {%- set columns = get_quoted_csv(arguments['dest_columns'] | map(attribute='name')) -%}
    {{ analyze_increment(increment) }}
    {%- if config.get('meta', {}).get('logs_order_changes') %}
    {{ log_order_changes(target_relation, increment) }};
    {%- endif %}
    delete from {{ target_relation }} where {{ key }} in (select {{ key }} from {{ increment }});
    insert into {{ target_relation }} ({{ columns }})
    select {{ columns }} from {{ increment }} where _load_id is not null
{%- endmacro %}
