"""The same exchanges through every sender cost the same dollars as on the wire, or an estimate, and are billed once.

Each sender's names are those of its documentation or released source, named beside it; what a sender has no name for,
it does not say. Costs are compared with those of the provider's own response.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from dialects.otlp_samples import log, logs, pairs, span, traces
from dialects.samples import Server

from autolog._reading.derive import fill_in
from autolog._record.record import Record, to_dict
from autolog.stores.query import Query

#: The time of the call, in nanoseconds, because prices have dates.
AT = 1795143845_000000000
TIMES = {"startTimeUnixNano": str(AT), "endTimeUnixNano": str(AT + 1_500_000_000)}


@dataclass(frozen=True)
class Shape:
    """An exchange: what was used, and under which terms. The whole input holds what was cached."""

    provider: str
    model: str
    input: int
    output: int
    read: int = 0
    five_minutes: int = 0
    hour: int = 0
    tier: str | None = None
    audio_in: int = 0
    audio_out: int = 0
    searches: int = 0
    stream: bool = False

    @property
    def written(self) -> int:
        return self.five_minutes + self.hour

    def says(self) -> dict[str, Any]:
        """What a sender may tell, by our words; nothing is told of what was not used."""
        tier = self.tier or {"openai": "default", "anthropic": "standard"}.get(self.provider)
        values = {"model": self.model, "provider": self.provider, "input": self.input, "output": self.output,
                "beside": self.input - self.read - self.written, "read": self.read, "written": self.written,
                "five_minutes": self.five_minutes, "hour": self.hour, "tier": tier, "audio_in": self.audio_in,
                "audio_out": self.audio_out}  # fmt: skip
        return {key: value for key, value in values.items() if value}


SHAPES = {
    "openai, plain": Shape("openai", "gpt-5.4", 1_000, 100),
    "openai, stream": Shape("openai", "gpt-5.4", 1_000, 100, stream=True),
    "openai, cached": Shape("openai", "gpt-5.4", 10_000, 100, read=8_000),
    "openai, priority": Shape("openai", "gpt-5.4", 1_000, 100, tier="priority"),
    "openai, flex": Shape("openai", "gpt-5.4", 1_000, 100, tier="flex"),
    "openai, audio": Shape("openai", "gpt-4o-audio-preview", 1_000, 500, audio_in=900, audio_out=400),
    "claude, plain": Shape("anthropic", "claude-sonnet-4-5", 1_000, 100),
    "claude, cached": Shape("anthropic", "claude-sonnet-4-5", 10_000, 100, read=9_000),
    "claude, 5 minutes": Shape("anthropic", "claude-sonnet-4-5", 10_102, 50, read=100, five_minutes=10_000),
    "claude, an hour": Shape("anthropic", "claude-sonnet-4-5", 10_102, 50, read=100, hour=10_000),
    "claude, both lives": Shape("anthropic", "claude-sonnet-4-5", 10_102, 50, five_minutes=4_000, hour=6_000),
    "claude, batch": Shape("anthropic", "claude-sonnet-4-5", 1_000, 100, tier="batch"),
    "claude, searches": Shape("anthropic", "claude-sonnet-4-5", 1_000, 100, searches=3),
    "claude, all at once": Shape(
        "anthropic",
        "claude-sonnet-4-5",
        250_000,
        900,
        read=100,
        five_minutes=4_000,
        hour=6_000,
        searches=1,
        tier="priority",
    ),
    "openai, cached, priority": Shape("openai", "gpt-5.4", 10_000, 100, read=8_000, tier="priority"),
    "openai, audio, cached": Shape(
        "openai", "gpt-4o-audio-preview", 9_000, 500, read=4_000, audio_in=4_500, audio_out=400
    ),
    "gemini, plain": Shape("gcp.gemini", "gemini-2.5-flash", 1_000, 100),
    "gemini, audio": Shape("gcp.gemini", "gemini-2.5-flash", 1_000, 100, audio_in=900),
    "gemini, cached": Shape("gcp.gemini", "gemini-2.5-flash", 10_000, 100, read=8_000),
}


# On the wire


def response(shape: Shape) -> dict[str, Any]:
    """Return the provider's own response."""
    values = shape.says()
    if shape.provider == "anthropic":
        usage = {"input_tokens": values["beside"], "output_tokens": shape.output, "cache_read_input_tokens": shape.read,
                 "cache_creation_input_tokens": shape.written, "service_tier": values["tier"],
                 "cache_creation": {"ephemeral_5m_input_tokens": shape.five_minutes,
                                    "ephemeral_1h_input_tokens": shape.hour},
                 "server_tool_use": {"web_search_requests": shape.searches}}  # fmt: skip
        return {"id": "msg_1", "type": "message", "role": "assistant", "model": shape.model, "stop_reason": "end_turn",
                "content": [{"type": "text", "text": "Yes."}], "usage": usage}  # fmt: skip
    if shape.provider == "gcp.gemini":
        text = shape.input - shape.audio_in
        details = [{"modality": "TEXT", "tokenCount": text}, {"modality": "AUDIO", "tokenCount": shape.audio_in}]
        usage = {"promptTokenCount": shape.input, "candidatesTokenCount": shape.output, "promptTokensDetails": details,
                 "cachedContentTokenCount": shape.read}  # fmt: skip
        content = {"role": "model", "parts": [{"text": "Yes."}]}
        return {"modelVersion": shape.model, "usageMetadata": usage,
                "candidates": [{"content": content, "finishReason": "STOP"}]}  # fmt: skip
    usage = {"prompt_tokens": shape.input, "completion_tokens": shape.output,
             "total_tokens": shape.input + shape.output,
             "prompt_tokens_details": {"cached_tokens": shape.read, "audio_tokens": shape.audio_in},
             "completion_tokens_details": {"audio_tokens": shape.audio_out}}  # fmt: skip
    message = {"role": "assistant", "content": "Yes."}
    return {"id": "chatcmpl-1", "object": "chat.completion", "model": shape.model, "service_tier": values["tier"],
            "choices": [{"index": 0, "message": message, "finish_reason": "stop"}], "usage": usage}  # fmt: skip


