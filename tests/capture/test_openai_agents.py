"""The OpenAI Agents SDK: agents, tools, handoffs and guardrails form one tree with the calls."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from chat_server import ANSWER, ChatServer, chat_server

import autolog
from autolog._record.record import Record
from autolog.testing import Records

agents = pytest.importorskip("agents", reason="needs openai-agents")


@pytest.fixture(scope="module")
def running() -> Iterator[ChatServer]:
    with chat_server() as server:
        yield server


@pytest.fixture
def server(running: ChatServer, records: Records) -> Iterator[ChatServer]:
    running.answers.clear()
    agents.set_trace_processors([])  # otherwise the SDK sends its spans to OpenAI
    autolog.patch()
    yield running
    agents.set_tracing_disabled(False)


def model(server: ChatServer) -> Any:
    import openai

    client = openai.AsyncOpenAI(api_key="k", base_url=server.url)
    return agents.OpenAIChatCompletionsModel("gpt-4o-mini", client)


def run(agent: Any, **config: Any) -> Any:
    return asyncio.run(agents.Runner.run(agent, "Which rivers?", run_config=agents.RunConfig(**config)))


def calling(name: str, arguments: str = "{}") -> dict[str, Any]:
    """Return a response that calls a tool."""
    call = {"id": "call_1", "type": "function", "function": {"name": name, "arguments": arguments}}
    message = {"role": "assistant", "content": None, "tool_calls": [call]}
    return {**ANSWER, "choices": [{"index": 0, "finish_reason": "tool_calls", "message": message}]}


def tree(records: Records) -> list[tuple[str, str | None, str | None]]:
    """Kind, name, and the name of what it is in, in the order in which they began."""
    names = {record.span_id: record.name for record in records}
    ordered = sorted(records, key=lambda record: str(record.start_time))
    return [(record.kind, record.name, names.get(record.parent_span_id)) for record in ordered]


def named(records: Records, name: str) -> Record:
    return next(record for record in records if record.name == name)


def test_a_run_is_one_tree(server: ChatServer, records: Records) -> None:
    @agents.function_tool
    def length(river: str) -> dict[str, int]:
        """How long a river is."""
        with autolog.span("look up"):
            return {"km": 1007}

    server.answers = [calling("length", '{"river": "Tagus"}')]
    result = run(agents.Agent(name="Guide", tools=[length], model=model(server)), group_id="talk-1")
    assert result.final_output == "Tagus, Douro."
    assert tree(records) == [
        ("chain", "Agent workflow", None),
        ("agent", "Guide", "Agent workflow"),
        ("llm", "chat gpt-4o-mini", "Guide"),
        ("tool", "length", "Guide"),
        ("span", "look up", "length"),
        ("llm", "chat gpt-4o-mini", "Guide"),
    ]
    assert len({record.trace_id for record in records}) == 1
    assert {record.session for record in records if record.kind != "span"} == {"talk-1"}
    tool = named(records, "length")
    assert (tool.request_body, tool.response_body) == (b'{"river":"Tagus"}', b'{"km":1007}')
    assert named(records, "Guide").metadata["tools"] == ["length"]
    assert [record.usage_input_tokens for record in records if record.kind == "llm"] == [9, 9]
    assert all(record.cost is None for record in records if record.kind != "llm")


def test_handoffs_and_guardrails_are_records(server: ChatServer, records: Records) -> None:
    @agents.input_guardrail
    def polite(*_: Any) -> Any:
        return agents.GuardrailFunctionOutput(output_info=None, tripwire_triggered=False)

    second = agents.Agent(name="Second", model=model(server))
    first = agents.Agent(name="First", handoffs=[second], input_guardrails=[polite], model=model(server))
    server.answers = [calling("transfer_to_second")]
    assert run(first).last_agent is second
    found = {(record.kind, record.name) for record in records}
    assert {("agent", "First"), ("agent", "Second"), ("handoff", "handoff to Second"), ("guardrail", "polite")} <= found
    assert named(records, "polite").response_body == b'{"triggered":false}'
    assert named(records, "handoff to Second").metadata["from_agent"] == "First"
    assert len({record.trace_id for record in records}) == 1


def test_a_streamed_run_is_one_tree(server: ChatServer, records: Records) -> None:
    async def stream() -> None:
        result = agents.Runner.run_streamed(agents.Agent(name="Guide", model=model(server)), "Rivers?")
        async for _ in result.stream_events():
            pass

    asyncio.run(stream())
    assert tree(records) == [
        ("chain", "Agent workflow", None),
        ("agent", "Guide", "Agent workflow"),
        ("llm", "chat gpt-4o-mini", "Guide"),
    ]


def test_runs_at_the_same_time_are_trees_of_their_own_and_in_a_span_of_ours_part_of_it(
    server: ChatServer, records: Records
) -> None:
    async def both() -> None:
        async def one(name: str) -> None:
            await agents.Runner.run(agents.Agent(name=name, model=model(server)), "Rivers?")

        await asyncio.gather(*(one(f"Guide {number}") for number in range(4)))
        with autolog.span("request"):
            await one("Inner")

    asyncio.run(both())
    assert len({record.trace_id for record in records}) == 5
    callers = [record.caller for record in records if record.kind == "llm"]
    assert sorted(map(str, callers)) == [*(f"Guide {number}" for number in range(4)), "Inner"]
    inner = named(records, "Inner")
    request = named(records, "request")
    assert inner.trace_id == request.trace_id
    assert {record.parent_span_id for record in records if record.name == "Agent workflow"} == {None, request.span_id}


def test_a_failed_call_fails_its_agent(server: ChatServer, records: Records) -> None:
    server.failures = [400]
    with pytest.raises(Exception, match="try again"):
        run(agents.Agent(name="Guide", model=model(server)))
    assert {(record.kind, record.status) for record in records} >= {("llm", "error")}
    assert len([record for record in records if record.kind == "llm"]) == 1


def test_what_the_program_measures_by_itself_is_kept_with_its_data(server: ChatServer, records: Records) -> None:
    with agents.trace("Report", metadata={"team": "maps"}):
        with agents.custom_span("search", {"rows": 3}):
            pass
        asyncio.run(agents.Runner.run(agents.Agent(name="Guide", model=model(server)), "Rivers?"))
    assert named(records, "Report").metadata == {"team": "maps"}
    assert named(records, "search").metadata == {"rows": 3}
    assert len({record.trace_id for record in records}) == 1


def test_processors_of_the_program_hear_the_same_and_may_be_replaced(server: ChatServer, records: Records) -> None:
    notified: list[str] = []

    class Processor(agents.TracingProcessor):  # type: ignore[misc]
        def on_trace_start(self, trace: Any) -> None:
            notified.append("trace")

        def on_trace_end(self, trace: Any) -> None: ...

        def on_span_start(self, span: Any) -> None: ...

        def on_span_end(self, span: Any) -> None:
            notified.append(span.span_data.type)

        def shutdown(self) -> None: ...

        def force_flush(self) -> None: ...

    agents.set_trace_processors([Processor()])
    run(agents.Agent(name="Guide", model=model(server)))
    assert {"trace", "generation", "agent"} <= set(notified)
    assert named(records, "Guide").kind == "agent"


def test_nothing_is_heard_with_tracing_off_or_unpatched(server: ChatServer, records: Records) -> None:
    agents.set_tracing_disabled(True)
    run(agents.Agent(name="Guide", model=model(server)))
    assert [record.kind for record in records] == ["llm"]
    agents.set_tracing_disabled(False)
    autolog.unpatch()
    run(agents.Agent(name="Guide", model=model(server)))
    assert len(records) == 1
