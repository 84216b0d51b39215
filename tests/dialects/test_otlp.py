"""OTLP: spans of every family of senders as records, and records as spans.

The samples follow the documentation and the sources of the senders; those that can be installed are run for real in
`tests/server/test_duplicates.py`.
"""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from dialects.otlp_samples import CHAT, OTHER, SPAN, TRACE, event, log, logs, span, traces
from dialects.samples import RECORDS, Server
from engines import every_store
from hypothesis import given as drawn, settings

from autolog._reading.messages import plain_text, request_messages, response_messages
from autolog._record.record import Record, pack
from autolog.dialects import otlp
from autolog.dialects.otlp._spans import decode_span
from autolog.dialects.otlp._wire import Scope, Span
from autolog.dialects.otlp.families import AGENTS, FAMILIES
from autolog.dialects.otlp.families._family import Family, names_given
from autolog.stores.query import Query


def decoded(
    attributes: dict[str, Any], name: str = "chat", events: Any = (), scope: str = "test", **more: Any
) -> Record:
    batch = otlp.decode_traces(traces(span(attributes, name, list(events), **more), scope=scope))
    assert batch.rejected == 0, batch.problem
    (record,) = batch.items
    return record


def question_texts(record: Record) -> list[str]:
    return [plain_text(message) for message in request_messages(json.loads(record.request_body or b"null"))]


def answer_texts(record: Record) -> list[str]:
    return [plain_text(message) for message in response_messages(json.loads(record.response_body or b"null"))]


def called(record: Record) -> list[Any]:
    return [call["name"] for call in record.tool_calls or []]


@settings(deadline=None)
@drawn(RECORDS)
def test_otlp_round_trip(record: Record) -> None:
    (back,) = otlp.decode_traces(json.loads(otlp.encode_request([record]).body)).items
    for field in ("user", "usage_input_tokens", "usage_output_tokens", "metadata", "request_model"):
        assert getattr(back, field) == getattr(record, field), field


# Messages

PARTS = [
    {"role": "system", "parts": [{"type": "text", "content": "Be brief."}]},
    {"role": "user", "parts": [{"type": "text", "content": "Weather?"}]},
    {
        "role": "assistant",
        "parts": [{"type": "tool_call", "id": "c1", "name": "weather", "arguments": {"city": "Faro"}}],
    },
    {"role": "tool", "parts": [{"type": "tool_call_response", "id": "c1", "response": {"c": 12}}]},
]
DONE = [{"role": "assistant", "finish_reason": "tool_call", "parts": [
    {"type": "reasoning", "content": "Hm."}, {"type": "text", "content": "One moment."},
    {"type": "tool_call", "id": "c2", "name": "tides", "arguments": '{"at": "Faro"}'}]}]  # fmt: skip
OPENLLMETRY = {
    "gen_ai.system": "openai", "llm.request.type": "chat", "gen_ai.request.model": "gpt-4o", "gen_ai.prompt.0.role": "user",
    "gen_ai.prompt.0.content": "Weather?", "gen_ai.prompt.1.role": "assistant", "gen_ai.prompt.1.tool_calls.0.id": "c1",
    "gen_ai.prompt.1.tool_calls.0.name": "weather", "gen_ai.prompt.1.tool_calls.0.arguments": '{"city": "Faro"}',
    "gen_ai.prompt.2.role": "tool", "gen_ai.prompt.2.tool_call_id": "c1", "gen_ai.prompt.2.content": "12 C",
    "gen_ai.completion.0.role": "assistant", "gen_ai.completion.0.content": "One moment.",
    "gen_ai.completion.0.finish_reason": "tool_calls", "gen_ai.completion.0.tool_calls.0.id": "c2",
    "gen_ai.completion.0.tool_calls.0.name": "tides", "gen_ai.completion.0.tool_calls.0.arguments": "{}",
}  # fmt: skip
_IN, _OUT = "llm.input_messages.0.message.", "llm.output_messages.0.message."
OPENINFERENCE = {
    "openinference.span.kind": "LLM", "llm.system": "openai", "llm.model_name": "gpt-4o", "input.value": "{}", _IN + "role": "user",
    _IN + "contents.0.message_content.type": "text", _IN + "contents.0.message_content.text": "Weather?",
    _IN + "contents.1.message_content.type": "image", _IN + "contents.1.message_content.image.image.url": "https://x.example/faro.png",
    _OUT + "role": "assistant", _OUT + "content": "One moment.", "llm.finish_reason": "tool_calls",
    _OUT + "tool_calls.0.tool_call.id": "c2", _OUT + "tool_calls.0.tool_call.function.name": "tides",
    _OUT + "tool_calls.0.tool_call.function.arguments": "{}",
}  # fmt: skip
VERCEL = {
    "ai.operationId": "ai.streamText.doStream", "ai.model.id": "gpt-4o", "ai.model.provider": "openai.responses",
    "ai.prompt.messages": json.dumps([{"role": "user", "content": [{"type": "text", "text": "Weather?"}]}]),
    "ai.response.text": "One moment.", "ai.response.finishReason": "tool-calls",
    "ai.response.toolCalls": json.dumps([{"toolCallId": "c2", "toolName": "tides", "input": {"at": "Faro"}}]),
}  # fmt: skip
PYDANTIC_AI = {**CHAT, "events": json.dumps([
    {"event.name": "gen_ai.user.message", "role": "user", "content": "Weather?"},
    {"event.name": "gen_ai.choice", "message": {"role": "assistant", "content": "One moment.", "tool_calls": [
        {"id": "c2", "type": "function", "function": {"name": "tides", "arguments": "{}"}}]}, "finish_reason": "tool_calls"}]),
    "gen_ai.response.finish_reasons": ["tool_calls"]}  # fmt: skip
