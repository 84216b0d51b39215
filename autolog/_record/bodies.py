"""Decode bodies: JSON, multipart forms and content codings.

Pure functions, used by the worker thread and the server. They never raise, whatever the bytes are: unreadable parts
are left out, so that a truncated body still yields what can be read of it.
"""

from __future__ import annotations

import base64
import json
import re
import zlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any
from urllib.parse import parse_qsl

import msgspec

_decoder = msgspec.json.Decoder()


def decode_json(body: bytes | str | None) -> Any:
    """Return the JSON value in `body`, or None if there is none."""
    if not body:
        return None
    try:
        return _decoder.decode(body)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        pass
    try:  # NaN, Infinity, a byte-order mark, UTF-16 and lone surrogates violate RFC 8259, but occur in practice
        return json.loads(body)
    except UnicodeDecodeError as error:
        return decode_json(_in_other_charset(error.object))
    except (ValueError, RecursionError):
        return None


def _in_other_charset(body: bytes) -> str:
    """Return bytes that are not UTF-8 as text: in Windows-1252 or Latin-1, unless only some characters are damaged."""
    if not body.decode(errors="ignore").isascii():
        return body.decode(errors="replace")
    try:
        return body.decode("cp1252")
    except UnicodeDecodeError:
        return body.decode("latin-1")


def encode_json(value: Any) -> bytes:
    """Return `value` as compact JSON, including lone surrogates and huge integers, which strict parsers may reject."""
    try:
        return msgspec.json.encode(value)
    except (UnicodeEncodeError, OverflowError, TypeError, ValueError):
        return json.dumps(value, separators=(",", ":"), default=str).encode()


def decode_object(body: bytes | str | None) -> dict[str, Any]:
    """Return the JSON object in `body`, or an empty one."""
    value = decode_json(body)
    return value if isinstance(value, dict) else {}


def decode_text(body: bytes) -> str:
    """Return a body as text if it is valid UTF-8, else as `base64:` followed by its base64 form."""
    try:
        return body.decode()
    except UnicodeDecodeError:
        return "base64:" + base64.b64encode(body).decode()


# Content codings


def decode_content(chunks: Iterable[bytes], encoding: str) -> bytes:
    """Undo a Content-Encoding, as far as the body has arrived; with an unknown coding, return the bytes as they are.

    Brotli needs the `brotli` or `brotlicffi` package; without one of them, HTTP clients do not request it either.
    """
    raw = b"".join(chunks)
    for coding in reversed([part.strip() for part in encoding.lower().split(",") if part.strip()]):
        decode = _CODINGS.get(coding)
        if decode is None:
            return raw
        try:
            raw = decode(raw)
        except Exception:  # noqa: BLE001 - each library has its own errors; undecodable bytes are kept as they are
            return raw
    return raw


#: The most bytes that a body may decompress to; the rest is cut off.
MAX_DECODED = 256 * 1024 * 1024


def _inflate(raw: bytes) -> bytes:
    inflater = zlib.decompressobj(zlib.MAX_WBITS | 32)  # 32: gzip or zlib header, whichever is there
    return inflater.decompress(raw, MAX_DECODED)


def _deflate(raw: bytes) -> bytes:
    try:
        return _inflate(raw)
    except zlib.error:  # some servers send raw deflate data under this name
        return zlib.decompressobj(-zlib.MAX_WBITS).decompress(raw, MAX_DECODED)


def _brotli(raw: bytes) -> bytes:
    try:
        import brotli
    except ImportError:
        import brotlicffi as brotli
    decoded: bytes = brotli.Decompressor().process(raw)
    return decoded


def _zstd(raw: bytes) -> bytes:
    from autolog._record.zstd import zstd

    decoded: bytes = zstd.ZstdDecompressor().decompress(raw, max_length=MAX_DECODED)
    return decoded


_CODINGS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": _inflate,
    "x-gzip": _inflate,
    "deflate": _deflate,
    "br": _brotli,
    "zstd": _zstd,
    "identity": bytes,
}


