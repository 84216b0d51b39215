"""Texts that are searched together are searched as well as each on its own."""

from __future__ import annotations

import itertools
import json

import secret_corpus

from autolog._redaction.groups import BETWEEN_RECORDS, Pace, clean_texts
from autolog._redaction.look import may_hold_secret
from autolog._redaction.secrets import secrets_in

#: Beginnings of what only the next text would complete, and texts that a search could take for a part of the next.
AROUND = (
    "token:", "api_key=", "password is", "curl -u a", "--password", "user,password", "kind: Secret\ndata:", "password: |", "machine a login b password", "name: A_KEY",
    'variable "a" {', "Authorization: Bearer", "cookie: a=", "echo a |", 'f("key",', "code is", "one \\", "Kennwort:", "{'a':", "%22", "x" * 20,
)  # fmt: skip


def finds(text: str) -> bool:
    return next(secrets_in(text), None) is not None


def test_a_secret_is_found_whatever_the_texts_beside_it_contain() -> None:
    planted = [text for _, text, _ in secret_corpus.planted() if finds(text)]
    for text, before, after in zip(planted, itertools.cycle(AROUND), itertools.cycle(AROUND[::-1]), strict=False):
        assert text not in clean_texts([f"see {before}", text, after], finds), (before, text)


def test_all_texts_without_a_secret_are_returned_also_from_a_group_with_one() -> None:
    key = "sk-" + "proj-" + "Ab1" * 16
    inner = json.dumps({"path of a file": ["a longer text", key], "n": 1})
    value = {"a key of an object": [inner, "short", "an ordinary text", None, 1.5], "b": {"c": f"a key: {key}"}}
    assert clean_texts(value, finds) == {"a key of an object", "path of a file", "a longer text", "an ordinary text"}


def test_the_quick_check_of_several_records_sees_what_it_sees_in_one() -> None:
    others = itertools.cycle([text.encode() for text in AROUND])
    for _, text, _ in itertools.islice(secret_corpus.planted(), 0, None, 3):
        for body in (text.encode(), json.dumps({"a": json.dumps([text])}).encode()):
            together = BETWEEN_RECORDS.join((next(others), body, next(others)))
            assert may_hold_secret(together) >= may_hold_secret(body), together


def test_records_are_searched_on_their_own_for_a_while_after_a_finding() -> None:
    pace = Pace()

    def alone(found: bool) -> int:
        """Return how many groups of 16 records are searched one by one after a search of a group."""
        pace.note(found)
        return sum(1 for _ in itertools.takewhile(lambda allowed: not allowed, iter(lambda: pace.allows(16), None)))

    assert [alone(found) for found in (False, True, True, True, False, True)] == [0, 1, 2, 4, 0, 4]
    assert max(alone(True) for _ in range(20)) == 64
