"""API → Bronze: orders in pages of 1,000 from the recorded source, over HTTP, into objects of S3."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.request import urlopen

from tests.bench import shop
from tests.bench.measure import WrongAnswer
from tests.bench.processes import serving
from tests.bench.stage import Case, Contender, Goal, Stage

ACCESS = {
    "AWS_ACCESS_KEY_ID": "bench",
    "AWS_SECRET_ACCESS_KEY": "bench",
    "AWS_DEFAULT_REGION": "eu-central-1",
}


def cases(size: int) -> list[Case]:
    return [Case("pages", "pages of 1,000 orders", size, {"accepted": size})]


@contextmanager
def opened(case: Case, inputs: Path) -> Iterator[Mapping[str, str]]:
    expected = shop.made(inputs, "carts", case.records, "lines")
    cache = str(case.records * 200 // 2**20 + 64)  # all pages fit
    with serving("recorded_source", "--cache-mib", cache) as source, serving("localcloud", environment=ACCESS) as cloud:
        address = f"{source}/synthetic/{shop.SEED}/{case.records}"
        for page in range(1, case.records // shop.PAGE + 2):  # once, so that its bytes are prepared
            with urlopen(f"{address}/carts?page={page}&limit={shop.PAGE}") as answer:
                while answer.read(2**20):
                    pass
        yield {**ACCESS, "AWS_ENDPOINT_URL": cloud, "BENCH_SOURCE": address, "BENCH_LINES": str(expected)}


def verified(environment: Mapping[str, str], answer: Mapping[str, Any]) -> None:
    """Hold what a run stored to the records that the source has, byte by byte; then remove it."""
    found = subprocess.run(
        [sys.executable, "-m", "tests.bench.objects", answer["bucket"], *answer["keys"]],
        env=dict(environment),
        capture_output=True,
        text=True,
    )
    due = subprocess.run(["sha256sum", environment["BENCH_LINES"]], capture_output=True, text=True, check=True)
    if found.stdout.split()[:1] != due.stdout.split()[:1]:
        raise WrongAnswer(f"what is stored is not what the source sent: {found.stderr[-1000:]}")


STAGE = Stage(
    name="extract",
    title="API to Bronze",
    about=(
        "Orders are asked for in pages of 1,000 over HTTP from the recorded source, which has the bytes of every page "
        "ready, and stored in objects of the laptop's S3 (moto, in a process of its own). Ours is the extract step, "
        "with the gate, the manifest and the record of the attempt; eight pages are on their way at once. The other is "
        "what one writes in an afternoon: requests, json and gzip, no check at all. What both stored is compared with "
        "what the source sent, byte by byte. Source and S3 share the machine's cores with the contender; their time "
        "and memory are not counted."
    ),
    cases=cases,
    opened=opened,
    contenders=(
        Contender("ingot", "Ingot's extract step", "extract_ingot.py", after=verified),
        Contender("requests", "requests + json + gzip", "extract_requests.py", after=verified),
    ),
    goals=(
        Goal("250,000 orders/s with HTTP", "pages", at_least=250_000),
        Goal("8 times requests + json + gzip", "pages", at_least=8, against="requests"),
        Goal("150 MB", "pages", "peak", at_most=150),
    ),
)