# Streams


def without_repeats(body: bytes) -> bytes:
    """Return a shorter form of a stream, for searching: the start and end common to its events appear only once.

    A search finds the same in it as in the body, provided that a match lies within one key and its value, and contains
    no braces or commas outside a string. The common parts are determined from a sample of events in the middle of the
    stream; each event keeps the parts that belong to the same key or value as its differing strings.
    """
    blocks = body.split(b"\n\n")
    quarter = len(blocks) // 4
    if quarter < 4:
        return body
    first, *others = (block.split(b'"') for block in blocks[quarter : 3 * quarter : max(1, quarter // 16)])
    if any(len(other) != len(first) or b"\\" in other for other in (first, *others)):
        return body
    samples = len(others) + 1
    differing = [
        number for number, parts in enumerate(zip(first, *others, strict=True)) if parts.count(parts[0]) < samples
    ]
    if not differing:
        return body
    start = b'"'.join(first[: differing[0]]) + b'"'
    end = b'"' + b'"'.join(first[differing[-1] + 1 :])
    begin = max(start.rfind(b"{"), start.rfind(b","), 0)
    stop = min(len(end.partition(b"}")[0]), len(end.partition(b",")[0])) - len(end) or None
    shortened = [block[begin:stop] if block.startswith(start) and block.endswith(end) else block for block in blocks]
    return b"\n".join([*shortened, start, end])


# Forms


#: The most bytes of a part's headers that are read.
MAX_PART_HEAD = 16 * 1024


class FormPart(msgspec.Struct, frozen=True):
    """One part of a multipart form: its field name, its file name if it is a file, and the offsets of its content."""

    name: str
    filename: str | None
    content_type: str | None
    start: int
    end: int


def form_parts(body: bytes, content_type: str) -> Iterator[FormPart]:
    """Yield the parts of a multipart form, in order; `content_type` gives the boundary."""
    boundary = content_type.partition("boundary=")[2].split(";")[0].strip().strip('"').encode()
    if not boundary:
        return
    marker = b"--" + boundary
    at = body.find(marker)
    while at >= 0:
        at += len(marker)
        end = body.find(marker, at)
        head_end = body.find(b"\r\n\r\n", at, end if end >= 0 else len(body))
        if head_end >= 0:
            head = body[at : min(head_end, at + MAX_PART_HEAD)].decode(errors="replace")
            parameters = _disposition(head)
            start, stop = head_end + 4, end if end >= 0 else len(body)
            if body[stop - 2 : stop] == b"\r\n" and stop - 2 >= start:
                stop -= 2
            if "name" in parameters:
                kind = re.search(r"(?im)^content-type:\s*([^\s;]+)", head)
                yield FormPart(parameters["name"], parameters.get("filename"), kind[1] if kind else None, start, stop)
        at = end


def is_form(content_type: str) -> bool:
    """Return whether a body of this type is a form."""
    return content_type.startswith(("multipart/", "application/x-www-form-urlencoded"))


def read_form(body: bytes, content_type: str) -> dict[str, Any]:
    """Return the fields of a form; a file is represented by its name. Repeated fields become lists."""
    if content_type.startswith("multipart/"):
        pairs = [
            (part.name, part.filename or body[part.start : part.end].decode(errors="replace"))
            for part in form_parts(body, content_type)
        ]
    else:
        pairs = parse_qsl(body.decode(errors="replace"), keep_blank_values=True)
    fields: dict[str, Any] = {}
    for name, value in pairs:
        if name in fields:
            before = fields[name]
            fields[name] = [*before, value] if isinstance(before, list) else [before, value]
        else:
            fields[name] = value
    return fields


def _disposition(head: str) -> dict[str, str]:
    for line in head.split("\r\n"):
        if line.lower().startswith("content-disposition:"):
            pairs = (item.partition("=") for item in line.split(";")[1:])
            return {name.strip(): value.strip().strip('"') for name, _, value in pairs}
    return {}
