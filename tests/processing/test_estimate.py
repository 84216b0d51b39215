"""Token estimates for streams without usage, with a test encoding of one token per letter."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from autolog._pricing.bill import price_record
from autolog._processing import estimate as estimate_module
from autolog._processing.estimate import PER_ANSWER, PER_MESSAGE, estimate
from autolog._reading.describe import describe
from autolog._record.record import Record

tiktoken = pytest.importorskip("tiktoken")
LETTERS = tiktoken.Encoding(
    "letters", pat_str=r".", mergeable_ranks={bytes([n]): n for n in range(256)}, special_tokens={}
)


@pytest.fixture(autouse=True)
def nothing_loaded() -> Iterator[None]:
    estimate_module._loading.clear()
    estimate_module._warned.clear()
    yield
    estimate_module._loading.clear()


@pytest.fixture
def letters(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tiktoken, "encoding_for_model", lambda model: LETTERS)  # the real tables come from the network


def stream(request: dict[str, Any], *deltas: dict[str, Any], **last: Any) -> Record:
    chunks = [{"model": "gpt-4o", "choices": [{"index": 0, "delta": delta}]} for delta in deltas]
    chunks += [{"model": "gpt-4o", "choices": [], **last}] if last else []
    return Record(
        id="r", sdk="openai", provider_name="openai", request_url="https://api.openai.com/v1/chat/completions",
        status_code=200, request_body=json.dumps({"model": "gpt-4o", "stream": True, **request}).encode(),
        response_content_type="text/event-stream",
        response_body=b"".join(b"data: %s\n\n" % json.dumps(chunk).encode() for chunk in chunks),
    )  # fmt: skip


def estimated(record: Record) -> Record:
    facts = describe(record)
    estimate(record, facts)
    price_record(record, facts)
    return record


@pytest.mark.usefixtures("letters")
def test_texts_roles_and_tools_count_and_the_cost_is_an_estimate() -> None:
    tools = [{"type": "function", "function": {"name": "f"}}]
    request = {"messages": [{"role": "user", "content": [{"type": "text", "text": "Hi"}]}], "tools": tools}
    record = estimated(stream(request, {"role": "assistant", "content": "Hel"}, {"content": "lo"}))
    texts = len("user") + len("Hi") + len(json.dumps(tools, separators=(",", ":")))
    assert record.usage_input_tokens == texts + PER_MESSAGE + PER_ANSWER
    assert record.usage_output_tokens == len("assistant") + len("Hello")
    assert record.extra["usage_estimated"] == "tiktoken letters"
    assert (record.cost_details or {})["certainty"] == "estimated"
    assert "tiktoken letters" in (record.cost_details or {})["why"]


@pytest.mark.usefixtures("letters")
@pytest.mark.parametrize(
    "record",
    [
        stream({}, {"content": "Hi"}, usage={"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}),
        stream({"stream": False}),
    ],
)
def test_what_has_usage_or_is_no_stream_is_left_alone(record: Record) -> None:
    record.response_content_type = record.response_content_type if record.response_body else None
    assert "usage_estimated" not in estimated(record).extra


def test_what_cannot_be_counted_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_network(model: str) -> Any:
        raise OSError("no network")

    monkeypatch.setattr(tiktoken, "encoding_for_model", no_network)
    record = estimated(stream({"messages": []}, {"content": "Hi"}))
    assert record.cost is None
    assert "no network" in (record.cost_details or {})["unknown"]


def test_only_the_first_record_waits_for_a_table_that_does_not_arrive(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    arrives, asked = threading.Event(), []

    def load(model: str) -> Any:
        asked.append(model)
        arrives.wait()
        return LETTERS

    monkeypatch.setattr(tiktoken, "encoding_for_model", load)
    monkeypatch.setattr(estimate_module, "PATIENCE", 0.01)
    for _ in range(3):
        record = estimated(stream({"messages": []}, {"content": "Hi"}))
        assert "its table has not arrived yet" in (record.cost_details or {})["unknown"]
    assert len(asked) == 1
    assert caplog.text.count("are not estimated: tiktoken failed: TimeoutError") == 1
    arrives.set()
    estimate_module._loading["gpt-4o"].ended.wait()
    assert estimated(stream({"messages": []}, {"content": "Hi"})).usage_output_tokens == 2
    assert len(asked) == 1


def test_loading_is_tried_again_later(monkeypatch: pytest.MonkeyPatch) -> None:
    results = iter([OSError("no network"), LETTERS])

    def load(model: str) -> Any:
        result = next(results)
        if isinstance(result, OSError):
            raise result
        return result

    monkeypatch.setattr(tiktoken, "encoding_for_model", load)
    for _ in range(2):
        assert "no network" in (estimated(stream({"messages": []}, {"content": "Hi"})).cost_details or {})["unknown"]
    monkeypatch.setattr(estimate_module, "RETRY", -1.0)
    assert estimated(stream({"messages": []}, {"content": "Hi"})).usage_output_tokens == 2


def test_a_missing_tiktoken_is_named_and_not_searched_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    class Watch:
        def find_spec(self, name: str, path: object = None, target: object = None) -> None:
            searched.append(name)

    searched: list[str] = []
    record = stream({"messages": []}, {"content": "Hi"})
    facts = describe(record)
    monkeypatch.delitem(sys.modules, "tiktoken")
    monkeypatch.setattr(sys, "meta_path", [Watch(), *sys.meta_path])
    estimate(record, facts)
    assert "pip install 'autolog-llm[estimate]'" in (facts.unbilled_reason or "")
    assert not searched
