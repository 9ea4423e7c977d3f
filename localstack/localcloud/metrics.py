"""Metrics that CloudWatch Logs makes of what is logged, which moto does not.

- An event in the embedded metric format becomes values of its metrics
  (https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html).
  One that is no such document is a line of a log and nothing else, as in AWS.
- A metric filter counts the events that match its pattern: JSON patterns that compare values and join comparisons, and
  patterns of plain terms
  (https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/FilterAndPatternSyntax.html). A pattern of another kind is
  refused when it is put: a filter that never counts would look like one that found nothing.

Hooks: `LogsBackend.put_log_events` and `put_metric_filter`. Values are put by CloudWatch's API, and read by it.
Not emulated: alarms do not look at them.
"""

from __future__ import annotations

import functools
import json
import logging
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from typing import Any

from localcloud.clients import client

log = logging.getLogger(__name__)

Match = Callable[[str], dict[str, Any] | None]
"""Takes an event's message; the values in it that a filter may name if it matches, else None."""


class PatternError(ValueError):
    """A filter's pattern that is wrong, or of a kind that is not evaluated here."""


def install() -> None:
    """Hook into moto. Call once."""
    from moto.logs.exceptions import InvalidParameterException
    from moto.logs.models import LogsBackend

    put, put_filter = LogsBackend.put_log_events, LogsBackend.put_metric_filter

    @functools.wraps(put)
    def put_log_events(self: Any, log_group_name: str, log_stream_name: str, log_events: list[dict[str, Any]]) -> Any:
        answer = put(self, log_group_name, log_stream_name, log_events)
        filters = self.filters.get_matching_filters(log_group_name=log_group_name)
        for event in log_events:
            for namespace, datum in (*embedded(event), *filtered(event, filters)):
                _put(self.region_name, namespace, datum)
        return answer

    @functools.wraps(put_filter)
    def put_metric_filter(
        self: Any, filter_name: str, filter_pattern: str, log_group_name: str, metric_transformations: Any
    ) -> None:
        try:
            compile_pattern(filter_pattern)
        except PatternError as error:
            raise InvalidParameterException(
                parameter="filterPattern", constraint=str(error), value=filter_pattern
            ) from error
        self.filters.delete_filter(filter_name, log_group_name)  # the same name is the same filter
        put_filter(self, filter_name, filter_pattern, log_group_name, metric_transformations)

    LogsBackend.put_log_events = put_log_events  # type: ignore[method-assign]
    LogsBackend.put_metric_filter = put_metric_filter  # type: ignore[method-assign]


def _put(region: str, namespace: str, datum: dict[str, Any]) -> None:
    try:
        client("cloudwatch", region).put_metric_data(Namespace=namespace, MetricData=[datum])
    except Exception as error:  # what is wrong with a metric does not keep a line from its log
        log.warning("no metric %s of %s: %s", datum.get("MetricName"), namespace, error)


