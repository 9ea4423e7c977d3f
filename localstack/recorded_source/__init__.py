"""A source API served from recordings, which can be told to misbehave. See README.md in this folder."""

from .faults import BadFault
from .journal import ServedRequest
from .recordings import Recordings, UnknownRecording
from .source import RecordedSource
from .synthetic import SyntheticStore, Totals

__all__ = [
    "BadFault",
    "RecordedSource",
    "Recordings",
    "ServedRequest",
    "SyntheticStore",
    "Totals",
    "UnknownRecording",
]
