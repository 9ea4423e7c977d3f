"""From a request to what goes over the wire.

The API, the synthetic store, the faults and the control path.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from html import escape
from pathlib import Path
from typing import Any, TextIO

from .declared import DeclaredApis, WrongDeclaration
from .edits import Edit, EditFailed, edited
from .fakestore import BadArgument, Fakestore
from .faults import BadFault, Fault, FaultBook
from .guards import Guards
from .journal import Journal
from .messages import Reply, Request
from .paging import Paging
from .recordings import Recordings, UnknownRecording
from .synthetic_api import SyntheticApi


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """A reply and what happens to it on its way: see ``Fault`` for the members."""

    reply: Reply
    latency: float = 0.0
    cut_off: int | None = None
    hang: bool = False
    reset: bool = False
    trickle: float = 0.0

    @property
    def answers(self) -> bool:
        """Whether at least the status line reaches the client."""
        return not self.reset and (not self.hang or self.cut_off is not None)


class Application:
    """The whole source but its sockets. Safe for many threads."""

    def __init__(
        self, recordings: Recordings, *, apis: Sequence[Path] = (), log: TextIO | None = None, cache_bytes: int = 0
    ) -> None:
        self._recordings = recordings
        self._synthetic = SyntheticApi(recordings, cache_bytes)
        self.guards = Guards()
        self._declared = DeclaredApis(apis, self.guards)
        self.faults = FaultBook()
        self.journal = Journal(log)

    def deliver(self, request: Request) -> Delivery:
        """What becomes of a request.

        The control path is neither noted in the journal nor harmed by faults.
        """
        if request.path.startswith("/_control/"):
            return Delivery(reply=self._control(request))
        delivery = self._harmed(request, self.faults.meeting(request))
        reply = delivery.reply
        self.journal.enter(request, reply.status if delivery.answers else None, len(reply.body))
        return delivery

    def tell(self, *rules: Mapping[str, Any]) -> None:
        """Add rules in their JSON form: all of them, or none where one is wrong.

        Raises:
            BadFault: if a rule cannot be understood; the message says which and why.
        """
        faults = [Fault.from_json(rule) for rule in rules]
        for fault in faults:
            if fault.replace_with is not None:
                try:
                    if "/" in fault.replace_with:
                        self._declared.hold_to(fault.replace_with)
                    else:
                        Fakestore(self._recordings, [fault.replace_with])
                except UnknownRecording as error:
                    raise BadFault(f"replace_with: {error}") from None
        self.faults.add(*faults)

    def _harmed(self, request: Request, faults: list[Fault]) -> Delivery:
        ending = next((fault for fault in faults if fault.ends_the_search), None)
        if ending and ending.stands_in:
            reply = ending.reply()
        else:
            stand_ins = [fault.replace_with for fault in faults if fault.replace_with]
            reply = self._guarded(request, stand_ins, [edit for fault in faults for edit in fault.edits])
            reply = reply.conditional(request)
        for fault in faults:
            reply = reply.with_headers(fault.headers) if fault.headers else reply
        return Delivery(
            reply=reply,
            latency=sum(fault.latency for fault in faults),
            cut_off=ending.cut_off if ending else None,
            hang=bool(ending and ending.hang),
            reset=bool(ending and ending.reset),
            trickle=max((fault.trickle for fault in faults), default=0.0),
        )

    def _guarded(self, request: Request, stand_ins: list[str], edits: list[Edit]) -> Reply:
        token = self.guards.token(request)
        if token is not None:
            return token
        if request.method not in ("GET", "HEAD"):
            return Reply.html(405, f"{request.method} is not recorded").with_headers({"Allow": "GET, HEAD"})
        admitted = self.guards.admit(request)
        if isinstance(admitted, Reply):
            return admitted
        try:
            reply = self._declared.answer(request, admitted, stand_ins, edits)
            if reply is None:
                ours = [name for name in stand_ins if "/" not in name]
                reply = self._answer(request, admitted, Fakestore(self._recordings, ours), edits)
        except BadArgument as error:
            return Reply.json({"error": str(error)}, 400)
        except (EditFailed, WrongDeclaration) as error:  # must not pass for a source in good health
            return Reply.html(500, escape(str(error)))
        return reply or Reply.html(404, f"Cannot {request.method} {escape(request.path)}")

    def _answer(self, outer: Request, request: Request, store: Fakestore, edits: list[Edit]) -> Reply | None:
        """The reply behind the guards, in pages where the path asks for some; None where there is no such path."""
        paging = Paging.of(outer, request)
        if paging is None:
            reply = store.answer(request) or self._synthetic.answer(request)
            return reply and _edited(reply, edits)
        listing = store.listing(paging.inner) or self._synthetic.listing(paging.inner)
        if listing is None:
            return None
        page = _edited(paging.of_list(listing), edits)
        return paging.wrapped(page.body, listing.size) if page.status == 200 else page

    def _control(self, request: Request) -> Reply:
        match request.method, request.path.removeprefix("/_control/"):
            case "GET", "health":
                return Reply.json({"status": "ok"})
            case "POST", "faults":
                return self._told(request.body)
            case "GET", "faults":
                rules = [{"rule": fault.told, "applied": harmed} for fault, harmed in self.faults.applied()]
                return Reply.json_bytes(json.dumps(rules, default=repr).encode())
            case "DELETE", "faults":
                self.faults.clear()
                return Reply(204)
            case "GET", "requests":
                return Reply.json(
                    [asdict(served) | {"time": served.time.isoformat()} for served in self.journal.requests()]
                )
            case "DELETE", "requests":
                self.journal.clear()
                return Reply(204)
            case "DELETE", "tokens":
                self.guards.expire_tokens()
                return Reply(204)
        return Reply.json(
            {"error": "Take GET health, POST/GET/DELETE faults, GET/DELETE requests or DELETE tokens."}, 404
        )

    def _told(self, body: bytes) -> Reply:
        try:
            told = json.loads(body)
            rules = told if isinstance(told, list) else [told]
            if not all(isinstance(rule, dict) for rule in rules):
                raise BadFault("Send a rule, which is a JSON object, or a list of them.")
            self.tell(*rules)
        except ValueError as error:  # JSON's own error is one, and BadFault too
            return Reply.json({"error": str(error)}, 400)
        return Reply.json({"told": len(rules)}, 201)


def _edited(reply: Reply, edits: list[Edit]) -> Reply:
    if not edits or reply.status != 200:
        return reply
    try:
        return replace(reply, body=edited(reply.body, edits))
    except EditFailed as error:  # a rule that cannot do its work must not pass for a source in good health
        return Reply.html(500, escape(str(error)))
