"""IAM's decisions, while checks are on: what an account would refuse is refused, with AccessDenied.

They are off unless moto is told to check (`INITIAL_NO_AUTH_ACTION_COUNT=0` when the process starts, or
`POST /moto-api/reset-auth` with body `0`). Key and signature of a request are then verified by moto, and the policies
of its user or role evaluated here, as moto knows neither resources outside of S3 nor conditions:

- the resource of S3, Secrets Manager, KMS, CloudWatch Logs, Kinesis, Glue's jobs and ECS's tasks; an action of another
  service is held against `*`, which a statement for one resource does not match: refused, and not let through
- conditions on the keys of `_context`; one that cannot be evaluated is not met by an Allow and is met by a Deny
- what a call asks for besides: the source of a copy, the key that S3 or Secrets Manager uses in the caller's name, and
  the right to pass on the roles of a task
- the account's root (`clients.ROOT_CREDENTIALS`: the services themselves, and whoever deploys) may do all

Not evaluated: permission boundaries, session policies, and who may use a key by the key's own policy (the CDK's leave
that to IAM). Bucket policies are evaluated apart from this, by moto with `s3`'s conditions.

Hooks: `ActionAuthenticatorMixin._authenticate_and_authorize_action`, `IAMRequestBase.check_action_permitted` and
`IAMRequest._raise_access_denied`.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from moto import settings
from moto.core.authorization import ActionAuthenticatorMixin
from moto.core.exceptions import JsonRESTError
from moto.ecs.exceptions import TaskDefinitionNotFoundException
from moto.ecs.models import ecs_backends
from moto.iam.access_control import IAMPolicy, IAMRequest, IAMRequestBase
from moto.iam.models import IAMBackend, iam_backends
from moto.kinesis.utils import decompose_shard_iterator
from moto.kms.models import kms_backends
from moto.s3.models import FakeBucket, FakeKey, s3_backends
from moto.secretsmanager.models import secretsmanager_backends

from localcloud.clients import ROOT_CREDENTIALS

PARTITION = "aws"

Context = Mapping[str, str]
Need = tuple[str, str, Context]
"""An action, the resource it is asked on, and what conditions may look at."""


def install() -> None:
    """Hook into moto. Call once."""
    authenticate = ActionAuthenticatorMixin._authenticate_and_authorize_action

    @functools.wraps(authenticate)
    def unless_root(self: Any, request: type, resource: str = "*") -> None:
        if f"Credential={ROOT_CREDENTIALS['aws_access_key_id']}/" not in self.headers.get("Authorization", ""):
            authenticate(self, request, resource)

    taking_a_role = IAMRequestBase.check_action_permitted

    @functools.wraps(taking_a_role)
    def check_action_permitted(self: IAMRequestBase, resource: str) -> None:
        if self._is_assuming_role_operation(resource):
            return taking_a_role(self, resource)  # the role's trust policy has a say too
        if self._action == "sts:GetCallerIdentity":
            return None
        statements = _statements(self._access_key.collect_policies())
        if not all(permitted(statements, *need) for need in _needs(self, resource)):
            self._raise_access_denied()
        return None

    refusing = IAMRequest._raise_access_denied

    @functools.wraps(refusing)
    def raise_access_denied(self: IAMRequest) -> None:
        if "X-Amz-Target" not in self._headers:
            refusing(self)
        # moto answers XML, in which a client of a JSON service finds no code.
        message = f"User: {self._access_key.arn} is not authorized to perform: {self._action}"
        raise JsonRESTError("AccessDeniedException", message)

    IAMRequest._raise_access_denied = raise_access_denied  # type: ignore[method-assign]
    ActionAuthenticatorMixin._authenticate_and_authorize_action = unless_root  # type: ignore[method-assign]
    IAMRequestBase.check_action_permitted = check_action_permitted  # type: ignore[method-assign]


def enforced() -> bool:
    """Whether checks are on."""
    return bool(ActionAuthenticatorMixin.request_count >= settings.INITIAL_NO_AUTH_ACTION_COUNT)


def role_may(account: str, role: str, action: str, resource: str) -> bool:
    """Whether a role (its name) is allowed an action that a service does in its name; True while checks are off."""
    if not enforced():
        return True
    iam: IAMBackend = iam_backends[account][PARTITION]
    inline = [iam.get_role_policy(role, name)[1] for name in iam.list_role_policies(role)]
    attached, _ = iam.list_attached_role_policies(role)
    return permitted(_statements([*inline, *attached]), action, resource, _CONSTANT)


def permitted(statements: Iterable[dict[str, Any]], action: str, resource: str, context: Context) -> bool:
    """IAM's decision: some statement allows it, and none denies it."""
    effects = {s["Effect"] for s in statements if _applies(s, action, resource, context)}
    return effects == {"Allow"}


def _statements(policies: Iterable[Any]) -> list[dict[str, Any]]:
    return [s for policy in policies for s in _as_list(IAMPolicy(policy)._policy_json["Statement"])]


