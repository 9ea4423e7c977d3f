"""One statement, or one batch in one transaction, from SUBMITTED to its end, in a thread of its own."""

from __future__ import annotations

import logging
import threading
import time
import uuid
from dataclasses import dataclass, field
from typing import Any

import psycopg
from moto.core.utils import utcnow
from psycopg.types.string import TextLoader

from localcloud.redshift_data.copy import Copy, CopyError, run_copy
from localcloud.redshift_data.translate import StatementError, translate

log = logging.getLogger(__name__)
ACTIVE = ("SUBMITTED", "PICKED", "STARTED")
_TYPE_NAMES = {"jsonb": "super", "json": "super", "text": "varchar", "name": "varchar"}
_TEXT_TYPES = ("numeric", "date", "timestamp", "timestamptz", "time", "jsonb", "json", "interval")


@dataclass
class Step:
    """One SQL text of a request, and what became of it."""

    id: str
    sql: str
    status: str = "SUBMITTED"
    error: str | None = None
    rows: int = -1
    columns: list[dict[str, Any]] | None = None
    records: list[list[dict[str, Any]]] = field(default_factory=list)
    started: float = 0.0
    duration: int = 0
    created: Any = field(default_factory=utcnow)
    updated: Any = field(default_factory=utcnow)

    def as_dict(self) -> dict[str, Any]:
        """A `SubStatementData`."""
        description = {
            "Id": self.id,
            "QueryString": self.sql,
            "Status": self.status,
            "Error": self.error,
            "Duration": self.duration,
            "HasResultSet": self.columns is not None,
            "ResultRows": self.rows,
            "CreatedAt": self.created,
            "UpdatedAt": self.updated,
        }
        return {name: value for name, value in description.items() if value is not None}


