"""``python -m ingot.cli``: the same as the command ``ingot``."""

from ingot.cli import main

main()
