"""Folding a stream removes repetitions of its frame, and changes nothing that a reader of the stream sees."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest

from autolog._delivery.queue import AHEAD, LONGEST_STREAM_AHEAD
from autolog._record import folded as _folded
from autolog._record.folded import fold
from autolog._record.streams import read_events
from autolog.providers import anthropic, openai

STREAM = "text/event-stream"
TEXTS = ["Hello", ' "you"', "\n", "\\", "é", "😀", " sk-", "{", "}", "", "a b", '\\"', "data: x"]


def sse(events: list[dict[str, Any]], named: bool = False, ascii_only: bool = True, end: str = "\n\n") -> bytes:
    head = [f"event: {event['type']}\n" if named else "" for event in events]
    lines = [json.dumps(event, ensure_ascii=ascii_only) for event in events]
    return "".join(f"{name}data: {line}{end}" for name, line in zip(head, lines, strict=True)).encode()


def chat(texts: list[str], padded: bool = False) -> list[dict[str, Any]]:
    head = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "model": "m"}
    deltas = [{"role": "assistant", "content": ""}, *({"content": text} for text in texts)]
    chunks: list[dict[str, Any]] = [
        {**head, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]} for delta in deltas
    ]
    chunks.append({**head, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
    chunks.append({**head, "choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 2}})
    chance = random.Random(1)
    return [{**chunk, "obfuscation": "xyzw"[: chance.randrange(4)]} for chunk in chunks] if padded else chunks


def message(texts: list[str], kind: str = "text_delta", key: str = "text") -> list[dict[str, Any]]:
    return [
        {"type": "message_start", "message": {"id": "msg_1", "type": "message", "content": [], "usage": {}}},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        *({"type": "content_block_delta", "index": 0, "delta": {"type": kind, key: text}} for text in texts),
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 9}},
        {"type": "message_stop"},
    ]


def response(texts: list[str]) -> list[dict[str, Any]]:
    """Return a Responses stream that was cut off, so that only its deltas contain the text."""
    chance = random.Random(2)
    return [
        {"type": "response.output_item.added", "output_index": 0, "item": {"type": "message", "content": []}},
        *({"type": "response.output_text.delta", "sequence_number": at, "item_id": "m", "output_index": 0,
           "content_index": 0, "delta": text, "logprobs": [], "obfuscation": hex(chance.getrandbits(40))}
          for at, text in enumerate(texts, 2)),
    ]  # fmt: skip


def assembled(path: str, body: bytes) -> Any:
    provider = anthropic if path == "/v1/messages" else openai
    found = provider.assemble(path, read_events(body, STREAM))
    return {key: value for key, value in found.items() if key != "obfuscation"}


@pytest.mark.parametrize("seed", range(30))
@pytest.mark.parametrize("end", ["\n\n", "\r\n\r\n"])
def test_a_folded_stream_reads_as_the_stream_does(seed: int, end: str) -> None:
    chance = random.Random(seed)
    texts = chance.choices(TEXTS, k=60)
    for path, events in (
        ("/v1/chat/completions", chat(texts)),
        ("/v1/chat/completions", chat(texts, padded=True)),
        ("/v1/messages", message(texts)),
        ("/v1/responses", response(texts)),
    ):
        body = sse(events, named=path != "/v1/chat/completions", ascii_only=chance.random() < 0.5, end=end)
        folded, pieces = fold(body)
        assert assembled(path, folded) == assembled(path, body)
        assert len(read_events(folded, STREAM)) < 20 < len(events)
        assert pieces == b""


@pytest.mark.parametrize("seed", range(20))
def test_events_are_folded_together_as_each_on_its_own(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    chance = random.Random(seed)
    texts = chance.choices([*TEXTS, "a" * 16], k=40)
    others = [f"w{at}" for at in range(40)]
    streams = [sse(events) for events in (chat(texts), chat(texts, padded=True), chat(others), response(others))]
    streams += [sse(message(texts), named=True), sse([*chat(others), {"type": "ping"}, *chat(others)])]
    together = [_folded._fold(stream) for stream in streams]
    monkeypatch.setattr(_folded, "_fold_run", lambda *_: None)
    singly = [_folded._fold(stream) for stream in streams]
    assert [each.body for each in together] == [each.body for each in singly]
    for one, other in zip(together, singly, strict=True):
        assert sorted(one.pieces.split(b"\n")) == sorted(other.pieces.split(b"\n"))


def test_streams_that_are_searched_together_and_then_read_are_folded_once() -> None:
    length = LONGEST_STREAM_AHEAD // len(sse(chat(["0 w0"])[1:2]))
    streams = [sse(chat([f"{number} w{at}" for at in range(length)])) for number in range(AHEAD)]
    assert LONGEST_STREAM_AHEAD < len(streams[0]) < 2 * LONGEST_STREAM_AHEAD
    streams = [stream[:LONGEST_STREAM_AHEAD] for stream in streams]
    _folded._fold_short.cache_clear()
    for stream in [*streams, *streams]:
        fold(stream)
    assert _folded._fold_short.cache_info().misses == AHEAD


def test_pieces_that_may_be_something_by_themselves_are_told() -> None:
    texts = [f"w{at}" for at in range(40)]
    texts[20] = "a" * 16
    assert b'"%s"' % (b"a" * 16) in fold(sse(chat(texts))).pieces


def test_lines_of_json_are_not_folded() -> None:
    lines = b"".join(b'{"delta": "w%d"}\n\n' % at for at in range(40))
    assert fold(lines) == (lines, b"")


def test_a_stream_with_a_long_event_is_folded() -> None:
    for events in (
        [*chat([f"w{at}" for at in range(40)]), {"type": "long", "text": "x" * 50_000}],
        [{"type": "long", "text": "x" * 50_000}, *chat([f"w{at}" for at in range(40)])],
    ):
        body = sse(events)
        assert len(fold(body).body) < len(body) - 2_000
        assert assembled("/v1/chat/completions", fold(body).body) == assembled("/v1/chat/completions", body)


def test_what_differs_in_more_than_a_piece_of_text_is_not_folded() -> None:
    head = {"object": "chat.completion.chunk"}
    choices = [{"index": at % 2, "delta": {"content": f"w{at}"}} for at in range(40)]
    body = sse([{**head, "choices": [choice]} for choice in choices])
    assert fold(body) == (body, b"")
    body = sse([{**head, "choices": [{"index": 0, "delta": {"role": f"w{at}"}}]} for at in range(40)])
    assert fold(body) == (body, b"")
    named = [{"function": {"name": f"f{at}", "arguments": "{}"}} for at in range(40)]
    body = sse([{**head, "choices": [{"index": 0, "delta": {"tool_calls": [call]}}]} for call in named])
    assert fold(body) == (body, b"")


def test_an_event_that_has_more_than_the_others_stands_for_itself() -> None:
    events = chat([f"w{at}" for at in range(40)])
    events[20]["x_groq"] = {"usage": {"prompt_tokens": 7, "completion_tokens": 8}}
    body = sse(events)
    assert b"x_groq" in fold(body).body
    assert assembled("/v1/chat/completions", fold(body).body) == assembled("/v1/chat/completions", body)


def test_pieces_that_are_no_json_take_nothing_else_with_them() -> None:
    for broken in (b"a\\", b"\\x", b"\xff", b"a\nb", b'a","b":"'):
        body = sse(chat([f"w{at}" for at in range(40)])).replace(b'"w20"', b'"%s"' % broken)
        assert assembled("/v1/chat/completions", fold(body).body) == assembled("/v1/chat/completions", body)


def test_halves_of_a_character_in_two_events_are_one() -> None:
    body = sse(chat(["w"] * 20 + ["\ud83d", "\ude00"] + ["w"] * 20 + [f"x{at}" for at in range(20)]))
    message = assembled("/v1/chat/completions", fold(body).body)["choices"][0]["message"]
    assert "w😀w" in message["content"]
