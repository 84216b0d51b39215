"""OpenInference, as Phoenix uses it, on OpenTelemetry's SDK."""

import sys
from pathlib import Path

REQUIREMENTS = ["openinference-instrumentation-openai", "openinference-instrumentation-anthropic", "openinference-instrumentation",
                "opentelemetry-sdk", "opentelemetry-exporter-otlp-proto-http", "openai", "anthropic"]  # fmt: skip


def begin(sink: str) -> None:
    global span, settle, decorate
    sys.path.insert(0, str(Path(__file__).parent))
    from _otel import provider
    from openinference.instrumentation import OITracer, TraceConfig
    from openinference.instrumentation.anthropic import AnthropicInstrumentor
    from openinference.instrumentation.openai import OpenAIInstrumentor

    made = provider(sink)
    OpenAIInstrumentor().instrument(tracer_provider=made)
    AnthropicInstrumentor().instrument(tracer_provider=made)
    tracer = OITracer(made.get_tracer("benchmark"), TraceConfig())
    decorate = tracer.chain

    def span(name):
        return tracer.start_as_current_span(name)

    def settle() -> None:
        made.force_flush(60_000)
