"""Count the tokens that an agent reads to find out why a run failed, with our tools and Phoenix's, on the same data.

    python tests/benchmarks/agents.py [--environments FOLDER] [--phoenix http://127.0.0.1:6006]

The run is `mcp_clients.failed_run`: forty calls with a long system prompt, of which the last fails because of a tool
result in the thirtieth. An agent is done when it has read the error message and that tool result. Its steps are fixed
here, as few as each tool set allows; the tools' descriptions, the arguments and the answers are counted once each.

Phoenix's server is installed into its own environment and started, unless `--phoenix` names a running one. The official
client drives it through its own MCP server, like ours: in its default mode, in which the agent writes programs that
select what to read, and by calling its endpoints directly. Tokens are those of tiktoken's cl100k_base if its table is
available, else a quarter of the bytes; the output says which.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1])]

import anyio  # noqa: E402
import httpx2  # noqa: E402
import mcp  # noqa: E402
from environments import environment  # noqa: E402
from mcp.client.streamable_http import streamable_http_client  # noqa: E402
from mcp_clients import failed_run  # noqa: E402
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest  # noqa: E402
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue  # noqa: E402
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span, Status  # noqa: E402

from autolog._record.record import Record  # noqa: E402
from autolog.stores import open_store  # noqa: E402

#: What the agent must have read: the error message, and the tool result that caused the error.
FOUND = ("refund id must be a text", "refund id: null")


def counter() -> tuple[str, Callable[[str], int]]:
    """Return the name of a token counter, and its function."""
    try:
        import tiktoken

        encoding = tiktoken.get_encoding("cl100k_base")
    except Exception:
        return "quarters of bytes", lambda text: (len(text.encode()) + 3) // 4
    return "cl100k_base", lambda text: len(encoding.encode(text, disallowed_special=()))


class Reader:
    """Calls tools for an agent, and counts the tokens that it reads."""

    def __init__(self, client: Any, count: Callable[[str], int]) -> None:
        self._client = client
        self._count = count
        self.tools = self.asked = self.read = 0
        self.text = ""

    async def begin(self) -> None:
        listed = (await self._client.list_tools()).tools
        known = [{"name": tool.name, "description": tool.description, "input_schema": tool.input_schema}
                 for tool in listed]  # fmt: skip
        self.tools = self._count(json.dumps(known))

    async def call(self, tool: str, **arguments: Any) -> str:
        result = await self._client.call_tool(tool, arguments)
        output = "".join(part.text for part in result.content if hasattr(part, "text"))
        assert not result.is_error, output
        self.asked += self._count(json.dumps({"name": tool, "input": arguments}))
        self.read += self._count(output)
        self.text += output
        return output

    def row(self, subject: str) -> dict[str, Any]:
        for fact in FOUND:
            assert fact in self.text, f"{subject} has not read {fact!r}"
        total = self.tools + self.asked + self.read
        return {"subject": subject, "tools": self.tools, "asked": self.asked, "read": self.read, "total": total}


# Ours


async def ours(reader: Reader) -> None:
    """Find the failed call, read its error, find the source of the wrong text, and read that step."""
    await reader.call("find", status="error")
    await reader.call("show", id="run-039")
    await reader.call("find", text="refund id")
    await reader.call("show", id="run-030")


# Phoenix's

_ERRORS = """
spans = await call_tool("getSpans", {"project_identifier": "default", "status_code": ["ERROR"]})
return [(s["context"]["span_id"], s["name"], s["start_time"], s["status_message"]) for s in spans["data"]]
"""
_SHOW = """
spans = await call_tool("getSpans", {"project_identifier": "default", "span_id": ["%s"]})
return {key: str(value)[:120] for key, value in spans["data"][0]["attributes"].items()}
"""
_SEARCH = """
spans = await call_tool("getSpans", {"project_identifier": "default", "limit": 100})
found = []
for s in spans["data"]:
    for key, value in s["attributes"].items():
        if key.startswith("llm.input_messages") and "refund id" in str(value):
            found.append((s["context"]["span_id"], s["start_time"], key, str(value)[:120]))
return found
"""


async def phoenix_by_programs(reader: Reader) -> None:
    """Do the same with programs that select what to read, as the server suggests."""
    await reader.call("search", query="list spans with errors", detail="brief")
    await reader.call("get_schema", tools=["getSpans"])
    await reader.call("execute", code=_ERRORS)
    await reader.call("execute", code=_SHOW % f"{40:016x}")
    await reader.call("execute", code=_SEARCH)
    await reader.call("execute", code=_SHOW % f"{31:016x}")


async def phoenix_by_endpoints(reader: Reader) -> None:
    """Do the same with the endpoints: read the failed spans, then those around the tenth from the end."""
    ask = "return await call_tool('getSpans', %r)"
    await reader.call("get_schema", tools=["getSpans"])
    await reader.call("execute", code=ask % {"project_identifier": "default", "status_code": ["ERROR"]})
    await reader.call("execute", code=ask % {"project_identifier": "default", "span_id": [f"{31:016x}"]})


def otlp(records: list[Record]) -> bytes:
    """Return a run as an OTLP request in OpenInference's conventions."""
    spans = [_span(record) for record in records if record.trace_id]
    request = ExportTraceServiceRequest(resource_spans=[ResourceSpans(scope_spans=[ScopeSpans(spans=spans)])])
    return request.SerializeToString()


