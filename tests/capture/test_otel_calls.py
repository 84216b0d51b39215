"""Spans that begin in another context than a call: one that reports the call has no bill, any other keeps its own."""

from __future__ import annotations

import asyncio
import contextvars
import time
from collections.abc import Iterator
from typing import Any

import pytest
from chat_server import ChatServer, chat_server, request

import autolog
from autolog._capture import opentelemetry as bridging
from autolog._capture.exchange import Exchange
from autolog._capture.otel_calls import Telling, bare
from autolog._config import Config
from autolog._processing.pipeline import Pipeline
from autolog._record.record import Record
from autolog.testing import Records

sdk = pytest.importorskip("opentelemetry.sdk.trace")

SCOPES = ["openinference.instrumentation.langchain", "langfuse-sdk", "langsmith"]
#: What the server answers with, and another call that only a span tells of.
RECORDED = {"llm.model_name": "gpt-4o-mini", "llm.token_count.prompt": 9, "llm.token_count.completion": 3}
OTHER = {"llm.model_name": "grok-4", "llm.token_count.prompt": 9, "llm.token_count.completion": 3}


@pytest.fixture(scope="module")
def server() -> Iterator[ChatServer]:
    with chat_server() as running:
        yield running


@pytest.fixture(params=SCOPES)
def maker(records: Records, request: pytest.FixtureRequest) -> Iterator[Any]:
    """Return the tracer of an instrumentation whose spans may begin in another context."""
    yield from tracer(request.param)


def tracer(scope: str) -> Iterator[Any]:
    provider = sdk.TracerProvider()
    autolog.opentelemetry(provider)
    autolog.patch_openai()
    yield provider.get_tracer(scope)
    bridging.leave()


def begin(maker: Any, name: str) -> Any:
    """Begin a span in a context of its own, as LangChain's callbacks on other threads do."""
    return contextvars.copy_context().run(maker.start_span, name)


def end(span: Any, told: dict[str, Any]) -> None:
    contextvars.copy_context().run(span.set_attributes, {"openinference.span.kind": "LLM", **told})
    span.end()


def ask(server: ChatServer) -> None:
    import openai

    with openai.OpenAI(api_key="k", base_url=server.url) as client:
        client.chat.completions.create(model="gpt-4o-mini", messages=[{"role": "user", "content": "Rivers?"}])


def bills(records: Records) -> dict[str | None, str]:
    """Return the kinds of the records by name: those of kind llm are billed."""
    return {record.name: record.kind for record in records}


@pytest.mark.parametrize("other", [
    OTHER,
    {**RECORDED, "llm.token_count.completion": 40},
    {"openinference.span.kind": "EMBEDDING", "embedding.model_name": "gpt-4o-mini"},
], ids=["model", "tokens", "operation"])  # fmt: skip
def test_the_span_of_another_call_at_the_same_time_keeps_its_bill(
    maker: Any, server: ChatServer, records: Records, other: dict[str, Any]
) -> None:
    elsewhere, reports = begin(maker, "other"), begin(maker, "reports")
    ask(server)
    end(elsewhere, other)
    end(reports, RECORDED)
    assert bills(records) == {"other": "llm", "reports": "chain", "chat gpt-4o-mini": "llm"}
    assert [record.cost for record in records if record.name == "reports"] == [None]


def test_asynchronous_callbacks_bill_every_call_once(maker: Any, server: ChatServer, records: Records) -> None:
    async def call(name: str, told: dict[str, Any], work: Any) -> None:
        loop = asyncio.get_running_loop()
        span = await loop.run_in_executor(None, begin, maker, name)
        await work
        await loop.run_in_executor(None, end, span, told)

    async def main() -> None:
        import openai

        async with openai.AsyncOpenAI(api_key="k", base_url=server.url) as client:
            chat = client.chat.completions.create
            asked = [
                chat(model="gpt-4o-mini", messages=[{"role": "user", "content": "Rivers?"}], n=n) for n in range(3)
            ]
            await asyncio.gather(
                call("short", OTHER, asyncio.sleep(0)),
                *(call(f"reports {number}", RECORDED, work) for number, work in enumerate(asked)),
                call("long", OTHER, asyncio.sleep(0.3)),
            )

    asyncio.run(main())
    found = bills(records)
    assert [found[f"reports {number}"] for number in range(3)] == ["chain"] * 3
    assert (found["short"], found["long"]) == ("llm", "llm")
    assert sum(record.name == "chat gpt-4o-mini" for record in records) == 3


def test_every_instrumentation_may_report_a_call(server: ChatServer, records: Records) -> None:
    makers = {scope: tracer(scope) for scope in SCOPES}
    spans = [begin(next(maker), scope) for scope, maker in makers.items()]
    ask(server)
    for span in spans:
        end(span, RECORDED)
    bridging.leave()
    assert bills(records) == {**dict.fromkeys(SCOPES, "chain"), "chat gpt-4o-mini": "llm"}