def _applies(statement: dict[str, Any], action: str, resource: str, context: Context) -> bool:
    return (
        _element(statement, "Action", action, ignore_case=True)
        and _element(statement, "Resource", resource)
        and all(
            _met(operator, key, _as_list(values), context, unknown=statement["Effect"] == "Deny")
            for operator, tests in (statement.get("Condition") or {}).items()
            for key, values in tests.items()
        )
    )


def _element(statement: dict[str, Any], name: str, value: str, *, ignore_case: bool = False) -> bool:
    inverted = f"Not{name}" in statement
    patterns = _as_list(statement[f"Not{name}"] if inverted else statement[name])
    if ignore_case:
        value, patterns = value.lower(), [pattern.lower() for pattern in patterns]
    return any(_like(value, pattern) for pattern in patterns) != inverted


def _like(value: str, pattern: str) -> bool:
    """IAM's wildcards: `*` for any characters, `?` for one, and no others."""
    return re.fullmatch(re.escape(pattern).replace(r"\*", ".*").replace(r"\?", "."), value, re.DOTALL) is not None


_OPERATORS: dict[str, Callable[[str, str], bool]] = {
    "StringEquals": lambda actual, expected: actual == expected,
    "StringLike": _like,
    "ArnEquals": _like,
    "ArnLike": _like,
    "Bool": lambda actual, expected: actual.lower() == expected.lower(),
}


def _met(operator: str, key: str, expected: list[Any], context: Context, *, unknown: bool) -> bool:
    """One condition; `unknown` is the answer for an operator that is not evaluated here."""
    actual = context.get(key.lower())
    if operator == "Null":
        return any((actual is None) == (str(value).lower() == "true") for value in expected)
    plain = operator.removesuffix("IfExists")
    compare, negated = _OPERATORS.get(plain), False
    if compare is None and "Not" in plain:
        compare, negated = _OPERATORS.get(plain.replace("Not", "", 1)), True
    if compare is None:
        return unknown
    if actual is None:
        return negated or operator != plain
    return any(compare(actual, str(value)) for value in expected) != negated


# A request never leaves this machine, and therefore counts as encrypted.
_CONSTANT: Context = {"aws:securetransport": "true"}


def _needs(request: IAMRequestBase, resource: str) -> Iterator[Need]:
    """All that a request asks for, its own action first."""
    yield from _NEEDS.get(request._service, _unknown_resource)(request, resource)


def _unknown_resource(request: IAMRequestBase, resource: str) -> Iterator[Need]:
    yield request._action, resource, _CONSTANT


def _of_s3(request: IAMRequestBase, resource: str) -> Iterator[Need]:
    query = dict(parse_qsl(urlsplit(request._path).query, keep_blank_values=True))
    # HeadBucket is an operation and no action of IAM.
    action = request._action.replace("s3:HeadBucket", "s3:ListBucket")
    asked = {f"s3:{name}": query[name] for name in ("prefix", "delimiter", "max-keys") if name in query}
    yield action, resource, {**_CONSTANT, **(asked if action == "s3:ListBucket" else {})}
    bucket_name, _, key_name = resource.rpartition(":")[2].partition("/")
    bucket = _bucket(request.account_id, bucket_name)
    if bucket is None or not key_name:
        return
    if action in ("s3:GetObject", "s3:GetObjectVersion"):
        yield from _decryption(bucket, key_name)
    if action == "s3:PutObject":
        if key := request._headers.get("x-amz-server-side-encryption-aws-kms-key-id") or _default_key(bucket):
            yield "kms:GenerateDataKey", key, _via("s3", bucket.region_name)
            if "uploads" in query or "uploadId" in query:
                # https://docs.aws.amazon.com/AmazonS3/latest/userguide/mpuAndPermissions.html
                yield "kms:Decrypt", key, _via("s3", bucket.region_name)
        if source := request._headers.get("x-amz-copy-source"):
            name, _, key = unquote(source).lstrip("/").partition("?")[0].partition("/")
            yield "s3:GetObject", f"arn:{PARTITION}:s3:::{name}/{key}", _CONSTANT
            if copied := _bucket(request.account_id, name):
                yield from _decryption(copied, key)


def _bucket(account: str, name: str) -> FakeBucket | None:
    found: FakeBucket | None = s3_backends[account][PARTITION].buckets.get(name)
    return found


def _default_key(bucket: FakeBucket) -> str | None:
    if not bucket.encryption:
        return None
    found: str | None = bucket.encryption["Rule"]["ApplyServerSideEncryptionByDefault"].get("KMSMasterKeyID")
    return found


def _decryption(bucket: FakeBucket, key_name: str) -> Iterator[Need]:
    stored = bucket.keys.get(key_name)
    if isinstance(stored, FakeKey) and stored.encryption == "aws:kms" and stored.kms_key_id:
        yield "kms:Decrypt", stored.kms_key_id, _via("s3", bucket.region_name)


