"""OpenTelemetry's own instrumentation for generative AI, with content, and a bare span."""

import os

REQUIREMENTS = ["opentelemetry-instrumentation-genai-openai", "opentelemetry-instrumentation-genai-anthropic", "opentelemetry-sdk", "opentelemetry-exporter-otlp-proto-http",
                "openai", "anthropic"]  # fmt: skip


def begin(sink: str) -> None:
    global span, settle
    os.environ["OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"] = "SPAN_ONLY"
    os.environ["OTEL_SEMCONV_STABILITY_OPT_IN"] = "gen_ai_latest_experimental"
    from opentelemetry.instrumentation.genai.anthropic import AnthropicInstrumentor
    from opentelemetry.instrumentation.genai.openai import OpenAIInstrumentor
    from otel_sdk import provider

    made = provider(sink)
    OpenAIInstrumentor().instrument(tracer_provider=made)
    AnthropicInstrumentor().instrument(tracer_provider=made)
    tracer = made.get_tracer("benchmark")

    def span(name):
        return tracer.start_as_current_span(name)

    def settle() -> None:
        made.force_flush(60_000)
