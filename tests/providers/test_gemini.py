"""Gemini and Vertex AI: generations, streams in both framings, embeddings, counts, batches."""

from __future__ import annotations

import json
from typing import Any

import pytest
from wire import certainty, read_call, sse, tokens

from autolog.providers import format_for, format_named
from autolog.providers._facts import LongRunning

gemini = format_named("gemini")
HOST = "https://generativelanguage.googleapis.com/v1beta/models/"
GENERATE, STREAM = f"{HOST}gemini-2.5-flash:generateContent", f"{HOST}gemini-2.5-flash:streamGenerateContent"
VERTEX = "https://aiplatform.googleapis.com/v1/projects/p/locations/global/publishers/google/models/"
ASKED = {"contents": [{"role": "user", "parts": [{"text": "Why?"}]}]}
USAGE = {
    "promptTokenCount": 1_000,
    "candidatesTokenCount": 100,
    "thoughtsTokenCount": 50,
    "cachedContentTokenCount": 400,
    "totalTokenCount": 1_150,
}


def answer(*parts: dict[str, Any], usage: dict[str, Any] | None = None, **candidate: Any) -> dict[str, Any]:
    return {
        "candidates": [{"content": {"role": "model", "parts": list(parts)}, "index": 0, **candidate}],
        "modelVersion": "gemini-2.5-flash", "responseId": "r1", **({"usageMetadata": usage} if usage else {}),
    }  # fmt: skip


def test_a_generation() -> None:
    response = answer(
        {"text": "Hm.", "thought": True},
        {"text": "So."},
        {"functionCall": {"name": "f", "args": {"x": 1}}},
        usage=USAGE,
        finishReason="STOP",
    )
    record = read_call(GENERATE, ASKED, response)
    assert tokens(record) == (1_000, 150, 400, None, 50)
    assert (record.provider_name, record.operation_name, record.request_model) == (
        "gcp.gemini",
        "chat",
        "gemini-2.5-flash",
    )
    assert (record.response_model, record.response_id, record.response_finish_reasons) == (
        "gemini-2.5-flash",
        "r1",
        ["STOP"],
    )
    assert record.tool_calls == [{"id": None, "name": "f", "arguments": {"x": 1}}]
    assert (record.input_preview, record.output_preview) == ("Why?", "So.")
    assert record.cost == pytest.approx((600 * 0.3 + 400 * 0.03 + 150 * 2.5) / 1e6)
    assert certainty(record) == "exact"


CHUNKS = (
    answer(
        {"text": "Hm", "thought": True}, usage={"promptTokenCount": 9, "thoughtsTokenCount": 2, "totalTokenCount": 11}
    ),
    answer({"text": ".", "thought": True}),
    answer({"text": "S"}, usage={"promptTokenCount": 9, "candidatesTokenCount": 1, "totalTokenCount": 12}),
    answer(
        {"text": "o."},
        finishReason="STOP",
        usage={"promptTokenCount": 9, "candidatesTokenCount": 3, "thoughtsTokenCount": 4, "totalTokenCount": 16},
    ),
)


@pytest.mark.parametrize(
    ("body", "kind"),
    [(sse(*CHUNKS), "text/event-stream"), (json.dumps(CHUNKS).encode(), "application/json"), (b"[" + b",\r\n".join(json.dumps(c).encode() for c in CHUNKS) + b"\n]", "")],
    ids=["events", "array", "array in lines"],
)  # fmt: skip
def test_a_stream_in_either_framing(body: bytes, kind: str) -> None:
    record = read_call(STREAM, ASKED, body, kind)
    assert tokens(record) == (9, 7, None, None, 4)
    assert (record.output_preview, record.response_finish_reasons, record.request_stream) == ("So.", ["STOP"], True)
    assert certainty(record) == "exact"


def test_a_stream_that_breaks_off_has_no_exact_cost() -> None:
    record = read_call(STREAM, ASKED, sse(*CHUNKS[:3]), "text/event-stream")
    assert tokens(record)[:2] == (9, 3)
    assert certainty(record) == "estimated"


def test_parallel_calls_and_candidates_of_a_stream_stay_apart() -> None:
    call = {"functionCall": {"name": "f", "args": {}}}
    chunks = [
        {"candidates": [{"index": index, "content": {"parts": [part]}}]}
        for index, part in (
            (0, call),
            (1, {"text": "x"}),
            (0, {"functionCall": {"name": "g", "args": {}}}),
            (1, {"text": "y"}),
        )
    ]
    record = read_call(STREAM, ASKED, sse(*chunks), "text/event-stream")
    assert [tool_call["name"] for tool_call in record.tool_calls or []] == ["f", "g"]
    assert record.output_preview == "xy"


