"""Hand-made calls with known costs, for the tests of pricing."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from autolog._pricing.bill import price_record
from autolog._reading.describe import describe
from autolog._record.record import Record
from autolog.providers import provider_at

NOW = datetime(2026, 11, 1, tzinfo=UTC)
OPENAI, MESSAGES = "https://api.openai.com/v1", "https://api.anthropic.com/v1/messages"


@dataclass(frozen=True)
class Invoice:
    """A response and its cost; `arithmetic` shows the calculation, in dollars per million tokens."""

    name: str
    url: str
    response: dict[str, Any]
    arithmetic: str
    cost: float | None
    certainty: str = "exact"
    tier: str = "standard"
    at: datetime = NOW
    request: dict[str, Any] = field(default_factory=dict)


def chat(model: str, prompt: int, completion: int, tier: str | None = None, **details: int) -> dict[str, Any]:
    inner = {f"{key.removeprefix('in_')}_tokens": value for key, value in details.items() if not key.startswith("out_")}
    outer = {f"{key.removeprefix('out_')}_tokens": value for key, value in details.items() if key.startswith("out_")}
    usage = {"prompt_tokens": prompt, "completion_tokens": completion, "prompt_tokens_details": inner,
             "completion_tokens_details": outer}  # fmt: skip
    return {"object": "chat.completion", "model": model, "choices": [], "usage": usage, "service_tier": tier}


def message(model: str, input_: int, output: int, **usage: Any) -> dict[str, Any]:
    usage = {"input_tokens": input_, "output_tokens": output, **usage}
    return {"type": "message", "model": model, "content": [], "stop_reason": "end_turn", "usage": usage}


def answer(model: str, input_: int, output: int, **details: Any) -> dict[str, Any]:
    """Return a response of the Responses API; `cached` and `cache_write` are token counts."""
    inner = {f"{key}_tokens" if isinstance(value, int) else key: value for key, value in details.items()}
    usage = {"input_tokens": input_, "input_tokens_details": inner, "output_tokens": output}
    return {"object": "response", "model": model, "output": [], "usage": usage}


def background_answer(status: str) -> dict[str, Any]:
    """Return a background response, which outlives its call; a completed one has usage worth $0.0035."""
    response: dict[str, Any] = {"id": "resp_1", "object": "response", "created_at": 100, "status": status, "background": True,
                            "model": "gpt-4o", "output": []}  # fmt: skip
    if status == "completed":
        response |= {"completed_at": 130, "usage": {"input_tokens": 1000, "output_tokens": 100},
                 "output": [{"type": "message", "content": [{"type": "output_text", "text": "Done."}]}]}  # fmt: skip
    return response


CHAT, RESPONSES = f"{OPENAI}/chat/completions", f"{OPENAI}/responses"


def bill(invoice: Invoice, own: Any = None, provider: str | None = None) -> Record:
    """Return the priced record of an invoice's call.

    Args:
        own: the user's own prices.
        provider: the name of the provider; None to derive it from the host.
    """
    record = Record(
        id="x", request_url=invoice.url, start_time=invoice.at, status_code=200, request_content_type="application/json",
        request_body=json.dumps(invoice.request).encode(), response_body=json.dumps(invoice.response).encode(),
        provider_name=provider or provider_at(invoice.url.split("/")[2]),
    )  # fmt: skip
    price_record(record, describe(record), own)
    return record
