"""What vendors' clients send, written by hand after their documentation, and a server to send it to.

`REQUESTS` is one table of requests of every dialect, with the status that an empty store answers. `CALL` is one call
that every dialect must make the same record of.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import strategies as st
from starlette.testclient import TestClient

from autolog._reading.derive import fill_in
from autolog._record.record import FIELDS, Record
from autolog.server import Limits, create_app
from autolog.stores import open_store
from autolog.stores._contract import Store
from autolog.stores.query import Query

KEY = "test-key"


class Server:
    """The application, called directly, and its store."""

    def __init__(self, client: TestClient, store: Store) -> None:
        self.client, self.store = client, store

    def call(self, method: str, path: str, body: Any = None, key: str | None = KEY, **options: Any) -> Any:
        headers = {"x-api-key": key} if key is not None else {}
        content = body if isinstance(body, (bytes, type(None))) else json.dumps(body).encode()
        headers |= {"content-type": "application/json"} if content is not None else {}
        headers |= options.pop("headers", {})
        return self.client.request(method, path, content=content, headers=headers, **options)

    def rows(self) -> list[Record]:
        return self.store.find(Query(), 1000, newest_first=False, order_by="seq", bodies=True)

    def only(self) -> Record:
        (record,) = self.rows()
        return record


@contextlib.contextmanager
def serving(store_url: str, limits: Limits | None = None) -> Iterator[Server]:
    store = open_store(store_url)
    with TestClient(create_app(store, api_key=KEY, limits=limits or Limits())) as client:  # type: ignore[arg-type]
        yield Server(client, store)


# One call for all dialects

START = datetime(2026, 1, 2, 3, 4, 5, 250000, tzinfo=UTC)
BODY = {"model": "gpt-4o", "messages": [{"role": "user", "content": "Where is my order? 🙂"}]}
ANSWER = {"id": "chatcmpl-1", "object": "chat.completion", "model": "gpt-4o-2024-08-06",
          "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "It ships."}}],
          "usage": {"prompt_tokens": 12, "completion_tokens": 5, "total_tokens": 17}}  # fmt: skip

CALL = Record(
    id="call-1",
    provider_name="openai",
    operation_name="chat",
    request_model="gpt-4o",
    request_url="https://api.openai.com/v1/chat/completions",
    request_method="POST",
    request_content_type="application/json",
    status_code=200,
    start_time=START,
    end_time=START + timedelta(seconds=1.5),
    created_at=START,
    duration=1.5,
    user="user:1",
    metadata={"plan": "gold"},
    trace_id="a" * 32,
    span_id="b" * 16,
    name="answer",
    request_body=json.dumps(BODY).encode(),
    response_body=json.dumps(ANSWER).encode(),
)


def described() -> Record:
    record = Record(**{name: getattr(CALL, name) for name in FIELDS})
    fill_in(record)
    return record


# Requests of every vendor's clients

BEARER, API_KEY, PORTKEY, MAIL = "authorization", "x-api-key", "x-portkey-api-key", "x-auth-key"


@dataclass(frozen=True)
class Sample:
    """A request: where its key stands (a header, or None for the body), and the status on an empty store."""

    name: str
    key_in: str | None
    method: str
    path: str
    body: Any = None
    status: int = 200
    query: list[tuple[str, str]] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)

    def send(self, server: Server, key: str) -> Any:
        named = {} if self.key_in is None else {self.key_in: f"Bearer {key}" if self.key_in == BEARER else key}
        body = {**self.body, "api_key": key} if self.key_in is None else self.body
        return server.call(self.method, self.path, body, key=None, params=self.query, headers={**self.headers, **named})


_LOGS = "/client/v4/accounts/acc/ai-gateway/gateways/shop/logs"
_PK_REQUEST = {"url": "https://api.groq.com/openai/v1/chat/completions", "provider": "groq", "method": "post",
               "headers": {"authorization": "Bearer gsk-1"}, "body": BODY}  # fmt: skip
_PK_RESPONSE = {"status": 200, "headers": {"x-request-id": "q-1"}, "body": ANSWER, "response_time": 812}
_PL_CHAT = {"type": "chat", "messages": [{"role": "user", "content": [{"type": "text", "text": "Where?"}]}]}
_PL_LOG = {"provider": "openai", "model": "gpt-4o", "input": _PL_CHAT, "output": _PL_CHAT,
           "request_start_time": 1767323045.25, "request_end_time": 1767323046.75}  # fmt: skip
_TOOL_CALL = {"id": "call_9", "type": "function", "function": {"name": "track", "arguments": '{"order": 5}'}}
_FILTERS = [("filters.key", "provider"), ("filters.key", "cost"), ("filters.operator", "eq"), ("filters.operator", "gt"),
            ("filters.value", "groq"), ("filters.value", "0.5")]  # fmt: skip

REQUESTS = [
    Sample("cloudflare list", BEARER, "GET", _LOGS),
    Sample("cloudflare list with the older key", MAIL, "GET", _LOGS, headers={"x-auth-email": "a@b.example"}),
    Sample("cloudflare page", BEARER, "GET", _LOGS,
           query=[("page", "3"), ("per_page", "7"), ("order_by", "cost"), ("order_by_direction", "asc"), ("meta_info", "true")]),
    Sample("cloudflare older filters", BEARER, "GET", _LOGS,
           query=[("cached", "false"), ("success", "true"), ("min_cost", "0.1"), ("end_date", "2026-03-01T00:00:00Z")]),
    Sample("cloudflare filters", BEARER, "GET", _LOGS, query=_FILTERS),
    Sample("cloudflare filters without their values", BEARER, "GET", _LOGS, status=400, query=[*_FILTERS, ("filters.value", "2")]),
    Sample("cloudflare delete", BEARER, "DELETE", _LOGS, query=[("limit", "2"), *_FILTERS]),
    Sample("cloudflare log", BEARER, "GET", _LOGS + "/nobody", status=404),
    Sample("cloudflare request", BEARER, "GET", _LOGS + "/nobody/request", status=404),
    Sample("cloudflare response", BEARER, "GET", _LOGS + "/nobody/response", status=404),
    Sample("cloudflare patch", BEARER, "PATCH", _LOGS + "/nobody", {"feedback": -1, "score": 20, "metadata": {"why": "slow"}}, 404),
    Sample("humanloop prompt", API_KEY, "POST", "/v5/prompts/log", {"path": "shop/reply"}),
    Sample("humanloop prompt with all", API_KEY, "POST", "/v5/prompts/log", {
        "path": "shop/reply", "prompt": {"model": "gpt-4o", "template": "Hi {{name}}", "temperature": 0.2},
        "messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://x.example/1.png"}}]}],
        "output_message": {"role": "assistant", "tool_calls": [_TOOL_CALL]}, "tool_choice": {"type": "function", "function": {"name": "track"}},
        "inputs": {"name": "Zoë"}, "prompt_tokens": 40, "output_tokens": 8, "reasoning_tokens": 0, "prompt_cost": 0.001,
        "output_cost": 0.002, "provider_latency": 0.75, "start_time": "2026-01-02T03:04:05Z", "metadata": {"a": [1]}},
        query=[("environment", "staging")]),
    Sample("humanloop failed prompt", API_KEY, "POST", "/v5/prompts/log", {"id": "pr_none", "error": "timed out"}, 404),
    Sample("humanloop flow", API_KEY, "POST", "/v5/flows/log", {"path": "shop/flow", "flow": {"attributes": {}}, "log_status": "complete"}),
    Sample("humanloop tool", API_KEY, "POST", "/v5/tools/log", {"path": "shop/track", "tool": {"function": {"name": "track"}}, "output": "5"}),
    Sample("humanloop evaluator", API_KEY, "POST", "/v5/evaluators/log", {"path": "shop/judge", "parent_id": "log_none", "judgment": 0.5}, 404),
    Sample("humanloop patch", API_KEY, "PATCH", "/v5/prompts/pr_none/log/log_none", {"output": None, "finish_reason": "length"}, 404),
    Sample("humanloop patch of nothing", API_KEY, "PATCH", "/v5/prompts/pr_none/log/log_none", status=404),
    Sample("humanloop flow patch", API_KEY, "PATCH", "/v5/flows/logs/log_none", {"log_status": "complete"}, 404),
    Sample("humanloop list", API_KEY, "GET", "/v5/logs", query=[("file_id", "pr_none"), ("page", "2"), ("search", "order"),
           ("metadata_search", "gold"), ("id", "log_1"), ("id", "log_2"), ("in_trace_filter", "true"), ("start_date", "2026-01-01")]),
    Sample("humanloop log", API_KEY, "GET", "/v5/logs/log_none", status=404),
    Sample("humanloop delete", API_KEY, "DELETE", "/v5/logs", status=204, query=[("id", "log_1"), ("id", "log_2")]),
    Sample("humanloop spans", API_KEY, "POST", "/v5/import/otel/v1/traces", {"resourceSpans": [{"scopeSpans": [{"spans": [
        {"traceId": "qqqqqqqqqqqqqqqqqqqqqg==", "spanId": "u7u7u7u7u7s=", "name": "flow"}]}]}]}),
    Sample("portkey log", PORTKEY, "POST", "/v1/logs", {"request": _PK_REQUEST, "response": _PK_RESPONSE, "metadata": {"traceId": "t", "_user": "u"}}),
    Sample("portkey logs", PORTKEY, "POST", "/v1/logs", [{"request": {"method": "post"}, "response": {"status": 529}, "span_id": "s", "trace_id": "t"}] * 2),
    Sample("portkey log with headers", PORTKEY, "POST", "/v1/logs", {"request": {"body": {}}, "response": {}},
           headers={"x-portkey-trace-id": "t", "x-portkey-metadata": '{"env": "test"}'}),
    Sample("portkey feedback", PORTKEY, "POST", "/v1/feedback", {"trace_id": "t", "value": 7, "weight": 0.25}),
    Sample("portkey feedbacks", PORTKEY, "POST", "/v1/feedback", [{"trace_id": "t", "value": 1}, {"trace_id": "u", "value": -1}]),
    Sample("portkey feedback change", PORTKEY, "PUT", "/v1/feedback/none", {"value": 2}, 404),
    Sample("portkey export", PORTKEY, "POST", "/v1/logs/exports", {"filters": {"time_of_generation_min": "2026-01-01T00:00:00Z"}, "requested_data": ["id", "cost"]}),
    Sample("portkey exports", PORTKEY, "GET", "/v1/logs/exports"),
    Sample("portkey export start", PORTKEY, "POST", "/v1/logs/exports/none/start", status=404),
    Sample("portkey export cancel", PORTKEY, "POST", "/v1/logs/exports/none/cancel", status=404),
    Sample("portkey export state", PORTKEY, "GET", "/v1/logs/exports/none", status=404),
    Sample("portkey export file", PORTKEY, "GET", "/v1/logs/exports/none/download", status=404),
    Sample("promptlayer log", API_KEY, "POST", "/log-request", _PL_LOG, 201),
    Sample("promptlayer log with all", API_KEY, "POST", "/log-request", {
        **_PL_LOG, "parameters": {"temperature": 0}, "tags": ["shop"], "metadata": {"plan": "gold"}, "prompt_name": "reply",
        "prompt_version_number": 4, "prompt_input_variables": {"name": "Zoë"}, "input_tokens": 40, "output_tokens": 8, "price": 0.003,
        "function_name": "answer", "score": 80, "score_name": "tone", "api_type": "chat-completions", "status": "WARNING"}, 201),
    Sample("promptlayer failed log", API_KEY, "POST", "/log-request", {
        **_PL_LOG, "status": "ERROR", "error_type": "PROVIDER_TIMEOUT", "error_message": "30 s"}, 201),
    Sample("promptlayer completion", API_KEY, "POST", "/log-request", {**_PL_LOG, "input": {"type": "completion", "content": "Once"}}, 201),
    Sample("promptlayer wrapped call", None, "POST", "/track-request", {
        "function_name": "openai.OpenAI.chat.completions.create", "provider_type": "openai", "args": [], "kwargs": BODY,
        "request_response": ANSWER, "request_start_time": 1767323045.25, "request_end_time": 1767323046.75, "tags": None}),
    Sample("promptlayer metadata", None, "POST", "/library-track-metadata", {"request_id": 5, "metadata": {"a": "b"}}, 404),
    Sample("promptlayer score", None, "POST", "/library-track-score", {"request_id": 5, "score": 60, "name": "tone"}, 404),
    Sample("promptlayer prompt", None, "POST", "/library-track-prompt", {"request_id": 5, "prompt_name": "reply", "version": 2}, 404),
    Sample("promptlayer prompt in a wrong order", None, "POST", "/library-track-prompt", {"request_id": False, "prompt_name": 5}, 400),
    Sample("promptlayer group", None, "POST", "/track-group", {"request_id": 5, "group_id": 6}, 404),
    Sample("promptlayer new group", None, "POST", "/create-group", {}),
    Sample("promptlayer template", API_KEY, "POST", "/prompt-templates/reply", {"input_variables": {"name": "Zoë"}}, 404),
    Sample("responselog insert", API_KEY, "POST", "/api/logs/insert", {"model": "whisper-1"}),
    Sample("responselog insert with all", API_KEY, "POST", "/api/logs/insert", {
        "model": "gpt-4o", "duration": 0.5, "initiator": "user:9", "description": "Reply", "request_data": BODY, "response_data": ANSWER,
        "metadata": {"plan": "gold"}, "cost": 0.01, "media": {"request": [{"type": "image", "title": "map", "data": "R0lGODlh"}]}}),
    Sample("responselog update", API_KEY, "POST", "/api/logs/update", {"id": "none", "update_data": {"cost": 0.02}}, 404),
]  # fmt: skip

# Cloudflare's rows

LOGS = "/client/v4/accounts/a/ai-gateway/gateways/default/logs"


def fill(server: Server) -> list[str]:
    """Write five records that differ in everything that can be filtered."""
    records = [
        Record(id=f"r{n}", created_at=START + timedelta(hours=n), request_model=["gpt-4o", "claude%"][n % 2],
               provider_name=["openai", "anthropic"][n % 2], cost=n / 10, duration=n / 2, usage_input_tokens=n or None,
               usage_output_tokens=n, status="error" if n == 3 else "ok", metadata={"n": n, "tier": "gold" if n else "x_y"})
        for n in range(5)
    ]  # fmt: skip
    server.store.write(records)
    return [record.id for record in records]


#: PromptLayer's smallest log.
LOG = {"provider": "openai", "model": "gpt-4o", "input": {"type": "chat", "messages": []},
       "output": {"type": "completion", "content": []}, "request_start_time": "2026-01-02T03:04:05",
       "request_end_time": "2026-01-02T04:04:06.5+01:00"}  # fmt: skip

# Anything

TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), min_size=1, max_size=20)
RECORDS = st.builds(
    Record,
    id=TEXTS,
    request_model=TEXTS,
    user=st.none() | TEXTS,
    name=st.none() | TEXTS,
    duration=st.none() | st.floats(0, 1e6),
    metadata=st.dictionaries(TEXTS, TEXTS, max_size=3),
    usage_input_tokens=st.none() | st.integers(0, 10**9),
    usage_output_tokens=st.none() | st.integers(0, 10**9),
    request_body=st.none() | st.dictionaries(TEXTS, TEXTS, max_size=3).map(lambda value: json.dumps(value).encode()),
    created_at=st.datetimes(datetime(1990, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)),
)
