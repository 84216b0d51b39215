"""LangSmith: `@traceable`; its OpenAI wrapper applies to clients, so their constructors are wrapped."""

import os

REQUIREMENTS = ["langsmith", "openai", "anthropic"]


def begin(sink: str) -> None:
    global decorate, span, settle
    os.environ.update(LANGSMITH_TRACING="true", LANGSMITH_ENDPOINT=sink, LANGSMITH_API_KEY="x")
    import anthropic
    import openai
    from langsmith import Client, trace, traceable
    from langsmith.wrappers import wrap_anthropic, wrap_openai

    client = Client(api_url=sink, api_key="x")
    for module, name, wrap in (
        (openai, "OpenAI", wrap_openai), (openai, "AsyncOpenAI", wrap_openai), (anthropic, "Anthropic", wrap_anthropic),
    ):  # fmt: skip
        original = getattr(module, name)

        def make(*args, original=original, wrap=wrap, **kwargs):
            return wrap(original(*args, **kwargs), tracing_extra={"client": client})

        setattr(module, name, make)

    def decorate(function):
        return traceable(client=client)(function)

    def span(name):
        return trace(name, client=client)

    def settle() -> None:
        client.flush()
