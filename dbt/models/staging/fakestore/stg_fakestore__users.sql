-- Generated from sources/fakestore/users.odcs.yaml by "ingot contract compile"; do not edit.
select
    id,
    email,
    username,
    name_firstname,
    name_lastname,
    phone,
    address_city,
    address_street,
    address_number,
    address_zipcode,
    address_geolocation_lat,
    address_geolocation_long,
    v,
    _batch_id,
    _line,
    _ingested_at,
    _record_hash,
    _deleted,
    _load_id
from {{ bronze('fakestore', 'users') }}
