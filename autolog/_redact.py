"""What is not kept: credentials in URLs, headers that may hold a key."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

#: Headers that are worth keeping and hold no secret.
_KEPT_HEADERS = {"content-type", "content-encoding", "user-agent", "date", "retry-after", "x-request-id", "request-id",
                 "apim-request-id", "x-amzn-requestid", "x-amzn-errortype", "cf-ray", "x-should-retry"}  # fmt: skip
_KEPT_PREFIXES = ("openai-", "anthropic-", "x-ratelimit-", "x-stainless-")
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


def kept_headers(headers: Any) -> dict[str, str]:
    """The headers that are worth keeping: none of them can hold a key."""
    return {
        name: value
        for name, value in ((str(name).lower(), str(value)) for name, value in headers.items())
        if (name in _KEPT_HEADERS or name.startswith(_KEPT_PREFIXES)) and name not in _SECRET_HEADERS
    }
