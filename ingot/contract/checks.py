"""What a contract has to be so that everything compiled from it means the same: checked once, when it is read.

Each check names the field by its path. What would be ignored, cut, rounded or overwritten somewhere behind the gate
is refused here: an unknown word, an option that does not fit its type, two names that one database takes for one.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ingot.contract.pattern import Pattern

if TYPE_CHECKING:
    from ingot.contract.model import Property

_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")
_MOST_COLUMNS = 1_500  # Postgres ends at 1,600, lineage columns included
_MOST_CHARACTERS = 65_535  # Redshift's longest varchar
_CLASSIFICATIONS = ("public", "internal", "confidential", "personal", "secret")
_SYSTEM_COLUMNS = {"cmax", "cmin", "ctid", "deletexid", "insertxid", "oid", "tableoid", "xmax", "xmin"}
_OPTIONS = {
    "integer": {"minimum", "maximum"},
    "number": {"minimum", "maximum"},
    "string": {"min_length", "max_length", "pattern"},
    "array": {"min_items", "max_items"},
}
_PHYSICAL = {
    "boolean": {"", "boolean", "bool"},
    "date": {"", "date"},
    "timestamp": {"", "timestamp", "timestamptz", "timestamp with time zone"},
}
_SOURCE_FORMS = {
    "epochMillis": ("timestamp", "date"),
    "epochSeconds": ("timestamp", "date"),
    "textOrNumber": ("string", "integer", "number"),
}


def _words(text: str) -> set[str]:
    return set(text.split())


# The words of ODCS 3.1. What only describes is let through; what would constrain and is not enforced is an error.
_DESCRIBES = {"id", "description", "businessName", "authoritativeDefinitions", "tags", "customProperties"}
_DOCUMENT = _DESCRIBES | _words(
    "apiVersion kind name version status tenant domain dataProduct schema servers support price team roles "
    "slaDefaultElement slaProperties contractCreatedTs"
)
_SCHEMA = _DESCRIBES | _words(
    "name physicalName physicalType logicalType dataGranularityDescription properties relationships"
)
_PROPERTY = _DESCRIBES | _words(
    "name logicalType logicalTypeOptions physicalType physicalName required primaryKey primaryKeyPosition "
    "classification properties items examples encryptedName criticalDataElement partitioned partitionKeyPosition "
    "relationships transformSourceObjects transformLogic transformDescription"
)


def unread_words(document: dict[str, Any]) -> Iterator[str]:
    """What the document says and nobody would hear, with its place. It is of the right shape already."""
    yield from _unread(document, _DOCUMENT, "the document")
    names = Counter(c.get("property") for c in document.get("customProperties") or ())
    yield from (f"customProperties says {name} twice" for name, count in names.items() if count > 1)
    for schema in document["schema"]:
        yield from _unread(schema, _SCHEMA, f"schema {schema['name']}")
        yield from _unread_properties(schema["properties"], "")
        keys = [p for p in schema["properties"] if p.get("primaryKey") and "primaryKeyPosition" in p]
        positions = [p["primaryKeyPosition"] for p in keys]
        if positions != list(range(1, len(keys) + 1)):
            yield f"primaryKeyPosition is {positions}; the key's fields stand in the order of the key, from 1"


def faults(properties: tuple[Property, ...]) -> Iterator[str]:
    """What is wrong with a contract's fields, with their paths."""
    yield from _siblings(properties, "the record")
    for path, prop, top in _walk(properties, ""):
        for fault in (*_shape(prop), *_options(prop), *_key(prop, top)):
            yield f"property {path} {fault}"
        if prop.properties:
            yield from _siblings(prop.properties, f"property {path}")
    yield from _secrets(properties)


def column_faults(names: list[str]) -> Iterator[str]:
    """What is wrong with the names of a table's columns, or of the fields of one of its structs."""
    if len(names) > _MOST_COLUMNS:
        yield f"it has {len(names)} columns; a table takes {_MOST_COLUMNS}"
    twice = sorted(name for name, count in Counter(names).items() if count > 1)
    if twice:
        yield f"two fields become the same column {twice[:5]}; give one a physicalName"
    for name in names:
        if not _NAME.fullmatch(name) or name in _SYSTEM_COLUMNS:
            yield (
                f"{name[:80]!r} cannot be a column: it has to be of small letters, digits and _, begin with a letter, "
                "have at most 63 characters and be no system column; give the field a physicalName"
            )


def is_stream_name(name: str) -> bool:
    """Whether it can be part of keys, tables and file names."""
    return _NAME.fullmatch(name) is not None


def _unread(words: dict[str, Any], known: set[str], where: str) -> Iterator[str]:
    if words.get("quality"):
        yield f"{where} has quality rules, which the gate does not enforce: say them as logicalTypeOptions"
    for word in words.keys() - known - {"quality"}:
        yield f"{where} has an unknown word {word[:64]!r}"


def _unread_properties(properties: list[dict[str, Any]], prefix: str) -> Iterator[str]:
    for prop in properties:
        path = f"{prefix}{prop['name']}"
        words = {word: value for word, value in prop.items() if word != "unique" or value is not False}
        if words.get("unique"):
            yield f"property {path} is unique, which one batch cannot see: primaryKey is what Silver holds to"
            del words["unique"]
        yield from _unread(words, _PROPERTY, f"property {path}")
        yield from _unread_properties(prop.get("properties") or [], f"{path}.")
        if prop.get("items"):
            yield from _unread_properties([prop["items"]], f"{path}[].")


