"""YAML that is made to trip its reader: a value, or an error with the file and the place."""

from __future__ import annotations

import time
from datetime import date
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from ingot.documents import MOST_BYTES, MOST_LEVELS, read_bytes, read_document
from ingot.errors import ConfigurationError

LAUGHS = "a0: &a0 [lol, lol]\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (LAUGHS, r"x\.yaml:2:10 cannot be read: there is an alias"),
        ("&a [*a]", "alias"),
        ("a: &a {b: 1}\nc: {<<: *a}", "alias"),
        ("<<: {a: 1}", "merge"),
        ("a: 1\nb: 2\na: 3", r"x\.yaml:3:1 .*'a' stands here for the second time"),
        ('{a: 1, "a": 2}', "second time"),
        (r'{a: 1, "\u0061": 2}', "second time"),
        ("a:\n  - {b: 1, b: 1}", r"x\.yaml:2:12"),
        ("[" * 100_000, "levels"),
        ("[" * 100_000 + "]" * 100_000, "levels"),
        ("- " * 100_000, "levels"),
        ("a: " + "{a: " * 1000, "levels"),
        ("? " * 5000, "levels"),
        (b"a: \xff", r"x\.yaml:1 .*UTF-8"),
        (b"a: 1\nb: \xed\xa0\x80", r"x\.yaml:2 .*UTF-8"),
        ("a: 1".encode("utf-16"), "UTF-8"),
        ("#" * (MOST_BYTES + 1), "larger than 1 MiB"),
        ("[" + "1," * 200_000 + "]", "100000 values"),
        ("a:\n\t- 1", r"x\.yaml:2:1"),
        ("a: b: c", r"x\.yaml:1:5"),
        ("a: 'x", "x.yaml"),
        ("!!python/object/apply:os.system [id]", "tag"),
        ("a: !!python/name:os.system", "tag"),
        ("a: !!int '1'", "tag"),
        ("a: !secret b", "tag"),
        ("a: !!binary aGk=", "tag"),
        ("--- 1\n--- 2", "second document"),
        ("name: no", "no means true or false"),
        ("name: On", "true or false"),
        ("version: 010", "010 is no plain number"),
        ("version: 0x10", "plain number"),
        ("version: 1_000", "plain number"),
        ("time: 1:30", "plain number"),
        ("time: 1:30.5", "plain number"),
        ("minimum: .nan", "plain number"),
        ("minimum: -.inf", "plain number"),
        ("minimum: 1.0e+400", "plain number"),
        ("minimum: " + "9" * 5000, "plain number"),
        ("minimum: 0b1", "plain number"),
        ("start: 2024-02-30", r"x\.yaml:1:8 .*date"),
        ("start: 2024-13-01", "date"),
        ("start: 0000-01-01", "date"),
        ("start: 2024-01-01 25:00:00", "date"),
        ("start: 2024-01-01T00:00:00+99:99", "date|plain"),
        ("1: a", "a key is no text but a number"),
        ("yes: a", "true or false"),
        ("? [a]\n: b", "a key is no text"),
        ("? {a: b}\n: c", "a key is no text"),
        ("~: a", "a key is no text but empty"),
        ("2024-01-01: a", "a key is no text"),
        (r'a: "b\0c"', "NUL"),
        (r'"a\0": b', "NUL"),
        ("a: b\x00", "x.yaml"),
        ("a: \x01", "x.yaml"),
        (r'a: "\ud800"', r"x\.yaml:1"),
        ("%YAML 9.9\n--- a", "x.yaml"),
        ("a: =", "x.yaml"),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_what_can_be_read_in_two_ways_or_never_ends_is_an_error_with_its_place(
    content: bytes | str, reason: str
) -> None:
    started = time.process_time()
    with pytest.raises(ConfigurationError, match=reason) as caught:
        read_document(content, origin="x.yaml")
    assert time.process_time() - started < 5
    assert caught.value.hint
    assert str(caught.value).startswith("x.yaml")


@pytest.mark.parametrize(
    ("content", "value"),
    [
        ("", None),
        ("a: 1\nb: [x, 1.5, true, null, 2024-02-29]", {"a": 1, "b": ["x", 1.5, True, None, date(2024, 2, 29)]}),
        ("\ufeffa: 1".encode(), {"a": 1}),
        ("name: 'no'\nversion: '1.10'", {"name": "no", "version": "1.10"}),
        ("version: 1.0.0", {"version": "1.0.0"}),
        ("a: &unused 1", {"a": 1}),
        ("[" * MOST_LEVELS + "]" * MOST_LEVELS, yaml.safe_load("[" * MOST_LEVELS + "]" * MOST_LEVELS)),
    ],
)
def test_plain_yaml_is_read(content: bytes | str, value: object) -> None:
    assert read_document(content, origin="x.yaml") == value


def test_a_file_that_cannot_be_opened_is_an_error_of_ours(tmp_path: Path) -> None:
    for path in (tmp_path / "none.yaml", tmp_path):
        with pytest.raises(ConfigurationError, match="cannot be read"):
            read_bytes(path)


_YAMLISH = st.text(st.sampled_from([*"ab01.:-?[]{}&*!|>'\"%@#,\n\t <=~", "\\", "\x00", "é", "\ufeff", "\U0001f600"]))


@settings(max_examples=400, deadline=None, derandomize=True)
@given(st.binary(max_size=60) | _YAMLISH | _YAMLISH.map(lambda text: f"a: {text}\nb: [{text}]"))
def test_whatever_is_sent_is_a_value_that_plain_yaml_agrees_with_or_an_error_of_ours(content: bytes | str) -> None:
    try:
        value = read_document(content, origin="x.yaml")
    except ConfigurationError:
        return
    # Whatever is read is what PyYAML itself reads: this module only refuses.
    assert value == yaml.load(content, Loader=yaml.CSafeLoader)


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**9), 10**9) | st.text("abc:no1 #é", max_size=6) | st.dates(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abn1", max_size=3), inner, max_size=3),
)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(_VALUES)
def test_what_is_written_plainly_comes_back(value: object) -> None:
    class Plain(yaml.SafeDumper):
        def ignore_aliases(self, data: object) -> bool:
            return True

    text = yaml.dump(value, Dumper=Plain, allow_unicode=True)
    assert read_document(text, origin="x.yaml") == value
