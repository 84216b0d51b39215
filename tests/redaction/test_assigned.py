"""Passwords are found after their name, and only there."""

from __future__ import annotations

import pytest

from autolog._redaction.assigned import passwords_assigned


@pytest.mark.parametrize(("text", "secrets"), [
    ("Hello, my password is hunter2, help!", ["hunter2"]), ("the new password: sunshine9", ["sunshine9"]),
    ("her old password was rosebud42 then", ["rosebud42"]), ("my password is now hunter2", ["hunter2"]),
    ("my password for mail is shadow12", ["shadow12"]), ("the password: required", []), ("the password: step2", []),
    ("the password field2", []), ("the password is base64-encoded", []), ("your password is 12-characters long", []),
    ("login(password: value2)", []), ("x.password: hunter2()", []), ("your password: see page2", []),
])  # fmt: skip
def test_a_password_that_a_sentence_tells_may_look_like_a_name(text: str, secrets: list[str]) -> None:
    plain = text.encode()
    assert [text[slice(*span)] for span in passwords_assigned(plain, plain.lower())] == secrets
