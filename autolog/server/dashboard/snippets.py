"""A provider call as code for copying: curl, or a call of the SDK. Keys are never included."""

from __future__ import annotations

import json
import shlex

from autolog._record.bodies import decode_json, decode_object
from autolog._record.record import Record

_KEYS = {"anthropic": "x-api-key: $ANTHROPIC_API_KEY"}
#: The largest request that is shown as a command, in bytes.
MAX_BODY = 500_000
#: Methods of the SDKs, by the end of the URL.
_METHODS = (
    ("/chat/completions", "chat.completions.create"),
    ("/responses", "responses.create"),
    ("/embeddings", "embeddings.create"),
    ("/moderations", "moderations.create"),
    ("/images/generations", "images.generate"),
    ("/completions", "completions.create"),
    ("/messages", "messages.create"),
    ("/messages/count_tokens", "messages.count_tokens"),
)


def as_curl(record: Record) -> str | None:
    """Return the request as a shell command; None if its body is not text, or it has no address of the web."""
    address = record.request_url or ""
    if not address.startswith(("http://", "https://")) or record.request_body is None:  # others might be options
        return None
    value = decode_json(record.request_body)
    if value is None or len(record.request_body) > MAX_BODY:
        return None
    body = json.dumps(value)  # in ASCII, so that what is shown is what is copied
    headers = [f"content-type: {record.request_content_type or 'application/json'}"]
    kept = record.request_headers or {}
    headers += [
        f"{name}: {kept[name]}" for name in ("anthropic-version", "anthropic-beta", "openai-beta") if name in kept
    ]
    key = _KEYS.get(record.sdk or "", "Authorization: Bearer $OPENAI_API_KEY")
    lines = [
        f"curl {shlex.quote(address)}",
        f'-H "{key}"',
        *(f"-H {shlex.quote(header)}" for header in headers),
    ]
    lines.append(f"--data-binary {shlex.quote(body)}")
    return " \\\n  ".join(lines)


def as_python(record: Record) -> str | None:
    """Return the request as a call of the SDK that made it; None if that call is not known."""
    body = decode_object(record.request_body)
    path = (record.request_url or "").partition("?")[0]
    end, method = next(((end, name) for end, name in _METHODS if path.endswith(end)), ("", None))
    if method is None or not body or len(record.request_body or b"") > MAX_BODY:
        return None
    anthropic = method.startswith("messages")
    sdk, kind = ("anthropic", "Anthropic") if anthropic else ("openai", "OpenAI")
    base = path.removesuffix(end)
    base = base.removesuffix("/v1") if anthropic else base
    official = base in {"https://api.anthropic.com", "https://api.openai.com/v1"}
    client = f"{kind}()" if official else f"{kind}(base_url={base!r})"
    plain = {key: value for key, value in body.items() if key.isidentifier()}
    arguments = "".join(f"    {key}={_literal(value)},\n" for key, value in plain.items())
    return f"import {sdk}\n\nclient = {sdk}.{client}\nanswer = client.{method}(\n{arguments})\n"


def _literal(value: object) -> str:
    """Return a JSON value as indented Python source."""
    words = json.dumps(value, indent=4).replace("\n", "\n    ")
    if isinstance(value, (str, int, float)) or value is None:
        return ascii(value)
    return words if not _has_words(value) else ascii(value)


def _has_words(value: object) -> bool:
    """Return whether a value contains one that JSON and Python write differently: true, false or null."""
    if isinstance(value, dict):
        return any(_has_words(item) for item in value.values())
    if isinstance(value, list):
        return any(_has_words(item) for item in value)
    return value is None or isinstance(value, bool)
