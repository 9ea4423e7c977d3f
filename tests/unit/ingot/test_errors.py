"""Errors: one tree, a verdict by type, and the next step."""

from __future__ import annotations

import inspect

import pytest

from ingot import errors
from ingot.errors import IngotError, RejectRateExceeded, SourceUnavailable
from ingot.job import verdicts

CLASSES = [c for _, c in inspect.getmembers(errors, inspect.isclass) if issubclass(c, IngotError)]


def test_the_docstring_draws_the_tree_that_is() -> None:
    drawn = inspect.getdoc(errors) or ""
    for error in CLASSES:
        assert error.__name__ in drawn
        assert error.__doc__


@pytest.mark.parametrize("error", CLASSES, ids=lambda c: c.__name__)
def test_every_error_is_transient_or_terminal_by_type(error: type[IngotError]) -> None:
    if error is not IngotError:
        assert error.transient is issubclass(error, errors.TransientError)
        assert issubclass(error, errors.TransientError) != issubclass(error, errors.TerminalError)


def test_a_message_says_what_it_is_about_and_what_to_do() -> None:
    error = SourceUnavailable("It answered 502.", hint="wait", source="fakestore", stream="carts")
    assert str(error) == "It answered 502. [source=fakestore, stream=carts] Next: wait"


def test_a_job_ends_with_its_errors_verdict_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_, verdicts():
        raise RejectRateExceeded("3 of\n20 records", hint="look")
    assert exit_.value.code == "TERMINAL RejectRateExceeded: 3 of 20 records Next: look"
    with pytest.raises(SystemExit, match=r"^TRANSIENT SourceUnavailable: down$"), verdicts():
        raise SourceUnavailable("down")


def test_an_error_that_nobody_foresaw_keeps_its_traceback() -> None:
    with pytest.raises(ZeroDivisionError), verdicts():
        print(1 / 0)
