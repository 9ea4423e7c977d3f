"""An API of one test's own: the recorded source, declared in a source.yaml as the test wants it."""

from __future__ import annotations

import json
import shutil
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import yaml

from ingot.batch import Batch
from ingot.fetch import Page, fetch
from ingot.sources import Source, load_source

if TYPE_CHECKING:
    from recorded_source.source import RecordedSource

ROOT = Path(__file__).resolve().parents[4]
BATCH = Batch(
    source="shop",
    stream="carts",
    interval_start=datetime(2022, 1, 1, tzinfo=UTC),
    interval_end=datetime(2025, 1, 1, tzinfo=UTC),
)


@dataclass
class Api:
    """The recorded source as a source that is declared.

    Attributes:
        recorded: what answers.
        folder: where its source.yaml is.
    """

    recorded: RecordedSource
    folder: Path
    batch = BATCH

    def source(
        self,
        path: str,
        *,
        request: Mapping[str, Any] | None = None,
        auth: Mapping[str, Any] | None = None,
        base_url: str = "",
        **stream: Any,
    ) -> Source:
        """A source with one stream, read from its file."""
        entry = {
            "name": "shop",
            "title": "A shop",
            "schedule": "@daily",
            "start_date": "2022-01-01",
            "base_url": base_url or self.recorded.url,
            "request": {"timeout_seconds": 5, "deadline_seconds": 20, **(request or {})},
            "streams": {"carts": {"path": path, "mode": "interval", **stream}},
        }
        if auth is not None:
            entry["auth"] = dict(auth)
        (self.folder / "source.yaml").write_text(yaml.safe_dump(entry))
        return load_source(self.folder)

    def pages(self, source: Source, *, secret: str | None = None) -> Iterator[Page]:
        query = source.stream("carts").query(BATCH.interval_start, BATCH.interval_end)
        return fetch(source, BATCH, query, secret=secret)

    def carts(self, orders: int) -> list[bytes]:
        """What a pull of the synthetic store must bring: its records' bytes, asked for in one piece by other means."""
        body = httpx.get(f"{self.recorded.url}/synthetic/7/{orders}/carts").content
        carts = [json.dumps(cart, separators=(",", ":")).encode() for cart in json.loads(body)]
        assert b"[" + b",".join(carts) + b"]" == body
        self.recorded.forget_requests()
        return carts

    @property
    def asked(self) -> list[str]:
        """The queries of the requests so far."""
        return [request.query for request in self.recorded.requests]


@pytest.fixture
def api(recorded: RecordedSource, tmp_path: Path) -> Api:
    folder = tmp_path / "shop"
    folder.mkdir()
    shutil.copy(ROOT / "sources" / "fakestore" / "carts.odcs.yaml", folder)
    return Api(recorded, folder)


@pytest.fixture
def secret(cloud: str) -> Callable[..., str]:
    """Puts the fields given into a new secret; returns its name."""
    import boto3

    def put(**fields: Any) -> str:
        name = f"shop-{uuid.uuid4().hex[:12]}"
        boto3.client("secretsmanager").create_secret(Name=name, SecretString=json.dumps(fields))
        return name

    return put


@pytest.fixture
def no_waiting() -> Iterator[None]:
    """Tries again without the waits in between."""
    import stamina

    stamina.set_testing(True, attempts=3)
    yield
    stamina.set_testing(False)
