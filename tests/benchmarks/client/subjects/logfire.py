"""Logfire, without its console output."""

import os

REQUIREMENTS = ["logfire", "openai", "anthropic"]


def begin(sink: str) -> None:
    global decorate, span, settle
    os.environ["LOGFIRE_BASE_URL"] = sink
    import logfire

    logfire.configure(token="pylf_v1_us_x", console=False, send_to_logfire=True, inspect_arguments=False,
                      advanced=logfire.AdvancedOptions(base_url=sink))  # fmt: skip
    logfire.instrument_openai()
    logfire.instrument_anthropic()
    decorate, span = logfire.instrument(record_return=True), logfire.span

    def settle() -> None:
        logfire.force_flush()
