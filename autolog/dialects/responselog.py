"""ResponseLog: the two requests insert and update.

The format cannot express tokens other than in the response's `usage`, status and errors, times, tags, and traces.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Any, Literal

import pydantic

from autolog._reading.derive import derive, fill_in, forget
from autolog._record.record import Record
from autolog.dialects import Request
from autolog.dialects._convert import MAX_DOLLARS, MAX_SECONDS, json_request, new_id, read_bodies, to_body
from autolog.dialects._fault import Fault, Json
from autolog.dialects._schema import Body, validate

name = "responselog"
why_not_shipped = ""
batches = False
key_headers = ("x-api-key",)
prefixes = ("/api/logs/",)

#: The largest image in one media item after decoding, in bytes, as documented by the vendor.
MAX_MEDIA_BYTES = 10 * 1024 * 1024


class MediaItem(Body):
    type: Literal["image"]
    title: str | None = None
    data: str


class Media(Body):
    request: list[MediaItem] | None = None
    response: list[MediaItem] | None = None


class Fields(Body):
    model: Annotated[str, pydantic.Field(min_length=1)] | None = None
    duration: Annotated[float, pydantic.Field(ge=0, le=MAX_SECONDS)] | None = None
    initiator: str | None = None
    description: str | None = None
    request_data: Json | None = None
    response_data: Json | None = None
    metadata: Json | None = None
    cost: Annotated[float, pydantic.Field(ge=-MAX_DOLLARS, le=MAX_DOLLARS)] | None = None
    media: Media | None = None


class Insert(Fields):
    model: Annotated[str, pydantic.Field(min_length=1)]


class Update(Body):
    id: Annotated[str | int, pydantic.Field(union_mode="left_to_right")]
    update_data: Fields


def decode_insert(body: Json) -> Record:
    """Return the record for an insert.

    Raises:
        Fault: 400, if the body is invalid; 413, if a media item is too large.
    """
    fields = validate(Insert, body)
    record = Record(id=new_id(), dialect=name)
    _set_fields(record, fields)
    derive(record)
    return record


def decode_update(body: Json) -> tuple[str, Callable[[Record], None]]:
    """Return the id that an update names, and the change to make to its record.

    Raises:
        Fault: 400, if the body is invalid; 413, if a media item is too large.
    """
    update = validate(Update, body)
    if isinstance(update.id, bool):
        raise Fault(400, "id: is neither text nor a number")

    def change(record: Record) -> None:
        _set_fields(record, update.update_data)
        if update.update_data.model_fields_set & {"model", "request_data", "response_data"}:
            forget(record)
            fill_in(record)

    _check_media(update.update_data.media)
    return str(update.id), change


def _set_fields(record: Record, fields: Fields) -> None:
    _check_media(fields.media)
    for attribute, value in {
        "request_model": fields.model,
        "duration": fields.duration,
        "user": fields.initiator,
        "name": fields.description,
        "request_body": to_body(fields.request_data),
        "response_body": to_body(fields.response_data),
        "metadata": fields.metadata,
    }.items():
        if value is not None:
            setattr(record, attribute, value)
    if fields.cost is not None:
        record.cost, record.custom_cost = fields.cost, True
    if fields.media is not None:
        record.extra = {**record.extra, "media": fields.media.model_dump(exclude_unset=True)}
    extra = fields.model_extra or {}
    if extra:
        record.extra = {**record.extra, "fields": {**record.extra.get("fields", {}), **extra}}


def _check_media(media: Media | None) -> None:
    for side in ("request", "response"):
        for item in (getattr(media, side) if media else None) or []:
            if item.data.startswith(("http://", "https://")):
                continue
            content = item.data.partition(",")[2] if item.data.startswith("data:") else item.data
            characters = len("".join(content.split()).rstrip("="))
            if characters * 3 // 4 > MAX_MEDIA_BYTES:
                raise Fault(413, f"media.{side}: an image of more than {MAX_MEDIA_BYTES} bytes")


def encode_reply(record_id: str) -> Json:
    """Encode the reply to an insert or update."""
    return {"id": record_id, "success": True}


def encode_fault(fault: Fault) -> Json:
    """Encode an error in this vendor's shape."""
    return {"error": fault.message, **({"details": fault.details} if fault.details else {})}


def refused(reply: Any, sent: int) -> int | None:  # noqa: ARG001 - one at a time
    return 0 if isinstance(reply, dict) and (reply.get("id") or reply.get("success") is True) else None


def is_fault(reply: Any) -> bool:
    return isinstance(reply, dict) and bool(reply.get("error")) and reply.keys() <= {"error", "details"}


def encode_request(records: Sequence[Record]) -> Request:
    """Return the request that logs a record with the vendor, which accepts one at a time."""
    (record,) = records
    request, response = read_bodies(record)
    fields: dict[str, Any] = {
        "model": record.request_model or record.response_model or "unknown",
        "duration": record.duration,
        "initiator": record.user,
        "description": record.name,
        "request_data": request if isinstance(request, dict) or request is None else {"body": request},
        "response_data": response if isinstance(response, dict) or response is None else {"body": response},
        "metadata": record.metadata or None,
        "cost": record.cost,
        "media": record.extra.get("media"),
    }
    return json_request("POST", "/api/logs/insert", {key: value for key, value in fields.items() if value is not None})
