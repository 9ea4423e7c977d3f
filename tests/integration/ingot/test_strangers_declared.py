"""APIs in other styles, each declared by hand, from its pages to the warehouse: every row is what was recorded."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
import yaml
from recorded_source.guards import API_KEY

from ingot.attempt import attempt
from ingot.manifest import Manifest
from ingot.sources import load_source
from ingot.steps.extract import extract
from tests.integration.strangers.rows import expected, plain, recording

if TYPE_CHECKING:
    from .conftest import World

AS_OF = datetime(2024, 6, 1, tzinfo=UTC)
LOGICAL = {"bigint": "integer", "integer": "integer", "decimal": "number", "double": "number", "varchar": "string"}
LOGICAL |= {"timestamptz": "timestamp", "date": "date", "boolean": "boolean"}

# A field: its column's type, with ! if it is required, # if it is the key, ~form if the source writes it otherwise, and
# =name for the column. An object is a mapping, a list of them a list.
WAYS: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "tracker": (
        "issues",
        {
            "path": "/rest/api/2/search",
            "mode": "snapshot",
            "params": {"maxResults": "50"},
            "records": "issues",
            "pagination": {"type": "offset", "param": "startAt", "total_records": "total"},
        },
        {
            "id": "varchar(32)#",
            "key": "varchar(32)!",
            "fields": {
                "summary": "varchar(255)!",
                "status": {"name": "varchar(64)!", "statusCategory": {"key": "varchar(32)!"}},
                "priority": {"name": "varchar(32)"},
                "assignee": {"accountId": "varchar(64)", "displayName": "varchar(255)", "active": "boolean"},
                "labels": ["varchar(64)"],
                "created": "varchar(32)!",
                "duedate": "date",
                "timespent": "bigint",
            },
        },
    ),
    "pipelines": (
        "builds",
        {
            "path": "/_apis/build/builds",
            "mode": "cursor",
            "cursor": {"field": "queueTime", "lookback": "1d"},
            "params": {"$top": "20", "minTime": "{cursor:%Y-%m-%dT%H:%M:%SZ}"},
            "records": "value",
            "pagination": {"type": "cursor", "param": "continuationToken", "header": "x-ms-continuationtoken"},
        },
        {
            "id": "bigint#",
            "buildNumber": "varchar(64)!",
            "status": "varchar(32)!",
            "result": "varchar(32)",
            "finishTime": "timestamptz",
            "queueTime": "timestamptz!",
            "sourceBranch": "varchar(255)!",
            "sourceVersion": "varchar(40)!",
            "definition": {"id": "bigint!", "name": "varchar(64)!"},
            "tags": ["varchar(64)"],
            "retainedByRelease": "boolean!",
            "requestedFor": {"displayName": "varchar(255)!", "uniqueName": "varchar(255)!"},
            "repository": {"id": "varchar(32)!", "clean": "varchar(8)"},
        },
    ),
    "contacts": (
        "contacts",
        {
            "path": "/crm/v3/objects/contacts",
            "mode": "snapshot",
            "params": {"limit": "50"},
            "records": "results",
            "pagination": {"type": "next_url", "next": "paging.next.link"},
        },
        {
            "id": "varchar(32)#",
            "properties": {
                "email": "varchar(255)",
                "firstname": "varchar(64)!",
                "lastname": "varchar(64)",
                "hs_object_id": "varchar(32)!",
                "lifecyclestage": "varchar(32)!",
            },
            "createdAt": "timestamptz!",
            "updatedAt": "timestamptz!",
            "archived": "boolean!",
        },
    ),
    "storefront": (
        "products",
        {
            "path": "/admin/api/2024-04/products.json",
            "mode": "cursor",
            "cursor": {"field": "updated_at", "lookback": "1d"},
            "params": {"limit": "50", "updated_at_min": "{cursor:%Y-%m-%dT%H:%M:%SZ}"},
            "records": "products",
            "pagination": {"type": "link_header"},
        },
        {
            "id": "bigint#",
            "title": "varchar(255)!",
            "body_html": "varchar(1024)",
            "vendor": "varchar(255)!",
            "product_type": "varchar(64)!",
            "created_at": "timestamptz!",
            "updated_at": "timestamptz!",
            "published_at": "timestamptz",
            "status": "varchar(32)!",
            "tags": "varchar(255)!",
            "variants": [
                {
                    "id": "bigint!",
                    "sku": "varchar(64)",
                    "price": "decimal(12,2)!~textOrNumber",
                    "inventory_quantity": "bigint!",
                    "taxable": "boolean!",
                }
            ],
            "image": {"id": "bigint", "src": "varchar(1024)", "width": "integer"},
        },
    ),
    "repository": (
        "issues",
        {
            "path": "/repos/acme/shop/issues",
            "mode": "snapshot",
            "params": {"per_page": "20"},
            "pagination": {"type": "page"},
        },
        {
            "id": "bigint#",
            "node_id": "varchar(64)!",
            "number": "integer!",
            "title": "varchar(255)!",
            "user": {"login": "varchar(64)!", "id": "bigint!", "type": "varchar(16)!", "site_admin": "boolean!"},
            "labels": [{"id": "bigint!", "name": "varchar(64)!", "color": "varchar(6)!", "default": "boolean!"}],
            "state": "varchar(8)!",
            "locked": "boolean!",
            "assignee": {"login": "varchar(64)", "id": "bigint", "type": "varchar(16)", "site_admin": "boolean"},
            "comments": "integer!",
            "created_at": "timestamptz!",
            "updated_at": "timestamptz!",
            "closed_at": "timestamptz",
            "author_association": "varchar(32)!",
            "body": "varchar(4096)",
            "reactions": {"total_count": "integer!", "+1": "integer!=reactions_up", "-1": "integer!=reactions_down"},
        },
    ),
    "till": (
        "products",
        {
            "path": "/wp-json/wc/v3/products",
            "mode": "snapshot",
            "params": {"per_page": "25"},
            "pagination": {"type": "page", "short_page_ends": True},
        },
        {
            "id": "bigint#~textOrNumber",
            "name": "varchar(255)!",
            "sku": "varchar(64)!~textOrNumber",
            "price": "decimal(12,2)!~textOrNumber",
            "weight": "double~textOrNumber",
            "stock_quantity": "integer~textOrNumber",
            "on_sale": "boolean!",
            "date_created_gmt": "timestamptz!",
            "average_rating": "decimal(4,2)!~textOrNumber",
            "categories": [{"id": "bigint!", "name": "varchar(64)!"}],
        },
    ),
    "trades": (
        "trades",
        {
            "path": "/api/v3/myTrades",
            "mode": "cursor",
            "cursor": {"field": "time", "lookback": "1h"},
            "params": {"startTime": "{cursor:epochMillis}", "endTime": "{interval_end:epochMillis}"},
        },
        {
            "id": "bigint#",
            "symbol": "varchar(16)!",
            "orderId": "bigint!",
            "orderListId": "bigint!",
            "price": "decimal(15,8)!~textOrNumber",
            "qty": "decimal(15,8)!~textOrNumber",
            "commission": "decimal(15,8)~textOrNumber",
            "time": "timestamptz!~epochMillis",
            "isBuyer": "boolean!",
            "isMaker": "boolean!",
            "isBestMatch": "boolean!",
        },
    ),
    "devices": (
        "devices",
        {"path": "/devices.json", "mode": "snapshot", "keyed_by": "key"},
        {
            "key": "varchar(32)#",
            "name": "varchar(255)!",
            "online": "boolean!",
            "firmware": "varchar(16)!",
            "battery": "double",
            "lastSeen": "timestamptz!",
            "serial": "bigint!",
            "location": {"lat": "double!", "lng": "double!", "room": "varchar(64)"},
            "alerts": [{"code": "varchar(8)!", "level": "integer!"}],
        },
    ),
}


def declared(folder: Path, name: str) -> None:
    """The stranger's source.yaml and contract."""
    stream, how, fields = WAYS[name]
    source: dict[str, Any] = {
        "name": name,
        "title": f"A stranger: {name}",
        "schedule": "@daily",
        "start_date": "2024-01-01",
        "base_url": f"https://{name}.example",
        "request": {"attempts": 4, "deadline_seconds": 30},
        "streams": {stream: how},
    }
    if name == "storefront":
        source["auth"] = {"type": "api_key", "header": "X-Shopify-Access-Token"}
    contract = {
        "apiVersion": "v3.1.0",
        "kind": "DataContract",
        "id": f"urn:ingot:{name}:{stream}",
        "version": "1.0.0",
        "status": "active",
        "schema": [{"name": stream, "properties": [_property(n, kind) for n, kind in fields.items()]}],
    }
    folder.mkdir()
    (folder / "source.yaml").write_text(yaml.safe_dump(source))
    (folder / f"{stream}.odcs.yaml").write_text(yaml.safe_dump(contract))


