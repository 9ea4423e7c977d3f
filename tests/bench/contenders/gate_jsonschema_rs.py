"""orjson and jsonschema-rs: a validator in Rust, of the same schema, with its formats."""

import os
from importlib.metadata import version
from pathlib import Path

import jsonschema_rs
import orjson
from refusals import path_of, tell

schema = orjson.loads(Path(os.environ["BENCH_SCHEMA"]).read_bytes())
validator = jsonschema_rs.validator_for(schema, validate_formats=True)
is_valid = validator.is_valid


def where(record):
    error = next(validator.iter_errors(record))
    path = list(error.instance_path)
    if error.kind.name == "required":
        path.append(error.kind.property)
    return path_of(path)


def check(page):
    records = orjson.loads(page)
    wrong = [(position, where(record)) for position, record in enumerate(records) if not is_valid(record)]
    return len(records) - len(wrong), wrong


tell(check, {name: version(name) for name in ("jsonschema-rs", "orjson")})
