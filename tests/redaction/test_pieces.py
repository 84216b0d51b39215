"""Keys that come in pieces are found as wholes, and the pieces of other texts stay where they were."""

from __future__ import annotations

import json
import re

import pytest
from secret_samples import KEYS, redacted, stream

from autolog._redaction.redactor import REDACTED

KEY, NAMED = KEYS["openai"], "xq7hunter"
#: Events as the three APIs send them; what differs from one to the next is in braces.
EVENTS = (
    'data: {{"id":"chatcmpl-1","object":"chat.completion.chunk","created":1,"model":"m","system_fingerprint":null,'
    '"choices":[{{"index":0,"delta":{{"content":"{text}"}},"logprobs":null,"finish_reason":null}}],"usage":null,'
    '"obfuscation":"{pad}"}}\n\n',
    'event: content_block_delta\ndata: {{"type":"content_block_delta","index":0,'
    '"delta":{{"type":"text_delta","text":"{text}"}}}}\n\n',
    'event: response.output_text.delta\ndata: {{"type":"response.output_text.delta","sequence_number":{number},'
    '"item_id":"msg_1","output_index":0,"content_index":0,"delta":"{text}","logprobs":[],"obfuscation":"{pad}"}}\n\n',
    'data: {{"{pad}": 1, "choices": [{{"delta": {{"content": "{text}"}}}}], "end": {{"a": ["{pad}", {number}]}} }}\n\n',
)


@pytest.mark.parametrize("size", [1, 2, 3, 7, 30])
@pytest.mark.parametrize("key", ["openai", "jwt", "github"])
def test_a_key_that_a_stream_brings_in_pieces(size: int, key: str) -> None:
    said = f"Use {KEYS[key]} for it, please."
    body = stream(*({"content": said[at : at + size]} for at in range(0, len(said), size)))
    found = redacted(body, "text/event-stream", side="response")
    pieces = re.findall(rb'"content": ?"([^"]*)"', found)
    assert b"".join(pieces).decode() == f"Use {REDACTED} for it, please."
    assert len(pieces) == len(range(0, len(said), size))
    assert found.endswith(b"data: [DONE]\n\n")


def test_pieces_of_two_choices_and_of_arguments_are_kept_apart() -> None:
    key = KEYS["openai"]
    one = [{"content": key[at : at + 5]} for at in range(0, len(key), 5)]
    two = [{"at": 1, "content": f"word{number} "} for number in range(len(one))]
    calls = [{"tool_calls": [{"index": 0, "function": {"arguments": piece}}]}
             for piece in ('{"api_', 'key": "hun', 'ter2", "n": 1}')]  # fmt: skip
    body = stream(*(delta for pair in zip(one, two, strict=True) for delta in pair), *calls)
    found = redacted(body, "text/event-stream", side="response").decode()
    assert key[:12] not in found
    assert "hun" not in found
    events = [json.loads(line[6:]) for line in found.splitlines() if line.startswith("data: {")]
    texts: dict[int, str] = {}
    arguments = ""
    for event in events:
        choice = event["choices"][0]
        texts[choice["index"]] = texts.get(choice["index"], "") + choice["delta"].get("content", "")
        for call in choice["delta"].get("tool_calls", []):
            arguments += call["function"]["arguments"]
    assert texts[0] == REDACTED
    assert texts[1] == "".join(f"word{number} " for number in range(len(one)))
    assert json.loads(arguments) == {"api_key": REDACTED, "n": 1}


@pytest.mark.parametrize("field", ["refusal", "reasoning", "reasoning_content", "content"])
def test_pieces_under_every_name(field: str) -> None:
    key = KEYS["openai"]
    body = stream(*({field: key[at : at + 3]} for at in range(0, len(key), 3)))
    pieces = re.findall(rb'"%s":"([^"]*)"' % field.encode(), redacted(body, "text/event-stream", side="response"))
    assert b"".join(pieces).decode() == REDACTED


