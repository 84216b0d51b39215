"""Passwords and codes given in words are found."""

from __future__ import annotations

import json

import pytest
from secret_samples import redacted

from autolog._redaction.look import may_hold_secret
from autolog._redaction.names import KEY_ELSEWHERE, PASSWORD_ELSEWHERE

PASSWORD = "hk7!Qz42x"


@pytest.mark.parametrize("word", PASSWORD_ELSEWHERE)
def test_a_password_behind_its_name_in_another_language(word: str) -> None:
    for text in (
        f"{word}: {PASSWORD}",
        f"{word.title()} = '{PASSWORD}'",
        f"{word.upper()}: {PASSWORD}",
        f"a **{word}:** {PASSWORD}",
    ):
        for ascii_only in (True, False):
            body = json.dumps({"messages": [{"content": text}]}, ensure_ascii=ascii_only).encode()
            nested = json.dumps({"arguments": body.decode()}, ensure_ascii=ascii_only).encode()
            assert PASSWORD.encode() not in redacted(body), text
            assert may_hold_secret(body), body
            assert may_hold_secret(nested), nested


@pytest.mark.parametrize("word", KEY_ELSEWHERE)
def test_a_key_behind_its_name_in_another_language(word: str) -> None:
    key = "q8Zr3Lk9Vx2Pm7Tn4Wb6"
    for text in (f"{word}: {key}", f"API-{word.capitalize()} = '{key}'", f"a **{word} API:** {key}"):
        for ascii_only in (True, False):
            body = json.dumps({"messages": [{"content": text}]}, ensure_ascii=ascii_only).encode()
            nested = json.dumps({"arguments": body.decode()}, ensure_ascii=ascii_only).encode()
            assert key.encode() not in redacted(body), text
            assert may_hold_secret(nested), nested
        for other in ("0a" * 20, "550e8400-e29b-41d4-a716-446655440000", "user_id2") if "token" not in word else ():
            body = json.dumps({"messages": [{"content": text.replace(key, other)}]}).encode()
            assert redacted(body) is body, text


@pytest.mark.parametrize("text", [
    "482913 is your verification code.", "G-482913 is your Google verification code", "482913 is your one-time password",
    "Your verification code 482913", "OTP 482913 expires soon", "security code 482913",
])  # fmt: skip
def test_a_code_without_a_sign_before_it(text: str) -> None:
    body = json.dumps({"messages": [{"content": text}]}).encode()
    assert may_hold_secret(body)
    assert b"482913" not in redacted(body)


@pytest.mark.parametrize("text", [
    "Das Passwort muss 8 Zeichen haben", "Passwort vergessen? Hier 2x klicken", "密码\uff1a请输入6位数字", "パスワードは8文字以上です",
    "const senha = usuario2", "mot de passe : 12 caractères", "пароль: не менее 8 символов", "Erlang OTP 27.1", "error code 500123",
    "2024 is your year to code", "$4829 is your code budget", "1234 is your house number", "passwort = settings.DB2.passwort",
    "senha=os.environ['SENHA1']", "wpa_passphrase is a tool2", "nmcli dev status", "access code 12 of 20",
])  # fmt: skip
def test_what_only_speaks_of_passwords_and_codes_stays(text: str) -> None:
    body = json.dumps({"messages": [{"content": text}]}).encode()
    assert redacted(body) is body
