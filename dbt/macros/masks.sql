{#- Masks for personal data. Staging is the last layer that holds it in clear.

    Hashes are salted with INGOT_MASK_SALT, so that a table of known addresses does not undo them. The same salt gives
    the same mask, and so masked columns still join and count; changing the salt asks for a full refresh. -#}

{#- INGOT_MASK_SALT. Only a warehouse on this machine is masked without: elsewhere a salt that anybody can read here would
    be no mask, and nobody would notice. -#}
{% macro mask_salt() -%}
    {#- Not while dbt parses: it would keep the secret in what it parsed, and parse anew wherever it is another. -#}
    {%- if not execute -%}
        {{ return('') }}
    {%- endif -%}
    {%- set salt = env_var('INGOT_MASK_SALT', '') -%}
    {%- if not salt and target.host not in ('localhost', '127.0.0.1', '::1') -%}
        {{ exceptions.raise_compiler_error(
            "INGOT_MASK_SALT is not set, and without a salt of its own the masks of " ~ target.host ~ " can be undone."
            ~ " Give dbt a secret that stays the same: see docs/deploy.md."
        ) }}
    {%- endif -%}
    {{ return(salt or 'ingot') }}
{%- endmacro %}

{#- The first 12 hexadecimal digits of the salted SHA-256; upper and lower case and outer blanks count as the same. -#}
{% macro mask_hash(expression) -%}
    {%- set salt = mask_salt() | replace("'", "''") -%}
    left({{ sha256_hex("'" ~ salt ~ ":' || lower(trim(" ~ expression ~ "))") }}, 12)
{%- endmacro %}

{#- john@gmail.com → 4f0c5b1d29aa@gmail.com: people of one company can be counted, a person cannot be written to. -#}
{% macro mask_email(expression) -%}
    {{ mask_hash(expression) }} || '@' || lower(split_part(trim({{ expression }}), '@', 2))
{%- endmacro %}

{#- john → j*** -#}
{% macro mask_name(expression) -%}
    left(trim({{ expression }}), 1) || '***'
{%- endmacro %}

{#- 1-570-236-7033 → ***33 -#}
{% macro mask_phone(expression) -%}
    '***' || right(trim({{ expression }}), 2)
{%- endmacro %}

{#- 12926-3874 → 129: an area, not a street. -#}
{% macro mask_zipcode(expression) -%}
    left(trim({{ expression }}), 3)
{%- endmacro %}

{#- '-37.3159' → -37: whole degrees, some 100 km; null for what is no number. -#}
{% macro mask_coordinate(expression) -%}
    case
        when {{ expression }} ~ '^-?[0-9]{1,3}([.][0-9]+)?$'
            then cast(round(cast({{ expression }} as numeric(12, 6)), 0) as integer)
    end
{%- endmacro %}
