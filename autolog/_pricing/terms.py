"""The terms of a tariff: everything that a price may depend on besides the model and the number of tokens.

`TERMS` lists, for each format, the terms, how a request departs from their usual value, and where the response states
what was charged. `SELLERS` lists terms that depend on the seller, whatever the format. A cost is exact only if every
term of the model's tariff has its usual value, or if the response states its value.

A path starts with `request`, `response`, `headers` (the response's), `model` or `url`, followed by keys. Every element
of a list is visited; `*` matches any one key, and `**` any number of keys.

Agreements between an account and its provider (discounts, credits, free tiers) are not terms of a tariff, because costs
are computed from published prices. An account setting that replaces a field of the request (the service tier of an
OpenAI project, the inference geography of an Anthropic workspace) is stated by the response.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

#: In `Tariff.has`: the price applies to certain hours of the day only.
HOURS = "hours"


class Term(NamedTuple):
    """Something that a price may depend on.

    Attributes:
        name: the name used in `cost_details.why`.
        unusual: paths, each with a regular expression for the values that are not charged as usual.
        stated_at: paths at which a response states what was charged; empty if no response does.
        affects: the prices or variants that depend on the term; a tariff with none of them does not have the term.
            Empty if all tariffs have it.
        models: a regular expression for the models that have the term; empty for all.
        why: the reason why the cost is not exact, unless it is just that the response does not state what was charged.
    """

    name: str
    unusual: tuple[tuple[str, str], ...]
    stated_at: tuple[str, ...] = ()
    affects: frozenset[str] = frozenset()
    models: str = ""
    why: str = ""


_AUDIO = r"(input_)?audio$"
#: Models that charge more for audio, for which the price list has the price of text only.
_GPT_AUDIO = r".*gpt-4o(-mini)?-audio"
_NO_AUDIO_PRICE = "its price is not in the price list, and the response does not say how many tokens it had"
_IMAGE = r"(input_)?image(_url)?$"
#: Matches values that are not text.
_UNREADABLE = "\0"
_STANDARD = r"(?!(auto|default|standard|standard_only|on_demand)$)."
#: Matches every call.
_ANY = (("model", r""),)
_DETAILS = ("response.usage.prompt_tokens_details", "response.usage.input_tokens_details",
            "response.usage.input_token_details")  # fmt: skip
_OUTPUT_DETAILS = ("response.usage.completion_tokens_details", "response.usage.output_tokens_details",
                   "response.usage.output_token_details")  # fmt: skip


def _unreadable_tier(*paths: str) -> Term:
    return Term("service tier", tuple((path, _UNREADABLE) for path in paths), why="it is stated in no readable form")


def _at(places: tuple[str, ...], name: str) -> tuple[str, ...]:
    return tuple(f"{place}.{name}" for place in places)


_PROMPT_DETAILS = ("response.usageMetadata.promptTokensDetails", "response.usage.input_tokens_by_modality")
_OTHER_OUTPUT = r"(?i)(?!(text|image|audio)$)"

#: The terms of each format, by the name of its module in `autolog.providers`.
TERMS: dict[str, tuple[Term, ...]] = {
    "openai": (
        Term("service tier", (("request.service_tier", _STANDARD),), ("response.service_tier",)),
        Term("cache lifetime", (("request.prompt_cache_options.ttl", r"(?!30m$)."),),
             _at(_DETAILS, "cache_write_tokens_details"), frozenset({"cache_write_12h_mtok"})),
        Term("web searches", (("request.tools.type", r"web_search"),), ("response.output",)),
        Term("web searches", (("request.web_search_options", r""), ("model", r".*-search-(preview|api)"))),
        Term("web searches", (("request.tools.type", r"web_search_preview"),), models=r".*gpt-4",
             why="this tool's fee for models that do not reason is not in the price list"),
        Term("content of searches", (("response.output.type", r"web_search_call"),), models=r".*gpt-4(o|\.1)-mini",
             why="each search is charged a fixed number of tokens, which the response does not report"),
        Term("image generation", (("response.output.type", r"image_generation_call"),)),
        Term("container", (("request.tools.environment.type", r"container"),)),
        Term("tools of the provider", (
            ("response.choices.message.executed_tools", r""), ("request.tools.type", r"builtin_function"),
            ("request.enable_search", r""), ("request.plugins", r""), ("model", r"(groq/)?compound"))),
        Term("live search", (("request.search_parameters", r""),), ("response.usage.num_sources_used",)),
        Term("audio input", (("request.**.type", _AUDIO), ("request.messages.audio", r""), ("request.file", r"")),
             _at(_DETAILS, "audio_tokens"), frozenset({"input_audio_mtok"})),
        Term("audio output", (("request.modalities", r"audio"),), _at(_OUTPUT_DETAILS, "audio_tokens"),
             frozenset({"output_audio_mtok"})),
        Term("audio input", (("request.**.type", _AUDIO), ("request.messages.audio", r"")),
             _at(_DETAILS, "audio_tokens"), models=_GPT_AUDIO, why=_NO_AUDIO_PRICE),
        Term("audio output", (("request.modalities", r"audio"),), _at(_OUTPUT_DETAILS, "audio_tokens"),
             models=_GPT_AUDIO, why=_NO_AUDIO_PRICE),
        Term("image input", (("request.**.type", _IMAGE), ("request.image", r""), ("request.images", r"")),
             _at(_DETAILS, "image_tokens"), frozenset({"input_image_mtok"})),
        Term("text beside images", (("response.data", r""), ("response.b64_json", r"")),
             _at(_OUTPUT_DETAILS, "image_tokens"), frozenset({"output_image_mtok"}), r".*(gpt|chatgpt)-image"),
    ),
    "anthropic": (
        Term("service tier", (("request.service_tier", _STANDARD),), ("response.usage.service_tier",)),
        _unreadable_tier("response.usage.service_tier"),
        Term("speed", (("request.speed", r"(?!standard$)."),), ("response.usage.speed",)),
        Term("inference geo", (("request.inference_geo", r"(?!global$)."),), ("response.usage.inference_geo",)),
        Term("cache lifetime", (("request.**.cache_control.ttl", r"(?!5m$)."),), ("response.usage.cache_creation.*",),
             frozenset({"cache_write_1h_mtok"})),
        Term("web searches", (("response.content.type", r"web_search_tool_result"),),
             ("response.usage.server_tool_use.web_search_requests",)),
        Term("code execution time", (("response.content.type", r".*code_execution_tool_result"),
                                     ("response.container.id", r""))),
        Term("fallback credit", (("response.usage.fallback_credit.status.type", r"redeemed"),),
             why="some cache writes are charged as reads, and the response does not say how many"),
        Term("who is billed", (("request.billing_policy.bill_to", r"(?!self$)."),),
             why="the organization of a user profile is billed, on its own terms"),
    ),
    "gemini": (
        Term("service tier", (("request.serviceTier", _STANDARD), ("request.service_tier", _STANDARD)),
             ("response.usageMetadata.serviceTier", "response.usageMetadata.trafficType", "response.service_tier")),
        _unreadable_tier("response.usageMetadata.serviceTier", "response.usageMetadata.trafficType",
                         "response.service_tier"),
        Term("audio input", (("request.**.mimeType", r"(audio|video)/"), ("request.**.mime_type", r"(audio|video)/"),
                             ("request.**.fileData", r""), ("request.**.file_data", r""),  # perhaps of a video
                             ("request.cachedContent", r"")),
             _PROMPT_DETAILS, frozenset({"input_audio_mtok"})),
        Term("image input", (("request.**.mimeType", r"image/"), ("request.**.mime_type", r"image/")),
             _PROMPT_DETAILS, frozenset({"input_image_mtok"})),
        Term("video input", (("request.**.mimeType", r"video/"), ("request.**.mime_type", r"video/")), (),
             frozenset({"input_video_mtok"})),
        Term("image or audio output", (("request.generationConfig.responseModalities", r"(?i)image|audio"),
                                       ("request.response_modalities", r"(?i)image|audio"),
                                       ("response.candidates.content.parts.inlineData.mimeType", r"(image|audio)/")),
             ("response.usageMetadata.candidatesTokensDetails", "response.usage.output_tokens_by_modality"),
             frozenset({"output_image_mtok", "output_audio_mtok"})),
        Term("other input", tuple((f"{place}.modality", r"(?i)(?!(text|image|audio|video|document)$)")
                                  for place in _PROMPT_DETAILS), affects=frozenset({"input_audio_mtok"})),
        Term("other output", (("response.usageMetadata.candidatesTokensDetails.modality", _OTHER_OUTPUT),
                              ("response.usage.output_tokens_by_modality.modality", _OTHER_OUTPUT)),
             why="the price of text was used for it"),
        Term("free searches", (("response.candidates.groundingMetadata.webSearchQueries", r""),)),
        Term("grounding", (*((f"request.tools.{name}", r"") for name in (
            "googleMaps", "google_maps", "enterpriseWebSearch", "enterprise_web_search", "retrieval")),
            ("response.candidates.groundingMetadata.groundingChunks.maps", r""))),
        Term("grounding", (("request.tools.type", r"google_maps|retrieval|enterprise_web_search"),
                           ("response.usage.grounding_tool_count.type", r"(?!google_search$)."))),
        Term("free searches", (("response.usage.grounding_tool_count.type", r"google_search$"),)),
    ),
    "bedrock": (
        Term("service tier", (("request.serviceTier.type", _STANDARD), ("request.service_tier", _STANDARD)),
             ("response.serviceTier.type", "headers.x-amzn-bedrock-service-tier")),
        _unreadable_tier("response.serviceTier.type", "response.usage.service_tier"),
        Term("latency", (("request.performanceConfig.latency", _STANDARD),),
             ("response.performanceConfig.latency", "headers.x-amzn-bedrock-performanceconfig-latency")),
        Term("cache lifetime", (("request.**.cachePoint.ttl", r"(?!5m$)."),
                                ("request.**.cache_control.ttl", r"(?!5m$).")),
             ("response.usage.cacheDetails", "response.usage.cache_creation.*"), frozenset({"cache_write_1h_mtok"})),
        Term("code execution time", (("response.content.type", r".*code_execution_tool_result"),)),
        Term("tools of the provider", (("request.toolConfig.tools.systemTool.name", r""),)),
        Term("guardrails", (("request.guardrailConfig.guardrailIdentifier", r""),
                            ("response.amazon-bedrock-guardrailAction", r""))),
        Term("provisioned throughput", (("model", r"arn:.*:(provisioned-model|custom-model|imported-model)"),),
             why="it is billed by the hour"),
    ),
    "mistral": (
        Term("service tier", (("request.service_tier", _STANDARD),),
             ("response.service_tier", "response.usage.service_tier")),
        _unreadable_tier("response.service_tier", "response.usage.service_tier"),
        Term("connectors", (("request.tools.type", r"web_search|image_generation|code_interpreter|document_library"),),
             ("response.usage.connectors", "response.choices")),
    ),
    "dashscope": (
        Term("web searches", (("request.parameters.enable_search", r""),)),
    ),
}  # fmt: skip

#: The terms of each seller, by genai-prices' name; those under the empty name apply to all sellers.
#: Sources: Azure: azure.microsoft.com/pricing/details/azure-openai and genai-prices' note on it; OpenRouter:
#: openrouter.ai/docs/features/provider-routing; DeepSeek and Perplexity: genai-prices' notes on their models; Zhipu:
#: genai-prices' note on it; Z.ai: docs.z.ai/devpack; Moonshot: platform.moonshot.cn/docs/pricing/chat.
SELLERS: dict[str, tuple[Term, ...]] = {
    "openai": (
        Term("service tier", (("response.service_tier", r"auto$"),), affects=frozenset({"service_tier"}),
             why="the response says `auto`, which is what was requested and not what was served"),
        Term("completion window", (("request.background_options.completion_window", r"(?!soonest$)."),),
             why="responses within some hours are discounted, and the response does not say by how much"),
        Term("paused time", (("response.usage.paused_seconds", r""),), affects=frozenset({"audio_hours"}),
             why="a live session is charged less while it is paused, at a rate that the response does not report"),
    ),
    "x-ai": (
        Term("tools", (("request.tools.type", r"(x_search|code_execution|\w+_search)$"),),
             ("response.usage.num_server_side_tools_used",)),
        Term("tools", (("response.usage.num_server_side_tools_used", r""),
                       ("response.usage.server_side_tool_usage_details.*", r""))),
    ),
    "azure": (
        Term("deployment type", _ANY, why="the response does not say whether the deployment is global, data-zone, "
             "regional or provisioned; the global price was used"),
    ),
    "openrouter": (
        Term("route", _ANY, why="each provider behind it has its own price, and the response does not report the cost"),
    ),
    "deepseek": (
        Term("time of day", _ANY, affects=frozenset({HOURS}), models=r"deepseek-(flash|v4)",
             why="peak prices apply on workdays only, and the price list does not cover holidays"),
    ),
    "zai": (Term("coding plan", (("url", r"https://api\.z\.ai(:443)?/api/(coding|anthropic)/"),),
                 why="subscribers of a coding plan are not charged by the token at this address"),),
    "zhipuai": (
        Term("currency", _ANY, why="it charges in yuan, and more for long texts; the price list has dollars at a fixed "
             "rate, for short texts"),
    ),
    "moonshotai": (
        Term("currency", (("url", r"https://api\.moonshot\.cn(:443)?/"),),
             why="this host charges in yuan; the price list has the dollars of the international one"),
    ),
    "": (
        Term("fee by the request", _ANY, affects=frozenset({"requests_kcount"}),
             why="it depends on how much was searched, which the response does not say"),
        Term("kind of search", _ANY, affects=frozenset({"search_type"}), why="the response does not say which it was"),
        Term("citations", _ANY, affects=frozenset({"output_citation_mtok"}), why="they have a price of their own"),
        Term("reasoning", _ANY, affects=frozenset({"output_reasoning_mtok"}), why="it has a price of its own"),
        Term("messages", _ANY, affects=frozenset({"input_text_messages_kcount"}), why="they are billed per item"),
        Term("route", _ANY, affects=frozenset({"route"}), why="the response does not say which route was used"),
    ),
}  # fmt: skip


def unstated_terms(call: Mapping[str, Any], wire_format: str, seller: str | None, has: frozenset[str]) -> Iterator[str]:
    """Yield why a cost is not exact, for each unusual term of a call whose value the response does not state.

    Args:
        call: the call's `request`, `response`, `headers`, `model` and `url`.
        wire_format: a key of `TERMS`; other formats have no terms.
        seller: the tariff's seller, a key of `SELLERS`; None for the user's own prices.
        has: the prices and variants of the model's tariff.
    """
    for term, unusual, walks in _terms_of(wire_format, seller, call["model"] or "", has, _entries_in(call)):
        if walks and _is_stated(call, term):
            continue
        if (requested := _unusual(call, unusual)) is not None and not _is_stated(call, term):
            words = f"{requested} was requested" if requested else "used"
            yield f"{term.name}: {term.why or f'{words}, and the response does not say what was charged'}"


class _Unusual(NamedTuple):
    """A path with values that are not charged as usual.

    Attributes:
        keys: the keys of the path.
        pattern: matches the unusual values.
        is_shown: whether such a value was requested, and can be shown.
    """

    keys: tuple[str, ...]
    pattern: re.Pattern[str]
    is_shown: bool


@functools.lru_cache(maxsize=4096)
def _terms_of(
    wire_format: str, seller: str | None, model: str, has: frozenset[str], entries: frozenset[str]
) -> tuple[tuple[Term, list[_Unusual], bool], ...]:
    """Return the terms that apply to a model's tariff, with the paths that may be unusual in a call with these entries.

    Each also comes with whether following the paths walks a whole body.
    """
    of_seller = () if seller is None else (*SELLERS.get(seller, ()), *SELLERS[""])
    applicable = []
    for term in (*TERMS.get(wire_format, ()), *of_seller):
        if (not term.affects or term.affects & has) and (not term.models or re.match(term.models, model)):
            unusual = [
                _path(path, pattern)
                for path, pattern in term.unusual
                if _entry(path) in entries and (path != "model" or re.match(pattern, model))
            ]
            if unusual:
                applicable.append((term, unusual, any("**" in path.keys for path in unusual)))
    return tuple(applicable)


@functools.cache
def _keys(path: str) -> tuple[str, ...]:
    return tuple(path.split("."))


def _entry(path: str) -> str:
    """Return the key at which a path enters a body; the whole path, if it is `model` or `url`."""
    return _keys(path)[:2][-1]


@functools.cache
def _path(path: str, pattern: str) -> _Unusual:
    return _Unusual(_keys(path), re.compile(pattern), not path.startswith(("model", "response")))


def _entries_in(call: Mapping[str, Any]) -> frozenset[str]:
    """Return the entries of paths that a call's bodies and headers have; calls have few different sets of them."""
    parts = (call["request"], call["response"], call["headers"])
    items = [item for part in parts for item in (part if isinstance(part, list) else [part]) if isinstance(item, dict)]
    return _ENTRIES.intersection({"model", "url", "*", "**"}.union(*items))


