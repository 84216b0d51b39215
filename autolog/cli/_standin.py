"""A stand-in for OpenAI and Anthropic on a loopback port, with enough of their APIs to run apps without a key.

It follows a small script: the first user message about the weather gets a tool call, tool results get a summary, and
the model `no-such-model` gets a 404. Token counts are roughly counts of words; they only need to be plausible.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Json = dict[str, Any]

#: The pause between two chunks of a streamed response, in seconds.
PACE = 0.015


@contextmanager
def standin() -> Iterator[str]:
    """Run the stand-in for the block, and yield its base URL, such as `http://127.0.0.1:54321`."""
    server = _Server(("127.0.0.1", 0), _Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore a client that disconnects in the middle of a stream."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers.get("content-length") or 0)) or b"{}")
        answer = _ROUTES.get(self.path)
        if answer is None:
            self._send(404, {"error": {"type": "not_found_error", "message": f"no such path: {self.path}"}})
        elif body.get("model") == "no-such-model":
            self._send(404, _no_such_model(self.path))
        else:
            time.sleep(PACE)
            complete, events = answer
            if body.get("stream"):
                self._stream(events(body))
            else:
                self._send(200, complete(body))

    def _send(self, status: int, body: Json) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("x-request-id", "req_standin")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _stream(self, pieces: Iterator[str]) -> None:
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("x-request-id", "req_standin")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        for piece in pieces:
            data = piece.encode()
            self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
            self.wfile.flush()
            time.sleep(PACE)
        self.wfile.write(b"0\r\n\r\n")

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's signature
        """Log nothing."""


def _no_such_model(path: str) -> Json:
    error = {"message": "The model `no-such-model` does not exist.", "code": "model_not_found"}
    if path.endswith("/messages"):
        return {"type": "error", "error": {"type": "not_found_error", "message": "model: no-such-model"}}
    return {"error": {**error, "type": "invalid_request_error", "param": None}}


def _count(value: Any) -> int:
    return max(1, len(json.dumps(value).split()))


def _script_reply(messages: list[Json]) -> str:
    """Return the script's answer to the last message."""
    last = messages[-1] if messages else {}
    if last.get("role") == "tool":
        return f"It is {last.get('content')}: take the coast path in the morning and a museum after lunch."
    return f"You said: {_plain(last.get('content'))}"


def _plain(content: Any) -> str:
    if isinstance(content, list):
        return " ".join(str(part.get("text", "")) for part in content if isinstance(part, dict))
    return str(content or "")


# OpenAI


def _chat(body: Json) -> Json:
    messages = body.get("messages") or []
    message: Json = {"role": "assistant", "content": _script_reply(messages), "refusal": None}
    reason = "stop"
    if body.get("tools") and messages and messages[-1].get("role") == "user":
        name = body["tools"][0]["function"]["name"]
        call = {"id": "call_1", "type": "function", "function": {"name": name, "arguments": '{"city": "Lisbon"}'}}
        message, reason = {"role": "assistant", "content": None, "tool_calls": [call]}, "tool_calls"
    return {
        "id": "chatcmpl-standin",
        "object": "chat.completion",
        "created": 1763650000,
        "model": body.get("model"),
        "choices": [{"index": 0, "message": message, "finish_reason": reason, "logprobs": None}],
        "usage": _chat_usage(messages, message),
        "service_tier": "default",
    }


def _chat_usage(messages: Any, message: Any) -> Json:
    prompt, completion = _count(messages), _count(message)
    return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}


