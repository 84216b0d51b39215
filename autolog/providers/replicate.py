"""Replicate: predictions, which may outlive the call that began them, and are billed by machine time or by tokens.

The format: https://replicate.com/docs/reference/http, and for the token streams at a prediction's `urls.stream`
https://replicate.com/docs/topics/predictions/streaming, read 2026-11. A stream does not contain the id of its
prediction, and is matched by its URL.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from autolog._record.bodies import encode_json
from autolog._record.streams import Event
from autolog.providers._defaults import (
    batch_results as batch_results,
    billable_units as billable_units,
    has_usage_option as has_usage_option,
    results_id as results_id,
    streams as streams,
)
from autolog.providers._facts import Facts, LongRunning
from autolog.providers._fields import count, mapping, plain_path, text

name = "replicate"
provider_name = "replicate"

_BEGUN = r"/(predictions|trainings)$"
_READ = r"/(predictions|trainings)/[^/]+(/cancel)?$"
_STREAM = r"/v1/(streams?|files|predictions)/[^/]+$"
_ENDED = {"succeeded", "failed", "canceled", "aborted"}


def operation(path: str) -> str:
    """Return the operation's name: `prediction` for models of every kind, which the path does not reveal."""
    if re.search(r"/trainings(/|$)", plain_path(path)):
        return "fine_tuning"
    return "prediction" if "/predictions" in path else plain_path(path).rpartition("/")[2]


@functools.lru_cache(maxsize=1024)
def billable(method: str, path: str) -> bool:
    """Return whether a call begins, reads or cancels a prediction or a training."""
    return is_follow_up(method, path) or (method.lower() == "post" and bool(re.search(_BEGUN, plain_path(path))))


@functools.lru_cache(maxsize=1024)
def is_follow_up(method: str, path: str) -> bool:
    """Return whether a call reads, streams or cancels a prediction that an earlier call began."""
    pattern = rf"{_READ}|{_STREAM}" if method.lower() == "get" else _READ
    return method.lower() in {"get", "post"} and bool(re.search(pattern, plain_path(path)))


@functools.lru_cache(maxsize=1024)
def model_in(path: str) -> str | None:
    """Return the model or deployment named in the path, as `owner/name`; None if there is none."""
    match = re.search(r"/(?:models|deployments)/([^/]+/[^/]+)/predictions", path)
    return match[1] if match else None


def guess_path(request: dict[str, Any]) -> str:
    """Return the path for a request of this shape."""
    return "/v1/predictions"


def unbilled_reason(path: str) -> str | None:
    """Return why the cost of a call to this path cannot be computed; None if it can."""
    return "billed by the second of its machine, which the response does not name"


def read(path: str, body: Any, headers: Mapping[str, str]) -> Facts:
    """Return the facts in a prediction, in its current state."""
    body = mapping(body)
    facts = Facts(model=text(body.get("model")), id=text(body.get("id")))
    status, output = text(body.get("status")), body.get("output")
    facts.finish_reasons = [status] if status in _ENDED else None
    if facts.id is None and status is not None:  # a stream, from `assemble`
        facts.long_running = LongRunning(f"stream:{plain_path(path)}", "prediction", final=True, certain=False)
    elif facts.id is not None and status is not None:
        stream = text(mapping(body.get("urls")).get("stream"))
        keys = (f"stream:{urlsplit(stream).path.rstrip('/')}",) if stream else ()
        facts.long_running = LongRunning(f"prediction:{facts.id}", "prediction", status in _ENDED, other_keys=keys)
    facts.error_message = text(body.get("error")) or text(body.get("detail"))
    facts.error_type = status if facts.error_message and status == "failed" else None
    if isinstance(output, str):
        facts.output_text = text(output)
    elif isinstance(output, list) and all(isinstance(piece, str) for piece in output):
        facts.output_text = "".join(output) or None
    metrics = mapping(body.get("metrics"))
    facts.raw_usage = metrics or None
    facts.usage.input, facts.usage.output = (
        count(metrics.get("input_token_count")),
        count(metrics.get("output_token_count")),
    )
    return facts


def assemble(path: str, events: list[Event]) -> dict[str, Any]:
    """Return the prediction assembled from a stream of tokens, without its id.

    A piece of text that is a JSON object, such as `{}`, has been decoded as one, and is encoded again.
    """
    ends = {"done": "succeeded", "error": "failed"}
    body: dict[str, Any] = {"status": "processing", "output": []}
    for event in events:
        if event.name == "output":
            body["output"].append(event.text or encode_json(event.data).decode())
        elif event.name in ends:
            reason = text(event.data.get("reason")) if event.name == "done" else None
            body["status"] = {"error": "failed", "canceled": "canceled"}.get(reason or "", ends[event.name])
        if event.name == "error":
            body["error"] = text(event.data.get("detail")) or event.text or encode_json(event.data).decode()
    return body
