"""`autolog env`: settings that point other programs here."""

from __future__ import annotations

import ast
import json
import subprocess
import tomllib

import pytest
from commands import output

from autolog.cli.env import PROGRAMS


@pytest.mark.parametrize("program", sorted(PROGRAMS))
def test_every_program_is_given_the_endpoint_and_the_key(program: str) -> None:
    settings = json.loads(output("env", program, "--endpoint", "http://logs.example/", "--key", "k-1", "--json"))
    everything = json.dumps(settings["env"]) + json.dumps(settings["file"])
    assert "http://logs.example" in everything
    assert "http://logs.example//" not in everything
    assert "k-1" in everything
    assert settings["program"] == program


@pytest.mark.parametrize("program", sorted(PROGRAMS))
def test_a_shell_takes_the_variables_as_they_are(program: str) -> None:
    key = "k'1 $HOME"
    variables = json.loads(output("env", program, "--key", key, "--json"))["env"]
    script = output("env", program, "--key", key, "--shell") + "".join(
        f'printf "%s\\n" "${name}"\n' for name in variables
    )
    done = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == list(variables.values())


def test_codex_takes_the_text_as_its_configuration() -> None:
    text = json.loads(output("env", "codex", "--key", 'k"1', "--json"))["file"]["text"]
    exporter = tomllib.loads(text)["otel"]["exporter"]["otlp-http"]
    assert exporter == {
        "endpoint": "http://127.0.0.1:8790/v1/logs",
        "protocol": "binary",
        "headers": {"x-api-key": 'k"1'},
    }
    assert tomllib.loads(output("env", "codex", "--key", "k")) == tomllib.loads(text.replace('k\\"1', "k"))


def test_opencode_sends_its_spans_before_it_ends() -> None:
    variables = json.loads(output("env", "opencode", "--key", "k", "--json"))["env"]
    assert int(variables["OTEL_BSP_SCHEDULE_DELAY"]) < 1_000


def test_the_lines_for_the_agents_sdk_are_python() -> None:
    text = output("env", "openai-agents", "--key", 'k"1')
    names = {node.value for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Constant)}
    assert names == {'k"1', "http://127.0.0.1:8790/v1/traces/ingest"}


def test_without_a_key_it_says_how_to_make_one(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "autolog keys create" in output("env", "otel")
    monkeypatch.setenv("AUTOLOG_API_KEY", "from-env")
    monkeypatch.setenv("AUTOLOG_ENDPOINT", "http://elsewhere:1")
    assert "autolog keys create" not in output("env", "otel")
    assert "x-api-key=from-env" in output("env", "otel")
    assert "http://elsewhere:1" in output("env", "otel")


def test_message_content_is_turned_on_by_the_value_that_each_program_takes() -> None:
    """OpenTelemetry's instrumentations refuse `true` since opentelemetry-util-genai 1.0; Copilot's CLI takes it."""
    name = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"
    assert f"{name}=SPAN_ONLY" in output("env", "otel")
    assert f"{name}=true" in output("env", "copilot")