class Execution:
    """What ExecuteStatement or BatchExecuteStatement started.

    Args:
        request: its members.
        endpoint: the secret: host, port, username, password.
    """

    def __init__(self, request: dict[str, Any], *, sqls: list[str], endpoint: dict[str, Any], region: str) -> None:
        self.id = str(uuid.uuid4())
        self.request, self.region = request, region
        self.batch = "Sqls" in request
        self.steps = [
            Step(f"{self.id}:{place}" if self.batch else self.id, text) for place, text in enumerate(sqls, start=1)
        ]
        self.parameters = {p["name"]: p["value"] for p in request.get("Parameters") or []}
        self.status = "SUBMITTED"
        self.error: str | None = None
        self.created = self.updated = utcnow()
        self.duration = 0
        self.pid = 0
        self._endpoint = endpoint
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._connection: psycopg.Connection[Any] | None = None

    def start(self) -> None:
        threading.Thread(target=self._run, name=f"redshift-{self.id[:8]}", daemon=True).start()

    def wait(self, seconds: float) -> None:
        """Wait until it has ended, but no longer than `seconds`."""
        self._ended.wait(seconds)

    def cancel(self) -> bool:
        """Whether it could still be cancelled."""
        with self._lock:
            if self.status not in ACTIVE:
                return False
            self._enter("ABORTED")
            if self._connection:
                self._connection.cancel_safe()
        return True

    def _run(self) -> None:
        began = time.monotonic()
        try:
            error = self._execute()
        except psycopg.OperationalError as failure:
            error = f"ERROR: {str(failure).strip()}"
        except Exception as failure:  # whatever goes wrong here, it may not stay STARTED for ever
            log.exception("statement %s", self.id)
            error = f"The local cloud failed: {type(failure).__name__}: {failure}"
        with self._lock:
            self._connection = None
            self.duration = int((time.monotonic() - began) * 1e9)
            if self.status in ACTIVE:
                self.error = error
                self._enter("FAILED" if error else "FINISHED")
            for step in self.steps:
                if step.status in ACTIVE:
                    step.status = "ABORTED"
        self._ended.set()

    def _execute(self) -> str | None:
        """Run the steps in one transaction; returns why it failed."""
        at = self._endpoint
        with psycopg.connect(
            host=at["host"],
            port=int(at["port"]),
            user=at["username"],
            password=at["password"],
            dbname=self.request.get("Database") or at.get("dbname"),
            connect_timeout=10,
        ) as connection:
            connection.execute("SET TimeZone = 'UTC'")
            for name in _TEXT_TYPES:
                connection.adapters.register_loader(name, TextLoader)
            self.pid = connection.info.backend_pid
            with self._lock:
                if self.status not in ACTIVE:
                    return None
                self._connection = connection
                self._enter("STARTED")
            for step in self.steps:
                if error := self._step(connection, step):
                    connection.rollback()
                    return error
                if self.status not in ACTIVE:
                    connection.rollback()
                    return None
            with self._lock:
                # Committed or cancelled, never both.
                if self.status not in ACTIVE:
                    connection.rollback()
                    return None
                connection.commit()
        return None

    def _step(self, connection: psycopg.Connection[Any], step: Step) -> str | None:
        step.started, step.status = time.monotonic(), "STARTED"
        try:
            self._run_step(connection, step)
        except (StatementError, CopyError) as error:
            step.error = str(error)
        except psycopg.Error as error:
            step.error = f"ERROR: {error.diag.message_primary or str(error).strip()}"
        step.duration = int((time.monotonic() - step.started) * 1e9)
        step.updated = utcnow()
        step.status = "FAILED" if step.error else "FINISHED"
        return step.error

    def _run_step(self, connection: psycopg.Connection[Any], step: Step) -> None:
        statement = translate(step.sql, self.parameters)
        if isinstance(statement, Copy):
            step.rows = run_copy(connection, statement, self.region)
            return
        cursor = connection.execute(statement.encode())
        step.rows = cursor.rowcount
        if cursor.description is not None:
            step.columns = [_metadata(connection, column) for column in cursor.description]
            step.records = [[_field(value) for value in row] for row in cursor.fetchall()]

    def _enter(self, status: str) -> None:
        self.status, self.updated = status, utcnow()

    def as_dict(self) -> dict[str, Any]:
        """The answer of DescribeStatement."""
        description = {
            "Id": self.id,
            "Status": self.status,
            "Error": self.error,
            "Duration": self.duration,
            "CreatedAt": self.created,
            "UpdatedAt": self.updated,
            "Database": self.request.get("Database"),
            "SecretArn": self.request.get("SecretArn"),
            "WorkgroupName": self.request.get("WorkgroupName"),
            "ClusterIdentifier": self.request.get("ClusterIdentifier"),
            "DbUser": self._endpoint["username"],
            "RedshiftPid": self.pid,
            "HasResultSet": any(step.columns is not None for step in self.steps),
            "QueryParameters": self.request.get("Parameters") or None,
        }
        if self.batch:
            description["SubStatements"] = [step.as_dict() for step in self.steps]
        else:
            description |= {"QueryString": self.steps[0].sql, "ResultRows": self.steps[0].rows}
        return {name: value for name, value in description.items() if value is not None}

    def summary(self) -> dict[str, Any]:
        """A `StatementData` of ListStatements."""
        texts = [step.sql for step in self.steps]
        description = {
            "Id": self.id,
            "Status": self.status,
            "CreatedAt": self.created,
            "UpdatedAt": self.updated,
            "SecretArn": self.request.get("SecretArn"),
            "StatementName": self.request.get("StatementName"),
            "IsBatchStatement": self.batch,
            "QueryParameters": self.request.get("Parameters") or None,
            **({"QueryStrings": texts} if self.batch else {"QueryString": texts[0]}),
        }
        return {name: value for name, value in description.items() if value is not None}


def _metadata(connection: psycopg.Connection[Any], column: psycopg.Column) -> dict[str, Any]:
    known = connection.adapters.types.get(column.type_code)
    name = known.name if known else "varchar"
    return {
        "name": column.name,
        "label": column.name,
        "typeName": _TYPE_NAMES.get(name, name),
        "precision": column.precision or column.display_size or 0,
        "scale": column.scale or 0,
        "length": 0,
        "nullable": 1,
        "isSigned": name in ("int2", "int4", "int8", "float4", "float8", "numeric"),
        "isCaseSensitive": name in ("varchar", "text", "bpchar"),
        "isCurrency": False,
    }


def _field(value: Any) -> dict[str, Any]:
    match value:
        case None:
            return {"isNull": True}
        case bool():
            return {"booleanValue": value}
        case int():
            return {"longValue": value}
        case float():
            return {"doubleValue": value}
        case bytes():
            return {"blobValue": value}
        case _:
            return {"stringValue": str(value)}