def test_prompts_of_tools_are_input_and_modalities_are_counted_apart() -> None:
    usage = {
        "promptTokenCount": 300, "toolUsePromptTokenCount": 50, "candidatesTokenCount": 10, "totalTokenCount": 360,
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 100}, {"modality": "AUDIO", "tokenCount": 200}],
        "cachedContentTokenCount": 80, "cacheTokensDetails": [{"modality": "AUDIO", "tokenCount": 80}],
    }  # fmt: skip
    read = gemini.read("x:generateContent", {"usageMetadata": usage}, {}).usage
    assert (read.input, read.output, read.input_audio, read.cache_audio_read) == (350, 10, 200, 80)
    record = read_call(GENERATE, ASKED, answer({"text": "So."}, usage=usage))
    assert record.cost == pytest.approx((150 * 0.3 + 120 * 1.0 + 80 * 0.1 + 10 * 2.5) / 1e6)


@pytest.mark.parametrize(
    ("usage", "tier"),
    [({"serviceTier": "priority"}, "priority"), ({"serviceTier": "standard"}, "standard"), ({"trafficType": "ON_DEMAND"}, "standard"),
     ({"trafficType": "PROVISIONED_THROUGHPUT"}, "provisioned_throughput"), ({"trafficType": "ON_DEMAND_FLEX"}, "flex"), ({}, None)],
)  # fmt: skip
def test_the_tier_that_served(usage: dict[str, Any], tier: str | None) -> None:
    assert gemini.read("x:generateContent", {"usageMetadata": usage}, {}).service_tier == tier


@pytest.mark.parametrize(("model", "searches"), [("gemini-2.5-flash", 1), ("gemini-3-pro", 2)])
def test_grounding_is_billed_by_the_prompt_or_by_the_query(model: str, searches: int) -> None:
    response = {
        **answer({"text": "So."}, usage=USAGE, groundingMetadata={"webSearchQueries": ["a", "b"]}),
        "modelVersion": model,
    }
    assert gemini.read("x:generateContent", response, {}).usage.web_searches == searches


def test_a_blocked_prompt_and_an_answer_without_words() -> None:
    blocked = read_call(
        GENERATE,
        ASKED,
        {"promptFeedback": {"blockReason": "SAFETY"}, "usageMetadata": {"promptTokenCount": 5, "totalTokenCount": 5}},
    )
    assert tokens(blocked)[:2] == (5, 0)
    assert blocked.status == "ok"


def test_errors() -> None:
    refused = read_call(
        GENERATE, ASKED, {"error": {"code": 429, "message": "Slow down.", "status": "RESOURCE_EXHAUSTED"}}, status=429
    )
    assert (refused.status, refused.error_message) == ("error", "Slow down.")
    broken = read_call(
        STREAM,
        ASKED,
        sse(CHUNKS[0], {"error": {"code": 503, "message": "Overloaded.", "status": "UNAVAILABLE"}}),
        "text/event-stream",
    )
    assert (broken.status, broken.error_type, broken.error_message) == ("error", "UNAVAILABLE", "Overloaded.")


def test_embeddings() -> None:
    embedded = read_call(f"{VERTEX}gemini-embedding-001:embedContent", {"content": {"parts": [{"text": "x"}]}},
                         {"embedding": {"values": [0.5]}, "usageMetadata": {"promptTokenCount": 11, "totalTokenCount": 11}})  # fmt: skip
    assert (embedded.operation_name, tokens(embedded)[:2], embedded.provider_name) == (
        "embeddings",
        (11, 0),
        "gcp.vertex_ai",
    )
    predicted = read_call(f"{VERTEX}text-embedding-005:predict", {"instances": [{"content": "x"}, {"content": "y"}]},
                          {"predictions": [{"embeddings": {"values": [0.5], "statistics": {"token_count": count}}} for count in (3, 4)],
                           "metadata": {"billableCharacterCount": 9}})  # fmt: skip
    assert (predicted.operation_name, predicted.usage_input_tokens) == ("embeddings", 7)
    assert certainty(predicted) != "exact"


def test_counting_tokens_is_not_billed() -> None:
    record = read_call(f"{HOST}gemini-2.5-flash:countTokens", ASKED, {"totalTokens": 9})
    assert (record.operation_name, record.usage_input_tokens, record.cost) == ("count_tokens", 9, None)


def test_a_cache_is_billed_by_the_hour() -> None:
    record = read_call(
        "https://generativelanguage.googleapis.com/v1beta/cachedContents", ASKED, {"name": "cachedContents/1"}
    )
    assert "hour" in str(record.cost_details)


