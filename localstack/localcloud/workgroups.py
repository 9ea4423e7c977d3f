"""Athena's workgroups and named queries: the operations that moto lacks, so that both can change and go.

Hooks: `AthenaResponse`, which gets `update_work_group` and `delete_named_query`.
"""

from __future__ import annotations

import json
from typing import Any

from moto.athena.responses import AthenaResponse

# Members of WorkGroupConfigurationUpdates that moto keeps under the same name.
_KEPT = frozenset(
    {
        "BytesScannedCutoffPerQuery",
        "EnforceWorkGroupConfiguration",
        "EngineVersion",
        "PublishCloudWatchMetricsEnabled",
        "RequesterPaysEnabled",
    }
)
# Members of ResultConfigurationUpdates -> the ones that take such a value away.
_RESULTS = {
    "OutputLocation": "RemoveOutputLocation",
    "EncryptionConfiguration": "RemoveEncryptionConfiguration",
    "ExpectedBucketOwner": "RemoveExpectedBucketOwner",
    "AclConfiguration": "RemoveAclConfiguration",
}


def install() -> None:
    """Hook into moto. Call once."""
    AthenaResponse.update_work_group = _update_work_group  # type: ignore[attr-defined]
    AthenaResponse.delete_named_query = _delete_named_query  # type: ignore[attr-defined]


def _update_work_group(self: AthenaResponse) -> Any:
    workgroup = self.athena_backend.work_groups.get(self._get_param("WorkGroup"))
    if workgroup is None:
        return self.error("WorkGroup is not found.", 400)
    updates: dict[str, Any] = dict(self._get_param("ConfigurationUpdates") or {})
    results: dict[str, Any] = dict(updates.pop("ResultConfigurationUpdates", None) or {})
    remove_limit = updates.pop("RemoveBytesScannedCutoffPerQuery", False)
    if unknown := (set(updates) - _KEPT) | (set(results) - set(_RESULTS) - set(_RESULTS.values())):
        return self.error(f"The local cloud does not support {', '.join(sorted(unknown))}.", 400)
    configuration = {**workgroup.configuration, **updates}
    if remove_limit:
        configuration.pop("BytesScannedCutoffPerQuery", None)
    kept = {**configuration.get("ResultConfiguration", {}), **{k: v for k, v in results.items() if k in _RESULTS}}
    configuration["ResultConfiguration"] = {k: v for k, v in kept.items() if not results.get(_RESULTS.get(k, ""))}
    workgroup.configuration = configuration
    if (description := self._get_param("Description")) is not None:
        workgroup.description = description
    if state := self._get_param("State"):
        workgroup.state = state
    return "{}"


def _delete_named_query(self: AthenaResponse) -> Any:
    query = self._get_param("NamedQueryId")
    if self.athena_backend.named_queries.pop(query, None) is None:
        return self.error(f"NamedQuery {query} was not found", 400)
    return json.dumps({})
