"""Media in bodies: found, stored once, and restored byte for byte."""

from __future__ import annotations

import base64
import hashlib
import json
import sqlite3
from pathlib import Path
from typing import Any

import openai
import pytest
from hypothesis import given, strategies as st
from sdk_http import openai_http as http
from traffic import FOLDER, as_record, recordings

import autolog
from autolog._record.media import find_media, limit_media, note_media, put_back, take_out
from autolog._record.record import Record
from autolog.stores import open_store
from autolog.stores.query import Query
from autolog.testing import Records

PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 40
WAV = b"RIFF\x00\x00\x00\x00WAVEfmt " + bytes(1000)
PNG64, WAV64 = base64.b64encode(PNG).decode(), base64.b64encode(WAV).decode()


def found(body: Any, content_type: str = "application/json") -> list[tuple[str, int]]:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return [(entry["type"], entry["size"]) for entry in find_media(data, content_type)]


@pytest.mark.parametrize(
    ("body", "wanted"),
    [
        ({"image_url": {"url": f"data:image/png;base64,{PNG64}"}}, [("image/png", len(PNG))]),
        ({"source": {"type": "base64", "media_type": "image/png", "data": PNG64}}, [("image/png", len(PNG))]),
        ({"input_audio": {"data": WAV64, "format": "wav"}}, [("audio/wav", len(WAV))]),
        ({"input_audio": {"data": base64.b64encode(bytes(600)).decode(), "format": "pcm16"}}, [("application/octet-stream", 600)]),
        ({"data": [{"b64_json": base64.b64encode(bytes(600)).decode()}]}, [("application/octet-stream", 600)]),
        ({"data": [{"embedding": base64.b64encode(bytes(range(256)) * 4).decode()}]}, []),
        ({"type": "redacted_thinking", "data": base64.b64encode(bytes(600)).decode(), "format": 1}, []),
        ({"signature": "A" * 1000}, []),
        ({"text": "A" * 1000}, []),
        ({"data": PNG64[:-1] + "?"}, []),
        ([PNG64, PNG64], [("image/png", len(PNG))] * 2),
    ],
)  # fmt: skip
def test_what_is_media_in_json(body: Any, wanted: list[tuple[str, int]]) -> None:
    assert found(body) == wanted


