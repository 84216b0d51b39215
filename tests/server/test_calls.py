"""Prometheus metrics of calls by project, provider, model and status: each call once, in a bounded number of series."""

from __future__ import annotations

import re

from dialects.samples import Server
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from autolog._record.record import Record
from autolog.server._calls import MOST_ERRORS, MOST_SERIES, CallMetrics

SHOP = {"x-autolog-project": "shop"}


def figures(text: str) -> dict[str, float]:
    """Return the samples of a text, by name and labels."""
    rows = (line.rpartition(" ") for line in text.splitlines() if line and not line.startswith("#"))
    return {name: float(value) for name, _, value in rows if not name.split("{")[0].endswith("_created")}


def series(name: str, **labels: str) -> str:
    shown = ",".join(f'{key}="{value}"' for key, value in sorted(labels.items()))
    return f"{name}{{{shown}}}"


def of(project: str, model: str, **more: str) -> dict[str, str]:
    return {"project": project, "gen_ai_provider_name": "openai", "gen_ai_request_model": model, **more}


def call(name: str, **fields: object) -> dict[str, object]:
    return {"id": name, "kind": "llm", "provider_name": "openai", "request_model": "gpt-4o", "duration": 0.5,
            "usage_input_tokens": 100, "usage_output_tokens": 10, "cost": 0.25, **fields}  # fmt: skip


def test_calls_are_counted_by_project_model_and_status(server: Server) -> None:
    server.call("POST", "/api/v1/records", [call("a"), call("b"), {"id": "span", "kind": "function", "duration": 9}])
    failed = call(
        "c", status="error", error_type="rate_limit", usage_input_tokens=None, usage_output_tokens=None, cost=None
    )
    server.call("POST", "/api/v1/records", [failed, call("d")], headers=SHOP)
    found = figures(server.call("GET", "/metrics").text)
    assert found[series("autolog_calls_total", **of("default", "gpt-4o", status="ok"))] == 2
    assert found[series("autolog_calls_total", **of("shop", "gpt-4o", status="error"))] == 1
    assert found[series("autolog_call_errors_total", **of("shop", "gpt-4o", error_type="rate_limit"))] == 1
    assert found[series("autolog_tokens_total", **of("default", "gpt-4o", gen_ai_token_type="input"))] == 200
    assert found[series("autolog_tokens_total", **of("default", "gpt-4o", gen_ai_token_type="output"))] == 20
    assert found[series("autolog_cost_dollars_total", **of("default", "gpt-4o"))] == 0.5
    assert found[series("gen_ai_client_operation_duration_seconds_count", **of("shop", "gpt-4o"))] == 2


def test_a_call_that_comes_twice_or_in_parts_is_counted_once_and_whole(server: Server) -> None:
    started = {"id": "a", "kind": "llm", "provider_name": "openai", "request_model": "gpt-4o", "request_body": {}}
    server.call("POST", "/api/v1/records", [started])
    assert not any("autolog_calls_total{" in name for name in figures(server.call("GET", "/metrics").text))
    server.call("POST", "/api/v1/records", [call("a", cost=None, request_model=None)])
    server.call("POST", "/api/v1/records", [call("a"), call("a")])
    found = figures(server.call("GET", "/metrics").text)
    assert found[series("autolog_calls_total", **of("default", "gpt-4o", status="ok"))] == 1
    assert found[series("autolog_tokens_total", **of("default", "gpt-4o", gen_ai_token_type="input"))] == 100
    assert found[series("autolog_cost_dollars_total", **of("default", "gpt-4o"))] == 0.25


def test_what_was_there_before_the_server_began_is_not_counted_again(store_url: str) -> None:
    from dialects.samples import serving

    for _ in range(2):
        with serving(store_url) as server:
            server.call("POST", "/api/v1/records", [call("a")])
            found = figures(server.call("GET", "/metrics").text)
    assert not any("autolog_calls_total{" in name for name in found)


def test_however_many_models_and_errors_there_are_the_series_are_few() -> None:
    registry = CollectorRegistry()
    metrics = CallMetrics()
    registry.register(metrics)
    for number in range(3 * MOST_SERIES):
        metrics.count(
            Record(id=str(number), kind="llm", request_model=f"m{number}" * 99, status="error", error_type=f"e{number}"),
            number, new=True,
        )  # fmt: skip
    found = figures(generate_latest(registry).decode())
    calls = {name: value for name, value in found.items() if name.startswith("autolog_calls_total")}
    assert len(calls) == MOST_SERIES + 1  # and that of all others
    assert sum(calls.values()) == 3 * MOST_SERIES
    types = {re.search('error_type="([^"]*)"', name)[1] for name in found if name.startswith("autolog_call_errors")}  # type: ignore[index]
    assert len(types) == MOST_ERRORS + 1
    assert max(map(len, found)) < 500


def test_the_text_is_prometheus_s(server: Server) -> None:
    server.call(
        "POST",
        "/api/v1/records",
        [call("a", duration=0.64), call("b", duration=500.0), call("c", request_model='m"\\\n')],
    )
    text = server.call("GET", "/metrics").text
    families = {family.name: family for family in text_string_to_metric_families(text)}
    assert families["autolog_calls"].type == "counter"
    durations = families["gen_ai_client_operation_duration_seconds"]
    assert durations.type == "histogram"
    of_model = [sample for sample in durations.samples if sample.labels["gen_ai_request_model"] == "gpt-4o"]
    buckets = {sample.labels["le"]: sample.value for sample in of_model if sample.name.endswith("_bucket")}
    assert (buckets["0.32"], buckets["0.64"], buckets["81.92"], buckets["+Inf"]) == (0, 1, 1, 2)
    sums = {sample.name.rpartition("_")[2]: sample.value for sample in of_model if "le" not in sample.labels}
    assert sums == {"count": 2, "sum": 500.64}
    assert 'm"\\\n' in {sample.labels["gen_ai_request_model"] for sample in durations.samples}