def test_interactions() -> None:
    usage = {"total_input_tokens": 5, "total_output_tokens": 6, "total_thought_tokens": 7, "total_cached_tokens": 2}
    record = read_call("https://generativelanguage.googleapis.com/v1beta/interactions", {"model": "gemini-2.5-flash", "input": "Why?"},
                       {"id": "i", "model": "gemini-2.5-flash", "status": "completed", "outputs": [{"type": "text", "text": "So."}], "usage": usage})  # fmt: skip
    assert (tokens(record), record.output_preview) == ((5, 13, 2, None, 7), "So.")


def test_the_results_of_a_batch() -> None:
    success = {"metadata": {"key": "a"}, "response": answer({"text": "So."}, usage=USAGE)}
    other = {"metadata": {"key": "b"}, "error": {"message": "no", "status": "INTERNAL"}}
    body = json.dumps({"response": {"inlinedResponses": {"inlinedResponses": [success, other]}}}).encode()
    path = "/v1beta/batches/77"
    assert gemini.is_follow_up("GET", path)
    results = list(gemini.batch_results(path, body))
    assert [(result.key, result.custom_id, result.error) for result in results] == [
        ("batches/77:a", "a", None), ("batches/77:b", "b", (None, "no")),
    ]  # fmt: skip
    lines = json.dumps({"key": "a", "response": answer({"text": "So."})}).encode() + b"\n"
    assert [result.custom_id for result in gemini.batch_results("/download/v1beta/files/f:download", lines)] == ["a"]


@pytest.mark.parametrize(
    ("parameters", "usage", "wanted"),
    [
        ({}, {}, "exact"),
        ({"serviceTier": "flex"}, {}, "estimated"),
        ({"serviceTier": "flex"}, {"serviceTier": "standard"}, "exact"),
        ({"contents": [{"parts": [{"inlineData": {"mimeType": "audio/wav", "data": "x"}}]}]}, {}, "estimated"),
        (
            {"contents": [{"parts": [{"inlineData": {"mimeType": "audio/wav", "data": "x"}}]}]},
            {"promptTokensDetails": [{"modality": "AUDIO", "tokenCount": 10}]},
            "estimated",  # how many of them were cached is not told
        ),
        (
            {"contents": [{"parts": [{"inlineData": {"mimeType": "audio/wav", "data": "x"}}]}]},
            {
                "promptTokensDetails": [
                    {"modality": "TEXT", "tokenCount": 990},
                    {"modality": "AUDIO", "tokenCount": 10},
                ],
                "cacheTokensDetails": [{"modality": "TEXT", "tokenCount": 400}],
            },
            "exact",
        ),
        ({"tools": [{"googleMaps": {}}]}, {}, "estimated"),
    ],
)
def test_a_cost_is_exact_only_if_every_term_was_told(
    parameters: dict[str, Any], usage: dict[str, Any], wanted: str
) -> None:
    response = answer({"text": "So."}, usage={**USAGE, **usage}, finishReason="STOP")
    assert certainty(read_call(GENERATE, {**ASKED, **parameters}, response)) == wanted


def test_searches_that_may_be_free_are_an_estimate() -> None:
    response = answer({"text": "So."}, usage=USAGE, groundingMetadata={"webSearchQueries": ["a"]})
    record = read_call(GENERATE, {**ASKED, "tools": [{"googleSearch": {}}]}, response)
    assert certainty(record) == "estimated"
    assert (record.cost_details or {})["tools"] == pytest.approx(0.035)


INTERACTIONS = "https://generativelanguage.googleapis.com/v1beta/interactions"
USED = {"total_input_tokens": 5, "total_output_tokens": 6, "total_thought_tokens": 7, "total_tool_use_tokens": 1,
        "input_tokens_by_modality": [{"modality": "audio", "tokens": 3}],
        "grounding_tool_count": [{"type": "google_search", "count": 2}, {"type": "google_maps", "count": 9}]}  # fmt: skip
CALL = {"type": "function_call", "id": "c", "name": "weather", "arguments": {"city": "Bern"}}


def test_an_interaction_in_steps() -> None:
    steps = [{"type": "thought", "summary": [{"type": "text", "text": "Hm."}]}, CALL,
             {"type": "model_output", "content": [{"type": "text", "text": "So."}, {"type": "image", "data": "AA=="}]}]  # fmt: skip
    record = read_call(INTERACTIONS, {"model": "gemini-2.5-flash", "input": "Why?"},
                       {"id": "i", "model": "gemini-2.5-flash", "status": "completed", "steps": steps, "usage": USED})  # fmt: skip
    assert (tokens(record), record.output_preview) == ((6, 13, None, None, 7), "So.")
    assert (record.usage_input_audio_tokens, record.response_finish_reasons) == (3, ["completed"])
    assert record.tool_calls == [{"id": "c", "name": "weather", "arguments": {"city": "Bern"}}]
    assert record.cost is not None


