"""Vendors' released SDKs against our server, with only the base URL and the key changed."""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from engines import sqlite_alone
from live import KEY, Live, live
from waiting import until

pytestmark = [pytest.mark.filterwarnings("ignore"), sqlite_alone]

REQUEST = {"url": "https://api.openai.com/v1/chat/completions", "provider": "openai", "method": "post",
           "headers": {"authorization": "Bearer sk-secret"},
           "body": {"model": "gpt-4o", "messages": [{"role": "user", "content": "Where?"}]}}  # fmt: skip
RESPONSE = {"status": 200, "headers": {"content-type": "application/json"}, "response_time": 1500,
            "body": {"model": "gpt-4o-2024-08-06", "choices": [{"index": 0, "finish_reason": "stop",
                     "message": {"role": "assistant", "content": "Here."}}],
                     "usage": {"prompt_tokens": 12, "completion_tokens": 5, "total_tokens": 17}}}  # fmt: skip


@pytest.fixture
def server(store_url: str) -> Iterator[Live]:
    with live(store_url) as running:
        yield running


def need(name: str) -> Any:
    return pytest.importorskip(name)


# Portkey


def test_portkey_logs(server: Live) -> None:
    portkey = need("portkey_ai")
    client = portkey.Portkey(api_key=KEY, base_url=f"{server.url}/v1")
    answer = client.logs.create(
        request=REQUEST, response=RESPONSE, metadata={"traceId": "t-1", "spanId": "s-1", "_user": "u-1", "plan": "gold"}
    )
    assert answer.status_code == 200
    (record,) = server.records()
    assert (record.provider_name, record.request_model, record.trace_id, record.user) == (
        "openai",
        "gpt-4o",
        "t-1",
        "u-1",
    )
    assert (record.usage_input_tokens, record.usage_output_tokens, record.duration) == (12, 5, 1.5)
    assert record.cost == pytest.approx(0.00008)
    assert record.metadata["plan"] == "gold"
    assert record.request_headers == {"authorization": "REDACTED"}


def test_portkey_async_and_feedback(server: Live) -> None:
    portkey = need("portkey_ai")

    async def main() -> None:
        client = portkey.AsyncPortkey(api_key=KEY, base_url=f"{server.url}/v1")
        await client.logs.create(request=REQUEST, response={**RESPONSE, "status": 429}, metadata={"trace_id": "t-2"})
        created = await client.feedback.create(trace_id="t-2", value=-3)
        assert created.status == "success"
        feedback_id = created.feedback_ids[0]
        assert server.records()[0].feedback == -1
        await client.feedback.update(feedback_id=feedback_id, value=5)
        assert server.records()[0].feedback == 1

    asyncio.run(main())
    assert server.records()[0].status == "error"


def test_portkey_errors(server: Live) -> None:
    portkey = need("portkey_ai")
    wrong = portkey.Portkey(api_key="wrong", base_url=f"{server.url}/v1")
    with pytest.raises(Exception) as caught:
        wrong.logs.create(request=REQUEST, response=RESPONSE)
    assert type(caught.value).__name__ == "AuthenticationError"
    client = portkey.Portkey(api_key=KEY, base_url=f"{server.url}/v1")
    with pytest.raises(Exception) as caught:
        client.logs.create(request="no", response=RESPONSE)
    assert type(caught.value).__name__ == "BadRequestError"
    assert "request" in str(caught.value)
    assert server.records() == []


def test_portkey_exports(server: Live) -> None:
    portkey = need("portkey_ai")
    client = portkey.Portkey(api_key=KEY, base_url=f"{server.url}/v1")
    client.logs.create(request=REQUEST, response=RESPONSE)
    created = client.logs.exports.create(filters={"ai_model": "gpt-4o"}, requested_data=["id", "ai_model", "cost"])
    export_id = created.id
    client.logs.exports.start(export_id=export_id)
    found = client.logs.exports.retrieve(export_id=export_id)
    assert found.status == "success"
    url = client.logs.exports.download(export_id=export_id).signed_url
    import httpx2

    lines = httpx2.get(url).text.splitlines()
    assert len(lines) == 1
    assert '"ai_model": "gpt-4o"' in lines[0]
    assert client.logs.exports.list().total == 1


# Humanloop


def humanloop(server: Live) -> Any:
    return need("humanloop").Humanloop(api_key=KEY, base_url=f"{server.url}/v5")


