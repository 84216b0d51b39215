"""Compute an upper bound of the cost of a call from its request alone, before it is sent.

Input: a token is at least one byte, so there are no more tokens than bytes in the body, nor than the model's context
window holds. If the body contains or refers to anything but text (an image, a file, an earlier response, a tool that
the provider runs), the whole window counts. Output: the limit in the request, else the model's, times the number of
answers requested. All tokens count at the highest price that may apply, such as that of cache writes.

Images are bounded by the number requested, and speech by the characters of the text. The cost of the provider's tools
depends on how often the model uses them, which `max_tool_calls` and `max_uses` limit; without these, ten uses are
assumed, which is not a strict bound. There is no bound for models without a price, uploads, transcriptions, videos,
batches (which are billed with their results), and speech billed by its duration.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote, urlsplit

import msgspec

from autolog._pricing.cost import Terms, price
from autolog._pricing.own import price_by_function, price_by_mapping
from autolog._pricing.sellers import entries, models, seller
from autolog._pricing.tariff import find_tariff
from autolog._pricing.units import UNITS
from autolog._record.record import Record
from autolog.providers import Format, Usage, provider_at, provider_of_model

#: The maximum output tokens of models, by the beginning of their names, optionally after a maker's name
#: (platform.openai.com/docs/models, ai.google.dev/gemini-api/docs/models, api-docs.deepseek.com, read 2026-11).
#: Anthropic's requests always state the limit. For other models, the context window is the limit.
_OUTPUT_LIMITS = [
    (re.compile(pattern), limit)
    for pattern, limit in (
        (r"(^|[./])gpt-5", 128_000),
        (r"(^|[./])o[134](-|$)", 100_000),
        (r"(^|[./])gpt-4\.1", 32_768),
        (r"(^|[./])(chatgpt|gpt)-4o", 16_384),
        (r"(^|[./])gpt-4-(turbo|1106|0125|vision)", 4_096),
        (r"(^|[./])gpt-4(-|$)", 8_192),
        (r"(^|[./])gpt-3\.5", 4_096),
        (r"(^|[./])gemini-(2\.5|3)", 65_536),
        (r"(^|[./])gemini-(1\.5|2\.0)", 8_192),
    )
]
#: The context window assumed for a model whose window is unknown, in tokens.
_WINDOW = 1_048_576
#: Input tokens that a provider adds for tools (Anthropic's system prompt for them and its own tools take up to 735
#: tokens each, platform.claude.com/docs/en/agents-and-tools/tool-use/overview, read 2026-11). The overhead of a
#: message, some five tokens, is less than the size of its JSON.
_FOR_TOOLS = 2_000
#: Signs of input that the body does not contain as text.
_ELSEWHERE = re.compile(
    rb'"(?:image|image_url|input_image|input_audio|input_file|file|file_id|file_data|fileData|file_data|inlineData|'
    rb"inline_data|document|video|audio|previous_response_id|conversation|cachedContent|cached_content|container|"
    rb'prompt_id)"\s*:\s*[{"]|"prompt"\s*:\s*\{|"type"\s*:\s*"(?:image|document|file|video|audio|input_image|input_file)'
)
#: Tools that the provider runs, which are billed separately and add what they find to the input.
_PROVIDER_TOOLS = re.compile(
    rb'"(?:web_search|web_fetch|code_interpreter|code_execution|file_search|image_generation|mcp|computer)\w*"'
    rb"|google_?[sS]earch|url_?[cC]ontext|code_?[eE]xecution"
)
#: How many uses of such tools are assumed, and the highest price of one use, in dollars (Google's grounding).
_TOOL_USES, _TOOL_PRICE = 10, 0.035
#: Image models, and the most tokens of one image (1024x1536 in high quality: the price of an image divided by the price
#: of a token, developers.openai.com/api/docs/models/gpt-image-1-mini, read 2026-11), and of one partial image.
_IMAGE_MODELS, _IMAGE_TOKENS, _PARTIAL_TOKENS = re.compile(r"gpt-image-1(-mini|\.5)?(-\d|$)"), 6_600, 100
_BY_TOKENS = frozenset({"chat", "text_completion", "generate_content", "embeddings", "responses", "complete"})
_FREE = frozenset({"count_tokens", "moderation"})


class _Request(msgspec.Struct):
    """The fields of a request that determine its cost; the decoder skips all others."""

    model: Any = None
    max_tokens: Any = None
    max_completion_tokens: Any = None
    max_output_tokens: Any = None
    generationConfig: Any = None  # noqa: N815 - Gemini's name
    inferenceConfig: Any = None  # noqa: N815 - Bedrock's name
    options: Any = None
    n: Any = None
    best_of: Any = None
    service_tier: Any = None
    speed: Any = None
    inference_geo: Any = None
    size: Any = None
    quality: Any = None
    partial_images: Any = None
    max_tool_calls: Any = None
    tools: Any = None


def upper_bound(reader: Format, url: str, body: bytes | None, own: Any = None) -> float | None:
    """Return the most that a call can cost, in dollars; None if that is unknown.

    Args:
        reader: the format of the request.
        url: the request's URL.
        body: the request's body.
        own: the user's prices, as in `Config.prices`.
    """
    address = urlsplit(url)
    path = unquote(address.path)
    operation = reader.operation(path)
    if operation in _FREE:
        return 0.0
    if not body or operation not in _BY_TOKENS | {"image_generation", "speech"}:
        return None
    try:
        request = msgspec.json.decode(body, type=_Request)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    model = request.model if isinstance(request.model, str) else reader.model_in(path)
    if not model and operation == "image_generation":
        model = "dall-e-2"  # the API's default
    if not model:
        return None
    record = Record(id="", request_url=url, request_model=model, operation_name=operation)
    record.provider_name = provider_at(address.netloc) or provider_of_model(model) or reader.provider_name
    if operation == "speech":
        return _price(record, Usage(input_characters=len(body)), Terms(), own)
    price = _images if operation == "image_generation" else _highest_price
    return price(record, request, body, own)


def _images(record: Record, request: _Request, body: bytes, own: Any) -> float | None:
    """Return the most that the requested images can cost, in dollars, by the piece or by their tokens."""
    model, images = record.request_model or "", int(request.n) if _is_whole(request.n) else 1
    if model.startswith("dall-e"):
        name = f"image of {model}, {request.size or ''}"
        prices = [unit.dollars for known, unit in UNITS.items() if known.startswith(name)]
        return images * max(prices) if prices else None
    if not _IMAGE_MODELS.match(model):
        return None
    partial = int(request.partial_images) if _is_whole(request.partial_images) else 0
    output = images * (_IMAGE_TOKENS + partial * _PARTIAL_TOKENS)
    return _price(record, Usage(input=len(body), output=output, output_image=output), Terms(), own)


def _tool_uses(request: _Request) -> int:
    """Return how often the provider's tools may be used: the request's limit, or the assumed number."""
    if _is_whole(request.max_tool_calls):
        return int(request.max_tool_calls)
    tools = [tool for tool in request.tools if isinstance(tool, dict)] if isinstance(request.tools, list) else []
    own = [tool for tool in tools if _PROVIDER_TOOLS.search(msgspec.json.encode(tool))]
    limits = [int(tool["max_uses"]) for tool in own if _is_whole(tool.get("max_uses"))]
    return sum(limits) if limits and len(limits) == len(own) else _TOOL_USES


def _highest_price(record: Record, request: _Request, body: bytes, own: Any) -> float | None:
    window = _window(record)
    tools = _PROVIDER_TOOLS.search(body) is not None
    whole = tools or _ELSEWHERE.search(body) is not None
    given = window if whole else min(len(body) + (_FOR_TOOLS if b'"tools"' in body else 0), window)
    output = 0 if record.operation_name == "embeddings" else _output(record.request_model or "", request, window)
    terms = Terms(tier=_text(request.service_tier), speed=_text(request.speed), geo=_text(request.inference_geo))
    if terms.tier in {"flex", "auto"}:
        terms = Terms(speed=terms.speed, geo=terms.geo)
    costs = [
        cost
        for usage in _usages(given, output, b"audio" in body, "image" in (record.request_model or ""))
        if (cost := _price(record, usage, terms, own)) is not None
    ]
    return max(costs) + (_tool_uses(request) * _TOOL_PRICE if tools else 0.0) if costs else None


def _usages(given: int, output: int, audio: bool, image: bool) -> Iterator[Usage]:
    """Yield the ways in which `given` input and `output` output tokens may be billed."""
    yield Usage(input=given, output=output)
    yield Usage(input=given, output=output, cache_creation=given)
    yield Usage(input=given, output=output, cache_creation=given, cache_creation_1h=given)
    if audio:
        yield Usage(input=given, output=output, input_audio=given, output_audio=output)
    if image:
        yield Usage(input=given, output=output, input_image=given, output_image=output)


def _price(record: Record, usage: Usage, terms: Terms, own: Any) -> float | None:
    if own is not None and not callable(own):
        priced = price_by_mapping(record, own, usage, terms)
        if priced is not None:
            return priced.cost
    cost = price(seller(record), models(record), usage, terms, None).cost
    if callable(own):
        record.usage_input_tokens, record.usage_output_tokens, record.cost = usage.input, usage.output, cost
        by_function = price_by_function(record, own)
        return cost if by_function is None else by_function.cost
    return cost


def _window(record: Record) -> int:
    for by, name in entries(seller(record), models(record)):
        try:
            return find_tariff(by, name, (), None).window or _WINDOW
        except LookupError:
            continue
    return _WINDOW


def _output(model: str, request: _Request, window: int) -> int:
    nested = [
        part for part in (request.generationConfig, request.inferenceConfig, request.options) if isinstance(part, dict)
    ]
    limits = [request.max_completion_tokens, request.max_output_tokens, request.max_tokens]
    limits += [part.get(name) for part in nested for name in ("maxOutputTokens", "maxTokens", "num_predict")]
    answers = [request.n, request.best_of, *(part.get("candidateCount") for part in nested)]
    known = [limit for limit in limits if _is_whole(limit)]
    most = max(known) if known else next((limit for form, limit in _OUTPUT_LIMITS if form.search(model)), window)
    return int(most) * max([1, *(int(number) for number in answers if _is_whole(number))])


def _is_whole(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 < value < 1e12


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None
