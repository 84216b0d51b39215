"""LangSmith: runs in every form that its clients send, feedback, and what its clients read back.

The library itself runs in `tests/beside/senders/`.
"""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from dialects.samples import KEY, Server
from dialects.test_litellm import PAYLOAD
from engines import every_store

from autolog._record.bodies import FormPart, form_parts
from autolog._record.zstd import zstd
from autolog.dialects import langsmith as dialect
from autolog.dialects._fault import Fault
from autolog.dialects.langsmith import _decode, decode_multipart
from autolog.server.routes import _langsmith_sessions
from autolog.stores.query import Query

ROOT, CALL, TOOL = (f"0190f8a4-0000-7000-8000-00000000000{number}" for number in (1, 2, 3))
USAGE = {"input_tokens": 1000, "output_tokens": 100, "total_tokens": 1100, "input_token_details": {"cache_read": 400}}
AI = {"lc": 1, "type": "constructor", "id": ["langchain", "schema", "messages", "AIMessage"], "kwargs": {
    "content": "One moment.", "type": "ai", "tool_calls": [{"name": "tides", "args": {"at": "Faro"}, "id": "c2", "type": "tool_call"}],
    "response_metadata": {"finish_reason": "tool_calls", "model_name": "gpt-4o-2024-08-06", "service_tier": "default", "id": "chatcmpl-1"},
    "usage_metadata": USAGE}}  # fmt: skip
HUMAN = {
    "lc": 1,
    "type": "constructor",
    "id": ["langchain", "schema", "messages", "HumanMessage"],
    "kwargs": {"content": "Weather?", "type": "human"},
}


def run(run_id: str, run_type: str, **more: Any) -> dict[str, Any]:
    return {"id": run_id, "trace_id": ROOT, "run_type": run_type, "name": run_type, "start_time": "2026-01-02T03:04:05+00:00",
            "session_name": "shop", "dotted_order": "x", **more}  # fmt: skip


STARTED = run(CALL, "llm", parent_run_id=ROOT, tags=["t"], inputs={"messages": [[HUMAN]]},
              extra={"metadata": {"ls_provider": "openai", "ls_model_name": "gpt-4o", "thread_id": "s-1", "user_id": "u-1", "plan": "gold"},
                     "invocation_params": {"model": "gpt-4o", "temperature": 0, "_type": "openai-chat"}})  # fmt: skip
ENDED = {
    "id": CALL,
    "trace_id": ROOT,
    "end_time": "2026-01-02T03:04:06.5+00:00",
    "outputs": {"generations": [[{"text": "One moment.", "message": AI}]]},
}
FAILED = run(
    TOOL,
    "tool",
    parent_run_id=ROOT,
    end_time="2026-01-02T03:04:07Z",
    inputs={"x": 1},
    error="ValueError('boom')Traceback ...",
)


def form(parts: dict[str, Any]) -> tuple[bytes, dict[str, str]]:
    fields = b"".join(
        b'--b\r\nContent-Disposition: form-data; name="%s"\r\nContent-Type: application/json\r\n\r\n%s\r\n'
        % (name.encode(), value if isinstance(value, bytes) else json.dumps(value).encode())
        for name, value in parts.items()
    )
    return fields + b"--b--\r\n", {"content-type": "multipart/form-data; boundary=b"}


PART = '--b\r\nContent-Disposition: form-data; name="{}"\r\n\r\n{{}}\r\n'


def check(server: Server) -> None:
    record = server.store.get(CALL)
    assert record is not None
    assert (record.kind, record.provider_name, record.request_model, record.response_model) == (
        "llm",
        "openai",
        "gpt-4o",
        "gpt-4o-2024-08-06",
    )
    assert (record.trace_id, record.parent_span_id, record.session, record.user, record.tags) == (
        ROOT,
        ROOT,
        "s-1",
        "u-1",
        ["t"],
    )
    assert (record.usage_input_tokens, record.usage_cache_read_input_tokens, record.usage_output_tokens) == (
        1000,
        400,
        100,
    )
    assert (record.input_preview, record.output_preview, record.duration) == ("Weather?", "One moment.", 1.5)
    assert [call["name"] for call in record.tool_calls or []] == ["tides"]
    assert (record.response_finish_reasons, record.response_id) == (["tool_calls"], "chatcmpl-1")
    assert record.cost == pytest.approx((600 * 2.5 + 400 * 1.25 + 100 * 10) / 1e6)
    assert record.metadata == {"thread_id": "s-1", "user_id": "u-1", "plan": "gold"}
    assert json.loads(record.request_body or b"")["temperature"] == 0


@pytest.mark.parametrize("base", ["", "/langsmith", "/api/v1"])
def test_a_run_that_is_posted_and_patched_is_one_record(server: Server, base: str) -> None:
    assert server.call("POST", base + "/runs", STARTED).status_code == 202
    assert server.only().duration is None
    assert server.call("PATCH", f"{base}/runs/{CALL}", ENDED).status_code == 202
    assert len(server.rows()) == 1
    check(server)