@pytest.mark.parametrize("before", [0, 1, 255, 256, 1000])
@pytest.mark.parametrize("size", [252, 256, 260])
def test_base64_is_found_from_its_shortest_length_on_wherever_it_begins(before: int, size: int) -> None:
    content = PNG[: size * 3 // 4]
    body = {"text": "a" * 255 + " " * before, "data": base64.b64encode(content).decode(), "end": "-" * before}
    assert found(body) == ([("image/png", len(content))] if size >= 256 else [])


def test_forms_and_whole_bodies() -> None:
    form = (
        b'--x\r\nContent-Disposition: form-data; name="model"\r\n\r\nwhisper-1\r\n'
        b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\nContent-Type: audio/wav\r\n\r\n'
        + WAV
        + b"\r\n--x--\r\n"
    )
    (entry,) = find_media(form, "multipart/form-data; boundary=x")
    assert (entry["type"], entry["size"], entry["name"]) == ("audio/wav", len(WAV), "a.wav")
    assert entry["sha256"] == hashlib.sha256(WAV).hexdigest()
    assert found(WAV, "application/octet-stream") == [("audio/wav", len(WAV))]
    assert found(b"\xff\xfb", "audio/mpeg") == [("audio/mpeg", 2)]
    assert found(b'{"custom_id": 1}', "application/octet-stream") == []
    assert found(b"", "multipart/form-data") == found(b"--x\r\n", "multipart/form-data; boundary=x") == []


@given(st.lists(st.one_of(st.text(), st.just(PNG64), st.just(f"data:audio/wav;base64,{WAV64}"))))
def test_taken_out_and_put_back(values: list[str]) -> None:
    body = json.dumps(values).encode()
    entries = find_media(body, "application/json")
    rest, contents = take_out(body, entries)
    assert put_back(rest, entries, contents.get) == body
    assert len(rest) == len(body) - sum(entry["length"] for entry in entries)


def test_entries_that_do_not_fit_change_nothing() -> None:
    body = json.dumps([PNG64]).encode()
    entries = find_media(body, "application/json")
    other = body.replace(b"AAAB", b"BAAB")
    assert take_out(b"short", entries) == (b"short", {})
    assert take_out(other, entries)[0] in (other, take_out(body, entries)[0])
    assert take_out(body, [{**entries[0], "offset": 1}]) == (body, {})


def request(number: int, images: int = 1) -> Record:
    content = [{"type": "text", "text": str(number)}] + [
        {"image_url": {"url": f"data:image/png;base64,{PNG64}"}}
    ] * images
    record = Record(id=f"r{number}", request_content_type="application/json",
                    request_body=json.dumps({"messages": [{"role": "user", "content": content}]}).encode())  # fmt: skip
    note_media(record)
    return record


def test_a_store_keeps_each_once_and_gives_bodies_back_whole(tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path}/s.db")
    store.write([request(1), request(2, images=3)])
    for number, images in ((1, 1), (2, 3)):
        kept = store.get(f"r{number}")
        assert kept is not None
        assert kept.request_body == request(number, images).request_body
        assert [entry["type"] for entry in kept.media or ()] == ["image/png"] * images
    sha256 = hashlib.sha256(PNG).hexdigest()
    assert store.media(sha256) == PNG
    with sqlite3.connect(f"{tmp_path}/s.db") as db:
        assert db.execute("SELECT count(*) FROM media").fetchone() == (1,)
    store.write([Record(id="r1", response_body=b"{}"), Record(id="r1", score=1.0)])
    assert (store.get("r1") or request(9)).request_body == request(1).request_body
    store.write([Record(id="r1", request_body=b"another")])
    assert store.get("r1").media is None  # type: ignore[union-attr]
    assert store.media(sha256) == PNG
    store.delete(Query({"id": "r2"}))
    assert store.media(sha256) is None
    assert store.media("no such hash") is None


def test_media_larger_than_the_limit_are_described_only() -> None:
    record = request(1, images=2)
    assert record.request_body is not None
    small = json.dumps({"a": WAV64}).encode()[:-1]
    record.request_body = small + b', "b": ' + record.request_body + b"}"
    note_media(record)
    limit_media(record, len(WAV))
    assert PNG64.encode() not in record.request_body
    assert [entry.get("kept", True) for entry in record.media or ()] == [True, False, False]
    rest, contents = take_out(record.request_body, record.media or [])
    assert put_back(rest, record.media or [], contents.get) == record.request_body
    assert json.loads(record.request_body)["a"] == WAV64


def test_the_limit_is_configurable(patched: Records) -> None:
    autolog.configure(max_media_bytes=1000)
    answer = {
        "created": 1,
        "data": [{"b64_json": PNG64}],
        "usage": {"input_tokens": 10, "output_tokens": 100, "total_tokens": 110},
    }
    http_client = http.Client(transport=http.MockTransport(lambda _: http.Response(200, json=answer)))
    result = openai.OpenAI(api_key="k", http_client=http_client).images.generate(model="gpt-image-1", prompt="A dot")
    assert result.data is not None
    assert result.data[0].b64_json == PNG64
    (record,) = patched
    (entry,) = record.media or ()
    assert (entry["body"], entry["type"], entry["size"], entry["kept"]) == ("response", "image/png", len(PNG), False)
    assert record.cost == pytest.approx((10 * 5 + 100 * 40) / 1e6)


@pytest.mark.skipif(not FOLDER.is_dir(), reason="../shared/traffic is not here")
def test_every_recording_comes_back_whole(tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path}/s.db")
    kinds: set[str] = set()
    for recording in recordings():
        record = as_record(recording)
        before = record.request_body, record.response_body
        note_media(record)
        kinds |= {entry["type"] for entry in record.media or ()}
        store.write([record])
        kept = store.get(record.id)
        assert kept is not None
        assert (kept.request_body, kept.response_body) == before, recording.id
    assert {"image/png", "image/jpeg", "audio/mpeg", "audio/wav", "application/pdf"} <= kinds
    with sqlite3.connect(f"{tmp_path}/s.db") as db:
        assert db.execute("SELECT count(*) FROM media").fetchone()[0] >= 12
