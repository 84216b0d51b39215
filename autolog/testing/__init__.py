"""Testing support for programs that use autolog: the records of a block, and recorded calls instead of the network.

with autolog.testing.capture() as records:
    answer("What is 2 + 2?")
assert records[0].usage_output_tokens < 100

with autolog.testing.replay("tests/cassettes/sum.yaml"):
    answer("What is 2 + 2?")  # as it was answered when that was recorded
"""

from __future__ import annotations

from autolog.testing._capture import Records, capture
from autolog.testing._replay import Replay, replay
from autolog.testing._tape import NotRecorded

__all__ = ["NotRecorded", "Records", "Replay", "capture", "replay"]