def _walk(properties: tuple[Property, ...], prefix: str) -> Iterator[tuple[str, Property, bool]]:
    for prop in properties:
        path = f"{prefix}{prop.name[:64]}"
        yield path, prop, not prefix
        yield from _walk(prop.properties, f"{path}.")
        if prop.items is not None:
            yield f"{path}[]", prop.items, False
            yield from _walk(prop.items.properties, f"{path}[].")


def _siblings(properties: tuple[Property, ...], where: str) -> Iterator[str]:
    names = Counter(prop.name.casefold() for prop in properties)
    twice = sorted(name for name, count in names.items() if count > 1)
    if twice:
        yield f"{where} has two fields {twice[:5]}; databases do not tell capitals apart"
    for prop in properties:
        name = prop.name
        if not name or len(name) > 255 or not name.isprintable() or any(c in name for c in '"\\'):
            yield f"{where} has a field {name[:64]!r}; a name has 1 to 255 printable characters, no quote, no backslash"


def _shape(prop: Property) -> Iterator[str]:
    kind, physical = prop.logical_type, prop.physical_type.lower()
    if kind == "object" and not prop.properties:
        yield "is an object without properties"
    if kind == "array" and prop.items is None:
        yield "is an array without items"
    if kind != "object" and prop.properties:
        yield f"has properties, and is no object but {kind}"
    if kind != "array" and prop.items is not None:
        yield f"has items, and is no array but {kind}"
    form = prop.source_form
    if form and kind not in _SOURCE_FORMS.get(form, ()):
        yield f"has the sourceForm {form[:64]!r}, which there is not for a {kind}; there are {', '.join(_SOURCE_FORMS)}"
    if prop.items is not None:
        if prop.items.source_form == "textOrNumber":
            yield "has items that are text or numbers, which is not supported; use an array of objects"
        if prop.items.logical_type in ("number", "array"):
            yield "is an array of numbers or of arrays, which is not supported; use an array of objects"
        if prop.items.classification == "secret":
            yield "has items that are secret; classify the array, which is cut out whole"
    if prop.classification not in _CLASSIFICATIONS:
        yield f"is classified as {prop.classification[:64]!r}; there are {', '.join(_CLASSIFICATIONS)}"
    if physical not in _PHYSICAL.get(kind, {physical}):
        yield f"is a {kind}; its physicalType is not {prop.physical_type[:64]!r}"


def _options(prop: Property) -> Iterator[str]:
    from ingot.contract.model import decimal_shape, integer_bits, max_length

    options, kind = prop.logical_type_options, prop.logical_type
    given = {name for name in options.__struct_fields__ if getattr(options, name) is not None}
    for name in sorted(given - _OPTIONS.get(kind, set())):
        yield f"has {name.replace('_l', 'L').replace('_i', 'I')}, which says nothing of a {kind}"
    low, high = options.minimum, options.maximum
    if kind == "integer":
        if any(isinstance(bound, float) and not bound.is_integer() for bound in (low, high)):
            yield "is an integer; its minimum and maximum are too"
        limit = 2 ** (integer_bits(prop) - 1)
        low, high = max(-limit, -limit if low is None else low), min(limit - 1, limit - 1 if high is None else high)
    if low is not None and high is not None and low > high:
        yield f"has a minimum of {low} and a maximum of {high}: nothing fits"
    longest = max_length(prop) if kind == "string" else None
    for least, most, name in (
        (options.min_length, longest, "Length"),
        (options.min_items, options.max_items, "Items"),
    ):
        if any(bound is not None and not 0 <= bound < 2**31 for bound in (least, most)):
            yield f"has a min{name} or max{name} below 0 or too large"
        elif least is not None and most is not None and least > most:
            yield f"has a min{name} of {least} and room for {most}: nothing fits"
    if longest is not None and not 1 <= longest <= _MOST_CHARACTERS:
        yield f"has room for {longest} characters; a column has room for 1 to {_MOST_CHARACTERS}"
    if (
        kind == "number"
        and decimal_shape(prop) is None
        and any(isinstance(b, int) and abs(b) > 2**53 for b in (low, high))
    ):
        yield "is a double; its minimum and maximum are no larger than 2^53"
    if options.pattern is not None:
        try:
            Pattern(options.pattern)
        except ValueError as error:
            yield f"has a pattern that RE2 does not know: {error}"


def _key(prop: Property, top: bool) -> Iterator[str]:
    if not prop.primary_key:
        return
    if not top:
        yield "is inside another; primaryKey is for the record's own fields"
    if not prop.required:
        yield "is part of the key, and so required"
    if prop.classification == "secret":
        yield "is secret, and cannot be a key: nothing of it is kept"
    if prop.logical_type in ("object", "array") or prop.physical_type.lower() in (
        "double",
        "double precision",
        "float8",
    ):
        yield "cannot be a key: an object, an array and a double have no one spelling"


def _secrets(properties: tuple[Property, ...]) -> Iterator[str]:
    from ingot.gate.redact import plain  # the gate knows contracts; this is what they have to agree on

    secret: dict[str, str] = {}
    public: dict[str, str] = {}

    def sort(properties: tuple[Property, ...], prefix: str) -> None:
        for prop in properties:
            path = f"{prefix}{prop.name}"
            (secret if prop.classification == "secret" else public)[plain(prop.name)] = path
            if prop.classification != "secret":
                sort(prop.properties, f"{path}.")
                sort(prop.items.properties if prop.items else (), f"{path}[].")

    sort(properties, "")
    for name, path in secret.items():
        if not name:
            yield f"property {path} is secret, and has no letter to know it by"
        elif name in public:
            yield f"property {public[name]} would be cut out: the secret {path} has the same name, wherever it stands"
