"""AWS::StepFunctions::StateMachine."""

from __future__ import annotations

import json
from typing import Any

from localcloud.cloudformation.resources import Context, Properties, Resource, ResourceType, api_case, register


@register
class StateMachine(ResourceType):
    """The definition is a string or an object; one on S3 and substitutions are not supported, and so refused."""

    name = "AWS::StepFunctions::StateMachine"
    replaced_by = frozenset({"StateMachineName", "StateMachineType"})

    def create(self, context: Context, properties: Properties) -> Resource:
        name = properties.take("StateMachineName") or context.name(longest=80)
        arn = context.call(
            "stepfunctions",
            "CreateStateMachine",
            name=name,
            type=properties.take("StateMachineType"),
            tags=api_case(properties.take("Tags")),
            **self._settings(properties),
        )["stateMachineArn"]
        return self._described(arn)

    def update(self, context: Context, physical_id: str, properties: Properties, old: dict[str, Any]) -> Resource:
        for fixed in self.replaced_by:
            properties.take(fixed)
        context.call(
            "stepfunctions", "UpdateStateMachine", stateMachineArn=physical_id, **self._settings(properties, old)
        )
        tags = properties.take("Tags") or []
        kept = {tag["Key"] for tag in tags}
        if gone := [tag["Key"] for tag in old.get("Tags") or [] if tag["Key"] not in kept]:
            context.call("stepfunctions", "UntagResource", resourceArn=physical_id, tagKeys=gone)
        if tags:
            context.call("stepfunctions", "TagResource", resourceArn=physical_id, tags=api_case(tags))
        return self._described(physical_id)

    def delete(self, context: Context, physical_id: str, properties: dict[str, Any]) -> None:
        context.call("stepfunctions", "DeleteStateMachine", stateMachineArn=physical_id)

    @staticmethod
    def _settings(properties: Properties, old: dict[str, Any] | None = None) -> dict[str, Any]:
        definition = properties.take("DefinitionString") or json.dumps(properties.require("Definition"))
        settings = {
            name: api_case(properties.take(name))
            for name in ("LoggingConfiguration", "TracingConfiguration", "EncryptionConfiguration")
        }
        # An update leaves what it is not given as it was: what a template no longer says goes back to its default.
        defaults = {
            "LoggingConfiguration": {"level": "OFF"},
            "TracingConfiguration": {"enabled": False},
            "EncryptionConfiguration": {"type": "AWS_OWNED_KEY"},
        }
        for name, default in defaults.items():
            if settings[name] is None and (old or {}).get(name) is not None:
                settings[name] = default
        return {
            "definition": definition,
            "roleArn": properties.require("RoleArn"),
            **{name[0].lower() + name[1:]: value for name, value in settings.items()},
        }

    @staticmethod
    def _described(arn: str) -> Resource:
        return Resource(arn, {"Arn": arn, "Name": arn.rsplit(":", 1)[-1]})
