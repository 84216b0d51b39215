"""The `autolog env` command."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import click

from autolog._config import config_from
from autolog.cli._render import echo_json

#: The address on which `autolog serve` listens by default.
ENDPOINT = "http://127.0.0.1:8790"
#: The placeholder for a key that was not given.
NO_KEY = "YOUR-KEY"


@dataclass(frozen=True, slots=True)
class Settings:
    """How to point a program here: environment variables, text for its configuration file, and further instructions."""

    variables: Mapping[str, str] = field(default_factory=dict)
    path: str = ""
    text: str = ""
    note: str = ""


def _otel(endpoint: str, key: str) -> dict[str, str]:
    """Return the standard environment variables of OpenTelemetry's exporters for traces, metrics and logs."""
    return {
        "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint,
        "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
        "OTEL_EXPORTER_OTLP_HEADERS": f"x-api-key={key}",
    }


#: Turns on the capture of message content, which most instrumentations leave off by default.
_MESSAGES = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"


def _any_program(endpoint: str, key: str) -> Settings:
    note = "Instrumentations released before 2026 take `true` instead of `SPAN_ONLY`."
    return Settings({_MESSAGES: "SPAN_ONLY", **_otel(endpoint, key)}, note=note)


def _claude_code(endpoint: str, key: str) -> Settings:
    switches = {
        "CLAUDE_CODE_ENABLE_TELEMETRY": "1",
        "OTEL_LOGS_EXPORTER": "otlp",
        "OTEL_METRICS_EXPORTER": "otlp",
        "OTEL_LOG_USER_PROMPTS": "1",
        "OTEL_LOG_TOOL_DETAILS": "1",
        "OTEL_LOG_RAW_API_BODIES": "1",
    }
    note = "Prompts, tool inputs and whole requests are sent; omit OTEL_LOG_* to send only figures."
    return Settings({**switches, **_otel(endpoint, key)}, note=note)


def _codex(endpoint: str, key: str) -> Settings:
    lines = ["[otel]", "log_user_prompt = true", 'trace_exporter = "none"']
    for setting, path in (("exporter", "logs"), ("metrics_exporter", "metrics")):
        target = f"endpoint = {json.dumps(f'{endpoint}/v1/{path}')}"
        header = f'headers = {{ "x-api-key" = {json.dumps(key)} }}'
        lines.append(f'{setting} = {{ otlp-http = {{ {target}, protocol = "binary", {header} }} }}')
    note = "Prompts, calls and tools come as logs; Codex's spans are hundreds of its own functions for each prompt."
    return Settings(path="~/.codex/config.toml", text="\n".join(lines) + "\n", note=note)


def _gemini_cli(endpoint: str, key: str) -> Settings:
    return Settings(
        {
            "GEMINI_TELEMETRY_ENABLED": "true",
            "GEMINI_TELEMETRY_TARGET": "local",
            "GEMINI_TELEMETRY_USE_COLLECTOR": "true",
            "GEMINI_TELEMETRY_OTLP_ENDPOINT": endpoint,
            "GEMINI_TELEMETRY_OTLP_PROTOCOL": "http",
            "GEMINI_TELEMETRY_LOG_PROMPTS": "true",
            "OTEL_EXPORTER_OTLP_HEADERS": f"x-api-key={key}",
        }
    )


def _copilot(endpoint: str, key: str) -> Settings:
    return Settings({"COPILOT_OTEL_ENABLED": "true", _MESSAGES: "true", **_otel(endpoint, key)})


def _opencode(endpoint: str, key: str) -> Settings:
    """Return the settings of OpenCode, which does not send its last spans when it ends: they must leave early.

    With OpenTelemetry's usual delay of 5 seconds most calls of `opencode run` would be lost (seen with 1.18.33).
    """
    text = json.dumps({"experimental": {"openTelemetry": True}}, indent=2) + "\n"
    note = (
        "OpenCode also sends hundreds of spans of its own functions for each prompt, and has no setting to omit them: "
        "autolog logs --kind llm shows the calls."
    )
    return Settings({**_otel(endpoint, key), "OTEL_BSP_SCHEDULE_DELAY": "20"}, "opencode.json", text, note)


def _aider(endpoint: str, key: str) -> Settings:
    """Return settings with the usage of streams, for which Aider does not ask (0.86)."""
    variables = {"AUTOLOG_ENDPOINT": endpoint, "AUTOLOG_API_KEY": key, "AUTOLOG_STREAM_USAGE": "request"}
    note = "Aider has no setting: install autolog-llm in its environment and start it with `autolog run aider`."
    return Settings(variables, note=note)