URLS = {"openai": "https://api.openai.com/v1/chat/completions", "anthropic": "https://api.anthropic.com/v1/messages",
        "gcp.gemini": "https://generativelanguage.googleapis.com/v1beta/models/gemini-2.5-flash:generateContent"}  # fmt: skip
ASKED = [{"role": "user", "content": "Is it so?"}]


def wire(shape: Shape) -> Record:
    """Return the record of the exchange with the provider's own response."""
    record = Record(id="wire", request_url=URLS[shape.provider], status_code=200, start_time=datetime.fromtimestamp(AT / 1e9, UTC),
                    request_body=json.dumps({"model": shape.model, "messages": ASKED}).encode(),
                    response_body=json.dumps(response(shape)).encode())  # fmt: skip
    fill_in(record)
    return record


# Senders of spans: our names, and theirs

GENAI = {"provider": "gen_ai.provider.name", "model": "gen_ai.request.model", "input": "gen_ai.usage.input_tokens",
         "output": "gen_ai.usage.output_tokens"}  # fmt: skip
CACHED = {"read": "gen_ai.usage.cache_read.input_tokens", "written": "gen_ai.usage.cache_creation.input_tokens"}
CHAT = {"gen_ai.operation.name": "chat"}
_PARTS = json.dumps([{"role": "user", "parts": [{"type": "text", "content": "Is it so?"}]}])
_MLFLOW = "mlflow.chat.tokenUsage"


