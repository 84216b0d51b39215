"""The quick check of a body before it is decoded."""

from __future__ import annotations

import json

import pytest
import secret_corpus

from autolog._record.record import Record
from autolog._redaction.look import may_hold_secret, pieces_joined
from autolog._redaction.redactor import Redactor
from autolog._redaction.scrub import scrub


@pytest.mark.parametrize("before", ["", "\n", "鍵", "日鍵", "é "])
def test_the_quick_look_sees_a_key_behind_what_json_escapes(before: str) -> None:
    assert may_hold_secret(json.dumps({"m": f"{before}glpat-q8Zr3Lk9Vx2Pm7Tn4Wb6"}).encode())


@pytest.mark.parametrize("scheme", ["SharedKey", "SharedKeyLite", "AWS", "Bearer"])
def test_the_quick_look_sees_credentials_behind_an_account(scheme: str) -> None:
    assert may_hold_secret(
        json.dumps({"m": f"Authorization: {scheme} acct:q8Zr3Lk9Vx2Pm7Tn4Wb6q8Zr3Lk9Vx2P="}).encode()
    )


@pytest.mark.parametrize("escape", ["\\u0070", "\\\\u0070", "\\\\\\\\u0070"])
@pytest.mark.parametrize("end", ["\\u000a", "\\n"])
def test_the_quick_look_sees_through_escapes_at_any_depth(escape: str, end: str) -> None:
    assert may_hold_secret(f'{{"m": "{end}{escape}assword: hunter2horse9{end}"}}'.encode())


def test_the_quick_look_sees_what_is_url_encoded_in_escapes() -> None:
    text = "".join(f"\\u{ord(letter):04x}" for letter in "x=%7B%22password%22%3A%22hunter2horse9%22%7D")
    assert may_hold_secret(f'{{"m": "{text}"}}'.encode())


#: Names of secrets, and how texts and objects put a value after one.
NAMES = ("password", "DB_PASS", "api key", "x-auth-token", "salt", "otp", "security code", "connection string",
         "recovery codes", "PHPSESSID", "pw", "pat", "sid", "cookie", "client secret", "sig", "credentials", "smtp pwd")  # fmt: skip
GIVEN = (
    "{n}: {v}", "{n}={v}", "{n} is {v}", "({n}={v})", 'f({n}="{v}")', "x;{n}={v}", "https://a.example/?a=1&{n}={v}",
    "--{n} {v}", "{n}\t{v}", '{n} := "{v}"', "[{n}: {v}]", 'getenv("{n}", "{v}")', 'name="{n}" value="{v}"', "{n}:\n  {v}",
    "`{n}`: `{v}`", "a b c {n} || '{v}'", "machine a\nlogin b\n{n} {v}",
)  # fmt: skip
HELD = (
    '{{"{n}": "{v}"}}', '{{"{n}": {{"value": "{v}"}}}}', '{{"a": [{{"name": "{n}", "value": "{v}"}}]}}', '{{"a": ["{n}", "{v}"]}}',
    '{{"{n}": [\n "{v}"]}}', '{{"a": ["--{n}", "{v}"]}}',
)  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_what_may_hold_no_secret_has_none_that_a_walk_would_find(name: str) -> None:
    redactor = Redactor(None, secrets=True)
    for value in ("hunter2", "q8Zr3Lk9Vx2Pm7Tn4Wb6", "482913"):
        texts = [form.format(n=name, v=value) for form in GIVEN]
        given = [{"a": text} for text in texts] + [{"a": json.dumps({"a": text})} for text in texts]
        bodies = [json.dumps(body).encode() for body in [*given, *({"a": text.split()} for text in texts)]]
        for body in [*bodies, *(form.format(n=name, v=value).encode() for form in HELD)]:
            record = Record(id="r", kind="tool", request_body=body)
            redactor.bodies(record)
            assert record.request_body == scrub(body, "application/json", redactor._own_data)[0]


@pytest.mark.parametrize("text", [text for _, text, _ in secret_corpus.planted() if not text.isascii()])
def test_a_text_beyond_ascii_is_looked_at_as_it_is_searched(text: str) -> None:
    for ascii_only in (True, False):
        assert may_hold_secret(json.dumps({"a": text}, ensure_ascii=ascii_only).encode())


@pytest.mark.parametrize(("pieces", "joined"), [
    (["sk-pro", "j-abc"], b"sk-proj-abc"), (["", "all at once", ""], b""), (["the same 1"] * 3, b""),
    (["same"] * 3, b"samesamesame"), (["", "the same 1", "the same 1"], b"the same 1the same 1"),
])  # fmt: skip
def test_the_pieces_of_a_stream_are_joined_where_that_makes_a_text_that_is_not_there_already(
    pieces: list[str], joined: bytes
) -> None:
    assert pieces_joined(b"\n".join(json.dumps({"text": piece}).encode() for piece in pieces)) == joined
