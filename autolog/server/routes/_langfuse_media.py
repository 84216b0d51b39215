"""Langfuse's media: images, audio and files, which its SDKs send beside the bodies that refer to them.

An SDK asks for an address, puts the content there without a key, and says how that went. The address stands for the
key that asked for it: it is signed, for one purpose, and valid for an hour and while the key is; content over
`MAX_BYTES` is not asked for. What is put there is a record of its own, below the
observation that it is part of.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
import secrets
from time import time
from typing import Any
from urllib.parse import urlencode

from autolog._record.media import note_media
from autolog._record.record import Record
from autolog.dialects import langfuse as dialect
from autolog.dialects._convert import format_time, parse_time
from autolog.dialects._fault import Fault
from autolog.server._auth import authorise
from autolog.server._call import Call, Reply, Route
from autolog.server._keys import ANY_PROJECT
from autolog.server._limits import ANONYMOUS_BODY_BYTES
from autolog.server._writer import RecordWrite
from autolog.stores._contract import Store
from autolog.stores.query import Query

#: The largest content that is taken: it comes without a key.
MAX_BYTES = ANONYMOUS_BODY_BYTES
ADDRESS_SECONDS = 3600
_KIND = "langfuse-media"
_PATH = "/api/public/media"
_TYPE = re.compile(r"[\w.+-]{1,60}/[\w.+-]{1,60}")
#: What an address holds, in the order in which it is signed.
_SIGNED = ("purpose", "key", "media", "project", "trace", "observation", "field", "type", "until")


def media_id(sha256: str) -> str:
    """Return the id of a content, as the SDKs make it of its hash.

    Raises:
        Fault: 400, no SHA-256 in Base64.
    """
    try:
        if len(base64.b64decode(sha256, validate=True)) != 32:
            raise ValueError
    except (binascii.Error, ValueError) as error:
        raise Fault(400, "sha256Hash: is no SHA-256 in Base64") from error
    return sha256.replace("+", "-").replace("/", "_")[:22]


def ask(call: Call) -> Reply:
    """Reply with the address for a content; none for one that is here, or is too large."""
    given = call.object()
    size, kind = given.get("contentLength"), given.get("contentType")
    if not isinstance(size, int) or not isinstance(kind, str) or not _TYPE.fullmatch(kind):
        raise Fault(400, "contentLength: is not a number, or contentType no media type")
    place = {key: given.get(f"{key}Id") or "" for key in ("trace", "observation")} | {"field": given.get("field")}
    if not all(isinstance(value, str) and len(value) <= 200 for value in place.values()) or not place["trace"]:
        raise Fault(400, "traceId: media belong to a trace; field, observationId: are texts")
    found = media_id(str(given.get("sha256Hash")))
    signed = {**_terms(call, "put"), "media": found, **place, "type": kind}
    known = call.store.get(_record_id(signed), call.project, bodies=False)
    address = None if known is not None or size > MAX_BYTES else _address(call, f"{found}/content", signed)
    return Reply(200, {"mediaId": found, "uploadUrl": address})


def _terms(call: Call, purpose: str) -> dict[str, str]:
    """Return whom an address of the call's is for, what for, and until when."""
    until = str(int(time()) + ADDRESS_SECONDS)
    return {"purpose": purpose, "key": call.principal.key_id, "project": call.project, "until": until}


def _address(call: Call, path: str, signed: dict[str, str]) -> str:
    token = _sign(_secret(call), signed)
    return f"{call.base_url}{_PATH}/{path}?{urlencode({**signed, 'token': token})}"


def _secret(call: Call) -> str:
    """Return what addresses are signed with, the same on every server of one store."""

    def make(store: Store) -> str:
        document = store.documents(_KIND).get("secret") or {"secret": secrets.token_urlsafe(32)}
        store.put_document(_KIND, "secret", document)
        return str(document["secret"])

    known = call.store.documents(_KIND).get("secret")
    return str(known["secret"]) if known else call.write(make)


def _sign(secret: str, signed: dict[str, str]) -> str:
    told = "\n".join(f"{key} {signed.get(key, '')}" for key in _SIGNED)
    return hmac.new(secret.encode(), told.encode(), hashlib.sha256).hexdigest()


