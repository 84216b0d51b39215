"""OpenTelemetry's spans and autolog's form one tree, and a call that a span also describes is one record."""

from __future__ import annotations

import contextlib
import contextvars
import itertools
import time
from collections.abc import Iterator
from typing import Any

import pytest
from chat_server import ChatServer, chat_server

import autolog
from autolog._capture import opentelemetry as bridging
from autolog._record.record import Record
from autolog.testing import Records

trace = pytest.importorskip("opentelemetry.trace")
sdk = pytest.importorskip("opentelemetry.sdk.trace")
sampling = pytest.importorskip("opentelemetry.sdk.trace.sampling")


@pytest.fixture(scope="module")
def server() -> Iterator[ChatServer]:
    with chat_server() as running:
        yield running


@pytest.fixture
def tracer(records: Records) -> Iterator[Any]:
    """Return a tracer of a separate, bridged provider."""
    provider = sdk.TracerProvider()
    autolog.opentelemetry(provider)
    yield provider.get_tracer("app")
    bridging.leave()


def ask(server: ChatServer) -> None:
    import openai

    with openai.OpenAI(api_key="k", base_url=server.url) as client:
        client.chat.completions.create(model="gpt-4o-mini", messages=[{"role": "user", "content": "Rivers?"}])


def by_name(records: Records) -> dict[str | None, Record]:
    return {record.name: record for record in records}


def test_a_call_takes_the_current_span_as_its_parent_without_a_bridge(server: ChatServer, records: Records) -> None:
    autolog.patch_openai()
    with sdk.TracerProvider().get_tracer("app").start_as_current_span("work") as span:
        ask(server)
        with autolog.span("ours"):
            ask(server)
    context = span.get_span_context()
    first, second, ours = records
    assert first.trace_id == second.trace_id == ours.trace_id == f"{context.trace_id:032x}"
    assert first.parent_span_id == ours.parent_span_id == f"{context.span_id:016x}"
    assert second.parent_span_id == ours.span_id
    assert first.caller == "work"


@pytest.mark.parametrize("follow", [False, True])
def test_a_span_of_a_provider_that_is_not_followed_takes_no_call_out_of_our_trace(
    follow: bool, server: ChatServer, records: Records, request: pytest.FixtureRequest
) -> None:
    autolog.patch_openai()
    private = sdk.TracerProvider().get_tracer("openai.instrumentation")
    tracer = request.getfixturevalue("tracer") if follow else None
    with autolog.span("ours"):
        with private.start_as_current_span("chat"):
            ask(server)
        if tracer is not None:
            agent = {"gen_ai.operation.name": "invoke_agent"}
            with tracer.start_as_current_span("agent", attributes=agent), private.start_as_current_span("chat"):
                ask(server)
    spans = {record.span_id: record.name for record in records if record.kind != "llm"}
    parents = [spans[str(record.parent_span_id)] for record in records if record.kind == "llm"]
    assert parents == (["ours", "agent"] if follow else ["ours"])
    assert len({record.trace_id for record in records}) == 1


def test_spans_of_both_kinds_are_one_tree_however_they_are_nested(
    tracer: Any, server: ChatServer, records: Records
) -> None:
    autolog.patch_openai()
    with (
        autolog.span("outer"),
        tracer.start_as_current_span("agent", attributes={"gen_ai.operation.name": "invoke_agent"}),
        autolog.span("inner"),
        tracer.start_as_current_span("tool", attributes={"gen_ai.operation.name": "execute_tool"}),
    ):
        ask(server)
    found = by_name(records)
    assert len({record.trace_id for record in records}) == 1
    chain = ["outer", "agent", "inner", "tool", "chat gpt-4o-mini"]
    for outer, inner in itertools.pairwise(chain):
        assert found[inner].parent_span_id == found[outer].span_id, (outer, inner)
    assert (found["agent"].kind, found["tool"].kind) == ("agent", "tool")


