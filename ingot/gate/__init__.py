"""The gate: every record is checked against its contract between extraction and loading."""

from ingot.gate.explain import Violation
from ingot.gate.gate import Gate, Refusal, Unknown, Verdict

__all__ = ["Gate", "Refusal", "Unknown", "Verdict", "Violation"]
