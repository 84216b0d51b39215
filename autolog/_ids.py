"""Identifiers: W3C trace and span ids, and record ids that sort by time.

A generator of our own, so that a program that seeds `random` neither repeats our ids nor sees its own numbers move.
"""

from __future__ import annotations

import os
import random

_random = random.Random()  # noqa: S311 - ids are unique, not secret
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_random.seed)

#: So many random bits. Trace ids have 128, span ids 64, and neither is 0 (W3C Trace Context).
new_bits = _random.getrandbits

#: A number from 0 to 1, of our own generator: for jitter.
random_share = _random.random


def new_span() -> int:
    """A span id."""
    return new_bits(64) or 1


def format_trace(trace: int) -> str:
    """A trace id as text: 32 hexadecimal digits."""
    return f"{trace:032x}"


def format_span(span: int) -> str:
    """A span id as text: 16 hexadecimal digits."""
    return f"{span:016x}"


def new_record_id(epoch_ms: int) -> str:
    """A UUID version 7 (RFC 9562): its text sorts by the time, in milliseconds, that it was given."""
    value = (epoch_ms & 0xFFFFFFFFFFFF) << 80 | 0x7 << 76 | new_bits(12) << 64 | 0b10 << 62 | new_bits(62)
    text = f"{value:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
