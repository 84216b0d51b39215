"""`autolog.testing.capture()`: a test sees the records that a store would contain."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import openai
from sdk_http import openai_http as http

import autolog
from autolog.stores import open_store
from autolog.stores.query import Query
from autolog.testing import capture

USAGE = {"input_tokens": 10, "output_tokens": 5, "total_tokens": 15}


def answer(request: Any) -> Any:
    """Answers a background response as it begins, and when it is read again as it ended."""
    done = request.method == "GET"
    return http.Response(
        200,
        json={
            "id": "resp_1", "object": "response", "model": "gpt-4o", "background": True, "created_at": 1_793_500_000,
            "status": "completed" if done else "queued", "usage": USAGE if done else None, "output": [],
        },
    )  # fmt: skip


def client() -> openai.OpenAI:
    return openai.OpenAI(api_key="k", http_client=http.Client(transport=http.MockTransport(answer)))


def test_what_a_later_call_completes_is_one_record_here_and_in_a_store(tmp_path: Path) -> None:
    autolog.patch_openai()
    with capture() as records:
        client().responses.create(model="gpt-4o", input="Hi", background=True)
        assert [record.usage_output_tokens for record in records] == [None]
        client().responses.retrieve("resp_1")
        assert [record.usage_output_tokens for record in records] == [5]
    (record,) = records
    assert json.loads(record.request_body or b"")["input"] == "Hi"
    store = open_store(f"sqlite:///{tmp_path}/s.db")
    autolog.configure(store=store.url)
    client().responses.create(model="gpt-4o", input="Hi", background=True)
    client().responses.retrieve("resp_1")
    assert autolog.flush()
    (kept,) = store.find(Query(), 10, bodies=True)
    for name in ("id", "operation_name", "request_model", "usage_output_tokens", "cost", "request_body", "status"):
        assert getattr(kept, name) == getattr(record, name), name


def test_a_score_is_laid_over_its_record() -> None:
    with capture() as records:
        with autolog.span("s"):
            pass
        autolog.score(records[0].id, 0.5, comment="fair")
        assert [(record.name, record.score) for record in records] == [("s", 0.5)]


def test_blocks_nest_and_end_without_a_trace() -> None:
    with capture() as outer:
        with autolog.span("before"):
            pass
        with capture() as inner, autolog.span("inside"):
            pass
        with autolog.span("after"):
            pass
    assert [record.name for record in outer] == ["before", "after"]
    assert [record.name for record in inner] == ["inside"]
    assert outer[-1].name == "after"
    assert [record.name for record in outer[:1]] == ["before"]
    assert "before" in repr(outer)


def test_capturing_again_and_again_joins_no_thread_that_has_not_begun() -> None:
    for _ in range(100):
        with capture() as records:
            with autolog.span("s"):
                pass
        assert len(records) == 1
