"""Calls to the AWS APIs from resolved template values, checked and typed by botocore's own service model.

CloudFormation carries numbers and booleans as strings, and lets a misspelt property through until the
service sees it. Here a value becomes what the operation wants, and a member that it has not is an error.
"""

from __future__ import annotations

from typing import Any

from botocore import xform_name
from botocore.model import Shape

from localcloud.clients import client

__all__ = ["UnsupportedProperty", "call", "coerce"]


class UnsupportedProperty(ValueError):
    """A property that the service's API does not take, or that the local cloud would have to drop."""


def call(service: str, region: str, operation: str, **arguments: Any) -> dict[str, Any]:
    """Call `operation` (its API name, `CreateTable`) with `arguments`; those that are None are left out.

    Raises UnsupportedProperty for a member that the operation lacks, botocore's ClientError and
    ParamValidationError for what the service or its model refuses.
    """
    api = client(service, region)
    shape = api.meta.service_model.operation_model(operation).input_shape
    given = {name: value for name, value in arguments.items() if value is not None}
    typed = coerce(shape, given, path=operation)
    result: dict[str, Any] = getattr(api, xform_name(operation))(**typed)
    return result


def coerce(shape: Shape, value: Any, *, path: str) -> Any:
    """`value` with the types of `shape`; raises UnsupportedProperty with the path of what does not fit."""
    kind = shape.type_name
    if kind == "structure":
        if not isinstance(value, dict):
            raise UnsupportedProperty(f"{path} must be an object, not {value!r}")
        if getattr(shape, "is_document_type", False):
            return value
        return {name: coerce(_member(shape, name, path), item, path=f"{path}.{name}") for name, item in value.items()}
    if kind == "list":
        items = value if isinstance(value, list) else [value]
        return [coerce(shape.member, item, path=f"{path}[{number}]") for number, item in enumerate(items)]
    if kind == "map":
        if not isinstance(value, dict):
            raise UnsupportedProperty(f"{path} must be an object, not {value!r}")
        return {str(key): coerce(shape.value, item, path=f"{path}.{key}") for key, item in value.items()}
    try:
        return _SCALARS.get(kind, lambda scalar: scalar)(value)
    except (TypeError, ValueError) as error:
        raise UnsupportedProperty(f"{path} must be a {kind}, not {value!r}") from error


def _member(shape: Shape, name: str, path: str) -> Shape:
    try:
        return shape.members[name]
    except KeyError:
        raise UnsupportedProperty(f"{path} has no member {name}") from None


def _string(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict | list):
        raise TypeError
    return str(value)


def _boolean(value: Any) -> bool:
    try:
        return {"true": True, "false": False}[str(value).lower()]
    except KeyError:
        raise ValueError from None


_SCALARS: dict[str, Any] = {
    "string": _string,
    "character": _string,
    "boolean": _boolean,
    "integer": int,
    "long": int,
    "float": float,
    "double": float,
}
