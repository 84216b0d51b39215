"""Who a request comes from: the key in it, wherever it stands, and what that key may do."""

from __future__ import annotations

import base64
from collections.abc import Mapping

import msgspec
from starlette.requests import Request

from autolog import dialects
from autolog.dialects._fault import Fault
from autolog.server._keys import ANY_PROJECT, Principal
from autolog.server._limits import RateLimiter

#: The headers that hold a key, in any dialect; `Authorization: Bearer` does in all.
KEY_HEADERS = tuple(dict.fromkeys(header for name in dialects.NAMES for header in dialects.get(name).key_headers))

_KEY_HEADERS = frozenset(KEY_HEADERS)


class _KeyInBody(msgspec.Struct):
    api_key: str | None = None


#: Skips all other fields without making objects of them: whoever sends them has shown no key yet.
_decoder = msgspec.json.Decoder(_KeyInBody)


def key_in_body(body: bytes) -> str | None:
    """Return the `api_key` inside a JSON body; None if there is none, or the body cannot be read."""
    try:
        return _decoder.decode(body).api_key
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def headers_of(request: Request) -> dict[str, str]:
    """Return a request's headers by their names, in lower case as ASGI has them; of several with one name the first."""
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in reversed(request.scope["headers"])}


def key_of(headers: Mapping[str, str]) -> str | None:
    """Return the key that a request carries, in any vendor's header."""
    if not _KEY_HEADERS.isdisjoint(headers):
        for name in KEY_HEADERS:
            if headers.get(name):
                return headers[name]
    scheme, _, token = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "basic":
        return _password(token)
    return token.strip() or None if scheme.lower() == "bearer" else None


def _password(token: str) -> str | None:
    """Return the password of Basic credentials (RFC 7617), which is the key: Langfuse's secret one."""
    try:
        return base64.b64decode(token.strip(), validate=True).decode().partition(":")[2] or None
    except ValueError:
        return None


def authorise(principal: Principal | None, scope: str, rates: RateLimiter, problem: str = "") -> Principal:
    """Return the principal if it may do what needs a scope, now. `problem` says why there is none, if that is known.

    Raises:
        Fault: 401, there is none; 403, not for this; 429, too often.
    """
    if principal is None:
        raise Fault(401, problem or "the API key is missing or unknown")
    if not principal.may(scope):
        raise Fault(403, f"{principal.words} does not have the scope {scope!r}")
    wait = rates.wait(principal.key_id)
    if wait > 0:
        raise Fault(429, "too many requests for this key", retry_after=wait)
    return principal


def project_of(principal: Principal, wanted: str | None) -> str:
    """Return the project of a request: the key's; a key for all projects may name one.

    Raises:
        Fault: 403, another key's project.
    """
    if principal.project == ANY_PROJECT:
        return wanted or "default"
    if wanted and wanted != principal.project:
        raise Fault(403, "this key is for another project")
    return principal.project
