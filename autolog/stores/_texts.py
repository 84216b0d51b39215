"""Texts as databases take them."""

from __future__ import annotations

from typing import Any

from autolog._record.bodies import encode_json


def clean(text: str) -> str:
    """Return text as UTF-8 can hold it: a lone surrogate has no form there."""
    return text if text.isascii() else text.encode(errors="replace").decode()


def as_text(value: Any) -> str:
    """Return a value as text, to be searched for: a text as it is, all else as JSON."""
    return clean(value) if isinstance(value, str) else encode_json(value).decode()
