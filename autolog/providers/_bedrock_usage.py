"""Token usage at Bedrock: from the body of Converse, from headers, or from the metrics in a stream's last chunk."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from autolog.providers._facts import Facts, Usage
from autolog.providers._fields import count, first_count, mapping, objects, spelled_count, total

#: The key of the token counts in the last chunk of a stream.
METRICS = "amazon-bedrock-invocationMetrics"
#: The names of each of Converse's counts in headers and in metrics.
_NAMES = {
    "inputTokens": ("x-amzn-bedrock-input-token-count", "inputTokenCount"),
    "outputTokens": ("x-amzn-bedrock-output-token-count", "outputTokenCount"),
    "cacheReadInputTokens": ("x-amzn-bedrock-cache-read-input-token-count", "cacheReadInputTokenCount"),
    "cacheWriteInputTokens": ("x-amzn-bedrock-cache-write-input-token-count", "cacheWriteInputTokenCount"),
}


def read_usage(usage: dict[str, Any]) -> Usage:
    """Read a usage object of Converse, whose `inputTokens` exclude cache reads and writes, as Anthropic's do."""
    read = first_count(usage, "cacheReadInputTokens", "cacheReadInputTokenCount")
    written = first_count(usage, "cacheWriteInputTokens", "cacheWriteInputTokenCount")
    uncached = count(usage.get("inputTokens"))
    classes: dict[str, int | None] = {}
    for item in objects(usage.get("cacheDetails")):
        lifetime = str(item.get("ttl"))
        classes[lifetime] = total(classes.get(lifetime), count(item.get("inputTokens")))
    return Usage(
        input=None if uncached is None else total(uncached, read, written),
        output=count(usage.get("outputTokens")),
        cache_read=read,
        cache_creation=written,
        cache_creation_5m=(classes.get("5m") or 0) if classes else None,
        cache_creation_1h=(classes.get("1h") or 0) if classes else None,
    )


def fill_usage(facts: Facts, body: dict[str, Any], headers: Mapping[str, str]) -> None:
    """Fill in the usage from metrics or headers, unless the model itself reported it."""
    if facts.usage.input is not None or facts.usage.output is not None:
        return
    metrics = mapping(body.get(METRICS))
    if metrics:
        facts.raw_usage = metrics
        facts.usage = read_usage({ours: metrics.get(theirs) for ours, (_, theirs) in _NAMES.items()})
        return
    given = {header: headers[header] for header, _ in _NAMES.values() if header in headers}
    if given:
        facts.raw_usage = dict(given)
        numbers = {header: spelled_count(value) for header, value in given.items()}
        facts.usage = read_usage({ours: numbers.get(header) for ours, (header, _) in _NAMES.items()})
