"""Data Quality rulesets as Glue keeps them: moto has none.

Hook: `GlueResponse`, which gets `create_`, `get_`, `update_`, `delete_data_quality_ruleset` and
`list_data_quality_rulesets`.
"""

from __future__ import annotations

from typing import Any

from moto.core.responses import ActionResult
from moto.core.utils import utcnow
from moto.glue.exceptions import AlreadyExistsException, EntityNotFoundException
from moto.glue.models import GlueBackend
from moto.glue.responses import GlueResponse


def install() -> None:
    """Hook into moto. Call once."""
    for operation in (_create, _get, _update, _delete):
        setattr(GlueResponse, f"{operation.__name__[1:]}_data_quality_ruleset", operation)
    GlueResponse.list_data_quality_rulesets = _list  # type: ignore[attr-defined]


def rulesets(backend: GlueBackend) -> dict[str, dict[str, Any]]:
    """Name → ruleset, as GetDataQualityRuleset answers it."""
    kept: dict[str, dict[str, Any]] = backend.__dict__.setdefault("data_quality_rulesets", {})
    return kept


def _of(self: GlueResponse) -> dict[str, Any]:
    name = self._get_param("Name")
    try:
        return rulesets(self.glue_backend)[name]
    except KeyError:
        raise EntityNotFoundException(f"Cannot find Data Quality Ruleset {name}") from None


def _create(self: GlueResponse) -> ActionResult:
    backend, name = self.glue_backend, self._get_param("Name")
    if name in rulesets(backend):
        raise AlreadyExistsException(f"Data Quality Ruleset {name}")
    target = self._get_param("TargetTable")
    if target:
        backend.get_table(target["DatabaseName"], target["TableName"])  # raises where there is none
    now = utcnow()
    rulesets(backend)[name] = {
        "Name": name,
        "Description": self._get_param("Description"),
        "Ruleset": self._get_param("Ruleset"),
        "TargetTable": target,
        "CreatedOn": now,
        "LastModifiedOn": now,
    }
    backend.tag_resource(_arn(backend, name), self._get_param("Tags") or {})
    return ActionResult({"Name": name})


def _get(self: GlueResponse) -> ActionResult:
    return ActionResult(_of(self))


def _update(self: GlueResponse) -> ActionResult:
    ruleset = _of(self)
    given = {member: self._get_param(member) for member in ("Description", "Ruleset")}
    ruleset.update({member: value for member, value in given.items() if value is not None}, LastModifiedOn=utcnow())
    return ActionResult({member: ruleset[member] for member in ("Name", "Description", "Ruleset")})


def _delete(self: GlueResponse) -> ActionResult:
    del rulesets(self.glue_backend)[_of(self)["Name"]]
    return ActionResult({})


def _list(self: GlueResponse) -> ActionResult:
    target = (self._get_param("Filter") or {}).get("TargetTable")
    members = ("Name", "Description", "CreatedOn", "LastModifiedOn", "TargetTable")
    listed = [
        {member: ruleset[member] for member in members}
        for _, ruleset in sorted(rulesets(self.glue_backend).items())
        if target is None or ruleset["TargetTable"] == target
    ]
    return ActionResult({"Rulesets": listed})


def _arn(backend: GlueBackend, name: str) -> str:
    return f"arn:aws:glue:{backend.region_name}:{backend.account_id}:dataQualityRuleset/{name}"
