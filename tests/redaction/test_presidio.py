"""Presidio, if installed, adds its findings to our own searches and changes nothing else."""

from __future__ import annotations

import json
import subprocess
import sys
import time

import pytest
from secret_corpus import clean

from autolog._record.record import Record
from autolog._redaction import presidio
from autolog._redaction.pii import personal_data
from autolog._redaction.redactor import Redactor
from autolog._redaction.walk import apply, without_overlaps

pytest.importorskip("presidio_analyzer", reason="pip install presidio-analyzer")


def replaced(text: str) -> str:
    return apply(text, without_overlaps([*personal_data(text), *presidio.recognized(text)]))


@pytest.mark.parametrize(
    ("text", "becomes"),
    [
        ("pay to 1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa now", "pay to [CRYPTO] now"),
        ("my passport number is 912803456", "my passport number is [US_PASSPORT]"),
        ("medical certificate BB1388568, certified", "medical certificate [MEDICAL_LICENSE], certified"),
        ("ada@example.com, 4111 1111 1111 1111", "[EMAIL], [CARD]"),
        ("see https://example.com/a?b=1 by Monday", "see https://example.com/a?b=1 by Monday"),
    ],
)
def test_what_presidio_knows_is_replaced_and_our_own_names_stay(text: str, becomes: str) -> None:
    assert replaced(text) == becomes


def test_code_logs_and_prose_are_left_alone() -> None:
    taken = {(text[start:end], label) for text in clean(60_000) for start, end, label in presidio.recognized(text)}
    assert len(taken) <= 3, taken


@pytest.mark.parametrize("text", ["word 123456789 ", "1", "passport 912803456 ", "a1B2c3 "])
def test_a_text_twice_as_long_takes_twice_as_long(text: str) -> None:
    def seconds(length: int) -> float:
        started = time.perf_counter()
        presidio.recognized((text * length)[:length])
        return time.perf_counter() - started

    seconds(4_000)
    assert min(seconds(40_000) for _ in range(2)) < 4 * min(seconds(20_000) for _ in range(2)) + 0.2


def test_what_lies_between_two_pieces_is_found() -> None:
    for before in (1_700, 1_790, 1_810, 1_990):
        assert replaced("x " * (before // 2) + "to 1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa").endswith("to [CRYPTO]")


def test_a_recognizer_of_your_own_counts() -> None:
    import presidio_analyzer

    engine = presidio.load()
    ticket = presidio_analyzer.PatternRecognizer("TICKET", patterns=[presidio_analyzer.Pattern("t", r"TCK-\d{6}", 0.9)])
    engine.registry.add_recognizer(ticket)
    try:
        record = Record(id="r", request_body=json.dumps({"note": "see TCK-123456"}).encode())
        Redactor("pii", secrets=True).bodies(record)
        assert json.loads(record.request_body or b"") == {"note": "see [TICKET]"}
    finally:
        engine.registry.remove_recognizer(ticket.name)


def test_it_is_imported_by_the_thread_that_configures_and_nothing_goes_to_the_network() -> None:
    code = """
import socket, sys, threading

def refuse(*args, **kwargs):
    raise AssertionError(f"{args} was to be reached")

socket.getaddrinfo = socket.socket.connect = refuse
import autolog
autolog.configure(store="sqlite:///.autolog/logs.db", redact="pii")
known = set(sys.modules)
assert "presidio_analyzer" in known
with autolog.testing.capture() as records, autolog.span("s", say="ada@example.com, 1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa"):
    pass
assert records[0].metadata == {"say": "[EMAIL], [CRYPTO]"}, records[0]
late = {name for name in sys.modules if name.startswith(("presidio", "spacy", "thinc"))} - known
assert not late, late
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
