"""Langfuse's SDK before version 3, which sends batches, configured by environment variables alone."""

from __future__ import annotations

import pytest
from live import KEY, Live
from programs import run_program

pytest.importorskip("langfuse.decorators", reason="needs langfuse<3")
pytestmark = pytest.mark.filterwarnings("ignore")

LOGGED = """
import asyncio
from langfuse import Langfuse
from langfuse.decorators import langfuse_context, observe

client = Langfuse()
trace = client.trace(name="answer", user_id="u-1", session_id="s-1", tags=["shop"], metadata={"plan": "gold"}, input="Weather?")
call = trace.generation(name="model", model="gpt-4o", model_parameters={"temperature": 0}, input=[{"role": "user", "content": "Weather?"}])
call.end(output={"role": "assistant", "content": "Rain."}, usage_details={"input": 600, "output": 100, "input_cached_tokens": 400})
tool = trace.span(name="tool", input={"city": "Porto"})
tool.end(level="ERROR", status_message="boom")
trace.score(name="tone", value=0.5, comment="ok")
trace.update(output="Rain.")

@observe()
async def chain(text):
    langfuse_context.update_current_trace(user_id="u-2")
    return await model(text)

@observe(as_type="generation", name="inner")
async def model(text):
    langfuse_context.update_current_observation(model="gpt-4o-mini", usage={"input": 10, "output": 2})
    return "Sun."

asyncio.run(chain("Sky?"))
langfuse_context.flush()
client.flush()
"""
READ = """
assert client.auth_check()
assert client.fetch_trace(trace.id).data.scores[0].value == 0.5
assert [one.name for one in client.fetch_traces(user_id="u-1", tags="shop", session_id="s-1", limit=1).data] == ["answer"]
assert [one.name for one in client.fetch_observations(trace_id=trace.id, type="GENERATION").data] == ["model"]
assert client.fetch_observation(call.id).data.usage.total == 1100
assert [one.id for one in client.fetch_sessions().data] == ["s-1"]
assert [one.name for one in client.client.score.get().data] == ["tone"]
assert client.get_prompt("reply", fallback="Hello").prompt == "Hello"
"""


def environment(server: Live, key: str = KEY) -> dict[str, str]:
    return {"LANGFUSE_HOST": server.url, "LANGFUSE_PUBLIC_KEY": "autolog", "LANGFUSE_SECRET_KEY": key}


def test_everything_arrives_once_in_its_tree_and_is_read_back(server: Live) -> None:
    run_program(LOGGED + READ, **environment(server))
    found = {record.name: record for record in server.records()}
    assert len(found) == len(server.records()) == 5
    trace, call, tool = found["answer"], found["model"], found["tool"]
    assert {call.parent_span_id, tool.parent_span_id} == {trace.span_id}
    assert (trace.user, trace.session, trace.tags, trace.metadata) == ("u-1", "s-1", ["shop"], {"plan": "gold"})
    assert trace.scores == {"tone": {"value": 0.5, "comment": "ok"}}
    assert (call.usage_input_tokens, call.usage_cache_read_input_tokens, call.usage_output_tokens) == (1000, 400, 100)
    assert call.cost == pytest.approx((600 * 2.5 + 400 * 1.25 + 100 * 10) / 1e6)
    assert call.cost_details["certainty"] == "estimated"
    assert (call.input_preview, call.output_preview) == ("Weather?", "Rain.")
    assert (tool.status, tool.error_message) == ("error", "boom")
    assert found["inner"].parent_span_id == found["chain"].span_id
    assert (found["inner"].usage_input_tokens, found["chain"].user) == (10, "u-2")


def test_a_wrong_key_keeps_nothing_and_harms_nothing(server: Live) -> None:
    run_program(LOGGED, **environment(server, "wrong"))
    assert server.records() == []
