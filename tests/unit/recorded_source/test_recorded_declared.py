"""APIs that are declared by ``recorded/api.yaml``: filters, pages, envelopes, guards and faults on their paths."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from recorded_source import BadFault, Recordings
from recorded_source.application import Application
from recorded_source.guards import API_KEY
from recorded_source.messages import Reply, Request

ROWS = [
    {"id": n, "at": f"2024-01-{n:02}T10:00:00Z", "day": f"2024-01-{n:02}", "size": n / 2, "kind": "ab"[n % 2]}
    for n in (1, 2, 3, 5, 8)
]
API = """
paths:
  /v1/items:
    data: items.json
    filters:
      since: {field: at, is: at_least}
      after: {field: at, is: above}
      until: {field: at, is: at_most}
      before: {field: size, is: below}
      kind: {field: kind, is: equal}
      ids: {field: id, is: among}
"""


class Shop:
    """One declared API ``shop`` in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "shop" / "recorded"
        self.folder.mkdir(parents=True)
        self.application = Application(Recordings(), apis=[folder / "none", folder])
        self.write(API, items=ROWS)

    def write(self, api: str, **files: Any) -> None:
        (self.folder / "api.yaml").write_text(api)
        for name, rows in files.items():
            (self.folder / f"{name}.json").write_text(rows if isinstance(rows, str) else json.dumps(rows))

    def ask(self, target: str, **headers: str) -> Reply:
        headers = {"host": "shop:80"} | {name.replace("_", "-"): value for name, value in headers.items()}
        return self.application.deliver(Request.of("GET", target, headers, b"")).reply

    def get(self, target: str) -> Any:
        reply = self.ask(target)
        assert reply.status == 200, reply
        return json.loads(reply.body)

    def ids(self, query: str) -> list[int]:
        return [row["id"] for row in self.get(f"/shop/v1/items{query}")]


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path)


@pytest.mark.parametrize(
    ("query", "ids"),
    [
        ("", [1, 2, 3, 5, 8]),
        ("?since=2024-01-03T10:00:00Z", [3, 5, 8]),
        ("?since=2024-01-03T11:00:00%2B01:00&until=2024-01-05T10:00:00Z", [3, 5]),
        ("?after=2024-01-03T10:00:00Z&until=2024-01-05T09:59:59Z", []),
        ("?before=2.5", [1, 2, 3]),
        ("?kind=a", [2, 8]),
        ("?ids=8,1,x", [1, 8]),
        ("?colour=red", [1, 2, 3, 5, 8]),
    ],
)
def test_filters_leave_the_rows_that_meet_them(shop: Shop, query: str, ids: list[int]) -> None:
    assert shop.ids(query) == ids


def test_rows_go_out_byte_by_byte(shop: Shop) -> None:
    row = '{"id": 1.50, "b":12345678901234567890,  "ü":"\\u00fc"}'
    shop.write(API, items=f"[\n{row} , {row}\n]")
    assert shop.ask("/shop/v1/items").body == f"[{row},{row}]".encode()


def test_an_argument_that_cannot_be_understood_is_refused(shop: Shop) -> None:
    assert shop.ask("/shop/v1/items?since=yesterday").status == 400
    assert shop.ask("/shop/v1/items?before=small").status == 400
    shop.write(f"refusal: 422{API}    only: {{currency: EUR}}\n    unknown: refused\n", items=ROWS)
    assert shop.ids("?currency=EUR") == [1, 2, 3, 5, 8]
    for wrong in ("currency=USD", "colour=red", "since=x"):
        reply = shop.ask(f"/shop/v1/items?{wrong}")
        assert reply.status == 422
        assert json.loads(reply.body)["status"] == 422


def test_the_latest_rows_alone_and_a_bound_that_reaches_back(shop: Shop) -> None:
    shop.write(
        "paths: {/v1/items: {data: items.json, latest: day, filters: {"
        "from: {field: day, is: at_least, reach_days: 2}, to: {field: day, is: at_most}}}}",
        items=ROWS,
    )
    assert shop.ids("") == [8]
    assert shop.ids("?to=2024-01-04") == [3]
    assert shop.ids("?from=2024-01-04&to=2024-01-05") == [3, 5]
    assert shop.ids("?from=2024-01-05") == [5, 8]
    assert shop.ids("?from=2024-01-20") == []


