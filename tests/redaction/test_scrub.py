"""Bodies of every format are edited without damage to the text around an edit."""

from __future__ import annotations

import json
import re

import pytest
from secret_samples import KEYS, redacted, stream

import autolog
from autolog._record.record import Record
from autolog._redaction.redactor import REDACTED
from autolog._redaction.scrub import shorten


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
    content = b"".join(re.findall(rb'"content": ?"([^"]*)"', record.response_body or b"")).decode()
    assert content == "word " * 10 + "… [450 characters left out]"


def test_a_key_behind_a_doubled_key_of_an_object() -> None:
    for body, kind in (
        (b'{"a":"%s","a":"hi"}', "application/json"),
        (b'data: {"a":"%s","a":"hi"}\n\n', "text/event-stream"),
    ):
        found = redacted(body % KEYS["openai"].encode(), kind, side="response")
        assert KEYS["openai"].encode() not in found
        assert b'"hi"' in found


@pytest.mark.parametrize("coding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_bodies_of_other_codings_stay_in_them(coding: str) -> None:
    found = redacted(json.dumps({"a": KEYS["openai"], "b": "é"}).encode(coding), side="response")
    assert json.loads(found) == {"a": REDACTED, "b": "é"}
    clean = json.dumps({"a": "é"}).encode(coding)
    assert redacted(clean, side="response") is clean


def test_the_tokens_beside_a_text_are_edited_with_it() -> None:
    key = KEYS["openai"]
    parts = [key[at : at + 5] for at in range(0, len(key), 5)]
    tokens = [
        {"token": part, "bytes": list(part.encode()), "logprob": -0.1, "top_logprobs": [{"token": part}]}
        for part in parts
    ]
    body = {"choices": [{"message": {"content": key}, "logprobs": {"content": tokens}}], "usage": {"total_tokens": 3}}
    found = json.loads(redacted(body, side="response"))["choices"][0]["logprobs"]["content"]
    assert "".join(token["token"] for token in found) == REDACTED
    assert not any(token["bytes"] or token["top_logprobs"] for token in found)
    legacy = {"choices": [{"text": key, "logprobs": {"tokens": parts, "token_logprobs": [-0.1] * len(parts)}}]}
    assert "".join(json.loads(redacted(legacy, side="response"))["choices"][0]["logprobs"]["tokens"]) == REDACTED


def test_a_form_whose_boundary_is_wrong_and_bytes_of_no_type_are_searched_as_text() -> None:
    key = KEYS["openai"].encode()
    form = b'--B\r\nContent-Disposition: form-data; name="a"\r\n\r\n' + key + b"\r\n--B--\r\n"
    assert key not in redacted(form, "multipart/form-data; boundary=other")
    assert redacted(b'{"a":"\xff ' + key + b'"}', "") == '{"a":"ÿ [REDACTED]"}'.encode()
    assert redacted(b'{"a":"\xff ' + key, "") == b'{"a":"\xff [REDACTED]'