@pytest.mark.parametrize("whole", [False, True], ids=["in pieces alone", "with the whole at the end"])
def test_a_stream_of_an_interaction(whole: bool) -> None:
    started = {"id": "i", "model": "gemini-2.5-flash", "status": "in_progress"}
    ended = {**started, "status": "completed", "usage": USED}
    step = {"type": "model_output", "content": [{"type": "text", "text": "So."}]}
    if whole:
        ended["steps"] = [{**CALL, "arguments": {"city": "Bern"}}, step]
    events = [
        {"event_type": "interaction.created", "interaction": started},
        {"event_type": "step.start", "index": 0, "step": {**CALL, "arguments": {}}},
        {"event_type": "step.delta", "index": 0, "delta": {"type": "arguments_delta", "arguments": '{"city": '}},
        {"event_type": "step.delta", "index": 0, "delta": {"type": "arguments_delta", "arguments": '"Bern"}'}},
        {"event_type": "step.stop", "index": 0},
        {"event_type": "step.start", "index": 1, "step": {"type": "model_output"}},
        {"event_type": "step.delta", "index": 1, "delta": {"type": "text", "text": "S"}},
        {"event_type": "step.delta", "index": 1, "delta": {"type": "text", "text": "o."}},
        {"event_type": "interaction.completed", "interaction": ended},
    ]
    record = read_call(INTERACTIONS, {"model": "gemini-2.5-flash", "input": "Why?", "stream": True},
                       sse(*events), "text/event-stream")  # fmt: skip
    assert (tokens(record)[:2], record.output_preview, record.response_id) == ((6, 13), "So.", "i")
    assert record.tool_calls is not None
    (call,) = record.tool_calls
    assert call["arguments"] in ('{"city": "Bern"}', {"city": "Bern"})


def test_an_interaction_that_goes_on_is_completed_by_who_reads_it() -> None:
    path = "/v1beta/interactions/i"
    assert gemini.is_follow_up("GET", path)
    assert gemini.is_follow_up("POST", f"{path}/cancel")
    assert not gemini.is_follow_up("POST", "/v1beta/interactions")
    for status, final in (("in_progress", False), ("completed", True), ("failed", True), ("requires_action", True)):
        facts = gemini.read(path, {"id": "i", "status": status, "usage": USED}, {})
        assert facts.long_running == LongRunning("interaction:i", "chat", final, certain=False)
    failed = gemini.read(path, {"id": "i", "status": "failed", "errors": [{"code": "internal", "message": "no"}]}, {})
    assert (failed.error_type, failed.error_message) == ("internal", "no")


@pytest.mark.parametrize("path", ["/v1beta/batches/77", "/v1beta1/interactions", "/v1beta/openai/embeddings",
                                  "/v1/projects/p/locations/l/batchPredictionJobs"])  # fmt: skip
def test_paths_at_googles_hosts_are_read_as_what_they_are(path: str) -> None:
    host = "aiplatform.googleapis.com" if "projects" in path else "generativelanguage.googleapis.com"
    read_by = format_for(host, path)
    assert read_by is not None
    assert read_by.name == ("openai" if "openai" in path else "gemini")


def test_a_batch_whose_results_go_to_a_storage_has_no_cost() -> None:
    url = "https://us-central1-aiplatform.googleapis.com/v1/projects/p/locations/l/batchPredictionJobs"
    record = read_call(
        url, {"model": "publishers/google/models/gemini-2.5-flash"}, {"name": "j", "state": "JOB_STATE_PENDING"}
    )
    assert (record.cost, record.operation_name) == (None, "batch_prediction")
    assert "storage" in str(record.cost_details)


def test_a_decision_is_read_as_an_interaction() -> None:
    body = {"answers": {"q": {"choice": "a"}}, "usage": {"total_input_tokens": 9, "total_output_tokens": 2}}
    record = read_call("https://generativelanguage.googleapis.com/v1/decisions", {"model": "gemini-2.5-flash"}, body)
    assert (record.operation_name, tokens(record)[:2]) == ("decision", (9, 2))
    assert record.output_preview == '{"q":{"choice":"a"}}'
    assert "price of their own" in (record.cost_details or {})["why"]


def test_a_voice_is_made_with_tokens() -> None:
    body = {"type": "prompted", "id": "voice_1", "model": "gemini-2.5-flash", "usage": {"total_input_tokens": 9}}
    record = read_call("https://generativelanguage.googleapis.com/v1beta/voices", {"voice": {}}, body)
    assert (record.operation_name, record.response_model, record.response_id) == (
        "create_voice", "gemini-2.5-flash", "voice_1")  # fmt: skip
    assert tokens(record)[:1] == (9,)
    assert (record.cost_details or {}).get("certainty") != "exact"
