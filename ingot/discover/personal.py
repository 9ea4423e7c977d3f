"""What is likely somebody's data, or a secret: by the field's name, and by what its values look like.

A name is judged as drift judges it (:func:`ingot.drift.classification`). To be too careful costs a line in a file; to
be too careless cannot be taken back.
"""

from __future__ import annotations

from collections.abc import Iterable

from ingot.contract.model import snake_case
from ingot.drift import classification

_FORMATS = {"email": "e-mail addresses", "ip": "IP addresses", "phone": "telephone numbers"}
_MOSTLY = 0.5  # the share of values of one form that decides
_PEOPLE = frozenset(
    [
        *(
            "assignee",
            "author",
            "buyer",
            "client",
            "contact",
            "customer",
            "employee",
            "member",
            "owner",
            "patient",
            "person",
        ),
        *("person", "recipient", "reporter", "user", "visitor"),
    ]
)
_NAMES = frozenset(["name", "initials", "title", "firstname", "lastname", "displayname", "realname"])
_MORE_PERSONAL = frozenset(
    ["birthday", "latitude", "longitude", "coordinates", "ssn", "gender", "avatar", "fullname", "login"]
)


def classify(path: tuple[str, ...], formats: dict[str, int], texts: int, beside: Iterable[str]) -> tuple[str, str]:
    """The classification of a field, and why.

    Args:
        path: its name, and those of the objects around it.
        formats: how many of its values have which form.
        texts: how many of its values are texts.
        beside: the names of the fields in the same object that are personal by themselves.
    """
    name = path[-1]
    kept = classification(name)
    words = set(snake_case(name).split("_"))
    joined = "".join(snake_case(name).split("_"))
    if kept == "secret":
        return "secret", "by its name; it never leaves the gate"
    if kept == "personal" or words & _MORE_PERSONAL or joined in _MORE_PERSONAL:
        return "personal", "by its name"
    for form, called in _FORMATS.items():
        if texts and formats.get(form, 0) > _MOSTLY * texts:
            return "personal", f"{formats[form]} of {texts} values look like {called}"
    around = {word for part in path[:-1] for word in snake_case(part).split("_")}
    if joined in _NAMES and joined != "title" and (around & _PEOPLE or set(beside) - {name}):
        return "personal", "a name beside other personal data"
    if (words & _PEOPLE and words & _NAMES) or (
        len(words) == 2 and words & {"first", "last", "middle"} and "name" in words
    ):
        return "personal", "by its name"
    return "internal", "no sign of a person or a secret"
