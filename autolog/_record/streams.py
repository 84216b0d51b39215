"""Split a streamed body into its events.

Providers frame streams in four ways: server-sent events, JSON lines, one JSON array, and AWS event streams. A body may
be cut off anywhere: all complete events are returned, and nothing here raises.
"""

from __future__ import annotations

import base64
import binascii
import functools
import json
import re
import struct
from collections.abc import Iterator
from typing import Any

import msgspec

from autolog._record.bodies import decode_json, decode_object

_decode = msgspec.json.Decoder().decode


class Event(msgspec.Struct, frozen=True):
    """One event of a stream: its name, if any, and its JSON data.

    If an event with a name has data that is not a JSON object, the data is in `text`.
    """

    name: str | None
    data: dict[str, Any]
    text: str = ""


def read_events(body: bytes, content_type: str) -> list[Event]:
    """Return the events of a streamed body, in order; the framing follows from its content type or its first bytes."""
    if "amazon.eventstream" in content_type:
        return list(_aws_events(body))
    body = to_utf8(body)
    start = body.lstrip()[:1]
    if start == b"[":
        return list(_array_events(body))
    if start == b"{" or _is_json_lines(content_type):
        return list(_line_events(body))
    return list(_sse_events(body))


def is_stream(body: bytes, content_type: str) -> bool:
    """Return whether a body is a stream of events, by its content type or else by its first bytes.

    A JSON array is not considered a stream, because only the URL path tells whether it is one. Nor is a single JSON
    object with the content type of a stream, which is how some servers send errors.
    """
    if "amazon.eventstream" in content_type:
        return body[:1] != b"{"
    body = to_utf8(body)
    if "event-stream" in content_type or _is_json_lines(content_type):
        return body.lstrip()[:1] != b"{" or _is_json_lines(content_type) or not isinstance(decode_json(body), dict)
    body = body.lstrip()
    if body[:1] != b"{":
        return _SSE.match(body) is not None
    first, _, rest = body.partition(b"\n")
    return rest.lstrip()[:1] == b"{" and isinstance(decode_json(first), dict)


#: The beginning of server-sent events.
_SSE = re.compile(rb"(?:data|event|id|retry|error)?:")


def to_utf8(body: bytes) -> bytes:
    """Return JSON or events as UTF-8 without a byte-order mark, because some proxies add one or send UTF-16."""
    head = body[:4]
    if head.isascii() and b"\0" not in head:  # the common case
        return body
    encoding = json.detect_encoding(body[:4]) if len(body) > 1 else "utf-8"
    return body if encoding == "utf-8" else body.decode(encoding, errors="replace").encode()


@functools.lru_cache(maxsize=256)
def _is_json_lines(content_type: str) -> bool:
    return any(word in content_type for word in ("ndjson", "jsonl", "json-lines", "stream+json", "json-seq"))


def _sse_events(body: bytes) -> Iterator[Event]:
    """Yield server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html) with JSON objects."""
    if b"\r" in body:
        body = body.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    blocks = body.split(b"\n\n")
    last = len(blocks) - 1  # the last event may have been cut off, as no blank line follows it
    for number, block in enumerate(blocks):
        head, _, json_text = block.partition(b"data: ")
        if json_text[:1] == b"{" and (not head or (head[:7] == b"event: " and head.find(b"\n") == len(head) - 1)):
            try:  # fast path for the common case: at most a name, and one line of data
                yield Event(head[7:-1].strip().decode() if head else None, _decode(json_text))
                continue
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                pass
        yield from _sse_event(block, number < last)


def _sse_event(block: bytes, whole: bool) -> Iterator[Event]:
    name: str | None = None
    data: list[bytes] = []
    for line in block.split(b"\n"):
        if line.startswith(b"data:"):
            data.append(line[5:])  # JSON decoders skip the blank after the colon
        elif line.startswith(b"event:"):
            name = line[6:].strip().decode(errors="replace")
        elif line.startswith(b"error:"):  # llama.cpp's, in place of `data`
            name = "error"
            data.append(line[6:])
    value = decode_json(b"\n".join(data)) if data else None
    values = [value] if value is not None else map(decode_json, data)  # some servers omit the blank line between events
    named = False
    for each in values:
        if isinstance(each, dict):
            named = True
            yield Event(name, each)
    if whole and name and data and not named:
        yield Event(name, {}, b"\n".join(line.removeprefix(b" ") for line in data).decode(errors="replace"))


