"""PromptLayer's requests, as returned by `GET /api/public/v2/requests/{id}` and its search.

Source: https://docs.promptlayer.com/reference/get-request. The conversation is in `prompt_blueprint`, with the answer
as its last message. A price of 0 with tokens means unknown: the vendor's client sends it if its caller gives no price.
"""

from __future__ import annotations

from autolog._record.record import Record
from autolog._record.scores import set_score
from autolog.dialects._chat import chat_messages, response_of
from autolog.dialects._convert import fill_times, to_body
from autolog.dialects._fault import Json
from autolog.dialects._providers import provider_called
from autolog.dialects.exports._rows import dollars, figure, instant, object_of, require_id, settle, texts, whole
from autolog.providers._fields import mapping, text


def matches(row: Json) -> bool:
    return "prompt_blueprint" in row or {"request_id", "request_start_time"} <= row.keys()


def decode(row: Json) -> list[Record]:
    template = mapping(object_of(row.get("prompt_blueprint")).get("prompt_template"))
    settings = mapping(mapping(object_of(row.get("prompt_blueprint")).get("metadata")).get("model"))
    messages = chat_messages(template.get("messages"), "user")
    answer = messages.pop() if messages and messages[-1].get("role") == "assistant" else None
    model = text(row.get("model")) or text(settings.get("name"))
    request: Json = {"model": model, **mapping(settings.get("parameters"))}
    record = Record(
        id=f"promptlayer-{require_id(row, 'request_id' if 'request_id' in row else 'id')}",  # a bare number may clash
        dialect="promptlayer",
        operation_name="chat",
        provider_name=provider_called(text(row.get("provider")) or text(settings.get("provider"))),
        request_model=model,
        request_body=to_body({**request, "messages": messages} if messages else request),
        response_body=to_body(response_of([answer]) if answer else None),
        start_time=instant(row.get("request_start_time"), "request_start_time"),
        end_time=instant(row.get("request_end_time"), "request_end_time"),
        trace_id=text(row.get("trace_id")),
        status="error" if row.get("status") == "ERROR" else "ok",
        error_message=text(row.get("error_message")),
        usage_input_tokens=whole(row.get("input_tokens")),
        usage_output_tokens=whole(row.get("output_tokens")),
        tags=texts(row.get("tags")),
        metadata=object_of(row.get("metadata")),
        prompt_name=text(row.get("prompt_name")),
        extra={"export": "promptlayer"},
    )
    for name, value in object_of(row.get("scores")).items():
        if (score := figure(value)) is not None:
            set_score(record, name, score)
    fill_times(record)
    settle(record, dollars(row.get("price")))
    return [record]
