"""Ours: the gate as the extract step has it."""

from importlib.metadata import version
from pathlib import Path

from refusals import tell

from ingot.gate import Gate
from ingot.gate.split import split
from ingot.sources import load_source

contract = load_source(Path(__file__).parents[3] / "sources" / "fakestore").stream("carts").contract
gate = Gate(contract)
seen = 0


def check(page):
    global seen
    body = page.rstrip(b"\n")
    records = split(body)
    verdict = gate.check(body, records)
    first, seen = seen, seen + len(records)
    wrong = []
    for refusal in verdict.refused:
        assert len(refusal.violations) == 1, refusal
        wrong.append((refusal.position - first, refusal.violations[0].path))
    return len(verdict.accepted), wrong


tell(check, {"msgspec": version("msgspec")})
