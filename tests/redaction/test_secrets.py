"""Keys are recognised by format, by name, and by the words around them."""

from __future__ import annotations

import json
import time

import pytest
import secret_corpus
from secret_samples import KEYS, redacted

from autolog._record.record import Record
from autolog._redaction.look import may_hold_secret
from autolog._redaction.redactor import REDACTED, Redactor
from autolog._redaction.secrets import secrets_in


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
    "api_key=0123456789abcdef01234567", "password: 'Xy0123456789abcdefghij'", "deploy --api-key q8Zr3Lk9Vx2Pm7Tn4Wb6",
    "<password>q8Zr3Lk9Vx2Pm7Tn4Wb6", 'add key="ApiKey" value="q8Zr3Lk9Vx2Pm7Tn4Wb6', "Cookie: a=b; sid=q8Zr3Lk9Vx2Pm7Tn4Wb6",
    "my password is q8Zr3Lk9Vx2Pm7Tn4Wb6", "machine h login l password\tq8Zr3Lk9Vx2Pm7Tn4Wb6",
])  # fmt: skip
def test_what_stands_in_secret_places(text: str) -> None:
    content = json.loads(redacted({"content": text}))["content"]
    assert REDACTED in content
    assert content.split(REDACTED)[0] == text[: len(content.split(REDACTED)[0])]


PLANTED = list(secret_corpus.planted())


@pytest.mark.parametrize("issuer", [*secret_corpus.FORMATS, *secret_corpus.NAMED])
def test_keys_of_every_issuer_are_found_wherever_they_stand(issuer: str) -> None:
    for name, text, secret in PLANTED:
        if name == issuer:
            body = json.dumps({"messages": [{"role": "user", "content": text}]}).encode()
            assert may_hold_secret(body), text
            assert secret not in json.loads(redacted(body))["messages"][0]["content"], text


@pytest.mark.parametrize("around", [131_072, 3 * 131_072 - 40])
def test_in_a_long_text_secrets_are_found_wherever_they_stand(around: int) -> None:
    before = ("The quick brown fox jumps over the lazy dog.\n" * 9000)[:around]
    for name, text, secret in {issuer: (issuer, text, secret) for issuer, text, secret in PLANTED}.values():
        whole = f"{before}\n{text}\n{before[:9000]}"
        taken = {at for start, end in secrets_in(whole) for at in range(start, end)}
        start = whole.index(secret)
        assert taken >= set(range(start, start + len(secret))), name


