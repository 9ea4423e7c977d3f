"""The gate: every record is checked against its contract between extraction and loading."""

from ingot.gate.differences import Difference
from ingot.gate.explain import Violation
from ingot.gate.gate import Gate, InFile, Refusal, Verdict

__all__ = ["Difference", "Gate", "InFile", "Refusal", "Verdict", "Violation"]