def _line_events(body: bytes) -> Iterator[Event]:
    """Yield the objects of JSON lines (https://jsonlines.org); RFC 7464 puts a record separator before each."""
    for line in body.splitlines():
        if value := decode_object(line.lstrip(b"\x1e")):
            yield Event(None, value)


def _array_events(body: bytes) -> Iterator[Event]:
    """Yield the objects in a JSON array; if the array was cut off, those that are complete."""
    value = decode_json(body)
    if not isinstance(value, list):
        value = _begun_array(body.decode(errors="replace"))
    for item in value:
        if isinstance(item, dict):
            yield Event(None, item)


def _begun_array(text: str) -> Iterator[Any]:
    decoder = json.JSONDecoder()
    at = text.find("[") + 1
    while match := re.compile(r"[\s,]*(?=\{)").match(text, at):
        try:
            value, at = decoder.raw_decode(text, match.end())
        except (ValueError, RecursionError):
            return
        yield value


# AWS event streams


def _aws_events(body: bytes) -> Iterator[Event]:
    """Yield the events of `application/vnd.amazon.eventstream`, which Bedrock and SageMaker use.

    A frame consists of total length, header length and checksum (4 bytes each), headers, payload, and checksum (Amazon
    Event Stream specification, https://smithy.io/2.0/aws/amazon-eventstream.html). Bedrock's `invoke` also wraps each
    event in base64 inside JSON, and SageMaker cuts the stream of the model's server into the payloads of its frames.
    """
    start = 0
    parts: list[bytes] = []
    while start + 16 <= len(body):
        total, header_length = struct.unpack_from(">II", body, start)
        if total < 16 + header_length or start + total > len(body):
            return
        headers = _aws_headers(body[start + 12 : start + 12 + header_length])
        payload = body[start + 12 + header_length : start + total - 4]
        start += total
        if headers.get(":event-type") == "PayloadPart":
            parts.append(payload)
        elif (event := _aws_event(headers, decode_object(payload))) is not None:
            yield event
    whole = b"".join(parts)
    yield from _sse_events(whole) if whole.lstrip().startswith((b"data:", b"event:", b":")) else _line_events(whole)


def _aws_event(headers: dict[str, str], payload: dict[str, Any]) -> Event | None:
    wrapped = payload.get("bytes")
    if isinstance(wrapped, str):
        try:
            content = base64.b64decode(wrapped)
        except (binascii.Error, ValueError):
            return None
        inner = decode_object(content)
        if not inner and ":event-type" in headers and content[:1] != b"{":  # an agent's text
            return Event(headers[":event-type"], {}, content.decode(errors="replace"))
        kind = inner.get("type")
        return Event(kind if isinstance(kind, str) else None, inner) if inner else None
    failure = headers.get(":exception-type") or headers.get(":error-code")
    if failure or (":event-type" not in headers and "message" in payload):  # for example throttling in mid-stream
        error = {"type": failure, "message": headers.get(":error-message"), **payload}
        return Event("error", {"type": "error", "error": {key: value for key, value in error.items() if value}})
    kind = payload.get("type")
    name = headers.get(":event-type") or (kind if isinstance(kind, str) else None)
    return Event(name, payload) if payload else None


#: The sizes of header values by type, in bytes; bytes (6) and text (7) are preceded by their length. The same source.
_SIZES = {0: 0, 1: 0, 2: 1, 3: 2, 4: 4, 5: 8, 8: 8, 9: 16}


def _aws_headers(raw: bytes) -> dict[str, str]:
    """Return the text headers of a frame, up to the first header that cannot be read."""
    headers: dict[str, str] = {}
    at = 0
    try:
        while at < len(raw):
            name = raw[at + 1 : at + 1 + raw[at]].decode()
            at += 1 + raw[at]
            kind, at = raw[at], at + 1
            if kind in _SIZES:
                at += _SIZES[kind]
                continue
            (length,) = struct.unpack_from(">H", raw, at)
            if kind == 7:
                headers[name] = raw[at + 2 : at + 2 + length].decode()
            at += 2 + length
    except (IndexError, struct.error, UnicodeDecodeError):
        pass
    return headers