def _via(service: str, region: str) -> Context:
    return {**_CONSTANT, "kms:viaservice": f"{service}.{region}.amazonaws.com"}


def _of_secrets(request: IAMRequestBase, resource: str) -> Iterator[Need]:
    backend = secretsmanager_backends[request.account_id][request._region]
    named = _parameters(request).get("SecretId", "*")
    secret = backend.secrets.get(named)
    yield request._action, secret.arn if secret else named, _CONSTANT
    key = str(getattr(secret, "kms_key_id", None) or "")
    if request._action == "secretsmanager:GetSecretValue" and key and not key.startswith("alias/aws/"):
        yield "kms:Decrypt", key, _via("secretsmanager", request._region)


def _of_kms(request: IAMRequestBase, resource: str) -> Iterator[Need]:
    backend = kms_backends[request.account_id][request._region]
    named = str(_parameters(request).get("KeyId", "*"))
    found = backend.keys.get(named.rpartition("/")[2])
    yield request._action, found.arn if found else named, _CONSTANT


def _of_logs(request: IAMRequestBase, resource: str) -> Iterator[Need]:
    asked = _parameters(request)
    group, stream = asked.get("logGroupName", "*"), asked.get("logStreamName", "")
    yield request._action, log_stream_arn(request._region, request.account_id, group, stream), _CONSTANT


def log_stream_arn(region: str, account: str, group: str, stream: str) -> str:
    """The resource of what is done to a log stream."""
    return f"arn:{PARTITION}:logs:{region}:{account}:log-group:{group}:log-stream:{stream}"


def _of_glue(request: IAMRequestBase, resource: str) -> Iterator[Need]:
    asked = _parameters(request)
    job = asked.get("JobName") or (asked.get("Name") if "Job" in request._action else None)
    arn = f"arn:{PARTITION}:glue:{request._region}:{request.account_id}:job/{job}"
    yield request._action, arn if job else resource, _CONSTANT


def _of_ecs(request: IAMRequestBase, resource: str) -> Iterator[Need]:
    asked, prefix = _parameters(request), f"arn:{PARTITION}:ecs:{request._region}:{request.account_id}"
    cluster = str(asked.get("cluster") or "default").rpartition("/")[2]
    context = {**_CONSTANT, "ecs:cluster": f"{prefix}:cluster/{cluster}"}
    if request._action == "ecs:RunTask":
        named = str(asked.get("taskDefinition"))
        try:
            definition = ecs_backends[request.account_id][request._region].describe_task_definition(named)
        except TaskDefinitionNotFoundException:
            yield request._action, named, context
            return
        yield request._action, definition.arn, context
        for role in ("task_role_arn", "execution_role_arn"):
            if passed := getattr(definition, role, None):
                yield "iam:PassRole", passed, {**_CONSTANT, "iam:passedtoservice": "ecs-tasks.amazonaws.com"}
    elif request._action in ("ecs:DescribeTasks", "ecs:StopTask"):
        for task in _as_list(asked.get("tasks") or asked.get("task")):
            yield request._action, f"{prefix}:task/{cluster}/{str(task).rpartition('/')[2]}", context
    else:
        yield request._action, resource, context


def _of_kinesis(request: IAMRequestBase, resource: str) -> Iterator[Need]:
    asked = _parameters(request)
    name = asked.get("StreamName") or str(asked.get("StreamARN", "")).rpartition("/")[2]
    if iterator := asked.get("ShardIterator"):
        name = decompose_shard_iterator(iterator)[0]  # it is moto's, and names its stream
    arn = f"arn:{PARTITION}:kinesis:{request._region}:{request.account_id}:stream/{name}"
    yield request._action, arn if name else resource, _CONSTANT


def _of_xray(request: IAMRequestBase, resource: str) -> Iterator[Need]:
    # moto calls an operation as its path is called. None of X-Ray's has a resource.
    operation = request._action.partition(":")[2]
    yield f"xray:{_XRAY_OPERATIONS.get(operation, operation)}", "*", _CONSTANT


_XRAY_OPERATIONS = {
    "TraceSegments": "PutTraceSegments",
    "TelemetryRecords": "PutTelemetryRecords",
    "Traces": "BatchGetTraces",
    "TraceSummaries": "GetTraceSummaries",
    "ServiceGraph": "GetServiceGraph",
    "TraceGraph": "GetTraceGraph",
}


_NEEDS: dict[str, Callable[[IAMRequestBase, str], Iterator[Need]]] = {
    "s3": _of_s3,
    "secretsmanager": _of_secrets,
    "kms": _of_kms,
    "logs": _of_logs,
    "glue": _of_glue,
    "kinesis": _of_kinesis,
    "ecs": _of_ecs,
    "xray": _of_xray,
}


def _parameters(request: IAMRequestBase) -> dict[str, Any]:
    try:
        body = json.loads(request._body or b"{}")
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
