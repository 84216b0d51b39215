"""A walk edits texts and keeps all other objects identical."""

from __future__ import annotations

from typing import Any

from secret_samples import KEYS

from autolog._redaction.look import may_hold_secret
from autolog._redaction.redactor import REDACTED, Redactor
from autolog._redaction.walk import Walk, apply, scrub_value, without_overlaps


def walked(value: Any) -> Any:
    return Walk(Redactor(None, secrets=True)._conversation).walk(value)


def test_what_has_no_finding_is_the_same_object() -> None:
    value = {"a": [{"b": "text"}, 1, None], "c": 1.5}
    assert walked(value) is value


def test_only_what_holds_a_finding_is_made_anew() -> None:
    value = {"a": [{"b": "text"}], "c": {"d": KEYS["openai"]}}
    found = walked(value)
    assert found == {"a": [{"b": "text"}], "c": {"d": REDACTED}}
    assert found["a"] is value["a"]


def test_all_data_of_a_kubernetes_secret_are_hidden() -> None:
    secret = {"kind": "Secret", "metadata": {"name": "db"}, "data": {"dsn": "YWRhOmI="}, "stringData": {"a": "b"}}
    assert walked({"items": [secret]}) == {
        "items": [{**secret, "data": {"dsn": REDACTED}, "stringData": {"a": REDACTED}}]
    }
    assert walked({**secret, "kind": "ConfigMap"}) == {**secret, "kind": "ConfigMap"}
    body = b'{"content": "{\\"data\\": {\\"dsn\\": \\"YWRhOmI=\\"}, \\"kind\\": \\"Secret\\"}"}'
    assert may_hold_secret(body)


def test_keys_of_objects_may_be_secrets() -> None:
    assert walked({KEYS["github"]: 1}) == {REDACTED: 1}


def test_what_lies_too_deep_to_be_walked_is_searched_all_the_same() -> None:
    value: Any = {"x": KEYS["openai"]}
    for _ in range(150):
        value = {"k": [value]}
    assert KEYS["openai"] not in repr(walked(value))


def test_json_in_a_text_stays_json() -> None:
    assert walked('{"n": 1, "api_key": "x"}') == '{"n":1,"api_key":"[REDACTED]"}'


def test_edits_are_merged_and_applied_in_order() -> None:
    edits = without_overlaps([(4, 6, "b"), (0, 2, "a"), (5, 9, "c"), (3, 3, "none")])
    assert edits == [(0, 2, "a"), (4, 9, "b")]
    assert apply("0123456789", edits) == "a23b9"


def test_a_path_in_front_counts_as_a_name() -> None:
    assert scrub_value("x", Redactor(None, secrets=True)._own_data, ("api_key",)) == REDACTED