ADK = {
    **CHAT, "gen_ai.system": "gcp.vertex.agent", "gen_ai.response.finish_reasons": ["stop"],
    "gcp.vertex.agent.llm_request": json.dumps({"model": "gemini-2.5-pro", "config": {"system_instruction": "Be brief."},
        "contents": [{"role": "user", "parts": [{"text": "Weather?"}]}]}),
    "gcp.vertex.agent.llm_response": json.dumps({"content": {"role": "model", "parts": [
        {"text": "One moment."}, {"functionCall": {"name": "tides", "args": {"at": "Faro"}}}]}}),
}  # fmt: skip
LANGFUSE = {
    "langfuse.observation.type": "generation", "langfuse.observation.model.name": "gpt-4o", "gen_ai.response.finish_reasons": ["stop"],
    "langfuse.observation.input": json.dumps([{"role": "user", "content": "Weather?"}]),
    "langfuse.observation.output": json.dumps({"role": "assistant", "content": "One moment.", "tool_calls": [
        {"id": "c2", "type": "function", "function": {"name": "tides", "arguments": "{}"}}]}),
}  # fmt: skip
MLFLOW = {
    "mlflow.spanType": '"CHAT_MODEL"', "mlflow.llm.model": '"gpt-4o"', "mlflow.llm.provider": '"openai"',
    "mlflow.spanInputs": json.dumps({"messages": [{"role": "user", "content": "Weather?"}]}),
    "mlflow.spanOutputs": json.dumps({"choices": [{"index": 0, "finish_reason": "stop", "message": {
        "role": "assistant", "content": "One moment.", "tool_calls": [{"id": "c2", "function": {"name": "tides", "arguments": "{}"}}]}}]}),
}  # fmt: skip
LANGSMITH = {
    "langsmith.span.kind": "llm", "gen_ai.system": "openai", "gen_ai.request.model": "gpt-4o", "gen_ai.response.finish_reasons": ["stop"],
    "gen_ai.prompt": json.dumps({"messages": [[{"lc": 1, "id": ["langchain", "schema", "HumanMessage"], "kwargs": {"content": "Weather?"}}]]}),
    "gen_ai.completion": json.dumps([{"role": "assistant", "content": "One moment.", "tool_calls": [{"id": "c2", "name": "tides", "args": {}}]}]),
}  # fmt: skip
BRAINTRUST = {
    "braintrust.span_attributes": '{"type": "llm", "name": "answer"}', "gen_ai.response.finish_reasons": ["stop"],
    "braintrust.input_json": json.dumps([{"role": "user", "content": "Weather?"}]),
    "braintrust.output_json": json.dumps([{"role": "assistant", "content": "One moment.", "tool_calls": [
        {"id": "c2", "type": "function", "function": {"name": "tides", "arguments": "{}"}}]}]),
    "braintrust.metadata": '{"model": "gpt-4o", "provider": "openai", "user_id": "ada"}',
    "braintrust.metrics": '{"prompt_tokens": 100, "completion_tokens": 20, "prompt_cached_tokens": 60, "tokens": 120}',
    "braintrust.scores": '{"tone": 0.5, "skipped": null}', "braintrust.tags": ["beta"],
}  # fmt: skip
SAID = {"genai": {**CHAT, "gen_ai.input.messages": json.dumps(PARTS), "gen_ai.output.messages": json.dumps(DONE)},
        "openllmetry": OPENLLMETRY, "openinference": OPENINFERENCE, "vercel": VERCEL, "pydantic-ai": PYDANTIC_AI, "adk": ADK,
        "langfuse": LANGFUSE, "mlflow": MLFLOW, "langsmith": LANGSMITH, "braintrust": BRAINTRUST}  # fmt: skip


@pytest.mark.parametrize("family", SAID)
def test_messages_tool_calls_and_finish_reasons_of_every_family_arrive(family: str) -> None:
    record = decoded(SAID[family])
    assert record.kind == "llm"
    assert "Weather?" in question_texts(record)
    assert answer_texts(record) == ["One moment."]
    assert called(record) == ["tides"]
    assert record.input_preview == "Weather?"
    assert record.output_preview == "One moment."
    assert record.response_finish_reasons
    assert record.request_model in {"gpt-4o", "gemini-2.5-pro"}


def test_a_conversation_with_tools_keeps_its_calls_results_and_pictures() -> None:
    messages = json.loads(decoded(OPENLLMETRY).request_body or b"")["messages"]
    assert messages[1]["tool_calls"][0] == {
        "id": "c1",
        "type": "function",
        "function": {"name": "weather", "arguments": '{"city": "Faro"}'},
    }
    assert messages[2] == {"role": "tool", "tool_call_id": "c1", "content": "12 C"}
    messages = json.loads(decoded(SAID["genai"]).request_body or b"")["messages"]
    assert [message["role"] for message in messages] == ["system", "user", "assistant", "tool"]
    assert messages[3]["content"] == '{"c": 12}'
    assert b"faro.png" in (decoded(OPENINFERENCE).request_body or b"")


@pytest.mark.parametrize(
    ("prompt", "said"),
    [({"system": "Be brief.", "prompt": "Weather?"}, ["Be brief.", "Weather?"]), ({"prompt": "Weather?"}, ["Weather?"]),
     ({"messages": [{"role": "user", "content": "Weather?"}]}, ["Weather?"]), ({"prompt": [{"role": "user", "content": "Weather?"}]}, ["Weather?"])],
)  # fmt: skip
def test_a_step_of_vercels_has_the_prompt_that_the_program_gave(prompt: dict[str, Any], said: list[str]) -> None:
    """As AI SDK 6 sends it, around the call to the model."""
    attributes = {"ai.operationId": "ai.generateText", "ai.model.id": "gpt-4o", "ai.prompt": json.dumps(prompt)}
    record = decoded({**attributes, "ai.telemetry.functionId": "forecast"})
    messages = json.loads(record.request_body or b"")["messages"]
    assert ([message["content"] for message in messages], record.kind, record.caller) == (said, "chain", "forecast")


@pytest.mark.parametrize("attribute", ["gen_ai.operation.name", "llm.request.type"])
@pytest.mark.parametrize(
    ("call_type", "operation"),
    [("acompletion", "chat"), ("aembedding", "embeddings"), ("aresponses", "chat"), ("atext_completion", "text_completion")],
)  # fmt: skip
def test_litellms_call_types_are_the_conventions_operations(attribute: str, call_type: str, operation: str) -> None:
    record = decoded({attribute: call_type, "gen_ai.request.model": "m", "openinference.span.kind": "LLM"})
    assert (record.kind, record.operation_name) == ("llm", operation)


@pytest.mark.parametrize("operation", ["ai.embed.doEmbed", "ai.embedMany.doEmbed"])
def test_an_embedding_of_vercels_is_priced_by_its_input(operation: str) -> None:
    """Version 7's `LegacyOpenTelemetry` sends these names, too."""
    record = decoded({"ai.operationId": operation, "ai.model.provider": "openai.embedding", "ai.usage.tokens": 1000,
                      "ai.model.id": "text-embedding-3-small", "ai.values": ['"Lund"']})  # fmt: skip
    assert (record.kind, record.operation_name, record.cost) == ("llm", "embeddings", pytest.approx(2e-5))


@pytest.mark.parametrize("prefix", ["ai.telemetry.metadata.", "ai.settings.context."])
def test_what_a_program_adds_to_vercels_calls_is_user_session_tags_and_metadata(prefix: str) -> None:
    given = {"userId": "ada", "sessionId": "s-1", "tags": ["beta"], "plan": "gold"}
    record = decoded({"gen_ai.operation.name": "invoke_agent", **{prefix + name: given[name] for name in given}})
    assert (record.user, record.session, record.tags, record.metadata["plan"]) == ("ada", "s-1", ["beta"], "gold")