@dataclass(frozen=True)
class Spans:
    """A sender of spans.

    `beside` counts cached tokens beside the input. `packed` is an attribute with a JSON object of some of the names.
    """

    names: dict[str, str]
    constant: dict[str, Any] = field(default_factory=dict)
    name: str = "chat"
    beside: bool = False
    packed: str = ""
    raw: str = ""
    """An attribute with the provider's own response."""
    raw_usage: bool = False
    """Whether the provider's own usage object is told."""

    def __call__(self, shape: Shape) -> tuple[str, Any]:
        values = shape.says()
        attributes = {name: values[word] for word, name in self.names.items() if word in values}
        if self.beside:
            attributes[self.names["input"]] = values["beside"]
        if self.packed:
            inner = {
                key.removeprefix(self.packed + "."): attributes.pop(key)
                for key in [*attributes]
                if self.packed + "." in key
            }
            attributes[self.packed] = json.dumps(inner)
        if self.raw:
            attributes[self.raw] = json.dumps(response(shape))
        if self.raw_usage and "usage" in response(shape):
            attributes["gen_ai.usage.raw"] = json.dumps(response(shape)["usage"])
        attributes |= {"gen_ai.request.stream": True} if shape.stream else {}
        return "/v1/traces", traces(span({**self.constant, **attributes}, self.name, **TIMES))


SENDERS: dict[str, Callable[[Shape], tuple[str, Any]]] = {
    # anthropic 2.14, _tracing.py
    "anthropic sdk": Spans({**GENAI, "read": CACHED["read"], "written": "gen_ai.usage.cache_write.input_tokens",
                            "five_minutes": "anthropic.usage.cache_creation.ephemeral_5m_input_tokens",
                            "hour": "anthropic.usage.cache_creation.ephemeral_1h_input_tokens",
                            "tier": "anthropic.response.service_tier"}, CHAT),
    # opentelemetry-instrumentation-genai-openai
    "genai-openai": Spans({**GENAI, **CACHED, "tier": "openai.response.service_tier"}, CHAT),
    # conventions before 1.36, as older instrumentations send them
    "genai, older": Spans({"provider": "gen_ai.system", "model": "gen_ai.request.model",
                           "input": "gen_ai.usage.prompt_tokens", "output": "gen_ai.usage.completion_tokens"}, CHAT),
    # openinference-semantic-conventions 0.1.42
    "openinference": Spans({"provider": "llm.provider", "model": "llm.model_name", "input": "llm.token_count.prompt",
                            "output": "llm.token_count.completion",
                            "read": "llm.token_count.prompt_details.cache_read",
                            "written": "llm.token_count.prompt_details.cache_write",
                            "audio_in": "llm.token_count.prompt_details.audio",
                            "audio_out": "llm.token_count.completion_details.audio"},
                           {"openinference.span.kind": "LLM"}),
    "openinference, raw": Spans({"provider": "llm.provider", "model": "llm.model_name",
                                 "input": "llm.token_count.prompt", "output": "llm.token_count.completion"},
                                {"openinference.span.kind": "LLM"}, raw="output.value"),
    # opentelemetry-semantic-conventions-ai 0.5
    "openllmetry": Spans({**GENAI, "read": "gen_ai.usage.cache_read_input_tokens",
                          "written": "gen_ai.usage.cache_creation_input_tokens",
                          "tier": "openai.response.service_tier"}, {**CHAT, "llm.request.type": "chat"}),
    "openllmetry, older": Spans({"provider": "gen_ai.system", "model": "gen_ai.request.model",
                                 "input": "gen_ai.usage.prompt_tokens", "output": "gen_ai.usage.completion_tokens"},
                                {"llm.request.type": "chat", "gen_ai.prompt.0.content": "Is it so?"}),
    # logfire 4, integrations/llm_providers
    "logfire": Spans({**GENAI, **CACHED}, {**CHAT, "logfire.msg": "Message", "request_data": '{"messages": []}'}),
    # logfire 5, integrations/llm_providers/usage.py
    "logfire, raw usage": Spans({**GENAI, **CACHED}, {**CHAT, "logfire.msg": "Message", "request_data": '{"messages": []}',
                                "response_data": '{"message": {"role": "assistant", "content": "Yes."}}'},
                                raw_usage=True),
    # pydantic-ai 1, models/instrumented.py
    "pydantic-ai": Spans({**GENAI, "read": "gen_ai.usage.details.cache_read_tokens",
                          "written": "gen_ai.usage.details.cache_write_tokens",
                          "audio_in": "gen_ai.usage.details.input_audio_tokens",
                          "audio_out": "gen_ai.usage.details.output_audio_tokens"},
                         {**CHAT, "gen_ai.input.messages": _PARTS}),
    # ai 6, packages/ai/src/telemetry
    "vercel": Spans({"provider": "ai.model.provider", "model": "ai.model.id", "input": "ai.usage.inputTokens",
                     "output": "ai.usage.outputTokens", "read": "ai.usage.cachedInputTokens",
                     "written": "ai.usage.inputTokenDetails.cacheWriteTokens"},
                    {"ai.operationId": "ai.streamText.doStream"}),
    "vercel, older": Spans({"provider": "ai.model.provider", "model": "ai.model.id", "input": "ai.usage.promptTokens",
                            "output": "ai.usage.completionTokens"}, {"ai.operationId": "ai.generateText.doGenerate"}),
    # langsmith 0.4, _internal/otel
    "langsmith, spans": Spans({**GENAI, "provider": "gen_ai.system"}, {**CHAT, "langsmith.span.kind": "llm"}),
    # langfuse 4, _client/attributes.py
    "langfuse, spans": Spans({"model": "langfuse.observation.model.name",
                              "input": "langfuse.observation.usage_details.input",
                              "output": "langfuse.observation.usage_details.output",
                              "read": "langfuse.observation.usage_details.cache_read_input_tokens",
                              "written": "langfuse.observation.usage_details.cache_creation_input_tokens"},
                             {"langfuse.observation.type": "generation"}, packed="langfuse.observation.usage_details",
                             beside=True),
    # mlflow 3.18, tracing/constant.py
    "mlflow": Spans({"model": "mlflow.llm.model", "provider": "mlflow.llm.provider",
                     "input": _MLFLOW + ".input_tokens", "output": _MLFLOW + ".output_tokens",
                     "read": _MLFLOW + ".cache_read_input_tokens",
                     "written": _MLFLOW + ".cache_creation_input_tokens"},
                    {"mlflow.spanType": '"CHAT_MODEL"'}, packed=_MLFLOW),
    # strands-agents 1, telemetry/tracer.py
    "strands": Spans({**GENAI, "provider": "gen_ai.system", "read": "gen_ai.usage.cache_read_input_tokens",
                      "written": "gen_ai.usage.cache_write_input_tokens"}, CHAT),
    # google-adk 1, telemetry/tracing.py
    "google adk": Spans({**GENAI, "provider": "gen_ai.system"}, {**CHAT, "gcp.vertex.agent.session_id": "s"}),
    # semantic-kernel 1, utils/telemetry/model_diagnostics
    "semantic kernel": Spans({**GENAI, "provider": "gen_ai.system"}, {"gen_ai.operation.name": "chat.completions"}),
    # GitHub's Copilot, github.com/microsoft/vscode-copilot-chat, docs/monitoring
    "copilot": Spans({**GENAI, "read": "gen_ai.usage.cache_read.input_tokens"}, CHAT),
    # code.claude.com/docs/en/monitoring-usage
    "claude code, spans": Spans({"model": "model", "input": "input_tokens", "output": "output_tokens",
                                 "read": "cache_read_tokens", "written": "cache_creation_tokens"},
                                {"span.type": "llm_request"}, name="claude_code.llm_request", beside=True),
}  # fmt: skip


