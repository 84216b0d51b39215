"""What never reaches a sink: keys by their looks and by their place, and what the user's own rules name."""

from __future__ import annotations

import json
import re
from typing import Any

import openai
import pytest
from sdk_http import openai_http

import autolog
from autolog import ConfigError, _guard
from autolog._record.record import Record
from autolog._redaction.redactor import REDACTED, Redactor
from autolog._redaction.scrub import shorten
from autolog.testing import Records

#: Made up, in the shapes that their issuers give them; put together so that no scanner takes them for real.
KEYS = {
    "openai": "sk-" + "proj-" + "Ab1" * 16,
    "openai legacy": "sk-" + "aB3" * 16,
    "anthropic": "sk-" + "ant-api03-" + "xY9_" * 22 + "AA",
    "openrouter": "sk-" + "or-v1-" + "0a" * 32,
    "aws": "AKIA" + "IOSFODNN7EXAMPLE",
    "github": "ghp_" + "a1B2" * 9,
    "github fine": "github_pat_" + "11ABCDE_" * 8,
    "gitlab": "glpat-" + "abcdEFGH12345678-_xy",
    "slack": "xoxb-" + "123456789012-123456789012-abcdefABCDEF",
    "google": "AIza" + "SyA1234567890abcdefghijklmnopqrstuv",
    "stripe": "sk_" + "live_" + "4eC39HqLyjWDarjtT1zdp7dc",
    "huggingface": "hf_" + "abcdEFGHijklMNOPqrstUVWXyz012345",
    "groq": "gsk_" + "a1B2" * 13,
    "xai": "xai-" + "a1B2" * 20,
    "sendgrid": "SG." + "a1B2c3D4e5F6g7H8i9J0kl" + "." + "a1B2" * 10 + "xyz",
    "jwt": "eyJhbGciOiJIUzI1NiJ9" + ".eyJzdWIiOiIxMjM0NTY3ODkwIn0" + ".SflKxwRJSMeKKF2QT4fwpMeJf36POk6yJV",
    "ours": "alk_" + "A1b2" * 10,
    "pem": "-----BEGIN RSA PRIVATE KEY-----\nMIIEpAIBAAKCAQEA1234\n-----END RSA PRIVATE KEY-----",
}


def redacted(body: Any, kind: str = "application/json", rules: Any = None, side: str = "request") -> bytes:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    record = Record(id="r", **{f"{side}_body": data, f"{side}_content_type": kind})
    Redactor(rules, secrets=True).bodies(record)
    result: bytes = getattr(record, f"{side}_body")
    return result


@pytest.mark.parametrize("name", KEYS)
@pytest.mark.parametrize("around", ["{}", "my key: {}", "line\n{}\n", 'key="{}"', "(see {})", "curl -H 'x: {}'"])
def test_keys_are_found_in_texts(name: str, around: str) -> None:
    body = redacted({"model": "m", "messages": [{"role": "user", "content": around.format(KEYS[name])}]})
    assert KEYS[name].splitlines()[-1 if name != "pem" else 1] not in body.decode()
    assert json.loads(body)["messages"][0]["content"] == around.format(REDACTED)
    value = Redactor(None, secrets=True).record(Record(id="r", error_message=around.format(KEYS[name])))
    assert value is not None
    assert value.error_message == around.format(REDACTED)


@pytest.mark.parametrize(
    "text",
    [
        "a task-force-with-a-long-name-and-more", "chatcmpl-AbCdEfGhIjKlMnOpQrStUvWxYz123", "toolu_01A09q90qw90lq917835lq9",
        "msg_013Zva2CMHLNnjNjJKqJ2EF", "550e8400-e29b-41d4-a716-446655440000", "the password is up to you", "sk-short",
        "https://example.com/path?q=1", "mail me: ada@example.com", "Bearer of good news, certainly-not-a-token",
        "resp_0a1b2c3d4e5f60718293a4b5c6d7e8f9", "fp_44709d6fcb", "data:image/png;base64," + "iVBORw0KGgo" * 50,
    ],
)  # fmt: skip
def test_what_is_no_secret_stays_byte_for_byte(text: str) -> None:
    data = json.dumps({"messages": [{"role": "user", "content": text}], "n": 1.50}, indent=1).encode()
    assert redacted(data) is data


