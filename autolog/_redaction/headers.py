"""URLs and headers without the credentials in them."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote_plus, urlsplit, urlunsplit

from autolog._redaction.names import PARAMETERS, suggests_secret

#: Headers that are worth keeping and hold no secret.
_KEPT_HEADERS = {"content-type", "content-encoding", "user-agent", "date", "retry-after", "x-request-id", "request-id",
                 "apim-request-id", "x-amzn-requestid", "x-amzn-errortype", "x-inference-provider", "cf-ray",
                 "x-should-retry"}  # fmt: skip
_KEPT_PREFIXES = ("openai-", "anthropic-", "x-ratelimit-", "x-stainless-", "x-amzn-bedrock-")
_IDENTIFYING = {"openai-organization", "openai-project", "anthropic-organization-id", "anthropic-workspace-id"}
#: Headers that carry credentials, besides those whose names say so.
_CREDENTIALS = ("auth", "cookie", "token", "secret", "password", "api-key", "apikey")


def clean_url(url: str) -> str:
    """Return a URL without credentials: no user information, and no value of a parameter that grants access.

    Keys in other places are found with those in all texts of a record.
    """
    try:
        parts = urlsplit(url)
    except ValueError:  # not a URL at all, such as http://[
        return ""
    query = "&".join(_clean_parameter(parameter) for parameter in parts.query.split("&")) if parts.query else ""
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, query, ""))


def _clean_parameter(parameter: str) -> str:
    name, found, value = parameter.partition("=")
    plain = unquote_plus(name)
    secret = value and (plain.lower() in PARAMETERS or suggests_secret(plain))
    return f"{name}{found}REDACTED" if secret else parameter


def plain_headers(headers: Any) -> dict[str, str]:
    """Return headers as a plain object with lower-case names: httpx decodes all of its own at every access."""
    raw = getattr(headers, "raw", None)
    if raw is not None:
        return {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in raw}
    pairs = headers.items()
    return {str(name).lower(): value if isinstance(value, str) else value.decode("latin-1") for name, value in pairs}


def kept_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Return those of `plain_headers` that are worth keeping."""
    return {name: value for name, value in headers.items() if _keeps(name)}


@functools.lru_cache(maxsize=1024)
def _keeps(name: str) -> bool:
    return (name in _KEPT_HEADERS or name.startswith(_KEPT_PREFIXES)) and name not in _IDENTIFYING


#: Shorter ones are no provider's; of them four characters would tell too much.
_KEY_LENGTH = 24


def key_hint(headers: Mapping[str, str]) -> str | None:
    """Return the last four characters of the API key in a request's `plain_headers`: so providers show their keys.

    None without a key, and for tokens that live for an hour (JSON Web Tokens) or are signatures.
    """
    scheme, _, bearer = headers.get("authorization", "").partition(" ")
    named = (headers.get(name) for name in ("x-api-key", "api-key", "x-goog-api-key"))
    key = next(filter(None, named), bearer if scheme.lower() == "bearer" else "")
    return key[-4:] if len(key) >= _KEY_LENGTH and not key.startswith("eyJ") else None


def redacted_headers(headers: Mapping[str, Any]) -> dict[str, str]:
    """Return all headers, with the values of those that carry credentials replaced."""
    return {str(name): "REDACTED" if _carries_credentials(str(name)) else str(value) for name, value in headers.items()}


@functools.lru_cache(maxsize=1024)
def _carries_credentials(name: str) -> bool:
    return any(word in name.lower() for word in _CREDENTIALS) or suggests_secret(name)
