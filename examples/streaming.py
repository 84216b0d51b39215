"""Log streams: each is recorded when it ends, however it ends, with its time to the first chunk."""

import asyncio

import anthropic
import openai

from autolog import autolog

autolog.patch()


def chat() -> None:
    stream = openai.OpenAI().chat.completions.create(
        model="gpt-4o-mini",
        messages=[{"role": "user", "content": "Count to ten."}],
        stream=True,
        stream_options={"include_usage": True},  # without this, a chat stream does not report its usage
    )
    for chunk in stream:
        if chunk.choices:
            print(chunk.choices[0].delta.content or "", end="", flush=True)
    print()


async def message() -> None:
    async with anthropic.AsyncAnthropic().messages.stream(
        model="claude-sonnet-5",
        max_tokens=200,
        messages=[{"role": "user", "content": "Count backwards from ten."}],
    ) as stream:
        async for text in stream.text_stream:
            print(text, end="", flush=True)
    print()


chat()
asyncio.run(message())