def test_two_choices_in_one_event() -> None:
    key = KEYS["openai"]
    events = [
        {"choices": [{"index": 0, "delta": {"content": "w "}}, {"index": 1, "delta": {"content": key[at : at + 2]}}]}
        for at in range(0, len(key), 2)
    ]
    body = b"".join(b"data: %s\n\n" % json.dumps(event).encode() for event in events)
    found = redacted(body, "text/event-stream", side="response")
    said = [json.loads(line[6:])["choices"] for line in found.splitlines() if line]
    assert "".join(choices[1]["delta"]["content"] for choices in said) == REDACTED
    assert "".join(choices[0]["delta"]["content"] for choices in said) == "w " * len(events)


def test_streams_that_are_no_server_sent_events() -> None:
    key = KEYS["openai"]
    lines = b"".join(
        b"%s\n" % json.dumps({"message": {"content": key[at : at + 4]}}).encode() for at in range(0, len(key), 4)
    )
    found = redacted(lines, "application/x-ndjson", side="response")
    assert "".join(json.loads(line)["message"]["content"] for line in found.splitlines()) == REDACTED
    array = [{"candidates": [{"content": {"parts": [{"text": key[at : at + 4]}]}}]} for at in range(0, len(key), 4)]
    found = redacted(array, side="response")
    assert "".join(item["candidates"][0]["content"]["parts"][0]["text"] for item in json.loads(found)) == REDACTED


@pytest.mark.parametrize("event", EVENTS)
def test_a_key_in_pieces_anywhere_in_a_long_stream(event: str) -> None:
    for first in (0, 17, 19, 35):
        texts = [f"word{at} " for at in range(60)]
        texts[first : first + 12] = [KEY[at : at + 4] for at in range(0, 48, 4)]
        body = "".join(event.format(text=text, pad="xyz"[: at % 4], number=at) for at, text in enumerate(texts))
        found = redacted(body.encode(), "text/event-stream", side="response").decode()
        assert KEY[:40] not in "".join(re.findall(r'"(?:content|text|delta)": ?"([^"]*)"', found))


@pytest.mark.parametrize("event", EVENTS)
@pytest.mark.parametrize("number", [0, 1, 19, 20, 21, 39])
def test_a_key_anywhere_in_a_long_stream(event: str, number: int) -> None:
    events = [event.format(text=f"word{at} ", pad="xyz"[: at % 4], number=at) for at in range(40)]
    assert redacted("".join(events).encode(), "text/event-stream", side="response") == "".join(events).encode()
    whole = events[number]
    texts = [found.span() for found in re.finditer(r'(?<=")[^"\n]*(?=")', whole)]
    ways = [whole[:start] + KEY + whole[end:] for start, end in texts]
    keys = [found.span() for found in re.finditer(r'(?<=")\w*(?="\s*:)', whole)]
    ways += [whole[:start] + f'api_key":"{NAMED}","z' + whole[end:] for start, end in keys]
    ways += [whole + f": {KEY}\n\n", f"event: {KEY}\n" + whole, whole.replace("\n\n", f" {KEY}\n\n")]
    for way in ways:
        found = redacted(
            "".join([*events[:number], way, *events[number + 1 :]]).encode(), "text/event-stream", "response"
        )
        assert KEY.encode() not in found, way
        assert NAMED.encode() not in found, way


@pytest.mark.parametrize("event", EVENTS)
def test_a_key_that_every_event_repeats(event: str) -> None:
    texts = [found.span() for found in re.finditer(r'(?<=")[^"\n{}]*(?=")', event)]
    for start, end in texts:
        repeated = event[:start] + KEY + event[end:]
        body = "".join(repeated.format(text=f"word{at} ", pad="xyz"[: at % 4], number=at) for at in range(40))
        assert KEY.encode() not in redacted(body.encode(), "text/event-stream", side="response"), repeated
