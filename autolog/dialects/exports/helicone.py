"""Helicone's requests, as returned by `POST /v1/request/query-clickhouse` and exported by `npx @helicone/export`.

Source: https://docs.helicone.ai/rest/request/post-v1requestquery-clickhouse, schema `HeliconeRequest`. Without
`--include-body` the rows have only figures. A negative status is Helicone's code for a call without a response.
"""

from __future__ import annotations

from autolog._record.record import Record
from autolog._record.scores import set_score
from autolog.dialects._chat import parsed
from autolog.dialects._convert import fill_times, to_body
from autolog.dialects._fault import Json
from autolog.dialects._providers import provider_called
from autolog.dialects.exports._rows import dollars, figure, instant, name_of, object_of, require_id, settle, whole
from autolog.providers._fields import mapping, text

_SESSION = {"session": "Helicone-Session-Id", "caller": "Helicone-Session-Name"}
#: The id that a response which was not cached has instead of a cached one's.
_NOT_CACHED = "00000000-0000-0000-0000-000000000000"


def matches(row: Json) -> bool:
    return "request_id" in row and "request_created_at" in row


def decode(row: Json) -> list[Record]:
    properties = object_of(row.get("request_properties")) or object_of(row.get("properties"))
    request, response = parsed(row.get("request_body")), parsed(row.get("response_body"))
    status = figure(row.get("response_status"))
    record = Record(
        id=require_id(row, "request_id"),
        dialect="native",
        provider_name=provider_called((text(row.get("provider")) or "").lower() or None),
        request_model=text(row.get("request_model")) or text(row.get("model")),
        response_model=text(row.get("response_model")),
        request_url=text(row.get("target_url")),
        request_body=to_body(request),
        response_body=to_body(response),
        status_code=int(status) if status is not None and 100 <= status < 600 else None,
        status="ok" if status is not None and 200 <= status < 400 else "error",
        start_time=instant(row.get("request_created_at"), "request_created_at"),
        end_time=instant(row.get("response_created_at"), "response_created_at"),
        user=text(row.get("request_user_id")) or text(row.get("helicone_user")),
        session=name_of(properties.get(_SESSION["session"])),
        metadata={key: value for key, value in properties.items() if key not in _SESSION.values()},
        prompt_id=text(row.get("prompt_id")),
        prompt_version=name_of(row.get("prompt_version")),
        cached=str(row.get("cache_reference_id") or _NOT_CACHED) != _NOT_CACHED,
        caller=name_of(properties.get(_SESSION["caller"])),
        extra={"export": "helicone"},
    )
    if (delay := figure(row.get("delay_ms"))) is not None:
        record.duration = delay / 1000
    if first := figure(row.get("time_to_first_token")):
        record.time_to_first_chunk = first / 1000
    if not {"usage", "usageMetadata"} & mapping(response).keys():
        _read_counts(record, row)
    if record.cached:
        record.cost, record.custom_cost = 0.0, True
    for name, value in object_of(row.get("scores")).items():
        if (score := figure(value)) is not None:
            set_score(record, name, score)
    if isinstance(rating := parsed(row.get("feedback_rating")), bool):
        record.feedback = 1 if rating else -1
    fill_times(record)
    settle(record, dollars(row.get("costUSD", row.get("cost"))))
    return [record]


def _read_counts(record: Record, row: Json) -> None:
    """Read the token counts of a row that lacks the provider's own usage."""
    record.usage_input_tokens = whole(row.get("prompt_tokens"))
    record.usage_output_tokens = whole(row.get("completion_tokens"))
    record.usage_cache_read_input_tokens = whole(row.get("prompt_cache_read_tokens"))
    record.usage_cache_creation_input_tokens = whole(row.get("prompt_cache_write_tokens"))
    record.usage_input_audio_tokens = whole(row.get("prompt_audio_tokens"))
    record.usage_output_audio_tokens = whole(row.get("completion_audio_tokens"))
