"""Secrets are cut out of a record before it goes anywhere; every other byte of its values stays as it was."""

from __future__ import annotations

import msgspec

_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw])
_ARRAY = msgspec.json.Decoder(list[msgspec.Raw])


class Redactor:
    """Cuts keys of given names out of a record, wherever they stand in it.

    By name and not by path: a source that moves ``password`` into another object must not leak it.
    """

    def __init__(self, names: frozenset[str]) -> None:
        self._names = names
        self._needles = tuple(name.encode() for name in names)

    @property
    def active(self) -> bool:
        """Whether there is anything to cut at all."""
        return bool(self._names)

    def cut(self, raw: bytes) -> bytes:
        """The record without its secrets.

        Raises:
            ValueError: it is not JSON, so that nobody can say where a secret begins or ends.
            RecursionError: it is nested too deeply to be walked.
        """
        if not self._names:
            return raw
        msgspec.json.decode(raw)  # all of it, since the parts below are only skipped over
        return self._cut(raw)

    def _cut(self, raw: bytes) -> bytes:
        # A key may be spelt with escapes ("p\u0061ssword"): a backslash is reason enough to look inside.
        if b"\\" not in raw and not any(needle in raw for needle in self._needles):
            return raw
        first = raw[:1]
        if first == b"{":
            kept = {
                name: msgspec.Raw(self._cut(bytes(value)))
                for name, value in _OBJECT.decode(raw).items()
                if name not in self._names
            }
            return msgspec.json.encode(kept)
        if first == b"[":
            return msgspec.json.encode([msgspec.Raw(self._cut(bytes(item))) for item in _ARRAY.decode(raw)])
        return raw
