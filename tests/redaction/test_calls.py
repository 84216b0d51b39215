"""Secrets are found among the arguments of calls that take one, and only there."""

from __future__ import annotations

import pytest

from autolog._redaction.calls import IN_CALLS
from autolog._redaction.signs import Signs


@pytest.mark.parametrize(("text", "secrets"), [
    ("jwt.verify(token, 'p4ss!word')", ["p4ss!word"]), ("jwt.decode(token, key, ['ES256K'])", []),
    ("createCipheriv('aes-256-cbc', 'p4ss!word', iv)", ["p4ss!word"]), ("hash_hmac('sha256', $data, $key)", []),
    ('HMACSHA256(encode(header) + "." +\n  encode(payload),\n  p4ss!word\n)', ["p4ss!word"]), ("HMACSHA256(payload, secret2)", []),
    ('new SecretKeySpec("p4ss!word".getBytes(UTF_8), "HmacSHA256")', ["p4ss!word"]), ("btoa('ada:p4ss!word')", ["p4ss!word"]), ("btoa('ada:' + pw2)", []),
    ('load(in, "p4ss!word".toCharArray())', ["p4ss!word"]), ("name2.toCharArray()", []), ("connect('h', 22, 'ada', 'p4ss!word')", ["p4ss!word"]),
    ('setValue("p4ss!word", forHTTPHeaderField: "X-Api-Key")', ["p4ss!word"]), ('setValue("text/html2", forHTTPHeaderField: "Accept")', []),
    ("res.cookie('session', 'q8Zr3Lk9Vx2Pm7Tn4Wb6')", ["q8Zr3Lk9Vx2Pm7Tn4Wb6"]), ("res.cookie('theme', 'dark-2')", []),
])  # fmt: skip
def test_only_what_a_call_takes_as_a_secret_is_one(text: str, secrets: list[str]) -> None:
    plain = text.encode()
    lowered = plain.lower()
    found = {text[slice(*span)] for search in Signs(IN_CALLS, {}).searches(lowered) for span in search(plain, lowered)}
    assert found == {*secrets}


@pytest.mark.parametrize(
    "text", ["hmac.new(", "HMACSHA256(a,\n", "HMAC256((", "btoa('a:", '"a".toCharArray', "connect('a', "]
)
def test_a_call_that_never_ends_is_searched_in_linear_time(text: str) -> None:
    plain = (text * 4000).encode()
    assert [
        *(span for search in Signs(IN_CALLS, {}).searches(plain.lower()) for span in search(plain, plain.lower()))
    ] == []
