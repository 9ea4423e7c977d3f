"""Some pages of a source, taken by the very parts that its extract will use: so what is declared is shown to work."""

from __future__ import annotations

from dataclasses import dataclass, field

import httpx
import msgspec

from ingot.contract.model import Contract
from ingot.discover.asking import Asker
from ingot.fetch.background import drawn
from ingot.fetch.page import Page
from ingot.fetch.pull import Pull
from ingot.request import RequestPolicy
from ingot.sources import Stream

UNKNOWN = Contract(stream="", id="", version="", description="", max_reject_rate=0.0, properties=())
"""The contract of a stream that nobody knows yet."""
_MOST_RECORDS = 5_000


@dataclass
class Sample:
    """What was taken.

    Attributes:
        pages: what the contract is read from.
        further: pages behind these, to which it is only held.
        whole: whether that is all there is.
        requests: how many were sent for it.
    """

    pages: list[Page] = field(default_factory=list)
    further: list[Page] = field(default_factory=list)
    whole: bool = False
    requests: int = 0

    @property
    def records(self) -> list[bytes]:
        """Those that the contract is read from."""
        return [record for page in self.pages for record in page.records]


def take(stream: Stream, asker: Asker, url: httpx.URL, policy: RequestPolicy, *, pages: int, further: int) -> Sample:
    """Ask for some pages.

    Args:
        stream: as it will be declared; its contract does not matter.
        url: the first page, less what the pagination adds.
        pages, further: how many at most.

    Raises:
        IngotError: what is declared does not work.
    """
    taken = Sample()
    # One page more than is wanted, or one of the further ones, shows that the rest is not all.
    pull = Pull(stream, policy, url, auth=asker.auth, mask=asker.mask, most=pages + max(further, 1))
    answers = drawn(pull.pages())
    try:
        for page in answers:
            full = len(taken.pages) >= pages or len(taken.records) >= _MOST_RECORDS
            if full and not further:
                return taken
            (taken.further if full else taken.pages).append(page)
            if len(taken.further) == further > 0:
                return taken
    finally:
        answers.close()
        taken.requests = pull.sent
    taken.whole = not taken.further
    return taken


def stream_of(source: str, name: str, **declared: object) -> Stream:
    """A stream without a contract: enough to ask for its pages."""
    bare = Stream(source=source, name=name, path="/", mode="snapshot", params={}, contract=UNKNOWN)
    return msgspec.structs.replace(bare, **declared)
