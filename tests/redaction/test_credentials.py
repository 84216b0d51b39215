"""Credentials are found by the syntax that protocols, tools and encodings put around them, and only there."""

from __future__ import annotations

import json

import pytest
from secret_samples import redacted

from autolog._redaction.blocks import blocks_in
from autolog._redaction.credentials import credentials_in, is_login
from autolog._redaction.redactor import REDACTED


@pytest.mark.parametrize("text", [
    "a digest of the news, response=self._session.send_it_now2", "GET /reset-password/new HTTP/1.1", "password = get_pass2()",
    "password: utf8mb4, and bcrypt12", "password = config.db2.password", "required: [\"password\", \"user2x\"]\nx, y1z2a3",
    "kind: ConfigMap\ndata:\n  a: b1c2d3e4", "auth=(user2, password2)", "identified by the name 'x'", "pass the salt2 on, please",
    "msbuild /p:Config=Release2", "It costs $200 or $5 and $6 more.", 'variable "count" {\n  default = "a1b2c3d4"\n}',
    "eyJhbGciOiJIUzI1NiJ9", "eyJwYWdlIjogMiwgInNvcnQiOiAiZGVzYyJ9", "password | string | min 8\n| oauth2 | x1 | y2", "q=%22hello%22%3A1",
    "'password' => 'required|min:8'", "net use is up 3x2", "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCk1JSUMrekNDQWVPZ0F3SUJBZ0lK",
])  # fmt: skip
def test_what_only_looks_like_such_a_place_stays(text: str) -> None:
    plain = text.encode()
    assert [*credentials_in(plain, plain.lower()), *blocks_in(plain, plain.lower())] == []
    data = json.dumps({"messages": [{"role": "user", "content": text}]}).encode()
    assert redacted(data) is data


@pytest.mark.parametrize(("text", "login"), [
    ("YWRhOnBhc3M=", True), ("AGFkYQBwYXNz", True), ("YWRhYWRh", False), ("not base64!", False), ("4pyTOuKckw==", False),
])  # fmt: skip
def test_a_login_in_base64_is_a_user_and_a_password(text: str, login: bool) -> None:
    assert is_login(text) is login


def test_a_conversation_keeps_no_chosen_password_and_no_private_part_of_a_key() -> None:
    key = {"kty": "EC", "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", "d": "jpsQnnGQmL"}
    found = json.loads(redacted({"a": {"password": "hunter2", "auth": "YWRhOnBhc3M="}, "key": key, "d": "x"}))
    assert found == {"a": {"password": REDACTED, "auth": REDACTED}, "key": {**key, "d": REDACTED}, "d": "x"}
