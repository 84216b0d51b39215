"""Signed addresses: where a program puts or gets what belongs to a record without a key, such as media.

An address stands for the key that asked for it, for one method and path; it is valid for an hour, and while the key is.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Mapping
from time import time
from urllib.parse import urlencode

from starlette.requests import Request

from autolog.server._call import Call, Route
from autolog.server._keys import Principal
from autolog.server._services import Services
from autolog.stores._contract import Store

SECONDS = 3600
_KIND = "signed-address"


def sign(call: Call, method: str, path: str, **terms: str) -> str:
    """Return the address where whoever holds the call's key may do this; `terms` are further parameters of it."""
    until = str(int(time()) + SECONDS)
    told = {**terms, "key": call.principal.key_id, "project": call.project, "until": until}
    return f"{call.base_url}{path}?{urlencode({**told, 'token': _token(_secret(call), method, path, told)})}"


def holder(services: Services, request: Request, route: Route) -> tuple[Principal | None, str | None]:
    """Return whom a request's address stands for, and in which project; nobody if it was not signed here for this."""
    told = dict(request.query_params)
    token, path = told.pop("token", ""), route.path.format(**request.path_params)
    secret = services.store.documents(_KIND).get("secret")
    if secret is None:
        return None, None
    is_ours = hmac.compare_digest(_token(str(secret["secret"]), route.method, path, told).encode(), token.encode())
    if not is_ours or int(told["until"]) < time():
        return None, None
    services.refresh_keys()
    known = services.keyring.by_id(told["key"])
    return (known[1] if known else None), told["project"]


def _secret(call: Call) -> str:
    """Return what addresses are signed with, the same on every server of one store."""

    def make(store: Store) -> str:
        document = store.documents(_KIND).get("secret") or {"secret": secrets.token_urlsafe(32)}
        store.put_document(_KIND, "secret", document)
        return str(document["secret"])

    known = call.store.documents(_KIND).get("secret")
    return str(known["secret"]) if known else call.write(make)


def _token(secret: str, method: str, path: str, told: Mapping[str, str]) -> str:
    signed = f"{method} {path}?{urlencode(sorted(told.items()))}"
    return hmac.new(secret.encode(), signed.encode(), hashlib.sha256).hexdigest()
