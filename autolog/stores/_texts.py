"""Convert texts to forms that databases accept."""

from __future__ import annotations

from typing import Any

from autolog._record.bodies import encode_json


def clean(text: str) -> str:
    """Return text with lone surrogates, which UTF-8 cannot encode, replaced."""
    return text if text.isascii() else text.encode(errors="replace").decode()


def as_text(value: Any) -> str:
    """Return a value as searchable text: texts as they are, anything else as JSON."""
    return clean(value) if isinstance(value, str) else encode_json(value).decode()
