"""moto's CloudFormation backend over `Stack`: stacks, change sets and exports.

Hooks: `cloudformation_backends.backend`, the class that moto makes a region's backend from, and the function that reads
a template from S3. The requests and responses stay moto's.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote, urlsplit

from moto.cloudformation import responses, urls
from moto.cloudformation.exceptions import AlreadyExistsException, CloudFormationError, ValidationError
from moto.cloudformation.models import (
    Change,
    ChangeSet,
    CloudFormationBackend,
    cloudformation_backends,
)
from moto.cloudformation.parsing import Export
from moto.cloudformation.utils import generate_changeset_id, generate_stack_id, validate_create_change_set

from localcloud.clients import client
from localcloud.cloudformation.stack import IN_PROGRESS, Stack
from localcloud.cloudformation.template import parse_template

NO_UPDATES = "No updates are to be performed."


def use_as_backend() -> None:
    """Make moto use this backend. Call once, before the first request."""
    cloudformation_backends.backend = Backend
    responses.get_stack_from_s3_url = _template_at


def _template_at(url: str, account_id: str, partition: str) -> str:
    """A template that the caller put on S3, read over HTTP: the bucket may be another cloud's."""
    parts = urlsplit(url)
    host, path = parts.netloc, unquote(parts.path).lstrip("/")
    # https://BUCKET.s3.REGION.amazonaws.com/KEY, or https://s3.REGION.amazonaws.com/BUCKET/KEY as of any other host.
    bucket, _, key = f"{host.partition('.s3.')[0]}/{path}".partition("/") if ".s3." in host else path.partition("/")
    s3 = client("s3", "us-east-1")
    try:
        return str(s3.get_object(Bucket=bucket, Key=key)["Body"].read().decode())
    except s3.exceptions.ClientError as error:
        raise ValidationError(message=f"The template at {url} cannot be read: {error}") from error


class ChangeSetNotFound(CloudFormationError):
    """By this code clients know that they are free to take the name."""

    code = "ChangeSetNotFoundException"

    def __init__(self, name: str) -> None:
        super().__init__(f"ChangeSet [{name}] does not exist")


class _ChangeSet(ChangeSet):
    """The difference between templates; executing it deploys the stack."""

    def _parse_template(self) -> None:
        self.template_dict = parse_template(self.template)

    def diff(self) -> list[Change]:
        old = {} if self.change_set_type == "CREATE" else self.stack.template_dict.get("Resources", {})
        new = self.template_dict["Resources"]
        kinds = {
            "Add": [name for name in new if name not in old],
            "Modify": [name for name in new if name in old and new[name] != old[name]],
            "Remove": [name for name in old if name not in new],
        }
        return [
            Change(action=action, logical_resource_id=name, resource_type=(new.get(name) or old[name])["Type"])
            for action, names in kinds.items()
            for name in names
        ]


