"""promtool's tests of the alerts: from what the catalogue says of each alarm, and not from its expression.

A test is a series minute by minute, and when it rings. What rings is just above the limit, what is silent just at it;
what began with its first value rings too, and what is over is over. Annotations are compared as a whole, with the
values of labels in them: they are the text that SNS sends.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from math import ceil
from pathlib import PurePosixPath
from typing import Any

from ingot.metrics import Catalogue, Metric
from ingot.metrics.prometheus import BUCKETS, Rule, prometheus_name, rules
from ingot.sources import Source
from monitoring.alerts import SILENCE, annotations
from monitoring.prometheus import JOB

Labels = Mapping[str, str]
Test = dict[str, Any]
_DAY, _SELDOM = 86_400, 20
"""In seconds; in minutes."""
_QUIET = 5
"""Minutes before something happens."""


def rule_tests(catalogue: Catalogue, sources: Mapping[str, Source]) -> dict[str, Any]:
    """The file of tests, which lies beside the folder of the rules."""
    return _file(1, [*_each(catalogue, sources, slow=False), *_silence()])


def slow_rule_tests(catalogue: Catalogue, sources: Mapping[str, Source]) -> dict[str, Any]:
    """Those of what rings after days: rules are evaluated less often there, or the tests take minutes."""
    return _file(_SELDOM, list(_each(catalogue, sources, slow=True)))


def _file(minutes: int, tests: list[Test]) -> dict[str, Any]:
    found = [str(PurePosixPath("..", "rules", name)) for name in ("alerts.yml", "scheduled.yml")]
    return {"rule_files": found, "evaluation_interval": f"{minutes}m", "tests": tests}


def _each(catalogue: Catalogue, sources: Mapping[str, Source], *, slow: bool) -> Iterator[Test]:
    """One rule of each alarm and limit."""
    seen = set()
    for rule in rules(catalogue, sources):
        if (rule.alarm.name, rule.threshold) not in seen and _is_slow(rule, catalogue) == slow:
            seen.add((rule.alarm.name, rule.threshold))
            yield from _tests(rule, catalogue[rule.metric], sources)


def _is_slow(rule: Rule, catalogue: Catalogue) -> bool:
    return catalogue[rule.metric].age and _step(rule) == _SELDOM


def _step(rule: Rule) -> int:
    """Minutes between two evaluations."""
    return _SELDOM if rule.threshold >= _DAY and not rule.threshold % (_SELDOM * 60) else 1


def _tests(rule: Rule, metric: Metric, sources: Mapping[str, Source]) -> Iterator[Test]:
    name = prometheus_name(rule.metric, metric)
    labels = _sample(rule, metric, sources)
    if metric.age:
        yield from _age(rule, name, labels)
    elif metric.type == "gauge":
        yield from _gauge(rule, name, labels)
    elif metric.type == "counter" or rule.alarm.statistic == "count":
        yield from _counter(rule, f"{name}_count" if metric.type == "distribution" else name, labels)
    else:
        yield from _longest(rule, name, labels, BUCKETS[metric.unit])


def _sample(rule: Rule, metric: Metric, sources: Mapping[str, Source]) -> dict[str, str]:
    """Labels of a series that the rule is about."""
    source = sources[rule.series.get("source") or next(iter(sources))]
    known = {"source": source.name, "stream": next(iter(source.streams)), "step": metric.emitted_by[0], **rule.series}
    return {label: known.get(label, f"a-{label}") for label in metric.labels}


def _gauge(rule: Rule, name: str, labels: Labels) -> Iterator[Test]:
    at, above = rule.threshold, rule.threshold + 1
    lasts = rule.for_minutes + _QUIET
    yield _test(
        f"{rule.alarm.name}: above {at:g} it rings, at {at:g} it does not",
        {_series(name, labels): f"{at:g}x{_QUIET - 1} {above:g}x{lasts - 1} {at:g}x{_QUIET}"},
        _alert(rule, _QUIET - 1),
        _alert(rule, _QUIET + rule.for_minutes, labels),
        _alert(rule, _QUIET + lasts),
    )


def _age(rule: Rule, name: str, labels: Labels) -> Iterator[Test]:
    """What it is the age of was at minute 0, and once more when it has rung: minutes are seconds of the epoch by 60."""
    step = _step(rule)
    late = ceil(rule.threshold / 60)
    rings = late + step + rule.for_minutes
    yield {
        **_test(
            f"{rule.alarm.name}: it rings when an interval and {rule.for_minutes} minutes are over without news",
            {_series(name, labels): f"0x{rings // step} {(rings + step) * 60}x{_QUIET}"},
            _alert(rule, late),
            _alert(rule, rings - step),
            _alert(rule, rings, labels),
            _alert(rule, rings + 2 * step),
        ),
        "interval": f"{step}m",
    }
    yield {
        **_test(
            f"{rule.alarm.name}: it rings too where the exporter began anew and nothing was sent since",
            {_series(name, labels): f"0x{late // step - 1} _x{rule.for_minutes // step + _QUIET}"},
            _alert(rule, rings - step),
            _alert(rule, rings, labels),
        ),
        "interval": f"{step}m",
    }


def _counter(rule: Rule, name: str, labels: dict[str, str]) -> Iterator[Test]:
    most, window = int(rule.threshold), rule.alarm.minutes
    about = {"job": JOB, "instance": "bridge:9102"}
    parts = [labels, _other(rule, labels)]
    yield _test(
        f"{rule.alarm.name}: {most + 1} in {window} minutes ring, the first value of a series counts, then it is over",
        {
            _series(name, part): f"_x{_QUIET} {count}x{window + _QUIET}"
            for part, count in _shared_out(most + 1, parts).items()
        },
        _alert(rule, _QUIET - 1),
        _alert(rule, _QUIET, labels),
        _alert(rule, _QUIET + window - 1, labels),
        _alert(rule, _QUIET + window),
    )
    yield _test(
        f"{rule.alarm.name}: {most} in {window} minutes do not ring, whatever there was before",
        {_series(name, labels): f"7x{window + _QUIET} {7 + most}x{window}"},
        *(_alert(rule, minute) for minute in range(window + _QUIET, 2 * window + _QUIET, max(1, window // 4))),
    )
    if most:
        yield _test(
            f"{rule.alarm.name}: {most + 1} that lie further apart than {window} minutes do not ring",
            {_series(name, labels): f"0x{_QUIET - 1} 1x{window} {most + 1}x{_QUIET}"},
            *(_alert(rule, minute) for minute in (_QUIET, _QUIET + window, _QUIET + window + 1, _QUIET + window + 3)),
        )
    unseen = 2 * window
    yield _test(
        f"{rule.alarm.name}: what there was before Prometheus looked away does not ring when it looks again, more does",
        {
            "up" + _series("", about): f"1x{_QUIET - 1} _x{unseen} 1x{4 * _QUIET}",
            _series(name, labels | about): (
                f"{most + 9}x{_QUIET - 1} _x{unseen} {most + 9}x{_QUIET - 1} {2 * most + 10}x{3 * _QUIET}"
            ),
        },
        *(_alert(rule, _QUIET + unseen + minute) for minute in range(_QUIET)),
        _alert(rule, 2 * _QUIET + unseen, labels),
    )
    yield _test(
        f"{rule.alarm.name}: a counter that begins anew has not grown by what it was",
        {_series(name, labels): f"{most + 9}x{window + _QUIET} 0x{window}"},
        *(_alert(rule, minute) for minute in (window + _QUIET, window + _QUIET + 1, window + 2 * _QUIET)),
    )


def _longest(rule: Rule, name: str, labels: Labels, bounds: Sequence[float]) -> Iterator[Test]:
    limit, window = rule.threshold, rule.alarm.minutes

    def observed(seconds: float, bound: Callable[[float], str]) -> dict[str, str]:
        """A histogram's series that get one value after some quiet minutes."""
        shown = f"_x{_QUIET} {{}}x{window + _QUIET}"
        buckets = {bound(each): int(seconds <= each) for each in bounds} | {"+Inf": 1}
        found = {_series(f"{name}_bucket", {**labels, "le": le}): shown.format(n) for le, n in buckets.items()}
        return {
            **found,
            _series(f"{name}_count", labels): shown.format(1),
            _series(f"{name}_sum", labels): shown.format(seconds),
        }

    # Prometheus 3 and Python's client write bounds as floats, statsd-exporter and Prometheus 2 do not.
    for form, bound in (("1.0", lambda value: str(float(value))), ("1", lambda value: f"{value:g}")):
        yield _test(
            f"{rule.alarm.name}: longer than {limit:g} seconds rings, then it is over (bounds as {form})",
            observed(limit + 1, bound),
            _alert(rule, _QUIET - 1),
            _alert(rule, _QUIET, labels),
            _alert(rule, _QUIET + window - 1, labels),
            _alert(rule, _QUIET + window),
        )
    yield _test(
        f"{rule.alarm.name}: {limit:g} seconds do not ring",
        observed(limit, lambda value: f"{value:g}"),
        _alert(rule, _QUIET),
        _alert(rule, _QUIET + 1),
    )


