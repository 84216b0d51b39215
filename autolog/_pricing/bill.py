"""Price a record by the user's own prices or the price table, and note why the cost is not exact, if it is not."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from functools import partial
from operator import attrgetter
from typing import Any
from urllib.parse import urlsplit

import msgspec

from autolog._pricing import cost
from autolog._pricing.cost import Priced, Terms, unknown
from autolog._pricing.own import price_by_function, price_by_mapping
from autolog._pricing.sellers import entries, models, seller
from autolog._pricing.stated import has_own_usage, unstated_by_report
from autolog._pricing.tariff import find_tariff, price_at
from autolog._pricing.terms import unstated_terms
from autolog._record.record import USAGE_FIELDS_BY_COUNT, Record
from autolog.providers import Facts, Usage, provider_at
from autolog.providers._facts import BY_THE_HOUR, invalid_usage
from autolog.providers._fields import count, mapping, money, text
from autolog.providers.openai import has_usage_option

#: Operations that are not billed themselves, and why.
_NOT_BILLED = {
    "batch": "billed with its items, when its results are read",
    "count_tokens": "token counting has no published price; believed to be free",
    "moderation": "moderation has no published price; believed to be free",
}


def price_record(record: Record, facts: Facts, own: Any = None) -> None:
    """Set the `cost`, in dollars, and `cost_details` of a described record.

    A cost given by the caller is kept, and marked as an estimate unless it comes with details.

    Args:
        record: the record, as filled in by `describe`.
        facts: the facts returned by `describe`.
        own: the user's prices (see `Config.prices`). A mapping replaces the table for the models in it; a function gets
            the record with its cost by the table.
    """
    if record.cost is not None:
        if "certainty" not in (record.cost_details or {}):
            record.cost_details = {**(record.cost_details or {}), **_GIVEN}
        return
    if record.cached:  # nobody charges for an answer that a gateway had already
        record.cost, record.cost_details = 0.0, {"certainty": "exact"}
        return
    usage = _usage(record, facts)
    priced = _priced(record, facts, usage, None if callable(own) else own)
    record.cost, record.cost_details = priced.cost, priced.details
    if callable(own) and (by_function := price_by_function(record, own)):
        record.cost, record.cost_details = by_function.cost, by_function.details


#: The details of a cost that was given without any.
_GIVEN = {"certainty": "estimated", "why": "as the sender computed it"}


def _usage(record: Record, facts: Facts) -> Usage:
    """Return the usage to bill: the facts' usage, overridden by the record's figures, which the caller may have set."""
    figures = dict(zip(USAGE_FIELDS_BY_COUNT, _figures_of(record), strict=True))
    if facts.billed_usage is not None:
        for attribute, figure in figures.items():
            if figure == getattr(facts.usage, attribute):
                figures[attribute] = getattr(facts.billed_usage, attribute)
    usage = msgspec.structs.replace(facts.usage, **figures)
    if record.operation_name == "speech" and usage.output is None and (spoken := text(facts.request.get("input"))):
        usage.input_characters = len(spoken)
    return usage


_figures_of = attrgetter(*USAGE_FIELDS_BY_COUNT.values())


def _priced(record: Record, facts: Facts, usage: Usage, own: Any) -> Priced:
    if why := _NOT_BILLED.get(record.operation_name or ""):
        return unknown(why)
    if record.status == "error" and usage.input is None:
        return unknown("the call failed, and the response does not say whether it was billed")
    problem = invalid_usage(facts.raw_usage) or _missing_tokens(record, facts, usage) or cost.contradiction(usage)
    terms = _terms(record, facts)
    unstated = partial(_unstated, record, facts, usage)
    doubts = [*_doubts(record, facts, usage)]
    if own is not None and not problem:
        by_mapping = price_by_mapping(record, own, usage, terms, [*doubts, *unstated(None, frozenset())])
        if by_mapping is not None:
            return by_mapping
    if facts.unbilled_reason == BY_THE_HOUR:
        return unknown(BY_THE_HOUR)
    if problem and facts.reported_cost is None:
        return unknown(problem)
    at, additional = record.start_time, facts.additional_usage
    priced = cost.price(seller(record), models(record), usage, terms, at, additional, unstated)
    if priced.cost is None:
        return unknown(_explained(record, facts, usage, priced.details["unknown"]))
    if (host := _unknown_host(record)) is not None:
        doubts.append(f"seller: it is not known who charges for calls to {host}; a published price was used")
    if facts.reported_cost is None:
        return priced.as_estimate(doubts)
    host = urlsplit(record.request_url or "").netloc
    by = provider_at(host) if host and record.extra.get("server_address") is None else record.provider_name
    as_number = money(mapping(facts.raw_usage).get("cost")) is not None
    stated = facts.format != "openai" or by in (_STATE_NUMBERS if as_number else _STATE_COSTS)
    return priced if stated else priced.as_estimate([_STRANGE_COST])


#: The providers with OpenAI's format that state the cost of a call in its response; None stands for unknown hosts. In a
#: report the cost may be the reporter's (LiteLLM puts its own into the usage of streams), so its provider decides.
_STATE_COSTS = frozenset({"openrouter", "perplexity", "x_ai", None})
#: Those that state it as a number of dollars; Perplexity's is an object, and xAI's is in ticks.
_STATE_NUMBERS = frozenset({"openrouter", None})
_STRANGE_COST = "the response states a cost, which its provider is not known to do"


def _unknown_host(record: Record) -> str | None:
    """Return the host of a call if it is not a provider's, but a gateway, a proxy or the user's server; else None."""
    host = urlsplit(_address(record) or "").netloc
    return None if not host or provider_at(host) else host


def _address(record: Record) -> str | None:
    """Return the URL of a call; for a report of one, that of the host in it, if it names one."""
    host = record.extra.get("server_address")
    return record.request_url or (f"https://{host}" if host else None)


def _unstated(record: Record, facts: Facts, usage: Usage, by: str | None, has: frozenset[str]) -> Iterator[str]:
    """Yield the reasons why a cost is not exact because the call does not state all of its terms.

    Args:
        record: the call's record.
        facts: the facts read from its bodies.
        usage: the usage to bill.
        by: the tariff's seller.
        has: the prices and variants that the tariff has.
    """
    call = _call(record, facts)
    yield from unstated_terms(call, facts.format, by, has)
    yield from unstated_by_report(record, facts, usage, call, has)
    if by == "aws" and (usage.input or 0) > _LONG:
        yield from _unpublished_tier(record, usage.input or 0, by)


#: The input tokens beyond which some makers charge more.
_LONG = 200_000


def _unpublished_tier(record: Record, tokens: int, by: str) -> Iterator[str]:
    """Yield a reason if so long an input costs more at the model's maker, and a seller's list has one price for all."""
    for listed_by, name in entries(by, models(record)):
        try:
            price = find_tariff(listed_by, name, (), record.start_time).unit_prices.get("input_mtok")
        except LookupError:
            continue
        if isinstance(price, dict) and price_at(price, tokens) != price["base"]:
            if listed_by != by:
                yield f"long input: {listed_by} charges more for it, and the price list of {by} has one price"
            return


def _call(record: Record, facts: Facts) -> dict[str, Any]:
    """Return a call as the mapping to which the paths in `terms.TERMS` apply."""
    return {
        "request": _request(facts),
        "response": facts.response,
        "headers": record.response_headers,
        "model": record.request_model or record.response_model,
        "url": record.request_url,
    }


def _request(facts: Facts) -> dict[str, Any]:
    """Return a request with the fields that its response repeats, and those that an SDK was to add to it.

    OpenAI's Responses API repeats the settings; reports have the arguments of the SDK's method, such as `extra_body`.
    """
    response = mapping(facts.response)
    settings = response if response.get("object") == "response" else {}
    added = mapping(facts.request.get("extra_body"))
    return {**settings, **facts.request, **added} if settings or added else facts.request


def _terms(record: Record, facts: Facts) -> Terms:
    batch = record.response_service_tier == "batch"
    # Anthropic has the same host for all places, and names the place in the response, which a report may lack. Other
    # sellers of its models charge by the host that was asked, whatever their responses repeat.
    url = record.request_url if record.provider_name == "anthropic" else _address(record)
    return Terms(
        tier=None if batch else record.response_service_tier,
        batch=batch,
        speed=facts.speed,
        geo=(facts.geo if seller(record) == "anthropic" else None) or _region(url),
        reported=facts.reported_cost,
    )


@functools.lru_cache(maxsize=256)
def _region(url: str | None) -> str | None:
    """Return the region that a URL restricts the call to, or "global" if it names none; None without a URL."""
    if url is None:
        return None
    return next((match[1] for pattern in _REGIONS if (match := re.search(pattern, url))), "global")


#: Where URLs of OpenAI, Mistral, Vertex and Bedrock name a region. Bedrock's price list is for its regions in the
#: United States, which therefore do not count.
_REGIONS = (
    r"^https://([a-z]{2})\.api\.openai\.com",
    r"^https://api\.([a-z]{2})\.mistral\.ai",
    r"googleapis\.com/.*/locations/([\w-]+)/",
    r"^https://([\w-]+)-aiplatform\.googleapis\.com",
    r"^https://aiplatform\.([\w-]+)\.rep\.googleapis\.com",
    (
        r"^https://(?:[\w-]+\.)?bedrock-(?:[a-z]+-)?(?:runtime|mantle)(?:-fips)?\.(?!us-(?:east|west)-\d)([\w-]+)\."
        r"(?:vpce\.)?(?:amazonaws\.com|api\.aws)"
    ),
)


_USAGE_OPTION = "stream_options={'include_usage': True}"


def _explained(record: Record, facts: Facts, usage: Usage, why: str) -> str:
    """Return why a cost is unknown, and what the user can do to make it known."""
    if usage.input is None and facts.unbilled_reason and not usage.units:
        return facts.unbilled_reason
    if why.startswith("Unable to find provider"):  # by genai-prices: the user's own server, or no price list
        return f"no price list covers {record.provider_name}; configure(prices=...) can set its models' prices"
    if record.request_stream and facts.raw_usage is None and facts.format == "openai" and has_usage_option(facts.path):
        return f"{why}; a chat stream reports it with {_USAGE_OPTION} or configure(stream_usage=...)"
    return why


#: The keys of the total number of tokens, by format; in others, as in Gemini's interactions, it is `total_tokens`.
_TOTALS = {"bedrock": "totalTokens", "gemini": "totalTokenCount"}


def _doubts(record: Record, facts: Facts, usage: Usage) -> Iterator[str]:
    """Yield the reasons why the provider may charge something else, although every part has a price."""
    if facts.uncertainty:
        yield facts.uncertainty
    if by := record.extra.get("usage_estimated"):
        yield f"usage counted with {by}, not by the provider"
    if record.operation_name == "chat" and usage.units and any(name.startswith("container") for name in usage.units):
        yield "a container may serve several responses, and is billed once"
    reported = mapping(record.usage)
    whole = count(reported.get(_TOTALS.get(facts.format, ""), reported.get("total_tokens")))
    if record.operation_name == "chat" and None not in (whole, usage.input, usage.output):
        more = (whole or 0) - (usage.input or 0) - (usage.output or 0)
        cached = (usage.cache_read or 0) + (usage.cache_creation or 0)
        if more and not (facts.format == "bedrock" and more == -cached):  # its totals may exclude cached tokens
            yield f"the total is {abs(more)} tokens {'more' if more > 0 else 'less'} than input and output together"
    if record.provider_name == "x_ai" and usage.reasoning and whole is None and facts.reported_cost is None:
        yield "the response does not say whether the output tokens include those of reasoning"
    by_lifetime = (usage.cache_creation_5m or 0) + (usage.cache_creation_1h or 0)
    no_lifetimes = usage.cache_creation_5m is None and usage.cache_creation_1h is None
    is_split = not no_lifetimes or reported.get("cache_creation") is not None
    if is_split and by_lifetime != (usage.cache_creation or 0):
        yield f"the response says for how long {by_lifetime} of {usage.cache_creation} tokens were written to the cache"


#: Operations that always have input, and those that bill their output, too.
_BILL_INPUT = frozenset({"chat", "text_completion", "embeddings", "generate_content"})
_BILL_BOTH = frozenset({"chat", "text_completion", "compact"})


def _missing_tokens(record: Record, facts: Facts, usage: Usage) -> str | None:
    """Return a message if tokens that an operation bills are missing, although other things that it bills are given."""
    if record.operation_name in _BILL_INPUT and usage.input == 0 and not usage.output:
        return None if has_own_usage(record, facts) else "the log has 0 for tokens that its sender does not know"
    has_input, has_output = usage.input is not None, usage.output is not None
    if record.operation_name == "embeddings" and has_output and not has_input:
        return "the response does not say how many input tokens there were"
    if record.operation_name not in _BILL_BOTH or (has_input and has_output):
        return None
    if not has_input and not has_output:
        return None if usage == Usage() else "the response does not say how many tokens there were"
    if mapping(record.usage).get("total_tokens") == (usage.input if has_input else usage.output):
        return None  # the missing side is zero
    return f"the response does not say how many {'output' if has_input else 'input'} tokens there were"