#: The entries of all paths.
_ENTRIES = frozenset(
    _entry(path) for terms in (*TERMS.values(), *SELLERS.values()) for term in terms for path, _ in term.unusual
)


def has_details(call: Mapping[str, Any], wire_format: str, prices: frozenset[str]) -> bool:
    """Return whether a response has the details that show how much of its usage is charged at certain prices.

    Also true if no request in this format can ask for anything that is charged at these prices.
    """
    return all(_is_stated(call, term) for term in _requested_terms(wire_format, prices))


@functools.lru_cache(maxsize=256)
def _requested_terms(wire_format: str, prices: frozenset[str]) -> tuple[Term, ...]:
    """Return the terms of a format that affect certain prices, and that a request can ask for."""
    return tuple(
        term
        for term in TERMS.get(wire_format, ())
        if term.affects & prices and any(path.startswith("request") for path, _ in term.unusual)
    )


def _unusual(call: Mapping[str, Any], paths: Iterable[_Unusual]) -> str | None:
    """Return the first value that is not charged as usual, or "" if it cannot be shown; None if there is none."""
    for path in paths:
        for value in values_at(call, path.keys):
            if value in (None, False, []):
                continue
            if path.pattern.match(value if isinstance(value, str) else _UNREADABLE):
                return value if isinstance(value, str) and path.is_shown else ""
    return None


def _is_stated(call: Mapping[str, Any], term: Term) -> bool:
    return any(value is not None for path in term.stated_at for value in values_at(call, _keys(path)))


def values_at(data: Any, path: tuple[str, ...]) -> Iterator[Any]:
    """Yield the values at a path of JSON data; of a list, each element, or the list itself if it is empty."""
    start = 0
    for key in path:  # fast path, until the first list or wildcard
        if type(data) is not dict or key[0] == "*":
            break
        if key not in data:
            return
        data, start = data[key], start + 1
    if start == len(path) and type(data) is not list:
        yield data
        return
    waiting = [(data, start)]
    while waiting:
        value, at = waiting.pop()
        if at == len(path):
            if isinstance(value, list) and value:
                waiting += [(item, at) for item in value]
            else:
                yield value
        elif isinstance(value, list):
            waiting += [(item, at) for item in value if isinstance(item, (dict, list))]
        elif isinstance(value, dict):
            if path[at] == "**":
                waiting.append((value, at + 1))
                waiting += [(item, at) for item in value.values() if isinstance(item, (dict, list))]
            elif path[at] == "*":
                waiting += [(item, at + 1) for item in value.values()]
            elif path[at] in value:
                waiting.append((value[path[at]], at + 1))
