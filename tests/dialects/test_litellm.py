"""LiteLLM's generic logger: success and failure, one payload or many, and the library itself."""

from __future__ import annotations

import json
import tracemalloc
from typing import Any

import pytest
from dialects.samples import ANSWER, Server

from autolog.dialects._fault import Fault
from autolog.dialects.litellm import decode_payload, decode_payloads

PAYLOAD: dict[str, Any] = {
    "id": "chatcmpl-1", "litellm_call_id": "call-1", "trace_id": "session-1", "call_type": "acompletion", "cache_hit": None, "stream": True,
    "status": "success", "custom_llm_provider": "openai", "startTime": 1767323045.25, "completionStartTime": 1767323045.75,
    "endTime": 1767323046.75, "model": "gpt-4o", "request_tags": ["shop"], "api_base": "https://api.openai.com/v1", "response_cost": 9.0,
    "messages": [{"role": "user", "content": "Where?"}], "response": ANSWER, "model_parameters": {"temperature": 0, "user": "u-1"},
    "metadata": {"requester_metadata": {"plan": "gold"}, "usage_object": {"prompt_tokens": 1000, "completion_tokens": 100,
                 "total_tokens": 1100, "prompt_tokens_details": {"cached_tokens": 400}}},
}  # fmt: skip


def test_a_success_is_a_whole_record(server: Server) -> None:
    assert server.call("POST", "/litellm", [PAYLOAD]).json()["ids"] == ["call-1"]
    record = server.only()
    assert (record.dialect, record.provider_name, record.request_model, record.operation_name) == (
        "litellm",
        "openai",
        "gpt-4o",
        "chat",
    )
    assert (record.user, record.session, record.tags, record.metadata) == (
        "u-1",
        "session-1",
        ["shop"],
        {"plan": "gold"},
    )
    assert (record.usage_input_tokens, record.usage_cache_read_input_tokens, record.usage_output_tokens) == (
        1000,
        400,
        100,
    )
    assert (record.duration, record.time_to_first_chunk, record.response_id) == (1.5, 0.5, "chatcmpl-1")
    assert (record.input_preview, record.output_preview) == ("Where?", "It ships.")
    assert record.cost == pytest.approx((600 * 2.5 + 400 * 1.25 + 100 * 10) / 1e6)
    assert json.loads(record.request_body or b"")["temperature"] == 0


@pytest.mark.parametrize(
    ("changed", "session"),
    [
        ({"trace_id": "c32b29eb-dc85-4017-982a-41485c938ca1"}, None),
        ({"trace_id": "c32b29eb-dc85-4017-982a-41485c938ca1", "session_id": "s-1"}, "s-1"),
        ({"trace_id": "c32b29eb-dc85-4017-982a-41485c938ca1", "session_id": "", "metadata": {"requester_metadata": {"session_id": "s-1"}}}, "s-1"),
        ({"trace_id": "s-1", "session_id": ""}, "s-1"),
        ({"trace_id": None}, None),
    ],
)  # fmt: skip
def test_a_trace_id_that_litellm_made_up_is_no_session(changed: dict[str, Any], session: str | None) -> None:
    record = decode_payload({**PAYLOAD, **changed})
    assert (record.session, record.trace_id) == (session, changed["trace_id"])


def test_a_failure_says_why_and_costs_nothing_known(server: Server) -> None:
    failed = {**PAYLOAD, "status": "failure", "response": {}, "response_cost": 0, "error_str": "late", "metadata": {}, "prompt_tokens": 0,
              "completion_tokens": 0, "error_information": {"error_code": "429", "error_class": "RateLimitError", "error_message": "slow down"}}  # fmt: skip
    server.call("POST", "/litellm", failed)
    record = server.only()
    assert (record.status, record.status_code, record.error_type, record.error_message) == (
        "error",
        429,
        "RateLimitError",
        "slow down",
    )
    assert (record.usage_input_tokens, record.cost) == (None, None)


def test_cache_writes_of_anthropic_are_billed_by_their_life(server: Server) -> None:
    usage = {"prompt_tokens": 10_102, "completion_tokens": 50, "total_tokens": 10_152, "cache_creation_input_tokens": 10_000,
             "cache_read_input_tokens": 100, "prompt_tokens_details": {"cached_tokens": 100, "cache_creation_tokens": 10_000,
             "cache_creation_token_details": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 10_000}}}  # fmt: skip
    response = {**ANSWER, "id": "msg_1", "model": "claude-sonnet-4-5", "usage": usage}
    server.call("POST", "/litellm", {**PAYLOAD, "custom_llm_provider": "anthropic", "model": "claude-sonnet-4-5", "response": response,
                                     "metadata": {"usage_object": usage}})  # fmt: skip
    assert server.only().cost == pytest.approx((2 * 3 + 100 * 0.3 + 10_000 * 6 + 50 * 15) / 1e6)


