"""Templates: parameters, conditions and intrinsic functions, and the order that references impose.

What is not known here is an error, never passed on as it stands: a resource with a half-resolved
property would be created wrongly. `Rules` are not evaluated; the clients check what they assert.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter
from typing import Any

import yaml
from moto.cloudformation.exceptions import ValidationError
from moto.cloudformation.utils import yaml_tag_constructor

from localcloud.clients import client

NO_VALUE = object()
_SUB_VARIABLE = re.compile(r"\$\{(!?)([^}]+)\}")
_DYNAMIC_REFERENCE = re.compile(r"\{\{resolve:([a-z-]+):(.+?)\}\}")


def parse_template(body: str) -> dict[str, Any]:
    """A template's document; JSON is tried first, because PyYAML takes seconds for what json reads at once."""
    try:
        document = json.loads(body)
    except ValueError:
        yaml.add_multi_constructor("", yaml_tag_constructor, Loader=yaml.SafeLoader)
        try:
            document = yaml.safe_load(body)
        except yaml.YAMLError as error:
            raise ValidationError(message=f"Template format error: {error}") from error
    if not isinstance(document, dict) or not document.get("Resources"):
        raise ValidationError(message="Template format error: At least one Resources member must be defined.")
    return document


@dataclass
class Scope:
    """What a template's expressions may refer to.

    `resources` maps a logical id to (physical id, attributes) and grows while a stack is deployed.
    """

    stack_name: str
    stack_id: str
    account: str
    region: str
    template: dict[str, Any]
    parameters: dict[str, Any]
    exports: dict[str, str]
    resources: dict[str, tuple[str, dict[str, Any]]] = field(default_factory=dict)
    imports: set[str] = field(default_factory=set)

    def pseudo_parameters(self) -> dict[str, Any]:
        return {
            "AWS::AccountId": self.account,
            "AWS::Region": self.region,
            "AWS::StackId": self.stack_id,
            "AWS::StackName": self.stack_name,
            "AWS::URLSuffix": "amazonaws.com",
            "AWS::Partition": "aws",
            "AWS::NotificationARNs": [],
            "AWS::NoValue": NO_VALUE,
        }

    def condition(self, name: str) -> bool:
        """The value of a named condition."""
        try:
            expression = self.template["Conditions"][name]
        except KeyError:
            raise ValidationError(message=f"Template error: unresolved condition dependency {name}") from None
        return bool(self.resolve(expression))

    def resolve(self, expression: Any) -> Any:
        """The value of an expression, without what resolves to `AWS::NoValue`."""
        if isinstance(expression, dict):
            if len(expression) == 1:
                (name, argument), *_ = expression.items()
                if name in _FUNCTIONS:
                    return _FUNCTIONS[name](self, argument)
                # `Condition` is a reference inside conditions and a policy statement's key elsewhere.
                if name == "Condition" and isinstance(argument, str):
                    return self.condition(argument)
                if name.startswith("Fn::"):
                    raise ValidationError(message=f"Template error: the local cloud does not evaluate {name}")
            resolved = ((key, self.resolve(value)) for key, value in expression.items())
            return {key: value for key, value in resolved if value is not NO_VALUE}
        if isinstance(expression, list):
            return [value for item in expression if (value := self.resolve(item)) is not NO_VALUE]
        if isinstance(expression, str) and "{{resolve:" in expression:
            return _DYNAMIC_REFERENCE.sub(lambda match: self._dynamic(*match.groups()), expression)
        return expression

    def _dynamic(self, service: str, reference: str) -> str:
        if service in ("ssm", "ssm-secure"):
            name = reference.split(":")[0]
            return str(client("ssm", self.region).get_parameter(Name=name, WithDecryption=True)["Parameter"]["Value"])
        if service == "secretsmanager":
            secret, _, rest = reference.partition(":SecretString")
            value = str(client("secretsmanager", self.region).get_secret_value(SecretId=secret)["SecretString"])
            json_key = rest.lstrip(":").split(":")[0]
            return str(json.loads(value)[json_key]) if json_key else value
        raise ValidationError(message=f"Template error: unknown dynamic reference {service}:{reference}")


def _ref(scope: Scope, name: str) -> Any:
    pseudo = scope.pseudo_parameters()
    if name in pseudo:
        return pseudo[name]
    if name in scope.parameters:
        return scope.parameters[name]
    if name in scope.resources:
        return scope.resources[name][0]
    raise ValidationError(message=f"Template format error: Unresolved resource dependencies [{name}] in the template")


def _get_att(scope: Scope, argument: Any) -> Any:
    name, attribute = argument.split(".", 1) if isinstance(argument, str) else argument
    attribute = scope.resolve(attribute)
    if name not in scope.resources:
        raise ValidationError(message=f"Template error: instance of Fn::GetAtt references undefined resource {name}")
    attributes = scope.resources[name][1]
    if attribute not in attributes:
        type_ = scope.template["Resources"][name]["Type"]
        raise ValidationError(
            message=f"Template error: the local cloud gives resource {name} ({type_}) no attribute {attribute}; "
            f"it has: {', '.join(sorted(attributes)) or 'none'}"
        )
    return attributes[attribute]


def _sub(scope: Scope, argument: Any) -> str:
    text, variables = argument if isinstance(argument, list) else (argument, {})

    def value(match: re.Match[str]) -> str:
        literal, name = match.groups()
        if literal:
            return "${" + name + "}"
        if name in variables:
            return str(scope.resolve(variables[name]))
        return str(_get_att(scope, name) if "." in name else _ref(scope, name))

    return _SUB_VARIABLE.sub(value, text)