class Backend(CloudFormationBackend):
    """The stacks of one account and region."""

    stacks: dict[str, Stack]  # type: ignore[assignment]

    @property
    def _url_module(self) -> Any:  # type: ignore[misc]
        # moto derives it from the name of the class's module, which is ours.
        return urls

    # -- stacks --------------------------------------------------------------------------------------

    def create_stack(self, name: str, template: str, parameters: dict[str, Any], **options: Any) -> Stack:  # type: ignore[override]
        if any(stack.name == name for stack in self.stacks.values()):
            raise AlreadyExistsException(f"Stack [{name}] already exists")
        stack = self._new_stack(name, template, parameters, **options)
        self.stacks[stack.stack_id] = stack
        try:
            self._deploy(stack, template, parameters)
        except ValidationError:
            del self.stacks[stack.stack_id]
            raise
        return stack

    def update_stack(  # type: ignore[override]
        self, name: str, template: str, role_arn: str | None, parameters: list[dict[str, Any]], tags: Any
    ) -> Stack:
        stack = self._stack(name)
        self._refuse_unless_settled(stack)
        values = self._resolve_update_parameters(stack, parameters)
        if (
            parse_template(template) == stack.template_dict
            and values == stack.parameters
            and tags in (None, stack.tags)
        ):
            raise ValidationError(message=NO_UPDATES)
        self._deploy(stack, template, values)
        stack.role_arn = role_arn
        if tags is not None:
            stack.tags = tags
        return stack

    def delete_stack(self, name_or_stack_id: str) -> None:
        stack = next(
            (stack for stack in self.stacks.values() if name_or_stack_id in (stack.name, stack.stack_id)), None
        )
        if stack is None:  # as in AWS, where deleting what is not there succeeds
            return
        if used := self._importers(stack):
            export, importer = next(iter(used.items()))
            stack.fail("DELETE_FAILED", f"Export {export} cannot be deleted as it is in use by {importer}")
            return
        stack.delete()
        if stack.status == "DELETE_COMPLETE":
            for export in stack.exported:
                self.exports.pop(export, None)
            self.deleted_stacks[stack.stack_id] = self.stacks.pop(stack.stack_id)

    def _new_stack(self, name: str, template: Any, parameters: dict[str, Any], **options: Any) -> Stack:
        return Stack(
            stack_id=generate_stack_id(name, self.region_name, self.account_id),
            name=name,
            template=template,
            parameters=parameters,
            account_id=self.account_id,
            region_name=self.region_name,
            **options,
        )

    def _stack(self, name_or_stack_id: str) -> Stack:
        stack = self.get_stack(name_or_stack_id)
        assert isinstance(stack, Stack)
        return stack

    def _deploy(self, stack: Stack, template: str, parameters: dict[str, Any]) -> None:
        others = {
            name: export.value for name, export in self.exports.items() if export.exporting_stack_id != stack.stack_id
        }
        before = set(stack.exported)
        stack.deploy(template=template, parameters=parameters, exports=others, used=self._importers(stack))
        for name in before - set(stack.exported):
            self.exports.pop(name, None)
        for name, value in stack.exported.items():
            self.exports[name] = Export(stack.stack_id, name, value)

    def _importers(self, stack: Stack) -> dict[str, str]:
        """For each export of `stack` that another one imports, that one's name."""
        return {
            export: other.name
            for other in self.stacks.values()
            if other is not stack
            for export in sorted(other.imports & stack.exported.keys())
        }

    @staticmethod
    def _refuse_unless_settled(stack: Stack) -> None:
        if stack.status.endswith(IN_PROGRESS) or stack.status in ("ROLLBACK_COMPLETE", "ROLLBACK_FAILED"):
            raise ValidationError(message=f"Stack:{stack.stack_id} is in {stack.status} state and can not be updated.")

    def _resolve_update_parameters(self, instance: Any, incoming_params: list[dict[str, Any]]) -> dict[str, Any]:
        before = instance.stack_parameters if isinstance(instance, Stack) else instance.parameters
        return {
            item["ParameterKey"]: before[item["ParameterKey"]]
            if item.get("UsePreviousValue")
            else item["ParameterValue"]
            for item in incoming_params
        }

    # -- change sets ---------------------------------------------------------------------------------

    def create_change_set(  # type: ignore[override]
        self,
        stack_name: str,
        change_set_name: str,
        template: str,
        parameters: dict[str, Any],
        description: str,
        change_set_type: str,
        **options: Any,
    ) -> tuple[str, str]:
        validate_create_change_set(change_set_name)
        existing = next((stack for stack in self.stacks.values() if stack.name == stack_name), None)
        if change_set_type == "CREATE" and existing is None:
            stack = self._new_stack(stack_name, {}, parameters, **options)
            stack.fail("REVIEW_IN_PROGRESS", "User Initiated")
            self.stacks[stack.stack_id] = stack
        elif existing is None:
            raise ValidationError(stack_name)
        else:
            stack = existing
            if stack.status != "REVIEW_IN_PROGRESS":
                if change_set_type == "CREATE":
                    raise AlreadyExistsException(f"Stack [{stack_name}] already exists and cannot be created again")
                self._refuse_unless_settled(stack)
        change_set = _ChangeSet(
            change_set_type=change_set_type,
            change_set_id=generate_changeset_id(change_set_name, self.region_name, self.account_id),
            change_set_name=change_set_name,
            stack=stack,
            template=template,
            parameters=parameters,
            description=description,
            **options,
        )
        unchanged = stack.template_dict == change_set.template_dict and stack.parameters == parameters
        if change_set_type == "UPDATE" and unchanged:
            change_set.status, change_set.execution_status = "FAILED", "UNAVAILABLE"
            change_set.status_reason = "The submitted information didn't contain changes."
        else:
            change_set.status, change_set.execution_status = "CREATE_COMPLETE", "AVAILABLE"
        self.change_sets[change_set.change_set_id] = change_set
        return change_set.change_set_id, stack.stack_id

    def describe_change_set(self, change_set_name: str) -> ChangeSet:
        # Names repeat over time and stacks: the newest of that name is meant.
        for change_set in reversed(list(self.change_sets.values())):
            if change_set_name in (change_set.change_set_name, change_set.change_set_id):
                return change_set
        raise ChangeSetNotFound(change_set_name)

    def delete_change_set(self, change_set_name: str) -> None:
        self.change_sets = {
            key: change_set
            for key, change_set in self.change_sets.items()
            if change_set_name not in (change_set.change_set_name, key)
        }

    def execute_change_set(self, change_set_name: str, stack_name: str | None = None) -> None:
        change_set = self.describe_change_set(change_set_name)
        if change_set.execution_status != "AVAILABLE":
            raise ValidationError(
                message=f"ChangeSet [{change_set_name}] cannot be executed: {change_set.status_reason}"
            )
        stack = self._stack(change_set.stack_id)
        self._deploy(stack, change_set.template, change_set.parameters)
        if change_set.tags:
            stack.tags = change_set.tags
        change_set.execution_status = "EXECUTE_COMPLETE"
