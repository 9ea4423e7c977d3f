"""`python -m tests.faults`: the fault suite, for as many histories as are asked for."""

import argparse
import sys

from tests.faults.planted import PLANTS
from tests.faults.suite import WORKERS, main

if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="faults", description="Histories of a day when everything goes wrong.")
    parser.add_argument("--histories", type=int, default=50, help="how many")
    parser.add_argument("--first", type=int, default=1, help="the first seed")
    parser.add_argument("--seed", type=int, help="this one alone, with every step")
    parser.add_argument("--plant", default="", choices=["", *PLANTS], help="a bug to be found")
    parser.add_argument("--brief", action="store_true", help="histories of mostly one round, as CI tells them")
    parser.add_argument("--workers", type=int, default=WORKERS)
    parser.add_argument("--keep-going", action="store_true", help="tell the rest too when one has gone wrong")
    options = parser.parse_args()
    sys.exit(main(**vars(options), verbose=options.seed is not None))
