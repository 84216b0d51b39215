"""Keys in requests: where they stand, whose they are, what they may do."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.requests import Request

from autolog import dialects
from autolog.dialects._fault import Fault, parse_object
from autolog.server._keys import ANY_PROJECT, Principal
from autolog.server._services import Services


def key_in(body: bytes) -> str | None:
    """The key inside a body; a body that cannot be read has none."""
    try:
        given = parse_object(body).get("api_key")
    except Fault:
        return None
    return given if isinstance(given, str) else None


#: The headers that hold a key, in any dialect; `Authorization: Bearer` does in all.
KEY_HEADERS = tuple(dict.fromkeys(header for name in dialects.NAMES for header in dialects.get(name).key_headers))


def headers_of(request: Request) -> dict[str, str]:
    """A request's headers by their names in small letters; of several with one name the first."""
    raw = reversed(request.scope["headers"])
    return {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in raw}


def key_of(headers: Mapping[str, str]) -> str | None:
    """The key that a request carries, in any vendor's header."""
    for name in KEY_HEADERS:
        if headers.get(name):
            return headers[name]
    scheme, _, token = headers.get("authorization", "").partition(" ")
    return token.strip() or None if scheme.lower() == "bearer" else None


def authorise(services: Services, key: str | None, scope: str) -> Principal:
    """Who holds a key.

    Raises:
        Fault: 401, no such key; 403, not for this; 429, too often.
    """
    principal = services.keyring.find(key) if key else None
    if principal is None:
        raise Fault(401, "the API key is missing or not known")
    if not principal.may(scope):
        raise Fault(403, f"this key does not have the scope {scope!r}")
    wait = services.rates.wait(principal.key_id)
    if wait > 0:
        raise Fault(429, "too many requests for this key", [{"retry_after": wait}])
    return principal


def project_of(principal: Principal, wanted: str | None) -> str:
    """The project of a request: the key's; a key for all projects may name one.

    Raises:
        Fault: 403, another key's project.
    """
    if principal.project == ANY_PROJECT:
        return wanted or "default"
    if wanted and wanted != principal.project:
        raise Fault(403, "this key is for another project")
    return principal.project
