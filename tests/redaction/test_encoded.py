"""URL-encoded text is searched, too, and findings have the right offsets."""

from __future__ import annotations

import json

from secret_samples import redacted

from autolog._redaction.encoded import decoded_parts, holds_within, unescaped
from autolog._redaction.redactor import REDACTED


def test_what_is_url_encoded_is_found_where_it_stands() -> None:
    [(decoded, place)] = decoded_parts(b"see x=%7B%22a%22%3A1%7D now")
    assert decoded == b'x={"a":1}'
    assert [place(at) for at in (0, 2, 4, 9)] == [4, 6, 12, 23]
    text = "q=%2522password%2522%253A%2522hunter2horse9%2522&n=1"
    assert json.loads(redacted({"content": text}))["content"] == text.replace("hunter2horse9", REDACTED)


def test_entities_of_html_are_decoded_by_the_line() -> None:
    [(decoded, place)] = decoded_parts(b"<a>\n<b x='{&quot;a&quot;:&#x31;&#49;}'>\n<c>")
    assert decoded == b"""<b x='{"a":11}'>"""
    assert [place(at) for at in (0, 6, 7, 8, 9, 10)] == [4, 10, 11, 17, 18, 24]
    text = "&lt;x password=&amp;quot;hunter2horse9&amp;quot;&gt;"
    assert json.loads(redacted({"content": text}))["content"] == text.replace("hunter2horse9", REDACTED)


def test_what_is_encoded_twice_is_looked_at_and_no_deeper() -> None:
    for encoded, found in ((b"%22x%22", True), (b"%2522x%2522", True), (b"%252522x%252522", False)):
        assert holds_within(encoded, lambda body: b'"x"' in body) is found


def test_escapes_are_undone_as_deep_as_texts_of_json_lie_in_one_another() -> None:
    text = 'a "b"\n'
    levels = [text, json.dumps(text)[1:-1], json.dumps(json.dumps(text)[1:-1])[1:-1]]
    assert [level.decode() for level in unescaped(levels[2].encode())] == levels[::-1]
    assert list(unescaped(b"plain")) == [b"plain"]