def test_a_tool_of_vercels_has_its_name_and_a_stream_its_first_chunk() -> None:
    tool = decoded({"ai.operationId": "ai.toolCall", "ai.toolCall.name": "weather", "ai.toolCall.args": "{}"})
    assert (tool.kind, tool.name) == ("tool", "weather")
    assert decoded({**VERCEL, "ai.response.msToFirstChunk": 250.5}).time_to_first_chunk == 0.2505


def test_objects_of_braintrusts_are_read() -> None:
    record = decoded(BRAINTRUST)
    assert (record.name, record.user, record.tags, record.scores) == ("answer", "ada", ["beta"], {"tone": 0.5})
    assert (record.usage_input_tokens, record.usage_output_tokens) == (100, 20)
    assert (record.usage_cache_read_input_tokens, certainty(record)) == (60, "estimated")
    assert decoded({"braintrust.span_attributes": '{"type": "score"}'}).kind == "evaluator"
    assert decoded({"braintrust.span_attributes": '{"type": ', "braintrust.scores": "[1]"}).kind == "span"


@pytest.mark.parametrize(("attributes", "is_stream"), [
    ({"gen_ai.request.stream": True}, True), ({"llm.is_streaming": "True"}, True), ({"llm.is_streaming": True}, True),
    ({"ai.operationId": "ai.streamText.doStream"}, True), ({"gen_ai.request.stream": False}, False), ({}, False),
])  # fmt: skip
def test_a_streamed_call_is_marked_as_one(attributes: dict[str, Any], is_stream: bool) -> None:
    assert decoded({**CHAT, **attributes}).request_stream is is_stream


def test_messages_that_llamaindex_writes_as_python_shows_them_give_way_to_the_numbered_ones() -> None:
    shown = json.dumps({"messages": ["ChatMessage(role=<MessageRole.USER: 'user'>, blocks=[])"]})
    assert question_texts(decoded({**OPENINFERENCE, "input.value": shown})) == ["Weather?"]
    alone = {name: value for name, value in OPENINFERENCE.items() if not name.startswith(_IN)}
    assert question_texts(decoded({**alone, "input.value": shown}))[0].startswith("ChatMessage(")
    completion = {**alone, "input.value": '{"args": ["Weather?"]}', "llm.prompts": ["Weather?"]}
    assert question_texts(decoded(completion)) == ["Weather?"]


def test_a_message_alone_is_a_response() -> None:
    """OpenInference's instrumentation of Bedrock writes Converse's message."""
    message = json.dumps({"role": "assistant", "content": [{"text": "One moment."}]})
    record = decoded({**OPENINFERENCE, "llm.system": "amazon", "output.value": message})
    assert (record.output_preview, answer_texts(record)) == ("One moment.", ["One moment."])


@pytest.mark.parametrize(
    ("name", "kept"), [("s-1########2", None), ("s-1", None), ("support/answer", "support/answer")]
)
def test_gemini_clis_id_of_a_prompt_is_no_prompts_name(name: str, kept: str | None) -> None:
    assert decoded({**CHAT, "gen_ai.prompt.name": name, "session.id": "s-1"}).prompt_name == kept


STRANDS = [event("gen_ai.user.message", {"content": '[{"text": "Weather?"}]'}),
           event("gen_ai.choice", {"finish_reason": "tool_use", "message":
                 '[{"text": "One moment."}, {"toolUse": {"toolUseId": "c2", "name": "tides", "input": {"at": "Faro"}}}]'})]  # fmt: skip
TODAY = [event("gen_ai.client.inference.operation.details",
               {"gen_ai.input.messages": json.dumps(PARTS), "gen_ai.output.messages": json.dumps(DONE)})]  # fmt: skip
BEFORE = [event("gen_ai.content.prompt", {"gen_ai.prompt": json.dumps([{"role": "user", "content": "Weather?"}])}),
          event("gen_ai.content.completion", {"gen_ai.completion": json.dumps([{"content": "One moment.", "tool_calls": [
              {"id": "c2", "function": {"name": "tides", "arguments": "{}"}}]}])})]  # fmt: skip


@pytest.mark.parametrize("events", [STRANDS, TODAY, BEFORE], ids=["strands", "today", "before"])
def test_messages_in_events_of_the_span_are_read(events: list[Any]) -> None:
    record = decoded(CHAT, events=events)
    assert "Weather?" in question_texts(record)
    assert (answer_texts(record), called(record)) == (["One moment."], ["tides"])


def test_an_input_value_that_is_no_conversation_gives_way_to_the_messages() -> None:
    for given in ("{}", "Weather", '{"question": "?"}', "[1, 2]"):
        assert question_texts(decoded({**OPENINFERENCE, "input.value": given})) == ["Weather?"]
    raw = json.dumps({"model": "gpt-4o", "temperature": 0, "messages": [{"role": "user", "content": "Raw?"}]})
    record = decoded({**OPENINFERENCE, "input.value": raw})
    assert question_texts(record) == ["Raw?"]
    assert json.loads(record.request_body or b"")["temperature"] == 0
    alone = {"openinference.span.kind": "LLM", "llm.model_name": "m", "input.value": "Weather?", "output.value": "12 C"}
    assert (question_texts(decoded(alone)), answer_texts(decoded(alone))) == (["Weather?"], ["12 C"])


# Kinds


