"""LangSmith's SDK and LangChain, by their environment alone."""

from __future__ import annotations

import pytest
from live import KEY, Live
from programs import run_program

pytestmark = pytest.mark.filterwarnings("ignore")

TRACED = """
import asyncio, uuid
from langsmith import Client, traceable

client = Client()

@traceable(run_type="llm", metadata={"ls_provider": "openai", "ls_model_name": "gpt-4o"}, client=client)
def model(messages):
    return {"role": "assistant", "content": "One moment.", "usage_metadata": {"input_tokens": 1000, "output_tokens": 100,
            "total_tokens": 1100, "input_token_details": {"cache_read": 400}}}

@traceable(run_type="tool", client=client)
def tool(x):
    raise ValueError("boom")

@traceable(run_type="chain", client=client)
async def chain(text):
    said = model([{"role": "user", "content": text}])
    try:
        tool(1)
    except ValueError:
        pass
    return said

root = str(uuid.uuid4())
asyncio.run(chain("Weather?", langsmith_extra={"run_id": root, "metadata": {"session_id": "s-1", "user_id": "u-1"}}))
client.flush()
"""
READ = """
client.create_feedback(run_id=root, key="tone", score=0.5, comment="ok", trace_id=root)
client.flush()
assert client.read_run(root).name == "chain"
runs = list(client.list_runs(project_name="default"))
assert {run.name for run in runs} == {"chain", "model", "tool"}, runs
assert [run.name for run in client.list_runs(project_name="default", error=True)] == ["tool"]
assert [feedback.score for feedback in client.list_feedback(run_ids=[root])] == [0.5]
"""


@pytest.mark.parametrize("path", ["", "/langsmith", "/api/v1"])
def test_langsmith_by_its_environment_alone(server: Live, path: str) -> None:
    pytest.importorskip("langsmith")
    run_program(TRACED + READ, LANGSMITH_TRACING="true", LANGSMITH_ENDPOINT=server.url + path, LANGSMITH_API_KEY=KEY)
    found = {record.name: record for record in server.records()}
    assert len(found) == len(server.records()) == 3
    chain, model, tool = found["chain"], found["model"], found["tool"]
    assert {model.parent_span_id, tool.parent_span_id} == {chain.span_id}
    assert {record.trace_id for record in found.values()} == {chain.trace_id}
    assert (model.usage_input_tokens, model.usage_cache_read_input_tokens, model.usage_output_tokens) == (
        1000,
        400,
        100,
    )
    assert (model.input_preview, model.output_preview, model.provider_name) == ("Weather?", "One moment.", "openai")
    assert model.cost == pytest.approx((600 * 2.5 + 400 * 1.25 + 100 * 10) / 1e6)
    assert (tool.status, tool.error_type) == ("error", "ValueError")
    assert (chain.session, chain.user, chain.scores) == ("s-1", "u-1", {"tone": {"value": 0.5, "comment": "ok"}})


def test_langsmith_with_a_wrong_key_keeps_nothing_and_harms_nothing(server: Live) -> None:
    pytest.importorskip("langsmith")
    said = run_program(TRACED, LANGSMITH_TRACING="true", LANGSMITH_ENDPOINT=server.url, LANGSMITH_API_KEY="wrong")
    assert "401" in said
    assert server.records() == []


CHAINED = """
from langchain_core.language_models.fake_chat_models import GenericFakeChatModel
from langchain_core.messages import AIMessage
from langchain_core.tracers.langchain import wait_for_all_tracers

usage = {"input_tokens": 12, "output_tokens": 5, "total_tokens": 17}
model = GenericFakeChatModel(messages=iter([AIMessage("It ships.", usage_metadata=usage)]))
(model | (lambda message: message.content)).invoke("Where?", config={"metadata": {"ls_model_name": "gpt-4o", "ls_provider": "openai"}})
wait_for_all_tracers()
"""


def test_langchain_by_its_environment_alone(server: Live) -> None:
    pytest.importorskip("langchain_core")
    run_program(CHAINED, LANGSMITH_TRACING="true", LANGSMITH_ENDPOINT=server.url, LANGSMITH_API_KEY=KEY)
    (call,) = [record for record in server.records() if record.kind == "llm"]
    assert (call.input_preview, call.output_preview) == ("Where?", "It ships.")
    assert (call.usage_input_tokens, call.usage_output_tokens) == (12, 5)
    assert len({record.trace_id for record in server.records()}) == 1
