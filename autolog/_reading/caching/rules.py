"""The rules by which providers cache prompts, as published by them.

Each set of rules names its source and when that was read. Where a provider publishes no figure, there is none here, and
no conclusion is drawn.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

#: The order of a request's parts in the cached prompt; absent parts are skipped. A change in one part makes all parts
#: after it uncached.
_OPENAI_ORDER = ("tools", "response_format", "text", "instructions", "messages", "input")
_GEMINI_ORDER = ("systemInstruction", "system_instruction", "tools", "toolConfig", "contents")


@dataclass(frozen=True, slots=True)
class Rules:
    """One provider's rules.

    Attributes:
        source: the URL of the page that states the rules.
        read: when the page was read, and what was not found on it.
        order: the parts of a request, in their order in the prompt.
        unit: the cache holds multiples of this many tokens.
        minimums: pairs of a pattern for models and the least number of tokens a prompt must have to be cached; the
            first match counts.
        marked: whether only parts marked with `cache_control` are cached.
        lives: the seconds without use after which an entry may expire and is sure to have expired; None if not
            published.
        lookback: how many blocks before a mark the provider looks for earlier entries.
        parameters: parameters outside the prompt whose change makes the messages uncached.
        whole: whether an earlier prompt is only read as a whole, so that a shared beginning alone is not cached.
    """

    source: str
    read: str
    order: tuple[str, ...]
    unit: int = 1
    minimums: tuple[tuple[str, int], ...] = (("", 1024),)
    marked: bool = False
    lives: tuple[float, float] | None = None
    lookback: int | None = None
    parameters: tuple[str, ...] = ()
    whole: bool = False

    def minimum(self, model: str) -> int:
        """Return the least number of tokens that a prompt must have to be cached."""
        return next(tokens for pattern, tokens in self.minimums if re.search(pattern, model))


#: The lifetimes of entries in seconds, by the `ttl` of their mark (Anthropic) and by `prompt_cache_retention` (OpenAI).
MARK_LIVES = {"5m": 300.0, "1h": 3600.0}
RETENTIONS = {"24h": 86_400.0}

ANTHROPIC = Rules(
    source="https://platform.claude.com/docs/en/build-with-claude/prompt-caching",
    # Lifetimes, marks and their order are from the page. The minimums are from
    # docs.litellm.ai/docs/completion/prompt_caching (2026-10-07) and the page as quoted in
    # anthropics/anthropic-sdk-python#1194. For Opus 4.7, some sources say 2,048; for the models of 5.5, no figure was
    # found. What a changed parameter invalidates is from secondary sources.
    read="2026-11, but for the minimums",
    order=("tools", "system", "messages"),
    minimums=(
        (r"opus-5|fable-5|mythos-5", 512),
        (r"opus-4-[567]|haiku-4-5|mythos-preview", 4096),
        (r"haiku-3|3-5-haiku|3-haiku", 2048),
        ("", 1024),
    ),
    marked=True,
    lives=(300.0, 300.0),
    lookback=20,
    parameters=("tool_choice", "thinking"),
)
OPENAI = Rules(
    source="https://developers.openai.com/api/docs/guides/prompt-caching",
    read="2026-11; for models before GPT-5.6",
    order=_OPENAI_ORDER,
    unit=128,
    lives=(300.0, 3600.0),  # 5 to 10 minutes of inactivity, an hour at most
)
#: From GPT-5.6 on, a prefix is only read up to a breakpoint, by default the end of the prompt, and an entry lives for
#: at least 30 minutes (the guide, and the API's description of `prompt_cache_options`).
OPENAI_BREAKPOINTS = Rules(
    source="https://developers.openai.com/api/docs/guides/prompt-caching",
    read="2026-11",
    order=_OPENAI_ORDER,
    lives=(1800.0, float("inf")),
    whole=True,
)
GEMINI = Rules(
    source="https://ai.google.dev/gemini-api/docs/caching",
    read="2026-11, as of 2026-10-13",
    order=_GEMINI_ORDER,
    minimums=((r"gemini-2\.5", 2048), (r"gemini-[3-9]", 4096), ("", 4096)),
)
DEEPSEEK = Rules(
    source="https://api-docs.deepseek.com/guides/kv_cache",
    read="2026-11; the unit of 64 tokens is of an earlier version of the page",
    order=_OPENAI_ORDER,
    unit=64,
    minimums=(("", 64),),
    whole=True,  # a common prefix is stored on the second request, and read from the third on
)

#: The rules by `provider_name`.
PROVIDERS = {
    "anthropic": ANTHROPIC,
    "openai": OPENAI,
    "azure.ai.openai": OPENAI,
    "gcp.gemini": GEMINI,
    "gcp.gen_ai": GEMINI,
    "gcp.vertex_ai": GEMINI,
    "deepseek": DEEPSEEK,
}

_WITH_BREAKPOINTS = re.compile(r"gpt-(5\.[6-9]|[6-9]|\d\d)")


def rules_for(provider: str | None, model: str) -> Rules | None:
    """Return the rules by which a provider caches a model's prompts; None if it publishes none."""
    if "claude" in model:
        return ANTHROPIC
    rules = PROVIDERS.get(provider or "")
    return OPENAI_BREAKPOINTS if rules is OPENAI and _WITH_BREAKPOINTS.search(model) else rules
