"""Sample records for the tests of the pages: plain, hostile, broken, long."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any

from live import Live

from autolog._record.ids import format_span, format_trace, new_bits, new_span
from autolog._record.record import Record

NOW = datetime.now(UTC)
PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(500)).decode()
HOSTILE = (
    '<script>document.title="owned"</script><img src=x onerror=alert(1)>"\'`{{7*7}}{% raw %}\x00\x1b[31m\u202eevil\u2066'
    "</textarea></title>&amp;javascript:alert(1)"
)


def chat(record_id: str, question: str, answer: str, at: datetime, **fields: Any) -> Record:
    request = {
        "model": "gpt-4o",
        "temperature": 0.5,
        "messages": [{"role": "system", "content": "Be kind."}, {"role": "user", "content": question}],
    }
    response = {
        "object": "chat.completion",
        "model": "gpt-4o",
        "choices": [{"message": {"role": "assistant", "content": answer}}],
    }
    values: dict[str, Any] = {
        "id": record_id, "created_at": at, "start_time": at, "duration": 1.5, "time_to_first_chunk": 0.5, "name": "chat gpt-4o",
        "sdk": "openai", "provider_name": "openai", "operation_name": "chat", "request_model": "gpt-4o", "response_model": "gpt-4o",
        "usage_input_tokens": 1000, "usage_output_tokens": 50, "cost": 0.003, "status_code": 200,
        "cost_details": {"input": 0.0025, "output": 0.0005, "certainty": "exact", "tier": "standard"},
        "request_url": "https://api.openai.com/v1/chat/completions", "request_content_type": "application/json",
        "request_body": json.dumps(request).encode(), "response_body": json.dumps(response).encode(),
        "input_preview": question[:50], "output_preview": answer[:50],
    }  # fmt: skip
    return Record(**{**values, **fields})


def fill(running: Live) -> None:
    trace, root, child = format_trace(new_bits(128)), format_span(new_span()), format_span(new_span())
    image = {"role": "user", "content": [{"type": "text", "text": "See"}, {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}},
             {"type": "image_url", "image_url": {"url": "https://elsewhere.example/pixel.png"}}]}  # fmt: skip
    tools = {
        "role": "assistant",
        "content": None,
        "tool_calls": [{"id": "t", "function": {"name": "weather", "arguments": '{"city": "Lisbon"}'}}],
    }
    running.store.write(
        [
            chat("plain", "Say hello", "Hello there", NOW - timedelta(minutes=1), user="ada", tags=["beta"], metadata={"tenant": "t1"},
                 trace_id=trace, span_id=child, parent_span_id=root),
            Record(id="root", kind="function", name="plan", trace_id=trace, span_id=root, created_at=NOW - timedelta(minutes=1),
                   start_time=NOW - timedelta(minutes=1), duration=2.0, request_body=b'{"days": 2}', response_body=b'"done"'),
            chat("other", "Say goodbye", "**Farewell**", NOW - timedelta(minutes=2), duration=3.0, session="s1"),
            chat("again", "Once more", "Fare *very* well", NOW - timedelta(minutes=1.5), session="s1", user="ada2"),
            chat("said", HOSTILE, HOSTILE, NOW - timedelta(minutes=1.2), session=HOSTILE, status="error", error_message=HOSTILE),
            chat("failed", "Say nothing", "", NOW - timedelta(minutes=3), status="error", error_type="rate_limit", status_code=429,
                 error_message="Slow down", cost=None, cost_details={"certainty": "unknown", "unknown": "the call failed"}),
            chat("hostile", HOSTILE, f"{HOSTILE}\n\n| a | {'b' * 400} |\n|-|-|\n| c | d |", NOW - timedelta(minutes=4),
                 response_model="m" * 300, duration=1.9, name=HOSTILE, user=HOSTILE, tags=[HOSTILE],
                 metadata={HOSTILE: HOSTILE}, error_message=HOSTILE, status="error", error_type=HOSTILE, request_model=HOSTILE,
                 trace_id=HOSTILE, span_id="s"),
            chat("broken", "x", "x", NOW - timedelta(minutes=5), request_body=b'{"messages": [{"role"', response_body=b"\xff\xfe\x00"),
            chat("long", "A" * 1_000_000, "\n".join(["line"] * 5000), NOW - timedelta(minutes=6)),
            chat("rich", "x", "x", NOW - timedelta(minutes=7), request_body=json.dumps({"model": "m", "messages": [image, tools,
                 {"role": "tool", "tool_call_id": "t", "content": '{"sun": true}'}], "tools": [{"type": "function"}]}).encode()),
            *[chat(f"old-{n:03}", f"Question {n}", "Answer", NOW - timedelta(hours=2, seconds=n), cost=n / 1000) for n in range(120)],
        ]
    )  # fmt: skip
