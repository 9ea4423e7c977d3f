"""A stack: deploy a template by creating, updating and deleting resources, and roll back what failed."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from botocore.exceptions import ClientError
from moto.cloudformation.exceptions import ValidationError
from moto.cloudformation.models import Event
from moto.cloudformation.models import Stack as MotoStack

from localcloud.cloudformation.resources import Context, Properties, resource_type
from localcloud.cloudformation.template import NO_VALUE, Scope, creation_order, parse_template, resolve_parameters

log = logging.getLogger(__name__)

IN_PROGRESS = "_IN_PROGRESS"


@dataclass(frozen=True)
class Deployed:
    """A resource as it stands; moto's responses read the first three names."""

    logical_resource_id: str
    physical_resource_id: str
    cf_resource_type: str
    properties: dict[str, Any]
    attributes: dict[str, Any]
    retained_on_delete: bool
    retained_on_replace: bool
    generation: int = 0


@dataclass(frozen=True)
class _Change:
    """One step that a rollback undoes: `before` is None for a resource that was not there."""

    before: Deployed | None
    after: Deployed


class Stack(MotoStack):
    """A stack whose resources are made through the services' APIs.

    It keeps moto's attributes and events, which moto's responses serialise; what moto would do with
    `ResourceMap` and `OutputMap` is done here.
    """

    def __init__(self, **arguments: Any) -> None:
        self.resources: dict[str, Deployed] = {}
        self.imports: set[str] = set()
        self.exported: dict[str, str] = {}
        self.resolved_parameters: dict[str, Any] = {}
        self.status_reason: str | None = None
        self._outputs: list[dict[str, Any]] = []
        super().__init__(**arguments)

    # -- what moto's base class and responses ask for ------------------------------------------------

    def _create_resource_map(self) -> None:  # type: ignore[override]
        return None

    def _create_output_map(self) -> None:  # type: ignore[override]
        return None

    def _parse_template(self) -> None:
        self.template_dict = parse_template(str(self.template))

    @staticmethod
    def parse_template(template: str) -> dict[str, Any]:  # type: ignore[misc]
        return parse_template(template)

    @property
    def parameter_list(self) -> list[dict[str, Any]]:  # type: ignore[misc]
        declared = self.template_dict.get("Parameters") or {}
        return [
            {"ParameterKey": name, "ParameterValue": "****" if _hidden(declared.get(name, {})) else _as_text(value)}
            for name, value in self.stack_parameters.items()
        ]

    @property
    def stack_parameters(self) -> dict[str, Any]:  # type: ignore[misc]
        """What was given for each parameter, or its default: an SSM parameter's path and not its value."""
        declared = self.template_dict.get("Parameters") or {}
        return {name: self.parameters.get(name, item.get("Default")) for name, item in declared.items()}

    @property
    def stack_resources(self) -> Iterable[Any]:
        return list(self.resources.values())

    @property
    def outputs(self) -> list[dict[str, Any]]:
        return self._outputs

    # -- deploying -----------------------------------------------------------------------------------

    def deploy(
        self, *, template: str, parameters: dict[str, Any], exports: dict[str, str], used: dict[str, str]
    ) -> None:
        """Bring the stack to `template`.

        `exports` are those of the other stacks; `used` names, for each export of this one that is imported,
        the stack that imports it.

        Raises ValidationError for a template or parameters that are wrong in themselves, and leaves the
        stack as it was. A resource that fails rolls the stack back: the status and the events say so.
        """
        document = parse_template(template)
        values = resolve_parameters(document, parameters, self.region_name)
        order = creation_order(document)
        creating = not self.resources and self.status in ("CREATE_PENDING", "REVIEW_IN_PROGRESS")
        verb = "CREATE" if creating else "UPDATE"
        scope = Scope(
            stack_name=self.name,
            stack_id=self.stack_id,
            account=self.account_id,
            region=self.region_name,
            template=document,
            parameters=values,
            exports=exports,
        )
        order = _existing(scope, order)
        self._enter(verb + IN_PROGRESS, "User Initiated")
        changes: list[_Change] = []
        try:
            deployed = self._apply(scope, order, changes)
            outputs, exported = _outputs(scope)
            self._check_exports(exported, exports, used)
        except Exception as error:
            self._roll_back(changes, verb, error)
            return
        leaving = [old for name, old in self.resources.items() if name not in deployed and not old.retained_on_delete]
        replaced = [
            change.before
            for change in changes
            if change.before
            and change.before.physical_resource_id != change.after.physical_resource_id
            and not change.before.retained_on_replace
        ]
        self.template, self.template_dict = template, document
        self.description = document.get("Description")
        self.parameters, self.resolved_parameters = parameters, values
        self.resources, self._outputs, self.exported, self.imports = deployed, outputs, exported, scope.imports
        # What remains behind does not fail an update, in AWS neither: the events name it.
        for old in reversed([*leaving, *replaced]):
            self._remove(old)
        self._enter(f"{verb}_COMPLETE")

    def _apply(self, scope: Scope, order: list[str], changes: list[_Change]) -> dict[str, Deployed]:
        deployed: dict[str, Deployed] = {}
        for name in order:
            definition = scope.template["Resources"][name]
            before = self.resources.get(name)
            verb = "UPDATE" if before else "CREATE"
            try:
                properties = scope.resolve(definition.get("Properties") or {})
                after = self._bring(name, definition, properties, before)
            except Exception as error:
                self._resource_event(name, definition["Type"], f"{verb}_FAILED", before, _reason(error))
                raise
            if after is not before:
                if before is None or _identity(after) != _identity(before):
                    changes.append(_Change(before, after))
                self._resource_event(name, definition["Type"], f"{verb}_COMPLETE", after)
            deployed[name] = after
            scope.resources[name] = (after.physical_resource_id, after.attributes)
        return deployed

    def _bring(
        self, name: str, definition: dict[str, Any], properties: dict[str, Any], before: Deployed | None
    ) -> Deployed:
        """Create or update one resource; the same object comes back when there is nothing to do."""
        type_name = definition["Type"]
        kind = resource_type(type_name)
        policies = {
            "retained_on_delete": str(definition.get("DeletionPolicy", "Delete")).startswith("Retain"),
            "retained_on_replace": definition.get("UpdateReplacePolicy", "Delete") == "Retain",
        }
        given = Properties(properties, path=type_name)
        if before is None:
            made = kind.create(self._context(name, 0), given)
            generation = 0
        elif before.cf_resource_type != type_name:
            raise ValidationError(message=f"Update of resource type is not permitted for {name}: give it another id")
        elif before.properties == properties:
            return replace(before, **policies) if _policies(before) != policies else before
        elif kind.needs_replacement(before.properties, properties):
            generation = before.generation + 1
            made = kind.create(self._context(name, generation), given)
        else:
            generation = before.generation
            context = self._context(name, generation)
            made = kind.update(context, before.physical_resource_id, given, before.properties)
        after = Deployed(
            logical_resource_id=name,
            physical_resource_id=made.physical_id,
            cf_resource_type=type_name,
            properties=properties,
            attributes=made.attributes,
            generation=generation,
            **policies,
        )
        return self._checked(after, before, given)

    def _checked(self, after: Deployed, before: Deployed | None, given: Properties) -> Deployed:
        try:
            given.done()
        except ValueError:
            # It was made before the property that it lacks was noticed: take it back.
            self._undo(_Change(before, after))
            raise
        return after

    def _check_exports(self, exported: dict[str, str], others: dict[str, str], used: dict[str, str]) -> None:
        for name, importer in used.items():
            if exported.get(name) != self.exported[name]:
                raise ValidationError(message=f"Cannot update export {name} as it is in use by {importer}")
        if taken := sorted(exported.keys() & others.keys()):
            raise ValidationError(message=f"Export with name {taken[0]} is already exported by another stack")

    # -- rolling back and deleting -------------------------------------------------------------------

    def _roll_back(self, changes: list[_Change], verb: str, error: Exception) -> None:
        reason = _reason(error)
        log.warning("stack %s: %s", self.name, reason, exc_info=None if _expected(error) else error)
        prefix = "" if verb == "CREATE" else "UPDATE_"
        self._enter(f"{prefix}ROLLBACK{IN_PROGRESS}", reason)
        outcome = "COMPLETE"
        for change in reversed(changes):
            try:
                self._undo(change)
            except Exception as failure:
                outcome, after = "FAILED", change.after
                self.resources.setdefault(after.logical_resource_id, after)
                self._resource_event(
                    after.logical_resource_id, after.cf_resource_type, "DELETE_FAILED", after, _reason(failure)
                )
        self._enter(f"{prefix}ROLLBACK_{outcome}", reason)

    def _undo(self, change: _Change) -> None:
        before, after = change.before, change.after
        kind = resource_type(after.cf_resource_type)
        context = self._context(after.logical_resource_id, after.generation)
        if before and before.physical_resource_id == after.physical_resource_id:
            given = Properties(before.properties, path=after.cf_resource_type)
            kind.update(context, after.physical_resource_id, given, after.properties)
        else:
            kind.delete(context, after.physical_resource_id, after.properties)

    def delete(self) -> None:
        """Delete every resource that is not retained, in the reverse order of creation."""
        self._enter("DELETE" + IN_PROGRESS, "User Initiated")
        remaining = list(self.resources.values())
        failed = []
        for deployed in reversed(remaining):
            if deployed.retained_on_delete or self._remove(deployed):
                del self.resources[deployed.logical_resource_id]
            else:
                failed.append(deployed.logical_resource_id)
        if failed:
            self._enter("DELETE_FAILED", f"The following resource(s) failed to delete: [{', '.join(failed)}].")
        else:
            self._enter("DELETE_COMPLETE")

    def _remove(self, deployed: Deployed) -> bool:
        name, type_name = deployed.logical_resource_id, deployed.cf_resource_type
        context = self._context(name, deployed.generation)
        try:
            resource_type(type_name).delete(context, deployed.physical_resource_id, deployed.properties)
        except Exception as error:
            if not _not_found(error):
                self._resource_event(name, type_name, "DELETE_FAILED", deployed, _reason(error))
                return False
        self._resource_event(name, type_name, "DELETE_COMPLETE", deployed)
        return True

    # -- status and events ---------------------------------------------------------------------------

    def fail(self, status: str, reason: str) -> None:
        """Set a failed status with its reason."""
        self._enter(status, reason)

    def _context(self, logical_id: str, generation: int) -> Context:
        return Context(self.name, self.stack_id, logical_id, self.account_id, self.region_name, generation)

    def _enter(self, status: str, reason: str | None = None) -> None:
        self.status, self.status_reason = status, reason
        self._add_stack_event(status, resource_status_reason=reason)

    def _resource_event(
        self, name: str, type_name: str, status: str, resource: Deployed | None, reason: str | None = None
    ) -> None:
        self.events.append(
            Event(
                stack_id=self.stack_id,
                stack_name=self.name,
                logical_resource_id=name,
                physical_resource_id=resource.physical_resource_id if resource else "",
                resource_type=type_name,
                resource_status=status,
                resource_status_reason=reason,
                resource_properties=json.dumps(resource.properties, default=str) if resource else None,
            )
        )


