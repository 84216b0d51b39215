"""Langfuse's current SDK, configured by environment variables alone."""

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


READ = """
import asyncio
from langfuse import propagate_attributes

@observe()
async def later(text):
    with propagate_attributes(user_id="u-1", session_id="s-1", tags=["shop"], metadata={"plan": "gold"}):
        with client.start_as_current_observation(as_type="generation", name="openai", model="gpt-4o") as call:
            call.update(output="x", usage_details={"prompt_tokens": 1000, "completion_tokens": 100, "total_tokens": 1100,
                                                   "prompt_tokens_details": {"cached_tokens": 400}})
        client.score_current_trace(name="label", value="kind", data_type="CATEGORICAL")
        return client.get_current_trace_id()

trace = asyncio.run(later("Weather?"))
client.flush()
read = client.api
assert [one.name for one in read.observations.get_many(type="GENERATION", session_id="s-1").data] == ["openai"]
names, cursor = [], None
while cursor or not names:
    page = read.observations.get_many(limit=2, cursor=cursor)
    names, cursor = names + [one.name for one in page.data], page.meta.cursor
assert sorted(names) == ["chain", "later", "model", "openai", "tool"], names
(score,) = read.scores.get_many(trace_id=trace).data
assert (score.name, score.value, score.subject.trace_id) == ("label", "kind", trace)
assert client.get_prompt("reply", fallback="Hello").prompt == "Hello"
"""


def test_what_the_sdk_reads_back(server: Live) -> None:
    pytest.importorskip("langfuse")
    run_program(
        OBSERVED + READ,
        LANGFUSE_BASE_URL=server.url,
        LANGFUSE_PUBLIC_KEY="autolog",
        LANGFUSE_SECRET_KEY=KEY,
    )
    (call,) = (record for record in server.records() if record.name == "openai")
    assert (call.user, call.session, call.tags, call.metadata) == ("u-1", "s-1", ["shop"], {"plan": "gold"})
    assert (call.usage_input_tokens, call.usage_cache_read_input_tokens) == (1000, 400)
    assert call.cost == pytest.approx((600 * 2.5 + 400 * 1.25 + 100 * 10) / 1e6)


def test_a_wrong_key_keeps_nothing_and_harms_nothing(server: Live) -> None:
    pytest.importorskip("langfuse")
    output = run_program(
        OBSERVED.replace("assert client.auth_check()", ""),
        LANGFUSE_BASE_URL=server.url,
        LANGFUSE_PUBLIC_KEY="autolog",
        LANGFUSE_SECRET_KEY="wrong",
    )
    assert "401" in output or "Unauthorized" in output
    assert server.records() == []


PICTURED = """
from langfuse import get_client
from langfuse.media import LangfuseMedia

client = get_client()
picture = LangfuseMedia(content_bytes=b"PNG" * 1_000_000, content_type="image/png")
with client.start_as_current_observation(name="look", input={"image": picture}) as span:
    trace = span.trace_id
client.flush()
(seen,) = client.api.observations.get_many(trace_id=trace, fields="core,io").data
resolved = LangfuseMedia.resolve_media_references(obj=seen.input, resolve_with="base64_data_uri", langfuse_client=client)
assert "UE5HUE5H" in str(resolved), resolved
"""


def test_media_are_kept_and_read_back(server: Live) -> None:
    pytest.importorskip("langfuse")
    run_program(PICTURED, LANGFUSE_BASE_URL=server.url, LANGFUSE_PUBLIC_KEY="autolog", LANGFUSE_SECRET_KEY=KEY)
    found = {record.name: record for record in server.records()}
    assert (found["media of input"].response_body, found["media of input"].parent_span_id) == (
        b"PNG" * 1_000_000,
        found["look"].span_id,
    )


COUNTED = """
import json

query = {"view": "observations", "metrics": [{"measure": "totalTokens", "aggregation": "sum"}],
         "dimensions": [{"field": "name"}], "filters": [], "fromTimestamp": "2020-01-01T00:00:00Z", "toTimestamp": "2100-01-01T00:00:00Z"}
rows = {row["name"]: row["sum_totalTokens"] for row in client.api.metrics.metrics(query=json.dumps(query)).data}
assert rows["model"] == 1100, rows
trace = client.api.observations.get_many(name="chain").data[0].trace_id
config = client.api.score_configs.create(name="tone", data_type="NUMERIC", max_value=5)
assert client.api.score_configs.get_by_id(config.id).max_value == 5
assert [one.name for one in client.api.score_configs.get().data] == ["tone"]
score = client.api.scores.get_many(trace_id=trace).data[0]
client.api.scores.delete(score.id)
assert client.api.scores.get_many(trace_id=trace).data == []
client.api.trace.delete(trace)
assert client.api.observations.get_many(trace_id=trace).data == []
"""


def test_the_sdks_metrics_score_configurations_and_deletions_work(server: Live) -> None:
    pytest.importorskip("langfuse", minversion="4")
    run_program(
        OBSERVED + COUNTED, LANGFUSE_BASE_URL=server.url, LANGFUSE_PUBLIC_KEY="autolog", LANGFUSE_SECRET_KEY=KEY
    )