@pytest.mark.parametrize("attributes", [
    {"openinference.span.kind": "LLM"}, {"gen_ai.operation.name": "chat", "gen_ai.request.model": "gpt-4o-mini"},
    {"llm.request.type": "chat"}, {"langfuse.observation.type": "generation"},
])  # fmt: skip
def test_a_call_that_a_span_describes_too_is_one_record(
    tracer: Any, server: ChatServer, records: Records, attributes: dict[str, str]
) -> None:
    autolog.patch_openai()
    with (
        tracer.start_as_current_span("agent", attributes={"gen_ai.operation.name": "invoke_agent"}),
        tracer.start_as_current_span("ChatCompletion", attributes=attributes) as span,
    ):
        ask(server)
        span.set_attribute("user.id", "ada")
        span.set_attribute("gen_ai.usage.input_tokens", 9)
        span.set_attribute("gen_ai.usage.output_tokens", 3)
    agent, call = sorted(records, key=lambda record: record.kind)
    assert (agent.kind, call.kind) == ("agent", "llm")
    assert call.parent_span_id == agent.span_id
    assert call.usage_input_tokens == 9
    assert call.cost is not None
    assert agent.cost is None


def test_the_span_of_a_call_need_not_be_the_current_one(tracer: Any, server: ChatServer, records: Records) -> None:
    autolog.patch_openai()
    with tracer.start_as_current_span("agent", attributes={"gen_ai.operation.name": "invoke_agent"}):
        for _ in range(2):
            generation = tracer.start_span("generation", attributes={"langfuse.observation.type": "generation"})
            tracer.start_span("resolve").end()
            ask(server)
            generation.set_attribute("user.id", "ada")
            generation.end()
    agent, *calls = sorted(records, key=lambda record: record.kind)
    assert [call.user for call in calls] == ["ada", "ada"]
    assert {call.parent_span_id for call in calls} == {agent.span_id}


def test_the_span_of_a_call_outside_our_current_span_is_a_step_without_a_bill(
    tracer: Any, server: ChatServer, records: Records
) -> None:
    autolog.patch_openai()
    chat = {"openinference.span.kind": "LLM", "llm.model_name": "gpt-4o-mini", "llm.token_count.prompt": 9}
    generation = tracer.start_span("ChatOpenAI", attributes=chat)
    with autolog.span("retry"):
        ask(server)
    generation.end()
    found = by_name(records)
    assert (found["ChatOpenAI"].kind, found["ChatOpenAI"].cost) == ("chain", None)
    assert found["chat gpt-4o-mini"].parent_span_id == found["retry"].span_id


def test_a_span_that_has_had_its_call_is_not_given_another(tracer: Any, server: ChatServer, records: Records) -> None:
    autolog.patch_openai()
    stream = tracer.start_span("stream", attributes={"langfuse.observation.type": "generation"})
    ask(server)
    ask(server)
    stream.set_attribute("user.id", "ada")
    stream.end()
    assert [(record.kind, record.user) for record in records] == [("llm", "ada"), ("llm", None)]


def test_layers_above_the_span_of_a_call_are_steps_without_a_bill(
    tracer: Any, server: ChatServer, records: Records
) -> None:
    autolog.patch_openai()
    chat = {"openinference.span.kind": "LLM", "llm.model_name": "gpt-4o-mini", "llm.token_count.prompt": 9}
    with (
        tracer.start_as_current_span("ChatOpenAI", attributes=chat),
        tracer.start_as_current_span("ChatCompletion", attributes=chat),
    ):
        ask(server)
    found = by_name(records)
    assert set(found) == {"ChatOpenAI", "chat gpt-4o-mini"}
    assert (found["ChatOpenAI"].kind, found["ChatOpenAI"].cost) == ("chain", None)
    assert found["chat gpt-4o-mini"].parent_span_id == found["ChatOpenAI"].span_id


def test_a_span_that_claims_to_be_a_call_only_at_its_end_is_a_step_without_a_bill(
    tracer: Any, server: ChatServer, records: Records
) -> None:
    autolog.patch_openai()
    with (
        tracer.start_as_current_span("request"),
        tracer.start_as_current_span("chat") as late,
        tracer.start_as_current_span("ChatCompletion", attributes={"openinference.span.kind": "LLM"}),
    ):
        ask(server)
        late.set_attributes({"gen_ai.operation.name": "chat", "gen_ai.request.model": "gpt-4o-mini"})
        late.set_attributes({"gen_ai.usage.input_tokens": 9, "gen_ai.usage.output_tokens": 3})
    found = by_name(records)
    assert set(found) == {"request", "chat", "chat gpt-4o-mini"}
    assert (found["chat"].kind, found["chat"].cost) == ("chain", None)
    assert found["chat gpt-4o-mini"].parent_span_id == found["chat"].span_id


