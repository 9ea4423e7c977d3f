{#- Further orders whose lines an increment of silver.order_lines computes anew: those that a change in the history of a
    product's price reaches. `union …`, to follow changed_keys(). -#}
{% macro repriced_orders(product_history, products) -%}
    {%- if is_incremental() -%}
        {%- set seen_load = seen('_price_load_id') -%}
    -- Orders from the time of a new version or tombstone on; all of them, when the first known version is new.
    union
    select lines.order_id
    from {{ this }} as lines
    inner join (
        select product_id, min(version) as first_version, min(since) as since
        from (
            select product_id, version, valid_from as since
            from {{ product_history }}
            where _load_id > {{ seen_load }}
            -- A tombstone prices nothing; what it parts was one version, with the lineage of its beginning.
            union all
            select product_id, cast(null as integer) as version, valid_to as since
            from {{ product_history }}
            where _deleted_load_id > {{ seen_load }}
        ) as changes
        group by product_id
    ) as news using (product_id)
    where news.first_version = 1 or lines.ordered_at >= news.since
    -- Orders of a product that took a price from a batch since delivered again, perhaps without it.
    union
    select order_id
    from {{ this }}
    {%- set delivered_again -%}
        select product_id
        from {{ this }}
        where {{ is_among('_price_batch_id', 'select _batch_id from ' ~ products ~ ' where _load_id > ' ~ seen_load) }}
    {%- endset %}
    -- In a shop of few products a product's orders are much of the table, which is not read for none.
    where exists ({{ delivered_again }}) and {{ is_among('product_id', delivered_again) }}
    {%- endif -%}
{%- endmacro %}