def test_a_call_through_the_proxy_is_billed_by_its_model_and_not_by_the_clients_name_for_it(server: Server) -> None:
    """The proxy prefixes the provider to the model, and puts the name that its client used into the response."""
    response = {**ANSWER, "model": "gpt-4o"}
    server.call(
        "POST", "/litellm", {**PAYLOAD, "model": "openai/gpt-4o-mini", "model_group": "gpt-4o", "response": response}
    )
    record = server.only()
    assert (record.request_model, record.response_model) == ("gpt-4o-mini", "gpt-4o-mini")
    assert record.cost == pytest.approx((600 * 0.15 + 400 * 0.075 + 100 * 0.6) / 1e6)


def test_litellms_own_figure_serves_where_nothing_is_known(server: Server) -> None:
    server.call(
        "POST",
        "/litellm",
        {
            **PAYLOAD,
            "model": "local-7b",
            "custom_llm_provider": "hosted_vllm",
            "response": {**ANSWER, "model": "local-7b"},
        },
    )
    assert (server.only().cost, server.only().custom_cost) == (9.0, True)
    assert (server.only().cost_details or {})["certainty"] == "estimated"


@pytest.mark.parametrize(("provider", "certainty"), [("openai", "estimated"), ("openrouter", "exact")])
def test_a_cost_in_the_usage_is_exact_only_from_providers_that_state_it(
    server: Server, provider: str, certainty: str
) -> None:
    usage = {**PAYLOAD["metadata"]["usage_object"], "cost": 0.5}
    response = {**ANSWER, "usage": usage, "service_tier": "default"}
    server.call("POST", "/litellm", {**PAYLOAD, "custom_llm_provider": provider, "response": response, "metadata": {},
                                     "api_base": "http://gateway.example/v1"})  # fmt: skip
    record = server.only()
    assert (record.cost, (record.cost_details or {})["certainty"]) == (0.5, certainty)


def test_an_answer_from_its_cache_costs_nothing(server: Server) -> None:
    server.call("POST", "/litellm", {**PAYLOAD, "cache_hit": True})
    assert (server.only().cached, server.only().cost) == (True, 0)


def test_payloads_come_alone_in_an_array_or_on_lines(server: Server) -> None:
    two = [PAYLOAD, {**PAYLOAD, "litellm_call_id": "call-2"}]
    bodies = (json.dumps(PAYLOAD), json.dumps(two), "\n".join(map(json.dumps, two)) + "\n")
    for body in bodies:
        assert server.call("POST", "/litellm", body.encode()).status_code == 200
    assert {record.id for record in server.rows()} == {"call-1", "call-2"}


def test_lines_are_counted_before_they_are_read() -> None:
    many = b"1\n" * 2_000_000
    tracemalloc.start()
    try:
        with pytest.raises(Fault) as refused:
            decode_payloads(many, most=10)
        assert (refused.value.status, tracemalloc.get_traced_memory()[1] < 3 * len(many)) == (413, True)
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[1]", b"5", b"5\n{", json.dumps({**PAYLOAD, "startTime": "soon"}).encode()]
)
def test_what_is_no_payload_is_refused(server: Server, body: bytes) -> None:
    answer = server.call("POST", "/litellm", body)
    assert (answer.status_code, bool(answer.json()["error"]["message"])) == (400, True)


ODD: list[Any] = [{}, {"metadata": 5, "messages": {"a": 1}, "response": "text", "request_tags": "x", "model_parameters": [], "trace_id": 5},
                  {"response": {"usage": 5}, "response_cost": "free", "cache_hit": "maybe", "error_information": [], "status": "failure"}]  # fmt: skip


@pytest.mark.parametrize("payload", ODD)
def test_odd_payloads_are_kept(server: Server, payload: dict[str, Any]) -> None:
    assert server.call("POST", "/litellm", payload).status_code == 200
    assert len(server.rows()) == 1


def test_one_bad_payload_costs_that_payload(server: Server) -> None:
    good, bad = json.dumps(PAYLOAD), json.dumps({**PAYLOAD, "startTime": "soon"})
    for body in (f"[5, {good}, {bad}, null]", f"5\n{good}\n{{\n{bad}"):
        answer = server.call("POST", "/litellm", body.encode())
        assert (answer.status_code, answer.json()["rejected"], len(answer.json()["ids"])) == (200, 3, 1)
    assert len(server.rows()) == 1
