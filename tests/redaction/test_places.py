"""Passwords in commands, settings and code are found by their place."""

from __future__ import annotations

import json

import pytest
import secret_corpus

from autolog._record.record import Record
from autolog._redaction.credentials import credentials_in
from autolog._redaction.look import may_hold_secret
from autolog._redaction.places import passwords_in, passwords_in_files
from autolog._redaction.redactor import REDACTED, Redactor
from autolog._redaction.spoken import named_codes_in
from autolog._redaction.walk import apply

PLANTED = [(text, secret) for kind, text, secret in secret_corpus.planted() if kind == "by its place"]


@pytest.mark.parametrize(("text", "secret"), PLANTED, ids=[text.replace(secret, "_") for text, secret in PLANTED])
@pytest.mark.parametrize("around", ["{}", "Run this:\n{}\nand tell me."])
def test_a_password_is_found_in_a_body_and_in_a_field(text: str, secret: str, around: str) -> None:
    whole = around.replace("{}", text)
    for kind, data in (
        ("llm", {"messages": [{"role": "user", "content": whole}]}),
        ("tool", {"arguments": [whole, 1]}),
    ):
        body = json.dumps(data).encode()
        assert may_hold_secret(body)
        record = Record(id="r", kind=kind, request_body=body, error_message=whole)
        Redactor(None, secrets=True).bodies(record)
        Redactor(None, secrets=True).fields(record)
        assert secret not in (record.request_body or b"").decode()
        assert secret not in (record.error_message or "")
        assert REDACTED in (record.error_message or "")


@pytest.mark.parametrize("password", ["Thunder&4441", "q8Zr&mt4Lf", "mt4Lf05&ydjn"])
def test_a_password_may_contain_an_ampersand(password: str) -> None:
    redactor = Redactor(None, secrets=True)
    for place in secret_corpus.PLACES:
        text = place.replace("{}", password)
        kept = apply(text, redactor.edits(text))
        assert may_hold_secret(json.dumps({"m": text}).encode()), text
        assert not any(part in kept for part in password.split("&")), kept


@pytest.mark.parametrize(("text", "kept"), [
    ("a password=hunter2horse9&user=ada b", "a password=[REDACTED]&user=ada b"), ("<p>password: hunter2horse9&nbsp;x", "<p>password: [REDACTED]&nbsp;x"),
    ("run DB_PASSWORD=hunter2horse9&&make all", "run DB_PASSWORD=[REDACTED]&&make all"), ("f(password=&x1)", "f(password=&x1)"), ("a && password2 & x2", "a && password2 & x2"),
    ("x?password=&token=&y=2", "x?password=&token=&y=2"), ("int *key = &map2;", "int *key = &map2;"), ("key=red&blue", "key=red&blue"),
])  # fmt: skip
def test_an_ampersand_may_also_end_a_value(text: str, kept: str) -> None:
    assert apply(text, Redactor(None, secrets=True).edits(text)) == kept


@pytest.mark.parametrize(("text", "kept"), [
    ("sftp://ada:p4ss@w0rd@h.example/", "sftp://ada:[REDACTED]@h.example/"), ("http://ada:p4ss@h.example/?q=a@b", "http://ada:[REDACTED]@h.example/?q=a@b"),
    ("http://ada:p4ss@h.example?q=a@b", "http://ada:[REDACTED]@h.example?q=a@b"), ("http://a:p4ss@h:1,b:p5ss@i:2", "http://a:[REDACTED]@h:1,b:p5ss@i:2"),
    ("smtp://ada@a.example:p4ss@h.example", "smtp://ada@a.example:[REDACTED]@h.example"), ("ssh://git@h.example:22/a@b", "ssh://git@h.example:22/a@b"),
])  # fmt: skip
def test_a_password_in_a_url_ends_before_its_host(text: str, kept: str) -> None:
    assert apply(text, Redactor(None, secrets=True).edits(text)) == kept
    assert may_hold_secret(json.dumps({"m": text}).encode()) is (text != kept)


@pytest.mark.parametrize("text", [
    "docker run -p 8080:80 image", "docker login -u ada --password-stdin", "curl -u $USER:$PASS https://a.example",
    "curl -u ada https://a.example", "mysql -p app", "sshpass -p $PASS ssh h", "tool --max-token 4096", "--password PASSWORD",
    "PASSWORD=${DB_PASSWORD}", "password: str | None = None", 'os.getenv("DB_PASSWORD", "")', 'cache.get("cache_key", "user:1")',
    '"required": ["password", "user2"]', "db.example.com:5432:app", "main.go:1234:45: error", "machine learning, password",
    "password: |\n\nnext: 1", "name: password\nvalue: x", "Authorization: Bearer <token>", "Authorization: Basic auth",
    "pin: 13", "error code: 500", "the code is 12345", "a salt: 1 tsp", "connect(password=pw2)", "echo a1 | cat",
    "wget -U Agent:1.0 https://a.example", 'args += ["--password", password]', "the -p option of mysql", "login page, password field",
])  # fmt: skip
def test_what_only_looks_like_such_a_place_stays(text: str) -> None:
    plain = text.encode()
    for search in (passwords_in, passwords_in_files, credentials_in, named_codes_in):
        assert list(search(plain, plain.lower())) == []