def _if(scope: Scope, argument: list[Any]) -> Any:
    condition, yes, no = argument
    return scope.resolve(yes if scope.condition(condition) else no)


def _find_in_map(scope: Scope, argument: list[Any]) -> Any:
    name, first, second = (scope.resolve(part) for part in argument[:3])
    try:
        return scope.template["Mappings"][name][first][second]
    except KeyError:
        raise ValidationError(message=f"Template error: no mapping for {name}.{first}.{second}") from None


def _import_value(scope: Scope, argument: Any) -> str:
    name = scope.resolve(argument)
    if name not in scope.exports:
        raise ValidationError(message=f"No export named {name} found.")
    scope.imports.add(name)
    return scope.exports[name]


def _join(scope: Scope, argument: list[Any]) -> str:
    return str(argument[0]).join(str(item) for item in scope.resolve(argument[1]))


def _equals(scope: Scope, argument: list[Any]) -> bool:
    left, right = scope.resolve(argument)
    return str(left) == str(right) if not isinstance(left, list | dict) else bool(left == right)


def _split(scope: Scope, argument: list[Any]) -> list[str]:
    return str(scope.resolve(argument[1])).split(argument[0])


def _select(scope: Scope, argument: list[Any]) -> Any:
    return scope.resolve(argument[1])[int(scope.resolve(argument[0]))]


def _azs(scope: Scope, argument: Any) -> list[str]:
    region = scope.resolve(argument) or scope.region
    return [f"{region}{zone}" for zone in "abc"]


_FUNCTIONS: dict[str, Callable[[Scope, Any], Any]] = {
    "Ref": _ref,
    "Fn::GetAtt": _get_att,
    "Fn::Sub": _sub,
    "Fn::If": _if,
    "Fn::FindInMap": _find_in_map,
    "Fn::ImportValue": _import_value,
    "Fn::Join": _join,
    "Fn::Split": _split,
    "Fn::Select": _select,
    "Fn::GetAZs": _azs,
    "Fn::Equals": _equals,
    "Fn::Not": lambda scope, argument: not scope.resolve(argument[0]),
    "Fn::And": lambda scope, argument: all(scope.resolve(item) for item in argument),
    "Fn::Or": lambda scope, argument: any(scope.resolve(item) for item in argument),
    "Fn::Base64": lambda scope, argument: base64.b64encode(str(scope.resolve(argument)).encode()).decode(),
    "Fn::ToJsonString": lambda scope, argument: json.dumps(scope.resolve(argument)),
    "Fn::Length": lambda scope, argument: len(scope.resolve(argument)),
}


def resolve_parameters(template: dict[str, Any], given: dict[str, Any], region: str) -> dict[str, Any]:
    """The values of a template's parameters: given or default, typed, and read from SSM where they say so."""
    declared = template.get("Parameters") or {}
    if unknown := sorted(set(given) - set(declared)):
        raise ValidationError(message=f"Parameters: [{', '.join(unknown)}] do not exist in the template")
    values = {}
    for name, declaration in declared.items():
        value = given.get(name, declaration.get("Default"))
        if value is None:
            raise ValidationError(message=f"Parameters: [{name}] must have values")
        allowed = declaration.get("AllowedValues")
        if allowed and str(value) not in map(str, allowed):
            raise ValidationError(message=f"Parameter {name} must be one of AllowedValues, not {value!r}")
        type_ = declaration.get("Type", "String")
        if type_.startswith("AWS::SSM::Parameter::Value"):
            value = _from_ssm(name, value, region)
        if type_ == "Number":
            value = float(value) if "." in str(value) else int(value)
        elif "List" in type_ and isinstance(value, str):
            value = [item.strip() for item in value.split(",")]
        values[name] = value
    return values


def _from_ssm(name: str, path: str, region: str) -> str:
    ssm = client("ssm", region)
    try:
        return str(ssm.get_parameter(Name=path)["Parameter"]["Value"])
    except ssm.exceptions.ParameterNotFound:
        raise ValidationError(
            message=f"Unable to fetch parameters [{path}] from parameter store for this account (parameter {name})"
        ) from None


def creation_order(template: dict[str, Any]) -> list[str]:
    """The logical ids, each after those that it refers to or depends on."""
    resources = template["Resources"]
    sorter: TopologicalSorter[str] = TopologicalSorter()
    for name, definition in resources.items():
        depends = definition.get("DependsOn") or []
        depends = [depends] if isinstance(depends, str) else depends
        sorter.add(name, *(other for other in sorted({*depends, *_references(definition)}) if other in resources))
    try:
        return list(sorter.static_order())
    except CycleError as error:
        raise ValidationError(message=f"Circular dependency between resources: [{', '.join(error.args[1])}]") from error


def _references(expression: Any) -> Iterator[str]:
    if isinstance(expression, dict):
        for key, value in expression.items():
            if key == "Ref" and isinstance(value, str):
                yield value
            elif key == "Fn::GetAtt":
                yield value.split(".")[0] if isinstance(value, str) else value[0]
            elif key == "Fn::Sub":
                text = value[0] if isinstance(value, list) else value
                yield from (match[1].split(".")[0] for match in _SUB_VARIABLE.findall(text))
                yield from _references(value)
            else:
                yield from _references(value)
    elif isinstance(expression, list):
        for item in expression:
            yield from _references(item)
