"""Published prices of units that genai-prices does not have: containers, seconds of video, session hours, images.

Each entry is a unit as a provider sells it: its name (from `providers.*.billable_units`), its price in US dollars, the
part of the cost to which it belongs, and the page that states the price. A call with a unit that is not listed here has
an unknown cost.
"""

from __future__ import annotations

import functools
import re
from typing import NamedTuple


class Source(NamedTuple):
    """The page on which a seller, named as in genai-prices, states its prices."""

    seller: str
    page: str


class Unit(NamedTuple):
    """The price of one unit, in dollars, with its part of the cost and its source."""

    dollars: float
    part: str
    source: Source


_OPENAI = Source("openai", "developers.openai.com/api/docs/pricing, read 2026-11")
_ANTHROPIC = Source("anthropic", "platform.claude.com/docs/en/about-claude/pricing, read 2026-11")

UNITS: dict[str, Unit] = {
    # A container of the code interpreter or hosted shell, for 20 minutes
    "container 1g": Unit(0.03, "tools", _OPENAI),
    "container 4g": Unit(0.12, "tools", _OPENAI),
    "container 16g": Unit(0.48, "tools", _OPENAI),
    "container 64g": Unit(1.92, "tools", _OPENAI),
    # A second of video
    "second of sora-2, 1280x720": Unit(0.10, "other", _OPENAI),
    "second of sora-2, 720x1280": Unit(0.10, "other", _OPENAI),
    "second of sora-2-pro, 1280x720": Unit(0.30, "other", _OPENAI),
    "second of sora-2-pro, 720x1280": Unit(0.30, "other", _OPENAI),
    "second of sora-2-pro, 1792x1024": Unit(0.50, "other", _OPENAI),
    "second of sora-2-pro, 1024x1792": Unit(0.50, "other", _OPENAI),
    # An image by the older models
    "image of dall-e-2, 256x256": Unit(0.016, "output_image", _OPENAI),
    "image of dall-e-2, 512x512": Unit(0.018, "output_image", _OPENAI),
    "image of dall-e-2, 1024x1024": Unit(0.020, "output_image", _OPENAI),
    "image of dall-e-3, 1024x1024": Unit(0.040, "output_image", _OPENAI),
    "image of dall-e-3, 1024x1792": Unit(0.080, "output_image", _OPENAI),
    "image of dall-e-3, 1792x1024": Unit(0.080, "output_image", _OPENAI),
    "image of dall-e-3, 1024x1024 hd": Unit(0.080, "output_image", _OPENAI),
    "image of dall-e-3, 1024x1792 hd": Unit(0.120, "output_image", _OPENAI),
    "image of dall-e-3, 1792x1024 hd": Unit(0.120, "output_image", _OPENAI),
    # A million tokens of training
    "million tokens of training gpt-4.1": Unit(25.00, "other", _OPENAI),
    "million tokens of training gpt-4.1-mini": Unit(5.00, "other", _OPENAI),
    "million tokens of training gpt-4.1-nano": Unit(1.50, "other", _OPENAI),
    "million tokens of training gpt-4o": Unit(25.00, "other", _OPENAI),
    "million tokens of training gpt-4o-mini": Unit(3.00, "other", _OPENAI),
    "million tokens of training gpt-3.5-turbo": Unit(8.00, "other", _OPENAI),
    # An hour in which a managed agent ran
    "hour of session": Unit(0.08, "other", _ANTHROPIC),
}

#: Dollars per million input tokens written to OpenAI's cache for 12 hours; genai-prices has the price for 30 minutes
#: (its note on the model, verified there 2026-10-26).
TWELVE_HOUR_WRITES = {"gpt-6.1-terra": 2.50}

_GPT = re.compile(r"gpt-(\d)(?:\.(\d+))?(?!\d)")
_CLAUDE = re.compile(r"claude-(?:[a-z]+-)?(\d+)(?:[-.](\d{1,2}))?(?!\d)")


@functools.lru_cache(maxsize=1024)
def geo_factor(seller: str, model: str, geo: str) -> float | None:
    """Return the factor on token prices for inference restricted to a place; None if none is published.

    Anthropic charges a factor of 1.1 for `us` from Claude 4.6 on, and nothing extra for earlier models
    (platform.claude.com/docs/en/about-claude/pricing, read 2026-11). Google charges 1.1 for Claude 4.5 and later at its
    regional and multi-region endpoints (genai-prices' notes on these models), and nothing extra for earlier models.
    OpenAI charges 1.1 at its regional hosts for models released since GPT-5.4 (developers.openai.com/api/docs/guides/
    data-residency, read 2026-11), Mistral for all (docs.mistral.ai/inference/regional-inference, read 2026-11). A
    Bedrock price that depends on the inference profile does not also depend on the region, except that AWS GovCloud and
    China have price lists of their own.
    """
    if seller == "aws" and model.startswith(("global.", "regional.")):
        return None if geo.startswith(("us-gov-", "cn-")) else 1.0
    if seller == "mistral":
        return 1.1
    if seller == "openai" and (match := _GPT.match(model)):
        return 1.1 if (int(match[1]), int(match[2] or 0)) >= (5, 4) else None
    match = _CLAUDE.match(model)
    if match is None or (seller == "anthropic" and geo != "us"):
        return None
    version = int(match[1]), int(match[2] or 0)
    return 1.1 if version >= ((4, 5) if seller == "google" else (4, 6)) else 1.0