@pytest.mark.parametrize(
    ("attributes", "kind"),
    [
        ({"gen_ai.operation.name": "invoke_agent", "gen_ai.request.model": "m"}, "agent"),
        ({"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "t"}, "tool"),
        ({"gen_ai.operation.name": "retrieval", "gen_ai.request.model": "m"}, "retrieval"),
        ({"gen_ai.operation.name": "plan", "gen_ai.request.model": "m"}, "span"),
        ({"gen_ai.operation.name": "create_memory", "gen_ai.request.model": "m"}, "span"),
        ({"gen_ai.operation.name": "something_new", "gen_ai.request.model": "m"}, "llm"),
        ({"gen_ai.agent.name": "helper", "gen_ai.usage.input_tokens": 5}, "span"),
        ({"openinference.span.kind": "RETRIEVER"}, "retrieval"),
        ({"traceloop.span.kind": "workflow"}, "chain"),
        ({"ai.operationId": "ai.generateText", "ai.model.id": "m"}, "chain"),
        ({"ai.operationId": "ai.toolCall", "ai.toolCall.name": "t"}, "tool"),
        ({"langfuse.observation.type": "tool"}, "tool"),
        ({"http.method": "GET"}, "span"),
    ],
)
def test_only_a_call_of_a_model_is_one(attributes: dict[str, Any], kind: str) -> None:
    assert decoded(attributes).kind == kind


def test_documents_and_tools_keep_what_went_in_and_came_out() -> None:
    found = decoded({"openinference.span.kind": "RETRIEVER", "input.value": "tides", "retrieval.documents.0.document.content": "High at 4",
                     "retrieval.documents.0.document.score": 0.5})  # fmt: skip
    assert json.loads(found.response_body or b"") == {"documents": [{"content": "High at 4", "score": 0.5}]}
    assert json.loads(found.request_body or b"") == "tides"
    tool = decoded({"ai.operationId": "ai.toolCall", "ai.toolCall.args": '{"at": "Faro"}', "ai.toolCall.result": "4"})
    assert (json.loads(tool.request_body or b""), json.loads(tool.response_body or b"")) == ({"at": "Faro"}, "4")


# Money

CLAUDE = {"gen_ai.operation.name": "chat", "gen_ai.provider.name": "anthropic", "gen_ai.request.model": "claude-sonnet-4-5",
          "gen_ai.usage.input_tokens": 10_102, "gen_ai.usage.output_tokens": 50, "gen_ai.usage.cache_read.input_tokens": 100}  # fmt: skip


def certainty(record: Record) -> Any:
    return (record.cost_details or {}).get("certainty")


def test_cache_writes_are_priced_by_their_life_where_the_span_tells_it() -> None:
    hour = {"gen_ai.usage.cache_write.input_tokens": 10_000, "anthropic.usage.cache_creation.ephemeral_5m_input_tokens": 0,
            "anthropic.usage.cache_creation.ephemeral_1h_input_tokens": 10_000}  # fmt: skip
    record = decoded({**CLAUDE, **hour})
    assert record.cost == pytest.approx((2 * 3 + 100 * 0.3 + 10_000 * 6 + 50 * 15) / 1e6)
    assert "5 minutes or an hour" not in (record.cost_details or {})["why"]
    untold = decoded({**CLAUDE, "gen_ai.usage.cache_creation.input_tokens": 10_000})
    assert certainty(untold) == "estimated"
    assert "5 minutes or an hour" in (untold.cost_details or {})["why"]


def test_a_service_tier_that_nobody_told_makes_an_estimate() -> None:
    assert "service tier" in (decoded(CHAT).cost_details or {})["why"]
    stated = decoded({**CHAT, "openai.response.service_tier": "default"})
    assert "service tier" not in (stated.cost_details or {})["why"]
    raw = {
        "model": "gpt-4o",
        "service_tier": "default",
        "choices": [],
        "usage": {"prompt_tokens": 100, "completion_tokens": 10},
    }
    assert certainty(decoded({**CHAT, "response_data": json.dumps(raw)})) == "exact"


def test_cached_tokens_counted_beside_the_input_are_put_inside() -> None:
    beside = decoded({**CLAUDE, "gen_ai.usage.input_tokens": 2, "gen_ai.usage.cache_write.input_tokens": 10_000})
    assert beside.usage_input_tokens == 10_102
    code = decoded({"span.type": "llm_request", "model": "claude-sonnet-4-5", "input_tokens": 500, "output_tokens": 1,
                    "cache_read_tokens": 400, "cache_creation_tokens": 0}, name="claude_code.llm_request")  # fmt: skip
    assert (code.kind, code.usage_input_tokens, code.usage_cache_read_input_tokens) == ("llm", 900, 400)


def test_counts_come_as_numbers_and_as_text() -> None:
    for given in (100, 100.0, "100"):
        assert decoded({**CHAT, "gen_ai.usage.input_tokens": given}).usage_input_tokens == 100
    for given in (True, -1, "many", "1e2", "9" * 30, []):
        assert decoded({**CHAT, "gen_ai.usage.input_tokens": given}).usage_input_tokens is None


def test_a_cost_of_the_senders_is_an_estimate_of_its() -> None:
    for key in ("operation.cost", "gen_ai.usage.cost", "gen_ai.usage.total_cost", "llm.cost.total"):
        record = decoded({**CHAT, "logfire.msg": "x", key: 0.25})
        assert (record.cost, record.custom_cost, certainty(record)) == (0.25, True, "estimated")


def test_what_an_agents_run_cost_is_billed_with_its_calls() -> None:
    total = {"gen_ai.operation.name": "invoke_agent", "gen_ai.usage.input_tokens": 9_000, "gen_ai.usage.cost": 2.5}
    record = decoded(total, "invoke_agent")
    assert (record.kind, record.cost, record.usage_input_tokens) == ("agent", None, 9_000)


# Names and errors


@pytest.mark.parametrize(
    ("given", "provider"),
    [("openai.chat", "openai"), ("openai.responses", "openai"), ("google.generative-ai", "gcp.gemini"), ("azure-openai.chat", "azure.ai.openai"),
     ("az.ai.openai", "azure.ai.openai"), ("amazon-bedrock", "aws.bedrock"), ("gcp.vertex_ai", "gcp.vertex_ai"), ("strands-agents", "openai"),
     ("Somebody.new", "Somebody.new"), ("gcp.gen_ai", "gcp.gemini"), ("MistralAI", "mistral_ai"), ("Ollama", "ollama"),
     ("OpenRouter", "openrouter"), ("TogetherAI", "together"), ("AWS", "aws.bedrock")],
)  # fmt: skip
def test_providers_have_the_conventions_names(given: str, provider: str) -> None:
    assert decoded({**CHAT, "gen_ai.provider.name": given}).provider_name == provider


@pytest.mark.parametrize(
    ("given", "own"),
    [
        ("resp_bGl0ZWxsbTpjdXN0b21fbGxtX3Byb3ZpZGVyOm9wZW5haTttb2RlbF9pZDpOb25lO3Jlc3BvbnNlX2lkOnJlc3BfNw==", "resp_7"),
        ("resp_bGl0ZWxsbTp!", "resp_bGl0ZWxsbTp!"),
        ("resp_7", "resp_7"),
    ],
)
def test_the_id_of_a_response_is_the_providers_where_litellm_packs_it(given: str, own: str) -> None:
    assert decoded({"gen_ai.operation.name": "chat", "gen_ai.response.id": given}).response_id == own


def test_sessions_users_tags_and_metadata_of_every_family() -> None:
    langfuse = decoded({"langfuse.user.id": "u", "langfuse.session.id": "s", "langfuse.trace.tags": ["t"], "langfuse.trace.metadata.plan": "gold",
                        "langfuse.observation.level": "ERROR", "langfuse.observation.status_message": "boom"})  # fmt: skip
    assert (langfuse.user, langfuse.session, langfuse.tags, langfuse.metadata) == ("u", "s", ["t"], {"plan": "gold"})
    assert (langfuse.status, langfuse.error_message) == ("error", "boom")
    traceloop = decoded(
        {"traceloop.association.properties.user_id": "u", "traceloop.association.properties.plan": "gold"}
    )
    assert (traceloop.user, traceloop.metadata["plan"]) == ("u", "gold")
    assert decoded({"logfire.msg": "greet Zoë", "user_id": "u"}, name="greet {name}").name == "greet Zoë"


def test_an_evaluation_of_the_span_is_a_score() -> None:
    given = {
        "gen_ai.evaluation.name": "tone",
        "gen_ai.evaluation.score.value": 0.75,
        "gen_ai.evaluation.explanation": "kind",
    }
    assert decoded(CHAT, events=[event("gen_ai.evaluation.result", given)]).scores == {
        "tone": {"value": 0.75, "comment": "kind"}
    }


def test_an_exception_says_what_went_wrong() -> None:
    raised = event("exception", {"exception.type": "TimeoutError", "exception.message": "30 s"})
    record = decoded(CHAT, events=[raised], status={"code": 2})
    assert (record.status, record.error_type, record.error_message) == ("error", "TimeoutError", "30 s")


# Requests captured from senders


@pytest.mark.parametrize(
    ("name", "value", "wanted"),
    [
        ("gen_ai.response.finish_reasons", '["stop"]', ["stop"]),  # logfire 5.4, agent-framework 1.23
        ("gen_ai.response.finish_reason", "FinishReason.TOOL_CALLS", ["tool_calls"]),  # semantic-kernel 1.45
        ("gen_ai.response.finish_reasons", ["stop", "length"], ["stop", "length"]),
    ],
)
def test_finish_reasons_in_senders_spellings(server: Server, name: str, value: Any, wanted: list[str]) -> None:
    server.call("POST", "/v1/traces", traces(span({**CHAT, name: value})))
    assert server.only().response_finish_reasons == wanted


def test_a_streamed_call_of_logfires_is_the_log_at_its_end(server: Server) -> None:
    requested = {
        "request_data": '{"model":"gpt-4o"}',
        "gen_ai.request.model": "gpt-4o",
        "gen_ai.operation.name": "chat",
    }
    started = span({**requested, "logfire.span_type": "span"})
    attributes = {
        **requested,
        "logfire.span_type": "log",
        "duration": 0.5,
        "gen_ai.usage.input_tokens": 100,
        "gen_ai.response.id": "chatcmpl-1",
    }
    ended = {
        **span(attributes),
        "spanId": OTHER,
        "startTimeUnixNano": "1767225600000000000",
        "endTimeUnixNano": "1767225600000000000",
    }
    server.call("POST", "/v1/traces", traces(started, ended))
    found = {record.span_id: record for record in server.rows()}
    assert (found[SPAN].kind, found[OTHER].kind, found[OTHER].duration) == ("chain", "llm", 0.5)


def test_the_model_that_was_asked_for_is_the_requests_own(server: Server) -> None:
    attributes = {"openinference.span.kind": "LLM", "llm.model_name": "gpt-4o-2024-08-06", "input.mime_type": "application/json",
            "input.value": json.dumps({"model": "gpt-4o", "messages": [{"role": "user", "content": "Hello?"}]})}  # fmt: skip
    server.call("POST", "/v1/traces", traces(span({**attributes, "gen_ai.conversation.id": "resp_1"})))
    assert (server.only().request_model, server.only().session) == ("gpt-4o", None)


# Half batches

BAD = [{"traceId": "abc"}, {"spanId": ""}, {"traceId": "123e4567-e89b-12d3-a456-426614174000"}, {"spanId": "0" * 16}, {"parentSpanId": "x"},
       {"startTimeUnixNano": "soon"}, {"attributes": 5}, {"events": 5}, {"status": []}]  # fmt: skip


@pytest.mark.parametrize("flaw", BAD, ids=json.dumps)
def test_one_bad_span_costs_that_span(server: Server, flaw: dict[str, Any]) -> None:
    answer = server.call("POST", "/v1/traces", traces(span(CHAT), {**span(CHAT), "spanId": OTHER, **flaw}, None, 5))
    assert answer.status_code == 200
    partial = answer.json()["partialSuccess"]
    kept = len(server.rows())
    assert kept in (1, 2)
    assert (partial["rejectedSpans"], bool(partial["errorMessage"])) == (str(4 - kept), True)
    assert server.rows()[0].id == f"{TRACE}-{SPAN}"


def test_protobuf_tells_what_was_rejected_in_protobuf(server: Server) -> None:
    service = pytest.importorskip("opentelemetry.proto.collector.trace.v1.trace_service_pb2")
    request = service.ExportTraceServiceRequest()
    spans = request.resource_spans.add().scope_spans.add().spans
    spans.add(trace_id=b"a" * 16, span_id=b"b" * 8, name="good")
    spans.add(trace_id=b"short", span_id=b"b" * 8, name="bad")
    headers = {"content-type": "application/x-protobuf"}
    answer = server.call("POST", "/v1/traces", request.SerializeToString(), headers=headers)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/x-protobuf")
    reply = service.ExportTraceServiceResponse()
    reply.ParseFromString(answer.content)
    assert reply.partial_success.rejected_spans == 1
    assert [record.name for record in server.rows()] == ["good"]


@pytest.mark.parametrize(
    "body", [{"resourceSpans": 5}, {"resourceSpans": [5]}, {"resourceSpans": [{"scopeSpans": {}}]}, [], b"", b"\xff"]
)
def test_what_is_no_export_request_is_refused(server: Server, body: Any) -> None:
    answer = server.call("POST", "/v1/traces", body)
    assert answer.status_code == 400
    assert answer.json()["message"]


@pytest.mark.parametrize(("status", "answers"), [("error", None), ("ok", [{"type": "json", "content": {"left": 2}}])])
def test_a_body_of_an_unknown_shape_is_shipped_as_json_and_that_of_an_error_as_no_answer(
    status: str, answers: list[Any] | None
) -> None:
    record = Record(id="a", kind="llm", status=status, response_body=b'{"left": 2}')
    (span,) = json.loads(otlp.encode_request([record]).body)["resourceSpans"][0]["scopeSpans"][0]["spans"]
    attributes = {attribute["key"]: attribute["value"].get("stringValue") for attribute in span["attributes"]}
    messages = attributes.get("gen_ai.output.messages")
    assert (messages and json.loads(messages)[0]["parts"]) == answers
    assert attributes.get("llm.output_messages.0.message.content") == ('{"left": 2}' if answers else None)


@pytest.mark.parametrize(
    ("environment", "resource"),
    [
        ({}, {"service.name": "autolog"}),
        ({"OTEL_SERVICE_NAME": "shop"}, {"service.name": "shop"}),
        (
            {"OTEL_RESOURCE_ATTRIBUTES": "deployment.environment.name=prod, service.version=1%2C2,,broken,=x,empty="},
            {"service.name": "autolog", "deployment.environment.name": "prod", "service.version": "1,2"},
        ),
        ({"OTEL_RESOURCE_ATTRIBUTES": "service.name=a", "OTEL_SERVICE_NAME": "b"}, {"service.name": "b"}),
        ({"OTEL_RESOURCE_ATTRIBUTES": "service.name=a"}, {"service.name": "a"}),
    ],
)
def test_what_is_shipped_names_the_program_as_opentelemetry_s_variables_do(
    environment: dict[str, str], resource: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("OTEL_SERVICE_NAME", "OTEL_RESOURCE_ATTRIBUTES"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    sent = json.loads(otlp.encode_request([Record(id="a")]).body or b"")
    (part,) = sent["resourceSpans"]
    assert {
        attribute["key"]: attribute["value"]["stringValue"] for attribute in part["resource"]["attributes"]
    } == resource


def test_ids_that_are_not_utf_8_are_shipped_as_others() -> None:
    record = Record(id="a", trace_id="\ud800", span_id="\ud800", parent_span_id="\udfff")
    (span,) = json.loads(otlp.encode_request([record]).body or b"")["resourceSpans"][0]["scopeSpans"][0]["spans"]
    assert [len(span[name]) for name in ("traceId", "spanId", "parentSpanId")] == [32, 16, 16]


def test_attributes_without_a_value_and_of_every_type_are_no_reason_to_refuse() -> None:
    sent = span(CHAT)
    sent["attributes"] += [{"key": "empty"}, {"key": "null", "value": None}, {"key": "none", "value": {}}, {"value": {"stringValue": "x"}},
                          {"key": "bytes", "value": {"bytesValue": "/w=="}}, {"key": "double", "value": {"doubleValue": "NaN"}},
                          {"key": "map", "value": {"kvlistValue": {"values": [{"key": "a", "value": {"intValue": 1}}]}}},
                          {"key": "array", "value": {"arrayValue": {}}}, {"key": "gen_ai.prompt.x.y"}, {"key": "gen_ai.prompt.0"}]  # fmt: skip
    (record,) = otlp.decode_traces(traces(sent)).items
    assert record.usage_input_tokens == 100
    assert record.extra["attributes"]["map"] == {"a": 1}


@pytest.mark.parametrize(("model", "counts", "cost", "certainty"), [
    ("gpt-image-1", {}, None, "estimated"), ("gemini-2.5-flash-image", {}, None, "estimated"),
    ("gpt-image-1", {"image.input_tokens": 20, "image.output_tokens": 1000}, (80 * 5 + 20 * 10 + 1000 * 40) / 1e6, "exact"),
    ("gemini-2.5-flash-image", {"image.output_tokens": 900}, (100 * 0.3 + 100 * 2.5 + 900 * 30) / 1e6, "exact"),
])  # fmt: skip
def test_images_have_their_own_price_or_the_cost_is_an_estimate(
    model: str, counts: dict[str, int], cost: float | None, certainty: str
) -> None:
    output = 1000
    record = decoded({**CHAT, "gen_ai.provider.name": "openai" if "gpt" in model else "gcp.gemini", "gen_ai.request.model": model,
                      "openai.response.service_tier": "default", "gen_ai.usage.output_tokens": output,
                      "gen_ai.usage.cache_read.input_tokens": 0, **{f"gen_ai.usage.{name}": count for name, count in counts.items()}})  # fmt: skip
    assert (record.cost_details or {})["certainty"] == certainty
    assert cost is None or record.cost == pytest.approx(cost)
    assert (record.usage_input_tokens, record.usage_output_tokens) == (100, output)


LONG = "word " * 100


@pytest.mark.parametrize(("name", "value", "is_kept"), [
    ("input.value", json.dumps({"model": "gpt-4o", "messages": [{"role": "user", "content": LONG}], "user": "u"}), False),
    ("gen_ai.input.messages", json.dumps([{"role": "user", "parts": [{"type": "text", "content": LONG}]}]), False),
    ("gen_ai.input.messages", json.dumps([{"role": "user", "name": "bob", "parts": [{"type": "text", "content": LONG}]}]), True),
    ("llm.input_messages.0.message.content", LONG, False),
    ("gen_ai.input.messages", json.dumps([{"role": "user", "content": "short"}]), True),
    ("shop.note", LONG, True),
])  # fmt: skip
def test_what_stands_in_a_body_is_not_kept_twice_and_all_else_is(name: str, value: str, is_kept: bool) -> None:
    record = decoded({"openinference.span.kind": "LLM", "gen_ai.request.model": "gpt-4o", name: value})
    assert (name in record.extra["attributes"]) == is_kept
    assert record.extra["attributes"]["gen_ai.request.model"] == "gpt-4o"
    assert is_kept or LONG.encode() in (record.request_body or b"")


# Large, late and badly timed input


@every_store
def test_ten_thousand_spans_of_which_the_root_comes_last_are_one_trace(server: Server) -> None:
    def child(number: int) -> dict[str, Any]:
        return {**span({}, f"step {number}"), "spanId": f"{number + 1:016x}", "parentSpanId": SPAN}

    body = traces(*map(child, range(9_999)), span({}, "root"))
    assert server.call("POST", "/v1/traces", body).json() == {"partialSuccess": None}
    assert server.store.count(Query({"trace_id": TRACE})) == 10_000
    assert server.call("POST", "/v1/traces", traces(*map(child, range(10_001)))).status_code == 413


@pytest.mark.parametrize("days", [-3650, -3, 3, 3650])
def test_a_clock_that_is_off_by_days_costs_no_span_and_no_duration(days: int) -> None:
    begins = 1767323045_250000000 + days * 86_400 * 10**9
    record = decoded(CHAT, startTimeUnixNano=str(begins), endTimeUnixNano=str(begins + 10**9))
    assert (record.duration, record.usage_input_tokens) == (1.0, 100)
    backwards = decoded(CHAT, startTimeUnixNano=str(begins), endTimeUnixNano=str(begins - 10**9))
    assert (backwards.duration or 0) >= 0


#: The names of all attributes that are read; names that end with a dot are prefixes of numbered attributes.
NAMES = sorted(
    {name for family in FAMILIES for names in (*family.texts.values(), *family.counts.values()) for name in names}
    | {name for family in FAMILIES for name in (*family.costs, *family.reasons, *family.tags, *family.metadata, *family.kinds, *family.calls, *family.tool)}
    | {"gen_ai.input.messages", "gen_ai.output.messages", "gen_ai.system_instructions", "gen_ai.tool.definitions",
       "gen_ai.tool.call.arguments", "gen_ai.retrieval.documents", "gen_ai.usage.raw", "request_data", "response_data", "events",
       "input.value", "output.value", "llm.input_messages.0.message", "llm.output_messages.0.message.tool_calls.0", "gen_ai.prompt.0",
       "gen_ai.completion.0.content", "ai.prompt.messages", "ai.response.toolCalls", "gcp.vertex.agent.llm_request",
       "langfuse.observation.usage_details", "mlflow.chat.tokenUsage", "mlflow.spanInputs", "final_result", "all_messages_events"}
)  # fmt: skip
ODD = [True, -1, 2**63, 10**400, 1.5, float("inf"), float("nan"), "", " ", "\x00", "{", "[[[", '{"a": {"b": [1, null]}}', '[{"role": 5}, 7]', "[" * 900,
       [], [None, 1, "x", {"y": []}], {}, {"role": {"content": 3}}, None]  # fmt: skip


def test_names_of_other_attributes_and_numbers_in_names_do_not_change_what_families_know() -> None:
    few = {"llm.model_name": "gpt-4o", "llm.input_messages.0.message.content": "hi", "metadata": "{}"}
    many = few | {f"llm.input_messages.{number}.message.content": "hi" for number in range(300)} | {"shop.order": 7}
    assert names_given(FAMILIES, many) == names_given(FAMILIES, few)
    for name in NAMES:
        attributes = {**few, f"{name}x" if name.endswith(".") else name: 1}
        for family in FAMILIES:
            by_name, by_all = family.narrowed(names_given(FAMILIES, attributes)), family.narrowed(frozenset(attributes))
            assert repr(by_name) == repr(by_all)


@pytest.mark.parametrize("odd", ODD, ids=lambda odd: repr(odd)[:20])
def test_every_attribute_may_be_of_any_type(odd: Any) -> None:
    for name in NAMES:
        for attributes in ({name: odd}, {**CHAT, name: odd}, {"openinference.span.kind": "LLM", name: odd}):
            reported = Span(Scope({}, "test"), "chat", TRACE, SPAN, None, None, None, attributes, [], False, None)
            assert pack([decode_span(reported)])


@pytest.mark.parametrize("event_name", ["claude_code.api_request", "codex.sse_event", "gemini_cli.api_response", "gen_ai.choice",
                                        "gen_ai.client.inference.operation.details", "gen_ai.evaluation.result"])  # fmt: skip
def test_every_attribute_of_a_log_record_may_be_of_any_type(event_name: str) -> None:
    names = {
        name
        for agent in AGENTS
        for family in (agent.family,)
        for listed in (*family.texts.values(), *family.counts.values())
        for name in listed
    }
    names |= {
        "body",
        "error",
        "duration_ms",
        "success",
        "prompt_id",
        "prompt.id",
        "message",
        "gen_ai.evaluation.score.value",
        "finish_reason",
    }
    odd: list[dict[str, Any]] = [{"arrayValue": {"values": [{"intValue": 1}]}}, {"kvlistValue": {"values": [{"key": "a"}]}}, {"boolValue": True},
                                 {"doubleValue": float("inf")}, {"intValue": str(2**63)}, {"stringValue": ""}, {}]  # fmt: skip
    for name in sorted(names):
        for value in odd:
            sent = {**log(event_name, {"session.id": "s", "model": "m"}), "traceId": TRACE, "spanId": SPAN}
            sent["attributes"].append({"key": name, "value": value})
            batch = otlp.decode_logs(logs(sent))
            assert pack(batch.items)
            assert batch.rejected == 0, (name, value, batch.problem)


# Bounds


def varint(value: int) -> bytes:
    return bytes([value & 0x7F | 0x80, *varint(value >> 7)]) if value > 0x7F else bytes([value])


def sized(number: int, content: bytes) -> bytes:
    return bytes([number << 3 | 2]) + varint(len(content)) + content


@pytest.mark.parametrize(
    "data",
    [
        sized(1, sized(2, sized(2, b"") * 3_000_000)),  # spans
        sized(1, sized(2, b"") * 3_000_000),
        sized(1, b"") * 3_000_000,
    ],
    ids=["spans", "scopes", "resources"],
)
@pytest.mark.parametrize("signal", ["traces", "logs", "metrics"])
def test_protobuf_is_counted_before_it_is_parsed(server: Server, signal: str, data: bytes) -> None:
    started = time.process_time()
    answer = server.call("POST", f"/v1/{signal}", data, headers={"content-type": "application/x-protobuf"})
    assert answer.status_code == 413
    assert time.process_time() - started < 1  # three million objects take longer


@pytest.mark.parametrize("depth", [10, 30, 50, 200, 5_000])
def test_protobuf_that_is_nested_deeply_is_refused_or_read(server: Server, depth: int) -> None:
    value = sized(1, b"x")
    for _ in range(depth):
        value = sized(5, sized(1, value))
    message = sized(1, b"t" * 16) + sized(2, b"s" * 8) + sized(9, sized(1, b"deep") + sized(2, value))
    body = sized(1, sized(2, sized(2, message)))
    answer = server.call("POST", "/v1/traces", body, headers={"content-type": "application/x-protobuf"})
    assert answer.status_code == (200 if depth <= 30 else 400)
    assert len(server.rows()) == (depth <= 30)


def test_one_unreadable_span_of_a_protobuf_message_costs_that_span(server: Server) -> None:
    deep = sized(1, b"x")
    for _ in range(200):
        deep = sized(5, sized(1, deep))

    def one(number: int, *more: bytes) -> bytes:
        return sized(2, sized(1, b"t" * 16) + sized(2, bytes([number]) * 8) + sized(5, b"call") + b"".join(more))

    bad = (
        sized(9, sized(1, b"deep") + sized(2, deep)),
        sized(9, sized(1, b"text") + sized(2, sized(1, b"\xff"))),
        b"\xff",
    )
    spans = one(1) + b"".join(one(2 + place, more) for place, more in enumerate(bad)) + one(9)
    named = sized(1, sized(1, sized(1, b"service.name") + sized(2, sized(1, b"shop"))))
    body = sized(1, named + sized(2, sized(1, sized(1, b"scope")) + spans))
    answer = server.call("POST", "/v1/traces", body, headers={"content-type": "application/x-protobuf"})
    assert (answer.status_code, b"UTF-8" in answer.content) == (200, True)
    assert sorted(str(record.span_id) for record in server.rows()) == ["01" * 8, "09" * 8]
    assert {(record.extra["resource"]["service.name"], record.extra["scope"]) for record in server.rows()} == {
        ("shop", "scope")
    }


def test_one_bad_part_or_deep_value_costs_itself(server: Server) -> None:
    deep: Any = {"stringValue": "x"}
    for _ in range(100):
        deep = {"kvlistValue": {"values": [{"key": "a", "value": deep}]}}
    nested = {**span(CHAT), "spanId": OTHER, "attributes": [{"key": "deep", "value": deep}]}
    parts = [5, {"scopeSpans": 5}, {"scopeSpans": [5, {"spans": 5}]}, *traces(span(CHAT), nested)["resourceSpans"]]
    answer = server.call("POST", "/v1/traces", {"resourceSpans": parts})
    assert (answer.status_code, answer.json()["partialSuccess"]["rejectedSpans"]) == (200, "4")
    assert len(server.rows()) == 2


def test_one_bad_data_point_costs_that_point(server: Server) -> None:
    points = [{"asDouble": "NaN"}, {"asInt": "x"}, 5, {"asInt": "5"}, {"asDouble": "Infinity"}]
    metrics = [{"name": "claude_code.token.usage", "sum": {"dataPoints": points}}]
    body = {"resourceMetrics": [{"scopeMetrics": [{"metrics": metrics}]}]}
    assert server.call("POST", "/v1/metrics", body).json()["partialSuccess"]["rejectedDataPoints"] == "4"
    assert [record.metadata["value"] for record in server.rows()] == [5.0]


def test_what_is_sent_to_another_signals_path_is_told_where_it_goes(server: Server) -> None:
    logs = {"resourceLogs": [{"scopeLogs": []}]}
    for path, body, where in (("/v1/traces", logs, "/v1/logs"), ("/v1/metrics", traces(span(CHAT)), "/v1/traces")):
        answer = server.call("POST", path, body)
        assert (answer.status_code, where in answer.json()["message"]) == (400, True)


def test_a_time_before_any_model_is_none(server: Server) -> None:
    for number, at in enumerate(("-5", True, "1730000000000", "soon", 0)):
        sent = {**span(CHAT), "spanId": f"{number + 1:016x}", "startTimeUnixNano": at, "endTimeUnixNano": at}
        assert server.call("POST", "/v1/traces", traces(sent)).json()["partialSuccess"] is None
    assert {(record.start_time, record.duration, record.created_at.year > 2020) for record in server.rows()} == {
        (None, None, True)
    }


@pytest.mark.parametrize("cut", range(0, 60, 7))
def test_half_a_protobuf_message_is_refused(server: Server, cut: int) -> None:
    message = sized(1, b"t" * 16) + sized(2, b"s" * 8) + sized(5, b"half")
    body = sized(1, sized(2, sized(2, message)))[: cut or None]
    answer = server.call("POST", "/v1/traces", body, headers={"content-type": "application/x-protobuf"})
    assert answer.status_code == (200 if cut == 0 or cut > 40 else 400)


@pytest.mark.parametrize("path", ["/v1/profiles", "/v2/traces", "/v1development/profiles", "/otel/v2/logs"])
def test_other_signals_and_versions_are_not_there(server: Server, path: str) -> None:
    for kind in ("application/json", "application/x-protobuf"):
        assert server.call("POST", path, b"{}", headers={"content-type": kind}).status_code == 404


@pytest.mark.parametrize(
    ("text", "content"),
    [
        ('{"city": "Lund"}', '{"city": "Lund"}'),
        ('{"type": "refund", "sum": 3}', '{"type": "refund", "sum": 3}'),
        ('["a", "b"]', '["a", "b"]'),
        ('{"type": "text", "text": "Sunny."}', "Sunny."),
        ('[{"type": "text", "text": "Sunny."}]', "Sunny."),
        ('[{"text": "Sunny."}]', "Sunny."),
    ],
)
def test_json_that_a_model_answered_stays_the_text_that_it_is(text: str, content: str) -> None:
    """Blocks of a message come as text, too."""
    attributes = {**CHAT, "gen_ai.output.messages": json.dumps([{"role": "assistant", "content": text}])}
    (record,) = otlp.decode_traces(traces(span(attributes))).items
    (choice,) = json.loads(record.response_body or b"")["choices"]
    assert (choice["message"]["content"], record.output_preview) == (content, content)


def test_the_object_and_the_tools_of_vercels_sdk_are_read() -> None:
    tool = {"type": "function", "name": "look", "inputSchema": {"type": "object"}}
    attributes = {
        "ai.operationId": "ai.generateObject.doGenerate", "ai.model.id": "gpt-4o", "ai.prompt.tools": [json.dumps(tool)],
        "ai.prompt.messages": json.dumps([{"role": "user", "content": "Where?"}]), "ai.response.object": '{"city":"Lund"}',
    }  # fmt: skip
    (record,) = otlp.decode_traces(traces(span(attributes))).items
    assert json.loads(record.request_body or b"")["tools"] == [tool]
    assert record.output_preview == '{"city":"Lund"}'


@pytest.mark.parametrize("write", [repr, json.dumps])
def test_litellms_spans_tell_cached_tokens_in_an_object(server: Server, write: Any) -> None:
    lives = {"ephemeral_5m_input_tokens": 20, "ephemeral_1h_input_tokens": 0, "ephemeral_30m_input_tokens": None}
    details = {"cached_tokens": 50, "cache_creation_tokens": 20, "cache_creation_token_details": lives}
    server.call("POST", "/v1/traces", traces(span({
        **CHAT, "gen_ai.usage.input_tokens": 170, "gen_ai.usage.output_tokens": 10, "gen_ai.cost.total_cost": 0.5,
        "metadata.usage_object": write({"prompt_tokens": 170, "prompt_tokens_details": details}),
        "hidden_params": json.dumps({"api_base": "http://127.0.0.1:4000"}),
    })))  # fmt: skip
    record = server.only()
    assert (record.usage_input_tokens, record.usage_cache_read_input_tokens) == (170, 50)
    assert (record.usage_cache_creation_input_tokens, record.usage_cache_creation_5m_input_tokens) == (20, 20)
    assert (record.cost, record.extra["server_address"]) == (0.5, "127.0.0.1:4000")


def test_an_object_that_python_cannot_read_costs_only_itself(server: Server) -> None:
    for text in ("{'a': f()}", "{'" + "(" * 5000, "{'a': " + "[" * 3000 + "}"):
        assert server.call("POST", "/v1/traces", traces(span({**CHAT, "metadata.usage_object": text}))).is_success
    assert server.only().kind == "llm"


class _Asked(dict[str, Any]):
    """Empty attributes that remember for which names they were asked."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()

    def get(self, name: str, default: Any = None) -> Any:
        self.names.add(name)
        return default


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_a_family_declares_the_attributes_from_which_it_reads_bodies(family: Family) -> None:
    """Check that it declares all of them, because a family is not asked for bodies if none of these is given."""
    attributes = _Asked()
    assert [body for body in (*family.requests(attributes), *family.responses(attributes)) if body] == []
    prefixes = tuple(name for name in family.bodies if name.endswith("."))
    assert {name for name in attributes.names if not name.startswith(prefixes)} <= {*family.bodies}
