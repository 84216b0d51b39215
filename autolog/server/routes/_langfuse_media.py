"""Langfuse's media: images, audio and files, which its SDKs send separately from the bodies that refer to them.

An SDK asks for an address, uploads the content there without a key, and reports the outcome. The content is stored as a
record of its own, a child of the observation that it belongs to.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Mapping
from time import time
from typing import Any

from autolog._record.media import note_media
from autolog._record.record import Record
from autolog.dialects import langfuse as dialect
from autolog.dialects._convert import format_time, parse_time
from autolog.dialects._fault import Fault
from autolog.server._addresses import SECONDS, sign
from autolog.server._call import Call, Reply, Route
from autolog.server._writer import RecordWrite
from autolog.stores.query import Query

_PATH = "/api/public/media"
_ANY = "application/octet-stream"
_TYPE = re.compile(r"[\w.+-]{1,60}/[\w.+-]{1,60}")


def media_id(sha256: str) -> str:
    """Return the media id for a content hash, computed as the SDKs do.

    Raises:
        Fault: 400, if the hash is not a SHA-256 in Base64.
    """
    try:
        if len(base64.b64decode(sha256, validate=True)) != 32:
            raise ValueError
    except (binascii.Error, ValueError) as error:
        raise Fault(400, "sha256Hash: is not a SHA-256 in Base64") from error
    return sha256.replace("+", "-").replace("/", "_")[:22]


def ask(call: Call) -> Reply:
    """Reply with the upload address for a content; with null for content that is stored already.

    Raises:
        Fault: 400, if the description is malformed; 413, if the content is too large.
    """
    given = call.object()
    size, kind = given.get("contentLength"), given.get("contentType")
    if not isinstance(size, int) or not isinstance(kind, str) or not _TYPE.fullmatch(kind):
        raise Fault(400, "contentLength: is not a number, or contentType no media type")
    place = {key: given.get(f"{key}Id") or "" for key in ("trace", "observation")} | {"field": given.get("field")}
    if not all(isinstance(value, str) and len(value) <= 200 for value in place.values()) or not place["trace"]:
        raise Fault(400, "traceId: media belong to a trace; field, observationId: are texts")
    found = media_id(str(given.get("sha256Hash")))
    most = call.services.limits.body_bytes
    if size > most:
        raise Fault(
            413, f"media of {size} bytes are not accepted: the maximum is {most}, `autolog serve --max-body` in MiB"
        )
    is_known = call.store.get(_record_id(found, place), call.project, bodies=False) is not None
    address = None if is_known else sign(call, "PUT", f"{_PATH}/{found}/content", **place, type=kind)
    return Reply(200, {"mediaId": found, "uploadUrl": address})


def _record_id(media: str, place: Mapping[str, str]) -> str:
    return f"{dialect.MEDIA}{media}-{place['observation'] or place['trace']}-{place['field']}"


def put(call: Call) -> RecordWrite:
    place, media = dict(call.query), call.path["id"]
    if media_id(base64.b64encode(hashlib.sha256(call.body).digest()).decode()) != media:
        raise Fault(400, "the content does not match the hash")
    now = parse_time(time())
    record = Record(
        id=_record_id(media, place),
        dialect=dialect.name,
        kind="span",
        name=f"media of {place['field']}",
        trace_id=place["trace"],
        span_id=_record_id(media, place),
        parent_span_id=place["observation"] or place["trace"],
        start_time=now,
        created_at=now,
        response_body=call.body,
        response_content_type=place["type"],
        metadata={"mediaId": media},
    )
    note_media(record)
    return call.keep([record], lambda _: Reply(200, {}))


def describe_media(call: Call) -> Reply:
    """Acknowledge the client's report on an upload, which says nothing that the server does not know."""
    call.object()
    return Reply(200, {})


def get(call: Call) -> Reply:
    found = _find(call)
    return Reply(
        200,
        {
            "mediaId": call.path["id"],
            "contentType": found.response_content_type or _ANY,
            "contentLength": len(found.response_body or b""),
            "uploadedAt": format_time(found.received_at or found.created_at),
            "url": sign(call, "GET", f"{_PATH}/{call.path['id']}/content"),
            "urlExpiry": format_time(parse_time(int(time()) + SECONDS)),
        },
    )


def content(call: Call) -> Reply:
    found = _find(call)
    headers = {"content-disposition": "attachment", "x-content-type-options": "nosniff"}
    return Reply(200, found.response_body or b"", found.response_content_type or _ANY, headers)


def _find(call: Call) -> Record:
    wanted = call.path["id"]
    query = Query({"project": call.project, "dialect": dialect.name}, ids=(f"{dialect.MEDIA}{wanted}-",))
    records = call.store.find(query, 1, bodies=True) if re.fullmatch(r"[\w-]{22}", wanted) else []
    if not records:
        raise Fault(404, "there are no media with this id")
    return records[0]


def _route(method: str, path: str, handler: Any, summary: str, **more: Any) -> Route:
    return Route(method, _PATH + path, handler, dialect, f"Langfuse: {summary}", **more)


_CONTENT = "the content of media, at a signed address"
ROUTES = [
    _route("POST", "", ask, "the upload address for media"),
    _route("PATCH", "/{id}", describe_media, "the result of an upload"),
    _route("GET", "/{id}", get, "media", scope="read"),
    _route("PUT", "/{id}/content", put, _CONTENT, open=True, signed=True, keeps=True),
    _route("GET", "/{id}/content", content, _CONTENT, open=True, signed=True, scope="read", produces=(_ANY,)),
]
