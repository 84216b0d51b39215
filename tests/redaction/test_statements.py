"""Secrets in SQL statements, forms and calls."""

from __future__ import annotations

import pytest

from autolog._redaction.redactor import REDACTED, Redactor
from autolog._redaction.walk import apply

KEY = "q8Zr3Lk9Vx2Pm7Tn4Wb6"


@pytest.mark.parametrize(("text", "redacted"), [
    ("INSERT INTO users (name, password) VALUES ('ada', 'p4ss!'), ('bob', 'it''s, (2)');",
     "INSERT INTO users (name, password) VALUES ('ada', '{}'), ('bob', '{}');"),
    (f"insert into `keys`(`id`,`api_token`,`at`)\nvalues\n (1, '{KEY}', NOW())", "insert into `keys`(`id`,`api_token`,`at`)\nvalues\n (1, '{}', NOW())"),
    (r"insert into a (note, pwd) values ('a, \') b', 'p4ss!')", r"insert into a (note, pwd) values ('a, \') b', '{}')"),
    ("INSERT INTO users (name, password) VALUES (?, %s), (:name, '$1');", None),
    ("INSERT INTO users (name, token_id) VALUES ('p4ss!', '12345');", None),
    ('<input id="a" type="password" value="p4ss!" required>', '<input id="a" type="password" value="{}" required>'),
    ("<input value='p4ss!' name='password'/>", "<input value='{}' name='password'/>"),
    ('<input type="password" value=""> <input name="q" value="p4ss!">', None),
    ('form-data; name="user[password]"\r\n\r\np4ss!\r\n--b', 'form-data; name="user[password]"\r\n\r\n{}\r\n--b'),
    ('form-data; name="password_hint"\r\n\r\np4ss!\r\n--b', None),
    ('form-data; name="password"\r\n\r\np4ss!\r\n--b', 'form-data; name="password"\r\n\r\n{}\r\n--b'),
    ("mysqli_connect('h', 'root', 'p4ss!word', 'db');", "mysqli_connect('h', 'root', '{}', 'db');"),
    ("signal.connect(button, 'clicked', 'on_click2')", None),
    (f"jwt.sign(claims, '{KEY}', cb)", "jwt.sign(claims, '{}', cb)"),
    ("props.put(\"db.password\", \"p4ss!word\");", "props.put(\"db.password\", \"{}\");"),
    ("fields = ['password', 'p4ss!word']", None),
    ("use p4ss!word as my root password.", "use {} as my root password."),
    ("treat utf8 as the password encoding", None),
    ("ada:p4ss!word@db.example.com:5432", "ada:{}@db.example.com:5432"), ("to root:p4ss!word@10.0.0.5", "to root:{}@10.0.0.5"),
    ("mailto:ada99!x@example.com npm:left-pad2@1.2.3 git@github.com:a/b2.git repo:v1.2.3@sha256:0 see user:name@example.com", None),
    ("log.info('the password is %s', 'p4ss!word')", "log.info('the password is %s', '{}')"), ("log.info('key %s', 'primary2')", None),
    (f"hmac.new(b'{KEY}', m)", "hmac.new(b'{}', m)"), (f"createHmac('sha256', '{KEY}')", "createHmac('sha256', '{}')"),
    ("createHmac('sha256', secret2)", None), ("hash_hmac('sha256', $data, 'p4ss')", None), (f"hash_hmac('sha256', $d, '{KEY}')", "hash_hmac('sha256', $d, '{}')"),
    ("user ada, password p4ss!word", "user ada, password {}"),
])  # fmt: skip
def test_only_the_secrets_of_statements_forms_and_calls_are_redacted(text: str, redacted: str | None) -> None:
    expected = text if redacted is None else redacted.replace("{}", REDACTED)
    assert apply(text, Redactor(None, secrets=True).edits(text)) == expected
