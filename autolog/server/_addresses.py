"""Signed addresses, at which a client uploads or downloads something that belongs to a record, without an API key.

An address is signed on behalf of the API key that asked for it, for one method and path. It is valid for an hour, or
until that key expires or is revoked.
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

#: How long an address is valid, in seconds.
SECONDS = 3600
_KIND = "signed-address"


def sign(call: Call, method: str, path: str, **terms: str) -> str:
    """Return an address at which a client may call `method` on `path` with the rights of the call's key.

    `terms` are added to the address as query parameters, and are covered by the signature.
    """
    until = str(int(time()) + SECONDS)
    signed = {**terms, "key": call.principal.key_id, "project": call.project, "until": until}
    return f"{call.base_url}{path}?{urlencode({**signed, 'token': _token(_secret(call), method, path, signed)})}"


def signer(services: Services, request: Request, route: Route) -> tuple[Principal | None, str | None]:
    """Return the principal on whose behalf a request's address was signed, and the project.

    Return (None, None) if the signature is not this server's, is for another method or path, or has expired; return
    None as the principal if the key that asked for the address is no longer valid.
    """
    terms = dict(request.query_params)
    token, path = terms.pop("token", ""), route.path.format(**request.path_params)
    secret = services.store.documents(_KIND).get("secret")
    if secret is None:
        return None, None
    is_ours = hmac.compare_digest(_token(str(secret["secret"]), route.method, path, terms).encode(), token.encode())
    if not is_ours or int(terms["until"]) < time():
        return None, None
    services.refresh_keys()
    known = services.keyring.by_id(terms["key"])
    return (known[1] if known else None), terms["project"]


def _secret(call: Call) -> str:
    """Return the secret that addresses are signed with, creating it if needed; all servers on a store share it."""

    def make(store: Store) -> str:
        document = store.documents(_KIND).get("secret") or {"secret": secrets.token_urlsafe(32)}
        store.put_document(_KIND, "secret", document)
        return str(document["secret"])

    known = call.store.documents(_KIND).get("secret")
    return str(known["secret"]) if known else call.write(make)


def _token(secret: str, method: str, path: str, terms: Mapping[str, str]) -> str:
    signed = f"{method} {path}?{urlencode(sorted(terms.items()))}"
    return hmac.new(secret.encode(), signed.encode(), hashlib.sha256).hexdigest()
