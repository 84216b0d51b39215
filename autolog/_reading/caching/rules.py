"""The rules by which providers cache prompts, as they publish them; `READ` is when the pages were read.

Where a provider publishes no figure there is none here, and nothing is concluded from it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

READ = "2026-11"
# Not read on the providers' own pages, and to be checked there: Anthropic's minimums (secondary pages, which disagree
# on the newest models), DeepSeek's unit of 64 tokens, and which changes of a request invalidate what is cached.

#: Where the parts of a request stand in the prompt that is cached, in that order; those that it has not are left out.
#: A change in one part makes what follows uncached.
_OPENAI_ORDER = ("tools", "response_format", "text", "instructions", "messages", "input")
_GEMINI_ORDER = ("systemInstruction", "system_instruction", "tools", "toolConfig", "contents")


@dataclass(frozen=True, slots=True)
class Rules:
    """One provider's rules.

    Attributes:
        source: the page. order: the parts of a request, in the order of the prompt.
        unit: the cache holds multiples of so many tokens. minimums: patterns of models, and how many tokens a prompt
            must have at least; the first that matches. marked: only what `cache_control` marks is cached.
        lives: after how many seconds without use an entry may be gone, and is certainly gone; None is not published.
        lookback: how many blocks before a mark earlier entries are looked for.
        parameters: parameters outside of the prompt whose change makes the messages uncached.
    """

    source: str
    order: tuple[str, ...]
    unit: int = 1
    minimums: tuple[tuple[str, int], ...] = (("", 1024),)
    marked: bool = False
    lives: tuple[float, float] | None = None
    lookback: int | None = None
    parameters: tuple[str, ...] = ()

    def minimum(self, model: str) -> int:
        """Return how many tokens a prompt must have to be cached."""
        return next(tokens for pattern, tokens in self.minimums if re.search(pattern, model))


#: Seconds that an entry lives by the `ttl` of its mark (Anthropic), and by `prompt_cache_retention` (OpenAI).
MARK_LIVES = {"5m": 300.0, "1h": 3600.0}
RETENTIONS = {"24h": 86_400.0}

ANTHROPIC = Rules(
    source="https://platform.claude.com/docs/en/build-with-claude/prompt-caching",
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
    order=_OPENAI_ORDER,
    unit=128,
    lives=(300.0, 3600.0),  # 5 to 10 minutes of inactivity, an hour at most
)
GEMINI = Rules(
    source="https://ai.google.dev/gemini-api/docs/caching",
    order=_GEMINI_ORDER,
    minimums=((r"gemini-2\.5", 2048), (r"gemini-[3-9]", 4096), ("", 4096)),
)
DEEPSEEK = Rules(
    source="https://api-docs.deepseek.com/guides/kv_cache",
    order=_OPENAI_ORDER,
    unit=64,
    minimums=(("", 64),),
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
