"""Who a load balancer has let in, by the token that it signs (AWS: "Authenticate users using an ALB")."""

from __future__ import annotations

import re
import threading
import time
from dataclasses import dataclass
from typing import Any

import anyio.to_thread
import httpx
import jwt

_KID = re.compile(r"[A-Za-z0-9-]{1,64}")
_MOST_KEYS = 20


class Refused(Exception):
    """The token is missing or not right."""


@dataclass(frozen=True)
class Person:
    """Who is logged in.

    Attributes:
        id: the identity provider's own, which never changes.
        name: what to call them.
    """

    id: str
    name: str


class Verifier:
    """Checks tokens of one load balancer.

    Args:
        balancer: its ARN.
        keys: the address below which its public keys are; else the region's.
    """

    def __init__(self, balancer: str, keys: str = "") -> None:
        self._balancer = balancer
        self._address = keys or f"https://public-keys.auth.elb.{balancer.split(':')[3]}.amazonaws.com"
        self._known: dict[str, str] = {}
        self._lock = threading.Lock()

    async def person(self, token: str) -> Person:
        """Who a token is about.

        Raises:
            Refused: it is missing, of another load balancer, forged or over.
        """
        if not token:
            raise Refused("the load balancer did not say who you are.")
        return await anyio.to_thread.run_sync(self._person, token)

    def _person(self, token: str) -> Person:
        try:
            header = jwt.get_unverified_header(token)
            # Whoever has a load balancer of their own gets tokens signed by the same keys: the signer says whose.
            if header.get("signer") != self._balancer:
                raise Refused("the token is of another load balancer.")
            claims: dict[str, Any] = jwt.decode(
                token, self._key(str(header.get("kid", ""))), algorithms=["ES256"], options={"require": ["sub"]}
            )
            # AWS documents the end of a token in its header, which is signed too; what it claims of it was looked at.
            if not float(header.get("exp", claims.get("exp", 0))) > time.time():
                raise Refused("the load balancer's token is too old.")
        except (jwt.PyJWTError, TypeError, ValueError) as error:
            raise Refused("the load balancer's token is not right, or too old.") from error
        return Person(id=str(claims["sub"]), name=str(claims.get("name") or claims.get("email") or claims["sub"]))

    def _key(self, kid: str) -> str:
        if not _KID.fullmatch(kid):
            raise Refused("the token names no key.")
        with self._lock:
            if kid not in self._known:
                try:
                    answer = httpx.get(f"{self._address}/{kid}", timeout=5)
                except httpx.HTTPError as error:
                    raise Refused("the load balancer's keys cannot be read; try again.") from error
                if answer.status_code != 200:
                    raise Refused("the token is signed with no key of the load balancer's.")
                if len(self._known) >= _MOST_KEYS:
                    self._known.clear()
                self._known[kid] = answer.text
            return self._known[kid]
