"""What the cells of a table's columns hold: numbers, days and words are written in many ways."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import date, datetime
from typing import Annotated, Any

import msgspec

from ingot.contract.model import LogicalType, Property
from ingot.discover.questions import Questions
from ingot.files.declared import Files
from ingot.files.values import converter

_NULLS = ("NULL", "null", "N/A", "n/a", "NA", "-", "--", "None", "none", "#N/A", "\\N")
_BOOLEANS = (("yes", "no"), ("ja", "nein"), ("oui", "non"), ("wahr", "falsch"), ("y", "n"), ("si", "no"))
_DAYS = ("%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y", "%d-%m-%Y", "%m-%d-%Y", "%Y/%m/%d", "%Y%m%d", "%d.%m.%y")
_TIMES = tuple(f"{day} {clock}" for day in ("%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y") for clock in ("%H:%M", "%H:%M:%S"))
_SIGNS = ((".", ""), (",", ""), (",", "."), (".", ","), (",", " "), (".", "'"), (".", " "))
_NUMBERLIKE = re.compile(r"[+-]?[0-9][0-9.,' \u00a0\u202f]*")
_EITHER = re.compile(r"[+-]?[0-9]{1,3}([.,][0-9]{3})?")
_CODE = re.compile(r"0[0-9]+|[0-9]{16,}")  # an article's or a bank's number, which is none to compute with

Type = tuple[LogicalType, str]

_TEXT: Type = ("string", "varchar(65535)")
_NUMBER: Type = ("number", "decimal(15,6)")
_TYPES: tuple[Type, ...] = (("integer", "bigint"), _NUMBER, ("boolean", ""), ("date", ""), ("timestamp", ""))
_ZONED = Annotated[datetime, msgspec.Meta(tz=True)]


class Cells:
    """One column.

    Attributes:
        name: its header.
        texts: what its cells hold that are texts and not empty.
        others: how many hold a value with a type of its own, as Excel and Parquet have them.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.texts: list[str] = []
        self.others = 0

    def add(self, value: Any) -> None:
        """One more cell."""
        if isinstance(value, str):
            self.texts.append(value.strip())
        elif value is not None:
            self.others += 1


