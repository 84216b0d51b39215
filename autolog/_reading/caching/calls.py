"""Calls as the caching analysis sees them: the prompt, the tokens read from the cache, and the prices."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from autolog._pricing.tariff import price_at
from autolog._reading.caching.prefix import Prefix, prefix_of
from autolog._reading.caching.rules import MARK_LIVES, RETENTIONS, Rules, rules_for
from autolog._reading.describe import read_request
from autolog._record.record import Record

_HEADERS = ("anthropic-beta", "anthropic-version", "openai-beta")


@dataclass(frozen=True, slots=True)
class CachedCall:
    """One call whose use of the prompt cache can be judged.

    Attributes:
        tokens: the number of input tokens, including those in `read` and `written`.
        read: the number of tokens read from the cache.
        written: the number of tokens written to the cache.
        prices: dollars per million tokens, by genai-prices' names.
    """

    id: str
    start: datetime
    end: datetime
    rules: Rules
    model: str
    tier: str | None
    session: str | None
    function: str | None
    tokens: int
    read: int
    written: int
    prefix: Prefix
    request: dict[str, Any]
    headers: dict[str, str]
    prices: dict[str, Any]

    def tokens_of(self, characters: int) -> int:
        """Return an estimate of the tokens in part of the prompt, by the whole's ratio of tokens to characters."""
        return round(characters * self.tokens / self.prefix.size) if self.prefix.size else 0

    @property
    def lives(self) -> tuple[float, float] | None:
        """The seconds without use after which the cached prompt may expire and must have expired; None if unknown."""
        if self.rules.marked:
            longest = max((MARK_LIVES.get(mark.ttl, 0.0) for mark in self.prefix.marks), default=0.0)
            return (longest, longest) if longest else self.rules.lives
        kept = RETENTIONS.get(str(self.request.get("prompt_cache_retention")))
        return (kept, kept) if kept else self.rules.lives

    def price(self, name: str) -> float | None:
        """Return the price of one token in dollars, for `input`, `cache_read` or `cache_write`; None if unknown."""
        found = price_at(self.prices.get(f"{name}_mtok"), self.tokens)
        return None if found is None else found / 1_000_000

    @property
    def saved(self) -> float:
        """The dollars that the cache saved, less what cache writes cost more than ordinary input."""
        whole, read, write = self.price("input"), self.price("cache_read"), self.price("cache_write")
        if whole is None:
            return 0.0
        saved = self.read * (whole - read) if read is not None else 0.0
        return saved - (self.written * (write - whole) if write is not None else 0.0)


def cached_call(record: Record) -> CachedCall | None:
    """Return a record, given with its bodies, as a call whose caching can be judged; None if it cannot be."""
    if record.kind != "llm" or record.status != "ok" or not record.usage_input_tokens or record.cached:
        return None
    model = record.response_model or record.request_model or ""
    rules = rules_for(record.provider_name, model)
    start = record.start_time or record.created_at
    if rules is None or start is None or record.operation_name in {"embeddings", "count_tokens", "batch"}:
        return None
    request = read_request(record.request_body, record.request_content_type or "")
    prefix = prefix_of(request, rules.order)
    if not prefix.paths or request.get("previous_response_id") or request.get("conversation"):
        return None  # most of the prompt is not in the request
    if (request.get("prompt_cache_options") or {}).get("mode") == "explicit":
        return None  # the cached prefix ends at explicit breakpoints, which this analysis does not support
    headers = {name.lower(): value for name, value in (record.request_headers or {}).items()}
    return CachedCall(
        id=record.id, start=start, end=record.end_time or start + timedelta(seconds=record.duration or 0),
        rules=rules, model=record.request_model or model,
        tier=record.response_service_tier or request.get("service_tier"),
        session=record.session, function=record.caller, tokens=record.usage_input_tokens,
        read=record.usage_cache_read_input_tokens or 0, written=record.usage_cache_creation_input_tokens or 0,
        prefix=prefix, request=request, headers={name: headers[name] for name in _HEADERS if name in headers},
        prices=(record.cost_details or {}).get("unit_prices") or {},
    )  # fmt: skip
