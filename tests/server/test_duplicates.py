"""One call, reported by two layers, is one record."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from live import KEY, Live

from autolog._record.record import Record
from autolog.server._duplicates import Deduplicator
from autolog.server._writer import RecordWrite, Writer
from autolog.stores._contract import Store
from autolog.stores.query import Query

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


def record(number: int = 1, **fields: object) -> Record:
    values: dict[str, object] = {
        "id": f"id-{number:04}",
        "created_at": NOON + timedelta(seconds=number),
        "request_body": b'{"n": %d}' % number,
        **fields,
    }
    return Record(**values)  # type: ignore[arg-type]


def test_one_call_seen_by_two_layers_at_once_is_one(store: Store) -> None:
    """Also in one batch, in whatever order, and in requests that arrive together."""
    deduplicator, writer = Deduplicator(), Writer(store, 1000)

    def both(number: int) -> list[Record]:
        told = {"start_time": NOON, "response_id": f"resp-{number}", "cost": 0.5, "request_model": "m"}
        native = record(number, id=f"native-{number}", dialect="native", user="ada", **told)
        span = record(number, id=f"span-{number}", dialect="otlp", session="s", request_body=None, **told)
        return [native, span] if number % 2 else [span, native]

    for number in range(4):  # in one batch
        places = deduplicator.write(store, both(number))
        assert len(places) == 2
        assert places[0] == places[1]
    futures = [writer.submit(RecordWrite([one], deduplicator.write)) for number in range(4, 20) for one in both(number)]
    for future in futures:
        assert len(future.result(30)) == 1
    writer.close()
    (sums_of_all,) = store.aggregate(Query())
    assert (sums_of_all.calls, sums_of_all.cost) == (20, 10.0)
    for number in range(20):
        found = store.get(f"native-{number}")
        assert found is not None
        assert (found.user, found.session) == ("ada", "s")
        assert found.request_body == b'{"n": %d}' % number
        assert "otel" in found.extra


CALL = """
import openai
client = openai.OpenAI(base_url={address!r} + "/v1", api_key="k")
client.chat.completions.create(model="gpt-4o", messages=[{{"role": "user", "content": "Say hello"}}])
"""
SETUPS = {
    "opentelemetry": """
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(OTLPSpanExporter()))
trace.set_tracer_provider(provider)
from opentelemetry.instrumentation.genai.openai import OpenAIInstrumentor
OpenAIInstrumentor().instrument()
""",
    "openinference": """
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(OTLPSpanExporter()))
from openinference.instrumentation.openai import OpenAIInstrumentor
OpenAIInstrumentor().instrument(tracer_provider=provider)
""",
    "openllmetry": """
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(OTLPSpanExporter()))
from opentelemetry.instrumentation.openai import OpenAIInstrumentor
OpenAIInstrumentor().instrument(tracer_provider=provider)
""",
    "logfire": """
import logfire
logfire.configure(send_to_logfire=False, console=False)
logfire.instrument_openai()
""",
    "anthropic": """
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(OTLPSpanExporter()))
trace.set_tracer_provider(provider)
""",
}
ANTHROPIC = """
import anthropic
client = anthropic.Anthropic(base_url={address!r}, api_key="k")
client.messages.create(model="claude-sonnet-5", max_tokens=9, messages=[{{"role": "user", "content": "Say hello"}}])
"""


PATCH = """
import autolog
autolog.configure(endpoint={url!r}, api_key={key!r})
autolog.patch()
"""


@pytest.mark.parametrize("layers", ["alone", "above autolog"])
@pytest.mark.parametrize("name", SETUPS)
def test_instrumented_programs_ship_to_us(running: Live, name: str, layers: str, tmp_path: Path) -> None:
    """A span of somebody else's is a record; if autolog saw the same call on the wire, both are one."""
    from autolog.cli._standin import standin

    with standin() as address:
        call = (ANTHROPIC if name == "anthropic" else CALL).format(address=address)
        patch = PATCH.format(url=running.url, key=KEY) if layers == "above autolog" else ""
        done = subprocess.run(
            [sys.executable, "-c", patch + SETUPS[name] + call],
            env={
                **os.environ,
                "OTEL_EXPORTER_OTLP_ENDPOINT": running.url,
                "OTEL_EXPORTER_OTLP_HEADERS": f"authorization=Bearer {KEY}",
                "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT": "true",
                "OTEL_SEMCONV_STABILITY_OPT_IN": "gen_ai_latest_experimental",
                "OTEL_TRACES_EXPORTER": "otlp",
            },
            cwd=tmp_path,
            timeout=60,
            check=False,
            capture_output=True,
            text=True,
        )
    if "ModuleNotFoundError" in done.stderr:
        pytest.skip(f"{name} is not installed")
    assert done.returncode == 0, done.stderr
    calls = [record for record in running.records() if record.kind == "llm"]
    assert len(calls) == 1, (done.stderr, [record.extra for record in running.records()])
    (record,) = calls
    if layers == "above autolog":
        assert record.sdk
        assert record.extra["otel"]["span_id"]
        assert record.cost
        return
    assert record.provider_name == ("anthropic" if name == "anthropic" else "openai")
    assert record.request_model == ("claude-sonnet-5" if name == "anthropic" else "gpt-4o")
    assert record.operation_name == "chat"
    assert record.status == "ok"
    assert record.usage_input_tokens
    assert record.usage_output_tokens
    assert record.cost
    assert record.duration
    if name in {"openinference", "logfire", "openllmetry"}:
        assert record.input_preview == "Say hello"