def _litellm(endpoint: str, key: str) -> Settings:
    """Return the settings of LiteLLM's generic logger, for its proxy and for programs.

    In programs the name `generic_api` does nothing without the package litellm-enterprise, which the proxy includes,
    and the logger starts a task when it is created (litellm 1.110).
    """
    variables = {"GENERIC_LOGGER_ENDPOINT": f"{endpoint}/litellm", "GENERIC_LOGGER_HEADERS": f"x-api-key={key}"}
    text = 'litellm_settings:\n  callbacks: ["generic_api"]\n'
    note = (
        "config.yaml is the proxy's. In a program, within a running event loop: "
        "from litellm.integrations.generic_api.generic_api_callback import GenericAPILogger; "
        "logger = GenericAPILogger(); litellm.callbacks = [logger]. LiteLLM reports only async calls this way, "
        "every 5 seconds: await logger.flush_queue() before the program ends. autolog.patch() records all calls."
    )
    return Settings(variables, "config.yaml", text, note)


def _langsmith(endpoint: str, key: str) -> Settings:
    variables = {"LANGSMITH_TRACING": "true", "LANGSMITH_ENDPOINT": f"{endpoint}/langsmith", "LANGSMITH_API_KEY": key}
    return Settings(variables)


def _langfuse(endpoint: str, key: str) -> Settings:
    variables = {"LANGFUSE_BASE_URL": endpoint, "LANGFUSE_HOST": endpoint, "LANGFUSE_PUBLIC_KEY": "autolog"}
    return Settings({**variables, "LANGFUSE_SECRET_KEY": key})


def _openai_agents(endpoint: str, key: str) -> Settings:
    """Return the lines that add an exporter, because the SDK has no setting for the address of its own exporter."""
    exporter = f"BackendSpanExporter(api_key={json.dumps(key)}, endpoint={json.dumps(f'{endpoint}/v1/traces/ingest')})"
    lines = (
        "from agents import add_trace_processor",
        "from agents.tracing.processors import BackendSpanExporter, BatchTraceProcessor",
        "",
        f"add_trace_processor(BatchTraceProcessor({exporter}))",
    )
    note = (
        "set_trace_processors([...]) instead sends nothing to OpenAI. For the Responses API the SDK reports tokens "
        "but no model; autolog.patch() in the program records those calls in full."
    )
    return Settings(path="your program", text="\n".join(lines) + "\n", note=note)


PROGRAMS: dict[str, Callable[[str, str], Settings]] = {
    "aider": _aider,
    "claude-code": _claude_code,
    "codex": _codex,
    "copilot": _copilot,
    "gemini-cli": _gemini_cli,
    "langfuse": _langfuse,
    "langsmith": _langsmith,
    "litellm": _litellm,
    "openai-agents": _openai_agents,
    "opencode": _opencode,
    "otel": _any_program,
}


@click.command()
@click.argument("program", metavar="PROGRAM", type=click.Choice(sorted(PROGRAMS)))
@click.option("--endpoint", metavar="URL", help=f"The server's URL. [default: AUTOLOG_ENDPOINT, or {ENDPOINT}]")
@click.option("--key", help="The server's key. [default: AUTOLOG_API_KEY]")
@click.option("--shell", "as_shell", is_flag=True, help="Only the variables, for eval.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def env(program: str, endpoint: str | None, key: str | None, as_shell: bool, as_json: bool) -> None:
    """Print the settings that point another program here: a coding agent, a library, anything with OpenTelemetry.

    \b
    autolog env claude-code
    eval "$(autolog env claude-code --key KEY --shell)" && claude
    autolog env codex >> ~/.codex/config.toml
    """
    config = config_from({})
    given = key or config.api_key
    settings = PROGRAMS[program]((endpoint or config.endpoint or ENDPOINT).rstrip("/"), given or NO_KEY)
    note = settings.note if given else f"{settings.note} Create a key: autolog keys create --scope ingest".strip()
    if as_json:
        file = {"path": settings.path, "text": settings.text} if settings.path else None
        echo_json({"program": program, "env": dict(settings.variables), "file": file, "note": note or None})
        return
    lines = [f"export {name}={shlex.quote(value)}" for name, value in settings.variables.items()]
    if not as_shell and settings.path:
        lines += [f"# in {settings.path}:", *settings.text.splitlines()]
    if not as_shell and note:
        lines.append(f"# {note}")
    click.echo("\n".join(lines))
