"""What a record says of the API key that its call was made with: the end of it, by which providers show their keys."""

from __future__ import annotations

from typing import Any

#: Shorter ones are no provider's; of them four characters would tell too much.
_KEY_LENGTH = 24


def key_hint(headers: Any) -> str | None:
    """Return the last four characters of the API key in a request's headers, a mapping that knows lower-case names.

    None without a key, and for tokens that live for an hour (JSON Web Tokens) or are signatures.
    """
    key = _text(headers.get("x-api-key") or headers.get("api-key") or headers.get("x-goog-api-key"))
    if not key:
        scheme, _, bearer = _text(headers.get("authorization")).partition(" ")
        key = bearer if scheme.lower() == "bearer" else ""
    return key[-4:] if len(key) >= _KEY_LENGTH and not key.startswith("eyJ") else None


def _text(value: Any) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else value or ""
