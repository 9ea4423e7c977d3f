"""A tool that we did not write reads our contracts: datacontract-cli, in an environment of its own."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
TOOL = ROOT / ".venv-datacontract" / "bin" / "datacontract"
CONTRACTS = sorted((ROOT / "sources").glob("*/*.odcs.yaml"))


def lint(contract: Path, home: Path) -> subprocess.CompletedProcess[str]:
    assert TOOL.exists(), "run `make .venv-datacontract/.made`, as `make test` does"
    return subprocess.run(
        [str(TOOL), "lint", str(contract)],
        env={**os.environ, "HOME": str(home)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@pytest.mark.parametrize("contract", CONTRACTS, ids=lambda path: path.stem)
def test_datacontract_lint_accepts_every_contract(contract: Path, tmp_path: Path) -> None:
    done = lint(contract, tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "v3.1.0" in done.stdout


def test_datacontract_lint_refuses_a_contract_that_is_not_odcs(tmp_path: Path) -> None:
    broken = tmp_path / "broken.odcs.yaml"
    broken.write_text(CONTRACTS[0].read_text().replace("logicalType: timestamp", "logicalType: moment"))
    assert lint(broken, tmp_path).returncode != 0
