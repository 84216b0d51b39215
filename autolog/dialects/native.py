"""autolog's own protocol: batches of records as they are, in JSON or MessagePack.

In MessagePack the bodies are exact bytes. In JSON they are JSON values, whose text is stored exactly as sent, so that a
record can be posted with curl. A refused record does not affect the others in its batch.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec

from autolog._record.record import FIELDS, USAGE_FIELDS, Record, pack
from autolog._record.zstd import zstd
from autolog.dialects import Request
from autolog.dialects._convert import MAX_DOLLARS, MAX_SECONDS, new_id
from autolog.dialects._fault import NO_LIMIT, Fault, check_count, check_values
from autolog.providers._fields import MAX_COUNT

name = "native"
why_not_shipped = ""
batches = True
key_headers: tuple[str, ...] = ()
prefixes = ("/api/v1/",)

#: The version of the protocol, in a header of every batch and its reply. Minor versions only add fields, which older
#: readers ignore. Major versions change existing fields, and are refused by servers that do not know them.
PROTOCOL = "1.0"
PROTOCOL_HEADER = "x-autolog-protocol"

JSON = "application/json"
MSGPACK = "application/msgpack"
_MSGPACKS = {MSGPACK, "application/x-msgpack", "application/vnd.msgpack"}


class Incoming(Record, kw_only=True):
    """A record in JSON: it gets an id if it has none, and its bodies may be any JSON."""

    id: str = ""
    request_body: msgspec.Raw = msgspec.Raw(b"null")
    response_body: msgspec.Raw = msgspec.Raw(b"null")


_EMPTY = Incoming()


class _Envelope(msgspec.Struct):
    records: list[msgspec.Raw]


@dataclass(frozen=True, slots=True)
class Refused:
    """An item of a batch that is not a valid record, and the reason."""

    problem: str


#: The number of items that may be split, at about seventy bytes each, in order to count them.
_MANY = 1_000_000
_FIRST, _LAST = datetime(1970, 1, 1, tzinfo=UTC), datetime(9999, 1, 1, tzinfo=UTC)
_BLANKS = re.compile(r"[ \t\r\n]*+")
_decoder = json.JSONDecoder()

_json_envelope = msgspec.json.Decoder(_Envelope)
_json_list = msgspec.json.Decoder(list[msgspec.Raw])
_json_record = msgspec.json.Decoder(Incoming)
_msgpack_list = msgspec.msgpack.Decoder(list[msgspec.Raw])
_msgpack_record = msgspec.msgpack.Decoder(Record)


def check_protocol(version: str | None) -> None:
    """Refuse a batch of another major version; one without a version (curl, releases before 1.0) is accepted.

    Raises:
        Fault: 400, if it is not a version; 501, if it is another major version, upon which a client keeps its records.
    """
    if version is None:
        return
    major = version.partition(".")[0]
    if not major.isdecimal() or len(version) > 20:
        raise Fault(400, f"{PROTOCOL_HEADER}: {version[:50]!r} is not a version such as {PROTOCOL}")
    if int(major) != int(PROTOCOL.partition(".")[0]):
        raise Fault(501, f"this server speaks protocol {PROTOCOL}, the client {version}: upgrade the older of them")


def decode_batch(data: bytes, content_type: str, most: int = NO_LIMIT) -> list[Record | Refused]:
    """Decode the records of a batch, each independently: `[...]` or `{"records": [...]}`, or a single object.

    Raises:
        Fault: 400, if the body is not a batch; 413, if it has more than `most` records; 415, if its type is unknown.
    """
    kind = content_type.partition(";")[0].strip().lower() or JSON
    try:
        if kind in _MSGPACKS:
            return [_read(_msgpack_record, item) for item in _msgpack_items(data, most)]
        if kind != JSON:
            raise Fault(415, f"{kind[:100]!r} is neither {JSON} nor {MSGPACK}")
        return [_read(_json_record, item) for item in _json_items(data, most)]
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Fault(400, f"not a batch of records: {error}") from error


def _msgpack_items(data: bytes, most: int) -> list[msgspec.Raw]:
    """Return the items of a MessagePack array, after checking the count in its header."""
    if data[:1] == b"\xdc":
        check_count(int.from_bytes(data[1:3]), most)
    elif data[:1] == b"\xdd":
        check_count(int.from_bytes(data[1:5]), most)
    items = _msgpack_list.decode(data)
    check_count(len(items), most)
    return items


def _json_items(data: bytes, most: int) -> list[msgspec.Raw]:
    start = data.lstrip()[:1]
    if start == b"[":
        if data.count(b"{") + data.count(b",") > _MANY:
            _count_items(data, most)
        items = _json_list.decode(data)
    elif start == b"{" and b'"records"' in data:
        if data.count(b"{") > _MANY:
            check_values(data)
        items = _json_envelope.decode(data).records
    elif start == b"{":
        msgspec.json.decode(data)  # otherwise a truncated object would count as an invalid record
        items = [msgspec.Raw(data)]
    else:
        raise Fault(400, "the body is neither a list of records nor an object")
    check_count(len(items), most)
    return items


def _skip_blanks(text: str, at: int) -> int:
    match = _BLANKS.match(text, at)
    return match.end() if match else at


def _count_items(data: bytes, most: int) -> None:
    """Refuse a JSON array with too many items after parsing only the first ones."""
    text = data.decode()
    at, count = text.index("[") + 1, 0
    try:
        while count <= most:
            _, at = _decoder.raw_decode(text, _skip_blanks(text, at))
            at = _skip_blanks(text, at)
            if text[at : at + 1] != ",":
                return
            at, count = at + 1, count + 1
    except (RecursionError, ValueError):
        return  # not JSON, which the decoder will report
    check_count(count, most)


def _read(decoder: Any, item: msgspec.Raw) -> Record | Refused:
    try:
        record = decoder.decode(item)
    except (msgspec.DecodeError, msgspec.ValidationError, UnicodeDecodeError, RecursionError) as error:
        return Refused(str(error))
    if isinstance(record, Incoming):
        if record == _EMPTY:
            return Refused("it has no field of a record")
        values = {field: getattr(record, field) for field in FIELDS}
        for side in ("request_body", "response_body"):
            raw = values[side]
            values[side] = None if raw is None or bytes(raw) == b"null" else bytes(raw)
        record = Record(**values)
        record.id = record.id or new_id()
    return _checked(record)


def _checked(record: Record) -> Record | Refused:
    if not record.id or len(record.id) > 200:
        return Refused("id: must have 1 to 200 characters")
    for field in ("created_at", "start_time", "end_time"):
        at = getattr(record, field)
        if at is not None:
            if at.tzinfo is None:
                at = at.replace(tzinfo=UTC)
            if not _FIRST <= at < _LAST:
                return Refused(f"{field}: is out of range")
            setattr(record, field, at)
    if record.status not in {"ok", "error"}:
        return Refused("status: is neither ok nor error")
    for field in USAGE_FIELDS:
        if (count := getattr(record, field)) is not None and not 0 <= count < MAX_COUNT:
            return Refused(f"{field}: is not a number of tokens")
    for field in ("duration", "time_to_first_chunk"):
        if (seconds := getattr(record, field)) is not None and not 0 <= seconds <= MAX_SECONDS:
            return Refused(f"{field}: is not a duration in seconds")
    if record.cost is not None and not -MAX_DOLLARS <= record.cost <= MAX_DOLLARS:
        return Refused("cost: is not an amount of dollars")
    for field in ("status_code", "retries", "feedback"):
        if (number := getattr(record, field)) is not None and not -MAX_COUNT < number < MAX_COUNT:
            return Refused(f"{field}: is out of range")
    return record


def encode_batch(records: Sequence[Record]) -> bytes:
    """Encode a batch in MessagePack."""
    return pack(records)


def encode_request(records: Sequence[Record]) -> Request:
    """Return the request that inserts records: a batch in MessagePack, compressed."""
    body = zstd.compress(encode_batch(records), 3)
    headers = {"content-type": MSGPACK, "content-encoding": "zstd", PROTOCOL_HEADER: PROTOCOL}
    return Request("POST", "/api/v1/records", body, headers)


def encode_results(results: Sequence[str | Refused]) -> dict[str, Any]:
    """Encode the reply to a batch, in its order: the id of each stored record, or why it was refused."""
    return {
        "accepted": sum(isinstance(result, str) for result in results),
        "rejected": sum(isinstance(result, Refused) for result in results),
        "results": [
            {"status": 400, "error": result.problem} if isinstance(result, Refused) else {"status": 200, "id": result}
            for result in results
        ],
    }


def encode_fault(fault: Fault) -> dict[str, Any]:
    """Encode an error in autolog's own shape."""
    return {"error": {"message": fault.message, **({"details": fault.details} if fault.details else {})}}


def refused(reply: Any, sent: int) -> int | None:
    if not isinstance(reply, dict):
        return None
    accepted, rejected = reply.get("accepted"), reply.get("rejected")
    if type(accepted) is not int or type(rejected) is not int or min(accepted, rejected) < 0:
        return None
    return rejected if accepted + rejected == sent else None


def is_fault(reply: Any) -> bool:
    error = reply.get("error") if isinstance(reply, dict) and len(reply) == 1 else None
    return isinstance(error, dict) and isinstance(error.get("message"), str) and error.keys() <= {"message", "details"}