def log_prompt(client: Any, **more: Any) -> Any:
    return client.prompts.log(
        path="support/answer",
        prompt={"model": "gpt-4o", "provider": "openai", "template": [{"role": "system", "content": "Help {{who}}."}]},
        messages=[{"role": "user", "content": "Where?"}],
        **{"output": "Here.", "prompt_tokens": 12, "output_tokens": 5, "prompt_cost": 3e-05, "output_cost": 5e-05,
           "provider_latency": 1.5, "inputs": {"who": "Zoë"}, "user": "u-17", **more},
    )  # fmt: skip


def test_humanloop_create_update_get_list_delete(server: Live) -> None:
    client = humanloop(server)
    created = log_prompt(client)
    again = log_prompt(client, log_id="log_mine")
    assert (again.id, again.prompt_id, again.version_id) == ("log_mine", created.prompt_id, created.version_id)
    updated = client.prompts.update_log(
        id=created.prompt_id, log_id=created.id, output_tokens=0, metadata={"a": 1}, error="late"
    )
    updated = updated if isinstance(updated, dict) else updated.model_dump()
    assert (updated["output_tokens"], updated["error"], updated["prompt_tokens"]) == (0, "late", 12)
    unchanged = client.prompts.update_log(id=created.prompt_id, log_id=created.id)
    unchanged = unchanged if isinstance(unchanged, dict) else unchanged.model_dump()
    assert unchanged["metadata"] == {"a": 1}
    fetched = client.logs.get(id=created.id)
    fetched = fetched if isinstance(fetched, dict) else fetched.model_dump()
    assert fetched["prompt"]["inputs"] == [{"name": "who"}]
    assert fetched["prompt"]["total_logs_count"] == 2
    listed = list(client.logs.list(file_id=created.prompt_id, size=1))
    assert [log.id for log in listed] == [again.id, created.id]
    client.logs.delete(id=[created.id, "unknown"])
    assert [log.id for log in client.logs.list(file_id=created.prompt_id)] == [again.id]


def test_humanloop_versions_and_other_files(server: Live) -> None:
    client = humanloop(server)
    first = log_prompt(client)
    other = client.prompts.log(path="support/answer", prompt={"model": "gpt-4o-mini"}, output="x")
    assert (other.prompt_id == first.prompt_id, other.version_id == first.version_id) == (True, False)
    current = client.prompts.log(path="support/answer", output="y")
    assert current.version_id == other.version_id
    flow = client.flows.log(
        path="support/flow", flow={"attributes": {"v": 1}}, inputs={"q": "1"}, log_status="incomplete"
    )
    tool = client.tools.log(path="support/lookup", tool={"function": {"name": "lookup", "description": "d"}}, output="2",
                            trace_parent_id=flow.id)  # fmt: skip
    judged = client.evaluators.log(
        path="support/judge", parent_id=first.id, judgment=True,
        spec={"arguments_type": "target_free", "return_type": "boolean", "evaluator_type": "external"},
    )  # fmt: skip
    client.flows.update_log(log_id=flow.id, log_status="complete", output="done")
    fetched = client.logs.get(id=first.id)
    fetched = fetched if isinstance(fetched, dict) else fetched.model_dump()
    assert [log["id"] for log in fetched["evaluator_logs"]] == [judged.id]
    whole = client.logs.get(id=flow.id)
    whole = whole if isinstance(whole, dict) else whole.model_dump()
    assert [child["id"] for child in whole["trace_children"]] == [tool.id]


def test_humanloop_errors(server: Live) -> None:
    module = need("humanloop")
    client = humanloop(server)
    with pytest.raises(Exception) as caught:
        client.logs.get(id="nobody")
    assert type(caught.value).__name__ == "ApiError"
    assert caught.value.status_code == 404
    with pytest.raises(Exception) as caught:
        client.prompts.log(output="no path, no id")
    assert type(caught.value).__name__ == "HumanloopRuntimeError"
    with pytest.raises(Exception) as caught:
        client.logs.list(file_id="x", page=0)
    assert type(caught.value).__name__ == "UnprocessableEntityError"
    with pytest.raises(Exception) as caught:
        module.Humanloop(api_key="wrong", base_url=f"{server.url}/v5").logs.get(id="x")
    assert caught.value.status_code == 401


def test_humanloop_async(server: Live) -> None:
    module = need("humanloop")

    async def main() -> Any:
        client = module.AsyncHumanloop(api_key=KEY, base_url=f"{server.url}/v5")
        created = await client.prompts.log(path="a/b", prompt={"model": "m"}, output="x")
        pager = await client.logs.list(file_id=created.prompt_id)
        return [log.id async for log in pager], created.id

    ids, created = asyncio.run(main())
    assert ids == [created]


# Cloudflare


