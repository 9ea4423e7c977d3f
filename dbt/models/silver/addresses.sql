-- depends_on: {{ ref('users') }} (so that the test of the relation has both sides)
{{ config(unique_key='user_id', indexes=indexes_on('user_id', '_load_id', '_deleted_load_id', '_batch_id')) }}

{%- set users = ref('stg_fakestore__users') %}

with

changed as (
    {{ changed_keys(users, 'user_id') }}
),

latest as (
    {{ latest_versions(users, 'user_id') }}
),

final as (
    select
        user_id,
        trim(address_city) as city,
        {{ mask_hash('address_street') }} as street_masked,
        {{ mask_zipcode('address_zipcode') }} as zipcode_prefix,
        {{ mask_coordinate('address_geolocation_lat') }} as latitude_degrees,
        {{ mask_coordinate('address_geolocation_long') }} as longitude_degrees,
        deleted_at,
        _batch_id,
        _line,
        _ingested_at,
        _load_id,
        _deleted_batch_id,
        _deleted_line,
        _deleted_load_id
    from {{ each_changed('latest', 'user_id') }}
)

select * from final
