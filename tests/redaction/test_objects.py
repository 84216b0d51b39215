"""Values under the name of a secret in an object are secrets, at any depth and with any siblings."""

from __future__ import annotations

import json
from typing import Any

import pytest

from autolog._record.record import Record
from autolog._redaction.redactor import Redactor

WEAK, RANDOM = "Hunter2!x9", "q8Zr3Lk9Vx2Pm7Tn4Wb6"


def redacted(data: Any, kind: str) -> str:
    record = Record(id="r", kind=kind, request_body=json.dumps(data).encode())
    Redactor(None, secrets=True).bodies(record)
    return (record.request_body or b"").decode()


@pytest.mark.parametrize("data", [
    {"password": {"value": WEAK}}, {"password": [WEAK]}, {"password": [{"value": WEAK}]}, {"passwords": {"ada": WEAK}},
    {"password": {"type": "string", "default": WEAK}}, {"api_key": {"value": WEAK, "type": "string"}},
    {"secret": {"data": {"x": WEAK}}}, {"credentials": {"user": "ada", "pass": WEAK}}, {"private_key": {"pem": WEAK}},
    {"cookies": {"sid": WEAK}}, {"cookies": [{"name": "sid", "value": WEAK}]}, {"auth": ["ada", WEAK]}, {"pass": WEAK},
    {"auths": {"r.example": {"auth": "dXNlcjpwYXNz"}}}, {"headers": [["x-api-key", WEAK]]}, {"env": [["DB_PASSWORD", WEAK]]},
    {"headers": [["authorization", "Basic dXNlcjpwYXNz"]]}, {"Key": "DB_PASSWORD", "Value": WEAK},
    {"name": "password", "default": WEAK}, {"key": "api_key", "value": {"stringValue": WEAK}}, {"field": "password", "value": WEAK},
    {"token": {"access": WEAK}}, {"Password": {"S": WEAK}}, {"recovery_codes": [WEAK]}, {"salt": RANDOM},
    {"args": ["--password", WEAK]}, {"args": ["--api-key", RANDOM]}, {"command": ["docker", "login", "-u", "ada", "-p", WEAK]},
    {"command": ["/usr/bin/curl", "-u", f"ada:{WEAK}", "https://a.example"]}, {"argv": ["mysql", f"-p{WEAK}", "app"]},
], ids=json.dumps)  # fmt: skip
def test_a_programs_own_data_keep_no_secret(data: Any) -> None:
    found = redacted(data, "tool")
    assert not any(secret in found for secret in (WEAK, RANDOM, "dXNlcjpwYXNz")), found


@pytest.mark.parametrize("name", ["otp", "user_otp", "pin", "cardPin", "cvv", "card.cvc", "security_code", "mfa_code"])
@pytest.mark.parametrize("code", ["482913", 4829])
def test_codes_are_hidden_by_their_name(name: str, code: str | int) -> None:
    assert str(code) not in redacted({name: code}, "tool")
    assert str(code) in redacted({name: {"count": code}, "spin": code, "opinion": code}, "tool")


@pytest.mark.parametrize("data", [
    {"properties": {"password": {"type": "string", "description": "The user's password"}}}, {"password": True},
    {"properties": {"credentials": {"type": "object", "properties": {"user": {"type": "string", "title": "User"}}}}},
    {"required": ["password", "user"]}, {"token": {"text": "Hello", "lemma": "hello"}}, {"auth": "basic"}, {"pass": "first"},
    {"salt": "1 tsp"}, {"pin": 13, "gpio": {"pin": "A0"}}, {"otp": "enabled"}, {"name": "get_token", "arguments": {"a": "b"}},
    {"command": ["docker", "run", "-p", "8080:80", "image"]}, {"pair": ["password", "confirmation"]},
    {"secrets": [{"name": "db", "type": "opaque"}]}, {"usage": {"total_tokens": 3}},
], ids=json.dumps)  # fmt: skip
@pytest.mark.parametrize("kind", ["tool", "llm"])
def test_what_tells_of_a_secret_is_none(data: Any, kind: str) -> None:
    assert redacted(data, kind) == json.dumps(data)


@pytest.mark.parametrize(("data", "gone"), [
    ({"user": "ada", "password": "Buttercup"}, True), ({"host": "db", "port": 5432, "pwd": "tulipriver"}, True), ({"login": "ada", "pass": "tulipriver"}, True),
    ({"password": "tulipriver"}, False), ({"env": {"PGPASSWORD": "tulipriver"}}, True), ({"field": "password", "value": "tulipriver"}, False), ({"db": {"USER": "ada", "PASSWORD": "Buttercup"}}, True),
    ({"username": "Brukernavn", "password": "Losenord"}, False), ({"user": "string", "password": "string"}, False), ({"password": "Buttercup"}, False), ({"pwd": "folders"}, False),
    ({"user": "ada", "password": "required"}, False), ({"user": "<user>", "pass": "tulips"}, False), ({"host": "db", "pass": "three times"}, False), ({"user": 1, "pass": "tulips"}, False),
], ids=json.dumps)  # fmt: skip
def test_in_a_conversation_a_password_of_letters_is_one_beside_its_user_or_in_a_variable(data: Any, gone: bool) -> None:
    for given in (data, {"arguments": json.dumps(data)}, {"content": f"See {json.dumps(data)} there"}):
        if "See" not in str(given) or "host" not in data:
            assert ("[REDACTED]" in redacted(given, "llm")) is gone, given


def test_in_a_conversation_a_password_may_be_the_subject_and_a_key_may_not() -> None:
    talk = {"password": {"value": "hunter"}, "form": {"credentials": {"hint": "ask"}}}
    assert redacted(talk, "llm") == json.dumps(talk)
    assert WEAK not in redacted({"api_key": {"value": WEAK}}, "llm")
    assert RANDOM not in redacted({"password": {"value": RANDOM}}, "llm")