def test_a_span_that_is_made_when_its_call_has_ended_describes_it(
    tracer: Any, server: ChatServer, records: Records
) -> None:
    autolog.patch_openai()
    for earlier in (0, 60 * 10**9):
        began = time.time_ns() - earlier
        ask(server)
        chat = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "gpt-4o-mini", "user.id": "ada"}
        tracer.start_span("openai.response", start_time=began, attributes=chat).end()
    assert [(record.name, record.user) for record in records] == [
        ("chat gpt-4o-mini", "ada"), ("chat gpt-4o-mini", None), ("openai.response", "ada"),
    ]  # fmt: skip


@pytest.mark.parametrize("described", [False, True])
def test_a_call_is_inside_a_span_of_langchain_that_is_marked_only_at_its_end(
    tracer: Any, server: ChatServer, records: Records, described: bool
) -> None:
    autolog.patch_openai()
    langchain = sdk.TracerProvider()
    autolog.opentelemetry(langchain)
    model = langchain.get_tracer("openinference.instrumentation.langchain").start_span("ChatOpenAI")
    chat = {"openinference.span.kind": "LLM", "llm.model_name": "gpt-4o-mini", "llm.token_count.prompt": 9}
    with tracer.start_as_current_span("ChatCompletion", attributes=chat) if described else contextlib.nullcontext():
        ask(server)
    model.set_attributes(chat)
    model.end()
    found = by_name(records)
    assert set(found) == {"ChatOpenAI", "chat gpt-4o-mini"}
    assert (found["ChatOpenAI"].kind, found["ChatOpenAI"].cost) == ("chain", None)
    assert found["chat gpt-4o-mini"].parent_span_id == found["ChatOpenAI"].span_id
    assert found["chat gpt-4o-mini"].trace_id == found["ChatOpenAI"].trace_id


@pytest.mark.parametrize("scope", ["openinference.instrumentation.langchain", "langfuse-sdk", "langsmith"])
def test_a_span_that_begins_in_another_context_than_its_call_is_a_step_without_a_bill(
    tracer: Any, server: ChatServer, records: Records, scope: str
) -> None:
    autolog.patch_openai()
    other = sdk.TracerProvider()
    autolog.opentelemetry(other)
    maker = other.get_tracer(scope)
    models = [contextvars.copy_context().run(maker.start_span, name) for name in ("first", "second")]
    ask(server)
    for model in models:
        model.set_attributes({"openinference.span.kind": "LLM", "llm.model_name": "gpt-4o-mini"})
        model.set_attribute("llm.token_count.prompt", 9)
        model.end()
    found = by_name(records)
    kinds = [found[name].kind for name in ("first", "second", "chat gpt-4o-mini")]
    assert kinds == ["chain", "llm", "llm"]  # one call was recorded, so one of the spans is only a step
    assert found["first"].cost is None


def test_a_call_that_only_a_span_tells_of_is_billed_whatever_spans_are_in_it(tracer: Any, records: Records) -> None:
    chat = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "grok-4", "gen_ai.provider.name": "x_ai"}
    with tracer.start_as_current_span("chat grok-4", attributes=chat) as span:
        with tracer.start_as_current_span("tool", attributes={"tool.name": "tokenizer"}):
            pass
        span.set_attributes({"gen_ai.usage.input_tokens": 100, "gen_ai.usage.output_tokens": 10})
    found = by_name(records)
    assert found["chat grok-4"].kind == "llm"
    assert found["chat grok-4"].cost is not None


def test_a_call_that_only_a_span_tells_of_is_a_record(tracer: Any, records: Records) -> None:
    chat = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "grok-4", "gen_ai.provider.name": "x_ai"}
    with tracer.start_as_current_span("chat grok-4", attributes=chat) as span:
        span.set_attribute("gen_ai.usage.input_tokens", 100)
        span.set_attribute("gen_ai.usage.output_tokens", 10)
    (record,) = records
    assert (record.kind, record.usage_input_tokens, record.request_model) == ("llm", 100, "grok-4")
    assert record.cost is not None