def _admit(call: Call, purpose: str, scope: str) -> dict[str, str]:
    """Return what the call's signed address says, and make it a call of the address' project.

    Raises:
        Fault: 403, it was not signed here for this, or is no longer valid; as `authorise` for the key it stands for.
    """
    given = dict(call.query)
    signed = {key: given.get(key, "") for key in _SIGNED}
    secret = str((call.store.documents(_KIND).get("secret") or {"secret": secrets.token_hex()})["secret"])
    is_ours = hmac.compare_digest(_sign(secret, signed).encode(), given.get("token", "").encode())
    if (
        not is_ours
        or (signed["purpose"], signed["media"]) != (purpose, call.path["id"])
        or int(signed["until"]) < time()
    ):
        raise Fault(403, "this address is not valid, or no longer")
    call.services.keyring.refresh()
    known = call.services.keyring.by_id(signed["key"])
    principal = authorise(known[1] if known else None, scope, call.services.rates)
    if principal.project not in {ANY_PROJECT, signed["project"]}:
        raise Fault(403, "this address is for another project")
    call.project = signed["project"]
    return signed


def _record_id(signed: dict[str, str]) -> str:
    return f"{dialect.MEDIA}{signed['media']}-{signed['observation'] or signed['trace']}-{signed['field']}"


def put(call: Call) -> RecordWrite:
    signed = _admit(call, "put", "ingest")
    if media_id(base64.b64encode(hashlib.sha256(call.body).digest()).decode()) != signed["media"]:
        raise Fault(400, "the content is not that of the hash")
    now = parse_time(time())
    record = Record(
        id=_record_id(signed),
        dialect=dialect.name,
        kind="span",
        name=f"media of {signed['field']}",
        trace_id=signed["trace"],
        span_id=_record_id(signed),
        parent_span_id=signed["observation"] or signed["trace"],
        start_time=now,
        created_at=now,
        response_body=call.body,
        response_content_type=signed["type"],
        metadata={"mediaId": signed["media"]},
    )
    note_media(record)
    return call.keep([record], lambda _: Reply(200, {}))


def told(call: Call) -> Reply:
    """Acknowledge how an upload went: what was put is known already."""
    call.object()
    return Reply(200, {})


def get(call: Call) -> Reply:
    found = _find(call, call.path["id"])
    kind = found.response_content_type or "application/octet-stream"
    signed = {**_terms(call, "get"), "media": call.path["id"], "type": kind}
    size = len(found.response_body or b"")
    return Reply(
        200,
        {
            "mediaId": call.path["id"],
            "contentType": kind,
            "contentLength": size,
            "uploadedAt": format_time(found.received_at or found.created_at),
            "url": _address(call, f"{call.path['id']}/content", signed),
            "urlExpiry": format_time(parse_time(int(signed["until"]))),
        },
    )


def content(call: Call) -> Reply:
    signed = _admit(call, "get", "read")
    found = _find(call, signed["media"])
    headers = {"content-disposition": "attachment", "x-content-type-options": "nosniff"}
    return Reply(200, found.response_body or b"", signed["type"], headers)


def _find(call: Call, wanted: str) -> Record:
    query = Query({"project": call.project, "dialect": dialect.name}, ids=(f"{dialect.MEDIA}{wanted}-",))
    found = call.store.find(query, 1, bodies=True) if re.fullmatch(r"[\w-]{22}", wanted) else []
    if not found:
        raise Fault(404, "there are no media with this id")
    return found[0]


def _route(method: str, path: str, handler: Any, summary: str, **more: Any) -> Route:
    return Route(method, _PATH + path, handler, dialect, f"Langfuse: {summary}", **more)


ROUTES = [
    _route("POST", "", ask, "where media are to be put"),
    _route("PATCH", "/{id}", told, "how an upload went"),
    _route("GET", "/{id}", get, "media", scope="read"),
    _route("PUT", "/{id}/content", put, "the content of media, at a signed address", open=True, keeps=True),
    _route("GET", "/{id}/content", content, "the content of media, at a signed address", open=True,
           produces=("application/octet-stream",)),
]  # fmt: skip
