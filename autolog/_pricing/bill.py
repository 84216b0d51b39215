"""Price a record, once: by the user's own prices or the table, with the reasons for which it is not exact."""

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
from autolog._pricing.sellers import models, seller
from autolog._pricing.terms import OWN_USAGE, untold_by_reporter, untold_terms
from autolog._record.record import USAGE_FIELDS_BY_COUNT, Record
from autolog.providers import Facts, Usage, provider_at
from autolog.providers._facts import invalid_usage
from autolog.providers._fields import count, mapping, text

#: Operations that have no bill of their own, and why.
_NOT_BILLED = {
    "batch": "billed with its items, when its results are read",
    "count_tokens": "counting tokens has no published price; believed free",
    "moderation": "moderation has no published price; believed free",
}


def price_record(record: Record, facts: Facts, own: Any = None) -> None:
    """Set the cost of a described record and its `cost_details`; a cost that the caller gave stays, as an estimate.

    Args:
        facts: as `describe` returned them. own: the user's prices (see `Config.prices`). A mapping replaces the table
            for the models in it; a function sees the record with the cost by the table.
    """
    if record.cost is not None:
        if "certainty" not in (record.cost_details or {}):
            record.cost_details = {**(record.cost_details or {}), **_GIVEN}
        return
    usage = _usage(record, facts)
    priced = _priced(record, facts, usage, None if callable(own) else own)
    record.cost, record.cost_details = priced.cost, priced.details
    if callable(own) and (by_function := price_by_function(record, own)):
        record.cost, record.cost_details = by_function.cost, by_function.details


#: What is known of a cost that came without a word on how it was made.
_GIVEN = {"certainty": "estimated", "why": "as the sender computed it"}


def _usage(record: Record, facts: Facts) -> Usage:
    """Return the usage to bill: the record's figures, which may be the caller's own, over those that were read."""
    figures = dict(zip(USAGE_FIELDS_BY_COUNT, _figures_of(record), strict=True))
    if facts.billed_usage is not None:
        for attribute, figure in figures.items():
            if figure == getattr(facts.usage, attribute):
                figures[attribute] = getattr(facts.billed_usage, attribute)
    usage = msgspec.structs.replace(facts.usage, **figures)
    if record.operation_name == "speech" and usage.output is None and (said := text(facts.request.get("input"))):
        usage.input_characters = len(said)
    return usage


_figures_of = attrgetter(*USAGE_FIELDS_BY_COUNT.values())


def _priced(record: Record, facts: Facts, usage: Usage, own: Any) -> Priced:
    if why := _NOT_BILLED.get(record.operation_name or ""):
        return unknown(why)
    if record.status == "error" and usage.input is None:
        return unknown("the call failed, and the answer says nothing of a bill")
    problem = invalid_usage(facts.raw_usage) or _half(record, usage) or cost.impossible(usage)
    terms = _terms(record, facts)
    untold = partial(_untold, record, facts, usage)
    doubts = [*_doubts(record, facts, usage)]
    if own is not None and not problem:
        by_mapping = price_by_mapping(record, own, usage, terms, [*doubts, *untold(None, frozenset())])
        if by_mapping is not None:
            return by_mapping
    if problem and facts.reported_cost is None:
        return unknown(problem)
    at, beside = record.start_time, facts.additional_usage
    priced = cost.price(seller(record), models(record), usage, terms, at, beside, untold)
    if priced.cost is None:
        return unknown(_explained(record, facts, usage, priced.details["unknown"]))
    if (host := _unknown_host(record)) is not None:
        doubts.append(f"seller: nobody says who charges for what {host} answers; a published price was taken")
    return priced.doubted(doubts) if facts.reported_cost is None else priced


def _unknown_host(record: Record) -> str | None:
    """Return the host of a call if it is no provider's: a gateway, a proxy, a server of one's own; None if it is."""
    host = urlsplit(record.request_url or "").netloc
    return None if not host or provider_at(host) else host


def _untold(record: Record, facts: Facts, usage: Usage, by: str | None, has: frozenset[str]) -> Iterator[str]:
    """Yield why a cost by a tariff is not exact: `by` whom it is, and the prices and variants that it `has`."""
    yield from untold_terms(_call(record, facts), facts.format, by, has)
    if usage.input is not None and not _has_own_usage(record, facts):
        told = {name for name in Usage.__struct_fields__ if getattr(usage, name) is not None}
        told |= {"service_tier"} if record.response_service_tier is not None else set()
        told |= (
            {"cache lives"} if told & {"cache_creation_5m", "cache_creation_1h"} or not usage.cache_creation else set()
        )
        yield from untold_by_reporter(told, record.provider_name, record.request_model or "", has)


