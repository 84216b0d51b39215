"""OTLP JSON in a few words: spans, log records and data points with plain attributes."""

from __future__ import annotations

from typing import Any

TRACE, SPAN, OTHER = "a1" * 16, "b2" * 8, "c3" * 8
START = 1767323045_250000000
CHAT = {"gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai", "gen_ai.request.model": "gpt-4o",
        "gen_ai.usage.input_tokens": 100, "gen_ai.usage.output_tokens": 10}  # fmt: skip


def value(of: Any) -> dict[str, Any]:
    if isinstance(of, bool):
        return {"boolValue": of}
    if isinstance(of, int):
        return {"intValue": str(of)}
    if isinstance(of, float):
        return {"doubleValue": of}
    if isinstance(of, list):
        return {"arrayValue": {"values": [value(item) for item in of]}}
    if isinstance(of, dict):
        return {"kvlistValue": {"values": pairs(of)}}
    return {"stringValue": of}


def pairs(attributes: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"key": key, "value": value(of)} for key, of in attributes.items()]


def event(name: str, attributes: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"name": name, "timeUnixNano": str(START), "attributes": pairs(attributes), **more}


def span(attributes: dict[str, Any], name: str = "chat", events: list[Any] = [], **more: Any) -> dict[str, Any]:  # noqa: B006
    return {"traceId": TRACE, "spanId": SPAN, "name": name, "kind": 3, "startTimeUnixNano": str(START),
            "endTimeUnixNano": str(START + 1_500_000_000), "attributes": pairs(attributes), "events": events,
            "status": {}, **more}  # fmt: skip


def traces(*spans: Any, scope: str = "test") -> dict[str, Any]:
    return {"resourceSpans": [{"scopeSpans": [{"scope": {"name": scope}, "spans": list(spans)}]}]}


def log(name: str, attributes: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "timeUnixNano": str(START),
        "body": {"stringValue": name},
        "attributes": pairs({"event.name": name, **attributes}),
        **more,
    }


def logs(*records: Any, scope: str = "test", resource: dict[str, Any] = {}) -> dict[str, Any]:  # noqa: B006
    return {"resourceLogs": [{"resource": {"attributes": pairs(resource)},
                              "scopeLogs": [{"scope": {"name": scope}, "logRecords": list(records)}]}]}  # fmt: skip


def metrics(name: str, *points: tuple[dict[str, Any], float]) -> dict[str, Any]:
    data = [{"timeUnixNano": str(START), "asDouble": of, "attributes": pairs(attributes)} for attributes, of in points]
    metric = {"name": name, "sum": {"dataPoints": data, "aggregationTemporality": 1, "isMonotonic": True}}
    return {"resourceMetrics": [{"scopeMetrics": [{"metrics": [metric]}]}]}
