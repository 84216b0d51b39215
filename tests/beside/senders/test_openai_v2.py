"""OpenTelemetry's instrumentation of openai: spans, and messages in them, in log events, or in both."""

from __future__ import annotations

import pytest
from chat_server import ANSWER, chat_server
from live import KEY, Live
from programs import run_program

pytestmark = pytest.mark.filterwarnings("ignore")

RUN = """
import os
import openai
from opentelemetry import _logs, trace
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.instrumentation.openai_v2 import OpenAIInstrumentor
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

spans, logs = TracerProvider(), LoggerProvider()
spans.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
logs.add_log_record_processor(BatchLogRecordProcessor(OTLPLogExporter()))
trace.set_tracer_provider(spans)
_logs.set_logger_provider(logs)
OpenAIInstrumentor().instrument()
client = openai.OpenAI(api_key="x", base_url=os.environ["MODEL"])
messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Rivers?"}]
client.chat.completions.create(model="gpt-4o-mini", messages=messages)
for _ in client.chat.completions.create(model="gpt-4o-mini", messages=messages, stream=True, stream_options={"include_usage": True}):
    pass
first, second = (logs, spans) if os.environ["FIRST"] == "logs" else (spans, logs)
first.shutdown()
second.shutdown()
"""


@pytest.mark.parametrize("first", ["spans", "logs"])
@pytest.mark.parametrize("content", ["NO_CONTENT", "SPAN_ONLY", "EVENT_ONLY", "SPAN_AND_EVENT"])
def test_each_call_is_one_row_wherever_its_messages_are(server: Live, content: str, first: str) -> None:
    pytest.importorskip("opentelemetry.instrumentation.openai_v2")
    with chat_server() as chat:
        run_program(
            RUN,
            MODEL=chat.url,
            FIRST=first,
            OTEL_EXPORTER_OTLP_ENDPOINT=server.url,
            OTEL_EXPORTER_OTLP_HEADERS=f"authorization=Bearer {KEY}",
            OTEL_SEMCONV_STABILITY_OPT_IN="gen_ai_latest_experimental",
            OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT=content,
            OTEL_INSTRUMENTATION_GENAI_EMIT_EVENT="true",
        )
    calls = server.records()
    assert [(call.kind, call.provider_name, call.response_id) for call in calls] == [
        ("llm", "openai", ANSWER["id"])
    ] * 2
    for call in calls:
        assert (call.usage_input_tokens, call.usage_output_tokens) == (9, 3)
        assert call.cost
        if content != "NO_CONTENT":
            assert (call.input_preview, call.output_preview) == ("Rivers?", "Tagus, Douro.")
            assert b"Be brief." in (call.request_body or b"")