class Dialect:
    """How the values of a table are written, and which types its columns have.

    Args:
        columns: all of them.
        files: what is declared already.

    Attributes:
        files: the same, with what was found.
        why: the evidence for that, by the field of :class:`~ingot.files.declared.Files`.
        types: by column.
    """

    def __init__(self, columns: Iterable[Cells], files: Files, questions: Questions) -> None:
        self._columns = list(columns)
        self.files, self._questions = files, questions
        self.why: dict[str, str] = {}
        self._nulls()
        self._signs()
        self._words()
        self._days()
        self._times()
        self.types = {column.name: self._type(column) for column in self._columns}

    def _type(self, column: Cells) -> Type:
        texts = self._values(column)
        if column.others:  # typed already; a mixture keeps its texts: the values say themselves what they are
            return _TEXT if texts else _NUMBER
        for kind, physical in _TYPES if texts else ():
            if kind in ("integer", "number") and any(map(_CODE.fullmatch, texts)):
                continue
            if self._fits(texts, self.files, kind):
                return kind, physical
        return _TEXT

    def _values(self, column: Cells) -> list[str]:
        return [text for text in column.texts if text and text not in self.files.nulls]

    def _fits(self, texts: list[str], files: Files, kind: LogicalType) -> bool:
        if kind in ("date", "timestamp") and not any(character.isdigit() for character in texts[0]):
            return False
        prop = Property(name="cell", logical_type=kind, physical_type="decimal(15,6)" if kind == "number" else "")
        convert = converter(prop, files)
        types: dict[str, Any] = {"integer": int, "number": float, "boolean": bool, "date": date, "timestamp": _ZONED}
        for text in texts:
            found = convert(text)
            if found is None:
                return False
            try:
                msgspec.json.decode(found, type=types[kind])
            except msgspec.MsgspecError:
                return False
        return True

    def _nulls(self) -> None:
        found: dict[str, int] = {}
        for column in self._columns:
            words = [text for text in column.texts if text in _NULLS]
            rest = [text for text in column.texts if text and text not in _NULLS]
            if words and rest and all(map(_NUMBERLIKE.fullmatch, rest)):
                for word in words:
                    found[word] = found.get(word, 0) + 1
        if found and not self.files.nulls:
            self.files = msgspec.structs.replace(self.files, nulls=tuple(sorted(found)))
            told = ", ".join(f"{word!r} {count} times" for word, count in sorted(found.items()))
            self.why["nulls"] = f"{told} in columns that hold numbers otherwise"

    def _signs(self) -> None:
        """The sign before a fraction, and that between thousands: those with which most columns are numbers."""
        if self.files.decimal != "." or self.files.thousands:
            return
        numeric = [c for c in self._columns if self._values(c) and all(map(_NUMBERLIKE.fullmatch, self._values(c)))]
        telling = [c for c in numeric if any(not text.lstrip("+-").isdigit() for text in self._values(c))]
        if not telling:
            return
        fitting = []
        for decimal, thousands in _SIGNS:
            tried = msgspec.structs.replace(self.files, decimal=decimal, thousands=thousands)
            fits = [column.name for column in telling if self._fits(self._values(column), tried, "number")]
            if fits:
                fitting.append((len(fits), tried, fits))
        if not fitting:
            return
        most = max(count for count, _, _ in fitting)
        best = [(tried, fits) for count, tried, fits in fitting if count == most]
        if len(best) > 1 and best[0][0].decimal != best[1][0].decimal and _is_ambiguous(telling, self._values):
            sample = ", ".join(best[0][1])
            chosen = self._questions.choose(
                f"What stands before the fraction in {sample}?",
                [(tried.decimal, f"{len(fits)} columns are numbers with it") for tried, fits in best[:2]],
                option="--file decimal=SIGN",
                default=None,
            )
            best = [each for each in best if each[0].decimal == chosen] or best
        self.files, fits = best[0]
        self.why["decimal"] = f"with it these hold numbers only: {', '.join(fits)}"
        if self.files.thousands:
            self.why["thousands"] = self.why["decimal"]

    def _words(self) -> None:
        if self.files.true_words != ("true",) or self.files.false_words != ("false",):
            return
        for column in self._columns:
            words = {text.casefold() for text in self._values(column)}
            for yes, no in _BOOLEANS:
                if words == {yes, no}:
                    self.files = msgspec.structs.replace(
                        self.files, true_words=("true", yes), false_words=("false", no)
                    )
                    self.why["true_words"] = self.why["false_words"] = f"{column.name} holds nothing else"
                    return

    def _days(self) -> None:
        self._forms(_DAYS, "dates", "date", "day")

    def _times(self) -> None:
        self._forms(_TIMES, "timestamps", "timestamp", "time")
        local = [c.name for c in self._columns if self._values(c) and self._is_local(self._values(c))]
        if local and not self.files.timezone:
            chosen = self._questions.choose(
                f"In which time zone are the times of {', '.join(local)}? They do not say.",
                [("text", "they stay text"), ("UTC", ""), ("Europe/Berlin", "any name of the IANA database")],
                option="--file timezone=NAME",
                default="text",
            )
            if chosen != "text":
                self.files = msgspec.structs.replace(self.files, timezone=chosen)
                self.why["timezone"] = "given; the times do not say it"

    def _is_local(self, texts: list[str]) -> bool:
        for text in texts:
            try:
                moment = (
                    datetime.strptime(text, self.files.timestamps)
                    if self.files.timestamps
                    else datetime.fromisoformat(text)
                )
            except ValueError:
                return False
            if moment.tzinfo is not None or len(text) <= 10:
                return False
        return True

    def _forms(self, forms: tuple[str, ...], name: str, kind: LogicalType, called: str) -> None:
        if getattr(self.files, name):
            return
        for column in self._columns:
            texts = self._values(column)
            if not texts or not any(sign in texts[0] for sign in "./-") or self._fits(texts, self.files, kind):
                continue
            fitting = [form for form in forms if all(_is_of(text, form) for text in texts)]
            if not fitting:
                continue
            form = fitting[0]
            if len(fitting) > 1:
                form = self._questions.choose(
                    f"How does {column.name} write a {called}? Several ways fit.",
                    [("text", "it stays text"), *((each, f"fits all {len(texts)} values") for each in fitting)],
                    option=f"--file {name}=FORM",
                    default="text",
                )
            if form != "text":
                self.files = msgspec.structs.replace(self.files, **{name: form})
                self.why[name] = f"{len(texts)} of {len(texts)} values of {column.name} are written so"
                return


def _is_of(text: str, form: str) -> bool:
    try:
        datetime.strptime(text, form)  # only whether it can be read
    except ValueError:
        return False
    return True


def _is_ambiguous(columns: list[Cells], values: Any) -> bool:
    """Whether every number has one sign with three digits behind it: a fraction, or thousands."""
    return all(
        re.fullmatch(r"[+-]?[0-9]{1,3}[.,][0-9]{3}|[+-]?[0-9]{1,3}", text) for c in columns for text in values(c)
    )
