"""The contract of every dialect: its name, its requests, its routes, and its responses to hostile input."""

from __future__ import annotations

import base64
import contextlib
import json
import re
import time
from pathlib import Path
from typing import Any

import pytest
from conftest import SHARED
from dialects.samples import (
    ANSWER,
    BODY,
    KEY,
    LOG,
    LOGS,
    REQUESTS,
    START,
    Sample,
    Server,
    described,
)
from engines import every_store
from hypothesis import given, settings, strategies as st

import autolog
from autolog import dialects
from autolog._record.record import Record
from autolog.dialects import cloudflare, humanloop, langfuse, native, otlp, portkey, promptlayer, responselog
from autolog.dialects._fault import Fault
from autolog.server._call import Route
from autolog.server._keys import create_key
from autolog.server.app import ROUTES, _dialect_at

REFERENCE = Path(__file__).parents[2] / "autolog" / "REFERENCE.md"


@pytest.mark.parametrize("name", dialects.NAMES)
def test_a_dialect_is_called_like_its_module(name: str) -> None:
    assert dialects.get(name).name == name


@pytest.mark.parametrize("name", dialects.shipping())
def test_a_shipping_dialect_makes_one_request_of_its_records(name: str) -> None:
    dialect = dialects.get_shipping(name)
    count = 3 if dialect.batches else 1
    request = dialect.encode_request([Record(id=f"r{number}") for number in range(count)])
    assert request.method == "POST"
    assert request.path.startswith("/")
    assert request.headers["content-type"]
    assert isinstance(request.body, bytes)


def test_a_name_that_is_none_is_refused_with_those_there_are() -> None:
    with pytest.raises(LookupError, match=r"'nonsense' is not one of native, otlp, .*promptlayer$"):
        dialects.get("nonsense")


def test_a_vendor_that_takes_no_logs_says_why() -> None:
    with pytest.raises(LookupError, match="no call to insert logs; choose one of native"):
        dialects.get_shipping("cloudflare")
    with pytest.raises(autolog.errors.ConfigError, match="no call to insert logs"):
        autolog.configure(endpoint="http://127.0.0.1:9", dialect="cloudflare")


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.path}")
def test_an_unknown_path_beside_a_route_gets_the_error_of_its_dialect(route: object) -> None:
    assert _dialect_at(route.path) is route.dialect  # type: ignore[attr-defined]


def test_an_unknown_path_elsewhere_gets_our_own_error() -> None:
    assert _dialect_at("/nothing/here").encode_fault(Fault(404, "x")) == {"error": {"message": "x"}}


def test_the_readme_names_every_dialect_that_ships() -> None:
    row = next(line for line in REFERENCE.read_text().splitlines() if line.startswith("| `dialect`"))
    assert [name for name in dialects.shipping() if f"`{name}`" not in row] == []


FOLDER = SHARED / "dialects"
CAPTURED = sorted(FOLDER.glob("*/*.json"))

# Requests of every vendor's clients


@pytest.mark.parametrize("sample", REQUESTS, ids=lambda sample: sample.name)
def test_a_request_is_answered_with_its_key_and_refused_without(server: Server, sample: Sample) -> None:
    answer = sample.send(server, KEY)
    assert answer.status_code == sample.status, answer.text
    assert answer.headers["content-type"]
    assert sample.send(server, "wrong").status_code == 401


#: The status of each captured request on an empty store, if not 200; ids are examples, so requests for a log get 404.
STATUSES = {
    "cloudflare/list-filters-ambiguous": 400,
    "humanloop/logs-delete-many": 204,
    "humanloop/logs-delete-one": 204,
    "promptlayer/track-prompt-async-sdk-misordered": 400,
    **{f"promptlayer/log-request-{name}": 201 for name in ("completion-template", "error", "full", "minimal",
                                                           "rest-iso-times", "tool-call")},
    **dict.fromkeys(("cloudflare/get", "cloudflare/get-request", "cloudflare/get-response", "cloudflare/patch-all", "cloudflare/patch-empty", "cloudflare/patch-nulls", "humanloop/evaluators-log", "humanloop/flows-update-log", "humanloop/logs-get", "humanloop/prompts-log-error-existing-prompt", "humanloop/update-log", "humanloop/update-log-explicit-nulls", "humanloop/update-log-no-fields-empty-body", "portkey/export-cancel", "portkey/export-download", "portkey/export-retrieve", "portkey/export-start", "portkey/feedback-update", "promptlayer/run-get-template", "promptlayer/track-group", "promptlayer/track-metadata", "promptlayer/track-prompt", "promptlayer/track-score", "responselog/update-empty", "responselog/update-partial"), 404),
}  # fmt: skip


