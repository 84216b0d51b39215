"""Records made from spans: times, context, and the captured call."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import openai
import pytest
from invoices import chat
from sdk_http import openai_http as http

import autolog
from autolog.testing import Records


def client(headers: dict[str, str] | None = None, kind: type = openai.OpenAI, **options: str) -> openai.OpenAI:
    answer = chat("gpt-4o", 10, 5)
    transport = http.MockTransport(lambda request: http.Response(200, json=answer, headers=headers or {}))
    sdk: openai.OpenAI = kind(api_key="k", http_client=http.Client(transport=transport), **options)
    return sdk


def test_a_span_has_its_times_context_and_metadata(records: Records) -> None:
    before = datetime.now(UTC)
    with autolog.context(user="u", session="s", tags=["t"], metadata={"a": 1}), autolog.span("work", b=2) as span:
        span.set(input={"x": 1}, output="done")
    (record,) = records
    assert (record.user, record.session, record.tags, record.metadata) == ("u", "s", ["t"], {"a": 1, "b": 2})
    assert record.start_time is not None
    assert record.end_time is not None
    assert before - timedelta(seconds=1) < record.start_time <= record.end_time
    assert record.duration == pytest.approx((record.end_time - record.start_time).total_seconds(), abs=1e-5)
    assert (record.request_body, record.response_body) == (b'{"x":1}', b'"done"')
    assert (record.input_preview, record.output_preview) == ('{"x":1}', "done")


@pytest.mark.parametrize(("kind", "operation"), [("tool", "execute_tool"), ("agent", "invoke_agent"), ("span", None)])
def test_tools_and_agents_have_the_conventions_operations(records: Records, kind: str, operation: str | None) -> None:
    with autolog.span("work", kind=kind):
        pass
    assert records[0].operation_name == operation


def test_a_call_has_its_address_headers_and_request_id_without_its_key(patched: Records) -> None:
    sdk = client({"x-request-id": "req_1", "set-cookie": "secret=1"})
    sdk.chat.completions.create(model="gpt-4o", messages=[], extra_query={"api_key": "hidden"})
    (record,) = patched
    assert (record.request_method, record.request_id, record.retries, record.sdk) == ("POST", "req_1", 0, "openai")
    assert "hidden" not in (record.request_url or "")
    assert "authorization" not in (record.request_headers or {})
    assert "set-cookie" not in (record.response_headers or {})


def test_a_call_says_with_which_key_it_was_made_by_the_end_of_the_key_alone(patched: Records) -> None:
    key = "sk-proj-0123456789abcdefghijWXYZ"
    client().with_options(api_key=key).chat.completions.create(model="gpt-4o", messages=[])
    assert patched[0].request_meta == {"key_hint": "WXYZ"}
    assert key[:-4] not in repr(patched[0])


def test_the_client_says_who_answers_where_the_host_does_not(patched: Records) -> None:
    client(base_url="https://gateway.example/v1").chat.completions.create(model="gpt-4o", messages=[])
    azure = client(kind=openai.AzureOpenAI, azure_endpoint="https://gateway.example", api_version="1")
    azure.chat.completions.create(model="gpt-4o", messages=[])
    assert [record.provider_name for record in patched] == ["openai", "azure.ai.openai"]
