"""What texts and numbers look like, beyond their JSON type."""

from __future__ import annotations

import re
from ipaddress import ip_address
from urllib.parse import urlsplit

EMAIL = r"^[^@\s]+@[^@\s]+$"
UUID = r"^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$"

_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s.]+")
_UUID = re.compile(UUID)
_CODE = re.compile(r"[A-Z]{2,3}")
_NUMERIC = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?")
_LOCAL_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]+)?)?")
_PHONE = re.compile(r"(\+[0-9]|\([0-9]|[0-9]+[ ./-])[0-9 ()./-]{6,}[0-9]( ?x[0-9]+)?")
_NAMES_OF_TIMES = re.compile(
    r"(^|_)(at|time|date|timestamp|ts|on|created|updated|modified|changed|when|start|end|since|until|ms|millis|epoch)$"
)
_MILLISECONDS = (946_684_800_000, 4_102_444_800_000)  # the years 2000 to 2099


def format_of(text: str) -> str:
    """What a text looks like: ``email``, ``uuid``, ``uri``, ``ip``, ``phone``, ``local time``, ``numeric``, ``code``;
    empty if like none of them."""
    if len(text) > 2048:
        return ""
    if _EMAIL.fullmatch(text):
        return "email"
    if _UUID.fullmatch(text):
        return "uuid"
    if text.startswith(("http://", "https://")) and urlsplit(text).netloc:
        return "uri"
    if _LOCAL_TIME.fullmatch(text):
        return "local time"
    if _NUMERIC.fullmatch(text):
        return "numeric"
    if _is_address(text):
        return "ip"
    if _PHONE.fullmatch(text) and 7 <= sum(c.isdigit() for c in text) <= 15:
        return "phone"
    return "code" if _CODE.fullmatch(text) else ""


def is_epoch_milliseconds(name: str, low: int, high: int) -> bool:
    """Whether integers are times: between 2000 and 2099 if they are milliseconds, and named like a time.

    Args:
        name: the field's, in snake_case.
        low, high: the least and the greatest of them.
    """
    return _MILLISECONDS[0] <= low and high < _MILLISECONDS[1] and bool(_NAMES_OF_TIMES.search(name))


def _is_address(text: str) -> bool:
    if not (text.count(".") == 3 or text.count(":") > 1):
        return False
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
