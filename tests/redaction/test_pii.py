"""Personal data are replaced by their kind, and look-alikes are left alone."""

from __future__ import annotations

import json
import time

import pii_corpus
import pytest
from secret_corpus import clean

import autolog
from autolog._record.record import Record
from autolog._redaction.pii import is_card, personal_data
from autolog._redaction.redactor import REDACTED, Redactor
from autolog._redaction.walk import apply, without_overlaps


def replaced(text: str) -> str:
    return apply(text, without_overlaps(personal_data(text)))


@pytest.mark.parametrize("label", pii_corpus.KINDS)
def test_what_is_planted_is_found(label: str) -> None:
    texts = [(text, data) for kind, text, data in pii_corpus.planted() if kind == label]
    missed = [text for text, data in texts if data in replaced(text)]
    assert len(missed) <= len(texts) * (0.05 if label == "[NAME]" else 0), missed


def test_code_logs_and_prose_are_left_alone() -> None:
    taken = [text[start:end] for text in clean(500_000) for start, end, _ in personal_data(text)]
    assert set(taken) <= {"Ada", "ada@example.com", "ada@h.example.com", "git@github.example"}  # these are addresses


@pytest.mark.parametrize("text", [
    "version 1.2.3.4.5", "127.0.0.1 and ::1", "2026-11-27 14:05:33", "order 1234-5678", "4111111111111112", "12:34:56",
    "may will mark the grace of hope", "a@b", "user@host", "1,234,567.89", "0.123456789", "GB00ABCD12345678901234", "Python 3.11.2",
    "000-12-3456", "chatcmpl-0301234567", "v10.20.30.40x",
])  # fmt: skip
def test_what_only_looks_like_it_stays(text: str) -> None:
    assert replaced(text) == text


def test_each_kind_is_named_and_the_rest_stays() -> None:
    text = "Ada Lovelace (ada@example.com, +44 20 7946 0958) paid with 4111 1111 1111 1111 from 93.184.216.34."
    assert replaced(text) == "[NAME] ([EMAIL], [PHONE]) paid with [CARD] from [IP]."


def test_the_preset_stands_beside_other_rules() -> None:
    for rules in ("pii", ["pii", r"order \d+"], {"patterns": ["pii", r"order \d+"], "fields": ["note"]}):
        record = Record(
            id="r", request_body=json.dumps({"to": "ada@example.com", "card": 4111111111111111, "n": 7}).encode()
        )
        Redactor(rules, secrets=True).bodies(record)
        assert json.loads(record.request_body or b"") == {"to": "[EMAIL]", "card": REDACTED, "n": 7}


def test_it_is_asked_for_where_all_rules_are() -> None:
    autolog.configure(redact="pii")
    with autolog.testing.capture() as records, autolog.span("mail", to="ada@example.com") as span:
        span.set(output="sent to Ada Lovelace")
    assert records[0].metadata == {"to": "[EMAIL]"}
    assert records[0].output_preview == "sent to [NAME]"


def test_cards_are_checked() -> None:
    assert is_card("4111 1111 1111 1111")
    assert not is_card("4111 1111 1111 1112")
    assert not is_card("0000000000000000")


@pytest.mark.parametrize(
    "unit",
    ["a@", "@a.a", "a.", "+1 2", "(0", "0 1", "AB12 ", "4111 ", "1.", "::1:", "Ada ", "Dr. ", "Ada van ", "1-1-", "O'"],
)
def test_twice_the_text_takes_twice_the_time(unit: str) -> None:
    def best(size: int) -> float:
        def taken() -> float:
            started = time.process_time()
            personal_data(unit * (size // len(unit)))
            return time.process_time() - started

        return min(taken() for _ in range(3))

    assert best(80_000) < 3 * 4 * best(20_000) + 0.05
