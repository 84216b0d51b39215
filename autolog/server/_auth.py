"""Authentication: finds the API key in a request, and checks what that key may do."""

from __future__ import annotations

import base64
from collections.abc import Mapping

import msgspec
from starlette.types import Scope

from autolog import dialects
from autolog.dialects._fault import Fault
from autolog.server._keys import ANY_PROJECT, Principal
from autolog.server._limits import RateLimiter

#: The headers that may hold a key, in any dialect; all dialects also accept `Authorization: Bearer`.
KEY_HEADERS = tuple(dict.fromkeys(header for name in dialects.NAMES for header in dialects.get(name).key_headers))

_KEY_HEADERS = frozenset(KEY_HEADERS)


class _KeyInBody(msgspec.Struct):
    api_key: str | None = None


#: Skips all other fields without building objects, because the sender has not shown a valid key yet.
_decoder = msgspec.json.Decoder(_KeyInBody)


def key_in_body(body: bytes) -> str | None:
    """Return the `api_key` field of a JSON body; None if there is none, or the body cannot be parsed."""
    try:
        return _decoder.decode(body).api_key
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def headers_of(scope: Scope) -> dict[str, str]:
    """Return a request's headers by name, which ASGI has in lower case; of several with the same name the first."""
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in reversed(scope["headers"])}


def key_of(headers: Mapping[str, str]) -> str | None:
    """Return the key in a request's headers, whichever vendor's header holds it; None if there is none."""
    if not _KEY_HEADERS.isdisjoint(headers):
        for name in KEY_HEADERS:
            if headers.get(name):
                return headers[name]
    scheme, _, token = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "basic":
        return _password(token)
    return token.strip() or None if scheme.lower() == "bearer" else None


def _password(token: str) -> str | None:
    """Return the password of Basic credentials (RFC 7617): Langfuse clients send their secret key in this way."""
    try:
        return base64.b64decode(token.strip(), validate=True).decode().partition(":")[2] or None
    except ValueError:
        return None


def authorise(principal: Principal | None, scope: str, rates: RateLimiter, problem: str = "") -> Principal:
    """Return the principal, if it has the scope and is within its rate limit.

    `problem` says why there is no principal, if that is known.

    Raises:
        Fault: 401, if there is no principal; 403, if it does not have the scope; 429, if it makes too many requests.
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
    """Return the project of a request: the key's own, or the wanted one if the key is for all projects.

    Raises:
        Fault: 403, if the key is for a single project and another one is wanted.
    """
    if principal.project == ANY_PROJECT:
        return wanted or "default"
    if wanted and wanted != principal.project:
        raise Fault(403, "this key is for another project")
    return principal.project
