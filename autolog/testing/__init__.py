"""Testing support for programs that use autolog: capture the records of a block, and replay recorded calls.

with autolog.testing.capture() as records:
    answer("What is 2 + 2?")
assert records[0].usage_output_tokens < 100

with autolog.testing.replay("tests/cassettes/sum.yaml"):
    answer("What is 2 + 2?")  # gets the recorded response
"""

from __future__ import annotations

from autolog.testing._capture import Records, capture
from autolog.testing._replay import Replay, replay
from autolog.testing._tape import NotRecorded

__all__ = ["NotRecorded", "Records", "Replay", "capture", "replay"]
