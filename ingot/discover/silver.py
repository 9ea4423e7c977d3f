"""A first model in Silver: the latest version of each key, personal data masked, with tests of its key.

It is written once and then belongs to whoever edits it; staging below it goes on being generated from the contract.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from ingot.contract.model import Column, Contract
from ingot.discover.names import singular
from ingot.naming import table_name

_LINEAGE = ("deleted_at", "_batch_id", "_line", "_ingested_at", "_record_hash", "_load_id")
_DELETION = ("_deleted_batch_id", "_deleted_line", "_deleted_load_id")
_MAIL, _PHONE, _ZIP = ("mail",), ("phone", "mobile", "fax"), ("zip", "postal", "postcode")
_PLACE = ("lat", "lng", "lon", "long", "latitude", "longitude")
_NAME = ("firstname", "lastname", "surname", "fullname", "nickname", "name")


@dataclass(frozen=True)
class _Shown:
    name: str
    expression: str
    meaning: str


@dataclass(frozen=True)
class Key:
    """How the key stands in Silver.

    Attributes:
        name: its one column.
        expression: what it is made of, in staging's columns.
        columns: the staging columns that are it as they are; none if it is computed.
    """

    name: str
    expression: str
    columns: tuple[str, ...]


def model_files(
    source: str, stream: str, contract: Contract, *, values: Mapping[str, Iterable[str]] | None = None
) -> dict[str, str]:
    """The files of ``models/silver/{source}/`` for one stream, by name.

    Args:
        values: what few values a column had: another one is a warning.
    """
    name = f"{source}_{stream}"
    key = key_of(stream, contract)
    shown, left_out = _columns(contract, key)
    return {
        f"{name}.sql": _model(source, stream, key, shown, left_out),
        f"_{name}__model.yml": _yml(source, stream, contract, key, shown, values or {}),
    }


def key_of(stream: str, contract: Contract) -> Key:
    """The one column by which Silver tells records apart."""
    columns = [column for column in contract.columns if column.path[0] in contract.primary_key]
    columns.sort(key=lambda column: contract.primary_key.index(column.path[0]))
    taken = {column.name for column in contract.columns}
    if len(columns) == 1 and columns[0].property.classification != "personal":
        (column,) = columns
        if column.name != "id":
            return Key(column.name, column.name, (column.name,))
        name = next(n for n in (f"{singular(stream)}_id", f"{singular(stream)}_key", "record_key") if n not in taken)
        return Key(name, "id", ("id",))
    name = next(n for n in (f"{singular(stream)}_key", "record_key", "silver_key") if n not in taken)
    return Key(name, " || '|' || ".join(map(_part, columns)), ())


def _part(column: Column) -> str:
    """A part of a key as text that is the same in every session, and cannot run into the next part."""
    if column.property.classification == "personal":
        return f"{{{{ mask_hash({json.dumps(_text(column))}) }}}}"
    match column.property.logical_type:
        case "date":
            return f"to_char({column.name}, 'YYYY-MM-DD')"
        case "timestamp":
            return f"to_char({column.name} at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS.US')"
        case "string":
            return f"replace(replace({column.name}, '~', '~0'), '|', '~1')"
    return f"cast({column.name} as varchar(64))"


def _text(column: Column) -> str:
    return column.name if column.property.logical_type == "string" else f"cast({column.name} as varchar(64))"


def _columns(contract: Contract, key: Key) -> tuple[list[_Shown], list[str]]:
    shown: list[_Shown] = []
    left_out: list[str] = []
    for column in contract.columns:
        if column.name in key.columns:
            continue
        if not _is_personal(column, contract):
            shown.append(_Shown(column.name, column.name, column.property.description))
        elif (masked := _masked(column)) is not None:
            shown.append(masked)
        else:
            left_out.append(column.name)
    return shown, left_out


def _is_personal(column: Column, contract: Contract) -> bool:
    """Itself, an object around it, or anything inside of it."""
    around, here = contract.properties, []
    for name in column.path:
        here.append(next(prop for prop in around if prop.name == name))
        around = here[-1].properties
    inner = list(here[-1:])
    while inner:
        prop = inner.pop()
        here.append(prop)
        inner += [*prop.properties, *([prop.items] if prop.items else [])]
    return any(prop.classification == "personal" for prop in here)


def _masked(column: Column) -> _Shown | None:
    name, words = column.name, set(column.name.split("_"))
    kind = column.property.logical_type
    if kind == "number" and words & set(_PLACE):
        return _shown(f"{name}_degrees", "mask_coordinate", f"cast({name} as varchar(64))", "In whole degrees")
    if kind != "string":
        return None
    if any(part in name for part in _MAIL):
        return _shown(f"{name}_masked", "mask_email", name, "Salted hash; the domain is kept")
    if any(part in name for part in _PHONE):
        return _shown(f"{name}_masked", "mask_phone", name, "The last two digits")
    if any(part in name for part in _ZIP):
        return _shown(f"{name}_prefix", "mask_zipcode", name, "The first three characters")
    if words & set(_PLACE):
        return _shown(f"{name}_degrees", "mask_coordinate", name, "In whole degrees")
    if any(part == name or name.endswith(f"_{part}") for part in _NAME):
        return _shown(f"{name}_masked", "mask_name", name, "The initial")
    return _shown(f"{name}_masked", "mask_hash", name, "Salted hash")


def _shown(name: str, macro: str, expression: str, meaning: str) -> _Shown:
    return _Shown(name, f"{{{{ {macro}({json.dumps(expression)}) }}}} as {name}", f"{meaning}.")


def _model(source: str, stream: str, key: Key, shown: list[_Shown], left_out: list[str]) -> str:
    given = f"'{key.name}'"
    if key.expression != "id":
        given += ", id=id"
    indexed = ", ".join(f"'{column}'" for column in (key.name, "_load_id", "_deleted_load_id", "_batch_id"))
    lines = [
        f"{{{{ config(unique_key='{key.name}', indexes=indexes_on({indexed})) }}}}",
        "",
        f"{{%- set {stream} = ref('stg_{source}__{stream}') %}}",
        *([f"{{%- set id %}}{key.expression}{{% endset %}}"] if key.expression != "id" else []),
        "",
        "with",
        "",
        "changed as (",
        f"    {{{{ changed_keys({stream}, {given}) }}}}",
        "),",
        "",
        "latest as (",
        f"    {{{{ latest_versions({stream}, {given}) }}}}",
        "),",
        "",
        *(f"-- {name} is personal, and has no mask: it ends in staging." for name in left_out),
        "final as (",
        "    select",
        *(f"        {column}," for column in (key.name, *(each.expression for each in shown), *_LINEAGE)),
        ",\n".join(f"        {column}" for column in _DELETION),
        f"    from {{{{ each_changed('latest', '{key.name}') }}}}",
        ")",
        "",
        "select * from final",
    ]
    return "\n".join(lines) + "\n"


def _yml(
    source: str, stream: str, contract: Contract, key: Key, shown: list[_Shown], values: Mapping[str, Iterable[str]]
) -> str:
    table = f"bronze.{table_name(source, stream)}"
    masked = ", with personal data masked (macros/masks.sql)" if any("{{" in each.expression for each in shown) else ""
    required = [c.name for c in contract.columns if not c.nullable and c.name in {each.name for each in shown}]
    lines = [
        "version: 2",
        "",
        "models:",
        f"  - name: {source}_{stream}",
        f"    description: {_quoted(f'One row per {singular(stream)} of {source}, as last delivered{masked}.')}",
        "    config:",
        "      meta:",
        f"        key: [{key.name}]",
        "        made_of:",
        f"          - {{table: {table}, where: {{_batch_id: _batch_id, _line: _line}}}}",
        f"          - {{table: {table}, as: deletion, where: {{_batch_id: _deleted_batch_id, _line: _deleted_line}}}}",
    ]
    if required:
        lines += [
            "    data_tests:",
            "      - required:",
            "          arguments:",
            "            columns:",
            *(f"              - {name}" for name in required),
        ]
    lines += ["    columns:", f"      - name: {key.name}", f"        description: {_quoted(_meaning(key, contract))}"]
    lines += ["        data_tests: [key]"]
    for each in shown:
        lines += _column(source, stream, each, list(values.get(each.name, ())))
    lines.append("      - {name: deleted_at, description: Since when the source no longer has it; null while it does.}")
    for name in (*_LINEAGE[1:], *_DELETION):
        lines.append(f"""      - {{name: {name}, description: "{{{{ doc('{name}') }}}}"}}""")
    return "\n".join(lines) + "\n"


def _column(source: str, stream: str, shown: _Shown, values: list[str]) -> Iterator[str]:
    yield f"      - name: {shown.name}"
    yield f"        description: {_quoted(shown.meaning)}"
    if values and "{{" not in shown.expression:
        listed = ", ".join(_quoted(value.replace("'", "''")) for value in values)
        yield "        data_tests:"
        yield "          - accepted_values:"
        yield f"              name: {source}_{stream}_{shown.name}_is_known"
        yield "              arguments:"
        yield f"                values: [{listed}]"
        yield "              config: {severity: warn}"


def _meaning(key: Key, contract: Contract) -> str:
    if key.columns:
        column = next(c for c in contract.columns if c.name == key.columns[0])
        return column.property.description
    return f"The key: {', '.join(contract.primary_key)}, as one text."


def _quoted(text: str) -> str:
    return json.dumps(" ".join(text.split()), ensure_ascii=False)  # a JSON string is a YAML string
