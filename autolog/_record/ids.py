"""Identifiers: W3C trace and span ids, and record ids that sort by time.

They come from a random generator of autolog's own, so that a program that seeds `random` neither repeats ids nor gets
other numbers than it would without autolog.
"""

from __future__ import annotations

import random

from autolog._lifecycle import after_fork_in_child

_random = random.Random()  # noqa: S311 - ids are unique, not secret
after_fork_in_child(_random.seed)

#: Return an integer of the given number of random bits. Trace ids have 128 bits, span ids 64, and neither may be 0 (W3C
#: Trace Context).
new_bits = _random.getrandbits

#: Return a random number from 0 to 1, for jitter.
random_share = _random.random


def new_span() -> int:
    """Return a new span id."""
    return new_bits(64) or 1


def format_trace(trace: int) -> str:
    """Return a trace id as text: 32 hexadecimal digits."""
    return f"{trace:032x}"


def format_span(span: int) -> str:
    """Return a span id as text: 16 hexadecimal digits."""
    return f"{span:016x}"


def new_record_id(epoch_ms: int) -> str:
    """Return a UUID version 7 (RFC 9562), whose text sorts by `epoch_ms`, milliseconds since 1970."""
    value = (epoch_ms & 0xFFFFFFFFFFFF) << 80 | 0x7 << 76 | new_bits(12) << 64 | 0b10 << 62 | new_bits(62)
    text = f"{value:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def within(project: str, name: str) -> str:
    """Return a name that is unique among all projects, for something that is called `name` in its own.

    A slash in the name of a project is escaped, or `a/b` in the project `c` would be `b` in the project `c/a`.
    """
    return f"{project.replace('%', '%25').replace('/', '%2F')}/{name}"
