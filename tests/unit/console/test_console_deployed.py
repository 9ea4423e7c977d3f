"""What is kept of what is deployed is of what is deployed."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from typing import Any

import pytest

from ingot.console.queries import deployed
from ingot.naming import Names
from ingot.storage import Stored


class Deploying(deployed.Deployed):
    """Sources are deployed, and another page sees it, right after the first look at them."""

    present = "old"
    page: threading.Thread | None = None

    def sources(self) -> Any:
        found = super().sources()
        if self.page is None:
            self.present = "new"
            self.page = threading.Thread(target=self.sources)
            self.page.start()
            self.page.join(0.5)
        return found

    def stored(self, prefix: str) -> list[Stored]:
        return [Stored(f"{prefix}shop/source.yaml", self.present, datetime.now(UTC))]


def test_a_graph_of_sources_that_were_deployed_anew_meanwhile_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    found = Deploying(Names(environment="test", account="000000000000", region="us-east-1"), "secret")
    monkeypatch.setattr(found, "_artifacts", found)
    monkeypatch.setattr(deployed, "_LOOKED", 0.0)
    monkeypatch.setattr("ingot.cli.context.deployed_sources", lambda names: [found.present])
    monkeypatch.setattr(deployed, "read_endpoint", lambda secret: None)
    monkeypatch.setattr(deployed, "read_graph", lambda sources, *_: list(sources))

    found.graph()
    assert found.page is not None
    found.page.join()

    kept: object = found.graph()
    assert kept == ["new"]
