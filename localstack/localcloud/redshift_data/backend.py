"""moto's Redshift Data API backend with statements that run.

Hook: `redshiftdata_backends.backend`, the class that moto makes a region's backend from.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError
from moto.core.exceptions import JsonRESTError
from moto.redshiftdata.models import RedshiftDataAPIServiceBackend, redshiftdata_backends

from localcloud.clients import client

if TYPE_CHECKING:
    from localcloud.redshift_data.execution import Execution, Step

# https://docs.aws.amazon.com/redshift/latest/mgmt/data-api.html
LONGEST_STATEMENT_BYTES = 100_000
MOST_STATEMENTS = 40
_NOT_DONE = ("SessionId", "SessionKeepAliveSeconds", "ResultFormat", "ExecutionMode")
_DEFAULTS = {"ResultFormat": "JSON", "SessionKeepAliveSeconds": 0}


def use_as_backend() -> None:
    """Make moto use this backend. Call once, before the first request."""
    redshiftdata_backends.backend = Backend


def invalid(message: str) -> JsonRESTError:
    """The error of a request that cannot be served."""
    return JsonRESTError("ValidationException", message)


class Backend(RedshiftDataAPIServiceBackend):
    """The Data API in one account and region."""

    def __init__(self, region_name: str, account_id: str) -> None:
        super().__init__(region_name, account_id)
        self.executions: dict[str, Execution] = {}

    @property
    def _url_module(self) -> Any:  # type: ignore[misc]
        from localcloud.redshift_data import urls

        return urls

    def start(self, request: dict[str, Any]) -> Execution:
        """Run what an ExecuteStatement or BatchExecuteStatement asks for; raises ValidationException."""
        # Here and not above: who never asks does not wait for what it needs.
        from localcloud.redshift_data.execution import Execution

        sqls = request["Sqls"] if "Sqls" in request else [request["Sql"]]
        self._check(request, sqls)
        execution = Execution(
            request, sqls=sqls, endpoint=self._endpoint(request.get("SecretArn")), region=self.region_name
        )
        self.executions[execution.id] = execution
        execution.start()
        return execution

    def execution(self, statement_id: str) -> Execution:
        """By its id, or that of one of its statements; raises ResourceNotFoundException."""
        found = self.executions.get(statement_id.split(":")[0])
        if found is None:
            raise JsonRESTError("ResourceNotFoundException", "Query does not exist.")
        return found

    def step(self, statement_id: str) -> Step:
        """The statement whose result is asked for; raises ResourceNotFoundException."""
        for step in self.execution(statement_id).steps:
            if step.id == statement_id and step.status == "FINISHED" and step.columns is not None:
                return step
        raise JsonRESTError("ResourceNotFoundException", "Query does not have result. Please check query status.")

    def _check(self, request: dict[str, Any], sqls: list[str]) -> None:
        from localcloud.redshift_data.translate import parameter_names

        if not (request.get("WorkgroupName") or request.get("ClusterIdentifier")):
            raise invalid("Redshift endpoint doesn't exist: give WorkgroupName or ClusterIdentifier")
        for name in _NOT_DONE:
            if request.get(name, _DEFAULTS.get(name)) != _DEFAULTS.get(name):
                raise invalid(f"The local cloud does not support {name} {request[name]}")
        if not 0 < len(sqls) <= MOST_STATEMENTS:
            raise invalid(f"A batch has 1 to {MOST_STATEMENTS} statements, and not {len(sqls)}")
        for text in sqls:
            if len(text.encode()) > LONGEST_STATEMENT_BYTES:
                raise invalid(f"A statement has at most {LONGEST_STATEMENT_BYTES} bytes")
        given = {p["name"] for p in request.get("Parameters") or []}
        wanted = set().union(*map(parameter_names, sqls))
        if given != wanted:
            raise invalid(f"Parameters and SQL differ: {', '.join(sorted(given ^ wanted))}")

    def _endpoint(self, secret: str | None) -> dict[str, Any]:
        if not secret:
            raise invalid("The local cloud runs statements on the endpoint of a secret: give SecretArn")
        try:
            text = client("secretsmanager", self.region_name).get_secret_value(SecretId=secret)["SecretString"]
        except ClientError as error:
            raise invalid(f"The secret {secret} cannot be read: {error.response['Error']['Code']}") from error
        endpoint: dict[str, Any] = json.loads(text)
        if missing := {"host", "port", "username", "password"} - set(endpoint):
            raise invalid(f"The secret {secret} lacks {', '.join(sorted(missing))}")
        return endpoint
