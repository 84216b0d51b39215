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

    tracer_provider = provider(sink)
    OpenAIInstrumentor().instrument(tracer_provider=tracer_provider)
    AnthropicInstrumentor().instrument(tracer_provider=tracer_provider)
    tracer = tracer_provider.get_tracer("benchmark")

    def span(name):
        return tracer.start_as_current_span(name)

    def settle() -> None:
        tracer_provider.force_flush(60_000)