def _span(record: Record) -> Span:
    assert record.start_time is not None
    start = int(record.start_time.timestamp() * 1e9)
    span = Span(
        trace_id=bytes.fromhex(record.trace_id or ""), span_id=bytes.fromhex(record.span_id or ""), name=record.name,
        parent_span_id=bytes.fromhex(record.parent_span_id or ""), start_time_unix_nano=start,
        end_time_unix_nano=start + int((record.duration or 0) * 1e9), attributes=_attributes(_described(record)),
        status=Status(code=2 if record.status == "error" else 1, message=record.error_message or ""),
    )  # fmt: skip
    if record.status == "error":
        about = {"exception.type": record.error_type, "exception.message": record.error_message}
        span.events.append(Span.Event(name="exception", time_unix_nano=start, attributes=_attributes(about)))
    return span


def _described(record: Record) -> dict[str, Any]:
    about: dict[str, Any] = {"openinference.span.kind": "LLM" if record.kind == "llm" else "AGENT"}
    if record.request_body is None or record.response_body is None:
        return about
    about |= {
        "input.value": record.request_body.decode(), "input.mime_type": "application/json",
        "output.value": record.response_body.decode(), "output.mime_type": "application/json",
        "llm.model_name": record.request_model, "llm.token_count.prompt": record.usage_input_tokens,
        "llm.token_count.completion": record.usage_output_tokens,
        "llm.output_messages.0.message.role": "assistant",
        "llm.output_messages.0.message.content": record.output_preview,
    }  # fmt: skip
    for number, message in enumerate(json.loads(record.request_body)["messages"]):
        about[f"llm.input_messages.{number}.message.role"] = message["role"]
        about[f"llm.input_messages.{number}.message.content"] = message["content"]
    return about


def _attributes(values: dict[str, Any]) -> list[KeyValue]:
    return [KeyValue(key=key, value=AnyValue(int_value=value) if isinstance(value, int) else
                     AnyValue(string_value=value)) for key, value in values.items()]  # fmt: skip


@contextmanager
def phoenix(folder: Path, given: str | None) -> Iterator[str | None]:
    """Run a Phoenix server for the block, and yield its address, or None if it cannot be installed."""
    if given is not None:
        yield given
        return
    python = environment(folder, "phoenix", ["arize-phoenix"])
    if python is None:
        yield None
        return
    with tempfile.TemporaryDirectory() as home:
        env = {**os.environ, "PHOENIX_WORKING_DIR": home, "PHOENIX_PORT": "16007", "PHOENIX_HOST": "127.0.0.1",
               "PHOENIX_GRPC_PORT": "14318"}  # fmt: skip
        process = subprocess.Popen([python.parent / "phoenix", "serve"], env=env, stdout=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL)  # fmt: skip
        address = "http://127.0.0.1:16007"
        try:
            _wait(address)
            yield address
        finally:
            process.kill()
            process.wait()


def _wait(address: str) -> None:
    for _ in range(240):
        try:
            if httpx2.get(f"{address}/healthz").status_code == 200:
                return
        except httpx2.HTTPError:
            pass
        time.sleep(0.5)
    raise TimeoutError(f"{address} does not come up")


def measure(folder: Path, given: str | None) -> tuple[str, list[dict[str, Any]]]:
    """Return the name of the token counter, and a row for every way of reading."""
    name, count = counter()
    rows = []

    async def run(subject: str, server: Any, steps: Callable[[Reader], Awaitable[None]]) -> None:
        async with mcp.Client(server) as client:
            reader = Reader(client, count)
            await reader.begin()
            await steps(reader)
            rows.append(reader.row(subject))

    records = failed_run()
    with tempfile.TemporaryDirectory() as home:
        url = f"sqlite:///{home}/logs.db"
        open_store(url).write(records)
        code = f"from autolog.cli import main; main(['mcp', '--store', '{url}', '--project', 'default'])"
        anyio.run(run, "autolog", mcp.StdioServerParameters(command=sys.executable, args=["-c", code]), ours)
    with phoenix(folder, given) as address:
        if address is None:
            return name, rows
        sent = httpx2.post(f"{address}/v1/traces", content=otlp(records),
                           headers={"content-type": "application/x-protobuf"})  # fmt: skip
        sent.raise_for_status()
        time.sleep(3)  # the spans are written with a delay
        for subject, steps in (
            ("phoenix, programs", phoenix_by_programs),
            ("phoenix, endpoints", phoenix_by_endpoints),
        ):
            client = httpx2.AsyncClient(timeout=60, follow_redirects=True)
            anyio.run(run, subject, streamable_http_client(f"{address}/mcp/", http_client=client), steps)
    return name, rows


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--environments", type=Path, default=Path.home() / ".cache" / "autolog-benchmarks")
    options.add_argument("--phoenix", help="The address of a Phoenix server that runs already.")
    given = options.parse_args()
    given.environments.mkdir(parents=True, exist_ok=True)
    name, rows = measure(given.environments, given.phoenix)
    print(f"tokens ({name})")
    for row in rows:
        print("  " + row["subject"].ljust(20) + "".join(f"{row[key]:>10,}" for key in ("tools", "asked", "read", "total"))
              + f"   1/{row['total'] / rows[0]['total']:.1f}")  # fmt: skip


if __name__ == "__main__":
    main()
