"""Which rules a request meets, what they do to a body, and which rules are refused."""

import json
from typing import Any

import pytest
from recorded_source import BadFault
from recorded_source.application import Application, Delivery
from recorded_source.messages import Request
from recorded_source.recordings import Recordings

RECORDINGS = Recordings()


@pytest.fixture
def application() -> Application:
    return Application(RECORDINGS)


def deliver(application: Application, target: str = "/carts", method: str = "GET") -> Delivery:
    return application.deliver(Request.of(method, target, {}, b""))


def status(application: Application, target: str = "/carts", method: str = "GET") -> int:
    return deliver(application, target, method).reply.status


def body(application: Application, target: str = "/carts") -> Any:
    return json.loads(deliver(application, target).reply.body)


def test_a_rule_told_once_heals_after_one_request(application: Application) -> None:
    application.tell({"path": "/carts", "status": 502, "times": 1})
    assert [status(application) for _ in range(3)] == [502, 200, 200]


def test_a_rule_without_times_lasts_until_it_is_cleared(application: Application) -> None:
    application.tell({"path": "/carts", "status": 502})
    assert [status(application) for _ in range(3)] == [502, 502, 502]
    application.faults.clear()
    assert status(application) == 200


def test_a_rule_can_let_requests_pass_first(application: Application) -> None:
    application.tell({"path": "/carts", "status": 502, "after": 2, "times": 1})
    assert [status(application) for _ in range(4)] == [200, 200, 502, 200]


def test_two_statuses_are_met_one_after_the_other(application: Application) -> None:
    application.tell({"status": 502, "times": 1}, {"status": 503, "times": 1})
    assert [status(application) for _ in range(3)] == [502, 503, 200]


def test_rules_that_change_the_reply_add_up(application: Application) -> None:
    application.tell(
        {"path": "/carts", "latency": 0.25},
        {"path": "/carts", "latency": 0.5, "set_field": {"id": 1, "field": "userId", "value": "one"}},
        {"path": "/carts", "headers": {"content-type": "text/plain"}},
    )
    delivery = deliver(application)
    assert delivery.latency == 0.75
    assert json.loads(delivery.reply.body)[0]["userId"] == "one"
    content_types = {v for k, v in delivery.reply.headers.items() if k.lower() == "content-type"}
    assert content_types == {"text/plain"}


@pytest.mark.parametrize(
    ("rule", "target", "method", "met"),
    [
        ({"path": "/carts"}, "/carts?limit=1", "GET", True),
        ({"path": "/carts"}, "/carts/1", "GET", False),
        ({"path": "/carts*"}, "/carts/user/1", "GET", True),
        ({"path": "/products/category/men's*"}, "/products/category/men's%20clothing", "GET", True),
        ({"method": "HEAD"}, "/carts", "GET", False),
        ({"query": {"page": "3"}}, "/carts?page=3&limit=2", "GET", True),
        ({"query": {"page": "3"}}, "/carts?page=30", "GET", False),
    ],
)
def test_a_rule_meets_requests_by_path_method_and_query(
    application: Application, rule: dict[str, Any], target: str, method: str, met: bool
) -> None:
    application.tell({**rule, "status": 500})
    assert (status(application, target, method) == 500) is met


def test_a_status_comes_with_its_own_body_and_headers(application: Application) -> None:
    application.tell({"status": 429, "headers": {"Retry-After": "2"}, "body": {"error": "slow down"}})
    reply = deliver(application).reply
    assert (reply.status, reply.headers["Retry-After"], reply.body) == (429, "2", b'{"error":"slow down"}')


def test_a_status_without_a_body_is_an_html_page_as_a_proxy_sends_it(application: Application) -> None:
    application.tell({"status": 522})  # Cloudflare's, which the standard library has no name for
    reply = deliver(application).reply
    assert (reply.status, reply.headers["Content-Type"]) == (522, "text/html; charset=utf-8")
    assert b"522" in reply.body


def test_a_body_in_the_sources_place_is_sent_as_it_is(application: Application) -> None:
    application.tell({"body": "\udcff not JSON"})
    assert deliver(application).reply.body == b"\xff not JSON"


def test_a_recording_replaces_its_stream_in_lists_items_and_categories(application: Application) -> None:
    application.tell({"path": "/products*", "replace_with": "products_2025"})
    changed = list(RECORDINGS["products_2025"])
    assert body(application, "/products") == changed
    assert body(application, "/products/2") == changed[1]
    assert body(application, "/products/category/jewelery") == [p for p in changed if p["category"] == "jewelery"]
    assert body(application, "/carts") == list(RECORDINGS["carts"])