def _chat_events(body: Json) -> Iterator[str]:
    whole = _chat(body)
    base = {**whole, "object": "chat.completion.chunk"}
    usage = base.pop("usage")
    words = str(whole["choices"][0]["message"].get("content") or "").split(" ")
    deltas: list[Json] = [{"role": "assistant", "content": ""}]
    deltas += [{"content": word if index == 0 else " " + word} for index, word in enumerate(words)]
    for delta in deltas:
        yield _data({**base, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]})
    yield _data({**base, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
    if (body.get("stream_options") or {}).get("include_usage"):
        yield _data({**base, "choices": [], "usage": usage})
    yield "data: [DONE]\n\n"


def _response(body: Json) -> Json:
    given = body.get("input")
    messages = given if isinstance(given, list) else [{"role": "user", "content": given}]
    text = {"type": "output_text", "text": _script_reply(messages), "annotations": []}
    item = {"id": "msg_1", "type": "message", "role": "assistant", "status": "completed", "content": [text]}
    count_in, count_out = _count(given), _count(text)
    return {
        "id": "resp_standin",
        "object": "response",
        "created_at": 1763650000,
        "status": "completed",
        "model": body.get("model"),
        "output": [item],
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "usage": {
            "input_tokens": count_in,
            "input_tokens_details": {"cached_tokens": 0},
            "output_tokens": count_out,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": count_in + count_out,
        },
    }


def _response_events(body: Json) -> Iterator[str]:
    whole = _response(body)
    item = whole["output"][0]
    opening = {**whole, "status": "in_progress", "output": [], "usage": None}
    steps: list[Json] = [{"type": "response.created", "response": opening}]
    place = {"output_index": 0, "content_index": 0, "item_id": item["id"]}
    steps.append({"type": "response.output_item.added", "output_index": 0, "item": {**item, "content": []}})
    part = {"type": "output_text", "text": "", "annotations": []}
    steps.append({"type": "response.content_part.added", **place, "part": part})
    steps += [
        {"type": "response.output_text.delta", **place, "delta": word + " ", "logprobs": []}
        for word in item["content"][0]["text"].split(" ")
    ]
    steps.append({"type": "response.output_item.done", "output_index": 0, "item": item})
    steps.append({"type": "response.completed", "response": whole})
    for number, step in enumerate(steps):
        yield f"event: {step['type']}\n" + _data({**step, "sequence_number": number})


def _embeddings(body: Json) -> Json:
    given = body.get("input")
    texts = given if isinstance(given, list) else [given]
    return {
        "object": "list",
        "model": body.get("model"),
        "data": [{"object": "embedding", "index": i, "embedding": [0.25, -0.5, 1.0]} for i in range(len(texts))],
        "usage": {"prompt_tokens": _count(given), "total_tokens": _count(given)},
    }


# Anthropic


def _message(body: Json) -> Json:
    messages = body.get("messages") or []
    text = f"Pack light: {_script_reply(messages)}"
    return {
        "id": "msg_standin",
        "type": "message",
        "role": "assistant",
        "model": body.get("model"),
        "content": [{"type": "text", "text": text}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": {
            "input_tokens": _count(messages),
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": 1200,
            "output_tokens": _count(text),
            "service_tier": "standard",
        },
    }


def _message_events(body: Json) -> Iterator[str]:
    whole = _message(body)
    usage = whole["usage"]
    opening = {**whole, "content": [], "stop_reason": None, "usage": {**usage, "output_tokens": 1}}
    steps: list[Json] = [{"type": "message_start", "message": opening}]
    steps.append({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}})
    steps += [
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": word + " "}}
        for word in whole["content"][0]["text"].split(" ")
    ]
    steps.append({"type": "content_block_stop", "index": 0})
    delta = {"stop_reason": "end_turn", "stop_sequence": None}
    steps.append({"type": "message_delta", "delta": delta, "usage": {"output_tokens": usage["output_tokens"]}})
    steps.append({"type": "message_stop"})
    for step in steps:
        yield f"event: {step['type']}\n" + _data(step)


def _data(value: Json) -> str:
    return f"data: {json.dumps(value)}\n\n"


def _no_events(body: Json) -> Iterator[str]:
    yield _data(body)


_ROUTES = {
    "/v1/chat/completions": (_chat, _chat_events),
    "/v1/responses": (_response, _response_events),
    "/v1/embeddings": (_embeddings, _no_events),
    "/v1/messages": (_message, _message_events),
}
