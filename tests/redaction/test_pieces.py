"""Keys that arrive in pieces are found, and the pieces of other texts stay where they were."""

from __future__ import annotations

import json
import re

import pytest
from secret_samples import KEYS, redacted, stream

from autolog._redaction.redactor import REDACTED

KEY, NAMED = KEYS["openai"], "xq7hunter"
#: Events as the three APIs send them; the parts that vary are in braces.
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
    sentence = f"Use {KEYS[key]} for it, please."
    body = stream(*({"content": sentence[at : at + size]} for at in range(0, len(sentence), size)))
    found = redacted(body, "text/event-stream", side="response")
    pieces = re.findall(rb'"content": ?"([^"]*)"', found)
    assert b"".join(pieces).decode() == f"Use {REDACTED} for it, please."
    assert len(pieces) == len(range(0, len(sentence), size))
    assert found.endswith(b"data: [DONE]\n\n")


def test_pieces_of_two_choices_and_of_arguments_are_kept_apart() -> None:
    key = KEYS["openai"]
    first = [{"content": key[at : at + 5]} for at in range(0, len(key), 5)]
    second = [{"at": 1, "content": f"word{number} "} for number in range(len(first))]
    calls = [{"tool_calls": [{"index": 0, "function": {"arguments": piece}}]}
             for piece in ('{"api_', 'key": "hun', 'ter2", "n": 1}')]  # fmt: skip
    body = stream(*(delta for pair in zip(first, second, strict=True) for delta in pair), *calls)
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
    assert texts[1] == "".join(f"word{number} " for number in range(len(first)))
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
    choice_lists = [json.loads(line[6:])["choices"] for line in found.splitlines() if line]
    assert "".join(choices[1]["delta"]["content"] for choices in choice_lists) == REDACTED
    assert "".join(choices[0]["delta"]["content"] for choices in choice_lists) == "w " * len(events)


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


# Texts in lists, and data that is no JSON


@pytest.mark.parametrize("key", ["openai", "aws", "google", "jwt"])
def test_a_key_over_the_texts_of_a_list(key: str) -> None:
    pieces = ["say ", *(KEYS[key][at : at + 3] for at in range(0, len(KEYS[key]), 3)), " now"]
    assert "".join(json.loads(redacted(pieces, side="response"))) == f"say {REDACTED} now"
    found = json.loads(redacted({"status": "succeeded", "output": pieces}, side="response"))
    assert "".join(found["output"]) == f"say {REDACTED} now"
    found = json.loads(redacted([{"delta": piece} for piece in pieces], side="response"))
    assert "".join(chunk["delta"] for chunk in found) == f"say {REDACTED} now"


def test_texts_of_a_list_are_also_searched_one_by_one() -> None:
    texts = ["4242", "1111", '{"a": "4242"}']
    assert json.loads(redacted(texts, rules=[r"^\d{4}$"])) == [REDACTED, REDACTED, json.dumps({"a": REDACTED}, separators=(",", ":"))]  # fmt: skip


@pytest.mark.parametrize("line", ["event: output\ndata: {}\n\n", 'data: "{}"\n\n', "data: {}\n\n"])
def test_events_whose_data_is_text(line: str) -> None:
    pieces = ["say ", *(KEY[at : at + 5] for at in range(0, len(KEY), 5)), " now"]
    body = "".join(line.format(piece) for piece in pieces)
    found = redacted(body.encode(), "text/event-stream", side="response").decode()
    assert "".join(re.findall(r'^data: "?([^"\n]*)', found, re.MULTILINE)) == f"say {REDACTED} now"


@pytest.mark.parametrize("start", [": PROCESSING\n\n", "id: 1\n", "retry: 100\n", "\ufeff"])
def test_a_stream_that_only_its_beginning_tells(start: str) -> None:
    events = (json.dumps({"choices": [{"index": 0, "delta": {"content": KEY[at : at + 4]}}]}) for at in range(0, 48, 4))
    body = start + "".join(f"data: {event}\n\n" for event in events)
    found = redacted(body.encode(), "", side="response").decode()
    assert KEY[:12] not in "".join(re.findall(r'"content": ?"([^"]*)"', found))


def test_an_event_whose_data_is_folded_into_lines() -> None:
    events = (json.dumps({"delta": {"text": KEY[at : at + 4]}}, indent=1) for at in range(0, 48, 4))
    body = "".join("".join(f"data: {line}\n" for line in event.splitlines()) + "\n" for event in events)
    found = redacted(body.encode(), "text/event-stream", side="response").decode()
    assert KEY[:12] not in "".join(re.findall(r'"text": ?"([^"]*)"', found))


@pytest.mark.parametrize("size", [1, 3, 7])
def test_a_stream_that_says_all_again_in_every_event(size: int) -> None:
    key = KEYS["aws"]
    text = f"Here it is: {key}. Good?"
    texts = [text[:end] for end in range(size, len(text) + size, size)]
    body = b"".join(b"data: %s\n\n" % json.dumps({"output": {"text": text}}).encode() for text in texts)
    found = redacted(body, "text/event-stream", side="response").decode()
    assert key[:6] not in found.split("AKIA", 1)[-1]
    assert key[:-1] not in found
    assert f"Here it is: {REDACTED}. Good?" in found


def test_pieces_that_repeat_in_the_midst_of_a_stream() -> None:
    texts = [f"word{at} " for at in range(30)] + ["oo"] * 2 + [f"word{at} " for at in range(30)]
    key = "AKIA" + "OOOO" + "IOSFODNNEXAM"
    texts[28:34] = [key[:4], key[4:6], key[6:8], key[8:12], key[12:16], key[16:]]
    body = "".join(f'data: {{"text": "{text}", "n": {at}}}\n\n' for at, text in enumerate(texts))
    found = redacted(body.encode(), "text/event-stream", side="response").decode()
    assert key not in "".join(re.findall(r'"text": ?"([^"]*)"', found))
