"""Released libraries that log elsewhere, pointed here by their environment variables alone.

They are no part of the development environment, for what they require clashes with other tests' libraries:
`pip install langsmith langchain-core litellm langfuse` in an environment of their own runs these.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from live import KEY, Live, live

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Live]:
    with live(tmp_path / "server.db") as running:
        yield running


def program(code: str, **environment: str) -> str:
    """Run a program with environment variables, and return what it printed."""
    import os

    kept = {name: value for name, value in os.environ.items() if not name.startswith(("LANG", "OPENAI", "OTEL"))}
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**kept, **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


# LangSmith

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
    program(TRACED + READ, LANGSMITH_TRACING="true", LANGSMITH_ENDPOINT=server.url + path, LANGSMITH_API_KEY=KEY)
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
    said = program(TRACED, LANGSMITH_TRACING="true", LANGSMITH_ENDPOINT=server.url, LANGSMITH_API_KEY="wrong")
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
    program(CHAINED, LANGSMITH_TRACING="true", LANGSMITH_ENDPOINT=server.url, LANGSMITH_API_KEY=KEY)
    (call,) = [record for record in server.records() if record.kind == "llm"]
    assert (call.input_preview, call.output_preview) == ("Where?", "It ships.")
    assert (call.usage_input_tokens, call.usage_output_tokens) == (12, 5)
    assert len({record.trace_id for record in server.records()}) == 1


# LiteLLM


def test_litellms_generic_logger_by_its_environment_alone(server: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LITELLM_LOCAL_MODEL_COST_MAP", "True")
    litellm = pytest.importorskip("litellm")
    generic = pytest.importorskip("litellm.integrations.generic_api.generic_api_callback")
    from autolog.cli._standin import standin

    monkeypatch.setenv("GENERIC_LOGGER_ENDPOINT", f"{server.url}/litellm")
    monkeypatch.setenv("GENERIC_LOGGER_HEADERS", f"x-api-key={KEY}")

    async def main(address: str) -> None:
        logger: Any = generic.GenericAPILogger()
        monkeypatch.setattr(litellm, "callbacks", [logger])
        asked: dict[str, Any] = {"model": "gpt-4o", "api_key": "k", "messages": [{"role": "user", "content": "Where?"}]}
        await litellm.acompletion(**asked, api_base=f"{address}/v1", user="u-1", metadata={"tags": ["shop"]})
        with pytest.raises(Exception, match="onnect"):
            await litellm.acompletion(**asked, api_base="http://127.0.0.1:1/v1", num_retries=0)
        await asyncio.sleep(1)
        await logger.flush_queue()

    with standin() as address:
        asyncio.run(main(address))
    good, bad = sorted(server.records(), key=lambda record: record.status == "error")
    assert (good.dialect, good.request_model, good.user, good.tags) == ("litellm", "gpt-4o", "u-1", ["shop"])
    assert good.cost
    assert (good.input_preview, bool(good.output_preview)) == ("Where?", True)
    assert bad.status == "error"
    assert "onnect" in (bad.error_message or "")


# Langfuse

OBSERVED = """
from langfuse import get_client, observe

client = get_client()
assert client.auth_check()

@observe(as_type="tool")
def tool(x):
    raise ValueError("boom")

@observe()
def chain(text):
    with client.start_as_current_observation(as_type="generation", name="model", model="gpt-4o", input=[{"role": "user", "content": text}]) as call:
        call.update(output={"role": "assistant", "content": "One moment."}, usage_details={"input": 1000, "output": 100})
    try:
        tool(1)
    except ValueError:
        pass
    client.score_current_span(name="tone", value=0.5, comment="ok")
    return "done"

chain("Weather?")
client.flush()
"""


def test_langfuse_by_its_environment_alone(server: Live) -> None:
    pytest.importorskip("langfuse")
    program(
        OBSERVED,
        LANGFUSE_BASE_URL=server.url,
        LANGFUSE_HOST=server.url,
        LANGFUSE_PUBLIC_KEY="autolog",
        LANGFUSE_SECRET_KEY=KEY,
    )
    found = {record.name: record for record in server.records()}
    assert len(found) == len(server.records()) == 3
    chain, model, tool = found["chain"], found["model"], found["tool"]
    assert {model.parent_span_id, tool.parent_span_id} == {chain.span_id}
    assert (model.kind, model.request_model, model.usage_input_tokens, model.usage_output_tokens) == (
        "llm",
        "gpt-4o",
        1000,
        100,
    )
    assert (model.input_preview, model.output_preview) == ("Weather?", "One moment.")
    assert model.cost == pytest.approx((1000 * 2.5 + 100 * 10) / 1e6)
    assert (tool.kind, tool.status) == ("tool", "error")
    assert chain.scores == {"tone": {"value": 0.5, "comment": "ok"}}