def _existing(scope: Scope, order: list[str]) -> list[str]:
    """The logical ids whose condition holds."""
    conditions = {name: definition.get("Condition") for name, definition in scope.template["Resources"].items()}
    return [name for name in order if conditions[name] is None or scope.condition(conditions[name])]


def _outputs(scope: Scope) -> tuple[list[dict[str, Any]], dict[str, str]]:
    outputs, exported = [], {}
    for key, definition in (scope.template.get("Outputs") or {}).items():
        if "Condition" in definition and not scope.condition(definition["Condition"]):
            continue
        value = scope.resolve(definition["Value"])
        if value is NO_VALUE:
            raise ValidationError(message=f"Template format error: Output {key} has no value")
        output = {"OutputKey": key, "OutputValue": _as_text(value), "Description": definition.get("Description")}
        if "Export" in definition:
            name = str(scope.resolve(definition["Export"]["Name"]))
            output["ExportName"] = name
            exported[name] = _as_text(value)
        outputs.append(output)
    return outputs, exported


def _identity(deployed: Deployed) -> tuple[Any, ...]:
    return (deployed.physical_resource_id, deployed.properties)


def _policies(deployed: Deployed) -> dict[str, bool]:
    return {
        "retained_on_delete": deployed.retained_on_delete,
        "retained_on_replace": deployed.retained_on_replace,
    }


def _hidden(declaration: dict[str, Any]) -> bool:
    return str(declaration.get("NoEcho", False)).lower() == "true"


def _as_text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return ",".join(map(_as_text, value))
    return str(value)


def _expected(error: Exception) -> bool:
    return isinstance(error, ClientError | ValidationError | ValueError)


def _not_found(error: Exception) -> bool:
    if not isinstance(error, ClientError):
        return False
    code = error.response["Error"]["Code"]
    return any(word in code for word in ("NotFound", "NoSuch", "404"))


def _reason(error: Exception) -> str:
    if isinstance(error, ValidationError):
        return str(error.message)
    return str(error) if _expected(error) else f"{type(error).__name__}: {error}"
