"""Langfuse: its drop-in OpenAI client and `@observe`."""

REQUIREMENTS = ["langfuse", "openai", "anthropic"]


def begin(sink: str) -> None:
    global decorate, span, settle
    from langfuse import Langfuse, observe

    client = Langfuse(public_key="pk-lf-x", secret_key="sk-lf-x", host=sink)
    import langfuse.openai  # noqa: F401 - wraps the SDK's methods

    decorate = observe()

    def span(name):
        return client.start_as_current_observation(name=name)

    def settle() -> None:
        client.flush()