# Senders of logs, runs and batches


def _claude_code(shape: Shape) -> tuple[str, Any]:
    values = shape.says()
    attributes = {"session.id": "s", "prompt.id": "p", "request_id": "r", "model": shape.model, "duration_ms": "900",
            "input_tokens": str(values["beside"]), "output_tokens": str(shape.output),
            "cache_read_tokens": str(shape.read), "cache_creation_tokens": str(shape.written)}  # fmt: skip
    return "/v1/logs", logs(log("claude_code.api_request", attributes, timeUnixNano=str(AT)))


def _claude_code_raw(shape: Shape) -> tuple[str, Any]:
    _, sent = _claude_code(shape)
    attributes = {"session.id": "s", "prompt.id": "p", "request_id": "r", "body": json.dumps(response(shape))}
    return "/v1/logs", logs(
        *sent["resourceLogs"][0]["scopeLogs"][0]["logRecords"],
        log("claude_code.api_response_body", attributes, timeUnixNano=str(AT)),
    )


def _codex(shape: Shape) -> tuple[str, Any]:
    # github.com/openai/codex, docs/config.md on [otel]
    attributes = {"event.kind": "response.completed", "conversation.id": "c", "model": shape.model,
            "input_token_count": shape.input, "output_token_count": shape.output,
            "cached_token_count": shape.read}  # fmt: skip
    return "/v1/logs", logs(log("codex.sse_event", attributes, timeUnixNano=str(AT)))