def test_what_is_named_like_a_secret_goes_whatever_it_looks_like() -> None:
    body = {
        "tools": [{"type": "mcp", "server_url": "https://x.example", "authorization": "hunter2",
                   "headers": {"X-Api-Key": "abc", "Accept": "text/plain"}}],
        "arguments": json.dumps({"user": "ada", "api_key": "p\"ass", "deep": json.dumps({"client_secret": "s"})}),
        "schema": {"properties": {"api_key": {"type": "string"}}}, "login": {"password": "the model's subject"},
        "logprobs": [{"token": "Hello"}], "usage": {"total_tokens": 3},
    }  # fmt: skip
    found = json.loads(redacted(body))
    assert found["tools"][0]["authorization"] == REDACTED
    assert found["tools"][0]["headers"] == {"X-Api-Key": REDACTED, "Accept": "text/plain"}
    inner = json.loads(found["arguments"])
    assert (inner["user"], inner["api_key"]) == ("ada", REDACTED)
    assert json.loads(inner["deep"]) == {"client_secret": REDACTED}
    assert found["schema"] == body["schema"]
    assert found["login"] == body["login"]
    assert found["logprobs"] == body["logprobs"]
    assert found["usage"] == body["usage"]


@pytest.mark.parametrize("text", [
    "postgres://app:s3cret@db.example/x", "redis://:pa55@localhost", "Authorization: Bearer a1b2c3d4e5f6a7b8c9d0",
    "api_key=0123456789abcdef01234567", "password: 'Xy0123456789abcdefghij'",
])  # fmt: skip
def test_what_stands_in_secret_places(text: str) -> None:
    content = json.loads(redacted({"content": text}))["content"]
    assert REDACTED in content
    assert content.split(REDACTED)[0] == text[: len(content.split(REDACTED)[0])]


def stream(*deltas: dict[str, Any]) -> bytes:
    chunks = [{"id": "c", "choices": [{"index": delta.pop("at", 0), "delta": delta}], "model": "m"} for delta in deltas]
    return b"".join(b"data: %s\n\n" % json.dumps(chunk).encode() for chunk in chunks) + b"data: [DONE]\n\n"


@pytest.mark.parametrize("size", [1, 2, 3, 7, 30])
@pytest.mark.parametrize("key", ["openai", "jwt", "github"])
def test_a_key_that_a_stream_brings_in_pieces(size: int, key: str) -> None:
    said = f"Use {KEYS[key]} for it, please."
    body = stream(*({"content": said[at : at + size]} for at in range(0, len(said), size)))
    found = redacted(body, "text/event-stream", side="response")
    pieces = re.findall(rb'"content": ?"([^"]*)"', found)
    assert b"".join(pieces).decode() == f"Use {REDACTED} for it, please."
    assert len(pieces) == len(range(0, len(said), size))
    assert found.endswith(b"data: [DONE]\n\n")


def test_pieces_of_two_choices_and_of_arguments_are_kept_apart() -> None:
    key = KEYS["openai"]
    one = [{"content": key[at : at + 5]} for at in range(0, len(key), 5)]
    two = [{"at": 1, "content": f"word{number} "} for number in range(len(one))]
    calls = [{"tool_calls": [{"index": 0, "function": {"arguments": piece}}]}
             for piece in ('{"api_', 'key": "hun', 'ter2", "n": 1}')]  # fmt: skip
    body = stream(*(delta for pair in zip(one, two, strict=True) for delta in pair), *calls)
    found = redacted(body, "text/event-stream", side="response").decode()
    assert key[:12] not in found
    assert "hun" not in found
    events = [json.loads(line[6:]) for line in found.splitlines() if line.startswith("data: {")]
    texts: dict[int, str] = {}
    arguments = ""
    for event in events:
        choice = event["choices"][0]
        texts[choice["index"]] = texts.get(choice["index"], "") + choice["delta"].get("content", "")
        for call in choice["delta"].get("tool_calls", []):
            arguments += call["function"]["arguments"]
    assert texts[0] == REDACTED
    assert texts[1] == "".join(f"word{number} " for number in range(len(one)))
    assert json.loads(arguments) == {"api_key": REDACTED, "n": 1}


KEY, NAMED = KEYS["openai"], "xq7hunter"
#: Events as the three APIs send them; what differs from one to the next is in braces.
EVENTS = (
    'data: {{"id":"chatcmpl-1","object":"chat.completion.chunk","created":1,"model":"m","system_fingerprint":null,'
    '"choices":[{{"index":0,"delta":{{"content":"{text}"}},"logprobs":null,"finish_reason":null}}],"usage":null,'
    '"obfuscation":"{pad}"}}\n\n',
    'event: content_block_delta\ndata: {{"type":"content_block_delta","index":0,'
    '"delta":{{"type":"text_delta","text":"{text}"}}}}\n\n',
    'event: response.output_text.delta\ndata: {{"type":"response.output_text.delta","sequence_number":{number},'
    '"item_id":"msg_1","output_index":0,"content_index":0,"delta":"{text}","logprobs":[],"obfuscation":"{pad}"}}\n\n',
    'data: {{"{pad}": 1, "choices": [{{"delta": {{"content": "{text}"}}}}], "end": {{"a": ["{pad}", {number}]}} }}\n\n',
)