@pytest.mark.parametrize("text", [
    "use {} as the password", "use '{}' as our new wifi password.", "log in as user ada, password {} please", "User: ada password '{}'",
    'put("password", "{}")', "page.locator('#passwd').fill('{}')", "set('db.pwd', '{}')",
    "das Passwort für das WLAN lautet {} und", "密码是{}", "пароль: {}",
    *(f"{{}} is {whose} {words}{name}" for whose in ("the", "my", "your", "our", "his", "her", "a")
    for words, name in (("", "password"), ("wifi ", "passcode."), ("new office ", "token"), ("shared team ", "passphrase"), ("vpn ", "secret"))),
])  # fmt: skip
@pytest.mark.parametrize(
    "line", ["The quick brown fox jumps over the lazy dog.\n", "def f(x):\n    return g(x)\n", '{"a": [1, 2]},\n']
)
def test_a_long_text_is_searched_as_a_short_one(text: str, line: str) -> None:
    told = text.replace("{}", "tulip!42x")
    around = line * (8_000 // len(line))
    (alone,) = {*secrets_in(told)}
    (found,) = {*secrets_in(f"{around}\n{told}\n{around}")}
    assert found == (alone[0] + len(around) + 1, alone[1] + len(around) + 1)


def test_prose_code_and_logs_are_left_alone() -> None:
    taken = [text[start:end] for text in secret_corpus.clean() for start, end in secrets_in(text)]
    assert len(taken) <= 2, taken


@pytest.mark.parametrize("name", [
    "OPENAI_API_KEY", "azureApiKey", "db_password", "token", "id_token", "github_token", "HF_TOKEN", "webhook_secret",
    "X-Api-Token", "subscription_key", "OPENAI_KEY", "SMTP_PASS", "secretKeyBase", "fernet_key", "credentials", "API_KEY_2", "password_old", "proxy-authorization",
])  # fmt: skip
def test_the_programs_own_data_keep_nothing_under_the_name_of_a_secret(name: str) -> None:
    for value in ("hunter2", ["hunter2"], {"value": {name: "hunter2"}}):
        record = Record(id="r", kind="tool", request_body=json.dumps({"env": {name: value}}).encode())
        Redactor(None, secrets=True).bodies(record)
        assert record.request_body is not None
        assert b"hunter2" not in record.request_body


def test_url_encoded_bytes_that_are_no_text_hide_nothing() -> None:
    value = "%CC%80%FFabcdefghij0123456789"
    text = f"see x=%7B%22a%22%3A1%7D&token={value} now"
    assert {text[start:end] for start, end in secrets_in(text)} == {value}


def test_a_name_may_stand_beside_its_value() -> None:
    given = {"env": [{"name": "DB_PASSWORD", "value": "hunter2"}, {"key": "x-api-key", "value": "abc"}, {"name": "A", "value": "1"}]}  # fmt: skip
    record = Record(id="r", kind="tool", request_body=json.dumps(given).encode())
    Redactor(None, secrets=True).bodies(record)
    found = json.loads(record.request_body or b"")["env"]
    assert [item["value"] for item in found] == [REDACTED, REDACTED, "1"]


def test_in_a_conversation_a_likely_name_needs_a_likely_value() -> None:
    given = {"arguments": {"github_token": "0a1b2c3d4e5f60718293a4b5c6d7e8f9", "password": "the subject of the talk",
                           "next_page_token": "0a1b2c3d4e5f60718293a4b5c6d7e8f9"}}  # fmt: skip
    found = json.loads(redacted(given))["arguments"]
    assert found == {**given["arguments"], "github_token": REDACTED}


#: Beginnings of formats, and texts that a bad search would retry from every offset.
HOSTILE = (
    "eyJ", "-eyJ", "eyJabcdefgh.", ".eyJaaaaaaaa", "SG.aaaaaaaaaaaaaaaa", "sk-", "-----BEGIN ", "-----BEGIN PRIVATE KEY-----",
    "a://a:", "ab+.-", "token      ", "token=", "key\\\\\\", "api_key=", "bearer ", "bearer aaaaaaaaaaaaaaaaaaa ", "0123456789abcdef-",
    " -p x", "curl -u a:", "password: |\n  ", "name: a\n", "_auth=", ":1234:a:b:", 'getenv("key", "', "otp is ", "login a password ",
    "echo a1 |", "sshpass ", " -", " -x\\\n", "--password ", "pass ", "Private-Lines: 1", "jdbc:oracle:a:a/", "authorization: basic ",
    "\npassword=", '["-p","', "htpasswd -b a ", "ENV a ", "machine a\n", "name: key\nvalue: ", "cookie: sess=a1b2c3d4;", "a.a.a.a:1234:",
    "?a=b&", "?" + "a" * 40, "a.b.", '"', "\\", "\\u0041", '"key":"', "[", '{"a":', "}\n", "}\n\n", "a-a-", "MNO.", "aB3+/x", "secret",
    "password ", "secret is ", "cookie: a=", "[\"", "[\"a\",", "\"value\":", "data: x\n", "--token\t", "1//0", "abc1Q~", "&sig=aaaaaaa", "://", "a@b", "deadbeef01", "é", "\x00",
    "eyJaaaaaaaaaaaa.", "eyJ+", "net use ", "curl -x ", "user,password\n", "%22", "%25", "kind: secret\ndata:\n a: b\n", "\npass x", "digest a=",
    'variable "a" {', "LS0tLS1CRUdJTi", "a\\n-----end ", "password is a1 ", "echo a| sudo -s",
    "://aaaaaaaaaaaaaaaa", "password to ", "htpasswd -b a -nb ", "identified by a1 ",
    "insert into a(password)values('", "insert into a (pwd) values (", "<input a='b' ", 'form-data; name="pw"\n', "connect(a,'b',", "jwt.sign(a,",
    'f("password","', "password a1!a ", "a1! is my password ", "creds a/", "login: a: ", "sp_add", "sp_addlinkedsrvlogin a,", "crypt('", "<meta ", "| token |",
    "pragma key", "password').type('", "+-|pw|\n", "_encrypt(a,", "api key ", "key: a[a] =", "</key> <a>", 'f("password","', "a as the password ", "user a password ", "pwd a='b' c='d' ", "token,a\n", "pw\t", "\\\\u0061",
    "hmac('", 'hmac("a",', '%s","', 'key %s","', "a:b@c.d ", "a:b1@", "--from-literal=a", "_userpwd,'a:", "django-insecure-", "wifi.begin('a','", "a  b", "psk ", "pw  ", "apt\tpw\n", "key - ", '"kind":"Secret",',
    "-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----\n", "my key ", "}}", "password for a.b c ", "aAaAaAaA", "a  pw\n", "=input_value='", "\nkey\n  a=input_value='a1", "AKIA" + "IOSFODNN7EXAMPLE ", 'key id="a" ', "my a b ", "key(\"",
    "&quot;", "&amp;quot;", "&", "clé ", "d'acc", "ключ ", "密码", "password?\n", "password\n", "password? a: ", "user: a\npassword: ", "log in as a/", "password 'abcd",
    "user a password '", "bot('", "login(a,'", "client('a','", "key: 'a", "?a=", "a@b:", "password (a) ", "key to ", "chave a ", "pw\n1", "a@b.c / ", "phrase is a ", "<input a=b ", 'a@b.c","', "user, password = 'a', '", "password ~ ", "argon2.hash('", 'password="abcdef ', "user=a pass ", "server=a;", " -e a", "-p abcdef ", "redis-cli ", "ldapsearch ", " --password abcdef", 'auth=("a", "', ".fill('#password',", "password? a: it's ",
)  # fmt: skip


@pytest.mark.parametrize("unit", HOSTILE)
@pytest.mark.parametrize("kind", ["text/plain", "application/json", "text/event-stream"])
def test_twice_the_text_takes_twice_the_time(unit: str, kind: str, thorough: bool) -> None:
    length = 40_000 if thorough else 20_000

    def taken(size: int) -> float:
        text = unit * (size // len(unit)) + " " + KEYS["openai"]
        body = text.encode() if kind == "text/plain" else json.dumps({"m": [{"content": text}]}).encode()
        if kind == "text/event-stream":
            body = b"data: " + body + b"\n\ndata: " + body[:200] + b"\n\n"
        record = Record(id="r", kind="llm", response_body=body, response_content_type=kind)
        started = time.process_time()
        Redactor(None, secrets=True).bodies(record)
        return time.process_time() - started

    # Four times the text; a quadratic search takes sixteen times as long. What is quick has no need of a comparison.
    took = taken(4 * length)
    if took >= 0.05:
        limit = 3 * 4 * min(taken(length) for _ in range(3)) + 0.05
        assert took < limit or any(taken(4 * length) < limit for _ in range(2))
