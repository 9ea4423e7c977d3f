"""What is told of a replay, and which audits follow it; objects and failures as the jobs leave them."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError

from ingot.batch import Batch, parse_batch
from ingot.cli.jobs import _answers
from ingot.cli.output import show
from ingot.cli.resolving import to_audit
from ingot.errors import ConfigurationError, IngotError, TransientError
from ingot.warehouse.base import Table


def month(number: int, source: str = "shop") -> Batch:
    return parse_batch(source, "carts", f"{source}.carts.2020{number:02}01T000000Z.2020{number + 1:02}01T000000Z")


def audited(*batches: tuple[Batch, bool]) -> list[tuple[str, int]]:
    return [(source, start.month) for source, start, _ in to_audit(list(batches))]


def test_each_source_is_audited_once_and_each_interval_in_which_a_job_failed() -> None:
    assert len(audited((month(1), False), (month(2), False), (month(3), False))) == 1
    assert audited((month(1), True), (month(2), False), (month(3), True), (month(3), True)) == [
        ("shop", 1),
        ("shop", 3),
    ]
    assert audited((month(1), True), (month(2, "store"), False)) == [("shop", 1), ("store", 2)]


@pytest.mark.parametrize(
    ("code", "error", "hint"),
    [
        ("AccessDeniedException", ConfigurationError, "you need glue:StartJobRun"),
        ("ThrottlingException", TransientError, "call the same command again"),
        ("InvalidInputException", ConfigurationError, "deploy the stacks"),
    ],
)
def test_only_who_may_not_is_told_to_need_a_right(code: str, error: type[IngotError], hint: str) -> None:
    with pytest.raises(error, match=hint), _answers("ingot-dev-shop-replay"):
        raise ClientError({"Error": {"Code": code, "Message": "Rate exceeded"}}, "StartJobRun")


def test_a_failure_of_glue_itself_is_worth_another_call() -> None:
    answer = {"Error": {"Code": "InternalServiceException"}, "ResponseMetadata": {"HTTPStatusCode": 500}}
    with pytest.raises(TransientError), _answers("ingot-dev-shop-replay"):
        raise ClientError(answer, "StartJobRun")  # type: ignore[arg-type]  # all of it that counts


HOSTILE = '{"title": "\x1b]0;owned\x07\x1b[2J\x9b31m\u202e\ud800"}\r\n[red]'


def test_no_table_commands_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    show(Table([f"record{HOSTILE}"], [(HOSTILE,), ("Grüße\xa0日本\u3000語",)]), json=False)
    out = capsys.readouterr().out
    assert not {c for c in out if not c.isprintable()} - {"\n", "\xa0", "\u3000"}
    assert out.count(r'{"title": "\x1b]0;owned\x07\x1b[2J\x9b31m\u202e\ud800"}\r\n[red]') == 2
    assert "Grüße\xa0日本\u3000語" in out