def _gemini_cli(shape: Shape) -> tuple[str, Any]:
    # github.com/google-gemini/gemini-cli, docs/cli/telemetry.md
    attributes = {"session.id": "s", "prompt_id": "p", "model": shape.model, "input_token_count": shape.input,
            "output_token_count": shape.output, "cached_content_token_count": shape.read,
            "thoughts_token_count": 0, "duration_ms": 900}  # fmt: skip
    return "/v1/logs", logs(log("gemini_cli.api_response", attributes, timeUnixNano=str(AT)))


def _litellm(shape: Shape) -> tuple[str, Any]:
    # litellm 1.110, types/utils.py: the usage of every provider is made one like OpenAI's
    usage = {"prompt_tokens": shape.input, "completion_tokens": shape.output,
             "total_tokens": shape.input + shape.output,
             "prompt_tokens_details": {"cached_tokens": shape.read, "cache_creation_tokens": shape.written,
                                       "audio_tokens": shape.audio_in,
                                       "cache_creation_token_details": {
                                           "ephemeral_5m_input_tokens": shape.five_minutes,
                                           "ephemeral_1h_input_tokens": shape.hour}},
             "completion_tokens_details": {"audio_tokens": shape.audio_out}}  # fmt: skip
    completion: dict[str, Any] = {"id": "chatcmpl-1", "object": "chat.completion", "model": shape.model, "usage": usage,
                            "choices": [{"index": 0, "message": {"role": "assistant", "content": "Yes."},
                                         "finish_reason": "stop"}]}  # fmt: skip
    if shape.provider == "openai":
        completion["service_tier"] = shape.says()["tier"]
    provider = {"gcp.gemini": "gemini"}.get(shape.provider, shape.provider)
    return "/litellm", [{"litellm_call_id": "l", "call_type": "acompletion", "model": shape.model, "status": "success",
                         "custom_llm_provider": provider, "messages": ASKED, "response": completion,
                         "startTime": AT / 1e9, "endTime": AT / 1e9 + 1,
                         "metadata": {"usage_object": usage}}]  # fmt: skip


def _langsmith(shape: Shape) -> tuple[str, Any]:
    # langsmith 0.15, schemas.py: UsageMetadata
    usage = {"input_tokens": shape.input, "output_tokens": shape.output, "total_tokens": shape.input + shape.output,
             "input_token_details": {"cache_read": shape.read, "cache_creation": shape.written,
                                     "audio": shape.audio_in},
             "output_token_details": {"audio": shape.audio_out}}  # fmt: skip
    run = {"id": "5f0c0d0e-0000-4000-8000-000000000001", "run_type": "llm", "name": "call",
           "start_time": "2026-11-19T03:04:05Z", "end_time": "2026-11-19T03:04:06Z", "inputs": {"messages": ASKED},
           "outputs": {"role": "assistant", "content": "Yes.", "usage_metadata": usage},
           "extra": {"metadata": {"ls_provider": shape.provider, "ls_model_name": shape.model}}}  # fmt: skip
    return "/runs/batch", {"post": [run]}


def _openai_agents(shape: Shape) -> tuple[str, Any]:
    # openai-agents 0.24, tracing/span_data.py
    usage = {"input_tokens": shape.input, "output_tokens": shape.output, "total_tokens": shape.input + shape.output,
             "input_tokens_details": {"cached_tokens": shape.read}, "output_tokens_details": {"reasoning_tokens": 0}}  # fmt: skip
    data = {"type": "generation", "model": shape.model, "model_config": {"base_url": "https://api.openai.com/v1/"},
            "input": ASKED, "output": [{"role": "assistant", "content": "Yes."}], "usage": usage}  # fmt: skip
    item = {"object": "trace.span", "id": "span_1", "trace_id": "trace_1", "parent_id": None, "span_data": data,
            "started_at": "2026-11-19T03:04:05+00:00", "ended_at": "2026-11-19T03:04:06+00:00", "error": None}  # fmt: skip
    return "/v1/traces/ingest", {"data": [item]}