@pytest.mark.parametrize("event", EVENTS)
@pytest.mark.parametrize("number", [0, 1, 19, 20, 21, 39])
def test_a_key_anywhere_in_a_long_stream(event: str, number: int) -> None:
    events = [event.format(text=f"word{at} ", pad="xyz"[: at % 4], number=at) for at in range(40)]
    assert redacted("".join(events).encode(), "text/event-stream", side="response") == "".join(events).encode()
    whole = events[number]
    texts = [found.span() for found in re.finditer(r'(?<=")[^"\n]*(?=")', whole)]
    ways = [whole[:start] + KEY + whole[end:] for start, end in texts]
    keys = [found.span() for found in re.finditer(r'(?<=")\w*(?="\s*:)', whole)]
    ways += [whole[:start] + f'api_key":"{NAMED}","z' + whole[end:] for start, end in keys]
    ways += [whole + f": {KEY}\n\n", f"event: {KEY}\n" + whole, whole.replace("\n\n", f" {KEY}\n\n")]
    for way in ways:
        found = redacted(
            "".join([*events[:number], way, *events[number + 1 :]]).encode(), "text/event-stream", "response"
        )
        assert KEY.encode() not in found, way
        assert NAMED.encode() not in found, way


@pytest.mark.parametrize("event", EVENTS)
def test_a_key_that_every_event_repeats(event: str) -> None:
    texts = [found.span() for found in re.finditer(r'(?<=")[^"\n{}]*(?=")', event)]
    for start, end in texts:
        repeated = event[:start] + KEY + event[end:]
        body = "".join(repeated.format(text=f"word{at} ", pad="xyz"[: at % 4], number=at) for at in range(40))
        assert KEY.encode() not in redacted(body.encode(), "text/event-stream", side="response"), repeated


@pytest.mark.parametrize("event", EVENTS)
def test_a_key_in_pieces_anywhere_in_a_long_stream(event: str) -> None:
    for first in (0, 17, 19, 35):
        texts = [f"word{at} " for at in range(60)]
        texts[first : first + 12] = [KEY[at : at + 4] for at in range(0, 48, 4)]
        body = "".join(event.format(text=text, pad="xyz"[: at % 4], number=at) for at, text in enumerate(texts))
        found = redacted(body.encode(), "text/event-stream", side="response").decode()
        assert KEY[:40] not in "".join(re.findall(r'"(?:content|text|delta)": ?"([^"]*)"', found))


def test_a_stream_without_a_finding_stays_byte_for_byte() -> None:
    body = stream({"content": "Hello "}, {"content": "there."})
    assert redacted(body, "text/event-stream", side="response") is body


def test_forms_and_lines() -> None:
    key = KEYS["github"]
    form = (
        b"--B\r\nContent-Disposition: form-data; name=\"prompt\"\r\n\r\nuse " + key.encode() + b" now\r\n"
        b"--B\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.bin\"\r\n\r\n\xff\x00\xfe\r\n--B--\r\n"
    )  # fmt: skip
    found = redacted(form, "multipart/form-data; boundary=B")
    assert found == form.replace(key.encode(), REDACTED.encode())
    lines = b'{"a": "x"}\n{"a": "' + key.encode() + b'"}\n'
    assert [json.loads(line) for line in redacted(lines).splitlines()] == [{"a": "x"}, {"a": REDACTED}]


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ("event: error\ndata: Incorrect API key provided: {}\n\n", "text/event-stream"),
        ('data: "bad key {}"\n\n', "text/event-stream"),
        (": comment {}\n\n", "text/event-stream"),
        ('data: {{"a": 1,\ndata: "b": "{}"}}\n\n', "text/event-stream"),
        ('data: {{"a": "{}"}}\r\rdata: {{"a": 1}}\r\r', "text/event-stream"),
        ('data: {{"choices": [{{"delta": {{"content": "{} and', "text/event-stream"),
        ('{{"choices":[{{"message":{{"content":"Your key: {} is', "application/json"),
        ('{{"choices":[{{"message":{{"content":"Your key:\\n{} is', "application/json"),
        ('{{"a":1}}{{"b":"{}"}}', "application/json"),
        ('{{"a":1}}\n{{"b":"{}', "application/x-ndjson"),
        ("{{not json {}}}", "text/plain"),
        ('{{"{}": "v"}}', "application/json"),
        ("caf\xe9 {}", "text/plain; charset=latin-1"),
        ("KEY_{}", "text/plain"),
    ],
)
def test_bodies_that_are_broken_or_odd_keep_no_key(body: str, kind: str) -> None:
    data = body.format(KEYS["openai"]).encode("latin-1")
    found = redacted(data, kind, side="response")
    assert KEYS["openai"].encode() not in found
    assert REDACTED.encode() in found