def cloudflare(server: Live) -> Any:
    return need("cloudflare").Cloudflare(api_token=KEY, base_url=f"{server.url}/client/v4", max_retries=0)


WHERE = {"account_id": "acc", "gateway_id": "default"}


def fill(server: Live, count: int = 3) -> list[str]:
    import httpx2

    ids = []
    for number in range(count):
        answer = httpx2.post(
            f"{server.url}/api/logs/insert",
            headers={"x-api-key": KEY},
            json={"model": f"gpt-4o-{number}", "cost": number / 10, "duration": number, "metadata": {"n": number},
                  "request_data": {"messages": [{"role": "user", "content": str(number)}]},
                  "response_data": {"usage": {"prompt_tokens": number, "completion_tokens": 1}}},
        )  # fmt: skip
        ids.append(answer.json()["id"])
    return ids


def test_cloudflare_reads(server: Live) -> None:
    ids = fill(server)
    client = cloudflare(server)
    logs = client.ai_gateway.logs
    listed = list(logs.list(**WHERE, per_page=2))
    assert [row.id for row in listed] == ids[::-1]
    row = listed[0]
    assert (row.model, row.duration, row.tokens_in, row.tokens_out, row.success) == ("gpt-4o-2", 2000, 2, 1, True)
    assert row.metadata == '{"n": 2}'
    found = logs.list(**WHERE, filters=[{"key": "cost", "operator": "gt", "value": [0.05]}], order_by="cost")
    assert [row.id for row in found] == [ids[2], ids[1]]
    found = logs.list(**WHERE, filters=[{"key": "model", "operator": "eq", "value": ["gpt-4o-0", "gpt-4o-1"]}])
    assert {row.id for row in found} == set(ids[:2])
    detail = logs.get(ids[1], **WHERE)
    assert detail.request_head.startswith('{"messages"')
    assert detail.request_head_complete is True
    assert logs.request(ids[1], **WHERE)["result"]["messages"][0]["content"] == "1"
    assert logs.response(ids[1], **WHERE)["result"]["usage"]["prompt_tokens"] == 1


def test_cloudflare_changes(server: Live) -> None:
    ids = fill(server)
    logs = cloudflare(server).ai_gateway.logs
    logs.edit(ids[0], **WHERE, feedback=-1, score=50, metadata={"note": "x"})
    (found,) = logs.list(**WHERE, filters=[{"key": "feedback", "operator": "eq", "value": [-1]}])
    assert found.id == ids[0]
    assert found.metadata == '{"n": 0, "note": "x"}'
    deleted = logs.delete(**WHERE, filters=[{"key": "model", "operator": "eq", "value": ["gpt-4o-1"]}])
    assert deleted.success is True
    assert {row.id for row in logs.list(**WHERE)} == {ids[0], ids[2]}


def test_cloudflare_errors(server: Live) -> None:
    module = need("cloudflare")
    fill(server)
    client = cloudflare(server)
    with pytest.raises(module.NotFoundError) as caught:
        client.ai_gateway.logs.get("nobody", **WHERE)
    assert caught.value.errors[0].code == 7002
    with pytest.raises(module.BadRequestError):
        list(client.ai_gateway.logs.list(**WHERE, per_page=0))
    ambiguous = [{"key": "cost", "operator": "gt", "value": [1, 2]}, {"key": "model", "operator": "eq", "value": ["x"]}]
    with pytest.raises(module.BadRequestError):
        client.ai_gateway.logs.delete(**WHERE, filters=ambiguous)
    assert len(server.records()) == 3
    with pytest.raises(module.AuthenticationError):
        module.Cloudflare(api_token="wrong", base_url=f"{server.url}/client/v4", max_retries=0).ai_gateway.logs.get(
            "x", **WHERE
        )
    keyed = module.Cloudflare(api_email="a@b.c", api_key=KEY, base_url=f"{server.url}/client/v4")
    assert len(list(keyed.ai_gateway.logs.list(**WHERE))) == 3


def test_cloudflare_async(server: Live) -> None:
    module = need("cloudflare")
    ids = fill(server, 5)

    async def main() -> list[str]:
        client = module.AsyncCloudflare(api_token=KEY, base_url=f"{server.url}/client/v4")
        return [row.id async for row in client.ai_gateway.logs.list(**WHERE, per_page=2)]

    assert asyncio.run(main()) == ids[::-1]


# PromptLayer


def promptlayer(server: Live, **options: Any) -> Any:
    return need("promptlayer").PromptLayer(api_key=KEY, base_url=server.url, **options)