def _silence() -> Iterator[Test]:
    up = _series("up", {"job": JOB, "instance": "bridge:9102"})
    rings = [{"exp_annotations": annotations(SILENCE, {}, runbook="docs/how-to/monitoring.md")}]

    def at(minute: int, alerts: list[Any]) -> dict[str, Any]:
        return {"eval_time": f"{minute}m", "alertname": SILENCE.name, "exp_alerts": alerts}

    yield _test(
        f"{SILENCE.name}: what cannot be asked for {SILENCE.minutes} minutes rings, until it can",
        {up: f"1x{_QUIET - 1} 0x{SILENCE.minutes} 1x{_QUIET}"},
        at(_QUIET - 1, []),
        at(_QUIET + SILENCE.minutes - 1, []),
        at(_QUIET + SILENCE.minutes, rings),
        at(_QUIET + SILENCE.minutes + 2, []),
    )
    yield _test(f"{SILENCE.name}: nobody to ask rings too", {"other": "1x20"}, at(SILENCE.minutes, rings))


def _other(rule: Rule, labels: Labels) -> dict[str, str]:
    """Another series that the alert takes together with this one; the same, if there is none."""
    return {label: value if label in rule.labels else f"another-{label}" for label, value in labels.items()}


def _shared_out(count: int, series: list[dict[str, str]] | list[Labels]) -> dict[tuple[tuple[str, str], ...], int]:
    first, second = (tuple(each.items()) for each in series)
    return {first: count} if first == second else {first: count - 1, second: 1}


def _series(name: str, labels: Labels | Sequence[tuple[str, str]]) -> str:
    inner = ",".join(f'{label}="{value}"' for label, value in dict(labels).items())
    return f"{name}{{{inner}}}"


def _test(name: str, series: Mapping[str, str], *alerts: dict[str, Any]) -> Test:
    return {
        "name": name,
        "interval": "1m",
        "input_series": [{"series": each, "values": values} for each, values in series.items()],
        "alert_rule_test": list(alerts),
    }


def _alert(rule: Rule, minute: int, labels: Labels | None = None) -> dict[str, Any]:
    """What there is at a minute: an alert for a series with these labels, or none."""
    rings = []
    if labels is not None:
        own = {label: labels[label] for label in rule.labels}
        rings = [{"exp_labels": own, "exp_annotations": annotations(rule.alarm, own)}]
    return {"eval_time": f"{minute}m", "alertname": rule.alarm.name, "exp_alerts": rings}