@pytest.mark.parametrize("field", ["refusal", "reasoning", "reasoning_content", "content"])
def test_pieces_under_every_name(field: str) -> None:
    key = KEYS["openai"]
    body = stream(*({field: key[at : at + 3]} for at in range(0, len(key), 3)))
    pieces = re.findall(rb'"%s":"([^"]*)"' % field.encode(), redacted(body, "text/event-stream", side="response"))
    assert b"".join(pieces).decode() == REDACTED


def test_two_choices_in_one_event() -> None:
    key = KEYS["openai"]
    events = [
        {"choices": [{"index": 0, "delta": {"content": "w "}}, {"index": 1, "delta": {"content": key[at : at + 2]}}]}
        for at in range(0, len(key), 2)
    ]
    body = b"".join(b"data: %s\n\n" % json.dumps(event).encode() for event in events)
    found = redacted(body, "text/event-stream", side="response")
    said = [json.loads(line[6:])["choices"] for line in found.splitlines() if line]
    assert "".join(choices[1]["delta"]["content"] for choices in said) == REDACTED
    assert "".join(choices[0]["delta"]["content"] for choices in said) == "w " * len(events)


def test_streams_that_are_no_server_sent_events() -> None:
    key = KEYS["openai"]
    lines = b"".join(
        b"%s\n" % json.dumps({"message": {"content": key[at : at + 4]}}).encode() for at in range(0, len(key), 4)
    )
    found = redacted(lines, "application/x-ndjson", side="response")
    assert "".join(json.loads(line)["message"]["content"] for line in found.splitlines()) == REDACTED
    array = [{"candidates": [{"content": {"parts": [{"text": key[at : at + 4]}]}}]} for at in range(0, len(key), 4)]
    found = redacted(array, side="response")
    assert "".join(item["candidates"][0]["content"]["parts"][0]["text"] for item in json.loads(found)) == REDACTED


@pytest.mark.parametrize("unit", ["deadbeef01", "token ", "a", "sk-", "bearer a", "://", "a@b"])
def test_long_texts_take_no_longer_than_their_length_asks(unit: str) -> None:
    import time

    from autolog._redaction.secrets import secrets_in

    def taken(size: int) -> float:
        began = time.perf_counter()
        list(secrets_in(unit * (size // len(unit))))
        return time.perf_counter() - began

    assert min(taken(40_000) for _ in range(3)) < 12 * min(taken(10_000) for _ in range(3)) + 0.02


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


@pytest.mark.parametrize("rules", ["(", 5, [print, len], {"pattern": "x"}, {"function": "x"}, {"patterns": [5]}, ""])
def test_impossible_rules_are_refused(rules: Any) -> None:
    with pytest.raises(ConfigError, match="redact"):
        autolog.configure(redact=rules)


def test_rules_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUTOLOG_REDACT", r"\d{4}")
    with autolog.testing.capture() as records, autolog.span("s") as span:
        span.set(output="1234 or 12")
    assert records[0].response_body == b'"[REDACTED] or 12"'


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


def test_long_texts_are_cut_and_the_json_stays_json() -> None:
    body = {"messages": [{"role": "user", "content": "word " * 1000}], "n": 1}
    record = Record(id="r", request_body=json.dumps(body).encode(), request_content_type="application/json")
    assert shorten(record, 100)
    content = json.loads(record.request_body or b"")["messages"][0]["content"]
    assert content == ("word " * 1000)[:100] + "… [4,900 characters left out]"
    autolog.configure(max_field_chars=10)
    with autolog.testing.capture() as records, autolog.span("s") as span:
        span.set(input={"a": "x y " * 10, "b": "short"})
    assert json.loads(records[0].request_body or b"") == {"a": "x y x y x … [30 characters left out]", "b": "short"}
    assert records[0].truncated


def test_a_long_stream_is_cut_as_one_text() -> None:
    data = stream(*({"content": "word "} for _ in range(100)))
    record = Record(id="r", response_body=data, response_content_type="text/event-stream")
    assert shorten(record, 50)
    said = b"".join(re.findall(rb'"content": ?"([^"]*)"', record.response_body or b"")).decode()
    assert said == "word " * 10 + "… [450 characters left out]"


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
