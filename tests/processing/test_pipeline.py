"""The stages of processing an ended span: each runs once, in its place."""

from __future__ import annotations

import base64
from typing import Any

import openai
import pytest
from invoices import background_answer, chat
from sdk_http import openai_http as http

import autolog
from autolog import Record
from autolog._capture.patch import make_patches
from autolog._capture.span import Span
from autolog._config import Config
from autolog._processing.deferred import DeferredPipeline
from autolog._processing.pipeline import Pipeline
from autolog._redaction import keys
from autolog.testing import Records

KEY = "sk-" + "proj-" + "a1B2c3D4e5F6g7H8i9J0" * 2
IMAGE = base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(300)).decode()


def ask(content: Any = "Hi", answer: dict[str, Any] | None = None, status: int = 200) -> None:
    given = answer or chat("gpt-4o", 1000, 100)
    transport = http.MockTransport(lambda request: http.Response(status, json=given))
    client = openai.OpenAI(api_key="k" * 20, http_client=http.Client(transport=transport), max_retries=0)
    client.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": content}])


def test_bodies_are_redacted_before_they_are_read(patched: Records) -> None:
    ask(f"my key is {KEY}")
    (record,) = patched
    assert record.input_preview == "my key is [REDACTED]"
    assert KEY.encode() not in (record.request_body or b"")


def test_the_users_price_function_sees_the_cost_by_the_table(patched: Records) -> None:
    seen: list[Any] = []

    def discounted(record: Record) -> float:
        seen.append((record.cost, record.usage_input_tokens, record.input_preview))
        return (record.cost or 0) * 0.8

    autolog.configure(prices=discounted)
    ask()
    assert patched[0].cost == pytest.approx(0.0035 * 0.8)
    assert seen == [(pytest.approx(0.0035), 1000, "Hi")]


def test_the_users_function_comes_last_and_may_drop_the_record(patched: Records) -> None:
    seen: list[Any] = []

    def changed(record: Record) -> Record | None:
        seen.append((record.cost, record.request_body, record.metadata))
        return None if record.metadata else record

    autolog.configure(redact=changed, max_field_chars=3)
    with autolog.context(metadata={"token": KEY}):
        ask("a long question")
    ask("a long question")
    assert len(patched) == 1
    assert seen[0][0] == pytest.approx(0.0035)
    assert b"a long question" not in seen[0][1]
    assert KEY not in str(seen[0][2])


def test_what_sampling_leaves_out_is_spent_all_the_same(patched: Records) -> None:
    reached: list[str] = []
    autolog.configure(sample=0.0, budgets=[{"limit": 0.006, "then": reached.append}])
    ask()
    ask()
    assert len(patched) == 0
    assert len(reached) == 1
    assert autolog.status()["sampled_out"] == 2


def test_sampling_keeps_failed_calls(patched: Records) -> None:
    autolog.configure(sample=0.0)
    ask()
    with pytest.raises(openai.InternalServerError):
        ask(answer={"error": {"message": "No"}}, status=500)
    assert [record.status for record in patched] == ["error"]


def test_without_bodies_the_figures_stay(patched: Records) -> None:
    autolog.configure(capture_bodies=False)
    ask()
    (record,) = patched
    assert (record.usage_input_tokens, record.cost) == (1000, pytest.approx(0.0035))
    assert (record.request_body, record.response_body, record.input_preview, record.media) == (None, None, None, None)


def test_media_are_noted_as_they_stand_in_the_trimmed_body(patched: Records) -> None:
    autolog.configure(max_field_chars=500)
    picture = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{IMAGE}"}}
    ask([{"type": "text", "text": "x" * 600}, picture])
    (record,) = patched
    (entry,) = record.media or []
    body = record.request_body or b""
    assert record.truncated
    assert body[entry["offset"] : entry["offset"] + entry["length"]] == IMAGE.encode()


def test_a_finished_record_is_redacted_and_nothing_else(records: Records) -> None:
    autolog.score("some-id", 1.0, comment=f"see {KEY}")
    (record,) = records
    assert record.scores["default"]["comment"] == "see [REDACTED]"
    assert (record.name, record.cost_details) == (None, None)


def test_a_pipeline_remembers_what_began_in_it_only(patched: Records) -> None:
    """Check this because each recorder and each `capture()` has its own pipeline."""
    answers = {"POST": background_answer("queued"), "GET": background_answer("completed")}
    for answer in answers.values():
        del answer["background"]
    transport = http.MockTransport(lambda request: http.Response(200, json=answers[request.method]))
    client = openai.OpenAI(api_key="k", http_client=http.Client(transport=transport))
    client.responses.create(model="gpt-4o", input="Think.", background=True)
    assert len(patched) == 1
    with autolog.testing.capture() as others:
        client.responses.retrieve("resp_1")
        assert len(others) == 0


def ended(texts: list[str], answer: dict[str, Any]) -> list[Span]:
    """Return the ended spans of calls with these prompts, each by a client with its own key."""
    spans: list[Span] = []
    patch = make_patches(spans.append, lambda: None)["openai"]
    patch.apply()
    transport = http.MockTransport(lambda request: http.Response(200, json=answer))
    for number, text in enumerate(texts):
        client = openai.OpenAI(api_key=f"own-key-{number}", http_client=http.Client(transport=transport))
        client.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": text}])
    patch.remove()
    return spans


def test_calls_that_are_searched_together_are_redacted_as_each_on_its_own() -> None:
    own = [f"say own-key-{number}" if number % 3 == 0 else "Hi" for number in range(40)]
    for texts in (["Hi"] * 40, ["Hi", f"my key is {KEY}", "Hi"], own, [own[0], *["Hi"] * 39]):
        pipelines = Pipeline(Config(), None), Pipeline(Config(), None)
        spans = ended(texts, chat("gpt-4o", 10, 5))
        pipelines[1].look_ahead(spans)
        alone, together = ([record for span in spans for record in pipeline(span)] for pipeline in pipelines)
        assert [record.request_body for record in together] == [record.request_body for record in alone]
        assert [record.input_preview for record in together] == [record.input_preview for record in alone]
        hidden = [text not in ("Hi", record.input_preview) for text, record in zip(texts, together, strict=True)]
        assert hidden == [text != "Hi" for text in texts]


def test_the_first_call_need_not_wait_for_the_patterns_of_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    deferred = DeferredPipeline(Config(), None, describes=False)
    (span,) = ended(["Say hello to everybody in-this-long-word"], chat("gpt-4o", 10, 5))
    monkeypatch.setattr(keys, "_known_words", set())
    keys._compiled.cache_clear()
    deferred.prepare()
    compiled = keys._compiled.cache_info().misses
    assert compiled
    assert len(deferred(span)) == 1
    assert keys._compiled.cache_info().misses == compiled


def test_a_span_that_was_looked_at_but_not_read_next_is_read_all_the_same() -> None:
    pipeline = Pipeline(Config(), None)
    spans = ended(["first", "second", f"my key is {KEY}"], chat("gpt-4o", 10, 5))
    pipeline.look_ahead(spans[:2])
    pipeline.look_ahead(spans[1:])
    previews = [record.input_preview for span in (spans[2], spans[0], spans[1]) for record in pipeline(span)]
    assert previews == ["my key is [REDACTED]", "first", "second"]
