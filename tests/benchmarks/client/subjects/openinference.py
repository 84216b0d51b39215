"""OpenInference, as Phoenix uses it, on OpenTelemetry's SDK."""

REQUIREMENTS = ["openinference-instrumentation-openai", "openinference-instrumentation-anthropic", "openinference-instrumentation",
                "opentelemetry-sdk", "opentelemetry-exporter-otlp-proto-http", "openai", "anthropic"]  # fmt: skip


def begin(sink: str) -> None:
    global span, settle, decorate
    from openinference.instrumentation import OITracer, TraceConfig
    from openinference.instrumentation.anthropic import AnthropicInstrumentor
    from openinference.instrumentation.openai import OpenAIInstrumentor
    from otel_sdk import provider

    tracer_provider = provider(sink)
    OpenAIInstrumentor().instrument(tracer_provider=tracer_provider)
    AnthropicInstrumentor().instrument(tracer_provider=tracer_provider)
    tracer = OITracer(tracer_provider.get_tracer("benchmark"), TraceConfig())
    decorate = tracer.chain

    def span(name):
        return tracer.start_as_current_span(name)

    def settle() -> None:
        tracer_provider.force_flush(60_000)