def _has_own_usage(record: Record, facts: Facts) -> bool:
    """Return whether a record has the provider's own usage object, not counts or an object of a reporter's.

    LiteLLM and others above the SDKs make a usage like OpenAI's of everybody's; what was seen on the wire is the
    provider's, whatever its shape.
    """
    if record.usage is None or record.extra.get("usage_alone"):  # and not the terms that stand beside it
        return False
    return facts.format != "openai" or record.request_url is not None or record.provider_name not in OWN_USAGE


def _call(record: Record, facts: Facts) -> dict[str, Any]:
    """Return a call as the paths in `terms.TERMS` see it."""
    model = record.request_model or record.response_model
    return {"request": facts.request, "response": facts.response, "headers": record.response_headers, "model": model}


def _terms(record: Record, facts: Facts) -> Terms:
    batch = record.response_service_tier == "batch"
    return Terms(
        tier=None if batch else record.response_service_tier,
        batch=batch,
        speed=facts.speed,
        geo=facts.geo or _region(record.request_url),
        reported=facts.reported_cost,
    )


@functools.lru_cache(maxsize=256)
def _region(url: str | None) -> str | None:
    """Return the region to which an address binds the call, for which its provider may charge more; None if to none."""
    for pattern in _REGIONS:
        if (found := re.search(pattern, url or "")) and found[1] != "global":
            return found[1]
    return None


#: Where the addresses of OpenAI, of Vertex and of Bedrock name a region; Bedrock's price list is that of its regions in
#: the United States.
_REGIONS = (
    r"^https://([a-z]{2})\.api\.openai\.com",
    r"googleapis\.com/.*/locations/([\w-]+)/",
    r"^https://([\w-]+)-aiplatform\.googleapis\.com",
    r"^https://aiplatform\.([\w-]+)\.rep\.googleapis\.com",
    r"^https://bedrock-(?:[a-z]+-)?runtime\.(?!us-(?:east|west)-\d)([\w-]+)\.amazonaws\.com",
)


_USAGE_OPTION = "stream_options={'include_usage': True}"


def _explained(record: Record, facts: Facts, usage: Usage, why: str) -> str:
    """Return why a cost is unknown, with what would make it known."""
    if usage.input is None and facts.unbilled_reason and not usage.units:
        return facts.unbilled_reason
    if why.startswith(
        "Unable to find provider"
    ):  # of genai-prices: a server of one's own, or one that it has no list of
        return f"no price list has {record.provider_name}; configure(prices=...) can give its models prices"
    if record.request_stream and facts.raw_usage is None and facts.format == "openai":
        return f"{why}; a chat stream tells it with {_USAGE_OPTION} or configure(stream_usage=...)"
    return why


def _doubts(record: Record, facts: Facts, usage: Usage) -> Iterator[str]:
    """Yield the reasons for which the bill may not be what the provider charges, though every part has a price."""
    if facts.uncertainty:
        yield facts.uncertainty
    if by := record.extra.get("usage_estimated"):
        yield f"usage counted with {by}, not by the provider"
    if record.operation_name == "chat" and usage.units and any(name.startswith("container") for name in usage.units):
        yield "a container may serve several responses, and is billed once"
    whole = count(mapping(record.usage).get("total_tokens"))
    if whole is not None and None not in (usage.input, usage.output):
        more = whole - (usage.input or 0) - (usage.output or 0)
        if more > 0 and record.operation_name == "chat":
            yield f"the total says {more} tokens more than input and output together"


def _half(record: Record, usage: Usage) -> str | None:
    """Return which side of a conversation's usage is missing, if one is: both are billed."""
    if record.operation_name not in {"chat", "text_completion"} or (usage.input is None) == (usage.output is None):
        return None
    if mapping(record.usage).get("total_tokens") == (usage.input if usage.output is None else usage.output):
        return None  # there was nothing else
    missing = "input" if usage.input is None else "output"
    return f"the response does not say how many {missing} tokens there were"
