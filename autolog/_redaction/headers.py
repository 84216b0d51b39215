"""Remove credentials from URLs and headers."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote_plus, urlsplit, urlunsplit

from autolog._redaction.names import PARAMETERS, suggests_secret

#: Headers that are worth keeping and contain no secrets.
_KEPT_HEADERS = {"content-type", "content-encoding", "user-agent", "date", "retry-after", "x-request-id", "request-id",
                 "apim-request-id", "x-amzn-requestid", "x-amzn-errortype", "x-inference-provider", "cf-ray",
                 "x-should-retry", "cf-aig-cache-status", "x-portkey-cache-status", "helicone-cache"}  # fmt: skip
_KEPT_PREFIXES = ("openai-", "anthropic-", "x-ratelimit-", "x-stainless-", "x-amzn-bedrock-")
_IDENTIFYING = {"openai-organization", "openai-project", "anthropic-organization-id", "anthropic-workspace-id"}
#: Headers in which requests carry their keys.
_NAMED_KEYS = ("x-api-key", "api-key", "x-goog-api-key")
KEY_HEADERS = frozenset({"authorization", *_NAMED_KEYS})
#: Words in the names of headers that carry credentials, in addition to those of `suggests_secret`.
_CREDENTIALS = ("auth", "cookie", "token", "secret", "password", "api-key", "apikey")


def clean_url(url: str) -> str:
    """Return a URL without user information and without the values of parameters that grant access.

    Keys elsewhere in the URL are found by the search through all texts of a record.
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
    """Return the headers that are worth keeping or may contain a key, with lower-case names.

    Args:
        headers: httpx headers, which are read raw because httpx decodes all headers at every access, or any object
            with `items()`; names and values may be bytes, as botocore's are.
    """
    raw = getattr(headers, "raw", None)
    if raw is None:
        found = ((plain, value) for name, value in headers.items() if (plain := _wanted(name)))
        return {plain: value.decode("latin-1") if isinstance(value, bytes) else value for plain, value in found}
    return {plain: value.decode("latin-1") for name, value in raw if (plain := _wanted(name))}


@functools.lru_cache(maxsize=1024)
def _wanted(name: str | bytes) -> str | None:
    """Return the lower-case name of a header, or None if the header is not needed."""
    plain = (name if isinstance(name, str) else name.decode("latin-1")).lower()
    return plain if _keeps(plain) or plain in KEY_HEADERS else None


def kept_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Return the headers out of `plain_headers` that are worth keeping, which are all but those with keys."""
    return {name: value for name, value in headers.items() if name not in KEY_HEADERS}


@functools.lru_cache(maxsize=1024)
def _keeps(name: str) -> bool:
    return (name in _KEPT_HEADERS or name.startswith(_KEPT_PREFIXES)) and name not in _IDENTIFYING


def redacted_headers(headers: Mapping[str, Any]) -> dict[str, str]:
    """Return all headers, with the values of those that carry credentials replaced."""
    return {str(name): "REDACTED" if _carries_credentials(str(name)) else str(value) for name, value in headers.items()}


@functools.lru_cache(maxsize=1024)
def _carries_credentials(name: str) -> bool:
    return any(word in name.lower() for word in _CREDENTIALS) or suggests_secret(name)