@pytest.mark.parametrize(
    ("edit", "expected"),
    [
        ({"patch": {"id": 7, "merge": {"userId": "8", "__v": None}}}, {"userId": "8", "__v": ...}),
        ({"set_field": {"id": 7, "field": "products.0.quantity", "value": None}},
         {"products": [{"productId": 18, "quantity": None}]}),
        ({"drop_field": {"id": 7, "field": "products.0.quantity"}}, {"products": [{"productId": 18}]}),
        ({"raw_record": {"id": 7, "raw": '{"id": 7, "userId": 8}'}},
         {"date": ..., "products": ..., "__v": ...}),
    ],
)  # fmt: skip
def test_an_edit_changes_one_record_and_leaves_the_bytes_of_the_others(
    application: Application, edit: dict[str, Any], expected: dict[str, Any]
) -> None:
    untouched = deliver(application).reply.body
    application.tell({"path": "/carts*", **edit})
    body = deliver(application).reply.body
    last = untouched.index(b'{"id":7,')
    assert body[:last] == untouched[:last]
    record = json.loads(body)[-1]
    changed = {**RECORDINGS["carts"][6], **expected}
    assert record == {key: value for key, value in changed.items() if value is not ...}
    assert json.loads(deliver(application, "/carts/7").reply.body) == record


def test_a_field_is_dropped_from_every_record_where_no_id_is_given(application: Application) -> None:
    application.tell({"path": "/users", "drop_field": {"field": "name.lastname"}})
    assert all(set(user["name"]) == {"firstname"} for user in body(application, "/users"))


def test_a_raw_record_may_be_bytes_that_are_no_utf_8(application: Application) -> None:
    application.tell({"raw_record": [{"id": 1, "raw": b'{"id":"\xff"}'}, {"id": 2, "raw": '{"id":"\udcfe"}'}]})
    assert deliver(application).reply.body.startswith(b'[{"id":"\xff"},{"id":"\xfe"},{"id":3,')


def test_a_duplicate_is_sent_at_the_end_with_the_same_bytes(application: Application) -> None:
    untouched = deliver(application).reply.body
    application.tell({"path": "/carts", "duplicate": {"id": 6}})
    sixth = untouched[untouched.index(b'{"id":6,') : untouched.index(b',{"id":7,')]
    assert deliver(application).reply.body == untouched[:-1] + b"," + sixth + b"]"


def test_malformed_with_balanced_brackets_spoils_one_record_only(application: Application) -> None:
    untouched = deliver(application).reply.body
    application.tell({"path": "/carts", "malformed": {"record": 2}})
    spoilt = deliver(application).reply.body
    with pytest.raises(json.JSONDecodeError):
        json.loads(spoilt)
    assert spoilt.count(b"!") == 1
    assert untouched.index(b'{"id":3,') < spoilt.index(b"!") < untouched.index(b'{"id":4,')
    assert spoilt.replace(b"!", b"") == untouched
    assert (spoilt.count(b"{"), spoilt.count(b"[")) == (spoilt.count(b"}"), spoilt.count(b"]"))


def test_malformed_with_unbalanced_brackets_lacks_one(application: Application) -> None:
    application.tell({"path": "/carts", "malformed": {"record": -1, "brackets": "unbalanced"}})
    spoilt = deliver(application).reply.body
    assert spoilt.count(b"{") == spoilt.count(b"}") + 1
    assert spoilt.endswith(b'"__v":0]')


def test_edits_of_one_rule_go_from_the_parsed_to_the_broken(application: Application) -> None:
    application.tell({"malformed": {"record": 0}, "duplicate": {"id": 1}, "patch": {"id": 1, "merge": {"userId": 5}}})
    sent = deliver(application, "/carts?limit=1").reply.body
    first, second = sent[1:-1].split(b',{"id":1,')
    assert b"!" in first
    assert b'"userId":5' in first
    assert second.startswith(b'"userId":5')


def test_a_changed_reply_has_another_entity_tag(application: Application) -> None:
    before = deliver(application).reply.headers["ETag"]
    application.tell({"path": "/carts", "patch": {"id": 1, "merge": {"userId": 5}}})
    assert deliver(application).reply.headers["ETag"] != before


def test_an_unknown_id_stays_null_under_an_edit(application: Application) -> None:
    application.tell({"patch": {"merge": {"userId": 5}}})
    assert body(application, "/carts/999") is None


def test_an_edit_that_does_not_fit_its_record_answers_500_and_says_so(application: Application) -> None:
    application.tell({"drop_field": {"id": 1, "field": "nickname"}})
    reply = deliver(application).reply
    assert reply.status == 500
    assert b"nickname" in reply.body


@pytest.mark.parametrize(
    ("rule", "reason"),
    [
        ({}, "does nothing"),
        ({"path": "/carts"}, "does nothing"),
        ({"stauts": 502}, "has no stauts; it may hold .*status"),
        ({"status": "502"}, "status='502' should be int"),
        ({"status": True}, "should be int"),
        ({"status": 99}, "200 to 599"),
        ({"latency": -1}, "negative"),
        ({"times": -1, "hang": True}, "negative"),
        ({"status": 500, "patch": {"id": 1, "merge": {}}}, "not both"),
        ({"malformed": {"brackets": "crooked"}}, "balanced or unbalanced"),
        ({"drop_field": {"id": 3}}, "drop_field: .*it may hold field, id"),
        ({"replace_with": "products_1999"}, "products_2025"),
    ],
)
def test_a_rule_that_cannot_be_meant_is_refused_with_the_reason(
    application: Application, rule: dict[str, Any], reason: str
) -> None:
    with pytest.raises(BadFault, match=reason):
        application.tell({"status": 502}, rule)
    assert application.faults.applied() == []  # the good rule beside it was not taken either
