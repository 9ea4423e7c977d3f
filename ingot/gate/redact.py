"""Secrets are cut out of a record before it goes anywhere; every other byte of its values stays as it was."""

from __future__ import annotations

import re
import unicodedata

import msgspec

from ingot.gate.limits import MOST_BYTES, MOST_LEVELS, is_deeper, may_be_deeper

_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw])
_ARRAY = msgspec.json.Decoder(list[msgspec.Raw])
_SEPARATORS = re.compile(r"[\W_]+")
_JSON_BEGINS = ("{", "[", '"')


class Redactor:
    """Cuts keys of given names out of a record, wherever they stand in it and however they are spelt.

    By name and not by path, and without regard to case, width, accents and separators: a source that moves
    ``password`` into another object, calls it ``Pass_Word`` or hides it in a string of JSON must not leak it.
    """

    def __init__(self, names: frozenset[str]) -> None:
        self._names = frozenset(map(plain, names))
        spelt = "|".join(r"[\W_]*".join(map(re.escape, name)) for name in sorted(self._names))
        self._key = re.compile(rf"(?:{spelt})[\W_]*?[:=]")

    @property
    def active(self) -> bool:
        """Whether there is anything to cut at all."""
        return bool(self._names)

    def cut(self, raw: bytes) -> bytes:
        """The record without its secrets.

        Raises:
            ValueError: nobody can say where a secret begins or ends: it is not a JSON object, too large or too deep
                to be walked, or holds a text that looks like broken JSON with a secret in it.
        """
        if not self._names:
            return raw
        if len(raw) > MOST_BYTES:
            raise ValueError("too large to be looked through")
        _parse(raw)  # all of it, since the parts below are only skipped over
        _OBJECT.decode(raw)
        cut = self._cut(raw)
        return raw if cut is None else cut

    def cut_value(self, name: str, raw: bytes) -> bytes | None:
        """One member of a record that :meth:`cut` can take; None if it is a secret."""
        if not self._names:
            return raw
        if plain(name) in self._names:
            return None
        cut = self._cut(raw)
        return raw if cut is None else cut

    def _cut(self, raw: bytes | msgspec.Raw) -> bytes | None:
        """What is left of a value; None if nothing has to be cut out of it."""
        head = bytes(memoryview(raw)[:2])
        match head[:1]:
            case b"{":
                members = _OBJECT.decode(raw)
                kept = {name: value for name, value in members.items() if plain(name) not in self._names}
                changed = len(kept) < len(members)
                for name, value in kept.items():
                    if (cut := self._cut(value)) is not None:
                        kept[name], changed = msgspec.Raw(cut), True
                return msgspec.json.encode(kept) if changed else None
            case b"[":
                items = _ARRAY.decode(raw)
                changed = False
                for index, value in enumerate(items):
                    if (cut := self._cut(value)) is not None:
                        items[index], changed = msgspec.Raw(cut), True
                return msgspec.json.encode(items) if changed else None
            case b'"' if not head[1:].isalnum():  # nearly every other text is seen not to be JSON by its first letter
                return self._cut_text(raw)
        return None

    def _cut_text(self, raw: bytes | msgspec.Raw) -> bytes | None:
        text = msgspec.json.decode(raw).lstrip("\ufeff").strip()
        if not text.startswith(_JSON_BEGINS):
            return None
        inner = text.encode()
        try:
            _parse(inner)
        except ValueError:
            if self._key.search(_folded(text)):
                raise ValueError("a text that may hold a secret cannot be taken apart") from None
            return None
        cut = self._cut(inner)
        return None if cut is None else msgspec.json.encode(cut.decode())


def plain(name: str) -> str:
    """A name as it is compared: in small letters, without separators, accents or another width."""
    return _SEPARATORS.sub("", name.casefold() if name.isascii() else _folded(name))


def _folded(text: str) -> str:
    return unicodedata.normalize("NFKD", text).casefold()


def _parse(raw: bytes) -> None:
    try:
        value = msgspec.json.decode(raw)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if may_be_deeper(raw, MOST_LEVELS) and is_deeper(value, MOST_LEVELS):
        raise ValueError("nested too deeply")
