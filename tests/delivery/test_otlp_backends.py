"""Shipping to third-party OpenTelemetry backends: Phoenix, the OpenTelemetry Collector, Jaeger."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from faults.real import free_port
from otlp_backend import PROTOBUF, OTLPBackend, otlp_backend
from shipping import call_openai
from waiting import until

import autolog

#: Phoenix's command, if it is installed.
PHOENIX = os.environ.get("AUTOLOG_TEST_PHOENIX") or shutil.which("phoenix")
BOTH = ("application/json", PROTOBUF)


def test_a_backend_that_takes_both_gets_json() -> None:
    with otlp_backend(*BOTH) as backend:
        autolog.configure(endpoint=backend.url, dialect="otlp")
        call_openai()
        assert autolog.flush(10)
        assert backend.content_types == ["application/json"]
        check(backend)


@pytest.mark.parametrize("refusal", [(415, b"Unsupported content type"), (400, b"proto: wrong wireType")], ids=str)
def test_a_backend_that_refuses_json_gets_protobuf_from_then_on(refusal: tuple[int, bytes]) -> None:
    with otlp_backend(PROTOBUF) as backend:
        backend.refusal = refusal
        autolog.configure(endpoint=backend.url, dialect="otlp")
        call_openai()
        assert autolog.flush(10)
        check(backend)
        with autolog.span("one more"):
            pass
        assert autolog.flush(10)
        assert backend.content_types == ["application/json", PROTOBUF, PROTOBUF]
        backend.rejects = 1
        with autolog.span("one too many"):
            pass
        assert autolog.flush(10)
        assert autolog.status()["dropped"] == {"refused by the backend": 1}


def check(backend: OTLPBackend) -> None:
    """Both conventions say what the call was."""
    attributes = backend.attributes()
    assert attributes["gen_ai.request.model"] == attributes["llm.model_name"] == "gpt-4o"
    assert attributes["gen_ai.usage.output_tokens"] == attributes["llm.token_count.completion"]
    assert attributes["gen_ai.provider.name"] == attributes["llm.provider"] == "openai"
    assert attributes["openinference.span.kind"] == "LLM"
    assert json.loads(attributes["gen_ai.input.messages"]) == [
        {"role": "user", "parts": [{"type": "text", "content": "Say hello"}]}
    ]
    (answer,) = json.loads(attributes["gen_ai.output.messages"])
    assert (answer["role"], answer["finish_reason"]) == ("assistant", "stop")
    assert attributes["llm.input_messages.0.message.content"] == attributes["input.value"] == "Say hello"
    assert (
        attributes["llm.output_messages.0.message.content"]
        == attributes["output.value"]
        == answer["parts"][0]["content"]
    )


def test_a_backend_that_takes_neither_is_an_error_that_says_so() -> None:
    with otlp_backend() as backend:
        autolog.configure(endpoint=backend.url, dialect="otlp")
        with autolog.span("s"):
            pass
        assert not autolog.flush(0.5)
        assert backend.content_types[:2] == ["application/json", PROTOBUF]
        assert "415" in autolog.status()["last_error"]


WITHOUT = """
import sys
sys.modules["google.protobuf"] = None
import autolog
autolog.configure(endpoint=sys.argv[1], dialect="otlp")
with autolog.span("s"):
    pass
for _ in range(30):
    if autolog.flush(1) or autolog.status()["last_error"]: break
print(autolog.status()["last_error"])
"""


def test_without_the_library_the_error_says_what_to_install(tmp_path: Path) -> None:
    with otlp_backend(PROTOBUF) as backend:
        done = subprocess.run([sys.executable, "-c", WITHOUT, backend.url], cwd=tmp_path, capture_output=True, text=True,
                              timeout=60, check=False, env={**os.environ, "AUTOLOG_JOURNAL": ""})  # fmt: skip
    assert "415" in done.stdout, done.stderr
    assert "pip install 'autolog-llm[otlp]'" in done.stdout


def test_phoenix_shows_the_call(tmp_path: Path) -> None:
    """Against Phoenix itself, where its command is to be found: in `AUTOLOG_TEST_PHOENIX` or on the path."""
    if PHOENIX is None:
        pytest.skip("arize-phoenix is not installed (AUTOLOG_TEST_PHOENIX names its command)")
    port, other = free_port(), free_port()
    settings = {"PHOENIX_HOST": "127.0.0.1", "PHOENIX_PORT": str(port), "PHOENIX_GRPC_PORT": str(other),
                "PHOENIX_WORKING_DIR": str(tmp_path), "PHOENIX_TELEMETRY_ENABLED": "false"}  # fmt: skip
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen([PHOENIX, "serve"], env={**os.environ, **settings}, stdout=log, stderr=log)
        try:
            until(lambda: answers(f"http://127.0.0.1:{port}/healthz"), 120)
            autolog.configure(endpoint=f"http://127.0.0.1:{port}", dialect="otlp")
            call_openai()
            assert autolog.flush(20)
            (span,) = spans_of(port)
        finally:
            process.terminate()
            process.wait(30)
    assert (span["span_kind"], span["status_code"]) == ("LLM", "UNSET")
    assert span["attributes"]["llm.model_name"] == "gpt-4o"
    assert span["attributes"]["llm.input_messages.0.message.content"] == "Say hello"


def get(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=5) as answer:
        return answer.read()


def answers(url: str) -> bool:
    try:
        get(url)
    except OSError:
        return False
    return True


def spans_of(port: int) -> list[dict[str, Any]]:
    """Return Phoenix's spans, which it writes a little after it has accepted them."""
    found: list[dict[str, Any]] = until(
        lambda: json.loads(get(f"http://127.0.0.1:{port}/v1/projects/default/spans"))["data"]
    )
    return found