def test_a_batch_may_hold_both_or_one_after_the_other(server: Server) -> None:
    assert (
        server.call("POST", "/runs/batch", {"post": [STARTED, run(ROOT, "chain")], "patch": [ENDED]}).status_code == 202
    )
    check(server)
    server.call(
        "POST",
        "/runs/batch",
        {"post": [], "patch": [{"id": ROOT, "end_time": "2026-01-02T03:04:09Z", "outputs": {"a": 1}}]},
    )
    root = server.store.get(ROOT)
    assert root is not None
    assert (root.kind, root.duration, json.loads(root.response_body or b"")) == ("chain", 4.0, {"a": 1})


@pytest.mark.parametrize("coding", [None, "zstd"])
def test_a_form_brings_runs_in_parts_feedback_and_attachments(server: Server, coding: str | None) -> None:
    whole = {**STARTED, **ENDED}
    parts = {f"post.{CALL}": {key: value for key, value in whole.items() if key not in {"inputs", "outputs", "extra"}},
             **{f"post.{CALL}.{key}": whole[key] for key in ("inputs", "outputs", "extra")},
             f"post.{TOOL}": FAILED, f"attachment.{TOOL}.shot": b"\x89PNG", "feedback.f1": {"run_id": CALL, "key": "tone", "score": 0.5, "comment": "ok"}}  # fmt: skip
    body, headers = form(parts)
    if coding:
        body, headers = zstd.compress(body), {**headers, "content-encoding": coding}
    answer = server.call("POST", "/langsmith/runs/multipart", body, headers=headers)
    assert (answer.status_code, answer.json()["rejected"]) == (202, 0)
    check(server)
    tool = server.store.get(TOOL)
    assert tool is not None
    assert (tool.kind, tool.status, tool.error_type) == ("tool", "error", "ValueError")
    assert tool.extra["run"]["attachments"]["shot"]["size"] == 4
    call = server.store.get(CALL)
    assert call is not None
    assert call.scores == {"tone": {"value": 0.5, "comment": "ok"}}


def test_one_bad_run_costs_that_run(server: Server) -> None:
    body, headers = form(
        {f"post.{CALL}": {**STARTED, **ENDED}, f"post.{TOOL}": b"{", f"post.{TOOL}.inputs": {}, "nonsense": {}}
    )
    answer = server.call("POST", "/runs/multipart", body, headers=headers)
    assert (answer.status_code, answer.json()["rejected"]) == (202, 2)
    assert [record.id for record in server.rows()] == [CALL]
    answer = server.call(
        "POST", "/runs/batch", {"post": [run(TOOL, "tool", start_time="soon"), 5, {"id": 7}, run(ROOT, "chain")]}
    )
    assert (answer.status_code, answer.json()["rejected"]) == (202, 3)


@pytest.mark.parametrize(
    ("path", "body"),
    [("/runs", {}), ("/runs", {"id": ""}), ("/runs/batch", {"post": 5}), ("/runs/multipart", {"a": 1}), ("/feedback", {"key": "x"}),
     ("/feedback", {"run_id": CALL}), ("/runs/query", {"filter": "nonsense"}), ("/runs/query", {"tree_filter": "like(name, 1)"}), ("/runs/query", {"reference_example": 5}),
     ("/runs/query", {"cursor": "x"}), ("/runs/query", {"session": 5}), ("/sessions", {})],
)  # fmt: skip
def test_what_cannot_be_read_is_refused_with_a_reason(server: Server, path: str, body: Any) -> None:
    answer = server.call("POST", path, body)
    assert (answer.status_code, bool(answer.json()["detail"])) == (422, True)
    assert server.rows() == []


def test_what_is_of_a_wrong_shape_costs_itself(server: Server) -> None:
    shapes = (
        {"tags": 5},
        {"extra": [1]},
        {"inputs": [1]},
        {"outputs": 5},
        {"attachments": 5},
        {"error": [1]},
        {"start_time": [1]},
    )
    for place, wrong in enumerate(shapes):
        bad = {**run(f"0190f8a4-0000-7000-8000-00000000010{place}", "llm"), **wrong}
        assert server.call("POST", "/runs/batch", {"post": [run(ROOT, "chain"), bad]}).status_code == 202, wrong
    body, headers = form({"feedback.1": {}, "feedback.2": 5, f"post.{CALL}": STARTED})
    answer = server.call("POST", "/runs/multipart", body, headers=headers)
    assert (answer.status_code, answer.json()["rejected"]) == (202, 2)
    assert {ROOT, CALL} <= {record.id for record in server.rows()}


def test_responses_of_wrapped_sdks_and_plain_outputs_are_read(server: Server) -> None:
    wrapped = {
        "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "One moment."}}],
        "usage_metadata": USAGE,
    }
    shapes = [wrapped, {"role": "assistant", "content": "One moment."}, {"messages": [{"role": "assistant", "content": "One moment."}]},
              {"output": "One moment."}, {"generations": [{"text": "One moment."}]}, {"content": [{"type": "text", "text": "One moment."}]}]  # fmt: skip
    for number, outputs in enumerate(shapes):
        run_id = f"0190f8a4-0000-7000-8000-0000000001{number:02}"
        inputs = {"messages": [{"role": "user", "content": "Weather?"}], "model": "gpt-4o"}
        server.call(
            "POST", "/runs", run(run_id, "llm", inputs=inputs, outputs=outputs, end_time="2026-01-02T03:04:06Z")
        )
        record = server.store.get(run_id)
        assert record is not None
        assert (record.input_preview, record.output_preview, record.request_model) == (
            "Weather?",
            "One moment.",
            "gpt-4o",
        ), outputs


