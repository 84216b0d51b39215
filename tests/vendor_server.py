"""A local server that answers in the format of each model vendor: whole, streamed, with an error, or not at all.

The model in the body or path selects the behaviour: `no-such-model` gets an error, `flaky` one error and then an
answer, `silent` nothing until the server stops, and `endless` a stream that continues as long as it is read. Every
other model gets the same few words and the usage in `USAGE`.
"""

from __future__ import annotations

import base64
import binascii
import json
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import chain, repeat
from typing import Any
from urllib.parse import unquote

USAGE = (9, 3)
WORDS = ("Tagus", ", ", "Douro", ".")
TEXT = "".join(WORDS)
BEHAVIOURS = ("no-such-model", "flaky", "silent", "endless")

Events = Iterator[dict[str, Any]]


@dataclass(frozen=True)
class Vendor:
    """The responses in one vendor's format: a whole body, the events of a stream, and their framing."""

    whole: Callable[[str], dict[str, Any]]
    before: Callable[[str], Events]
    piece: Callable[[str, str], dict[str, Any]]
    after: Callable[[str], Events]
    write: Callable[[dict[str, Any]], bytes]
    content_type: str = "text/event-stream"
    end: bytes = b""

    def events(self, model: str) -> Iterator[bytes]:
        words: Iterator[str] = chain.from_iterable(repeat(WORDS)) if "endless" in model else iter(WORDS)
        pieces = (self.piece(model, word) for word in words)
        for event in chain(self.before(model), pieces, self.after(model)):
            yield self.write(event)
        if self.end:
            yield self.end


def _data(event: dict[str, Any]) -> bytes:
    return b"data: %s\n\n" % json.dumps(event).encode()


def _named(event: dict[str, Any]) -> bytes:
    return b"event: %s\ndata: %s\n\n" % (event["type"].encode(), json.dumps(event).encode())


def _line(event: dict[str, Any]) -> bytes:
    return json.dumps(event).encode() + b"\n"


def _aws(event: dict[str, Any]) -> bytes:
    """Return the message of an AWS event stream for an event with one key."""
    (kind, payload) = next(iter(event.items()))
    given = {":event-type": kind, ":content-type": "application/json", ":message-type": "event"}
    headers = b"".join(
        bytes([len(name)]) + name.encode() + b"\x07" + struct.pack(">H", len(value)) + value.encode()
        for name, value in given.items()
    )
    data = json.dumps(payload).encode()
    head = struct.pack(">II", 16 + len(headers) + len(data), len(headers))
    message = head + struct.pack(">I", binascii.crc32(head)) + headers + data
    return message + struct.pack(">I", binascii.crc32(message))


def _none(model: str) -> Events:
    yield from ()


_OPENAI_USAGE = {"prompt_tokens": USAGE[0], "completion_tokens": USAGE[1], "total_tokens": sum(USAGE)}


def _openai(model: str, kind: str, part: str, content: str | None, end: str | None) -> dict[str, Any]:
    choice = {"index": 0, part: {"role": "assistant", "content": content}, "finish_reason": end}
    return {"id": "chatcmpl-1", "object": kind, "created": 1, "model": model, "choices": [choice],
            "system_fingerprint": "fp", "service_tier": "default"}  # fmt: skip


_CHAT = Vendor(
    lambda model: {**_openai(model, "chat.completion", "message", TEXT, "stop"), "usage": _OPENAI_USAGE},
    _none,
    lambda model, word: _openai(model, "chat.completion.chunk", "delta", word, None),
    lambda model: iter([{**_openai(model, "chat.completion.chunk", "delta", None, "stop"), "usage": _OPENAI_USAGE}]),
    _data,
    end=b"data: [DONE]\n\n",
)

_CLAUDE_USAGE = {"input_tokens": USAGE[0], "output_tokens": USAGE[1]}


def _claude(model: str, content: list[Any], stop: str | None) -> dict[str, Any]:
    return {"id": "msg_1", "type": "message", "role": "assistant", "model": model, "content": content,
            "stop_reason": stop, "stop_sequence": None, "usage": _CLAUDE_USAGE}  # fmt: skip


def _claude_begins(model: str) -> Events:
    yield {"type": "message_start", "message": _claude(model, [], None)}
    yield {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}


def _claude_ends(model: str) -> Events:
    yield {"type": "content_block_stop", "index": 0}
    yield {"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": None}, "usage": _CLAUDE_USAGE}
    yield {"type": "message_stop"}