def _langfuse(shape: Shape) -> tuple[str, Any]:
    # api.reference.langfuse.com, ingestion
    usage = {"input": shape.input, "output": shape.output, "total": shape.input + shape.output,
             **({"cache_read_input_tokens": shape.read} if shape.read else {}),
             **({"cache_creation_input_tokens": shape.written} if shape.written else {})}  # fmt: skip
    body = {"id": "g", "traceId": "t", "model": shape.model, "input": ASKED, "usageDetails": usage,
            "output": {"role": "assistant", "content": "Yes."}, "startTime": "2026-11-19T03:04:05Z",
            "endTime": "2026-11-19T03:04:06Z"}  # fmt: skip
    event = {"id": "e", "type": "generation-create", "timestamp": "2026-11-19T03:04:05Z", "body": body}
    return "/api/public/ingestion", {"batch": [event]}


SENDERS |= {
    "claude code": _claude_code, "claude code, raw": _claude_code_raw, "codex": _codex, "gemini cli": _gemini_cli,
    "litellm": _litellm, "langsmith": _langsmith, "langfuse": _langfuse,
    "openai agents": _openai_agents,
}  # fmt: skip

#: Senders of one provider's calls.
ONLY = {"openai agents": "openai", "anthropic sdk": "anthropic", "claude code": "anthropic", "claude code, raw": "anthropic",
        "claude code, spans": "anthropic", "codex": "openai", "gemini cli": "gcp.gemini", "genai-openai": "openai",
        "google adk": "gcp.gemini"}  # fmt: skip
CASES = [
    (sender, shape)
    for sender in SENDERS
    for shape, exchange in SHAPES.items()
    if ONLY.get(sender, exchange.provider) == exchange.provider
]


@pytest.mark.parametrize("name", ["claude, cached", "claude, an hour", "claude, both lives", "claude, searches"])
def test_the_providers_own_usage_is_exact_where_it_holds_all_terms(server: Server, name: str) -> None:
    """OpenAI's does not: the tier stands beside it."""
    server.call("POST", *SENDERS["logfire, raw usage"](SHAPES[name]))
    (record,) = server.rows()
    assert (record.cost, (record.cost_details or {})["certainty"]) == (pytest.approx(wire(SHAPES[name]).cost), "exact")
    assert record.output_preview == "Yes."


def test_the_matrix_is_of_many_senders_and_of_shapes_that_the_wire_knows_the_price_of() -> None:
    assert len(SENDERS) >= 17
    by_shape = {name: wire(shape).cost_details or {} for name, shape in SHAPES.items()}
    unsure = {name: details["why"] for name, details in by_shape.items() if details["certainty"] != "exact"}
    assert len(unsure) <= len(SHAPES) / 6
    assert all("no published price" in why for why in unsure.values()), unsure


def beside(sender: str, shape: Shape, scope: str) -> Any:
    """Return a sender's report in a separate trace and from a separate instrumentation."""
    _, body = SENDERS[sender](shape)
    (scoped,) = body["resourceSpans"][0]["scopeSpans"]
    scoped["scope"]["name"] = scope
    scoped["spans"][0]["traceId"] = hashlib.sha256(scope.encode()).hexdigest()[:32]
    return body


SEVERAL = [(sender, name) for sender, name in CASES
           if isinstance(SENDERS[sender], Spans) and name in {"openai, cached", "claude, an hour", "gemini, plain"}]  # fmt: skip


