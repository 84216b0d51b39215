"""Texts that are searched together are searched as well as each on its own."""

from __future__ import annotations

import itertools
import json

import secret_corpus

from autolog._redaction.groups import clean_texts
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
