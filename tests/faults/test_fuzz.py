"""Malformed bytes, as from a broken provider, proxy or disk, cause no crash, hang or leak."""

from __future__ import annotations

import importlib.util
import json
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st
from traffic import recordings

from autolog._record.record import Record
from autolog._redaction.names import holds_code, holds_password, holds_random, perhaps_secret, suggests_secret
from autolog._redaction.redactor import REDACTED, Redactor
from faults.readers import KINDS, PATHS, read_everything


def is_harmless(name: str) -> bool:
    """Return whether a value under this name is judged by its content; under other names the whole value is removed."""
    return not any(says(name) for says in (suggests_secret, holds_password, holds_code, holds_random, perhaps_secret))


KEY = "sk-" + "proj-" + "Ab1" * 16
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(
        st.sampled_from(["id", "model", "choices", "delta", "content", "usage", "type", "index", "message", "output", "text",
                         "input_tokens", "tool_calls", "function", "arguments", "error", "items", "data", "response"])
        | st.text(max_size=8).filter(is_harmless), inner, max_size=5),
    max_leaves=30,
)  # fmt: skip


def as_stream(events: list[Any]) -> bytes:
    return b"".join(b"event: e\ndata: %s\n\n" % json.dumps(event).encode() for event in events)


@settings(deadline=None, max_examples=300, suppress_health_check=[HealthCheck.too_slow])
@given(JSON, st.sampled_from(KINDS), st.sampled_from(PATHS))
def test_any_json(value: Any, kind: str, path: str) -> None:
    read_everything(json.dumps(value).encode(), kind, path)


@settings(deadline=None, max_examples=200, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(JSON, max_size=6), st.sampled_from(PATHS), st.randoms(use_true_random=False))
def test_any_stream_cut_anywhere(events: list[Any], path: str, chance: random.Random) -> None:
    data = as_stream(events)
    read_everything(data[: chance.randint(0, len(data))], "text/event-stream", path)


@settings(deadline=None, max_examples=200)
@given(st.binary(max_size=300), st.sampled_from(KINDS), st.sampled_from(PATHS))
def test_any_bytes(data: bytes, kind: str, path: str) -> None:
    read_everything(data, kind, path)


def body_of(part: dict[str, Any]) -> bytes:
    import base64

    if part.get("body_base64"):
        return base64.b64decode(part["body_base64"])
    body = part.get("body")
    return b"" if body is None else (body if isinstance(body, str) else json.dumps(body)).encode()


@pytest.mark.skipif(not recordings(), reason="the recorded traffic is not here")
def test_recorded_answers_broken(thorough: bool) -> None:
    chance = random.Random(5)
    for recording in recordings():
        data = recording.load()
        body = body_of(data["response"])
        kind = next((v for k, v in data["response"]["headers"].items() if k.lower() == "content-type"), "")
        for _ in range(40 if thorough else 2):
            broken = bytearray(body[: chance.randint(0, len(body))])
            for _ in range(chance.randint(0, 5)):
                if broken:
                    broken[chance.randrange(len(broken))] = chance.randrange(256)
            read_everything(bytes(broken)[:200_000], kind, chance.choice(PATHS))


@settings(deadline=None, max_examples=300, suppress_health_check=[HealthCheck.too_slow])
@given(JSON, st.randoms(use_true_random=False))
def test_a_key_anywhere_in_json_goes_and_all_else_stays(value: Any, chance: random.Random) -> None:
    planted = plant(value, chance)
    try:
        data = json.dumps(planted, allow_nan=False).encode()
    except ValueError:
        return
    record = Record(id="r", request_body=data, request_content_type="application/json")
    Redactor(None, secrets=True).bodies(record)
    assert record.request_body is not None
    assert KEY.encode() not in record.request_body
    if isinstance(planted, (dict, list)):
        assert json.loads(record.request_body) == json.loads(json.dumps(planted).replace(KEY, REDACTED))


def plant(value: Any, chance: random.Random) -> Any:
    if isinstance(value, dict):
        return {f"k{key}": plant(item, chance) for key, item in value.items()}
    if isinstance(value, list):
        return [plant(item, chance) for item in value]
    if isinstance(value, str) and not value.startswith(("{", "[")) and chance.random() < 0.3:
        return f"{value} {KEY} "  # a blank ends the key, which the next text of a list could otherwise continue
    return value


def test_coverage_guided(tmp_path: Path, thorough: bool) -> None:
    if importlib.util.find_spec("atheris") is None:
        assert not os.environ.get("CI"), "atheris must be there in CI"
        pytest.skip("atheris is not installed")
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    for number, recording in enumerate(recordings()[::10]):
        body = body_of(recording.load()["response"])
        if len(body) < 20_000:
            (corpus / str(number)).write_bytes(bytes([number % len(KINDS), number % len(PATHS)]) + body)
    seconds = 300 if thorough else 4
    done = subprocess.run(
        [sys.executable, "-m", "faults.fuzz_bytes", str(corpus), f"-max_total_time={seconds}", "-timeout=20",
         "-rss_limit_mb=4096", f"-artifact_prefix={tmp_path}/"],
        cwd=Path(__file__).parents[1], capture_output=True, text=True, timeout=seconds + 120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-4000:]
    assert "DONE" in done.stderr or "Done" in done.stderr
