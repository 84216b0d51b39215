"""Identify the API key of a call by its last characters, as the providers' consoles do."""

from __future__ import annotations

from typing import Any

#: Shorter keys are not a provider's, and four characters would reveal too much of them.
_KEY_LENGTH = 24


def key_hint(headers: Any) -> str | None:
    """Return the last four characters of the API key in a request's headers, a mapping with lower-case names.

    Returns None if there is no key, and for signatures and short-lived tokens (JSON Web Tokens).
    """
    key = _text(headers.get("x-api-key") or headers.get("api-key") or headers.get("x-goog-api-key"))
    if not key:
        scheme, _, bearer = _text(headers.get("authorization")).partition(" ")
        key = bearer if scheme.lower() == "bearer" else ""
    return key[-4:] if len(key) >= _KEY_LENGTH and not key.startswith("eyJ") else None


def _text(value: Any) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else value or ""
