"""What templates ask for against what is in an account, both ways.

Nothing here asks CloudFormation. `account.py` lists an account by its services' own calls, each thing in the words of
its resource type; here every resource of the templates is matched with one of these things: by its name, or where the
template gives none, by the properties that tell it from others. What a resource refers to is matched first, so that a
reference has the value that the account gave. Then all properties are compared; and what nobody matched is too much.
"""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

UNKNOWN = "\0"
"""In the place of a reference to what is not there: it equals anything, as its absence is told by itself."""


@dataclass(frozen=True)
class Thing:
    """Something in an account: its identity as `Ref` gives it, its properties as a template has them.

    `attributes` are what `Fn::GetAtt` gives.
    """

    id: str
    properties: Mapping[str, Any]
    attributes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Kind:
    """How a resource type is found in an account and recognised.

    Attributes:
        found: everything of the type, but for what AWS itself puts into every account.
        identity: the properties (`TableInput.Name` is one in another) by which a thing is the one that a template
            means. Where a template has none of them, the thing's name begins with the stack's and the resource's, as
            those do that CloudFormation makes up.
        unseen: properties that no call tells, with the reason.
        parts: of an account, a resource's properties and its id: what the resource holds and is listed by itself, as
            (type, properties) of each.
        expect: of an account and a template's properties: these in the words that the account has for them.
    """

    found: Callable[[Any], Iterable[Thing]]
    identity: tuple[str, ...] = ()
    unseen: Mapping[str, str] = field(default_factory=dict)
    parts: Callable[[Any, Mapping[str, Any], str], Iterable[tuple[str, dict[str, Any]]]] = lambda *_: ()
    expect: Callable[[Any, dict[str, Any]], dict[str, Any]] = lambda _, properties: properties


@dataclass(frozen=True)
class Wanted:
    """A resource of a template; one that is part of another has that one's name and a suffix."""

    stack: str
    name: str
    type: str
    properties: Mapping[str, Any]
    definition: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.stack}/{self.name} ({self.type})"


