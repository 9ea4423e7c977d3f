{{ config(
    unique_key='order_id',
    indexes=indexes_on('order_date', 'product_id', 'category', '_load_id', '_event_load_id', '_cost_load_id')
) }}

{%- set order_lines, product_costs = ref('order_lines'), ref('product_costs') %}

with

changed as (
    {{ touched_keys('order_id') }}
    {%- if is_incremental() %}
    -- Orders from the first day of a cost that is news.
    union
    select lines.order_id
    from {{ order_lines }} as lines
    inner join (
        select product_id, min(valid_from) as since
        from {{ product_costs }}
        where _load_id > {{ seen('_cost_load_id') }}
        group by product_id
    ) as news on lines.product_id = news.product_id and lines.order_date >= news.since
    {%- endif %}
),

lines as (
    select * from {{ order_lines }}
    {{ where_changed('order_id', 'order_id') }}
),

costed as (
    select
        lines.*,
        costs.supplier,
        costs.unit_cost,
        costs.valid_from as cost_valid_from,
        costs._batch_id as _cost_batch_id,
        costs._line as _cost_line,
        costs._load_id as _cost_load_id
    from lines
    left join {{ product_costs }} as costs
        on lines.product_id = costs.product_id
        and lines.order_date >= costs.valid_from
        and (costs.valid_to is null or lines.order_date < costs.valid_to)
),

final as (
    select
        order_id,
        line_number,
        product_id,
        category,
        supplier,
        quantity,
        line_total as revenue,
        unit_cost,
        cast(quantity * unit_cost as numeric(12, 2)) as cost,
        order_date,
        cost_valid_from,
        _batch_id,
        _line,
        _ingested_at,
        _load_id,
        _event_load_id,
        _cost_batch_id,
        _cost_line,
        _cost_load_id
    from {{ each_changed('costed', 'order_id') }}
)

select * from final