@pytest.mark.parametrize(
    ("style", "answer", "headers", "following"),
    [
        ("page", '{d: "{records}", n: "{total}"}', "{}", "page"),
        ("offset", '{d: "{records}", at: "{offset}", of: {n: "{total}"}}', "{}", "offset"),
        ("cursor", '{d: "{records}"}', '{X-Next: "{next}"}', "header"),
        ("next", '{d: "{records}", meta: {paging: {next: "{next}"}}}', "{}", "url"),
        ("link", "{records}", '{Link: "{links}"}', "link"),
    ],
)
def test_pages_of_each_style_join_to_the_whole_list(
    shop: Shop, style: str, answer: str, headers: str, following: str
) -> None:
    answer = answer if answer != "{records}" else '"{records}"'
    shop.write(
        f"paths: {{/v1/items: {{data: items.json, answer: {answer}, headers: {headers}, "
        f"pages: {{style: {style}, position: p, limit: size, default: 2, most: 3, first: 0}}, "
        "filters: {kind: {field: kind, is: equal}}}}",
        items=ROWS,
    )
    for size in (1, 2, 3, 100):
        ids, target, pages = [], f"/shop/v1/items?size={size}", 0
        while target:
            reply = shop.ask(target)
            body = json.loads(reply.body)
            rows = body if following == "link" else body["d"]
            assert len(rows) <= 3
            ids += [row["id"] for row in rows]
            pages += 1
            match following:
                case "page":
                    more = f"/shop/v1/items?size={size}&p={pages}" if len(ids) < body["n"] else ""
                case "offset":
                    assert body["at"] + len(rows) == len(ids)
                    more = f"/shop/v1/items?size={size}&p={len(ids)}" if len(ids) < body["of"]["n"] else ""
                case "header":
                    more = reply.headers.get("X-Next") and f"/shop/v1/items?size={size}&p={reply.headers['X-Next']}"
                case "url":
                    more = (body["meta"]["paging"]["next"] or "").removeprefix("http://shop:80")
                case _:
                    links = dict(reversed(part.split("; rel=")) for part in reply.headers["Link"].split(", "))
                    more = links.get('"next"', "").strip("<>").removeprefix("http://shop:80")
            target = more
        assert ids == [1, 2, 3, 5, 8]
        assert pages == -(-5 // min(size, 3))


def test_an_object_by_a_key_of_records_or_of_one_value_each(shop: Shop) -> None:
    shop.write(
        "paths:\n"
        '  /whole: {data: items.json, keyed_by: id, answer: {base: EUR, items: "{records}"}}\n'
        "  /sizes: {data: items.json, keyed_by: day, value: size}\n",
        items=ROWS[:2],
    )
    rest = [{name: value for name, value in row.items() if name != "id"} for row in ROWS[:2]]
    assert shop.get("/shop/whole") == {"base": "EUR", "items": {"1": rest[0], "2": rest[1]}}
    assert shop.get("/shop/sizes") == {"2024-01-01": 0.5, "2024-01-02": 1}


def test_a_key_in_a_header_and_a_limit(shop: Shop) -> None:
    shop.write(f"auth: {{header: X-Shop-Key}}\nlimit: {{requests: 2, seconds: 60}}{API}", items=ROWS)
    assert shop.ask("/shop/v1/items").status == 401
    assert shop.ask("/shop/v1/items", X_Shop_Key="other").status == 401
    assert [shop.ask("/shop/v1/items", X_Shop_Key=API_KEY).status for _ in range(3)] == [200, 200, 429]
    assert 0 < int(shop.ask("/shop/v1/items", X_Shop_Key=API_KEY).headers["Retry-After"]) <= 60


def test_rules_and_the_journal_reach_its_paths(shop: Shop) -> None:
    shop.write(API.replace("data: items.json", "data: items.json\n    id: day"), items=ROWS, items_later=ROWS[:1])
    shop.application.tell({"path": "/shop/*", "status": 502, "times": 1})
    assert [shop.ask("/shop/v1/items").status for _ in range(2)] == [502, 200]
    shop.application.tell({"path": "/shop/*", "set_field": {"id": "2024-01-02", "field": "kind", "value": None}})
    assert [row["kind"] for row in shop.get("/shop/v1/items?ids=1,2")] == ["b", None]
    shop.application.tell({"path": "/shop/*", "replace_with": "shop/items_later"})
    assert shop.ids("") == [1]
    assert [served.status for served in shop.application.journal.requests()] == [502, 200, 200, 200]
    with pytest.raises(BadFault, match="shop/others"):
        shop.application.tell({"replace_with": "shop/others"})


def test_what_is_not_declared_is_not_found_and_a_wrong_file_answers_500(shop: Shop) -> None:
    assert shop.ask("/shop/v1/others").status == 404
    assert shop.ask("/stall/v1/items").status == 404
    assert shop.get("/products")  # the store's own paths stay
    shop.write("paths: {/a: {data: items.json, colour: red}}")
    reply = shop.ask("/shop/a")
    assert reply.status == 500
    assert b"colour" in reply.body
    shop.write("paths: {/a: {data: nothing.json}}")
    assert shop.ask("/shop/a").status == 500
