"""Decoding bodies, whatever their bytes."""

from __future__ import annotations

import gzip
import zlib

import pytest

from autolog._record.bodies import (
    decode_content,
    decode_json,
    decode_object,
    decode_text,
    encode_json,
    form_parts,
    read_form,
    without_repeats,
)

TEXT = b'{"a": "' + b"x" * 1000 + b'"}'


@pytest.mark.parametrize("body", [None, b"", b"{", b"\xff", "no json"])
def test_what_is_no_json_is_none(body: bytes | str | None) -> None:
    assert decode_json(body) is None
    assert decode_object(body) == {}


@pytest.mark.parametrize("charset", ["utf-16", "utf-32", "latin-1", "cp1252"])
def test_json_in_another_charset_is_read(charset: str) -> None:
    assert decode_json('{"a": "héllo"}'.encode(charset)) == {"a": "héllo"}


def test_json_with_a_damaged_character_keeps_the_others() -> None:
    assert decode_json(b'["\xc3\xa9", "\xff", "\x81"]') == ["é", "�", "�"]
    assert decode_json(b'["\x81"]') == [""]


def test_json_that_strict_parsers_refuse_goes_there_and_back() -> None:
    for value in (10**50, "\ud800", {"a": [1.5, None, True]}):
        assert decode_json(encode_json(value)) == value


def test_bytes_that_are_no_text_are_shown_in_base64() -> None:
    assert (decode_text("ä".encode()), decode_text(b"\xff\x00")) == ("ä", "base64:/wA=")


@pytest.mark.parametrize(
    ("coding", "body"),
    [
        ("gzip", gzip.compress(TEXT, mtime=0)),
        ("deflate", zlib.compress(TEXT)),
        ("deflate", zlib.compress(TEXT)[2:-4]),
        ("", TEXT),
        ("identity", TEXT),
        ("deflate, gzip", gzip.compress(zlib.compress(TEXT), mtime=0)),
    ],
)
def test_codings_are_undone(coding: str, body: bytes) -> None:
    assert decode_content([body[:10], body[10:]], coding) == TEXT


def test_a_body_that_was_cut_off_gives_what_arrived() -> None:
    noise = bytes(range(256)) * 400
    whole = gzip.compress(noise)
    part = decode_content([whole[: len(whole) // 2]], "gzip")
    assert part
    assert noise.startswith(part)


def test_an_unknown_or_wrong_coding_leaves_the_bytes() -> None:
    assert decode_content([TEXT], "unheard-of") == TEXT
    assert decode_content([TEXT], "gzip") == TEXT


def test_a_form_has_its_fields_and_the_names_of_its_files() -> None:
    body = (
        b'--B\r\nContent-Disposition: form-data; name="model"\r\n\r\nwhisper-1\r\n'
        b'--B\r\nContent-Disposition: form-data; name="include[]"\r\n\r\na\r\n'
        b'--B\r\nContent-Disposition: form-data; name="include[]"\r\n\r\nb\r\n'
        b'--B\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\nContent-Type: audio/wav\r\n\r\nRIFF\r\n'
        b"--B--\r\n"
    )
    kind = 'multipart/form-data; boundary="B"'
    assert read_form(body, kind) == {"model": "whisper-1", "include[]": ["a", "b"], "file": "a.wav"}
    file = list(form_parts(body, kind))[-1]
    assert (body[file.start : file.end], file.content_type) == (b"RIFF", "audio/wav")
    assert list(form_parts(body, "multipart/form-data")) == []


@pytest.mark.parametrize("content_type", ["multipart/form-data; boundary=", 'multipart/form-data; boundary=""; x=1'])
def test_a_form_has_no_parts_without_a_boundary(content_type: str) -> None:
    assert list(form_parts(b'--name="a"\r\n\r\nb\r\n--', content_type)) == []


def test_a_form_without_files_is_read_from_its_url_encoding() -> None:
    kind = "application/x-www-form-urlencoded; charset=utf-8"
    form = read_form(b"model=voxtral+mini&a=1&a=2&empty=", kind)
    assert form == {"model": "voxtral mini", "a": ["1", "2"], "empty": ""}


def test_a_stream_without_its_repeats_holds_every_text_that_differs() -> None:
    events = [b'data: {"id":"chatcmpl-1","delta":{"content":"word%d"},"model":"m"}' % n for n in range(200)]
    body = b"\n\n".join(events)
    short = without_repeats(body)
    assert len(short) < len(body) / 2
    assert all(b'"content":"word%d"' % n in short for n in range(200))
    assert b"chatcmpl-1" in short


def test_a_text_with_half_a_character_is_read_as_far_as_json_allows() -> None:
    assert decode_json('{"a": "\ud83d"}') == {"a": "\ud83d"}
    assert decode_json("[\ud83d") is None
