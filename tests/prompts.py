"""Calls with prompts of known sizes, for the tests of prompt caching."""

from __future__ import annotations

import copy
import json
from datetime import UTC, datetime, timedelta
from typing import Any

from autolog._record.record import Record

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
#: Characters per token, approximately.
PER_TOKEN = 4
URLS = {
    "anthropic": "https://api.anthropic.com/v1/messages",
    "openai": "https://api.openai.com/v1/chat/completions",
    "deepseek": "https://api.deepseek.com/chat/completions",
    "gcp.gemini": "https://generativelanguage.googleapis.com/v1beta/models/gemini-2.5-pro:generateContent",
}
MODELS = {
    "anthropic": "claude-sonnet-4-5",
    "openai": "gpt-5",
    "deepseek": "deepseek-chat",
    "gcp.gemini": "gemini-2.5-pro",
}
PRICES = {"input_mtok": 3.0, "cache_read_mtok": 0.3, "cache_write_mtok": 3.75}


def words(tokens: int, seed: str = "a") -> str:
    """Return a text of approximately `tokens` tokens."""
    return "".join(f"{seed}{n:03} " for n in range(tokens))[: tokens * PER_TOKEN]


def tool(name: str, tokens: int = 300, **more: Any) -> dict[str, Any]:
    return {
        "name": name,
        "description": words(tokens, name),
        "input_schema": {"type": "object", "properties": {}},
        **more,
    }


def function(name: str, tokens: int = 300) -> dict[str, Any]:
    return {"type": "function", "function": {"name": name, "description": words(tokens, name), "parameters": {}}}


def marked(text: str, ttl: str | None = None) -> dict[str, Any]:
    control = {"type": "ephemeral"} | ({"ttl": ttl} if ttl else {})
    return {"type": "text", "text": text, "cache_control": control}


def anthropic_body(turns: int = 1, *, mark_last: bool = True, **changes: Any) -> dict[str, Any]:
    """Return a request with two tools, and cache marks on the system prompt and on the conversation's last message."""
    messages = [
        {"role": ("user", "assistant")[n % 2], "content": [{"type": "text", "text": words(200, f"t{n}")}]}
        for n in range(2 * turns - 1)
    ]
    if mark_last:
        messages[-1]["content"] = [marked(words(200, f"t{2 * turns - 2}"))]
    body = {
        "model": MODELS["anthropic"], "max_tokens": 10, "tools": [tool("look"), tool("write")],
        "system": [marked(words(2_000, "system"))], "messages": messages,
    }  # fmt: skip
    return copy.deepcopy(body) | changes


def openai_body(turns: int = 1, **changes: Any) -> dict[str, Any]:
    messages = [{"role": "system", "content": words(2_000, "system")}] + [
        {"role": ("user", "assistant")[n % 2], "content": words(200, f"t{n}")} for n in range(2 * turns - 1)
    ]
    body = {"model": MODELS["openai"], "tools": [function("look"), function("write")], "messages": messages}
    return copy.deepcopy(body) | changes


def gemini_body(turns: int = 1, **changes: Any) -> dict[str, Any]:
    contents = [
        {"role": ("user", "model")[n % 2], "parts": [{"text": words(400, f"t{n}")}]} for n in range(2 * turns - 1)
    ]
    return {"systemInstruction": {"parts": [{"text": words(4_000, "system")}]}, "contents": contents} | changes


def prompt_tokens(body: dict[str, Any]) -> int:
    return len(json.dumps(body)) // PER_TOKEN


def call(
    body: dict[str, Any], read: int = 0, written: int = 0, at: float = 0.0, provider: str = "openai", **fields: Any
) -> Record:
    """Return the record of a call that started `at` seconds after noon and took two seconds."""
    start = NOON + timedelta(seconds=at)
    values: dict[str, Any] = {
        "id": f"at-{at:g}", "start_time": start, "created_at": start, "end_time": start + timedelta(seconds=2),
        "provider_name": provider, "request_model": body.get("model", MODELS[provider]), "session": "s",
        "request_url": URLS[provider], "request_body": json.dumps(body).encode(),
        "usage_input_tokens": prompt_tokens(body), "usage_cache_read_input_tokens": read,
        "usage_cache_creation_input_tokens": written or None, "cost_details": {"unit_prices": PRICES},
    }  # fmt: skip
    return Record(**(values | fields))