_MESSAGES = Vendor(
    lambda model: _claude(model, [{"type": "text", "text": TEXT}], "end_turn"),
    _claude_begins,
    lambda _, word: {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": word}},
    _claude_ends,
    _named,
)


def _gemini(model: str, text: str, end: str | None) -> dict[str, Any]:
    content = {"role": "model", "parts": [{"text": text}]}
    counts = {"promptTokenCount": USAGE[0], "candidatesTokenCount": USAGE[1], "totalTokenCount": sum(USAGE)}
    candidate = {"content": content, "index": 0, **({"finishReason": end} if end else {})}
    return {"candidates": [candidate], "usageMetadata": counts, "modelVersion": model, "responseId": "r1"}


_GEMINI = Vendor(
    lambda model: _gemini(model, TEXT, "STOP"),
    _none,
    lambda model, word: _gemini(model, word, None),
    lambda model: iter([_gemini(model, "", "STOP")]),
    _data,
)

_CONVERSE_USAGE = {"inputTokens": USAGE[0], "outputTokens": USAGE[1], "totalTokens": sum(USAGE)}


def _converse_ends(model: str) -> Events:
    yield {"contentBlockStop": {"contentBlockIndex": 0}}
    yield {"messageStop": {"stopReason": "end_turn"}}
    yield {"metadata": {"usage": _CONVERSE_USAGE, "metrics": {"latencyMs": 1}}}


_CONVERSE = Vendor(
    lambda _: {"output": {"message": {"role": "assistant", "content": [{"text": TEXT}]}}, "stopReason": "end_turn",
               "usage": _CONVERSE_USAGE, "metrics": {"latencyMs": 1}},
    lambda _: iter([{"messageStart": {"role": "assistant"}}]),
    lambda _, word: {"contentBlockDelta": {"contentBlockIndex": 0, "delta": {"text": word}}},
    _converse_ends,
    _aws,
    "application/vnd.amazon.eventstream",
)  # fmt: skip


def _chunk(event: dict[str, Any]) -> dict[str, Any]:
    return {"chunk": {"bytes": base64.b64encode(json.dumps(event).encode()).decode()}}


_INVOKE = Vendor(
    _MESSAGES.whole,
    lambda model: map(_chunk, _claude_begins(model)),
    lambda model, word: _chunk(_MESSAGES.piece(model, word)),
    lambda model: map(_chunk, _claude_ends(model)),
    _aws,
    "application/vnd.amazon.eventstream",
)

_COHERE_USAGE = {"billed_units": _CLAUDE_USAGE, "tokens": _CLAUDE_USAGE}


def _cohere_delta(kind: str, **content: Any) -> dict[str, Any]:
    return {"type": kind, "index": 0, "delta": {"message": {"content": content}}}


def _cohere_begins(model: str) -> Events:
    message = {"role": "assistant", "content": [], "tool_plan": "", "tool_calls": [], "citations": []}
    yield {"type": "message-start", "id": "c1", "delta": {"message": message}}
    yield _cohere_delta("content-start", type="text", text="")


def _cohere_ends(model: str) -> Events:
    yield {"type": "content-end", "index": 0}
    yield {"type": "message-end", "delta": {"finish_reason": "COMPLETE", "usage": _COHERE_USAGE}}


_COHERE = Vendor(
    lambda _: {"id": "c1", "finish_reason": "COMPLETE", "usage": _COHERE_USAGE,
               "message": {"role": "assistant", "content": [{"type": "text", "text": TEXT}]}},
    _cohere_begins,
    lambda _, word: _cohere_delta("content-delta", text=word),
    _cohere_ends,
    _named,
)  # fmt: skip


def _ollama(model: str, text: str, **more: Any) -> dict[str, Any]:
    body = {"model": model, "created_at": "2026-01-01T00:00:00Z", "done": bool(more)}
    return {**body, "message": {"role": "assistant", "content": text}, **more}


_OLLAMA_END = {"done_reason": "stop", "prompt_eval_count": USAGE[0], "eval_count": USAGE[1]}
_OLLAMA = Vendor(
    lambda model: _ollama(model, TEXT, **_OLLAMA_END),
    _none,
    _ollama,
    lambda model: iter([_ollama(model, "", **_OLLAMA_END)]),
    _line,
    "application/x-ndjson",
)


def _embeddings(model: str) -> dict[str, Any]:
    return {"object": "list", "model": model, "usage": {"total_tokens": USAGE[0]},
            "data": [{"object": "embedding", "index": 0, "embedding": [0.5, 0.25]}]}  # fmt: skip


_EMBEDDINGS = Vendor(_embeddings, _none, lambda model, _: {}, _none, _data)


def _dashscope(text: str, end: str = "null") -> dict[str, Any]:
    return {"request_id": "q1", "output": {"text": text, "finish_reason": end},
            "usage": {**_CLAUDE_USAGE, "total_tokens": sum(USAGE)}}  # fmt: skip


def _dashscope_event(event: dict[str, Any]) -> bytes:
    return b"id:1\nevent:result\n:HTTP_STATUS/200\ndata:%s\n\n" % json.dumps(event).encode()


_DASHSCOPE = Vendor(
    lambda _: _dashscope(TEXT, "stop"),
    _none,
    lambda _, word: _dashscope(word),
    lambda _: iter([_dashscope(TEXT, "stop")]),
    _dashscope_event,
)


def _prediction(model: str) -> dict[str, Any]:
    return {"id": "p1", "model": model, "version": "hidden", "status": "succeeded", "input": {"prompt": "Rivers?"},
            "output": [TEXT], "error": None, "logs": "", "created_at": "2026-01-01T00:00:00Z",
            "started_at": "2026-01-01T00:00:00Z", "completed_at": "2026-01-01T00:00:01Z", "urls": {},
            "metrics": {"predict_time": 0.5, "input_token_count": USAGE[0],
                        "output_token_count": USAGE[1]}}  # fmt: skip


_REPLICATE = Vendor(_prediction, _none, lambda model, _: {}, _none, _data)


def _writer(kind: str, part: str, model: str, text: str, end: str | None) -> dict[str, Any]:
    choice = {"index": 0, "finish_reason": end,
              part: {"role": "assistant", "content": text, "refusal": None, "tool_calls": [], "graph_data": None,
                     "llm_data": None, "translation_data": None, "web_search_data": None}}  # fmt: skip
    return {"id": "w1", "object": kind, "created": 1, "model": model, "choices": [choice]}


_WRITER = Vendor(
    lambda model: {**_writer("chat.completion", "message", model, TEXT, "stop"), "usage": _OPENAI_USAGE},
    _none,
    lambda model, word: _writer("chat.completion.chunk", "delta", model, word, None),
    lambda model: iter([{**_writer("chat.completion.chunk", "delta", model, "", "stop"), "usage": _OPENAI_USAGE}]),
    _data,
)

_LLAMA_METRICS = [{"metric": "num_prompt_tokens", "value": USAGE[0], "unit": "tokens"},
                  {"metric": "num_completion_tokens", "value": USAGE[1], "unit": "tokens"},
                  {"metric": "num_total_tokens", "value": sum(USAGE), "unit": "tokens"}]  # fmt: skip


def _llama(kind: str, text: str, **more: Any) -> dict[str, Any]:
    return {"id": "l1", "event": {"event_type": kind, "delta": {"type": "text", "text": text}, **more}}


_LLAMA = Vendor(
    lambda _: {"id": "l1", "metrics": _LLAMA_METRICS,
               "completion_message": {"role": "assistant", "stop_reason": "stop",
                                      "content": {"type": "text", "text": TEXT}}},
    lambda _: iter([_llama("start", "")]),
    lambda _, word: _llama("progress", word),
    lambda _: iter([_llama("complete", "", stop_reason="stop"), _llama("metrics", "", metrics=_LLAMA_METRICS)]),
    _data,
)  # fmt: skip

#: The vendors by a part of the path; the first match counts.
_VENDORS = {
    "/chat/completions": _CHAT, "/v1/messages": _MESSAGES, "enerateContent": _GEMINI,
    "/converse": _CONVERSE, "/invoke": _INVOKE, "/v2/chat": _COHERE, "/api/chat": _OLLAMA, "/embeddings": _EMBEDDINGS,
    "/generation": _DASHSCOPE, "/predictions": _REPLICATE, "/v1/chat": _WRITER,
}  # fmt: skip


@dataclass(frozen=True)
class Reply:
    """A response to send: its status, its headers, and the pieces of its body."""

    status: int
    content_type: str
    pieces: Iterator[bytes]
    streamed: bool = False

    @property
    def body(self) -> bytes:
        return b"".join(self.pieces)


def reply_to(path: str, headers: dict[str, str], body: bytes) -> Reply:
    """Return the response to a request; `headers` has lower-case names."""
    path = unquote(path)
    request = json.loads(body or b"{}")
    model = request.get("model") or path.rpartition("/model")[2].strip("s/").rpartition("/")[0].partition(":")[0]
    model = model or path.rpartition("/")[2].partition(":")[0]
    vendor = _LLAMA if "api.llama.com" in headers.get("host", "") else None
    vendor = vendor or next((vendor for part, vendor in _VENDORS.items() if part in path), None)
    if vendor is None or "no-such-model" in path or "no-such-model" in model:
        error = {"message": "no-such-model", "type": "invalid_request_error", "code": 404, "status": "NOT_FOUND"}
        failure = {"error": error, "message": "no-such-model", "code": "ModelNotFound", "detail": "no-such-model"}
        return Reply(404, "application/json", iter([json.dumps(failure).encode()]))
    streamed = "stream" in path or (request.get("stream") is True and vendor is not _REPLICATE)
    streamed = streamed or "x-dashscope-sse" in headers
    if not streamed:
        return Reply(200, "application/json", iter([json.dumps(vendor.whole(model)).encode()]))
    return Reply(200, vendor.content_type, vendor.events(path if "endless" in path else model), streamed=True)


#: How long an endless stream continues if its reader does not close it, in seconds; slow machines start reading late.
LONGEST = 20


@dataclass
class VendorServer:
    """A running server, and the requests that it has received.

    Attributes:
        port: the server's port.
        got: the method, path, headers and body of each request.
        failed: the paths and bodies of requests that have failed once.
        cut: for each stream that has ended, whether its reader closed it.
    """

    port: int
    got: list[tuple[str, str, list[tuple[str, str]], bytes]] = field(default_factory=list)
    failed: set[tuple[str, bytes]] = field(default_factory=set)
    cut: list[bool] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)

    def forget(self) -> None:
        """Discard the requests so far; a stream that began earlier and ends later is not added to the new lists."""
        self.got, self.failed, self.cut = [], set(), []


