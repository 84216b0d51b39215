"""The OpenAI Agents SDK with only its exporter's address changed."""

from __future__ import annotations

from typing import Any

import pytest
from chat_server import ANSWER, chat_server
from live import KEY, Live
from programs import run_program

pytest.importorskip("agents", reason="needs openai-agents")
pytestmark = pytest.mark.filterwarnings("ignore")

RUN = """
import asyncio, os
import openai
from agents import Agent, GuardrailFunctionOutput, OpenAIChatCompletionsModel, OpenAIResponsesModel, RunConfig, Runner
from agents import flush_traces, function_tool, input_guardrail, set_trace_processors
from agents.tracing.processors import BackendSpanExporter, BatchTraceProcessor

exporter = BackendSpanExporter(endpoint=os.environ["TRACES"])
set_trace_processors([BatchTraceProcessor(exporter)])

@function_tool
def length(river: str) -> str:
    "How long a river is."
    return '{"km": 1007}'

@input_guardrail
def polite(*_):
    return GuardrailFunctionOutput(output_info=None, tripwire_triggered=False)

client = openai.AsyncOpenAI(api_key="k", base_url=os.environ["MODEL"], max_retries=0)
model = OpenAIChatCompletionsModel("gpt-4o-mini", client)
second = Agent(name="Second", tools=[length], model=model)
first = Agent(name="First", handoffs=[second], input_guardrails=[polite], model=model)
config = RunConfig(group_id="talk-1", trace_metadata={"plan": "gold"})
"""
WHOLE = """
print(asyncio.run(Runner.run(first, "Which rivers?", run_config=config)).final_output)
flush_traces()
"""
STREAMED = """
async def stream():
    result = Runner.run_streamed(Agent(name="Guide", model=model), "Which rivers?")
    async for _ in result.stream_events():
        pass

asyncio.run(stream())
flush_traces()
"""
FAILING = """
try:
    Runner.run_sync(Agent(name="Guide", model=model), "Which rivers?")
except openai.InternalServerError:
    print("failed")
flush_traces()
"""


def calling(name: str, arguments: str = "{}") -> dict[str, Any]:
    """Return a response that calls a tool."""
    call = {"id": f"call_{name}", "type": "function", "function": {"name": name, "arguments": arguments}}
    message = {"role": "assistant", "content": None, "tool_calls": [call]}
    return {**ANSWER, "choices": [{"index": 0, "finish_reason": "tool_calls", "message": message}]}


def run(server: Live, code: str, *answers: dict[str, Any], failures: int = 0, key: str = KEY) -> str:
    with chat_server() as chat:
        chat.answers, chat.failures = [*answers], [500] * failures
        return run_program(RUN + code, TRACES=f"{server.url}/v1/traces/ingest", MODEL=chat.url, OPENAI_API_KEY=key)


def tree(server: Live) -> set[tuple[str, str | None, str | None]]:
    """Return the kind, name and parent's name of every record."""
    names = {record.span_id: record.name for record in server.records()}
    return {(record.kind, record.name, names.get(record.parent_span_id)) for record in server.records()}


def test_a_run_with_a_handoff_a_tool_and_a_guardrail_is_one_tree(server: Live) -> None:
    output = run(server, WHOLE, calling("transfer_to_second"), calling("length", '{"river": "Tagus"}'))
    assert "Tagus, Douro." in output
    assert {
        ("chain", "Agent workflow", None),
        ("agent", "First", "Agent workflow"),
        ("guardrail", "polite", "turn 1"),
        ("handoff", "handoff to Second", "turn 1"),
        ("agent", "Second", "Agent workflow"),
        ("llm", "chat gpt-4o-mini", "turn 2"),
        ("tool", "length", "turn 2"),
        ("llm", "chat gpt-4o-mini", "turn 3"),
    } <= tree(server)
    records = server.records()
    assert len({record.id for record in records}) == len(records)
    assert len({record.trace_id for record in records}) == 1
    assert {record.session for record in records} == {"talk-1"}
    (root,) = (record for record in records if record.parent_span_id is None)
    assert root.metadata == {"plan": "gold"}
    assert root.duration is not None
    calls = [record for record in records if record.kind == "llm"]
    assert [record.usage_input_tokens for record in calls] == [9, 9, 9]
    assert [record.cost for record in calls] == [pytest.approx((9 * 0.15 + 3 * 0.6) / 1e6)] * 3
    assert {record.cost_details["certainty"] for record in calls} == {"estimated"}
    assert calls[-1].output_preview == "Tagus, Douro."


def test_a_streamed_run_is_one_tree(server: Live) -> None:
    run(server, STREAMED)
    (call,) = (record for record in server.records() if record.kind == "llm")
    assert (call.input_preview, call.output_preview) == ("Which rivers?", "Tagus, Douro.")
    assert (call.usage_input_tokens, call.usage_output_tokens) == (9, 3)
    assert ("agent", "Guide", "Agent workflow") in tree(server)


def test_a_call_that_fails_says_so(server: Live) -> None:
    assert "failed" in run(server, FAILING, failures=1)
    (call,) = (record for record in server.records() if record.kind == "llm")
    assert (call.status, call.cost) == ("error", None)
    assert call.error_message


def test_a_wrong_key_keeps_nothing_and_harms_nothing(server: Live) -> None:
    output = run(server, WHOLE, key="wrong")
    assert "Tagus, Douro." in output
    assert "401" in output
    assert server.records() == []
