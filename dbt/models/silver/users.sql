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
        {{ mask_email('email') }} as email_masked,
        {{ mask_hash('username') }} as username_masked,
        {{ mask_name('name_firstname') }} as firstname_masked,
        {{ mask_name('name_lastname') }} as lastname_masked,
        {{ mask_phone('phone') }} as phone_masked,
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
