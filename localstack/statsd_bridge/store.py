"""The values: prometheus_client's metrics, each made when the first value of its name comes."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics

from statsd_bridge.lines import Event, LineError, parse
from statsd_bridge.mapping import Mapped, Rules

log = logging.getLogger(__name__)
_CLASSES: Mapping[str, type[Any]] = {"counter": Counter, "gauge": Gauge, "observer": Histogram}


class Store:
    """What was received.

    Attributes:
        registry: what is shown.
    """

    def __init__(self, rules: Rules) -> None:
        disable_created_metrics()
        self._rules = rules
        self.registry = CollectorRegistry()
        self._metrics: dict[str, Any] = {}
        self._lines = Counter("statsd_exporter_lines", "Lines that were received.", registry=self.registry)
        self._wrong = Counter("statsd_exporter_errors", "Lines that were left out.", ["reason"], registry=self.registry)

    def receive(self, datagram: bytes) -> None:
        """Take a datagram's lines; what is wrong with one is counted and logged, and the others are taken."""
        for line in datagram.decode(errors="replace").splitlines():
            if not line:
                continue
            self._lines.inc()
            try:
                self._take(parse(line))
            except LineError:
                self._leave_out("malformed_line", line)
            except ValueError:
                self._leave_out("conflict", line)

    def _take(self, event: Event) -> None:
        mapped = self._rules(event)
        if mapped is None:
            return
        metric = self._metric(event, mapped)
        one = metric.labels(**mapped.labels) if mapped.labels else metric
        match event.kind:
            case "counter":
                one.inc(event.value)
            case "gauge" if event.relative:
                one.inc(event.value)
            case "gauge":
                one.set(event.value)
            case "observer":
                for _ in range(event.times):
                    one.observe(event.value)

    def _metric(self, event: Event, mapped: Mapped) -> Any:
        """The one of this name.

        Raises:
            ValueError: there is one of another kind.
        """
        found = self._metrics.get(mapped.name)
        if found is None:
            more = {"buckets": mapped.buckets} if mapped.buckets and event.kind == "observer" else {}
            found = _CLASSES[event.kind](mapped.name, mapped.help, list(mapped.labels), registry=self.registry, **more)
            self._metrics[mapped.name] = found
        if not isinstance(found, _CLASSES[event.kind]):
            raise ValueError(f"{mapped.name} is no {event.kind}")
        return found

    def _leave_out(self, reason: str, line: str) -> None:
        self._wrong.labels(reason=reason).inc()
        log.warning("%s: %s", reason, line)
