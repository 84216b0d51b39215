"""autolog and vcrpy together: a cassette recorded with autolog patched replays with it, and gives the same record.

`cassettes` beside it was recorded against the stand-in provider; delete it and run this file to record it again.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import anthropic
import openai
import pytest
import vcr

from autolog.cli._standin import standin
from autolog.testing import Records

CASSETTES = Path(__file__).parent / "cassettes"
MESSAGES: list[Any] = [{"role": "user", "content": "Say hello"}]

#: The address in the cassettes; recording sends it to the stand-in.
HOST = "http://127.0.0.1:8765"


def chat(address: str) -> Any:
    client = openai.OpenAI(base_url=f"{address}/v1", api_key="test", max_retries=0)
    return client.chat.completions.create(model="gpt-4o-mini", messages=MESSAGES).choices[0].message.content


def chat_stream(address: str) -> Any:
    client = openai.OpenAI(base_url=f"{address}/v1", api_key="test", max_retries=0)
    options: Any = {"include_usage": True}
    stream = client.chat.completions.create(model="gpt-4o-mini", messages=MESSAGES, stream=True, stream_options=options)
    return "".join(chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices)


def messages_stream(address: str) -> Any:
    client = anthropic.Anthropic(base_url=address, api_key="test", max_retries=0)
    with client.messages.stream(model="claude-sonnet-5", max_tokens=50, messages=MESSAGES) as stream:
        return "".join(stream.text_stream)


@pytest.mark.parametrize("call", [chat, chat_stream, messages_stream])
def test_a_cassette_replays(patched: Records, call: Callable[[str], Any]) -> None:
    path = CASSETTES / f"{call.__name__}.yaml"
    recorded = path.exists()
    recorder = vcr.VCR(
        filter_headers=["authorization", "x-api-key"],
        match_on=["method", "path", "body"],
        record_mode="none" if recorded else "once",
    )
    with standin() as address, recorder.use_cassette(str(path)) as cassette:
        text = call(HOST if recorded else address)
    assert "hello" in text
    (record,) = patched
    assert (record.status, record.output_preview) == ("ok", " ".join(text.split()))
    assert record.usage_output_tokens
    assert record.response_body
    assert cassette.play_count == (1 if recorded else 0)