def test_spans_that_are_neither_about_models_nor_around_calls_are_left_out(
    tracer: Any, server: ChatServer, records: Records
) -> None:
    autolog.patch_openai()
    with tracer.start_as_current_span("SELECT"):
        pass
    with tracer.start_as_current_span("GET /answer"):
        ask(server)
    assert set(by_name(records)) == {"GET /answer", "chat gpt-4o-mini"}
    bridge = bridging.bridge
    assert bridge is not None
    bridge.keep_all = True
    with tracer.start_as_current_span("SELECT"):
        pass
    assert "SELECT" in by_name(records)
    bridge.keep_all = False


AGENT = {"gen_ai.operation.name": "invoke_agent"}


class Dropping(sampling.Sampler):
    """Drops the spans of the given names, or all spans."""

    def __init__(self, *names: str) -> None:
        self.names = names

    def should_sample(self, parent: Any, trace_id: int, name: str, kind: Any = None, attributes: Any = None,
                      links: Any = None, trace_state: Any = None) -> Any:  # fmt: skip
        drops = name in self.names or not self.names
        decision = sampling.Decision.DROP if drops else sampling.Decision.RECORD_AND_SAMPLE
        return sampling.SamplingResult(decision, attributes)

    def get_description(self) -> str:
        return "Dropping"


@pytest.fixture
def sampled(request: pytest.FixtureRequest, records: Records) -> Iterator[Any]:
    """Return a tracer of a bridged provider that drops spans."""
    provider = sdk.TracerProvider(sampler=Dropping(*request.param))
    autolog.opentelemetry(provider)
    yield provider.get_tracer("app")
    bridging.leave()


@pytest.mark.parametrize("sampled", [("http",)], indirect=True)
@pytest.mark.parametrize("described", [False, True])
def test_a_call_in_a_dropped_span_belongs_to_the_span_around_it(
    described: bool, sampled: Any, server: ChatServer, records: Records
) -> None:
    autolog.patch_openai()
    start, chat = sampled.start_as_current_span, {"gen_ai.operation.name": "chat"}
    with start("agent", attributes=AGENT), start("http"):
        with start("chat", attributes=chat) if described else contextlib.nullcontext():
            ask(server)
    call, agent = sorted(records, key=lambda record: record.kind == "agent")
    assert (call.kind, call.parent_span_id, call.trace_id) == ("llm", agent.span_id, agent.trace_id)


@pytest.mark.parametrize("sampled", [()], indirect=True)
def test_calls_in_a_dropped_trace_have_its_id_and_no_parent(sampled: Any, server: ChatServer, records: Records) -> None:
    autolog.patch_openai()
    with sampled.start_as_current_span("agent", attributes=AGENT) as span:
        ask(server)
        with autolog.span("ours"), sampled.start_as_current_span("http"):
            ask(server)
    first, second, ours = records
    assert {record.trace_id for record in records} == {f"{span.get_span_context().trace_id:032x}"}
    assert (first.parent_span_id, ours.parent_span_id) == (None, None)
    assert second.parent_span_id == ours.span_id


def test_a_remote_parent_that_is_not_sampled_is_a_parent(server: ChatServer, records: Records) -> None:
    autolog.patch_openai()
    remote = trace.NonRecordingSpan(trace.SpanContext(7 << 120, 9 << 56, is_remote=True))
    with trace.use_span(remote):
        ask(server)
    assert records[0].parent_span_id == f"{9 << 56:016x}"


def test_a_span_that_fails_says_why(tracer: Any, records: Records) -> None:
    with (
        pytest.raises(ValueError, match="no luck"),
        tracer.start_as_current_span("tool", attributes={"gen_ai.operation.name": "execute_tool"}),
    ):
        raise ValueError("no luck")
    (record,) = records
    assert (record.status, record.error_type) == ("error", "ValueError")
    assert "no luck" in (record.error_message or "")


def test_context_rules_and_redaction_hold_for_them(tracer: Any, records: Records) -> None:
    key = "sk-" + "proj-" + "Ab1" * 16
    with autolog.context(user="ada", tags=["beta"]), tracer.start_as_current_span(
        "chat", attributes={"openinference.span.kind": "LLM", "input.value": f"my key is {key}"}
    ):  # fmt: skip
        pass
    (record,) = records
    assert (record.user, record.tags) == ("ada", ["beta"])
    assert key not in repr(record)


def test_nothing_is_recorded_after_unpatching(tracer: Any, records: Records) -> None:
    autolog.unpatch()
    with tracer.start_as_current_span("chat", attributes={"openinference.span.kind": "LLM"}):
        pass
    assert not records
