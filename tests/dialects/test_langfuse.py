"""Langfuse: batches of its older SDKs, scores, Basic credentials, spans at its path, and what is read back.

The present SDK itself runs in `tests/beside/senders/`.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Collection
from typing import Any

import pytest
from dialects.otlp_samples import CHAT, SPAN, TRACE, span, traces
from dialects.samples import ANSWER, KEY, Server
from engines import every_store

from autolog._record.record import Record
from autolog.dialects import langfuse
from autolog.server._keys import create_key, revoke_key

BATCH = "/api/public/ingestion"


def basic(key: str) -> dict[str, str]:
    return {"authorization": "Basic " + base64.b64encode(f"pk-autolog:{key}".encode()).decode()}


def event(kind: str, body: Any, number: int = 1) -> dict[str, Any]:
    return {"id": f"e{number}", "type": kind, "timestamp": "2026-01-02T03:04:05.000Z", "body": body}


TRACED = event("trace-create", {"id": "t-1", "name": "answer", "userId": "u-1", "sessionId": "s-1", "tags": ["shop"], "metadata": {"plan": "gold"},
                                "input": "Where?", "timestamp": "2026-01-02T03:04:05Z"}, 1)  # fmt: skip
STARTED = event("generation-create", {"id": "g-1", "traceId": "t-1", "name": "model", "model": "gpt-4o", "startTime": "2026-01-02T03:04:05Z",
                                      "modelParameters": {"temperature": 0}, "input": [{"role": "user", "content": "Where?"}],
                                      "promptName": "reply", "promptVersion": 3}, 2)  # fmt: skip
ENDED = event("generation-update", {"id": "g-1", "traceId": "t-1", "endTime": "2026-01-02T03:04:06.5Z", "completionStartTime": "2026-01-02T03:04:05.5Z",
                                    "output": {"role": "assistant", "content": "It ships."},
                                    "usageDetails": {"input": 600, "output": 100, "input_cached_tokens": 400, "total": 1100}}, 3)  # fmt: skip
FAILED = event(
    "span-create",
    {
        "id": "o-1",
        "traceId": "t-1",
        "parentObservationId": "g-1",
        "name": "tool",
        "level": "ERROR",
        "statusMessage": "boom",
    },
    4,
)
SCORED = event("score-create", {"traceId": "t-1", "name": "tone", "value": 0.5, "comment": "ok"}, 5)


def send(server: Server, *events: Any) -> Any:
    return server.call("POST", BATCH, {"batch": list(events), "metadata": {}}, key=None, headers=basic(KEY))


@every_store
@pytest.mark.parametrize("at_once", [True, False])
def test_a_batch_is_a_trace_with_its_generation_tool_and_score(server: Server, at_once: bool) -> None:
    events = [TRACED, STARTED, ENDED, FAILED, SCORED]
    for part in [events] if at_once else [[single] for single in events]:
        answer = send(server, *part)
        assert (answer.status_code, answer.json()["errors"]) == (207, [])
    trace, call, tool = (server.store.get(key) for key in ("t-1", "g-1", "o-1"))
    assert trace is not None
    assert call is not None
    assert tool is not None
    assert len(server.rows()) == 3
    assert (trace.user, trace.session, trace.tags, trace.metadata, trace.scores["tone"]["value"]) == (
        "u-1",
        "s-1",
        ["shop"],
        {"plan": "gold"},
        0.5,
    )
    assert (call.kind, call.parent_span_id, call.trace_id, call.prompt_name, call.prompt_version) == (
        "llm",
        "t-1",
        "t-1",
        "reply",
        "3",
    )
    assert (call.usage_input_tokens, call.usage_cache_read_input_tokens, call.usage_output_tokens) == (1000, 400, 100)
    assert call.cost == pytest.approx((600 * 2.5 + 400 * 1.25 + 100 * 10) / 1e6)
    assert (call.input_preview, call.output_preview, call.duration, call.time_to_first_chunk) == (
        "Where?",
        "It ships.",
        1.5,
        0.5,
    )
    assert json.loads(call.request_body or b"")["temperature"] == 0
    assert (tool.status, tool.error_message, tool.parent_span_id) == ("error", "boom", "g-1")


def test_what_is_known_of_a_batch_is_looked_up_at_once() -> None:
    lookups: list[set[str]] = []

    def find(ids: Collection[str]) -> list[Record]:
        lookups.append({*ids})
        return [langfuse.decode_thing({**STARTED["body"], "type": "generation"})]

    events = [TRACED, ENDED, FAILED, event("span-create", {"id": 5})]
    batch = langfuse.decode_batch({"batch": events}, find, lambda _: None)
    assert lookups == [{"t-1", "g-1", "o-1"}]
    (call,) = (record for record in batch.records if record.kind == "llm")
    assert (call.prompt_name, call.usage_output_tokens, len(batch.errors)) == ("reply", 100, 1)


def test_one_bad_event_is_answered_by_itself(server: Server) -> None:
    answer = send(server, TRACED, event("trace-create", {"name": "no id"}, 7), event("nonsense", {"id": "x"}, 8), 5, event("score-create", {"name": "x"}, 9),
                  event("span-create", {"id": "y", "startTime": "soon"}, 10), event("sdk-log", {"log": 1}, 11))  # fmt: skip
    assert answer.status_code == 207
    assert [item["id"] for item in answer.json()["successes"]] == ["e1", "e11"]
    assert {item["status"] for item in answer.json()["errors"]} == {400}
    assert len(answer.json()["errors"]) == 5
    assert [record.id for record in server.rows()] == ["t-1"]


@pytest.mark.parametrize("body", [{}, {"batch": 5}, [], b"{"])
def test_what_is_no_batch_is_refused(server: Server, body: Any) -> None:
    answer = server.call("POST", BATCH, body)
    assert (answer.status_code, bool(answer.json()["message"])) == (400, True)


def test_what_is_of_a_wrong_shape_costs_its_events(server: Server) -> None:
    late = {**event("span-create", {"id": "o-9"}, 9), "timestamp": "soon"}
    answer = send(
        server, event("trace-create", {"id": "t-9", "tags": 5}, 7), TRACED, late, event("span-update", {"id": "o-9"}, 8)
    ).json()
    assert [result["id"] for result in answer["errors"]] == ["e9", "e8"]
    assert [result["id"] for result in answer["successes"]] == ["e7", "e1"]
    assert {record.id for record in server.rows()} == {"t-9", "t-1"}


def test_the_secret_key_opens_and_another_does_not(server: Server) -> None:
    assert server.call("GET", "/api/public/projects", key=None, headers=basic(KEY)).json()["data"][0]["id"] == "default"
    for wrong in (
        basic("wrong"),
        {"authorization": "Basic !"},
        {"authorization": "Basic " + base64.b64encode(b"\xff").decode()},
        {},
    ):
        assert server.call("GET", "/api/public/projects", key=None, headers=wrong).status_code == 401
    assert server.call("GET", "/api/public/health", key=None).json()["status"] == "OK"


def test_spans_come_at_its_path_and_scores_find_their_record(server: Server) -> None:
    root = span(
        {
            **CHAT,
            "langfuse.observation.type": "generation",
            "langfuse.observation.usage_details": '{"input": 100, "output": 10}',
        }
    )
    assert (
        server.call("POST", "/api/public/otel/v1/traces", traces(root), key=None, headers=basic(KEY)).status_code == 200
    )
    for place in ({"traceId": TRACE}, {"traceId": TRACE, "observationId": SPAN}):
        assert (
            server.call("POST", "/api/public/scores", {**place, "name": f"s{len(place)}", "value": 1}).status_code
            == 200
        )
    record = server.only()
    assert (record.id, record.kind, record.scores) == (f"{TRACE}-{SPAN}", "llm", {"s1": 1.0, "s2": 1.0})
    found = server.call("GET", f"/api/public/traces/{TRACE}").json()
    assert (found["observations"][0]["id"], found["observations"][0]["usage"]["total"], len(found["scores"])) == (
        SPAN,
        110,
        2,
    )
    assert server.call("GET", f"/api/public/observations/{SPAN}").json()["model"] == "gpt-4o"
    assert server.call("GET", "/api/public/traces/none").status_code == 404


def test_a_response_of_the_providers_own_and_a_cost_of_the_senders_are_kept(server: Server) -> None:
    body = {"id": "g-2", "traceId": "t-2", "model": "gpt-4o", "input": {"messages": [{"role": "user", "content": "Where?"}]}, "output": ANSWER,
            "costDetails": {"total": 0.25}}  # fmt: skip
    send(server, event("generation-create", body))
    record = server.only()
    assert (record.response_id, record.cost, (record.cost_details or {})["certainty"]) == (
        "chatcmpl-1",
        0.25,
        "estimated",
    )


@every_store
def test_scores_come_in_a_list_and_may_come_before_their_span(server: Server) -> None:
    scores = [{"id": "a", "traceId": TRACE, "observationId": SPAN, "name": "tone", "value": 0.5}, {"name": "x"}, 5]
    answer = server.call("POST", "/api/public/scores", scores)
    assert (answer.status_code, answer.json()["accepted"], answer.json()["rejected"]) == (207, 1, 2)
    server.call("POST", "/v1/traces", traces(span(CHAT)))
    record = server.only()
    assert (record.id, record.scores, record.usage_input_tokens) == (f"{TRACE}-{SPAN}", {"tone": 0.5}, 100)
    assert server.call("POST", "/api/public/scores", scores[:1]).status_code == 202
    assert server.call("POST", "/api/public/scores", 5).status_code == 400


USAGES: list[tuple[dict[str, int | dict[str, int]], tuple[int, int, int]]] = [
    ({"input": 600, "output": 70, "input_cached_tokens": 400, "output_reasoning_tokens": 30}, (1000, 400, 100)),
    ({"input": 1000, "output": 100, "input_cached_tokens": 400, "total": 1100}, (1000, 400, 100)),
    ({"prompt_tokens": 1000, "completion_tokens": 100, "total_tokens": 1100, "prompt_tokens_details": {"cached_tokens": 400}}, (1000, 400, 100)),
    ({"input_tokens": 600, "output_tokens": 100, "cache_read_input_tokens": 400}, (1000, 400, 100)),
]  # fmt: skip


@pytest.mark.parametrize(("usage", "whole"), USAGES)
def test_types_of_usage_add_up_unless_the_total_says_otherwise(
    server: Server, usage: dict[str, Any], whole: tuple[int, int, int]
) -> None:
    send(server, event("generation-create", {"id": "g", "traceId": "t", "model": "gpt-4o", "usageDetails": usage}))
    attributes = {
        **CHAT,
        "langfuse.observation.type": "generation",
        "langfuse.observation.usage_details": json.dumps(usage),
    }
    attributes = {key: value for key, value in attributes.items() if not key.startswith("gen_ai.usage")}
    server.call("POST", "/api/public/otel/v1/traces", traces(span(attributes)))
    records = server.rows()
    assert {record.dialect for record in records} == {"langfuse", "otlp"}
    for record in records:
        assert (
            record.usage_input_tokens,
            record.usage_cache_read_input_tokens,
            record.usage_output_tokens,
        ) == whole, record.dialect


@every_store
def test_lists_are_filtered_and_come_in_pages(server: Server) -> None:
    send(server, TRACED, STARTED, ENDED, FAILED, SCORED)
    send(
        server,
        event("trace-create", {"id": "t-2", "name": "other", "userId": "u-2", "timestamp": "2026-01-03T03:04:05Z"}, 6),
    )

    def ids(path: str, **parameters: Any) -> list[str]:
        return [item["id"] for item in server.call("GET", f"/api/public/{path}", params=parameters).json()["data"]]

    assert ids("traces") == ["t-2", "t-1"]
    assert ids("traces", orderBy="timestamp.asc") == ["t-1", "t-2"]
    assert ids("traces", limit=1, page=2) == ["t-1"]
    assert ids("traces", limit=1, page=3) == []
    for wanted in (
        {"userId": "u-1"},
        {"sessionId": "s-1"},
        {"name": "answer"},
        {"tags": "shop"},
        {"toTimestamp": "2026-01-03T00:00:00Z"},
    ):
        assert ids("traces", **wanted) == ["t-1"], wanted
    assert ids("traces", environment="staging") == []
    (row,) = server.call("GET", "/api/public/traces", params={"userId": "u-1"}).json()["data"]
    assert (set(row["observations"]), row["scores"], row["totalCost"] > 0) == ({"g-1", "o-1"}, ["t-1/tone"], True)
    for path in ("observations", "v2/observations"):
        assert set(ids(path)) == {"g-1", "o-1"}
        assert ids(path, type="GENERATION") == ["g-1"]
        assert ids(path, level="ERROR") == ["o-1"]
        assert ids(path, traceId="t-2") == []
    assert ids("sessions") == ["s-1"]
    assert [item["id"] for item in server.call("GET", "/api/public/sessions/s-1").json()["traces"]] == ["t-1"]
    for path in ("scores", "v2/scores", "v3/scores"):
        assert ids(path, traceId="t-1") == ids(path, name="tone") == ["t-1/tone"]
        assert ids(path, name="other") == []


#: Columns, operators and values, and the observations that fit.
OBSERVED = (
    ("name", "=", "model", "g-1"), ("name", "contains", "oo", "o-1"), ("name", "none of", ["tool"], "g-1"),
    ("type", "any of", ["GENERATION"], "g-1"), ("level", "=", "ERROR", "o-1"), ("model", "=", "gpt-4o", "g-1"),
    ("latency", ">=", 1.5, "g-1"), ("totalTokens", ">", 1000, "g-1"), ("totalCost", ">", 0, "g-1"), ("inputTokens", "<", 5, ""),
    ("startTime", "<", "2026-01-02T03:04:06Z", "o-1 g-1"), ("startTime", ">", "2026-01-02T03:04:06Z", ""), ("promptName", "=", "reply", "g-1"), ("traceId", "any of", [], ""),
    ("name", "starts with", "mo", "g-1"), ("name", "does not contain", "oo", "g-1"), ("level", "none of", ["ERROR"], "g-1"), ("type", "=", "SPAN", "o-1"),
    ("statusMessage", "contains", "oo", "o-1"), ("environment", "=", "default", "o-1 g-1"), ("promptName", "is null", None, "o-1"), ("output", "matches", "it SHIPS", "g-1"),
    ("tokensPerSecond", ">", 1, "g-1"), ("isRootObservation", "<>", True, "o-1"), ("endTime", ">", "2026-01-02T03:04:05Z", "g-1"), ("tokens", "=", 1, ""),
)  # fmt: skip


def found_by(server: Server, path: str, **condition: Any) -> Any:
    wanted = json.dumps([{"type": "any", **condition}])
    return server.call("GET", f"/api/public/{path}", params={"filter": wanted}).json()


def test_observations_are_found_by_conditions(server: Server) -> None:
    send(server, TRACED, STARTED, ENDED, FAILED)
    for column, operator, value, wanted in OBSERVED:
        found = found_by(server, "v2/observations", column=column, operator=operator, value=value)
        assert [item["id"] for item in found["data"]] == wanted.split(), (column, operator)


@every_store
def test_a_cursor_names_the_next_page(server: Server) -> None:
    send(server, *(event("span-create", {"id": f"o-{number}", "traceId": "t", "startTime": f"2026-01-02T03:04:0{number // 2}Z"}, number) for number in range(7)))  # fmt: skip
    found, cursor = [], None
    while cursor or not found:
        page = server.call(
            "GET", "/api/public/v2/observations", params={"limit": 3, **({"cursor": cursor} if cursor else {})}
        ).json()
        found += [item["id"] for item in page["data"]]
        cursor = page["meta"].get("cursor")
    assert sorted(found) == [f"o-{number}" for number in range(7)]
    for wrong in (
        "nonsense",
        "2026-01-02T03:04:05 1",
        "2026-01-02T03:04:05+00:00 " + "9" * 30,
        "2026-01-02T03:04:05+00:00 -1",
    ):
        for given in (wrong, base64.urlsafe_b64encode(wrong.encode()).decode()):
            answer = server.call("GET", "/api/public/v2/observations", params={"cursor": given})
            assert answer.status_code == 400, wrong


@pytest.mark.parametrize(
    ("path", "status", "words"),
    [("traces?filter={}", 400, "list"), ("scores?filter=[]", 400, "filter"), ("traces?filter=[5]", 400, "object"),
     ("v2/observations?filter=[{\"column\":\"level\",\"operator\":\">\",\"value\":1}]", 400, "not compared by"),
     ("traces?filter=[{\"column\":\"colour\",\"operator\":\"=\",\"value\":\"a\"}]", 400, "there is no column 'colour'"), ("traces?orderBy=name.asc", 400, "orderBy"), ("traces?page=0", 400, "page"),
     ("sessions/none", 404, "session"), ("v2/prompts/reply", 404, "fallback"), ("v2/datasets/d", 404, "datasets"),
     ("v2/metrics?query=5", 400, "query"), ("v2/metrics?query={\"view\":\"traces\"}", 400, "view"), ("comments", 404, "comments"), ("v2/prompts", 404, "prompts"), ("experiments?x=1", 404, "experiments"), ("traces?fromTimestamp=soon", 400, "fromTimestamp")],
)  # fmt: skip
def test_what_there_is_not_is_said_in_its_shape(server: Server, path: str, status: int, words: str) -> None:
    answer = server.call("GET", f"/api/public/{path}")
    assert (answer.status_code, words in answer.json()["message"]) == (status, True)


def test_an_observation_that_is_read_and_imported_is_the_same(server: Server) -> None:
    from autolog.dialects import exports

    usage = {"input": 600, "input_cached_tokens": 400, "output": 70, "output_reasoning_tokens": 30, "total": 1100}
    send(
        server,
        event(
            "generation-create",
            {"id": "g", "traceId": "t", "model": "gpt-4o", "usageDetails": usage, "startTime": "2026-01-02T03:04:05Z"},
        ),
    )
    row = server.call("GET", "/api/public/observations/g").json()
    assert row["usageDetails"] == usage
    (record,) = exports.get("langfuse").decode(row)
    kept = server.only()
    for name in (
        "id",
        "trace_id",
        "usage_input_tokens",
        "usage_output_tokens",
        "usage_cache_read_input_tokens",
        "cost",
        "start_time",
    ):
        assert getattr(record, name) == getattr(kept, name), name


PNG = b"\x89PNG\r\n" + b"x" * 900


def ask_for(server: Server, content: bytes = PNG, key: str = KEY, **more: Any) -> Any:
    body = {"contentType": "image/png", "contentLength": len(content), "sha256Hash": base64.b64encode(hashlib.sha256(content).digest()).decode(),
            "traceId": TRACE, "observationId": SPAN, "field": "input", **more}  # fmt: skip
    return server.call("POST", "/api/public/media", body, key=key)


@every_store
def test_media_are_put_at_the_address_that_is_given_and_read_back(server: Server) -> None:
    given = ask_for(server).json()
    assert len(given["mediaId"]) == 22
    for _ in range(2):
        assert server.call("PUT", given["uploadUrl"], PNG, key=None).status_code == 200
    assert server.call("PATCH", f"/api/public/media/{given['mediaId']}", {"uploadHttpStatus": 200}).status_code == 200
    record = server.only()
    assert (record.trace_id, record.parent_span_id, record.response_body) == (TRACE, SPAN, PNG)
    assert [(entry["type"], entry["size"]) for entry in record.media or []] == [("image/png", len(PNG))]
    assert ask_for(server).json()["uploadUrl"] is None
    assert server.call("GET", "/api/public/observations").json()["data"] == []
    found = server.call("GET", f"/api/public/media/{given['mediaId']}").json()
    assert (found["contentType"], found["contentLength"]) == ("image/png", len(PNG))
    assert server.call("GET", found["url"], key=None).content == PNG


def test_an_address_opens_nothing_else(server: Server) -> None:
    given = ask_for(server).json()
    address = given["uploadUrl"]
    assert server.call("PUT", address, PNG + b"!", key=None).status_code == 400
    for wrong in (address.replace("token=", "token=0"), address.replace(TRACE, "f" * 32), address + "&more=1",
                  address.replace(given["mediaId"], "x" * 22), address.partition("?")[0]):  # fmt: skip
        assert server.call("PUT", wrong, PNG, key=None).status_code == 401
    assert server.call("GET", address, key=None).status_code == 401
    assert server.rows() == []


def test_an_address_stands_for_the_key_that_asked_for_it(server: Server) -> None:
    key = create_key(server.store, "sender", scopes=["ingest"])
    address = ask_for(server, key=key).json()["uploadUrl"]
    (key_id,) = server.store.documents("key")
    revoke_key(server.store, key_id)
    server.client.app.state.services.keyring.refresh(at_once=True)  # type: ignore[attr-defined]
    assert server.call("PUT", address, PNG, key=None).status_code == 401
    assert server.rows() == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"contentType": "png"},
        {"contentLength": "9"},
        {"sha256Hash": "x"},
        {"traceId": None},
        {"field": 5},
        {"observationId": "x" * 300},
    ],
)
def test_media_that_cannot_be_placed_are_refused(server: Server, wrong: dict[str, Any]) -> None:
    assert ask_for(server, **wrong).status_code == 400


def test_media_larger_than_a_body_are_refused_and_those_that_are_not_here_are_404(server: Server) -> None:
    refused = ask_for(server, contentLength=10**8)
    assert (refused.status_code, "--max-body" in refused.text) == (413, True)
    for missing in ("x" * 22, "x"):
        assert server.call("GET", f"/api/public/media/{missing}").status_code == 404


def test_media_may_be_as_large_as_a_body(server: Server) -> None:
    content = b"\x89PNG" * 500_000
    given = ask_for(server, content).json()
    assert server.call("PUT", given["uploadUrl"], content, key=None).status_code == 200
    found = server.call("GET", f"/api/public/media/{given['mediaId']}").json()
    assert server.call("GET", found["url"], key=None).content == content


#: Columns, operators, values and keys, and the traces that fit.
TRACES = (
    ("id", "=", "t-1", None, "t-1"), ("name", "starts with", "ans", None, "t-1"), ("level", "=", "ERROR", None, "t-1"), ("level", "=", "WARNING", None, "t-2"),
    ("totalTokens", "=", 1100, None, "t-1"), ("totalCost", ">", 0, None, "t-1"), ("errorCount", "<", 1, None, "t-2"), ("tags", "any of", ["shop", "x"], None, "t-1"),
    ("tags", "none of", ["shop"], None, "t-2"), ("metadata", "contains", "ol", "plan", "t-1"), ("metadata", "is not set", None, "plan", "t-2"),
    ("scores_avg", ">=", 0.5, "tone", "t-1"), ("sessionId", "is null", None, None, "t-2"), ("bookmarked", "=", True, None, ""),
)  # fmt: skip


def test_traces_are_found_by_what_is_in_them(server: Server) -> None:
    other = event("trace-create", {"id": "t-2", "name": "other", "timestamp": "2026-01-03T03:04:05Z"}, 6)
    warned = event("span-create", {"id": "o-2", "traceId": "t-2", "level": "WARNING"}, 7)
    send(server, TRACED, STARTED, ENDED, FAILED, SCORED, other, warned)
    for column, operator, value, key, wanted in TRACES:
        found = found_by(server, "traces", column=column, operator=operator, value=value, key=key)
        ids = [item["id"] for item in found["data"]]
        assert (ids, found["meta"]["totalItems"]) == (wanted.split(), bool(wanted)), (column, operator)


def test_pages_hold_what_fits_a_filter(server: Server) -> None:
    send(server, *(event("span-create", {"id": f"o-{number}", "traceId": "t", "name": "ab"[number % 2]}, number) for number in range(9)))  # fmt: skip
    wanted = {"filter": json.dumps([{"column": "name", "operator": "starts with", "value": "a"}]), "limit": 2}
    page = server.call("GET", "/api/public/observations", params={**wanted, "page": 2}).json()
    assert (len(page["data"]), page["meta"]["totalItems"]) == (2, 5)
    found, cursor = [], None
    while cursor or not found:
        given = {**wanted, **({"cursor": cursor} if cursor else {})}
        page = server.call("GET", "/api/public/v2/observations", params=given).json()
        found, cursor = found + [item["name"] for item in page["data"]], page["meta"].get("cursor")
    assert found == ["a"] * 5


def test_pages_of_observations_hold_no_traces_and_media(server: Server) -> None:
    """Every page is full, and the number of all observations is theirs alone."""
    for number in range(5):
        trace = f"{number:032x}"
        send(server, event("trace-create", {"id": trace, "name": "t"}, number),
             event("span-create", {"id": f"{number:016x}", "traceId": trace, "name": f"s{number}"}, 10 + number))  # fmt: skip
    address = ask_for(server).json()["uploadUrl"]
    server.client.put(address.removeprefix("http://testserver"), content=PNG, headers={"content-type": "image/png"})
    names: list[str] = []
    for page in (1, 2, 3):
        answer = server.call("GET", "/api/public/observations", params={"page": page, "limit": 2}).json()
        assert (answer["meta"]["totalItems"], answer["meta"]["totalPages"]) == (5, 3)
        names += [item["name"] for item in answer["data"]]
    assert sorted(names) == [f"s{number}" for number in range(5)]
    newer = server.call("GET", "/api/public/v2/observations", params={"limit": 1}).json()
    assert (len(newer["data"]), bool(newer["meta"]["cursor"])) == (1, True)


def test_metrics_sum_observations_by_their_columns_and_by_time(server: Server) -> None:
    for number, (name, spent) in enumerate((("ask", 10), ("ask", 30), ("think", 5))):
        send(server, event("generation-create", {
            "id": f"g{number}", "traceId": "t", "name": name, "model": "gpt-4o", "startTime": f"2026-01-0{number + 1}T12:30:00Z",
            "endTime": f"2026-01-0{number + 1}T12:30:02Z", "usage": {"input": spent, "output": 1}}, number))  # fmt: skip

    def rows(**more: Any) -> Any:
        metrics = [{"measure": "count", "aggregation": "count"}, {"measure": "inputTokens", "aggregation": "sum"},
                   {"measure": "latency", "aggregation": "p95"}]  # fmt: skip
        query = {"view": "observations", "metrics": metrics, **more}
        answer = server.call("GET", "/api/public/v2/metrics", params={"query": json.dumps(query)})
        assert answer.status_code == 200, answer.text
        return answer.json()["data"]

    by_name = rows(dimensions=[{"field": "name"}], orderBy=[{"field": "sum_inputTokens", "direction": "desc"}])
    assert by_name == [{"name": "ask", "count_count": 2, "sum_inputTokens": 40, "p95_latency": 2000},
                       {"name": "think", "count_count": 1, "sum_inputTokens": 5, "p95_latency": 2000}]  # fmt: skip
    days = rows(timeDimension={"granularity": "day"}, fromTimestamp="2026-01-02T00:00:00Z")
    assert {row["time_dimension"] for row in days} == {"2026-01-02T00:00:00Z", "2026-01-03T00:00:00Z"}
    only = [{"column": "name", "operator": "=", "value": "think", "type": "string"}]
    assert [row["sum_inputTokens"] for row in rows(filters=only)] == [5]


@pytest.mark.parametrize(
    "query",
    [5, {"metrics": 5}, {"metrics": [{"measure": "x", "aggregation": "sum"}]}, {"dimensions": [{"field": []}]}, {"timeDimension": {}},
     {"filters": [{"column": "colour", "operator": "=", "value": 1}]}, {"fromTimestamp": "soon"}],
)  # fmt: skip
def test_metrics_that_are_not_understood_are_refused(server: Server, query: Any) -> None:
    answer = server.call("GET", "/api/public/v2/metrics", params={"query": json.dumps(query)})
    assert (answer.status_code, bool(answer.json()["message"])) == (400, True)


def test_score_configurations_are_kept(server: Server) -> None:
    created = server.call(
        "POST", "/api/public/score-configs", {"name": "tone", "dataType": "NUMERIC", "maxValue": 5}
    ).json()
    path = f"/api/public/score-configs/{created['id']}"
    changed = server.call("PATCH", path, {"isArchived": True}).json()
    assert (changed["name"], changed["maxValue"], changed["isArchived"]) == ("tone", 5, True)
    assert server.call("GET", path).json() == changed
    assert server.call("GET", "/api/public/score-configs").json()["data"] == [changed]
    assert server.call("GET", path + "0").status_code == 404
    for wrong in (
        {"name": "x"},
        {"name": "", "dataType": "NUMERIC"},
        {"name": "x", "dataType": "NUMERIC", "minValue": "1"},
    ):
        assert server.call("POST", "/api/public/score-configs", wrong).status_code == 400


def test_traces_are_deleted_by_their_ids(server: Server) -> None:
    for number in range(3):
        send(server, event("trace-create", {"id": f"t{number}", "name": "t"}, number))
    assert server.call("DELETE", "/api/public/traces/t0").status_code == 200
    assert server.call("DELETE", "/api/public/traces", {"traceIds": ["t1"]}).status_code == 200
    assert server.call("DELETE", "/api/public/traces", {"traceIds": "t2"}).status_code == 400
    assert [record.trace_id for record in server.rows()] == ["t2"]


def test_a_score_is_removed_by_the_id_with_which_it_is_listed(server: Server) -> None:
    send(server, event("trace-create", {"id": "t", "name": "t"}))
    for name in ("tone", "is/it"):
        server.call("POST", "/api/public/scores", {"traceId": "t", "name": name, "value": 1})
    listed = {item["name"]: item["id"] for item in server.call("GET", "/api/public/v2/scores").json()["data"]}
    assert server.call("GET", f"/api/public/v2/scores/{listed['is/it']}").json()["value"] == 1
    assert server.call("DELETE", f"/api/public/scores/{listed['is/it']}").status_code == 200
    assert server.call("GET", f"/api/public/scores/{listed['is/it']}").status_code == 404
    assert server.call("DELETE", f"/api/public/scores/{listed['is/it']}").status_code == 404
    assert list(server.only().scores) == ["tone"]


@pytest.mark.parametrize(
    "path", ["v2/evaluators/x", "v2/evaluation-rules", "projects/p/memberships", "projects/p/apiKeys"]
)
def test_what_is_absent_is_named_with_the_code_that_the_sdks_require(server: Server, path: str) -> None:
    answer = server.call("GET", f"/api/public/{path}")
    assert (answer.status_code, answer.json()["code"]) == (404, "resource_not_found")
    assert answer.json()["message"].startswith("there are no ")


def test_a_generation_of_an_embedding_model_is_embeddings(server: Server) -> None:
    """Its older clients have no other type for them."""
    body = {"id": "g", "traceId": "t", "model": "text-embedding-3-small", "input": "Hi", "usageDetails": {"input": 8},
            "startTime": "2026-01-02T03:04:05Z"}  # fmt: skip
    event = {"id": "e", "type": "generation-create", "timestamp": "2026-01-02T03:04:05Z", "body": body}
    assert server.call("POST", "/api/public/ingestion", {"batch": [event]}).is_success
    record = server.only()
    assert (record.operation_name, record.cost) == ("embeddings", pytest.approx(8 * 0.02 / 1e6))
