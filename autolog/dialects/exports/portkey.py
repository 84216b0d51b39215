"""Portkey's log exports: JSON lines of the requested columns.

Source: https://portkey.ai/docs/api-reference/admin-api/control-plane/logs-export (`requested_data`). `request` and
`response` are bodies, or objects with the bodies as `body`, and either may be JSON in a text.
"""

from __future__ import annotations

from typing import Any

from autolog._record.record import Record
from autolog.dialects._chat import parsed
from autolog.dialects._convert import fill_times, to_body
from autolog.dialects._fault import Json
from autolog.dialects._providers import provider_called
from autolog.dialects.exports._rows import dollars, figure, instant, name_of, object_of, require_id, settle, whole
from autolog.providers._fields import mapping, text


def matches(row: Json) -> bool:
    return "ai_model" in row or "ai_org" in row or {"request", "response", "trace_id", "created_at"} <= row.keys()


def decode(row: Json) -> list[Record]:
    metadata = object_of(row.get("metadata"))
    code = whole(row.get("response_status_code"))
    succeeded = parsed(row.get("is_success"))
    failed = (code or 0) >= 400 or succeeded in (False, 0, "false", "False", "0")
    request, response = _body(row.get("request")), _body(row.get("response"))
    record = Record(
        id=require_id(row, "id"),
        dialect="portkey",
        trace_id=text(row.get("trace_id")),
        provider_name=provider_called(text(row.get("ai_org"))),
        request_model=text(row.get("ai_model")),
        request_url=text(row.get("request_url")),
        request_body=to_body(request),
        response_body=to_body(response),
        status_code=code,
        status="error" if failed else "ok",
        created_at=instant(row.get("created_at"), "created_at"),
        start_time=instant(row.get("created_at"), "created_at"),
        user=name_of(metadata.get("_user")),
        metadata={key: value for key, value in metadata.items() if key != "_user"},
        prompt_name=text(row.get("prompt_slug")),
        extra={key: row[key] for key in ("mode", "config") if row.get(key)} | {"export": "portkey"},
    )
    if (took := figure(row.get("response_time"))) is not None:
        record.duration = took / 1000
    if "usage" not in mapping(response):
        record.usage_input_tokens = whole(row.get("req_units"))
        record.usage_output_tokens = whole(row.get("res_units"))
    fill_times(record)
    settle(record, dollars(row.get("cost")))
    return [record]


def _body(value: Any) -> Any:
    found = parsed(value)
    return parsed(found["body"]) if isinstance(found, dict) and "body" in found else found