def test_a_step_of_the_same_instrumentation_around_a_call_does_not_stand_for_it(
    maker: Any, server: ChatServer, records: Records
) -> None:
    chain = maker.start_span("sequence", attributes={"openinference.span.kind": "CHAIN"})
    model = begin(maker, "model")
    ask(server)
    end(model, RECORDED)
    chain.end()
    assert bills(records) == {"sequence": "chain", "model": "chain", "chat gpt-4o-mini": "llm"}


def in_progress(model: str) -> Exchange:
    """Return a call whose request has been sent."""
    exchange = Exchange(lambda span: None, "openai", object, stream=True)
    exchange.request = type("Request", (), {"_content": request(model=model)})
    return exchange


@pytest.mark.parametrize(("told", "kind"), [
    (RECORDED, "llm"),  # its tokens are known, so that it has ended
    ({"llm.model_name": "gpt-4o-mini"}, "chain"),
    ({"llm.model_name": "grok-4"}, "llm"),
])  # fmt: skip
def test_a_call_in_progress_is_compared_by_its_request(
    maker: Any, records: Records, told: dict[str, Any], kind: str
) -> None:
    span = begin(maker, "span")
    exchange = in_progress("gpt-4o-mini-2024-07-18")
    end(span, told)
    assert bills(records) == {"span": kind}
    assert not exchange.end_ns


def test_an_attempt_that_failed_is_not_what_the_span_of_a_success_reports(
    maker: Any, server: ChatServer, records: Records
) -> None:
    span, fails = begin(maker, "span"), begin(maker, "fails")
    server.failures.extend([500] * 3)
    with pytest.raises(Exception, match="try again"):
        ask(server)
    end(span, RECORDED)
    fails.set_status(failure())
    end(fails, {"llm.model_name": "gpt-4o-mini"})
    assert [bills(records)[name] for name in ("span", "fails")] == ["llm", "chain"]


def failure() -> Any:
    from opentelemetry.trace import Status, StatusCode

    return Status(StatusCode.ERROR)


def test_calls_shipped_to_a_server_are_described_here_only_beside_such_spans(
    maker: Any, server: ChatServer, records: Records, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bridging.bridge, "_elsewhere", False)
    ended: list[Any] = []
    pipeline = Pipeline(Config(), None, describes=False)
    for expected in (None, 9):
        exchange = Exchange(ended.append, "openai", object, stream=False)
        url = f"{server.url}/chat/completions"
        exchange.request = type("Request", (), {"method": "POST", "url": url, "headers": {}, "_content": request()})
        exchange.status_code, exchange.response_headers = 200, {"content-type": "application/json"}
        exchange.content = b'{"model": "gpt-4o-mini", "usage": {"prompt_tokens": 9, "completion_tokens": 3}}'
        exchange.end()
        (record,) = pipeline(ended.pop())
        assert record.usage_input_tokens == expected
        begin(maker, "model").end()


@pytest.mark.parametrize(("one", "other"), [
    ("openai/gpt-4o", "gpt-4o"),
    ("gpt-4o-mini-2024-07-18", "gpt-4o-mini"),
    ("gpt-4-0613", "gpt-4"),
    ("models/gemini-2.5-flash", "gemini-2.5-flash"),
    ("us.anthropic.claude-sonnet-4-5-20250929-v1:0", "claude-sonnet-4-5"),
    ("anthropic/claude-sonnet-4-5", "claude-sonnet-4-5@20250929"),
    ("meta-llama/Llama-3.3-70B-Instruct", "accounts/fireworks/models/llama-3.3-70b-instruct"),
    ("mistral-large-latest", "mistral-large-2411"),
    ("llama3:latest", "llama3"),
])  # fmt: skip
def test_a_model_is_the_same_with_and_without_maker_and_date(one: str, other: str) -> None:
    assert bare(one) == bare(other)


def test_other_models_are_different() -> None:
    names = ["gpt-4o", "gpt-4o-mini", "gpt-4.1", "gpt-4", "claude-opus-4-1", "claude-opus-4", "deepseek-v3", "o3"]
    assert len({bare(name) for name in names}) == len(names)


def test_the_output_of_a_call_that_was_broken_off_may_differ() -> None:
    whole = Telling.of(Record(id="", request_model="gpt-4o", usage_input_tokens=9, usage_output_tokens=30))
    part = Record(id="", request_model="gpt-4o", usage_input_tokens=9, usage_output_tokens=4)
    assert whole.agreement(Telling.of(part)) is None
    part.status = "error"
    assert whole.agreement(Telling.of(part)) == 1


def test_calls_before_and_after_a_span_are_not_of_it(maker: Any, server: ChatServer, records: Records) -> None:
    ask(server)
    span = begin(maker, "between")
    time.sleep(0.002)
    end(span, RECORDED)
    ask(server)
    assert bills(records)["between"] == "llm"
