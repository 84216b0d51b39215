"""Calls that outlive their request: one record and one bill, however often the result is read, and by whom."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import anthropic
import httpx
import openai
import pytest
from invoices import NOW, background_answer
from sdk_http import anthropic_http, openai_http

import autolog
from autolog._processing import long_running
from autolog._processing.long_running import span_id
from autolog._record.record import Record
from autolog.providers import Facts
from autolog.stores import open_store
from autolog.stores.query import Query
from autolog.testing import Records

ITEMS = 1000


def openai_batch(status: str) -> dict[str, Any]:
    ended = status == "completed"
    return {
        "id": "batch_1", "object": "batch", "endpoint": "/v1/chat/completions", "input_file_id": "file-in",
        "completion_window": "24h", "status": status, "created_at": 1_793_500_000, "completed_at": 1_793_503_900 if ended else None,
        "output_file_id": "file-out" if ended else None, "error_file_id": "file-err" if ended else None,
        "usage": {"input_tokens": 1000 * ITEMS, "output_tokens": 100 * ITEMS, "total_tokens": 1100 * ITEMS} if ended else None,
    }  # fmt: skip


def openai_line(number: int) -> dict[str, Any]:
    body = {
        "id": f"chatcmpl-{number}", "object": "chat.completion", "created": 1_793_500_000, "model": "gpt-4o-2024-08-06",
        "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": f"Answer {number}"}}],
        "usage": {"prompt_tokens": 1000, "completion_tokens": 100, "total_tokens": 1100},
    }  # fmt: skip
    return {
        "id": f"batch_req_{number}",
        "custom_id": f"request-{number}",
        "response": {"status_code": 200, "request_id": f"req_{number}", "body": body},
        "error": None,
    }


OPENAI_OUTPUT = "\n".join(json.dumps(openai_line(number)) for number in range(ITEMS)).encode()
OPENAI_ERRORS = json.dumps(
    {
        "id": "batch_req_bad",
        "custom_id": "request-bad",
        "response": {
            "status_code": 400,
            "body": {"error": {"type": "invalid_request_error", "message": "No such model"}},
        },
        "error": None,
    }
).encode()


def openai_handler(request: Any) -> Any:
    path = request.url.path
    if path.endswith("/file-out/content"):
        return openai_http.Response(200, headers={"content-type": "application/octet-stream"}, content=OPENAI_OUTPUT)
    if path.endswith("/file-err/content"):
        return openai_http.Response(200, content=OPENAI_ERRORS)
    if path.endswith("/file-other/content"):
        return openai_http.Response(200, content=b'{"custom_id": "a", "method": "POST", "url": "/v1/x", "body": {}}\n')
    return openai_http.Response(200, json=openai_batch("validating" if request.method == "POST" else "completed"))


def openai_client() -> openai.OpenAI:
    return openai.OpenAI(
        api_key="k", http_client=openai_http.Client(transport=openai_http.MockTransport(openai_handler))
    )


def half(tokens_in: int, tokens_out: int) -> float:
    """gpt-4o in a batch: 1.25 and 5 dollars for a million tokens, half of 2.50 and 10."""
    return (tokens_in * 1.25 + tokens_out * 5) / 1_000_000


def test_an_openai_batch_read_twice_has_one_bill(patched: Records, tmp_path: Path) -> None:
    client = openai_client()
    with autolog.context(user="u"), autolog.span("nightly"):
        client.batches.create(input_file_id="file-in", endpoint="/v1/chat/completions", completion_window="24h")
    for _ in range(2):
        client.batches.retrieve("batch_1")
        assert client.files.content("file-out").content == OPENAI_OUTPUT
        with client.files.with_streaming_response.content("file-out") as streamed:
            assert streamed.read() == OPENAI_OUTPUT
        assert client.files.content("file-err").content == OPENAI_ERRORS
        client.files.content("file-other")
    items = [record for record in patched if record.metadata.get("custom_id")]
    (batch,) = [record for record in patched if record.operation_name == "batch"]
    assert len(items) == ITEMS + 1
    assert sum(record.cost or 0 for record in patched) == pytest.approx(ITEMS * half(1000, 100))
    first = next(record for record in items if record.metadata["custom_id"] == "request-0")
    assert (first.cost, first.response_service_tier) == (pytest.approx(half(1000, 100)), "batch")
    assert (first.cost_details or {})["certainty"] == "exact"
    assert (first.operation_name, first.output_preview) == ("chat", "Answer 0")
    assert {record.trace_id for record in items} == {batch.trace_id}
    assert {record.parent_span_id for record in items} == {batch.span_id}
    assert first.metadata["batch_id"] == "batch_1"
    bad = next(record for record in items if record.metadata["custom_id"] == "request-bad")
    assert (bad.status, bad.error_type, bad.cost, bad.status_code) == ("error", "invalid_request_error", None, 400)
    assert (batch.user, batch.cost, batch.usage_input_tokens) == ("u", None, None)
    assert "billed with its items" in (batch.cost_details or {})["unknown"]
    assert batch.duration == 3900.0
    store = open_store(f"sqlite:///{tmp_path}/s.db")
    for _ in range(2):
        store.write(list(patched))
    assert store.count(Query()) == ITEMS + 3  # with the span


def anthropic_batch(status: str) -> dict[str, Any]:
    return {
        "id": "msgbatch_1", "type": "message_batch", "processing_status": status, "created_at": "2026-11-01T00:00:00Z",
        "expires_at": "2026-11-02T00:00:00Z", "ended_at": "2026-11-01T01:00:00Z" if status == "ended" else None,
        "request_counts": {"processing": 0, "succeeded": ITEMS, "errored": 1, "canceled": 0, "expired": 1},
        "results_url": "https://api.anthropic.com/v1/messages/batches/msgbatch_1/results" if status == "ended" else None,
        "archived_at": None, "cancel_initiated_at": None,
    }  # fmt: skip


def anthropic_lines() -> bytes:
    lines: list[dict[str, Any]] = []
    for number in range(ITEMS):
        message = {
            "id": f"msg_{number}", "type": "message", "role": "assistant", "model": "claude-sonnet-4-5",
            "content": [{"type": "text", "text": f"Answer {number}"}], "stop_reason": "end_turn", "stop_sequence": None,
            "usage": {"input_tokens": 1000, "output_tokens": 100, "service_tier": "batch"},
        }  # fmt: skip
        lines.append({"custom_id": f"request-{number}", "result": {"type": "succeeded", "message": message}})
    error = {"type": "error", "error": {"type": "invalid_request_error", "message": "No"}}
    lines.append({"custom_id": "bad", "result": {"type": "errored", "error": error}})
    lines.append({"custom_id": "late", "result": {"type": "expired"}})
    return "\n".join(map(json.dumps, lines)).encode()


def anthropic_handler(request: Any) -> Any:
    if request.url.path.endswith("/results"):
        return anthropic_http.Response(200, headers={"content-type": "application/x-jsonl"}, content=anthropic_lines())
    return anthropic_http.Response(200, json=anthropic_batch("in_progress" if request.method == "POST" else "ended"))


REQUEST: Any = {
    "custom_id": "request-0",
    "params": {"model": "claude-sonnet-4-5", "max_tokens": 10, "messages": [{"role": "user", "content": "Hi"}]},
}


def check_anthropic(records: Records) -> None:
    items = [record for record in records if record.metadata.get("custom_id")]
    (batch,) = [record for record in records if record.operation_name == "batch"]
    assert len(items) == ITEMS + 2
    # Half of 1,000 x 3 + 100 x 15 dollars for a million tokens
    assert sum(record.cost or 0 for record in records) == pytest.approx(ITEMS * 0.00225)
    assert {record.parent_span_id for record in items} == {batch.span_id}
    assert {record.trace_id for record in items} == {batch.trace_id}
    ends = {record.metadata["custom_id"]: record.error_type for record in items if record.status == "error"}
    assert ends == {"bad": "invalid_request_error", "late": "expired"}


@pytest.mark.parametrize("beta", [False, True])
def test_an_anthropic_batch_read_twice_has_one_bill(patched: Records, beta: bool) -> None:
    http_client = anthropic_http.Client(transport=anthropic_http.MockTransport(anthropic_handler))
    client = anthropic.Anthropic(api_key="k", http_client=http_client)
    batches: Any = client.beta.messages.batches if beta else client.messages.batches
    batches.create(requests=[REQUEST])
    for _ in range(2):
        assert len(list(batches.results("msgbatch_1"))) == ITEMS + 2
    check_anthropic(patched)


def test_an_anthropic_batch_asynchronously(patched: Records) -> None:
    async def run() -> None:
        http_client = anthropic_http.AsyncClient(transport=anthropic_http.MockTransport(anthropic_handler))
        client = anthropic.AsyncAnthropic(api_key="k", http_client=http_client)
        await client.messages.batches.create(requests=[REQUEST])
        for _ in range(2):
            assert len([item async for item in await client.messages.batches.results("msgbatch_1")]) == ITEMS + 2

    asyncio.run(run())
    check_anthropic(patched)


def test_results_read_in_another_process_find_their_batch_by_its_id(patched: Records) -> None:
    """Nothing is known of where the batch was made: the items still name its span, whatever its trace."""
    openai_client().batches.retrieve("batch_1")
    openai_client().files.content("file-out")
    items = [record for record in patched if record.metadata.get("custom_id")]
    assert {record.metadata["batch_id"] for record in items} == {"batch_1"}
    assert {record.parent_span_id for record in items} == {span_id("batch:batch_1")}


@pytest.mark.parametrize(("times", "duration"), [
    ({"created_at": 1_793_491_200, "completed_at": "2026-11-01T00:01:00"}, 60.0),
    ({"created_at": "2026-11-01T00:00:00", "completed_at": "2026-11-01T01:00:30+01:00"}, 30.0),
    ({"created_at": "soon", "completed_at": 1}, None),
])  # fmt: skip
def test_times_without_a_zone_are_in_utc(times: dict[str, Any], duration: float | None) -> None:
    completed = long_running.LongRunningCalls.completion(Record(id="r"), Facts(response=times))
    assert completed.duration == duration


# One generation, one bill


@pytest.mark.parametrize("end", ["retrieve", "stream", "cancel"])
def test_a_background_response_is_one_record_with_one_bill(patched: Records, tmp_path: Path, end: str) -> None:
    polls = iter(
        [background_answer("queued"), background_answer("in_progress"), *[background_answer("completed")] * 10]
    )

    def handler(request: Any) -> Any:
        answer = next(polls)
        if "stream=true" in str(request.url):
            event = {"type": "response.completed", "response": answer, "sequence_number": 1}
            content = f"event: response.completed\ndata: {json.dumps(event)}\n\n".encode()
            return openai_http.Response(200, headers={"content-type": "text/event-stream"}, content=content)
        return openai_http.Response(200, json=answer)

    http_client = openai_http.Client(transport=openai_http.MockTransport(handler))
    client = openai.OpenAI(api_key="k", http_client=http_client)
    with autolog.context(user="u"):
        client.responses.create(model="gpt-4o", input="Think.", background=True)
    client.responses.retrieve("resp_1")
    assert len(patched) == 1
    assert (patched[0].cost, patched[0].response_finish_reasons) == (None, ["queued"])
    if end == "stream":
        assert list(client.responses.retrieve("resp_1", stream=True))
    elif end == "cancel":
        client.responses.cancel("resp_1")
    for _ in range(9):
        client.responses.retrieve("resp_1")
    (record,) = patched
    assert record.cost == pytest.approx(0.0035)
    assert (record.usage_output_tokens, record.response_finish_reasons, record.output_preview) == (
        100,
        ["completed"],
        "Done.",
    )
    assert (record.user, record.input_preview, record.duration) == ("u", "Think.", 30.0)
    store = open_store(f"sqlite:///{tmp_path}/s.db")
    store.write(list(patched))
    assert store.get(record.id).cost == record.cost  # type: ignore[union-attr]


def test_reading_a_response_again_is_no_call(patched: Records) -> None:
    answer = {**background_answer("completed"), "background": False}
    http_client = openai_http.Client(
        transport=openai_http.MockTransport(lambda _: openai_http.Response(200, json=answer))
    )
    openai.OpenAI(api_key="k", http_client=http_client).responses.retrieve("resp_1")
    assert len(patched) == 0


def test_an_answer_that_does_not_repeat_background_completes_the_record_all_the_same(patched: Records) -> None:
    answers = {"POST": background_answer("queued"), "GET": background_answer("completed")}
    for answer in answers.values():
        del answer["background"]
    sdk = client(lambda request: openai_http.Response(200, json=answers[request.method]))
    sdk.responses.create(model="gpt-4o", input="Think.", background=True)
    sdk.responses.retrieve("resp_1")
    (record,) = patched
    assert (record.name, record.input_preview, record.output_preview) == ("chat gpt-4o", "Think.", "Done.")
    assert record.cost == pytest.approx(0.0035)


@pytest.mark.parametrize("says", [{}, {"background": False}])
def test_reading_a_response_that_was_whole_at_once_changes_nothing(patched: Records, says: dict[str, Any]) -> None:
    answer = {**background_answer("completed"), "background": None, **says}
    sdk = client(lambda request: openai_http.Response(200, json=answer))
    sdk.responses.create(model="gpt-4o", input="Think.")
    sdk.responses.retrieve("resp_1")
    sdk.responses.retrieve("resp_2")
    (record,) = patched
    assert record.cost == pytest.approx(0.0035)


def test_every_record_that_a_later_call_completes_has_a_name(patched: Records) -> None:
    """Also where another process made the call that began it."""
    sdk = client(lambda request: openai_http.Response(200, json=background_answer("completed")))
    sdk.responses.retrieve("resp_1")
    openai_client().batches.retrieve("batch_1")
    assert [record.name for record in patched] == ["chat gpt-4o", "batch"]


def test_a_later_call_leaves_the_name_as_it_was(patched: Records) -> None:
    answers = {
        "POST": background_answer("queued"),
        "GET": {**background_answer("completed"), "model": "gpt-4o-2024-08-06"},
    }
    sdk = client(lambda request: openai_http.Response(200, json=answers[request.method]))
    sdk.responses.create(model="gpt-4o", input="Think.", background=True)
    sdk.responses.retrieve("resp_1")
    (record,) = patched
    assert (record.name, record.response_model) == ("chat gpt-4o", "gpt-4o-2024-08-06")


def test_what_is_read_again_is_spent_once(patched: Records) -> None:
    reached: list[str] = []
    autolog.configure(budgets=[{"limit": 0.005, "then": reached.append}])
    sdk = client(lambda request: openai_http.Response(200, json=background_answer("completed")))
    for _ in range(3):  # at $0.0035 each
        sdk.responses.retrieve("resp_1")
    assert len(patched) == 1
    assert reached == []
    sdk.responses.create(model="gpt-4o", input="Think.")
    assert len(patched) == 1
    assert len(reached) == 1


def test_what_is_remembered_is_bounded_in_number_and_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(long_running, "MAX_THINGS", 3)
    monkeypatch.setattr(long_running, "MAX_BYTES", 100)
    memory = long_running._Memory()
    for number in range(5):
        memory.put(str(number), b"x")
    assert [memory.get(str(number)) for number in range(5)] == [None, None, b"x", b"x", b"x"]
    memory.put("large", b"x" * 93)
    assert (memory.get("3"), memory.get("4"), memory.get("large")) == (None, b"x", b"x" * 93)
    memory.put("larger", b"x" * 101)
    assert memory.get("larger") is None


def client(handler: Any) -> openai.OpenAI:
    return openai.OpenAI(api_key="k", http_client=openai_http.Client(transport=openai_http.MockTransport(handler)))


# Videos


def video(status: str, seconds: str = "4") -> dict[str, Any]:
    return {"id": "video_1", "object": "video", "status": status, "model": "sora-2", "seconds": seconds, "size": "720x1280",
            "progress": 0, "created_at": int(NOW.timestamp())}  # fmt: skip


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.skipif(not hasattr(openai.OpenAI, "videos"), reason="this openai makes no videos")
@pytest.mark.parametrize(("end", "cost"), [("completed", 0.4), ("failed", None)])
def test_a_video_is_billed_when_it_is_done(patched: Records, end: str, cost: float | None) -> None:
    sdk = client(lambda request: openai_http.Response(200, json=video("queued" if request.method == "POST" else end)))
    sdk.videos.create(model="sora-2", prompt="A dot")
    assert patched[0].cost is None
    sdk.videos.retrieve("video_1")
    (record,) = patched
    assert record.cost == (None if cost is None else pytest.approx(cost))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.skipif(
    not hasattr(getattr(openai.resources, "videos", None), "Videos")
    or not hasattr(openai.resources.videos.Videos, "extend"),
    reason="this openai does not extend videos",
)
def test_an_extension_is_billed_for_what_it_adds(patched: Records) -> None:
    answers = {"POST": video("queued", "12"), "GET": video("completed", "12")}
    sdk = client(lambda request: openai_http.Response(200, json=answers[request.method]))
    sdk.videos.extend(prompt="More", seconds="4", video=("v.mp4", b"x"))
    sdk.videos.retrieve("video_1")
    assert patched[0].cost == pytest.approx(0.4)


# Things that begin at one address and end at another

VEO = "https://generativelanguage.googleapis.com/v1beta/models/veo-3.1-generate-preview"
OPERATION = "models/veo-3.1-generate-preview/operations/7"
WORDS = b"event: output\nid: 1:0\ndata: So\n\nevent: output\nid: 2:0\ndata: .\n\nevent: done\nid: 3:0\ndata: {}\n\n"


def other_handler(request: Any) -> Any:
    reply = httpx.Response
    if request.url.host == "stream.replicate.com":
        return reply(200, headers={"content-type": "text/event-stream"}, content=WORDS)
    if request.url.host == "api.replicate.com":
        return reply(201, json={"id": "p", "model": "meta/llama", "status": "starting", "output": None,
                                "urls": {"stream": "https://stream.replicate.com/v1/files/f-1"}})  # fmt: skip
    response = {"generateVideoResponse": {"generatedSamples": [{"video": {"uri": "u"}}]}}
    ended = {"done": True, "response": response} if request.method == "GET" else {}
    return reply(200, json={"name": OPERATION, **ended})


def test_a_stream_at_an_address_of_its_own_completes_what_named_it(records: Records) -> None:
    autolog.patch()
    http = httpx.Client(transport=httpx.MockTransport(other_handler))
    started = http.post(
        "https://api.replicate.com/v1/models/meta/llama/predictions", json={"input": {"prompt": "Why?"}, "stream": True}
    )
    assert http.get(started.json()["urls"]["stream"]).content == WORDS
    assert http.get("https://stream.replicate.com/v1/files/another").content == WORDS
    (record,) = records
    assert (record.output_preview, record.response_finish_reasons, record.input_preview) == (
        "So.",
        ["succeeded"],
        "Why?",
    )
    assert record.response_model == "meta/llama"


def test_a_video_whose_operation_is_asked_for_is_one_record_and_says_what_it_made(records: Records) -> None:
    autolog.patch()
    http = httpx.Client(transport=httpx.MockTransport(other_handler))
    http.post(
        f"{VEO}:predictLongRunning", json={"instances": [{"prompt": "A dot"}], "parameters": {"durationSeconds": 8}}
    )
    http.get(f"https://generativelanguage.googleapis.com/v1beta/{OPERATION}")
    (record,) = records
    assert (record.operation_name, record.response_finish_reasons, record.cost) == ("video_generation", ["stop"], None)
    assert "second of veo-3.1-generate-preview" in str(record.cost_details)


def test_a_batch_of_mistrals_is_one_record_and_one_for_each_result(records: Records) -> None:
    def answer(request: Any) -> Any:
        if request.url.path.endswith("/content"):
            return httpx.Response(200, content="\n".join(json.dumps(openai_line(number)) for number in range(2)))
        done = {"status": "SUCCESS", "output_file": "f"} if request.method == "GET" else {"status": "QUEUED"}
        return httpx.Response(200, json={"object": "batch", "id": "b", "model": "mistral-small-latest", **done})

    autolog.patch()
    http = httpx.Client(transport=httpx.MockTransport(answer), base_url="https://api.mistral.ai/v1")
    http.post("/batch/jobs", json={"model": "mistral-small-latest", "endpoint": "/v1/chat/completions"})
    for _ in range(2):
        http.get("/batch/jobs/b")
        http.get("/files/f/content")
    batch, *items = sorted(records, key=lambda record: record.operation_name != "batch")
    assert (batch.operation_name, batch.cost, len(items)) == ("batch", None, 2)
    assert {item.parent_span_id for item in items} == {batch.span_id}
    assert {item.provider_name for item in items} == {"mistral_ai"}
    assert {item.usage_input_tokens for item in items} == {1000}


GEMINI = "https://generativelanguage.googleapis.com"


@pytest.mark.parametrize("in_file", [False, True])
def test_the_results_of_geminis_batches_hang_from_the_batch(records: Records, in_file: bool) -> None:
    usage = {"promptTokenCount": 1000, "candidatesTokenCount": 100, "totalTokenCount": 1100}
    answer = {"modelVersion": "gemini-2.5-flash", "candidates": [], "usageMetadata": usage}
    inline = {"inlinedResponses": {"inlinedResponses": [{"metadata": {"key": "a"}, "response": answer}]}}
    replies: dict[str, Any] = {
        "/v1beta/models/gemini-2.5-flash:batchGenerateContent": {"name": "batches/7"},
        "/v1beta/batches/7": {"name": "batches/7", "done": True, "response": {"responsesFile": "files/f"} if in_file else inline},
        "/download/v1beta/files/f:download": {"key": "a", "response": answer},
    }  # fmt: skip
    autolog.patch()
    http = httpx.Client(
        transport=httpx.MockTransport(lambda request: httpx.Response(200, json=replies[request.url.path]))
    )
    http.post(f"{GEMINI}/v1beta/models/gemini-2.5-flash:batchGenerateContent", json={"batch": {}})
    for _ in range(2):
        http.get(f"{GEMINI}/v1beta/batches/7")
        if in_file:
            http.get(f"{GEMINI}/download/v1beta/files/f:download?alt=media")
    batch, item = sorted(records, key=lambda record: record.operation_name != "batch")
    assert (batch.operation_name, batch.cost, item.usage_input_tokens) == ("batch", None, 1000)
    assert (item.parent_span_id, item.trace_id) == (batch.span_id, batch.trace_id)
    assert item.metadata == {"custom_id": "a", "batch_id": "batches/7"}


# Files that are no results


def test_a_download_that_is_no_batch_is_neither_kept_nor_counted(patched: Records) -> None:
    autolog.configure(max_queue_bytes=1000)
    sdk = client(lambda request: openai_http.Response(200, content=b"\x89PNG" * 10_000))
    assert len(sdk.files.content("file-1").content) == 40_000
    with sdk.files.with_streaming_response.content("file-1") as streamed:
        assert len(streamed.read()) == 40_000
    assert len(patched) == 0
    assert autolog.status()["dropped"] == {}
    lines = [
        {"custom_id": ["l"], "response": "x"},
        {"custom_id": "a", "response": "x"},
        {"custom_id": "b", "error": None},
    ]
    body = "\n".join(map(json.dumps, lines)).encode()
    client(lambda request: openai_http.Response(200, content=body)).files.content("file-1")
    assert len(patched) == 0


def test_an_operation_whose_key_is_not_utf_8_has_a_span() -> None:
    assert len(span_id("batch:\ud800")) == 16