@pytest.mark.parametrize(("sender", "name"), SEVERAL)
def test_three_reports_in_three_traces_are_one_bill(server: Server, sender: str, name: str) -> None:
    """Send the reports of the sender, of the SDK or another instrumentation, and of autolog, which is last or first."""
    shape = SHAPES[name]
    other = {"openai": "genai-openai", "anthropic": "anthropic sdk"}.get(shape.provider, "openinference")
    sent = [beside(sender, shape, "upper"), beside(other, shape, "sdk")]
    native = msgspec.structs.replace(wire(shape), end_time=datetime.fromtimestamp(AT / 1e9 + 1.4, UTC))
    for first in (True, False):
        posts = [("/v1/traces", body) for body in sent]
        posts.insert(0 if first else 2, ("/api/v1/records", [to_dict(native, bodies=True)]))
        for path, body in posts:
            assert server.call("POST", path, body).is_success
            bills = [record for record in server.rows() if record.kind == "llm"]
            assert len(bills) == 1, [record.extra for record in bills]
        assert bills[0].cost == pytest.approx(native.cost)
        assert len(bills[0].extra["reports"]) == 3
        server.store.delete(Query())


@pytest.mark.parametrize(("sender", "name"), CASES)
def test_an_exchange_costs_what_it_cost_on_the_wire_or_is_an_estimate(server: Server, sender: str, name: str) -> None:
    shape = SHAPES[name]
    path, body = SENDERS[sender](shape)
    answer = server.call("POST", path, body)
    assert answer.is_success, answer.text
    (record,) = [record for record in server.rows() if record.kind == "llm"]
    assert record.provider_name == shape.provider
    assert (record.usage_input_tokens, record.usage_output_tokens) == (shape.input, shape.output)
    details = record.cost_details or {}
    assert details["certainty"] in {"exact", "estimated"}, details
    native = wire(shape).cost
    assert native is not None
    if details["certainty"] == "exact" or name.endswith(("plain", "stream")):
        assert record.cost == pytest.approx(native)
    else:
        assert details["why"]


@pytest.mark.parametrize(("address", "doubt"), [
    ({"server.address": "localhost"}, "seller"), ({"url.full": "https://gw.example/v1/chat/completions"}, "seller"),
    ({"server.address": "[::1"}, "region"), ({}, "region"), ({"server.address": "api.openai.com"}, None),
    ({"url.full": "https://api.openai.com:443/v1/chat/completions"}, None),
])  # fmt: skip
def test_a_raw_response_is_exact_only_from_a_host_that_is_known_to_be_its_providers(
    server: Server, address: dict[str, str], doubt: str | None
) -> None:
    path, body = SENDERS["openinference, raw"](SHAPES["openai, plain"])
    body["resourceSpans"][0]["scopeSpans"][0]["spans"][0]["attributes"] += pairs(address)
    assert server.call("POST", path, body).is_success
    details = server.only().cost_details or {}
    assert details["certainty"] == ("estimated" if doubt else "exact")
    assert details.get("why", "").partition(":")[0] == (doubt or "")


@pytest.mark.parametrize(
    ("base", "certainty"), [("http://localhost:4000/v1", "estimated"), ("https://api.openai.com/v1", "exact")]
)
def test_litellm_names_the_host_that_is_charged(server: Server, base: str, certainty: str) -> None:
    path, (payload,) = SENDERS["litellm"](SHAPES["openai, plain"])
    server.call("POST", path, [payload | {"api_base": base}])
    assert (server.only().cost_details or {})["certainty"] == certainty


@pytest.mark.parametrize("cost", [
    {"gen_ai.usage.cost": 0}, {"gen_ai.usage.cost": -3.0}, {"gen_ai.usage.total_cost": "NaN"},
    {"gen_ai.usage.cost.amount": 9.99, "gen_ai.usage.cost.currency": "EUR"},
])  # fmt: skip
def test_a_reported_cost_that_is_no_amount_of_dollars_is_not_used(server: Server, cost: dict[str, Any]) -> None:
    shape = SHAPES["openai, plain"]
    path, body = SENDERS["genai-openai"](shape)
    body["resourceSpans"][0]["scopeSpans"][0]["spans"][0]["attributes"] += pairs(cost)
    server.call("POST", path, body)
    assert server.only().cost == pytest.approx(wire(shape).cost)
