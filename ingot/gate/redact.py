"""Secrets are cut out of a record before it goes anywhere; every other byte of its values stays as it was."""

from __future__ import annotations

import re

import msgspec

_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw])
_SEPARATORS = re.compile(r"[\W_]+")
_ARRAY = msgspec.json.Decoder(list[msgspec.Raw])


class Redactor:
    """Cuts keys of given names out of a record, wherever they stand in it and however they are spelt.

    By name and not by path, and without regard to case and separators: a source that moves ``password`` into
    another object, calls it ``Pass_Word`` or hides it in a string of JSON must not leak it.
    """

    def __init__(self, names: frozenset[str]) -> None:
        self._names = frozenset(map(_plain, names))

    @property
    def active(self) -> bool:
        """Whether there is anything to cut at all."""
        return bool(self._names)

    def cut(self, raw: bytes) -> bytes:
        """The record without its secrets.

        Raises:
            ValueError: it is not a JSON object, so that nobody can say where a secret begins or ends.
            RecursionError: it is nested too deeply to be walked.
        """
        if not self._names:
            return raw
        msgspec.json.decode(raw)  # all of it, since the parts below are only skipped over
        _OBJECT.decode(raw)
        return self._cut(raw)

    def _cut(self, raw: bytes) -> bytes:
        match raw[:1]:
            case b"{":
                members = _OBJECT.decode(raw)
                kept = {n: self._cut(bytes(v)) for n, v in members.items() if _plain(n) not in self._names}
                if len(kept) == len(members) and all(kept[n] == bytes(members[n]) for n in kept):
                    return raw
                return msgspec.json.encode({n: msgspec.Raw(v) for n, v in kept.items()})
            case b"[":
                items = [bytes(item) for item in _ARRAY.decode(raw)]
                cut = [self._cut(item) for item in items]
                return raw if cut == items else msgspec.json.encode([msgspec.Raw(item) for item in cut])
            case b'"':
                return self._cut_text(raw)
        return raw

    def _cut_text(self, raw: bytes) -> bytes:
        text = msgspec.json.decode(raw).encode()
        if text.lstrip()[:1] not in (b"{", b"["):
            return raw
        try:
            msgspec.json.decode(text)
        except ValueError:
            return raw
        inner = text.strip()
        cut = self._cut(inner)
        return raw if cut == inner else msgspec.json.encode(cut.decode())


def _plain(name: str) -> str:
    return _SEPARATORS.sub("", name).casefold()