def embedded(event: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """The values in an event of the embedded metric format: namespace and datum, one a set of dimensions."""
    if '"_aws"' not in event["message"]:
        return
    document = _document(event["message"])
    about = (document or {}).get("_aws")
    if document is None or not isinstance(about, dict):
        return
    try:
        at = datetime.fromtimestamp(about["Timestamp"] / 1000, UTC)
        for directive in about["CloudWatchMetrics"]:
            for names in directive["Dimensions"]:
                dimensions = [{"Name": name, "Value": str(document[name])} for name in names]
                for metric in directive["Metrics"]:
                    value = document[metric["Name"]]
                    yield (
                        directive["Namespace"],
                        {
                            "MetricName": metric["Name"],
                            "Unit": metric.get("Unit", "None"),
                            "Timestamp": at,
                            "Dimensions": dimensions,
                            **({"Values": value} if isinstance(value, list) else {"Value": value}),
                        },
                    )
    except (KeyError, TypeError) as error:
        log.warning("no embedded metrics: %r in %s", error, event["message"][:200])


def filtered(event: dict[str, Any], filters: list[dict[str, Any]]) -> Iterator[tuple[str, dict[str, Any]]]:
    """The values that metric filters make of an event."""
    for each in filters:
        values = compile_pattern(each["filterPattern"])(event["message"])
        if values is None:
            continue
        for made in each["metricTransformations"]:
            dimensions = {name: _selected(values, path) for name, path in made.get("dimensions", {}).items()}
            value = made["metricValue"]
            number = _selected(values, value) if value.startswith("$") else value
            if number is None or None in dimensions.values():
                continue  # an event that lacks what the metric is made of
            datum = {
                "MetricName": made["metricName"],
                "Unit": made.get("unit", "None"),
                "Timestamp": datetime.fromtimestamp(event["timestamp"] / 1000, UTC),
                "Dimensions": [{"Name": name, "Value": str(found)} for name, found in dimensions.items()],
                "Value": float(number),
            }
            yield made["metricNamespace"], datum


@functools.cache
def compile_pattern(pattern: str) -> Match:
    """What a filter's pattern matches.

    Raises PatternError.
    """
    text = pattern.strip()
    if not text.startswith("{"):
        return _terms(text)
    parser = _Parser(text)
    test = parser.parse()

    def match(message: str) -> dict[str, Any] | None:
        document = _document(message)
        return document if document is not None and test(document) else None

    return match


def _terms(text: str) -> Match:
    """Plain words and quoted phrases: all of them are in the message."""
    if text.startswith(("[", "%")) or re.search(r"(^|\s)[?-]", text):
        raise PatternError(f"the local cloud does not evaluate the filter pattern {text!r}")
    words = [quoted or plain for quoted, plain in re.findall(r'"([^"]*)"|(\S+)', text)]
    return lambda message: {} if all(word in message for word in words) else None


def _document(message: str) -> dict[str, Any] | None:
    try:
        found = json.loads(message)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def _selected(values: Any, path: str) -> Any:
    """The value at `$.a.b`, or None."""
    for name in path.removeprefix("$").strip(".").split("."):
        values = values.get(name) if isinstance(values, dict) else None
    return values


Test = Callable[[dict[str, Any]], bool]
_TOKEN = re.compile(r'\s*(&&|\|\||!=|>=|<=|[=<>(){}]|\$[\w.-]+|"[^"]*"|[^\s=<>!(){}&|"$]+)')
_COMPARE: dict[str, Callable[[float, float], bool]] = {
    ">": lambda a, b: a > b,
    "<": lambda a, b: a < b,
    ">=": lambda a, b: a >= b,
    "<=": lambda a, b: a <= b,
}


class _Parser:
    """`{ comparison }`, joined by && and ||, which binds less, and parentheses."""

    def __init__(self, text: str) -> None:
        self._text, place = text, 0
        self._tokens: list[str] = []
        while place < len(text.rstrip()):
            found = _TOKEN.match(text, place)
            if found is None:
                raise self._error()
            self._tokens.append(found[1])
            place = found.end()

    def parse(self) -> Test:
        self._take("{")
        test = self._any()
        self._take("}")
        if self._tokens:
            raise self._error()
        return test

    def _any(self) -> Test:
        tests = [self._all()]
        while self._next("||"):
            tests.append(self._all())
        return lambda values: any(test(values) for test in tests)

    def _all(self) -> Test:
        tests = [self._one()]
        while self._next("&&"):
            tests.append(self._one())
        return lambda values: all(test(values) for test in tests)

    def _one(self) -> Test:
        if self._next("("):
            test = self._any()
            self._take(")")
            return test
        path, operator, literal = self._take(), self._take(), self._take()
        if not path.startswith("$"):
            raise self._error()
        if operator in _COMPARE:
            try:
                bound = float(literal)
            except ValueError:
                raise self._error() from None
            return lambda values: (
                isinstance(found := _selected(values, path), int | float) and _COMPARE[operator](found, bound)
            )
        if operator not in ("=", "!="):
            raise self._error()
        wanted = literal.strip('"').replace("[", "[[]").replace("?", "[?]")  # `*` alone stands for others

        def equal(values: dict[str, Any]) -> bool:
            found = _selected(values, path)
            # What has no such member is neither equal nor unequal.
            return found is not None and fnmatchcase(str(found), wanted) == (operator == "=")

        return equal

    def _next(self, token: str) -> bool:
        if self._tokens and self._tokens[0] == token:
            self._tokens.pop(0)
            return True
        return False

    def _take(self, token: str | None = None) -> str:
        if not self._tokens or (token is not None and self._tokens[0] != token):
            raise self._error()
        return self._tokens.pop(0)

    def _error(self) -> PatternError:
        return PatternError(f"the local cloud does not evaluate the filter pattern {self._text!r}")