@contextmanager
def vendor_server() -> Iterator[VendorServer]:
    """Run the server for a block."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: Any) -> None: ...

        def do_GET(self) -> None:
            self.send(Reply(200, "application/json", iter([b"{}"])))

        def do_POST(self) -> None:
            body = self.read()
            server.got.append((self.command, self.path, self.headers.items(), body))
            request = (self.path, body)
            marks = self.path.encode() + body
            if b"silent" in marks:
                server.over.wait(5)
                self.close_connection = True
            elif b"flaky" in marks and request not in server.failed:
                server.failed.add(request)
                self.send(Reply(503, "application/json", iter([b'{"error": {"message": "try again"}}'])))
            else:
                self.send(reply_to(self.path, {name.lower(): value for name, value in self.headers.items()}, body))

        def read(self) -> bytes:
            if "chunked" not in self.headers.get("transfer-encoding", ""):
                return self.rfile.read(int(self.headers.get("content-length") or 0))
            body = b""
            while size := int(self.rfile.readline(), 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return body

        def send(self, reply: Reply) -> None:
            self.send_response(reply.status)
            self.send_header("content-type", reply.content_type)
            self.send_header("retry-after-ms", "1")
            if reply.streamed:
                self.send_header("transfer-encoding", "chunked")
                self.end_headers()
                self.stream(reply.pieces)
                return
            body = reply.body
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def stream(self, pieces: Iterator[bytes]) -> None:
            started, cut = time.monotonic(), server.cut
            try:
                for piece in pieces:
                    self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
                    self.wfile.flush()
                    if time.monotonic() - started > LONGEST:
                        break
                    time.sleep(0.001)
                self.wfile.write(b"0\r\n\r\n")
                cut.append(False)
            except OSError:
                cut.append(True)
                self.close_connection = True

        def handle(self) -> None:
            with suppress(OSError):
                super().handle()

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 64

    http = Server(("127.0.0.1", 0), Handler)
    server = VendorServer(http.server_port)
    threading.Thread(target=http.serve_forever, args=(0.05,), daemon=True).start()
    yield server
    server.over.set()
    http.shutdown()
    http.server_close()
