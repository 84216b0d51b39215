"""The logs of a failed agent run, and the official Model Context Protocol client, which reads them."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import anyio
import pytest

from autolog._record.record import Record

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
LONG = "The refund policy says: " + "thirty days. " * 2_000


def failed_run() -> list[Record]:
    """Return an agent's run of forty calls, of which the last fails because of a tool result in the thirtieth."""
    trace = "a" * 32
    records = [
        Record(id="run-root", kind="function", name="answer_ticket", trace_id=trace, span_id="0" * 16, status="error",
               created_at=NOON, start_time=NOON, duration=80.0, error_type="ValueError", error_message="no refund id")
    ]  # fmt: skip
    messages: list[dict[str, Any]] = [{"role": "system", "content": LONG}, {"role": "user", "content": "Refund 17?"}]
    for number in range(40):
        at = NOON + timedelta(seconds=2 * number)
        last = number == 39
        result = "refund id: null" if number == 30 else f"page {number}"
        request = {"model": "gpt-4o", "messages": [*messages, {"role": "tool", "tool_call_id": "t", "content": result}]}
        answer = {"model": "gpt-4o", "choices": [{"message": {"role": "assistant", "content": f"step {number}"}}]}
        records.append(
            Record(
                id=f"run-{number:03}", name="chat gpt-4o", trace_id=trace, span_id=f"{number + 1:016x}",
                parent_span_id="0" * 16, created_at=at, start_time=at, duration=1.5, request_model="gpt-4o", cost=0.01,
                usage_input_tokens=9_000, usage_output_tokens=20, status="error" if last else "ok", session="s",
                status_code=400 if last else 200, error_type="invalid_request" if last else None,
                error_message="refund id must be a text" if last else None, output_preview=f"step {number}",
                input_preview="Refund 17?", provider_name="openai", request_url="https://api.openai.com/v1/chat/completions",
                request_body=json.dumps(request).encode(), response_body=json.dumps(answer).encode(),
            )
        )  # fmt: skip
    return [*records, Record(id="elsewhere", project="other", name="not yours", created_at=NOON)]


def with_client(server: Callable[[], Any], work: Callable[[Any], Awaitable[None]]) -> None:
    """Run `work` with the official client connected to a server; skip the test if the client is not installed."""
    mcp = pytest.importorskip("mcp", reason="the official MCP client is not installed: pip install mcp")

    async def run() -> None:
        async with mcp.Client(server()) as client:
            await work(client)

    anyio.run(run)


async def use_every_tool(client: Any) -> None:
    """List the tools, and call each reading one."""

    async def ask(tool: str, **arguments: Any) -> str:
        result = await client.call_tool(tool, arguments)
        assert not result.is_error, result
        text: str = result.content[0].text
        return text

    listed = await client.list_tools()
    names = {tool.name for tool in listed.tools}
    assert names >= {"find", "show", "trace", "diff", "stats", "cache", "sql"}
    assert "replay" not in names
    found = await ask("find", status="error", kind="llm")
    assert found.startswith("run-039")
    assert "refund id must be a text" in found
    shown = await ask("show", id="run-039")
    assert "[0] system text: The refund policy" in shown
    assert len(shown) < 1_500
    assert await ask("show", id="run-039", part="2") == "page 39"
    assert "answer_ticket" in await ask("trace", id="run-039")
    assert "page 29" in await ask("diff", left="run-029", right="run-030")
    assert "gpt-4o | 40 | 1" in await ask("stats")
    assert (await ask("sql", select="select count(*) as n from calls")) == "n\n40"
    assert (await ask("cache")).startswith("39 calls, 0.0% of 351,000 input tokens from the cache")
    wrong = await client.call_tool("show", {"id": "elsewhere"})
    assert wrong.is_error
    refused = await client.call_tool("sql", {"select": "delete from calls"})
    assert refused.is_error