class Assembly:
    """What the CDK synthesised: stacks in the order in which they are deployed, their templates and assets."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @cached_property
    def stacks(self) -> list[str]:
        return list(dict.fromkeys(stack for name in self._dependencies for stack in self.needed_by(name)))

    def needed_by(self, stack: str) -> list[str]:
        """The stacks to deploy for one of them, in that order."""
        before = [each for other in sorted(self._dependencies[stack]) for each in self.needed_by(other)]
        return list(dict.fromkeys([*before, stack]))

    @cached_property
    def _dependencies(self) -> dict[str, set[str]]:
        artifacts = json.loads((self.folder / "manifest.json").read_text(encoding="utf-8"))["artifacts"]
        stacks = [name for name, artifact in artifacts.items() if artifact["type"] == "aws:cloudformation:stack"]
        return {name: set(stacks).intersection(artifacts[name].get("dependencies", ())) for name in stacks}

    @cached_property
    def templates(self) -> dict[str, dict[str, Any]]:
        return {
            name: json.loads((self.folder / f"{name}.template.json").read_text(encoding="utf-8"))
            for name in self.stacks
        }

    def assets(self, stack: str) -> Iterator[tuple[Path, Mapping[str, Any]]]:
        """The file or folder of each asset, and where it goes."""
        manifest = json.loads((self.folder / f"{stack}.assets.json").read_text(encoding="utf-8"))
        for asset in manifest["files"].values():
            for place in asset["destinations"].values():
                yield self.folder / asset["source"]["path"], place

    def files(self, key: str) -> Iterator[tuple[str, bytes]]:
        """Name and content of each file in the archive that is uploaded under a key."""
        stacks = ((path, place) for stack in self.stacks for path, place in self.assets(stack))
        asset = next(path for path, place in stacks if place["objectKey"] == key)
        if asset.is_dir():
            yield from ((f.relative_to(asset).as_posix(), f.read_bytes()) for f in asset.rglob("*") if f.is_file())
        else:
            with zipfile.ZipFile(asset) as archive:
                yield from ((name, archive.read(name)) for name in archive.namelist() if not name.endswith("/"))

    def resources(self, keep: Callable[[Mapping[str, Any]], bool] = lambda resource: True) -> Iterator[Wanted]:
        for stack, template in self.templates.items():
            for name, resource in template["Resources"].items():
                if keep(resource):
                    yield Wanted(stack, name, resource["Type"], resource.get("Properties", {}), resource)


@dataclass
class Comparison:
    """What came out.

    Attributes:
        untold: the types that no row of the table describes.
        missing: resources that are not there.
        different: a resource, with each property that is not as its template has it.
        extra: what no template names.
        compared: how many resources were compared, by type.
        properties: how many of their properties.
    """

    untold: set[str] = field(default_factory=set)
    missing: set[str] = field(default_factory=set)
    different: dict[str, list[str]] = field(default_factory=dict)
    extra: set[str] = field(default_factory=set)
    compared: dict[str, int] = field(default_factory=dict)
    properties: int = 0


Inventory = Mapping[str, list[Thing]]
"""Resource type → all there is of it."""


def inventory(kinds: Mapping[str, Kind], account: Any) -> Inventory:
    """Everything that is in an account, of the types in a table."""
    return {name: list(kind.found(account)) for name, kind in kinds.items()}


def compare(
    kinds: Mapping[str, Kind], account: Any, there: Inventory, assembly: Assembly, wanted: Iterable[Wanted]
) -> Comparison:
    """All differences between resources and an account.

    Args:
        kinds: resource type → how it is found.
        account: what `Kind.found` takes.
        there: what was found in it.
        assembly: for the values that its stacks give each other.
        wanted: the resources, most often all of the assembly's.
    """
    return _Matching(kinds, account, there, assembly, list(wanted)).result


class _Matching:
    def __init__(
        self, kinds: Mapping[str, Kind], account: Any, there: Inventory, assembly: Assembly, wanted: list[Wanted]
    ) -> None:
        self._kinds, self._account, self._assembly = kinds, account, assembly
        self._wanted = {(each.stack, each.name): each for each in wanted}
        self._things = {kind: list(things) for kind, things in there.items()}
        self._matched: dict[tuple[str, str], Thing | None] = {}
        self.result = Comparison()
        for each in wanted:
            self._match(each)
        for kind, things in self._things.items():
            self.result.extra.update(f"{kind} {thing.id}" for thing in things)

    def _match(self, wanted: Wanted) -> Thing | None:
        at = (wanted.stack, wanted.name)
        if at not in self._matched:
            self._matched[at] = None  # until it is found: templates have no circles
            self._matched[at] = self._find(wanted)
        return self._matched[at]

    def _find(self, wanted: Wanted) -> Thing | None:
        if wanted.type not in self._kinds:
            self.result.untold.add(wanted.type)
            return None
        kind = self._kinds[wanted.type]
        given = {name: self._resolved(value, wanted.stack) for name, value in wanted.properties.items()}
        given = {name: value for name, value in given.items() if value is not None}
        self.result.compared[wanted.type] = self.result.compared.get(wanted.type, 0) + 1
        expected = kind.expect(self._account, dict(given))
        things = self._things[wanted.type]
        candidates = [thing for thing in things if self._is_meant(kind, wanted, expected, thing)]
        thing, found = None, []
        if candidates:
            told = [(self._differences(kind, wanted, expected, each), each) for each in candidates]
            found, thing = min(told, key=lambda pair: len(pair[0]))
            things.remove(thing)
            self.result.properties += len(expected.keys() - kind.unseen.keys())
        elif kind.found is not nothing:
            self.result.missing.add(str(wanted))
        if found:
            self.result.different[str(wanted)] = found
        for number, (part, properties) in enumerate(kind.parts(self._account, given, thing.id if thing else UNKNOWN)):
            self._find(Wanted(wanted.stack, f"{wanted.name}[{number}]", part, properties))
        return thing

    @staticmethod
    def _is_meant(kind: Kind, wanted: Wanted, expected: Mapping[str, Any], thing: Thing) -> bool:
        named = [(name, value) for name in kind.identity if (value := _at(expected, name)) is not None]
        if named:
            return not any(differences(value, _at(thing.properties, name), name) for name, value in named)
        head = f"{wanted.stack}-{wanted.name}".lower()
        return any(_made_up_from(head, own) for own in re.split("[:/]", thing.id.lower()))

    def _differences(self, kind: Kind, wanted: Wanted, expected: Mapping[str, Any], thing: Thing) -> list[str]:
        return [
            line
            for name, value in expected.items()
            if name not in kind.unseen
            for line in differences(value, thing.properties.get(name), name)
        ]

    # -- references ----------------------------------------------------------------------------------

    def _resolved(self, value: Any, stack: str) -> Any:
        match value:
            case {"Ref": "AWS::NoValue"}:
                return None
            case {"Ref": name}:
                return self._reference(name, stack)
            case {"Fn::GetAtt": [name, attribute]}:
                return self._attribute(name, attribute, stack)
            case {"Fn::GetAtt": str(path)}:
                return self._attribute(*path.split(".", 1), stack)
            case {"Fn::Join": [separator, parts]}:
                return str(separator).join(str(self._resolved(part, stack)) for part in parts)
            case {"Fn::Sub": str(text)}:
                return self._substituted(text, {}, stack)
            case {"Fn::Sub": [text, values]}:
                return self._substituted(text, values, stack)
            case {"Fn::Select": [index, values]}:
                chosen = self._resolved(values, stack)
                return UNKNOWN if chosen == UNKNOWN else chosen[int(index)]
            case {"Fn::Split": [separator, text]}:
                whole = self._resolved(text, stack)
                return UNKNOWN if UNKNOWN in whole else whole.split(separator)
            case {"Fn::ImportValue": name}:
                return self._imported(name)
            case dict() if any(key.startswith("Fn::") for key in value):
                # An intrinsic that no template of ours uses: better an error than a comparison of less.
                raise AssertionError(f"the comparison does not resolve {sorted(value)}: add it here")
            case dict():
                resolved = {key: self._resolved(inner, stack) for key, inner in value.items()}
                return {key: inner for key, inner in resolved.items() if inner is not None}
            case list():
                return [self._resolved(inner, stack) for inner in value]
            case _:
                return value

    def _reference(self, name: str, stack: str) -> str:
        pseudo = {
            "AWS::AccountId": self._account.id,
            "AWS::Region": self._account.region,
            "AWS::Partition": "aws",
            "AWS::URLSuffix": "amazonaws.com",
            "AWS::StackName": stack,
        }
        if name in pseudo:
            return str(pseudo[name])
        thing = self._referred(name, stack)
        return thing.id if thing else UNKNOWN

    def _attribute(self, name: str, attribute: str, stack: str) -> Any:
        thing = self._referred(name, stack)
        return thing.attributes.get(attribute, thing.properties.get(attribute, UNKNOWN)) if thing else UNKNOWN

    def _referred(self, name: str, stack: str) -> Thing | None:
        wanted = self._wanted.get((stack, name))
        return self._match(wanted) if wanted else None

    def _substituted(self, text: str, values: Mapping[str, Any], stack: str) -> str:
        def value(found: re.Match[str]) -> str:
            name = found[1]
            if name.startswith("!"):
                return f"${{{name[1:]}}}"
            if name in values:
                return str(self._resolved(values[name], stack))
            if "." in name:
                return str(self._attribute(*name.split(".", 1), stack))
            return self._reference(name, stack)

        return re.sub(r"\$\{([^}]+)\}", value, text)

    def _imported(self, name: str) -> Any:
        for stack, template in self._assembly.templates.items():
            for output in template.get("Outputs", {}).values():
                if output.get("Export", {}).get("Name") == name:
                    return self._resolved(output["Value"], stack)
        raise AssertionError(f"no stack exports {name}")


def nothing(account: Any) -> Iterable[Thing]:
    """For a type of which an account has nothing but its parts."""
    return ()


def _at(properties: Mapping[str, Any], path: str) -> Any:
    name, _, rest = path.partition(".")
    value = properties.get(name)
    return _at(value, rest) if rest and value is not None else value


def _made_up_from(head: str, name: str) -> bool:
    """Whether a name is that of stack and resource, or as much of it as fits, and a suffix."""
    return len(name) > 20 and head.startswith(name.rpartition("-")[0]) and name.startswith(head[: len(name) // 2])


IN_ORDER = {"Columns", "PartitionKeys"}
"""Lists whose order means something."""


def differences(expected: Any, actual: Any, path: str) -> list[str]:
    """Where a value of an account is not what a template asks for; what AWS adds by itself is no difference."""
    if isinstance(expected, str) and isinstance(actual, dict | list):
        expected = json.loads(expected) if UNKNOWN not in expected else expected
    if isinstance(actual, str) and isinstance(expected, dict | list):
        actual = json.loads(actual)
    if isinstance(expected, dict) and "Statement" in expected:
        expected, actual = _policy(expected), _policy(actual or {})
        more, less = (sorted(set(one) - set(other)) for one, other in ((actual, expected), (expected, actual)))
        less = [statement for statement in less if not any(_same_text(statement, other) for other in more)]
        return [f"{path}: {less} is not there, but {more}"] if less or len(actual) != len(expected) else []
    if isinstance(expected, dict):
        if not isinstance(actual, dict):
            return [f"{path}: {expected!r} is asked for, {actual!r} is there"]
        return [
            line for key, value in expected.items() for line in differences(value, actual.get(key), f"{path}.{key}")
        ]
    if isinstance(expected, list):
        return _of_lists(expected, actual, path)
    same = _same_text(_text(expected), _text(actual))
    return [] if same else [f"{path}: {expected!r} is asked for, {actual!r} is there"]


def _of_lists(expected: list[Any], actual: Any, path: str) -> list[str]:
    if not expected and not actual:
        return []
    if not isinstance(actual, list) or len(actual) != len(expected):
        return [f"{path}: {expected!r} is asked for, {actual!r} is there"]
    if path.rpartition(".")[2] in IN_ORDER:
        pairs = enumerate(zip(expected, actual, strict=True))
        return [line for at, (one, other) in pairs for line in differences(one, other, f"{path}[{at}]")]
    left = list(actual)
    lines = []
    for one in expected:
        found = next((other for other in left if not differences(one, other, path)), None)
        if found is None:
            lines.append(f"{path}: {one!r} is asked for, {left!r} is there")
        else:
            left.remove(found)
    return lines


def _policy(document: Mapping[str, Any] | str) -> list[str]:
    """The statements of a policy, each as one text: the order and the number of brackets mean nothing."""
    document = json.loads(document) if isinstance(document, str) else document
    statements = document.get("Statement", [])
    return sorted(json.dumps(_plain(each), sort_keys=True) for each in _as_list(statements))


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, list):
        plain = sorted((_plain(inner) for inner in value), key=str)
        return plain[0] if len(plain) == 1 else plain
    return _text(value)


def _text(value: Any) -> Any:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return value if value is None else str(value)


def _same_text(expected: Any, actual: Any) -> bool:
    if expected is None or actual is None:
        return expected is actual
    if UNKNOWN not in expected and "\\u0000" not in expected:
        return bool(expected == actual)
    pattern = ".*".join(re.escape(part) for part in re.split(r"\0|\\u0000", expected))
    return re.fullmatch(pattern, actual, re.DOTALL) is not None


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
