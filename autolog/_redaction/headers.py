"""URLs and headers without the credentials in them."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

#: Headers that are worth keeping and hold no secret.
_KEPT_HEADERS = {"content-type", "content-encoding", "user-agent", "date", "retry-after", "x-request-id", "request-id",
                 "apim-request-id", "x-amzn-requestid", "x-amzn-errortype", "cf-ray", "x-should-retry"}  # fmt: skip


_KEPT_PREFIXES = ("openai-", "anthropic-", "x-ratelimit-", "x-stainless-", "x-amzn-bedrock-")
_SECRET_HEADERS = {
    "openai-organization",
    "openai-project",
    "anthropic-organization-id",
    "anthropic-workspace-id",
}
_SECRET_PARAMETERS = {"key", "api-key", "api_key", "apikey", "token", "access_token", "sig", "signature"}


def clean_url(url: str) -> str:
    """The URL without credentials: no user information, no key in the query."""
    try:
        parts = urlsplit(url)
    except ValueError:  # not a URL at all, such as http://[
        return ""
    host = parts.netloc.rpartition("@")[2]
    query = parts.query
    if query:
        pairs = parse_qsl(query, keep_blank_values=True)
        query = urlencode(
            [(name, "REDACTED" if name.lower() in _SECRET_PARAMETERS else value) for name, value in pairs]
        )
    return urlunsplit((parts.scheme, host, parts.path, query, ""))


def plain_headers(headers: Any) -> dict[str, str]:
    """Headers as a plain object, their names in small letters: httpx's own decode all of them for every look at one."""
    raw = getattr(headers, "raw", None)
    pairs = headers.items() if raw is None else ((name.decode("latin-1"), value) for name, value in raw)
    return {str(name).lower(): value if isinstance(value, str) else value.decode("latin-1") for name, value in pairs}


def kept_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """The headers that are worth keeping, of `plain_headers`: none of them can hold a key."""
    return {name: value for name, value in headers.items() if _keeps(name)}


@functools.lru_cache(maxsize=1024)
def _keeps(name: str) -> bool:
    return (name in _KEPT_HEADERS or name.startswith(_KEPT_PREFIXES)) and name not in _SECRET_HEADERS


#: Request headers that say who the caller is; their values are never kept.
_SECRET_WORDS = ("authorization", "api-key", "apikey", "token", "secret", "cookie", "password", "x-auth")


def redacted_headers(headers: Mapping[str, Any]) -> dict[str, str]:
    """Headers with the values of credentials replaced."""
    return {
        str(name): "REDACTED" if any(word in str(name).lower() for word in _SECRET_WORDS) else str(value)
        for name, value in headers.items()
    }