@pytest.mark.skipif(not CAPTURED, reason="../shared/dialects is not here")
def test_captured_requests_are_there() -> None:
    assert len(CAPTURED) >= 70


@pytest.mark.parametrize("path", CAPTURED, ids=lambda path: f"{path.parent.name}/{path.stem}")
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

#: The fields that the same call must have in every format, and those that only some formats have.
COMMON = {"request_model": "gpt-4o", "provider_name": "openai", "usage_input_tokens": 12, "usage_output_tokens": 5,
          "duration": 1.5, "status": "ok", "operation_name": "chat", "input_preview": "Where is my order? 🙂",
          "output_preview": "It ships."}  # fmt: skip

#: The prefixes of paths in the base URLs of the vendors' clients.
BASES = {"portkey": "/v1", "humanloop": "/v5"}


def send(server: Server, dialect: str) -> Record:
    request = dialects.get_shipping(dialect).encode_request([described()])
    answer = server.call(request.method, BASES.get(dialect, "") + request.path, request.body, headers=request.headers)
    assert answer.is_success, answer.text
    return server.only()


@every_store
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


# Arbitrary input

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
        lambda: otlp.decode_traces(body),
        lambda: native.decode_batch(data, "application/json"),
        lambda: cloudflare.decode_filters([("filters", data.decode())]),
    ):
        try:
            decode()  # type: ignore[no-untyped-call]
        except Fault as fault:
            assert 400 <= fault.status < 500  # noqa: PT017 - being decoded is as good


@every_store
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
        ("GET", "/v5/logs?file_id=logs&" + "&".join(f"id={n}" for n in range(200)), None, {200}),
        ("DELETE", LOGS + "?model=zzz", None, {400}),
    ],
)  # fmt: skip
def test_hostile_input(server: Server, method: str, path: str, body: Any, statuses: set[int]) -> None:
    answer = server.call(method, path, body)
    assert answer.status_code in statuses, answer.text
    for read in (LOGS, "/v5/logs?file_id=logs", "/api/v1/records"):
        assert server.call("GET", read).status_code == 200
    assert server.call("POST", "/api/public/v2/requests/search", {}).status_code == 200


# Several dialects on one log


@every_store
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


@every_store
def test_new_bodies_take_back_what_old_ones_said(server: Server) -> None:
    bad = {"model": "gpt-4o", "response_data": {"error": {"message": "boom", "type": "server_error"}}}
    record_id = server.call("POST", "/api/logs/insert", bad).json()["id"]
    assert server.only().status == "error"
    change = {"model": "claude-sonnet-5", "response_data": {"usage": {"prompt_tokens": 1}}}
    server.call("POST", "/api/logs/update", {"id": record_id, "update_data": change})
    record = server.only()
    assert (record.status, record.error_message, record.provider_name) == ("ok", None, "anthropic")


# Access rights of keys

SECRET = "nobody who may only write reads this"
BODIES = [None, {}, {"metadata": {}}, {"request_id": 1}, {"request_id": 1, "metadata": {}}, {"request_id": 1, "score": 1},
          {"id": "seen", "update_data": {}}, {"output": None}, {"value": 1}, {"trace_id": "t", "value": 1}, {"path": SECRET[:6]},
          {"path": "p", "log_id": "seen"}, [{"id": "seen"}]]  # fmt: skip


@pytest.mark.parametrize(
    "route",
    [route for route in ROUTES if route.scope == "ingest" and not route.open],
    ids=lambda r: f"{r.method} {r.path}",
)
def test_a_key_that_may_only_write_sees_nothing_of_what_is_kept(server: Server, route: Route) -> None:
    key = create_key(server.store, "in", "default", ["ingest"])
    body = json.dumps({"model": "m", "messages": [{"role": "user", "content": SECRET}]}).encode()
    for body_of in BODIES:
        server.store.write([Record(id="seen", prompt_id="logs", prompt_name="p", trace_id="t", name=SECRET, request_body=body,
                                   response_body=body, metadata={"m": SECRET}, prompt_variables={"v": SECRET})])  # fmt: skip
        path = re.sub(r"\{(gateway_id|account_id)(:path)?\}", "default", route.path)
        path = path.replace("/prompts/{id:path}/", "/prompts/logs/")
        answer = server.call(route.method, re.sub(r"\{[^}]*\}", "seen", path), body_of, key=key)
        assert answer.status_code < 500
        assert SECRET not in answer.text


