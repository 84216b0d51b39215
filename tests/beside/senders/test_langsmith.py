"""LangSmith's SDK and LangChain, configured by environment variables alone."""

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
    assert (chain.session, chain.user, [*chain.scores]) == ("s-1", "u-1", ["tone"])
    assert (chain.scores["tone"]["value"], chain.scores["tone"]["comment"]) == (0.5, "ok")


def test_langsmith_with_a_wrong_key_keeps_nothing_and_harms_nothing(server: Live) -> None:
    pytest.importorskip("langsmith")
    output = run_program(TRACED, LANGSMITH_TRACING="true", LANGSMITH_ENDPOINT=server.url, LANGSMITH_API_KEY="wrong")
    assert "401" in output
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


GRAPH = """
import asyncio
from typing import TypedDict
from langchain_core.language_models.fake_chat_models import GenericFakeChatModel
from langchain_core.messages import AIMessage
from langchain_core.tools import tool
from langchain_core.tracers.langchain import wait_for_all_tracers
from langgraph.graph import END, START, StateGraph

class State(TypedDict):
    text: str
    said: str

usage = {"input_tokens": 12, "output_tokens": 5, "total_tokens": 17, "input_token_details": {"cache_read": 4}}
model = GenericFakeChatModel(messages=iter([AIMessage("It ships.", usage_metadata=usage)] * 2))

@tool
def weather(city: str) -> str:
    "Weather."
    raise ValueError("boom")

def ask(state):
    return {"said": model.invoke(state["text"]).content}

def use(state):
    try:
        weather.invoke({"city": "Porto"})
    except ValueError:
        pass
    return {}

graph = StateGraph(State)
graph.add_node("ask", ask)
graph.add_node("use", use)
graph.add_edge(START, "ask")
graph.add_edge("ask", "use")
graph.add_edge("use", END)
app = graph.compile()
config = {"metadata": {"thread_id": "s-9", "user_id": "u-9"}, "tags": ["shop"], "run_name": "graph"}
RUN
wait_for_all_tracers()
"""
INVOKED = {"sync": 'app.invoke({"text": "Where?"}, config=config)', "async": 'asyncio.run(app.ainvoke({"text": "Where?"}, config=config))'}  # fmt: skip


@pytest.mark.parametrize("way", INVOKED)
def test_langgraph_by_its_environment_alone(server: Live, way: str) -> None:
    pytest.importorskip("langgraph")
    run_program(GRAPH.replace("RUN", INVOKED[way]), **environment(server))
    found = {record.name: record for record in server.records()}
    assert len(found) == len(server.records()) == 5
    names = {record.span_id: name for name, record in found.items()}
    assert {name: names.get(record.parent_span_id) for name, record in found.items()} == {
        "graph": None, "ask": "graph", "use": "graph", "weather": "use", "GenericFakeChatModel": "ask"}  # fmt: skip
    call, tool = found["GenericFakeChatModel"], found["weather"]
    assert (call.usage_input_tokens, call.usage_cache_read_input_tokens, call.usage_output_tokens) == (12, 4, 5)
    assert (call.input_preview, call.output_preview) == ("Where?", "It ships.")
    assert (tool.status, tool.error_type, tool.error_message) == ("error", "ValueError", "ValueError('boom')")
    assert {record.session for record in found.values()} == {"s-9"}
    assert {record.user for record in found.values()} == {"u-9"}


READ_BACK = """
import datetime, uuid
now = datetime.datetime.now(datetime.timezone.utc)
run = uuid.uuid4()
order = now.strftime("%Y%m%dT%H%M%S%fZ") + str(run)
client.create_run("pictured", {"a": 1}, "chain", id=run, trace_id=run, dotted_order=order, start_time=now,
                  attachments={"picture": ("image/png", b"PNG" * 300)})
client.update_run(run, outputs={"b": 2}, end_time=now, trace_id=run, dotted_order=order)
client.flush()

def names(**wanted):
    return {one.name for one in client.list_runs(project_name="default", **wanted)}

assert client.read_run(run).outputs == {"b": 2}
assert names(filter='and(eq(run_type, "llm"), gt(total_tokens, 1000))') == {"model"}
assert names(filter='neq(error, null)') == {"tool"}
assert names(is_root=True, start_time=now - datetime.timedelta(hours=1)) == {"chain", "pictured"}
assert len(list(client.list_runs(project_name="default", limit=2))) == 2
assert {one.name for one in client.read_run(root, load_child_runs=True).child_runs} == {"model", "tool"}
assert client.has_project("default") and client.create_project("new").name == "new"
"""


def test_what_the_sdk_reads_back(server: Live) -> None:
    pytest.importorskip("langsmith")
    run_program(TRACED + READ_BACK, **environment(server))
    (pictured,) = (record for record in server.records() if record.name == "pictured")
    assert pictured.extra["run"]["attachments"]["picture"]["size"] == 900


NEWER = """
import asyncio, datetime
from langsmith import evaluate
from langsmith.schemas import Example

project = client.read_project(project_name="default")

async def names(**wanted):
    return [one.name async for one in client.runs.query(project_ids=[str(project.id)], page_size=2, selects=["NAME"], **wanted)]

assert sorted(asyncio.run(names())) == ["chain", "model", "tool"]
assert asyncio.run(names(run_type="LLM", filter='exists(metadata, "ls_provider")')) == ["model"]
assert asyncio.run(names(has_error=True)) == ["tool"]
client.update_project(project.id, description="first")
assert client.read_project(project_id=project.id).description == "first"

now = datetime.datetime.now(datetime.timezone.utc)
example = Example(id=uuid.uuid4(), dataset_id=uuid.uuid4(), inputs={"q": "a"}, outputs={"a": "b"}, created_at=now)
found = evaluate(lambda inputs: {"a": "b"}, data=[example], evaluators=[lambda run, example: {"key": "same", "score": 1}],
                 client=client, experiment_prefix="trial")
(result,) = found
client.flush()
(experiment,) = [one for one in client.list_projects() if one.name.startswith("trial")]
assert experiment.reference_dataset_id == example.dataset_id
(run,) = client.list_runs(project_name=experiment.name, reference_example_id=example.id)
assert run.outputs == {"a": "b"}
"""


def test_the_sdks_newer_reading_and_its_evaluation_work(server: Live) -> None:
    pytest.importorskip("langsmith", minversion="0.14")
    run_program(TRACED + NEWER, **environment(server))
    (run,) = (record for record in server.records() if "same" in record.scores)
    assert run.scores["same"]["value"] == 1


def environment(server: Live) -> dict[str, str]:
    return {"LANGSMITH_TRACING": "true", "LANGSMITH_ENDPOINT": server.url, "LANGSMITH_API_KEY": KEY}