@every_store
def test_a_run_of_litellms_callback_is_the_call_that_litellm_reports(server: Server) -> None:
    run_of_litellm = run(CALL, "llm", parent_run_id=ROOT, inputs=PAYLOAD, outputs=PAYLOAD["response"], tags=["shop"])
    server.call("POST", "/runs/batch", {"post": [run_of_litellm]})
    server.call("POST", "/litellm", PAYLOAD)
    called, reported = server.store.get(CALL), server.store.get("call-1")
    assert called is not None
    assert reported is not None
    assert (called.dialect, called.trace_id, called.parent_span_id) == ("langsmith", ROOT, ROOT)
    for name in (
        "request_model",
        "user",
        "session",
        "tags",
        "usage_cache_read_input_tokens",
        "request_body",
        "response_id",
    ):
        assert getattr(called, name) == getattr(reported, name) is not None, name
    assert (called.cost or 0) + (reported.cost or 0) == pytest.approx((600 * 2.5 + 400 * 1.25 + 100 * 10) / 1e6)


def test_what_its_clients_read_back(server: Server) -> None:
    server.call("POST", "/runs/batch", {"post": [run(ROOT, "chain"), STARTED, FAILED], "patch": [ENDED]})
    server.call("POST", "/feedback", {"run_id": CALL, "key": "tone", "score": True})
    server.call("POST", "/feedback", {"run_id": CALL, "key": "label", "value": "kind"})
    found = server.call("GET", f"/runs/{CALL}").json()
    assert (found["run_type"], found["prompt_tokens"], found["status"], found["session_name"]) == (
        "llm",
        1000,
        "success",
        "shop",
    )
    assert found["inputs"]["messages"] == [{"role": "user", "content": "Weather?"}]
    (session,) = server.call("GET", "/sessions", params={"name": "shop"}).json()
    for wanted, ids in (({"session": [session["id"]]}, {ROOT, CALL, TOOL}), ({"session": [ROOT]}, set()), ({"is_root": True}, {ROOT}),
                        ({"error": True}, {TOOL}), ({"run_type": "llm"}, {CALL}), ({"parent_run": ROOT}, {CALL, TOOL}), ({"id": [TOOL]}, {TOOL})):  # fmt: skip
        assert {item["id"] for item in server.call("POST", "/runs/query", wanted).json()["runs"]} == ids, wanted
    feedback = {item["key"]: item for item in server.call("GET", "/feedback", params={"run": CALL}).json()}
    assert (feedback["tone"]["score"], feedback["label"]["value"]) == (1.0, "kind")
    assert server.call("GET", "/runs/nobody").status_code == 404
    assert server.call("GET", "/info").json()["batch_ingest_config"]["use_multipart_endpoint"] is True
    assert server.call("GET", "/info", key="wrong").status_code == 401
    assert server.call("GET", "/settings", key=KEY).json()["display_name"] == "default"


def test_a_batch_is_counted_before_its_runs_are_read(server: Server) -> None:
    runs = [{"id": f"r{number}"} for number in range(10_001)]
    assert server.call("POST", "/runs/batch", {"post": runs[:9_000], "patch": runs[9_000:]}).status_code == 413
    body = "".join(PART.format(f"post.r{number}") for number in range(10_001)) + "--b--\r\n"
    headers = {"content-type": "multipart/form-data; boundary=b"}
    assert server.call("POST", "/runs/multipart", body.encode(), headers=headers).status_code == 413
    assert server.rows() == []


