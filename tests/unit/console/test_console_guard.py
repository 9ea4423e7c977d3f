"""Who may come into the console: on loopback by its names only, behind a load balancer with its token only."""

from __future__ import annotations

import base64
import hmac
import http.server
import json
import threading
import time
from collections.abc import Iterator
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from fastapi import Depends, FastAPI, Request
from starlette.responses import PlainTextResponse, Response

from ingot.console import guard
from ingot.console.settings import ALB, Settings
from ingot.errors import ConfigurationError

ARN = "arn:aws:elasticloadbalancing:eu-west-1:123456789012:loadbalancer/app/console/1a2b"
KEY = ec.generate_private_key(ec.SECP256R1())


@pytest.fixture(scope="module")
def keys() -> Iterator[str]:
    """A place with the public key of the load balancer, as a region has."""
    pem = KEY.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            there = self.path == "/key-1"
            self.send_response(200 if there else 404)
            self.end_headers()
            self.wfile.write(pem if there else b"")

        def log_message(self, *_: Any) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def behind(settings: Settings) -> FastAPI:
    """A small application that says who is there."""
    app = FastAPI(dependencies=[Depends(guard.same_page)])
    app.add_middleware(guard.Guard, settings=settings)

    @app.get("/healthz")
    def health() -> Response:
        return PlainTextResponse("ok")

    @app.get("/")
    def home(request: Request) -> Response:
        person = request.state.person
        answer = PlainTextResponse(person.name if person else "nobody")
        answer.set_cookie(guard.CSRF_COOKIE, guard.csrf_token(request))
        return answer

    @app.post("/")
    def change() -> Response:
        return PlainTextResponse("changed")

    return app


async def ask(
    app: FastAPI, method: str = "GET", path: str = "/", host: str = "localhost", **more: Any
) -> httpx.Response:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=f"http://{host}") as client:
        client.cookies.update(more.pop("cookies", {}))
        return await client.request(method, path, **more)


def answer(*arguments: Any, **more: Any) -> httpx.Response:
    import asyncio

    return asyncio.run(ask(*arguments, **more))


def token(key: ec.EllipticCurvePrivateKey = KEY, *, signer: str = ARN, kid: str = "key-1", **claims: Any) -> str:
    body = {"sub": "42", "name": "Ada", "exp": time.time() + 60} | claims
    return jwt.encode(body, key, algorithm="ES256", headers={"signer": signer, "kid": kid})


@pytest.mark.parametrize(
    ("host", "status"),
    [("localhost:8080", 200), ("127.0.0.1:8080", 200), ("[::1]:8080", 200), ("evil.example", 421), ("10.0.0.7", 421)],
)
def test_loopback_answers_to_its_own_names_only(host: str, status: int) -> None:
    found = answer(behind(Settings()), host=host)

    assert found.status_code == status
    assert "default-src 'none'" in found.headers["content-security-policy"]
    assert "unsafe" not in found.headers["content-security-policy"]


def test_a_form_of_another_page_changes_nothing() -> None:
    app, kept = behind(Settings()), {guard.CSRF_COOKIE: "x" * 43}

    assert answer(app, "POST", data={"csrf": "x" * 43}, cookies=kept).status_code == 200
    assert answer(app, "POST", data={"csrf": "y" * 43}, cookies=kept).status_code == 403
    assert answer(app, "POST", data={}, cookies=kept).status_code == 403
    assert answer(app, "POST", data={"csrf": ""}).status_code == 403
    other = {"origin": "http://evil.example"}
    assert answer(app, "POST", data={"csrf": "x" * 43}, cookies=kept, headers=other).status_code == 403


def test_whom_the_load_balancer_has_let_in_is_shown_and_nobody_else_comes_in(keys: str) -> None:
    app = behind(Settings(auth=ALB, balancer=ARN, keys=keys))

    def come(text: str) -> tuple[int, str]:
        found = answer(app, host="console.example", headers={"x-amzn-oidc-data": text} if text else {})
        return found.status_code, found.text

    assert come(token()) == (200, "Ada")
    refused = [
        "",
        "no.token.atall",
        token(ec.generate_private_key(ec.SECP256R1())),
        token(signer=ARN.replace("console", "another")),
        token(kid="key-2"),
        token(kid="../key-1"),
        token(exp=time.time() - 300),
        jwt.encode(
            {"sub": "42", "exp": time.time() + 60}, "", algorithm="none", headers={"signer": ARN, "kid": "key-1"}
        ),
    ]
    assert [come(text)[0] for text in refused] == [401] * len(refused)
    assert answer(app, path="/healthz", host="10.0.0.7").text == "ok"


def test_a_token_as_a_load_balancer_writes_it_is_taken(keys: str) -> None:
    """Each part padded, which no other issuer does, and its end in the header."""
    app, soon = behind(Settings(auth=ALB, balancer=ARN, keys=keys)), int(time.time()) + 60

    def come(text: str) -> int:
        return answer(app, host="console.example", headers={"x-amzn-oidc-data": text}).status_code

    assert come(signed({"sub": "42"}, exp=soon)) == 200
    assert come(signed({"sub": "42", "exp": soon}, exp=soon)) == 200
    assert come(signed({"sub": "42"}, exp=soon - 120)) == 401
    assert come(signed({"sub": "42", "exp": soon}, exp=soon - 120)) == 401
    assert come(signed({"sub": "42", "exp": soon - 120}, exp=soon)) == 401
    assert come(signed({"sub": "42"})) == 401
    assert come(signed({"sub": "42"}, exp="soon")) == 401
    assert come(signed({"sub": "42"}, exp=None)) == 401
    assert come(signed({"name": "Ada"}, exp=soon)) == 401


def test_the_public_key_signs_nothing(keys: str) -> None:
    app, soon = behind(Settings(auth=ALB, balancer=ARN, keys=keys)), int(time.time()) + 60
    pem = httpx.get(f"{keys}/key-1").content
    head = padded({"alg": "HS256", "kid": "key-1", "signer": ARN, "exp": soon})
    body = f"{head}.{padded({'sub': '42', 'exp': soon})}"
    forged = f"{body}.{base64.urlsafe_b64encode(hmac.digest(pem, body.encode(), 'sha256')).decode()}"

    assert answer(app, host="console.example", headers={"x-amzn-oidc-data": forged}).status_code == 401


def signed(claims: dict[str, Any], **header: Any) -> str:
    body = f"{padded({'alg': 'ES256', 'kid': 'key-1', 'signer': ARN, **header})}.{padded(claims)}"
    r, s = decode_dss_signature(KEY.sign(body.encode(), ec.ECDSA(hashes.SHA256())))
    return f"{body}.{base64.urlsafe_b64encode(r.to_bytes(32) + s.to_bytes(32)).decode()}"


def padded(part: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(part).encode()).decode()


def test_settings_that_contradict_each_other_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="names no load balancer"):
        Settings.read({"INGOT_UI_AUTH": "alb"})
    with pytest.raises(ConfigurationError, match="does not know"):
        Settings.read({"INGOT_UI_AUTH": "none"})
    assert Settings.read({}).auth == "loopback"