BIG = 400_000


@pytest.mark.parametrize(
    ("path", "body", "kind"),
    [
        ("/api/v1/records", b"[" + b"{}," * BIG + b"{}]", "application/json"),
        ("/api/v1/records", b"[" + b"1," * BIG + b"1]", "application/json"),
        ("/api/v1/records", b'{"records":[' + b"{}," * BIG + b"{}]}", "application/json"),
        ("/api/v1/records", b"[" + b"{}," * 3 * BIG + b"{}]", "application/json"),
        ("/api/v1/records", b"\xdd" + BIG.to_bytes(4) + b"\x80" * BIG, "application/msgpack"),
        ("/v1/logs", b"[" + b"{}," * BIG + b"{}]", "application/json"),
        ("/v1/feedback", b"[" + b"{}," * BIG + b"{}]", "application/json"),
        ("/spans-bulk", b'{"spans":[' + b"{}," * BIG + b"{}]}", "application/json"),
        ("/v1/traces", b'{"resourceSpans":[{"scopeSpans":[{"spans":[' + b"{}," * BIG + b"{}]}]}]}", "application/json"),
        ("/v1/traces", b'{"resourceSpans":[{"scopeSpans":[{"spans":[' + b"1," * BIG + b"1]}]}]}", "application/json"),
    ],
    ids=["native", "numbers", "envelope", "more", "msgpack", "portkey", "feedback", "promptlayer", "otlp", "no spans"],
)
def test_items_are_counted_before_a_record_is_made_of_each(server: Server, path: str, body: bytes, kind: str) -> None:
    started = time.process_time()
    answer = server.client.post(path, content=body, headers={"x-api-key": KEY, "content-type": kind})
    assert answer.status_code == 413
    assert "more than 10000" in answer.text
    assert time.process_time() - started < 3


def test_json_of_too_many_values_is_refused_unread_and_commas_in_texts_are_none(server: Server) -> None:
    from autolog.dialects._fault import MAX_VALUES, Fault, check_values

    started = time.process_time()
    many = b'{"model":[' + b"[]," * MAX_VALUES + b"[]]}"
    answer = server.client.post("/api/logs/insert", content=many, headers={"x-api-key": KEY})
    assert (answer.status_code, "values" in answer.text) == (413, True)
    check_values(b'{"text": "' + b"a,b[{" * MAX_VALUES + b'"}')
    for hostile in (
        b'"' + b'\\"' * 9_000_000 + b"," * MAX_VALUES,
        b'"",' * MAX_VALUES + b'"',
        b"\\" * 10 + b"," * MAX_VALUES * 2,
    ):
        with contextlib.suppress(Fault):
            check_values(hostile)
    assert time.process_time() - started < 10


#: A streamed response, as it came over the wire.
_STREAM = b"".join(
    b"data: "
    + json.dumps({"object": "chat.completion.chunk", "choices": [{"index": 0, "delta": {"content": text}}]}).encode()
    + b"\n\n"
    for text in ("It is ", "sunny.")
)


@pytest.mark.parametrize("name", ["otlp", "portkey", "humanloop", "promptlayer", "responselog"])
def test_a_streamed_response_is_shipped_assembled(name: str) -> None:
    record = Record(id="a", kind="llm", request_url="https://api.openai.com/v1/chat/completions", response_body=_STREAM,
                    request_body=b'{"model": "gpt-4o", "messages": []}', response_content_type="text/event-stream")  # fmt: skip
    assert b"It is sunny." in (dialects.get_shipping(name).encode_request([record]).body or b"")


def test_a_streamed_response_is_read_back_assembled_from_langfuse() -> None:
    record = Record(id="a", kind="llm", response_body=_STREAM, response_content_type="text/event-stream")
    assert "It is sunny." in json.dumps(langfuse.encode_observation(record)["output"])
