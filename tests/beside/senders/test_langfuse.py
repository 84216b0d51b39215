"""Langfuse's present SDK, by its environment alone."""

from __future__ import annotations

import pytest
from live import KEY, Live
from programs import run_program

pytestmark = pytest.mark.filterwarnings("ignore")

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
    run_program(
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
