"""Rules by which the source misbehaves, and the book that says which of them a request meets."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from fnmatch import fnmatchcase
from http import HTTPStatus
from typing import Any, Self

from .edits import KINDS, Edit
from .messages import Reply, Request
from .recordings import compact


class BadFault(ValueError):
    """A rule that cannot be understood; the message says what a rule may hold."""


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One rule: which requests it meets, how often, and what becomes of their replies.

    Attributes:
        path: A shell pattern for the decoded path without its query; ``*`` matches slashes too.
        method: A method, or ``*``.
        query: Arguments that the request must have with these values, for example ``{"page": "3"}``.
        after: How many matching requests pass unharmed first.
        times: How many are harmed then; None for ever.
        latency: Seconds before the reply.
        headers: Set in the reply, beside its own.
        status: Answered in the source's place, with ``body`` or a page that names the status.
        body: Sent in the source's place: a string as it is, anything else as JSON. Status 200 unless
            ``status`` says.
        cut_off: The connection is closed after so many bytes of the body, though Content-Length promises all
            of them. One byte is always missing.
        hang: Nothing more is sent, after ``cut_off`` bytes or before the status line; the connection stays
            open.
        reset: The connection is reset (RST) with no reply.
        trickle: The reply comes byte by byte, status line included, with so many seconds between two.
        replace_with: A recording that stands in for its stream, for example ``products_2025``.
        edits: Changes to the reply's records: see ``recorded_source.edits``.
        told: The JSON form that the rule was made from.
    """

    path: str = "*"
    method: str = "*"
    query: Mapping[str, str] = field(default_factory=dict)
    after: int = 0
    times: int | None = None
    latency: float = 0.0
    headers: Mapping[str, str] = field(default_factory=dict)
    status: int | None = None
    body: Any = None
    cut_off: int | None = None
    hang: bool = False
    reset: bool = False
    trickle: float = 0.0
    replace_with: str | None = None
    edits: tuple[Edit, ...] = ()
    told: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def from_json(cls, rule: Mapping[str, Any]) -> Self:
        """A rule from its JSON form, where each edit is a member of its own, one or a list of them.

        Raises:
            BadFault: if the rule holds an unknown member, a value of the wrong kind, or nothing to do.
        """
        plain = {name: value for name, value in rule.items() if name not in KINDS}
        known = {f.name for f in fields(cls)} - {"edits", "told"}
        if unknown := set(plain) - known:
            raise BadFault(
                f"A rule has no {', '.join(sorted(unknown))}; it may hold {', '.join([*sorted(known), *KINDS])}."
            )
        return cls(**plain, edits=tuple(_edits(rule)), told=rule)

    def __post_init__(self) -> None:
        for name, kinds in _TYPES.items():
            value = getattr(self, name)
            if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
                raise BadFault(f"{name}={value!r} should be {' or '.join(kind.__name__ for kind in kinds)}.")
        if min(self.after, self.times or 0, self.latency, self.trickle, self.cut_off or 0) < 0:
            raise BadFault("after, times, latency, trickle and cut_off cannot be negative.")
        if self.status is not None and not 200 <= self.status <= 599:
            raise BadFault(f"status={self.status} is no status of a final reply: take 200 to 599.")
        if self.stands_in and (self.edits or self.replace_with):
            raise BadFault("A rule changes the source's reply or sends another in its place (status, body): not both.")
        if not (
            self.latency or self.trickle or self.headers or self.edits or self.replace_with or self.ends_the_search
        ):
            raise BadFault("The rule does nothing: say status, body, latency, trickle, headers, cut_off, hang, "
                           f"reset, replace_with, {', '.join(KINDS)}.")  # fmt: skip

    @property
    def stands_in(self) -> bool:
        """Whether the rule sends a reply of its own in the source's place."""
        return self.status is not None or self.body is not None

    @property
    def ends_the_search(self) -> bool:
        """Whether rules after this one are not looked at.

        Two rules of a status each are then met one after another.
        """
        return self.stands_in or self.cut_off is not None or self.hang or self.reset

    def meets(self, request: Request) -> bool:
        return (
            self.method in ("*", request.method)
            and fnmatchcase(request.path, self.path)
            and all(request.arguments.get(name) == value for name, value in self.query.items())
        )

    def reply(self) -> Reply:
        """The reply in the source's place."""
        status = self.status or 200
        if self.body is None:
            phrase = HTTPStatus(status).phrase if status in set(HTTPStatus) else "Unknown Error"
            return Reply.html(status, f"{status} {phrase}")
        if isinstance(self.body, str):
            return Reply.json_bytes(self.body.encode("utf-8", "surrogateescape"), status)
        return Reply.json_bytes(compact(self.body), status)


_TYPES: dict[str, tuple[type, ...]] = {
    "path": (str,), "method": (str,), "query": (Mapping,), "headers": (Mapping,), "after": (int,),
    "times": (int, type(None)), "latency": (int, float), "trickle": (int, float), "status": (int, type(None)),
    "cut_off": (int, type(None)), "hang": (bool,), "reset": (bool,), "replace_with": (str, type(None)),
}  # fmt: skip


def _edits(rule: Mapping[str, Any]) -> list[Edit]:
    edits: list[Edit] = []
    for name, kind in KINDS.items():
        told = rule.get(name, [])
        for members in told if isinstance(told, list) else [told]:
            try:
                edits.append(kind(**members))
            except (TypeError, ValueError) as error:
                raise BadFault(f"{name}: {error}; it may hold {', '.join(f.name for f in fields(kind))}.") from None
    return edits


@dataclass(slots=True)
class _Entry:
    fault: Fault
    met: int = 0

    @property
    def harmed(self) -> int:
        return max(0, self.met - self.fault.after)

    @property
    def used_up(self) -> bool:
        return self.fault.times is not None and self.harmed >= self.fault.times


class FaultBook:
    """The rules told so far, in order, and how often each has been met. Safe for many threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._entries: list[_Entry] = []

    def add(self, *faults: Fault) -> None:
        with self._lock:
            self._entries += [_Entry(fault) for fault in faults]

    def clear(self) -> None:
        with self._lock:
            self._entries.clear()

    def applied(self) -> list[tuple[Fault, int]]:
        """Each rule with the number of requests that it has harmed."""
        with self._lock:
            return [(entry.fault, entry.harmed) for entry in self._entries]

    def meeting(self, request: Request) -> list[Fault]:
        """The rules that harm this request, in the order told; each is used up by one."""
        found: list[Fault] = []
        with self._lock:
            for entry in self._entries:
                if entry.used_up or not entry.fault.meets(request):
                    continue
                entry.met += 1
                if not entry.harmed:
                    continue
                found.append(entry.fault)
                if entry.fault.ends_the_search:
                    break
        return found