def _property(name: str, kind: Any) -> dict[str, Any]:
    if isinstance(kind, dict):
        inner = [_property(n, k) for n, k in kind.items()]
        return {"name": name, "logicalType": "object", "properties": inner}
    if isinstance(kind, list):
        return {"name": name, "logicalType": "array", "items": _property("item", kind[0])}
    match = re.fullmatch(
        r"(?P<type>(?P<word>\w+)[\d(),]*)(?P<mark>[!#]?)(?:~(?P<form>\w+))?(?:=(?P<column>\w+))?", kind
    )
    assert match
    found: dict[str, Any] = {"name": name, "logicalType": LOGICAL[match["word"]], "physicalType": match["type"]}
    found |= {"required": True} if match["mark"] else {}
    found |= {"primaryKey": True, "primaryKeyPosition": 1} if match["mark"] == "#" else {}
    found |= {"customProperties": [{"property": "sourceForm", "value": match["form"]}]} if match["form"] else {}
    return found | ({"physicalName": match["column"]} if match["column"] else {})


@pytest.fixture
def stranger(request: pytest.FixtureRequest, world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """The world of one of them."""
    declared(tmp_path / request.param, request.param)
    monkeypatch.setenv(f"INGOT_SOURCE_URL_{request.param.upper()}", f"{world.recorded.url}/{request.param}")
    world.source = load_source(tmp_path / request.param)
    return world


def run(world: World, end: str = "2024-06-01") -> Manifest:
    import boto3

    (stream,) = world.source.streams
    batch = world.batch(stream, "2024-01-01", end)
    secret = None
    if world.source.auth is not None:
        secret = f"{world.source.name}-{world.bronze.bucket}"
        boto3.client("secretsmanager").create_secret(Name=secret, SecretString=json.dumps({"api_key": API_KEY}))
    with attempt(world.bronze, batch, "extract") as record:
        manifest = extract(batch, source=world.source, bronze=world.bronze, as_of=AS_OF, record=record, secret=secret)
    world.refine(batch)
    world.load(batch)
    return manifest


@pytest.mark.parametrize("stranger", WAYS, indirect=True)
def test_every_row_is_what_was_recorded(stranger: World) -> None:
    manifest = run(stranger)
    assert (manifest.rejected, manifest.fallback) == (0, None)
    assert API_KEY not in msgspec.json.encode(manifest).decode()
    limited = 429 in [request.status for request in stranger.recorded.requests]
    assert limited == (stranger.source.name == "repository")
    assert limited == (max(request.tries for request in manifest.requests) > 1)
    (stream,) = stranger.source.streams.values()
    names = ", ".join(f'"{column.name}"' for column in stream.contract.columns)
    table = stranger.warehouse.query(f"SELECT {names} FROM bronze.{stream.source}_{stream.name} ORDER BY _line")
    rows = [dict(zip(table.columns, row, strict=True)) for row in table.rows]
    wanted = [expected(stream.contract, row) for row in recording(stream.source)]
    lists = [column.name for column in stream.contract.columns if column.property.logical_type == "array"]
    for row in (*rows, *wanted):
        for name in lists:
            row[name] = plain(json.loads(row[name]) if isinstance(row[name], str) else row[name])
    assert rows == wanted


@pytest.mark.parametrize("stranger", ["trades"], indirect=True)
def test_the_next_batch_asks_from_the_watermark_in_milliseconds(stranger: World) -> None:
    first = run(stranger, "2024-02-03")
    assert isinstance(first.watermark, datetime)
    second = run(stranger)
    begun = (first.watermark - timedelta(hours=1) - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)
    assert second.requests[0].url.endswith(f"startTime={begun}")
    assert first.accepted + second.accepted == len(recording("trades"))
    assert second.unchanged > 0
