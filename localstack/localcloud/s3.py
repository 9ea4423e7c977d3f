"""S3: conditions of policies, and conditional writes that hold under concurrency.

Hooks: `IAMPolicyStatement.is_action_permitted` (moto evaluates every condition that it does not know
as met, so that a Deny for plain HTTP would lock everyone out) and `S3Response.put_object`, `copy_object`
and `_key_response_post` (moto looks and then writes, with nothing in between to hold others off).
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from typing import Any

from moto.iam.access_control import IAMPolicyStatement, PermissionResult
from moto.s3.responses import S3Response

# What is known of every request: it never leaves this machine, and therefore counts as encrypted.
CONTEXT = {"aws:securetransport": "true", "s3:tlsversion": "1.3"}

_STRIPES = tuple(threading.RLock() for _ in range(64))


def install() -> None:
    """Hook into moto. Call once."""
    _evaluate_known_conditions()
    for name in ("put_object", "copy_object", "_key_response_post"):
        setattr(S3Response, name, _one_writer_a_key(getattr(S3Response, name)))


def undecided(condition: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]] | None:
    """What is left of a policy statement's `Condition` once the known keys are evaluated.

    None when one of them is not met: the statement does not apply. An empty dict: all are met.
    """
    rest: dict[str, dict[str, Any]] = {}
    for operator, tests in condition.items():
        compare = _COMPARISONS.get(operator.removesuffix("IfExists"))
        for key, expected in tests.items():
            actual = CONTEXT.get(key.lower())
            if actual is None or compare is None:
                rest.setdefault(operator, {})[key] = expected
            elif not any(compare(actual, str(value)) for value in _as_list(expected)):
                return None
    return rest


_COMPARISONS: dict[str, Callable[[str, str], bool]] = {
    "Bool": lambda actual, expected: actual == expected.lower(),
    "StringEquals": lambda actual, expected: actual == expected,
    "NumericLessThan": lambda actual, expected: float(actual) < float(expected),
    "NumericLessThanEquals": lambda actual, expected: float(actual) <= float(expected),
    "NumericGreaterThan": lambda actual, expected: float(actual) > float(expected),
    "NumericGreaterThanEquals": lambda actual, expected: float(actual) >= float(expected),
    "NumericEquals": lambda actual, expected: float(actual) == float(expected),
}


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _evaluate_known_conditions() -> None:
    original = IAMPolicyStatement.is_action_permitted

    @functools.wraps(original)
    def is_action_permitted(
        self: IAMPolicyStatement,
        action: str,
        resource: str = "*",
        principal: str | None = None,
        incoming_condition_values: dict[str, str] | None = None,
    ) -> PermissionResult:
        statement = self._statement
        rest = undecided(statement.get("Condition") or {})
        if rest is None:
            return PermissionResult.NEUTRAL
        evaluated = IAMPolicyStatement({**statement, "Condition": rest})
        return original(evaluated, action, resource, principal, incoming_condition_values)

    IAMPolicyStatement.is_action_permitted = is_action_permitted  # type: ignore[method-assign]


def _one_writer_a_key(handler: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(handler)
    def exclusive(self: S3Response, *args: Any, **kwargs: Any) -> Any:
        with _STRIPES[hash((self.bucket_name, self.parse_key_name())) % len(_STRIPES)]:
            return handler(self, *args, **kwargs)

    return exclusive
