"""json and a recursion over the schema, as one writes it in an afternoon: faithful, and without any trick."""

import json
import os
import re
from pathlib import Path

from refusals import path_of, tell

SCHEMA = json.loads(Path(os.environ["BENCH_SCHEMA"]).read_text())
DATE_TIME = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)")
TYPES = {"object": dict, "array": list, "string": str, "integer": int, "number": (int, float), "null": type(None)}


def is_of(value, kinds):
    for kind in [kinds] if isinstance(kinds, str) else kinds:
        if kind == "boolean":
            if isinstance(value, bool):
                return True
        elif isinstance(value, TYPES[kind]) and not (isinstance(value, bool) and kind in ("integer", "number")):
            return True
    return False


def errors(value, schema, path):
    if not is_of(value, schema["type"]):
        yield path
        return
    if isinstance(value, dict):
        for name in schema["required"]:
            if name not in value:
                yield [*path, name]
        for name, inner in schema["properties"].items():
            if name in value:
                yield from errors(value[name], inner, [*path, name])
    elif isinstance(value, list):
        if not schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", len(value)):
            yield path
        for index, item in enumerate(value):
            yield from errors(item, schema["items"], [*path, index])
    elif isinstance(value, str):
        if schema.get("format") == "date-time" and not DATE_TIME.fullmatch(value):
            yield path
    elif isinstance(value, int | float) and (
        value < schema.get("minimum", value) or value > schema.get("maximum", value)
    ):
        yield path


def check(page):
    right, wrong = 0, []
    for position, record in enumerate(json.loads(page)):
        found = list(errors(record, SCHEMA, []))
        if found:
            wrong.append((position, path_of(found[0])))
        else:
            right += 1
    return right, wrong


tell(check, {})