PROMPT = {"type": "chat", "messages": [{"role": "user", "content": [{"type": "text", "text": "Where?"}]}]}
ANSWER = {"type": "chat", "messages": [{"role": "assistant", "content": [{"type": "text", "text": "Here."}]}]}


def test_promptlayer_log_request_and_tracking(server: Live) -> None:
    client = promptlayer(server)
    logged = client.log_request(
        provider="openai", model="gpt-4o", input=PROMPT, output=ANSWER, request_start_time=1767323045.25,
        request_end_time=1767323046.75, input_tokens=12, output_tokens=5, price=8e-05, tags=["a"], function_name="f",
        metadata={"plan": "gold"},
    )  # fmt: skip
    request_id = logged["id"]
    client.track.metadata(request_id=request_id, metadata={"more": "x"})
    client.track.score(request_id=request_id, score=90, score_name="relevance")
    client.track.prompt(request_id=request_id, prompt_name="greet", prompt_input_variables={"who": "Z"}, version=3)
    group = client.group.create()
    client.track.group(request_id=request_id, group_id=group)
    (record,) = server.records()
    assert (record.usage_input_tokens, record.usage_output_tokens, record.cost, record.duration) == (12, 5, 8e-05, 1.5)
    assert record.metadata == {"plan": "gold", "more": "x"}
    assert (record.scores["relevance"], record.prompt_name, record.prompt_version) == (90, "greet", "3")
    assert record.extra["group_id"] == group
    assert (record.input_preview, record.output_preview, record.status) == ("Where?", "Here.", "ok")


def test_promptlayer_wrapped_openai(server: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    from autolog.cli._standin import standin

    client = promptlayer(server)
    with standin() as address:
        monkeypatch.setenv("OPENAI_API_KEY", "k")
        wrapped = client.openai.OpenAI(base_url=f"{address}/v1", api_key="k")
        answer, request_id = wrapped.chat.completions.create(
            model="gpt-4o", messages=[{"role": "user", "content": "hi"}], pl_tags=["t"], return_pl_id=True
        )
    assert answer.choices
    (record,) = server.records()
    assert request_id == record.seq
    assert (record.request_model, record.tags, record.provider_name) == ("gpt-4o", ["t"], "openai")
    assert record.usage_output_tokens


def test_promptlayer_traceable(server: Live) -> None:
    client = promptlayer(server, enable_tracing=True)

    @client.traceable(name="my-step")
    def step(word: str) -> str:
        return word.upper()

    assert step("x") == "X"
    trace = importlib.import_module("opentelemetry.trace")
    for provider in (getattr(client, "tracer_provider", None), trace.get_tracer_provider()):
        if hasattr(provider, "force_flush"):
            provider.force_flush()
    until(server.records)
    assert [record.name for record in server.records()] == ["my-step"]
    for provider in (getattr(client, "tracer_provider", None), trace.get_tracer_provider()):
        if hasattr(provider, "shutdown"):
            provider.shutdown()  # otherwise it retries for ever


def test_promptlayer_errors(server: Live) -> None:
    module = importlib.import_module("promptlayer.exceptions") if need("promptlayer") else None
    client = need("promptlayer").PromptLayer(api_key="wrong", base_url=server.url)
    with pytest.raises(module.PromptLayerAPIError) as caught:  # type: ignore[union-attr]
        client.log_request(provider="openai", model="m", input=PROMPT, output=ANSWER, request_start_time=1,
                           request_end_time=2)  # fmt: skip
    assert "Authentication" in type(caught.value.__cause__).__name__
    good = promptlayer(server)
    with pytest.raises(module.PromptLayerAPIError):  # type: ignore[union-attr]
        good.log_request(provider="openai", model="m", input={"type": "chat"}, output=ANSWER, request_start_time=1,
                         request_end_time=2)  # fmt: skip
    with pytest.raises(Exception) as caught:
        good.track.score(request_id=999, score=1)
    assert "there is no request with this id" in str(caught.value)
    assert server.records() == []


def test_promptlayer_async(server: Live) -> None:
    module = need("promptlayer")

    async def main() -> Any:
        client = module.AsyncPromptLayer(api_key=KEY, base_url=server.url)
        logged = await client.log_request(
            provider="openai", model="m", input=PROMPT, output=ANSWER,
            request_start_time=datetime.now(UTC).timestamp(), request_end_time=datetime.now(UTC).timestamp(),
        )  # fmt: skip
        await client.track.metadata(logged["id"], {"k": "v"})
        return logged["id"]

    request_id = asyncio.run(main())
    assert (server.records()[0].seq, server.records()[0].metadata) == (request_id, {"k": "v"})
