"""Texts that arrive in pieces."""

from __future__ import annotations

from typing import Any

from autolog.providers._pieces import add_text, joined


def test_pieces_become_texts_wherever_they_stand() -> None:
    inner: dict[str, Any] = {"text": "a"}
    body: dict[str, Any] = {"parts": [inner], "n": 1}
    for piece in ("b", "", "c"):
        add_text(inner, "text", piece)
        add_text(body, "said", piece)
    assert joined(body) == {"parts": [{"text": "abc"}], "n": 1, "said": "bc"}


def test_what_is_no_text_makes_room() -> None:
    body: dict[str, Any] = {"text": None}
    add_text(body, "text", "a")
    assert joined(body) == {"text": "a"}
