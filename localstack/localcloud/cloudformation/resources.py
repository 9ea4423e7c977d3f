"""What a resource type is: how it is created, updated and deleted through its service's API.

A type is one class, registered by `@register`. It takes each property that it understands from
`Properties`; one that nobody took fails the resource, so that nothing of a template is dropped in silence.
"""

from __future__ import annotations

import hashlib
import string
from abc import ABC, abstractmethod
from collections.abc import Container
from dataclasses import dataclass, field
from typing import Any, ClassVar

from localcloud.cloudformation import api

__all__ = ["Context", "Properties", "Resource", "ResourceType", "api_case", "register", "resource_type", "tags_as_map"]


@dataclass(frozen=True)
class Resource:
    """What a create or an update leaves: the value of `Ref`, and those of `Fn::GetAtt`."""

    physical_id: str
    attributes: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Context:
    """The place of a resource: its stack, its logical id, and which replacement of itself it is."""

    stack_name: str
    stack_id: str
    logical_id: str
    account: str
    region: str
    generation: int = 0

    def call(self, service: str, operation: str, **arguments: Any) -> dict[str, Any]:
        """See `api.call`."""
        return api.call(service, self.region, operation, **arguments)

    def name(self, *, longest: int = 128, lower: bool = False) -> str:
        """The name of a resource whose template gives none.

        A function of stack, logical id and generation, where AWS draws a random one: a stack that is
        deployed again after a restart finds the objects of its buckets by it.
        """
        seed = f"{self.account}/{self.region}/{self.stack_name}/{self.logical_id}/{self.generation}"
        number, alphabet, suffix = int(hashlib.sha256(seed.encode()).hexdigest(), 16), "", ""
        alphabet = string.digits + string.ascii_uppercase
        for _ in range(12):
            number, digit = divmod(number, len(alphabet))
            suffix += alphabet[digit]
        head = f"{self.stack_name}-{self.logical_id}"[: longest - 13].rstrip("-")
        name = f"{head}-{suffix}"
        return name.lower() if lower else name

    def arn(self, service: str, resource: str, *, region: str | None = None) -> str:
        """`arn:aws:{service}:{region}:{account}:{resource}`; pass region="" for a global service."""
        return f"arn:aws:{service}:{self.region if region is None else region}:{self.account}:{resource}"


class Properties:
    """A resource's resolved properties, each to be taken once by the type that understands it."""

    def __init__(self, values: dict[str, Any], *, path: str) -> None:
        self._values = values
        self._path = path
        self._left = set(values)
        self._nested: list[Properties] = []

    def __contains__(self, name: str) -> bool:
        return name in self._values

    def take(self, name: str, default: Any = None) -> Any:
        """The property's value, or `default`."""
        self._left.discard(name)
        return self._values.get(name, default)

    def require(self, name: str) -> Any:
        """The property's value; raises UnsupportedProperty when the template does not give it."""
        if name not in self._values:
            raise api.UnsupportedProperty(f"{self._path}: the property {name} is required")
        return self.take(name)

    def nested(self, name: str) -> Properties:
        """The properties of an object (empty when absent): what is left of them counts too."""
        return self.wrap(self.take(name) or {}, name)

    def wrap(self, values: dict[str, Any], name: str) -> Properties:
        """The same for an object found in a list."""
        properties = Properties(values, path=f"{self._path}.{name}")
        self._nested.append(properties)
        return properties

    def rest(self) -> dict[str, Any]:
        """All that was not taken yet, for an API whose members have the same names."""
        rest = {name: self._values[name] for name in sorted(self._left)}
        self._left.clear()
        return rest

    def done(self) -> None:
        """Raise UnsupportedProperty if the type left something."""
        if self._left:
            raise api.UnsupportedProperty(
                f"{self._path}: the local cloud does not support the property {', '.join(sorted(self._left))}. "
                "Add it to the type in localcloud/cloudformation/types, or leave it out of the stack"
            )
        for properties in self._nested:
            properties.done()


class ResourceType(ABC):
    """One CloudFormation type. The methods raise; what they raise becomes the resource's status reason."""

    name: ClassVar[str]
    # Properties whose change CloudFormation answers with a new resource in the place of the old one.
    replaced_by: ClassVar[frozenset[str]] = frozenset()

    @abstractmethod
    def create(self, context: Context, properties: Properties) -> Resource:
        """Make it."""

    @abstractmethod
    def update(self, context: Context, physical_id: str, properties: Properties, old: dict[str, Any]) -> Resource:
        """Bring it to `properties`, from `old`, in place."""

    @abstractmethod
    def delete(self, context: Context, physical_id: str, properties: dict[str, Any]) -> None:
        """Remove it."""

    def needs_replacement(self, old: dict[str, Any], new: dict[str, Any]) -> bool:
        """Whether the change from `old` to `new` cannot be made in place."""
        return any(old.get(name) != new.get(name) for name in self.replaced_by)


_types: dict[str, ResourceType] = {}


def register(cls: type[ResourceType]) -> type[ResourceType]:
    """Class decorator: make the type known under its name."""
    _types[cls.name] = cls()
    return cls


def resource_type(name: str) -> ResourceType:
    """The type of that name; raises UnsupportedType."""
    try:
        return _types[name]
    except KeyError:
        raise UnsupportedType(
            f"The local cloud does not support the resource type {name}. "
            "Add it to localcloud/cloudformation/types, or leave it out of the stack"
        ) from None


class UnsupportedType(ValueError):
    """A resource type that no module registers."""


def tags_as_map(tags: Any) -> dict[str, str]:
    """Tags as an object: templates carry lists of Key and Value for most services, objects for some."""
    if isinstance(tags, dict):
        return {key: str(value) for key, value in tags.items()}
    return {tag["Key"]: str(tag["Value"]) for tag in tags or []}


def api_case(value: Any, *, maps: Container[str] = ()) -> Any:
    """The same with members named as some services' APIs name them: `image` where a template has `Image`.

    Args:
        maps: members whose own are the user's words, and stay.
    """
    if isinstance(value, dict):
        return {
            name[0].lower() + name[1:]: item if name in maps else api_case(item, maps=maps)
            for name, item in value.items()
        }
    if isinstance(value, list):
        return [api_case(item, maps=maps) for item in value]
    return value
