"""What a sample cannot show is asked, with what it did show."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from ingot.errors import ConfigurationError


class Questions(Protocol):
    """Who answers."""

    def choose(self, what: str, choices: Sequence[tuple[str, str]], *, option: str, default: str | None) -> str:
        """One of some texts, or another one.

        Args:
            what: the question.
            choices: what may be answered, each with its evidence.
            option: the option of the command that answers it.
            default: the safe answer; None if there is none.

        Raises:
            ConfigurationError: nobody answers, and there is no safe answer.
        """


class Nobody:
    """For scripts: the safe answer, or an error that says which option to give."""

    def choose(self, what: str, choices: Sequence[tuple[str, str]], *, option: str, default: str | None) -> str:
        if default is not None:
            return default
        seen = "; ".join(f"{choice or 'none'} ({why})" for choice, why in choices) or "no candidate was seen"
        raise ConfigurationError(f"{what} The sample does not say: {seen}.", hint=f"give {option}")