@pytest.mark.parametrize(
    "name", ["attachment.r.{0}", "feedback.{0}", "feedback.same", "post.{0}.inputs"], ids=lambda name: name
)
def test_a_form_is_counted_as_it_is_read(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of its records counts, whatever brings it, and none is read after those that are one too many."""
    read = list[str]()

    def noted(body: bytes, content_type: str) -> Iterator[FormPart]:
        for part in form_parts(body, content_type):
            read.append(part.name)
            yield part

    monkeypatch.setattr(_decode, "form_parts", noted)
    body = "".join(PART.format(name.format(number)) for number in range(100)) + "--b--"
    with pytest.raises(Fault) as refused:
        decode_multipart(body.encode(), "multipart/form-data; boundary=b", most=10)
    assert (refused.value.status, len(read)) == (413, 10 if "attachment" in name else 11)


def test_the_headers_of_a_part_take_little_memory_however_long_they_are() -> None:
    many = b'--b\r\nContent-Disposition: form-data; name="post.r"' + b";" * 8_000_000 + b"\r\n\r\n{}\r\n--b--"
    tracemalloc.start()
    try:
        upload = decode_multipart(many, "multipart/form-data; boundary=b")
        assert list(upload.runs) == ["r"]
        assert tracemalloc.get_traced_memory()[1] < 4_000_000
    finally:
        tracemalloc.stop()


def test_a_run_is_kept_under_the_id_of_its_parts(server: Server) -> None:
    body, headers = form(
        {f"post.{CALL}": STARTED, f"patch.{CALL}": {**ENDED, "id": {"other": 1}}, "post." + "x" * 201: {}}
    )
    answer = server.call("POST", "/runs/multipart", body, headers=headers)
    assert (answer.status_code, answer.json()["rejected"]) == (202, 1)
    check(server)
    assert [record.id for record in server.rows()] == [CALL]


def test_an_attachment_of_a_run_with_attachments_of_a_wrong_shape_is_kept(server: Server) -> None:
    body, headers = form(
        {
            f"post.{TOOL}": {**FAILED, "attachments": 5},
            f"attachment.{TOOL}.shot": b"\x89PNG",
            f"post.{ROOT}": run(ROOT, "chain"),
        }
    )
    answer = server.call("POST", "/runs/multipart", body, headers=headers)
    assert (answer.status_code, answer.json()["rejected"], len(server.rows())) == (202, 0, 3)
    tool = server.store.get(TOOL)
    assert tool is not None
    assert tool.extra["run"]["attachments"]["shot"]["size"] == 4


def test_a_streamed_answer_of_langchain_is_the_assistants(server: Server) -> None:
    streamed = {**AI, "id": [*AI["id"][:-1], "AIMessageChunk"]}
    ended = {**ENDED, "outputs": {"generations": [[{"text": "One moment.", "message": streamed}]]}}
    server.call("POST", "/runs/batch", {"post": [STARTED], "patch": [ended]})
    (choice,) = json.loads(server.only().response_body or b"")["choices"]
    assert choice["message"]["role"] == "assistant"


@pytest.mark.parametrize("at", [1767323045250, 1767323045250.0, 1767323045.25, "2026-01-02T03:04:05.25+00:00"])
def test_times_are_texts_or_numbers_of_seconds_or_milliseconds(server: Server, at: Any) -> None:
    """The JavaScript client sends milliseconds."""
    server.call("POST", "/runs/batch", {"post": [{**run(ROOT, "chain"), "start_time": at, "end_time": at}]})
    record = server.only()
    assert record.start_time == record.end_time == datetime(2026, 1, 2, 3, 4, 5, 250_000, tzinfo=UTC)


@pytest.mark.parametrize("at", [10**400, -1, True, 10**15])
def test_numbers_that_are_no_times_are_refused(server: Server, at: Any) -> None:
    assert server.call("POST", "/runs/batch", {"post": [{**run(ROOT, "chain"), "start_time": at}]}).status_code == 422


@every_store
@pytest.mark.parametrize("path", ["/runs/batch", "one by one"])
def test_a_patch_that_comes_before_its_post_is_the_same_run(server: Server, path: str) -> None:
    def send(operation: str, body: dict[str, Any]) -> None:
        if path == "/runs/batch":
            server.call("POST", path, {operation: [body]})
        else:
            server.call(*(("POST", "/runs") if operation == "post" else ("PATCH", f"/runs/{CALL}")), body)

    patch = {key: value for key, value in ENDED.items() if key != "run_type"}
    patch |= {"name": None, "run_type": None, "start_time": None, "parent_run_id": None}
    for order in ("patch post", "post patch", "patch post patch post"):
        server.store.delete(Query())
        for operation in order.split():
            send(operation, STARTED if operation == "post" else patch)
        record = server.only()
        assert (record.kind, record.request_model, record.usage_input_tokens) == ("llm", "gpt-4o", 1000), order
        assert (record.input_preview, record.output_preview, record.duration) == ("Weather?", "One moment.", 1.5), order


@every_store
def test_runs_are_found_by_filters_in_its_own_language(server: Server) -> None:
    tagged = {**STARTED, "tags": ["shop"]}
    server.call("POST", "/runs/batch", {"post": [run(ROOT, "chain"), tagged, FAILED], "patch": [ENDED]})
    server.call("POST", "/feedback", {"run_id": CALL, "key": "tone", "score": 0.5})
    for text, ids in (
        ('eq(run_type, "llm")', {CALL}), ('neq(run_type, "llm")', {ROOT, TOOL}), ('has(tags, "shop")', {CALL}), ("eq(is_root, true)", {ROOT}),
        ('and(eq(run_type, "llm"), gt(latency, 1))', {CALL}), ("gt(latency, 2)", set()), ('or(eq(run_type, "tool"), gte(total_tokens, 1100))', {ROOT, CALL, TOOL}),
        ('not(eq(run_type, "tool"))', {ROOT, CALL}), (f'in(id, ["{ROOT}", "{TOOL}"])', {ROOT, TOOL}), ('search(inputs, "weather?")', {CALL}),
        ('and(eq(feedback_key, "tone"), lt(feedback_score, 0.6))', {CALL}), ('gt(start_time, "2027-01-01T00:00:00Z")', set()),
        ('and(eq(metadata_key, "ls_provider"), eq(metadata_value, "openai"))', {CALL}), ("has(metadata, '{\"ls_provider\": \"openai\"}')", {CALL}),
        ('gt(error, 5)', set()), ('eq(status, "error")', {TOOL}), ('search("weather?")', {CALL}), ('like(name, "ll%")', {CALL}), ('like(name, "l_m")', {CALL}),
        ('like(name, "l")', set()), ('and(eq(run_type, "llm"), gt(latency, "1.2s"))', {CALL}), ('lt(latency, "900ms")', set()), ('eq(input_key, "messages")', {CALL}),
        ('exists(metadata, "plan")', {CALL}), ('not(exists(error))', {ROOT, CALL}), ('nin(run_type, ["llm", "tool"])', {ROOT}), ('nlike(name, "l%")', {ROOT, TOOL}),
        ("has(inputs, '{\"x\": 1}')", {TOOL}), ('search(start_time, "2026")', {ROOT, CALL, TOOL}), ('has(inputs, "messages")', {CALL}), ('exists(feedback_key, "tone")', {CALL}), ('eq(thread_id, "x")', set()),
    ):  # fmt: skip
        answer = server.call("POST", "/runs/query", {"filter": text})
        assert answer.status_code == 200, answer.text
        assert {item["id"] for item in answer.json()["runs"]} == ids, text


def test_runs_and_traces_are_found_by_the_newer_api(server: Server) -> None:
    server.call("POST", "/runs/batch", {"post": [run(ROOT, "chain"), STARTED, FAILED], "patch": [ENDED]})
    (session,) = server.call("GET", "/api/v2/sessions").json()["items"]
    assert (session["name"], session["type"]) == ("shop", "PROJECT")
    wanted = {"project_ids": [session["id"]], "page_size": 2, "selects": ["NAME", "STATUS", "PARENT_RUN_IDS"]}
    first = server.call("POST", "/api/v2/runs/query", wanted).json()
    second = server.call("POST", "/api/v2/runs/query", wanted | {"cursor": first["next_cursor"]}).json()
    items = [*first["items"], *second["items"]]
    assert ({item["id"] for item in items}, second["next_cursor"]) == ({ROOT, CALL, TOOL}, None)
    assert {item["status"] for item in items} == {"PENDING", "SUCCESS", "ERROR"}
    found = server.call("POST", "/api/v2/runs/query", {"run_type": "LLM"}).json()["items"]
    assert found == [{"id": CALL}]
    threads = {item["id"]: item["thread_id"] for item in server.call("POST", "/runs/query", {}).json()["runs"]}
    assert threads == {ROOT: None, CALL: "s-1", TOOL: None}
    whole = server.call(
        "GET", f"/api/v2/runs/{CALL}", params={"selects": ["THREAD_ID", "LATENCY_SECONDS", "TOTAL_TOKENS"]}
    )
    assert whole.json() == {"id": CALL, "thread_id": "s-1", "latency_seconds": 1.5, "total_tokens": 1100}
    (trace,) = server.call("POST", "/api/v2/traces/query", {"project_id": session["id"]}).json()["items"]
    assert (trace["root_run"], trace["trace_aggregates"]["total_tokens"]) == ({"id": ROOT}, 1100)
    runs = server.call("GET", f"/api/v2/traces/{ROOT}/runs", params={"filter": 'eq(run_type, "tool")'}).json()
    assert runs == {"items": [{"id": TOOL}]}


@pytest.mark.parametrize(
    "wanted", [{"page_size": 0}, {"selects": "NAME"}, {"sem_filter": "rude"}, {"project_ids": 5}, {"cursor": 1}]
)
def test_what_the_newer_api_cannot_find_is_refused_with_a_reason(server: Server, wanted: dict[str, Any]) -> None:
    answer = server.call("POST", "/api/v2/runs/query", wanted)
    assert (answer.status_code, bool(answer.json()["detail"])) == (422, True)


def test_a_project_is_listed_however_many_runs_come_later(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_langsmith_sessions, "RECENT", 1)
    for run_id, name in ((ROOT, "old"), (CALL, "new"), (TOOL, "newest")):
        server.call("POST", "/runs", {**run(run_id, "chain"), "session_name": name})
    listed = server.call("GET", "/sessions").json()
    assert [session["name"] for session in listed] == ["new", "newest", "old"]
    assert [session["name"] for session in server.call("GET", "/sessions", params={"name_contains": "NEW"}).json()] == [
        "new",
        "newest",
    ]


def test_a_project_is_created_described_and_read_by_its_id(server: Server) -> None:
    dataset = "0190f8a4-0000-7000-8000-0000000000aa"
    created = server.call("POST", "/sessions", {"name": "trial", "reference_dataset_id": dataset}).json()
    changed = server.call(
        "PATCH", f"/sessions/{created['id']}", {"description": "first", "extra": {"metadata": {"a": 1}}}
    )
    assert changed.json() == server.call("GET", f"/sessions/{created['id']}").json()
    assert (changed.json()["reference_dataset_id"], changed.json()["description"]) == (dataset, "first")
    assert server.call("GET", f"/api/v2/sessions/{created['id']}").json()["type"] == "EXPERIMENT"
    assert server.call("PATCH", f"/sessions/{created['id']}", {"name": "other"}).status_code == 422
    assert server.call("GET", f"/sessions/{dataset}").status_code == 404
    assert server.call("GET", "/sessions", params={"reference_free": "true"}).json() == []
    assert server.call("POST", "/sessions", {"name": "\ud800"}).json()["name"] == "?"


@pytest.mark.parametrize(
    ("method", "path", "message"),
    [("POST", "/datasets", "datasets"), ("GET", "/api/v1/repos/", "prompts"), ("GET", "/commits/-/x/latest", "prompts"),
     ("POST", "/runs/group", "groups"), ("GET", "/annotation-queues", "annotation queues"), ("POST", "/api/v2/threads/stats", "threads")],
)  # fmt: skip
def test_what_is_not_here_is_named(server: Server, method: str, path: str, message: str) -> None:
    answer = server.call(method, path, {} if method == "POST" else None)
    assert answer.status_code in {404, 405}
    assert message in answer.json()["detail"]


@pytest.mark.parametrize(("wanted", "ids"), [
    ({"trace_filter": 'eq(name, "chain")'}, {ROOT, CALL, TOOL}), ({"trace_filter": 'eq(name, "llm")'}, set()),
    ({"tree_filter": 'eq(status, "error")'}, {ROOT, CALL, TOOL}), ({"tree_filter": 'eq(name, "nobody")'}, set()),
    ({"tree_filter": 'eq(run_type, "tool")', "filter": 'eq(run_type, "llm")', "trace_filter": "eq(is_root, true)"}, {CALL}),
])  # fmt: skip
def test_runs_are_found_by_their_trace(server: Server, wanted: dict[str, str], ids: set[str]) -> None:
    alone = {**run("0190f8a4-0000-7000-8000-000000000009", "llm"), "trace_id": "0190f8a4-0000-7000-8000-000000000009"}
    server.call(
        "POST",
        "/runs/batch",
        {"post": [run(ROOT, "chain"), STARTED, FAILED, {**alone, "name": "alone"}], "patch": [ENDED]},
    )
    answer = server.call("POST", "/runs/query", wanted)
    assert {item["id"] for item in answer.json()["runs"]} == ids


def test_a_feedback_whose_name_is_not_utf_8_can_be_read_and_taken_away(server: Server) -> None:
    for name in ("tone", "\ud800"):
        server.call("POST", "/feedback", {"run_id": ROOT, "key": name, "score": 0.5})
    found = server.call("GET", "/feedback", params={"run": ROOT}).json()
    assert {item["key"] for item in found} == {"tone", "\ud800"}
    for item in found:
        assert server.call("DELETE", f"/feedback/{item['id']}").status_code == 200
    assert server.call("GET", "/feedback", params={"run": ROOT}).json() == []


def test_a_feedback_is_read_by_its_own_id(server: Server) -> None:
    feedback = "0190f8a4-0000-7000-8000-00000000000f"
    server.call("POST", "/runs", run(ROOT, "chain"))
    server.call("POST", "/feedback", {"id": feedback, "run_id": ROOT, "key": "tone", "score": 0.5})
    server.call("POST", "/feedback", {"run_id": ROOT, "key": "length", "value": "short"})
    for item in server.call("GET", "/feedback", params={"run": ROOT}).json():
        assert server.call("GET", f"/feedback/{item['id']}").json() == item
    assert (found := server.call("GET", f"/feedback/{feedback}").json())["score"] == 0.5, found
    assert server.call("GET", "/feedback/0190f8a4-0000-7000-8000-000000000001").status_code == 404


@pytest.mark.parametrize(
    "text",
    ["eq(name", "eq(nobody, 1)", "eq(name, 1) x", "eq(name 1)", "like(name, 1)", "eq(name, [1)", "(" * 100, "not(" * 100, "eq(name, who)", "eq", ";",
     "eq(start_time, \"soon\")", "x" * 20_000, "and()", "eq(name, \"open)"],
)  # fmt: skip
def test_a_filter_that_is_none_is_refused_with_a_reason(server: Server, text: str) -> None:
    answer = server.call("POST", "/runs/query", {"filter": text})
    assert (answer.status_code, answer.json()["detail"].split(":")[0]) in {(422, "filter"), (422, "start_time")}


@every_store
def test_a_long_list_comes_in_pages(server: Server) -> None:
    runs = [run(f"0190f8a4-0000-7000-8000-00000000{number:04}", "chain") for number in range(250)]
    server.call("POST", "/runs/batch", {"post": runs})
    found: list[str] = []
    cursor = None
    while cursor or not found:
        answer = server.call("POST", "/runs/query", {"cursor": cursor, "limit": 100}).json()
        found += [item["id"] for item in answer["runs"]]
        cursor = answer["cursors"]["next"]
    assert sorted(found) == [entry["id"] for entry in runs]


def test_an_error_is_its_first_words_and_kept_whole(server: Server) -> None:
    whole = "ValueError('boom')Traceback (most recent call last):\n  File ..."
    server.call("POST", "/runs", run(TOOL, "tool", error=whole))
    assert (server.only().error_message, server.only().error_type) == ("ValueError('boom')", "ValueError")
    assert server.call("GET", f"/runs/{TOOL}").json()["error"] == whole


def test_attachments_are_kept_and_read_at_signed_addresses(server: Server) -> None:
    large = b"\x89PNG" * 500_000
    body, headers = form({f"post.{ROOT}": run(ROOT, "chain"), f"attachment.{ROOT}.picture": large})
    assert server.call("POST", "/runs/multipart", body, headers=headers).status_code == 202
    later, headers = form({f"patch.{ROOT}": {"outputs": {"a": 1}}, f"attachment.{ROOT}.note": b"made later"})
    assert server.call("POST", "/runs/multipart", later, headers=headers).status_code == 202
    read = server.call("GET", f"/runs/{ROOT}").json()
    assert ("attachments" in read, set(read["s3_urls"])) == (False, {"attachment.picture", "attachment.note"})
    addresses = {name: file["presigned_url"] for name, file in read["s3_urls"].items()}
    assert server.call("GET", addresses["attachment.picture"], key=None).content == large
    assert server.call("GET", addresses["attachment.note"], key=None).content == b"made later"
    assert server.call("GET", addresses["attachment.note"].replace("note", "picture"), key=None).status_code == 401
    (found,) = server.call("POST", "/runs/query", {}).json()["runs"]
    assert (found["id"], set(found["s3_urls"])) == (ROOT, set(read["s3_urls"]))
    assert {record.parent_span_id for record in server.rows()} == {None, ROOT}


def test_feedback_is_listed_by_key_in_pages_changed_and_taken_back(server: Server) -> None:
    server.call("POST", "/runs", run(ROOT, "chain"))
    for key in ("tone", "length", "truth"):
        server.call("POST", "/feedback", {"run_id": ROOT, "key": key, "score": 0.5, "comment": "ok"})

    def listed(**more: Any) -> list[tuple[str, float, str | None]]:
        found = server.call("GET", "/feedback", params={"run": ROOT, **more}).json()
        return [(item["key"], item["score"], item["comment"]) for item in found]

    assert [key for key, *_ in listed(key=["tone", "truth"])] == ["tone", "truth"]
    assert len(listed(limit=2)) == 2
    assert len(listed(limit=2, offset=2)) == 1
    (tone,) = server.call("GET", "/feedback", params={"run": ROOT, "key": "tone"}).json()
    assert server.call("PATCH", f"/feedback/{tone['id']}", {"score": 0.9}).status_code == 200
    assert listed(key="tone") == [("tone", 0.9, "ok")]
    assert server.call("PATCH", f"/feedback/{tone['id']}", {"comment": None}).status_code == 200
    assert listed(key="tone") == [("tone", 0.9, None)]
    assert server.call("DELETE", f"/feedback/{tone['id']}").status_code == 200
    assert sorted(key for key, *_ in listed()) == ["length", "truth"]
    assert server.call("DELETE", f"/feedback/{tone['id']}").status_code == 404


def test_a_run_grows_in_place_with_the_parts_of_a_form() -> None:
    upload = dialect.Upload()
    upload.merge("post", "r", {"extra": {"a": 1, "b": 1}, "name": "n"})
    run, extra = upload.runs["r"], upload.runs["r"]["extra"]
    upload.merge("patch", "r", {"extra": {"b": 2}, "outputs": None, "error": "e"})
    upload.merge("post", "r", {"extra": {"b": 3, "c": 3}, "name": "late"})
    assert run == {"id": "r", "extra": {"a": 1, "b": 2, "c": 3}, "name": "n", "error": "e"}
    assert upload.runs["r"] is run  # a copy for each of 50,000 parts would take minutes
    assert run["extra"] is extra


def test_a_post_and_a_patch_in_one_form_are_one_run_whatever_is_null(server: Server) -> None:
    patch = {**ENDED, "name": None, "run_type": None, "start_time": None, "inputs": None}
    for parts in ({f"post.{CALL}": STARTED, f"patch.{CALL}": patch}, {f"patch.{CALL}": patch, f"post.{CALL}": STARTED}):
        server.store.delete(Query())
        body, headers = form(parts)
        server.call("POST", "/runs/multipart", body, headers=headers)
        record = server.only()
        assert (record.name, record.kind, record.usage_input_tokens, record.duration) == (
            STARTED["name"],
            "llm",
            1000,
            1.5,
        )
        assert (record.input_preview, record.output_preview) == ("Weather?", "One moment.")


@pytest.mark.parametrize("order", ["20260102T030405000000Z" + CALL, None])
def test_a_run_whose_patch_came_first_is_one_call_with_a_report_of_another_layer(
    server: Server, order: str | None
) -> None:
    """A patch has the start of its run in its dotted order; without that, its end is near."""
    start = "2026-01-02T03:04:05Z"
    patch = {**ENDED, "end_time": "2026-01-02T03:04:06.500000Z", "dotted_order": order}
    for operation, body in (("patch", patch), ("post", {**STARTED, "start_time": start})):
        assert server.call("POST", "/runs/batch", {operation: [body]}).is_success
    generation = {"id": "g", "traceId": "t", "model": "gpt-4o", "startTime": start, "endTime": patch["end_time"],
                  "usageDetails": {"input": 1000, "output": 100}}  # fmt: skip
    event = {"id": "e", "type": "generation-create", "timestamp": start, "body": generation}
    assert server.call("POST", "/api/public/ingestion", {"batch": [event]}).is_success
    records = {record.id: record for record in server.rows()}
    assert records[CALL].created_at == datetime(2026, 1, 2, 3, 4, 5 if order else 6, 0 if order else 500000, UTC)
    assert sorted(record.kind for record in records.values()) == ["chain", "llm"]


def test_runs_are_read_back_with_the_figures_of_the_runs_inside_them(server: Server) -> None:
    """A graph calls a chain, which calls a model twice, and a tool; one of the calls has another inside, as a layer."""
    names = ["graph", "chain", "first", "second", "tool", "layer"]
    ids = {name: f"0190f8a4-0000-7000-8000-{number:012}" for number, name in enumerate(names, 16)}
    above = {"chain": "graph", "tool": "graph", "first": "chain", "second": "chain", "layer": "second"}

    def post(name: str) -> dict[str, Any]:
        kind = {"graph": "chain", "chain": "chain", "tool": "tool"}.get(name, "llm")
        usage = {"input_tokens": 10, "output_tokens": 1, "total_tokens": 11, "total_cost": 0.5}
        parent = ids[above[name]] if name in above else None
        return {"id": ids[name], "trace_id": ids["graph"], "parent_run_id": parent, "run_type": kind, "name": name,
                "start_time": "2026-01-02T03:04:05Z", "end_time": "2026-01-02T03:04:06Z", "inputs": {"x": name},
                "outputs": {"usage_metadata": usage} if kind == "llm" else {}}  # fmt: skip

    for name in reversed(names):  # the innermost first
        assert server.call("POST", "/runs/batch", {"post": [post(name)]}).is_success

    def figures(run: dict[str, Any]) -> tuple[Any, ...]:
        return tuple(run[key] for key in ("prompt_tokens", "completion_tokens", "total_tokens", "total_cost"))

    found = {run["name"]: run for run in server.call("POST", "/runs/query", {}).json()["runs"]}
    once, twice, nothing = (10, 1, 11, 0.5), (20, 2, 22, 1.0), (None, None, None, None)
    assert {name: figures(run) for name, run in found.items() if name != "layer"} == {
        "graph": twice, "chain": twice, "first": once, "second": once, "tool": nothing,
    }  # fmt: skip
    assert figures(server.call("GET", f"/runs/{ids['graph']}").json()) == twice
    roots = server.call("POST", "/runs/query", {"is_root": True, "filter": "gt(total_cost, 0.9)"}).json()["runs"]
    assert [run["name"] for run in roots] == ["graph"]
    for wanted in ({}, {"is_root": True}):
        stats = server.call("POST", "/runs/stats", wanted).json()
        assert (stats["total_tokens"], stats["total_cost"]) == (22, 1.0)


@every_store
def test_threads_are_listed_with_their_traces_and_sums(server: Server) -> None:
    """Group three traces by the id in their metadata: two of a thread, one failed, and one without a thread."""
    now = datetime.now(UTC)
    for number, (thread, error) in enumerate((("a", None), ("a", "boom"), (None, None), ("b", None))):
        root_id, llm_id = (f"0190f8a4-0000-7000-8000-00000000{side}{number:03}" for side in ("1", "2"))
        begun = (now - timedelta(minutes=10 - number)).isoformat()
        metadata = {} if thread is None else {"thread_id": thread}
        common = {"trace_id": root_id, "start_time": begun, "end_time": begun, "extra": {"metadata": metadata}}
        usage = {"usage_metadata": {"input_tokens": 10, "output_tokens": 1, "total_tokens": 11, "total_cost": 0.5}}
        server.call("POST", "/runs/batch", {"post": [
            {**run(root_id, "chain"), **common, "inputs": {"q": f"ask {number}"}, "error": error},
            {**run(llm_id, "llm"), **common, "parent_run_id": root_id, "outputs": usage},
        ]})  # fmt: skip
    first = server.call("POST", "/api/v2/threads/query", {"page_size": 1}).json()
    second = server.call("POST", "/api/v2/threads/query", {"page_size": 1, "cursor": first["next_cursor"]}).json()
    (b,), (a,) = first["items"], second["items"]
    assert ((b["thread_id"], b["count"]), second["next_cursor"]) == (("b", 1), None)
    assert (a["thread_id"], a["count"], a["num_errored_turns"], a["last_error"]) == ("a", 2, 1, "boom")
    assert (a["total_tokens"], a["total_cost"]) == (22, 1.0)
    listed = server.call("GET", "/api/v2/threads/a/traces", params={"selects": ["NAME", "TURN_NUMBER"]}).json()
    assert [item["turn_number"] for item in listed["items"]] == [2, 1]
    stats = server.call("POST", "/runs/stats", {"run_type": "llm"}).json()
    assert (stats["run_count"], stats["total_tokens"], stats["total_cost"], stats["error_rate"]) == (4, 44, 2.0, 0)
    assert server.call("POST", "/runs/stats", {"is_root": True}).json()["error_rate"] == 0.25
    assert server.call("POST", "/runs/stats", {"run_type": "tool"}).json()["latency_p50"] is None
