"""From the contracts of a source to dbt: its source tables, staging models and their tests.

Staging is where a contract ends and models begin: one view a stream that names every column, and nothing else. While
nothing of a stream was loaded there is no table, and its view is empty (``dbt/macros/bronze.sql``).
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from ingot.contract.model import Column, Contract, decimal_shape, integer_bits, max_length
from ingot.naming import table_name

_INTEGERS = {16: "smallint", 32: "integer", 64: "bigint"}
_PLAIN = {"boolean": "boolean", "date": "date", "timestamp": "timestamptz"}
_LINEAGE = (
    ("_batch_id", "varchar(256)", "The batch that delivered the record: source, stream and interval."),
    ("_line", "bigint", "Place of the record in its batch, from 0."),
    ("_ingested_at", "timestamptz", "The time that the run stands for."),
    ("_record_hash", "char(64)", "SHA-256 of the record's bytes in Bronze, in hexadecimal."),
    ("_deleted", "boolean", "True for a tombstone: the source no longer has this key, and all but it is null."),
    ("_load_id", "bigint", "Number of the load into this table, without gaps."),
)


def staging_files(source: str, contracts: Mapping[str, Contract]) -> dict[str, str]:
    """The files of ``models/staging/{source}/``, by name, for the contracts of its streams."""
    streams = dict(sorted(contracts.items()))
    files = {
        f"_{source}__models.yml": _models(source, streams),
        f"_{source}__sources.yml": _sources(source, streams),
    }
    for stream, contract in streams.items():
        files[f"stg_{source}__{stream}.sql"] = _model(source, stream, contract)
    return files


def _model(source: str, stream: str, contract: Contract) -> str:
    columns = [c.name for c in contract.columns] + [name for name, _, _ in _LINEAGE]
    listed = ",\n".join(f"    {name}" for name in columns)
    return (
        f'-- Generated from sources/{source}/{stream}.odcs.yaml by "ingot contract compile"; do not edit.\n'
        f"select\n{listed}\nfrom {{{{ bronze('{source}', '{stream}') }}}}\n"
    )


def _models(source: str, streams: Mapping[str, Contract]) -> str:
    lines = [_header(source), "version: 2", "", "models:"]
    for stream, contract in streams.items():
        described = contract.description.rstrip(".")
        key = _key(contract)
        always = [*key, *(name for name, _, _ in _LINEAGE)]
        living = [c.name for c in contract.columns if not c.nullable and c.name not in key]
        lines += [
            f"  - name: stg_{source}__{stream}",
            f"    description: {_quoted(f'{described} and delivery, as it stands in Bronze.')}",
            "    data_tests:",
            "      - required:",
            "          arguments:",
            "            columns:",
            *(f"              - {name}" for name in always),
        ]
        if living:
            lines += ["            unless_deleted:", *(f"              - {name}" for name in living)]
    return "\n".join(lines) + "\n"


def _sources(source: str, streams: Mapping[str, Contract]) -> str:
    about = f"Bronze tables of the source {source}: every record that its contracts accepted, with its history."
    lines = [
        _header(source),
        "version: 2",
        "",
        "sources:",
        f"  - name: {source}",
        f"    description: {_quoted(about)}",
        "    schema: bronze",
        "    tables:",
    ]
    for stream, contract in streams.items():
        lines += [
            f"      - name: {stream}",
            f"        identifier: {table_name(source, stream)}",
            f"        description: {_quoted(contract.description)}",
            "        config:",
            f"          meta: {{key: [{', '.join(_key(contract))}]}}",
            "        columns:",
        ]
        for column in contract.columns:
            lines += _column(column)
        for name, kind, meaning in _LINEAGE:
            lines += [
                f"          - name: {name}",
                f"            data_type: {kind}",
                f"            description: {_quoted(meaning)}",
            ]
    return "\n".join(lines) + "\n"


def _key(contract: Contract) -> list[str]:
    return [c.name for c in contract.columns if c.path[0] in contract.primary_key]


def _column(column: Column) -> list[str]:
    kind = _type(column)
    return [
        f"          - name: {column.name}",
        *([f"            data_type: {kind}"] if kind else []),
        f"            description: {_quoted(column.property.description)}",
        "            config:",
        f"              meta: {{classification: {column.property.classification}}}",
    ]


def _type(column: Column) -> str | None:
    # An array is jsonb on Postgres and super on Redshift: the one type that differs is left out.
    prop = column.property
    match prop.logical_type:
        case "array":
            return None
        case "integer":
            return _INTEGERS[integer_bits(prop)]
        case "string":
            return f"varchar({max_length(prop)})"
        case "number":
            shape = decimal_shape(prop)
            return f"decimal({shape[0]},{shape[1]})" if shape else "double precision"
        case other:
            return _PLAIN[other]


def _header(source: str) -> str:
    return f'# Generated from sources/{source}/*.odcs.yaml by "ingot contract compile"; do not edit.'


def _quoted(text: str) -> str:
    return json.dumps(" ".join(text.split()), ensure_ascii=False)  # a JSON string is a YAML string
