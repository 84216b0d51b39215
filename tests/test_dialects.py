"""The captured requests of ../shared/dialects, one table of samples for each vendor, and round trips."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from conftest import SHARED
from hypothesis import given, settings, strategies as st
from starlette.testclient import TestClient

from autolog import dialects
from autolog._record.record import Record
from autolog.dialects import cloudflare, humanloop, native, otlp, portkey, promptlayer, responselog
from autolog.dialects._fault import Fault
from autolog.server import Limits, create_app
from autolog.stores import open_store
from autolog.stores._contract import Store
from autolog.stores.query import Query

FOLDER = SHARED / "dialects"
KEY = "test-key"

#: What each captured request answers on an empty store: ids inside them are examples, so calls on a log are 404.
STATUSES = {
    "cloudflare/list-filters-ambiguous": 400,
    "humanloop/logs-delete-many": 204,
    "humanloop/logs-delete-one": 204,
    "promptlayer/track-prompt-async-sdk-misordered": 400,
    **{f"promptlayer/log-request-{name}": 201 for name in ("completion-template", "error", "full", "minimal",
                                                           "rest-iso-times", "tool-call")},
    **dict.fromkeys(("cloudflare/get", "cloudflare/get-request", "cloudflare/get-response", "cloudflare/patch-all", "cloudflare/patch-empty", "cloudflare/patch-nulls", "humanloop/evaluators-log", "humanloop/flows-update-log", "humanloop/logs-get", "humanloop/prompts-log-error-existing-prompt", "humanloop/update-log", "humanloop/update-log-explicit-nulls", "humanloop/update-log-no-fields-empty-body", "portkey/export-cancel", "portkey/export-download", "portkey/export-retrieve", "portkey/export-start", "portkey/feedback-update", "promptlayer/run-get-template", "promptlayer/track-group", "promptlayer/track-metadata", "promptlayer/track-prompt", "promptlayer/track-score", "responselog/update-empty", "responselog/update-partial"), 404),
}  # fmt: skip


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


@pytest.fixture
def server(store_url: str) -> Iterator[Server]:
    store = open_store(store_url)
    with TestClient(create_app(store, api_key=KEY, limits=Limits())) as client:  # type: ignore[arg-type]
        yield Server(client, store)


def captured() -> list[Path]:
    return sorted(FOLDER.glob("*/*.json")) if FOLDER.is_dir() else []


@pytest.mark.skipif(not FOLDER.is_dir(), reason="../shared/dialects is not here")
def test_captured_requests_are_there() -> None:
    assert len(captured()) >= 70


@pytest.mark.parametrize("path", captured(), ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_captured_request(server: Server, path: Path) -> None:
    sample = json.loads(path.read_text())
    name = f"{path.parent.name}/{path.stem}"
    body = sample["body"]
    if isinstance(body, dict) and set(body) == {"base64"}:
        content: bytes | None = base64.b64decode(body["base64"])
    else:
        content = None if body is None else json.dumps(body).replace("<API_KEY>", KEY).encode()
    skipped = {"content-length", "host", "content-encoding", "accept-encoding", "transfer-encoding"}
    headers = {k: v.replace("<API_KEY>", KEY) for k, v in sample["headers"].items() if k.lower() not in skipped}
    query = [(k, v) for k, vs in (sample["query"] or {}).items() for v in (vs if isinstance(vs, list) else [vs])]
    answer = server.client.request(sample["method"], sample["path"], params=query, headers=headers, content=content)
    assert answer.status_code == STATUSES.get(name, 200), answer.text
    assert answer.headers["content-type"]
    wrong = {k: "wrong" if v == KEY else v.replace(KEY, "wrong") for k, v in headers.items()}
    denied = server.client.request(
        sample["method"], sample["path"], params=query, headers=wrong,
        content=None if content is None else content.replace(KEY.encode(), b"wrong"),
    )  # fmt: skip
    assert denied.status_code == 401


# The same call through every dialect

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

#: What the same call must say in every format, and what only some formats can hold.
COMMON = {"request_model": "gpt-4o", "provider_name": "openai", "usage_input_tokens": 12, "usage_output_tokens": 5,
          "duration": 1.5, "status": "ok", "operation_name": "chat", "input_preview": "Where is my order? 🙂",
          "output_preview": "It ships."}  # fmt: skip


def described() -> Record:
    from autolog._reading.describe import describe

    record = Record(**{name: getattr(CALL, name) for name in CALL.__struct_fields__})
    describe(record)
    return record


#: What stands before the path in the base URLs that the vendors' clients have.
BASES = {"portkey": "/v1", "humanloop": "/v5"}


def send(server: Server, dialect: str) -> Record:
    request = dialects.get_shipping(dialect).encode_request([described()])
    answer = server.call(request.method, BASES.get(dialect, "") + request.path, request.body, headers=request.headers)
    assert answer.is_success, answer.text
    return server.only()


@pytest.mark.parametrize("dialect", dialects.shipping())
def test_one_call_is_one_row_in_every_dialect(server: Server, dialect: str) -> None:
    record = send(server, dialect)
    assert {name: getattr(record, name) for name in COMMON} == COMMON
    assert record.cost == pytest.approx(described().cost)
    assert record.dialect == dialect
    if dialect != "responselog":
        assert record.created_at == START
    if dialect != "promptlayer":
        assert record.user == "user:1"
        assert json.loads(record.request_body or b"")["messages"] == BODY["messages"]
        assert json.loads(record.response_body or b"")["choices"] == ANSWER["choices"]
    assert record.metadata["plan"] == "gold"
    # and it is at once visible in all read APIs
    (row,) = server.call("GET", "/client/v4/accounts/a/ai-gateway/gateways/default/logs").json()["result"]
    assert (row["id"], row["model"], row["duration"], row["tokens_in"]) == (record.id, "gpt-4o", 1500, 12)
    log = server.call("GET", f"/v5/logs/{record.id}").json()
    assert (log["prompt_tokens"], log["output_tokens"], log["prompt"]["model"]) == (12, 5, "gpt-4o")
    assert server.call("GET", f"/v1/logs/{record.id}").json()["metrics"]["total_units"] == 17
    assert server.call("GET", f"/api/public/v2/requests/{record.seq}").json()["tokens"] == 17
    assert server.call("GET", f"/api/v1/records/{record.id}").json()["usage_input_tokens"] == 12
    assert server.call("GET", "/v5/logs", params={"file_id": record.prompt_id or "logs"}).json()["total"] == 1


# ResponseLog


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400), (b"{", 400), (b"\xff\xfe", 400), (b"[]", 400), (b"null", 400), (b'{"model": NaN}', 400),
        (b'{"model":"m","duration":NaN}', 400), (b'{"model":"m","cost":1e999}', 400), (b"[" * 100_000, 400),
        (b'{"a":' * 300 + b"1" + b"}" * 300, 400), ({}, 400), ({"model": 3}, 400), ({"model": "m", "duration": "1"}, 400),
        ({"model": "m", "duration": True}, 400), ({"model": "m", "cost": "free"}, 400), ({"model": "m", "initiator": {}}, 400),
        ({"model": "m", "metadata": []}, 400), ({"model": "m", "request_data": "x"}, 400), ({"model": "m", "media": []}, 400),
        ({"model": "m", "media": {"request": {}}}, 400), ({"model": "m", "media": {"request": [{"type": "image"}]}}, 400),
        ({"model": "m", "media": {"request": [{"type": "video", "data": "x"}]}}, 400),
        ({"model": "m", "media": {"response": [{"type": "image", "data": "A" * 14_100_000}]}}, 413),
        ({"model": "m", "media": {"response": [{"type": "image", "data": "A" * 13_900_000}]}}, 200),
        (b'{"model":"m","description":"\\ud800"}', 200), ({"model": "m", "duration": None, "cost": 0, "extra": [1]}, 200),
        (b'{"model":"m","request_data":{"big":123456789012345678901234567890,"nul":"\\u0000"}}', 200),
    ],
)  # fmt: skip
def test_responselog_inserts(server: Server, body: Any, status: int) -> None:
    answer = server.call("POST", "/api/logs/insert", body)
    assert answer.status_code == status, answer.text
    assert len(server.rows()) == (1 if status == 200 else 0)
    assert set(answer.json()) >= ({"id", "success"} if status == 200 else {"error"})


def test_responselog_payloads_come_back_exactly(server: Server) -> None:
    data = {"big": 123456789012345678901234567890, "nul": "\u0000", "emoji": "🙂", "float": 0.1, "none": None}
    server.call("POST", "/api/logs/insert", {"model": "m", "request_data": data})
    path = f"/client/v4/accounts/a/ai-gateway/gateways/default/logs/{server.only().id}/request"
    assert server.call("GET", path).json()["result"] == data


def test_responselog_update(server: Server) -> None:
    body = {"model": "gpt-4o", "duration": 2, "metadata": {"a": 1}, "response_data": {"usage": {"prompt_tokens": 1}}}
    record_id = server.call("POST", "/api/logs/insert", body).json()["id"]
    change = {"metadata": {"b": 2}, "cost": 0, "response_data": {"usage": {"prompt_tokens": 7, "completion_tokens": 2}}}
    assert server.call("POST", "/api/logs/update", {"id": record_id, "update_data": change}).json()["success"] is True
    record = server.only()
    assert (record.duration, record.metadata, record.cost, record.custom_cost) == (2, {"b": 2}, 0, True)
    assert (record.usage_input_tokens, record.usage_output_tokens) == (7, 2)
    assert server.call("POST", "/api/logs/update", {"id": record_id, "update_data": {}}).status_code == 200
    for bad in (
        {"id": record_id},
        {"update_data": {}},
        {"id": record_id, "update_data": {"duration": "x"}},
        {"id": True, "update_data": {}},
    ):
        assert server.call("POST", "/api/logs/update", bad).status_code == 400
    for unknown in ("x" * 100_000, "../..", 18126913807647771390, "' OR 1=1"):
        assert server.call("POST", "/api/logs/update", {"id": unknown, "update_data": {}}).status_code == 404
    assert server.call("GET", "/api/logs/insert").status_code == 405
    assert "error" in server.call("GET", "/api/logs/insert").json()
    assert server.only().duration == 2


# Portkey


@pytest.mark.parametrize(
    ("body", "status", "rows"),
    [
        ([], 200, 0), ({"request": {}, "response": {}}, 200, 1), ([{"request": {}, "response": {}}] * 3, 200, 3),
        ({"request": {}}, 400, 0), ({"request": [], "response": {}}, 400, 0), ([{"request": {}, "response": {}}, {}], 400, 0),
        ({"request": {}, "response": {"status": "200"}}, 400, 0), ({"request": {}, "response": {}, "metadata": []}, 400, 0),
        ({"request": {}, "response": {"response_time": "0012"}}, 200, 1), ({"request": {}, "response": {"response_time": "x"}}, 400, 0),
        ("text", 400, 0), (b"", 400, 0),
    ],
)  # fmt: skip
def test_portkey_logs(server: Server, body: Any, status: int, rows: int) -> None:
    answer = server.call("POST", "/v1/logs", body, key=None, headers={"x-portkey-api-key": KEY})
    assert (answer.status_code, len(server.rows())) == (status, rows), answer.text
    if status == 200:
        assert answer.json() == {"status": "success", "ids": [record.id for record in server.rows()]}
    else:
        assert answer.json()["data"]["errorCode"] == "AB01"
        assert answer.json()["success"] is False


def test_portkey_headers_fill_gaps(server: Server) -> None:
    headers = {
        "x-portkey-trace-id": "from-header",
        "x-portkey-metadata": '{"_user": "u", "k": "h"}',
        "x-portkey-provider": "groq",
    }
    body = {
        "request": {"body": {"model": "m"}},
        "response": {"body": {}},
        "metadata": {"k": "b", "spanId": 18126913807647771390},
    }
    server.call("POST", "/v1/logs", body, headers=headers)
    record = server.only()
    assert (record.trace_id, record.user, record.provider_name) == ("from-header", "u", "groq")
    assert (record.metadata["k"], record.span_id) == ("b", "18126913807647771390")


# Humanloop


def test_humanloop_shapes(server: Server) -> None:
    missing = server.call("POST", "/v5/prompts/log", {"output": "x"})
    assert missing.status_code == 422
    assert missing.json()["detail"][0]["loc"] == ["body", "path"]
    assert server.call("POST", "/v5/prompts/log", {"path": "a", "prompt_tokens": "1"}).json()["detail"][0]["loc"] == [
        "body",
        "prompt_tokens",
    ]
    assert server.call("GET", "/v5/logs").status_code == 422
    assert server.call("DELETE", "/v5/logs").status_code == 422
    made = server.call(
        "POST", "/v5/prompts/log", {"path": "a", "log_id": "mine", "output": "x", "prompt_tokens": 0}
    ).json()
    path = f"/v5/prompts/{made['prompt_id']}/log/mine"
    before = server.call("GET", "/v5/logs/mine").json()
    assert server.call("PATCH", path, {"created_at": "yesterday"}).status_code == 422
    assert server.call("PATCH", path, {"messages": [{"role": "robot"}]}).status_code == 422
    assert server.call("PATCH", "/v5/prompts/other/log/mine", {"output": "y"}).status_code == 404
    assert server.call("GET", "/v5/logs/mine").json() == before
    cleared = server.call("PATCH", path, {"output": None, "metadata": {"x": 1}, "inputs": {}, "error": ""}).json()
    assert (cleared["output"], cleared["metadata"], cleared["inputs"], cleared["error"]) == (None, {"x": 1}, {}, "")
    assert cleared["prompt_tokens"] == 0
    again = server.call("POST", "/v5/prompts/log", {"path": "a", "log_id": "mine", "output": "z"})
    assert again.status_code == 200
    assert server.call("GET", "/v5/logs/mine").json()["output"] == "z"
    assert len(server.rows()) == 1
    listed = server.call("GET", "/v5/logs", params={"file_id": made["prompt_id"], "page": 2}).json()
    assert (listed["records"], listed["total"]) == ([], 1)


# Cloudflare

LOGS = "/client/v4/accounts/a/ai-gateway/gateways/default/logs"


def fill(server: Server) -> list[str]:
    records = [
        Record(id=f"r{n}", created_at=START + timedelta(hours=n), request_model=["gpt-4o", "claude%"][n % 2],
               provider_name=["openai", "anthropic"][n % 2], cost=n / 10, duration=n / 2, usage_input_tokens=n or None,
               usage_output_tokens=n, status="error" if n == 3 else "ok", metadata={"n": n, "tier": "gold" if n else "x_y"})
        for n in range(5)
    ]  # fmt: skip
    server.store.write(records)
    return [record.id for record in records]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ([("search", "X_Y")], "0"), ([("search", "%")], ""), ([("model", "claude%")], "13"), ([("success", "false")], "3"),
        ([("min_cost", "0.2"), ("max_cost", "0.3")], "23"), ([("min_duration", "1500")], "34"), ([("max_total_tokens", "2")], "01"),
        ([("start_date", "2026-01-02T06:00:00Z")], "34"), ([("end_date", "2026-01-02T04:04:05.25+00:00")], "01"),
        ([("filters.key", "model"), ("filters.operator", "contains"), ("filters.value", "%")], "13"),
        ([("filters.key", "id"), ("filters.operator", "neq"), ("filters.value", "r1"), ("filters.value", "r2")], "034"),
        ([("filters.key", "cost"), ("filters.key", "success"), ("filters.operator", "gt"), ("filters.operator", "eq"),
          ("filters.value", "0.1"), ("filters.value", "true")], "24"),
        ([("filters[0][key]", "metadata.key"), ("filters[0][operator]", "eq"), ("filters[0][value][0]", "n")], "01234"),
        ([("filters", '[{"key":"metadata.value","operator":"eq","value":["gold"]},{"key":"tokens_in","operator":"lt","value":[3]}]')], "12"),
        ([("filters", '[{"key":"tokens","operator":"gt","value":[5]}]')], "34"),
        ([("filters", '[{"key":"duration","operator":"gt","value":[1000]}]')], "34"),
        ([("filters", '[{"key":"dlp_action","operator":"eq","value":["x"]}]')], ""),
        ([("filters", '[{"key":"created_at","operator":"gt","value":["2026-01-02T05:30:00Z"]}]')], "34"),
        ([("order_by", "cost"), ("per_page", "2")], "34"), ([("page", "99")], ""),
    ],
)  # fmt: skip
def test_cloudflare_lists(server: Server, query: list[tuple[str, str]], found: str) -> None:
    fill(server)
    answer = server.call("GET", LOGS, params=query)
    assert answer.status_code == 200, answer.text
    assert "".join(sorted(row["id"][1] for row in answer.json()["result"])) == found


@pytest.mark.parametrize(
    "query",
    [
        "page=0", "page=x", "per_page=0", "per_page=-1", "per_page=1e9", "order_by=nonsense", "order_by_direction=up",
        "success=maybe", "min_cost=cheap", "start_date=soon", "filters.key=cost", "filters.key=x&filters.operator=eq&filters.value=1",
        "filters.key=cost&filters.operator=like&filters.value=1", "filters.key=cost&filters.operator=gt&filters.value=dear",
        "filters=[", "filters=3", "filters[0][key]=cost", "filters[x]=1", "filters.key=cost&filters.key=id&filters.operator=eq&filters.operator=eq&filters.value=1",
        "filters.key=cost&filters.operator=gt&filters.value=NaN", "meta_info=perhaps",
    ],
)  # fmt: skip
def test_cloudflare_refuses(server: Server, query: str) -> None:
    fill(server)
    for method in ("GET", "DELETE") if query.startswith(("filters", "order")) else ("GET",):
        answer = server.call(method, f"{LOGS}?{query}")
        assert answer.status_code == 400, (method, answer.text)
        assert answer.json()["success"] is False
        assert answer.json()["errors"][0]["message"]
    assert len(server.rows()) == 5


def test_cloudflare_pages_details_and_changes(server: Server) -> None:
    fill(server)
    info = server.call("GET", LOGS, params={"per_page": 2, "meta_info": "true"}).json()["result_info"]
    assert (info["count"], info["total_count"], info["max_cost"], info["max_duration"], info["min_tokens_in"]) == (
        2,
        5,
        0.4,
        2000,
        1,
    )
    detail = server.call("GET", f"{LOGS}/r1").json()["result"]
    assert (detail["tokens_in"], detail["request_head"], detail["request_head_complete"]) == (1, "", True)
    assert server.call("GET", f"{LOGS}/r1/request").json()["result"] == {}
    for bad in ({"feedback": 2}, {"score": -1}, {"metadata": {"a": []}}, {"feedback": "1"}, []):
        assert server.call("PATCH", f"{LOGS}/r1", bad).status_code == 400
    assert server.call("PATCH", f"{LOGS}/r1", {"feedback": 1, "score": 0}).json()["result"] == {}
    assert server.call("PATCH", f"{LOGS}/r1", {"feedback": None}).status_code == 200
    record = server.store.get("r1")
    assert record is not None
    assert (record.feedback, record.score) == (None, 0)
    assert server.call("DELETE", LOGS, params={"limit": 2, "order_by_direction": "asc"}).json()["success"] is True
    assert [record.id for record in server.rows()] == ["r2", "r3", "r4"]
    assert (
        server.call("GET", "http://testserver//client/v4/accounts/a/ai-gateway/gateways/default/logs").status_code
        == 200
    )
    assert server.call("GET", "/accounts/a/ai-gateway/gateways/default/logs").json()["result_info"]["total_count"] == 3
    assert server.call("GET", "/client/v4/accounts/a/ai-gateway/gateways").json()["result"][0]["id"] == "default"


# PromptLayer

LOG = {"provider": "openai", "model": "gpt-4o", "input": {"type": "chat", "messages": []},
       "output": {"type": "completion", "content": []}, "request_start_time": "2026-01-02T03:04:05",
       "request_end_time": "2026-01-02T04:04:06.5+01:00"}  # fmt: skip


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({}, 201), ({"score": 101}, 422), ({"provider": None}, 422), ({"input": {"type": "poem"}}, 422),
        ({"input": {"type": "chat"}}, 422), ({"request_start_time": "soon"}, 422), ({"input_tokens": -1}, 422),
        ({"price": "free"}, 422), ({"metadata": {"a": 1}}, 422), ({"tags": ["x" * 513]}, 422), ({"status": "FINE"}, 422),
        ({"error_type": "SOME"}, 422), ({"prompt_version_number": 0}, 422), ({"error_message": "x" * 1025}, 422),
        ({"status": "WARNING", "score": 0, "unknown": 1}, 201), ({"request_start_time": 1e300}, 422), ({"model": 3}, 422),
    ],
)  # fmt: skip
def test_promptlayer_log_requests(server: Server, change: dict[str, Any], status: int) -> None:
    answer = server.call("POST", "/log-request", {**LOG, **change})
    assert answer.status_code == status, answer.text
    if status == 201:
        assert answer.json()["id"] == answer.json()["request_id"] == server.only().seq
        assert server.only().duration == 1.5
    else:
        assert server.rows() == []
        assert answer.json()["message"]


def test_promptlayer_search_spans_and_keys_in_bodies(server: Server) -> None:
    for number in range(3):
        server.call("POST", "/log-request", {**LOG, "price": number, "tags": ["t"]})
    found = server.call("POST", "/api/public/v2/requests/search", {"sort_by": "price", "per_page": 2}).json()
    assert ([item["price"] for item in found["items"]], found["total"], found["next_num"]) == ([2, 1], 3, 2)
    span = {"name": "s", "context": {"trace_id": "t", "span_id": "s1"}, "start_time": 1767323045250000000,
            "end_time": 1767323046750000000, "log_request": {k: v for k, v in LOG.items() if "time" not in k}}  # fmt: skip
    answer = server.call("POST", "/spans-bulk", {"spans": [span]})
    assert (answer.status_code, len(answer.json()["request_logs"])) == (201, 1)
    assert server.call("POST", "/spans-bulk", {"spans": [span, {"name": "bad"}]}).status_code == 400
    assert len(server.rows()) == 5
    first = server.rows()[0].seq
    body = {"request_id": first, "metadata": {"a": "b"}, "api_key": KEY}
    assert server.call("POST", "/library-track-metadata", body, key=None).status_code == 200
    assert server.call("POST", "/library-track-metadata", {**body, "api_key": "no"}, key=None).status_code == 401
    assert server.call("POST", "/library-track-score", {"request_id": first, "score": 101}).status_code == 400
    assert server.call("POST", "/rest/track-score", {"request_id": str(first), "score": 7}).status_code == 200
    assert server.rows()[0].scores == {"default": 7}


# Round trips

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


@settings(deadline=None)
@given(st.lists(RECORDS, max_size=3))
def test_native_round_trip(records: list[Record]) -> None:
    assert native.decode_batch(native.encode_batch(records), native.MSGPACK) == records


@settings(deadline=None)
@given(RECORDS)
def test_responselog_round_trip(record: Record) -> None:
    body = json.loads(responselog.encode_request([record]).body)
    back = responselog.decode_insert(body)
    assert (back.request_model, back.user, back.duration, back.metadata) == (
        record.request_model, record.user, record.duration, record.metadata,
    )  # fmt: skip
    assert (back.request_body and json.loads(back.request_body)) == (
        record.request_body and json.loads(record.request_body)
    )


@settings(deadline=None)
@given(RECORDS)
def test_portkey_round_trip(record: Record) -> None:
    body = json.loads(portkey.encode_request([record]).body)
    (back,) = portkey.decode_logs(json.dumps(body).encode(), {})
    assert (back.user, back.name and record.name) == (record.user, record.name)
    assert back.duration == pytest.approx(record.duration)


@settings(deadline=None)
@given(RECORDS)
def test_humanloop_round_trip(record: Record) -> None:
    body = json.loads(humanloop.encode_request([record]).body)
    back = humanloop.decode_log("prompt", body, "default", lambda _: None)
    for field in ("id", "user", "duration", "usage_input_tokens", "usage_output_tokens", "created_at", "request_model"):
        assert getattr(back, field) == getattr(record, field)


@settings(deadline=None)
@given(RECORDS)
def test_promptlayer_round_trip(record: Record) -> None:
    body = json.loads(promptlayer.encode_request([record]).body)
    back = promptlayer.decode_log_request(body)
    assert (back.request_model, back.metadata) == (
        record.request_model,
        {k[:1024]: v for k, v in record.metadata.items()},
    )
    assert (back.usage_input_tokens, back.usage_output_tokens) == (
        record.usage_input_tokens,
        record.usage_output_tokens,
    )


@settings(deadline=None)
@given(RECORDS)
def test_otlp_round_trip(record: Record) -> None:
    body = json.loads(otlp.encode_request([record]).body)
    (back,) = otlp.decode_traces(body, base64_ids=False)
    for field in ("user", "usage_input_tokens", "usage_output_tokens", "metadata", "request_model"):
        assert getattr(back, field) == getattr(record, field), field


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["request", "response", "metadata", "model", "id", "path", "input", "output", "type", "messages",
                         "resourceSpans", "scopeSpans", "spans", "attributes", "status", "body", "usage", "choices"]),
        inner, max_size=4),
    max_leaves=15,
)  # fmt: skip


@settings(deadline=None, max_examples=200)
@given(JUNK)
def test_whatever_comes_is_decoded_or_refused(value: Any) -> None:
    data = json.dumps(value).encode()
    body = value if isinstance(value, dict) else {}
    for decode in (
        lambda: portkey.decode_logs(data, {}),
        lambda: responselog.decode_insert(body),
        lambda: responselog.decode_update(body),
        lambda: humanloop.decode_log("prompt", body, "p", lambda _: None),
        lambda: humanloop.decode_update(body),
        lambda: promptlayer.decode_log_request(body),
        lambda: promptlayer.decode_track_request(body),
        lambda: promptlayer.decode_spans(body),
        lambda: otlp.decode_traces(body, base64_ids=False),
        lambda: native.decode_batch(data, "application/json"),
        lambda: cloudflare.decode_filters([("filters", data.decode())]),
    ):
        try:
            decode()  # type: ignore[no-untyped-call]
        except Fault as fault:
            assert 400 <= fault.status < 500  # noqa: PT017 - being decoded is as good


# Found in review


def test_a_change_in_one_dialect_keeps_what_another_gave(server: Server) -> None:
    given = {"model": "gpt-4o", "request_data": BODY, "response_data": ANSWER}
    record_id = server.call("POST", "/api/logs/insert", given).json()["id"]
    assert server.call("PATCH", f"/v5/flows/logs/{record_id}", {"metadata": {}}).status_code == 404
    changed = server.call("PATCH", f"/v5/prompts/logs/log/{record_id}", {"metadata": {"z": 1}})
    assert (changed.status_code, changed.json()["metadata"], changed.json()["prompt_tokens"]) == (200, {"z": 1}, 12)
    assert json.loads(server.only().response_body or b"") == ANSWER
    logged = server.call("POST", "/log-request", {**LOG, "input_tokens": 12}).json()["id"]
    text_id = server.rows()[1].id
    server.call("POST", "/api/logs/update", {"id": text_id, "update_data": {"metadata": {"a": 1}}})
    server.call("POST", "/api/logs/update", {"id": text_id, "update_data": {"response_data": {"x": 1}}})
    assert server.call("GET", f"/api/public/v2/requests/{logged}").json()["input_tokens"] == 12


def test_new_bodies_take_back_what_old_ones_said(server: Server) -> None:
    bad = {"model": "gpt-4o", "response_data": {"error": {"message": "boom", "type": "server_error"}}}
    record_id = server.call("POST", "/api/logs/insert", bad).json()["id"]
    assert server.only().status == "error"
    change = {"model": "claude-sonnet-5", "response_data": {"usage": {"prompt_tokens": 1}}}
    server.call("POST", "/api/logs/update", {"id": record_id, "update_data": change})
    record = server.only()
    assert (record.status, record.error_message, record.provider_name) == ("ok", None, "anthropic")
    made = server.call(
        "POST",
        "/v5/prompts/log",
        {"path": "a", "start_time": "2026-01-02T03:04:05Z", "end_time": "2026-01-02T03:04:06Z"},
    ).json()
    path = f"/v5/prompts/{made['prompt_id']}/log/{made['id']}"
    assert server.call("PATCH", path, {"end_time": "2026-01-02T03:04:09Z"}).json()["provider_latency"] == 4.0


@pytest.mark.parametrize(
    ("method", "path", "body", "statuses"),
    [
        ("POST", "/v1/logs", {"request": {}, "response": {"response_time": "inf"}}, {400}),
        ("POST", "/v1/logs", b'{"request":{},"response":{"response_time":1' + b"0" * 400 + b"}}", {400}),
        ("POST", "/v1/logs", {"request": {"url": "http://["}, "response": {}}, {200}),
        ("POST", "/v1/logs", {"request": {}, "response": {"response_time": None, "time": 100}}, {200}),
        ("POST", "/api/logs/insert", {"model": "m", "duration": 1e308}, {400}),
        ("POST", "/api/logs/insert", {"model": "m", "response_data": {"usage": {"prompt_tokens": 2**63}}}, {200}),
        ("POST", "/api/logs/update", {"id": "\ud800", "update_data": {}}, {404}),
        ("POST", "/v5/prompts/log", {"path": "a", "provider_latency": 1e308}, {422}),
        ("POST", "/v5/prompts/log", {"path": "a", "prompt_tokens": 2**63}, {422}),
        ("POST", "/v5/prompts/log", {"path": "a", "log_id": "\ud800", "trace_parent_id": "\ud800"}, {200, 422}),
        ("POST", "/log-request", {**LOG, "input_tokens": 2**63}, {422}),
        ("POST", "/log-request", {**LOG, "request_end_time": "2020-01-01T00:00:00"}, {201}),
        ("POST", "/rest/track-score", {"request_id": "\ud800", "score": 1}, {404}),
        ("POST", "/v1/feedback", {"trace_id": "\ud800", "value": 1}, {200}),
        ("POST", "/api/public/v2/requests/search", {"filter_group": {"logic": [], "filters": 5}}, {400}),
        ("POST", "/api/public/v2/requests/search", {"filter_group": {"filters": [{"field": "id", "operator": "is", "value": 2**70}]}}, {200}),
        ("POST", "/v1/traces", {"resourceSpans": [{"scopeSpans": [{"spans": [{"traceId": "a" * 32, "spanId": "b" * 16, "events": 5,
                                "status": {"code": 2, "message": {}}}]}]}]}, {200, 400}),
        ("GET", LOGS + "?filters=" + json.dumps([{"key": "cost", "operator": "gt", "value": [10**400]}]), None, {400}),
        ("GET", LOGS + "?filters=" + json.dumps([{"key": "model", "operator": "contains", "value": ["\ud800"]}]), None, {200}),
        ("GET", LOGS + "?filters=" + json.dumps([{"key": "model", "operator": "eq", "value": ["x"] * 1500}]), None, {200}),
        ("DELETE", "/v5/logs?" + "&".join(f"id={n}" for n in range(1100)), None, {204}),
        ("GET", "/v5/logs?file_id=logs&" + "&".join(f"id={n}" for n in range(1100)), None, {200}),
        ("DELETE", LOGS + "?model=zzz", None, {400}),
    ],
)  # fmt: skip
def test_hostile_input(server: Server, method: str, path: str, body: Any, statuses: set[int]) -> None:
    answer = server.call(method, path, body)
    assert answer.status_code in statuses, answer.text
    for read in (LOGS, "/v5/logs?file_id=logs", "/api/v1/records"):
        assert server.call("GET", read).status_code == 200
    assert server.call("POST", "/api/public/v2/requests/search", {}).status_code == 200


def test_portkey_body_wins_over_headers(server: Server) -> None:
    headers = {
        "x-portkey-trace-id": "hdr",
        "x-portkey-metadata": '{"_user": "hdr", "c": "é"}'.encode().decode("latin-1"),
    }
    body = json.dumps({"request": {}, "response": {}, "metadata": {"trace_id": "body", "user": "body"}}).encode()
    raw = [(k.encode(), v.encode("latin-1")) for k, v in {**headers, "x-api-key": KEY}.items()]
    assert server.client.post("/v1/logs", content=body, headers=raw).status_code == 200
    record = server.only()
    assert (record.trace_id, record.user, record.metadata["c"]) == ("body", "body", "é")


def test_smaller_rules(server: Server, tmp_path: Path) -> None:
    image = base64.encodebytes(b"x" * 10 * 1024 * 1024).decode()
    media = {"request": [{"type": "image", "data": image}]}
    assert server.call("POST", "/api/logs/insert", {"model": "m", "media": media}).status_code == 200
    assert server.call("POST", "/track-request", b"garbage{", key=None).status_code == 401
    assert server.call("GET", "/log-request").json() == {"success": False, "message": "GET is not for this path"}
    text = "---\nmodel: gpt-4o\nprovider: openai\n---\n<system>Hi</system>"
    made = server.call(
        "POST", "/v5/prompts/log", {"path": "p", "prompt": text, "save": True, "output": "Straße"}
    ).json()
    log = server.call("GET", f"/v5/logs/{made['id']}").json()
    assert (log["prompt"]["model"], log["save"]) == ("gpt-4o", True)
    found = server.call("GET", "/v5/logs", params={"file_id": made["prompt_id"], "search": "STRASSE"}).json()
    assert found["total"] == 1
    server.call("DELETE", "/v5/logs", params={"id": made["id"]})
    assert server.call("POST", "/v5/prompts/log", {"id": made["prompt_id"], "output": "again"}).status_code == 200
    server.call("POST", "/api/logs/insert", {"model": "m", "metadata": {"k": "É"}})
    assert server.call("GET", LOGS, params={"search": "é"}).json()["result_info"]["total_count"] == 1
    tokens = json.dumps([{"key": "tokens", "operator": "lt", "value": [5]}])
    assert server.call("GET", LOGS, params={"filters": tokens}).json()["result"] == []


def test_deleting_everything_can_be_forbidden(tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path}/s.db")
    with TestClient(create_app(store, api_key=KEY, limits=Limits(delete_all=False))) as client:  # type: ignore[arg-type]
        server = Server(client, store)
        fill(server)
        assert server.call("DELETE", LOGS).status_code == 400
        assert server.call("DELETE", LOGS, params={"limit": 1}).status_code == 400
        assert len(server.rows()) == 5
