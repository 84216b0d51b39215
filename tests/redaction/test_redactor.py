"""Secrets that never reach a sink: keys by format and by place, and what the user's own rules match."""

from __future__ import annotations

import json
import re
from typing import Any

import openai
import pytest
from sdk_http import openai_http
from secret_samples import KEYS

import autolog
from autolog import _guard
from autolog._record.record import Record
from autolog._redaction.redactor import REDACTED, Redactor
from autolog.testing import Records

# Through the SDK


def client(answer: Any, **options: Any) -> openai.OpenAI:
    http = openai_http.Client(transport=openai_http.MockTransport(lambda _: openai_http.Response(200, json=answer)))
    return openai.OpenAI(http_client=http, max_retries=0, **options)


ANSWER = {
    "id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "gpt-4o-mini",
    "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "My key is own-secret-key."}}],
    "usage": {"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12},
}  # fmt: skip


def everything(record: Record) -> str:
    return repr(record)


def test_the_clients_own_key_goes_wherever_it_stands(patched: Records) -> None:
    with autolog.context(metadata={"note": "own-secret-key"}, tags=["own-secret-key"]):
        client(ANSWER, api_key="own-secret-key").chat.completions.create(
            model="gpt-4o-mini", messages=[{"role": "user", "content": "Say own-secret-key"}]
        )
    (record,) = patched
    assert "own-secret-key" not in everything(record)
    assert record.usage_input_tokens == 9
    assert record.cost is not None
    assert record.output_preview == f"My key is {REDACTED}."


def test_headers_without_a_secret_are_searched_again_once_a_key_in_them_is_known() -> None:
    redactor, key = Redactor(None, secrets=True), "plain-own-key"
    for learned in (False, False, True):
        if learned:
            redactor.learn({"authorization": f"Bearer {key}"})
        record = Record(id="r", request_body=b"{}", request_headers={"user-agent": key})
        redactor.fields(record, redactor.bodies(record))
        assert record.request_headers == {"user-agent": REDACTED if learned else key}
        other = Record(id="s", request_body=b"{}", request_headers={"user-agent": KEYS["openai"]})
        redactor.fields(other, redactor.bodies(other))
        assert other.request_headers == {"user-agent": REDACTED}


def test_arguments_and_errors_of_functions(records: Records) -> None:
    @autolog.autolog
    def connect(url: str, api_key: str, password: str) -> str:
        raise ValueError(f"cannot use {KEYS['github']}")

    with pytest.raises(ValueError):
        connect("https://a.example", "opensesame", "swordfish")
    (record,) = records
    assert json.loads(record.request_body or b"") == {
        "url": "https://a.example",
        "api_key": REDACTED,
        "password": REDACTED,
    }
    assert record.error_message == f"cannot use {REDACTED}"
    assert "opensesame" not in everything(record)


def test_secrets_may_be_kept_on_request() -> None:
    autolog.configure(redact_secrets=False)
    with autolog.testing.capture() as records, autolog.span("s") as span:
        span.set(api_key="abc")
    assert records[0].metadata == {"api_key": "abc"}


# The user's rules


def kept(rules: Any, **given: Any) -> Record:
    autolog.configure(redact=rules)
    with autolog.testing.capture() as records, autolog.span("s") as span:
        span.set(**given)
    return records[0]


def test_patterns() -> None:
    record = kept(
        [r"\b\d{16}\b", re.compile("ada", re.IGNORECASE)], input="Ada's card: 1234567812345678", note="ADA", n=12
    )
    assert record.request_body == b'"[REDACTED]\'s card: [REDACTED]"'
    assert record.input_preview == "[REDACTED]'s card: [REDACTED]"
    assert record.metadata == {"note": REDACTED, "n": 12}


def test_a_pattern_never_harms_figures() -> None:
    autolog.configure(redact=r"\d+|prompt")
    autolog.patch_openai()
    with autolog.testing.capture() as records:
        client({**ANSWER, "note": "call 555"}, api_key="k").chat.completions.create(model="gpt-4o-mini", messages=[])
    (record,) = records
    assert record.cost is not None
    assert record.usage_input_tokens == 9
    assert json.loads(record.response_body or b"")["note"] == f"call {REDACTED}"


def test_fields() -> None:
    record = kept(
        {"fields": ["ssn", "patient.name"]},
        input={"patient": {"name": "Ada", "age": 36}, "name": "kept", "list": [{"SSN": 123}]},
        ssn="1-2",
    )
    assert json.loads(record.request_body or b"") == {
        "patient": {"name": REDACTED, "age": 36}, "name": "kept", "list": [{"SSN": REDACTED}],
    }  # fmt: skip
    assert record.metadata == {"ssn": REDACTED}


def test_a_function_changes_or_drops() -> None:
    def rule(record: Record) -> Record | None:
        record.name = "changed"
        return None if record.metadata.get("drop") else record

    autolog.configure(redact=rule)
    with autolog.testing.capture() as records:
        with autolog.span("a"):
            pass
        with autolog.span("b", drop=True):
            pass
    assert [record.name for record in records] == ["changed"]


def test_a_function_that_fails_lets_nothing_through(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_guard, "strict", False)

    def broken(record: Record) -> Record:
        raise RuntimeError

    record = kept(broken, input="something private", note="private")
    assert "private" not in everything(record)
    assert record.duration is not None
    assert _guard.failures.pop("redacting a record") == 1


@pytest.mark.parametrize("returned", ["oops", 5, []])
def test_a_function_that_returns_something_else_stops_nothing(returned: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_guard, "strict", False)
    record = kept(lambda record: returned, input="private")
    assert "private" not in everything(record)
    assert _guard.failures.pop("redacting a record") == 1


# Bodies and texts left out


def test_a_span_without_bodies(patched: Records) -> None:
    with autolog.span("private", capture_bodies=False) as span:
        span.set(input="secret plan")
        client(ANSWER, api_key="k").chat.completions.create(model="gpt-4o-mini", messages=[])
        with autolog.span("inner") as inner:
            inner.set(output="secret result")
    with autolog.span("after") as after:
        after.set(output="public")
    assert [record.response_body for record in patched] == [None, None, None, b'"public"']
    assert [record.output_preview for record in patched] == [None, None, None, "public"]
    assert patched[0].usage_input_tokens == 9


def test_a_context_without_bodies(patched: Records) -> None:
    with autolog.context(capture_bodies=False):
        client(ANSWER, api_key="k").chat.completions.create(model="gpt-4o-mini", messages=[])
    assert patched[0].request_body is None
    assert patched[0].cost is not None


# Sampling


def test_sampling_keeps_whole_traces_failures_and_slow_ones() -> None:
    autolog.configure(sample=0.3, sample_keep_slow=60)
    with autolog.testing.capture() as records:
        for _ in range(500):
            with autolog.span("outer"), autolog.span("inner"):
                pass
        before = len(records)
        for number in range(20):
            try:
                with autolog.span(f"failed {number}"):
                    raise KeyError(number)
            except KeyError:
                pass
        slow = autolog.span("slow").__enter__()
        slow.start_ns -= 61 * 10**9
        slow.__exit__(None, None, None)
    assert 200 < before < 400
    traces: dict[str | None, list[str | None]] = {}
    for record in records[:before]:
        traces.setdefault(record.trace_id, []).append(record.name)
    assert all(sorted(map(str, names)) == ["inner", "outer"] for names in traces.values())
    names = [record.name for record in records]
    assert sum(str(name).startswith("failed") for name in names) == 20
    assert "slow" in names


def test_sampling_counts_what_it_leaves_out() -> None:
    autolog.configure(sample=0)
    with autolog.span("s"):
        pass
    autolog.flush()
    assert autolog.status()["sampled_out"] == 1
    assert autolog.status()["written"] == 0
