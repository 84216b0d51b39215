"""Cloudflare AI Gateway: lists, filters, feedback and deletion."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from dialects.samples import (
    LOGS,
    Server,
    fill,
    serving,
)
from engines import every_store

from autolog.server import Limits


@every_store
@pytest.mark.parametrize(
    ("query", "found"),
    [
        ([("search", "X_Y")], "0"), ([("search", "%")], ""), ([("model", "claude%")], "13"), ([("success", "false")], "3"),
        ([("min_cost", "0.2"), ("max_cost", "0.3")], "23"), ([("min_duration", "1500")], "34"), ([("max_total_tokens", "2")], "01"),
        ([("start_date", "2026-01-02T06:00:00Z")], "34"), ([("end_date", "2026-01-02T04:04:05.25+00:00")], "01"),
        ([("filters.key", "model"), ("filters.operator", "contains"), ("filters.value", "%")], "13"),
        ([("filters.key", "id"), ("filters.operator", "neq"), ("filters.value", "r1"), ("filters.value", "r2")], "034"),
        ([("filters.key", "cost"), ("filters.key", "success"), ("filters.operator", "gt"), ("filters.operator", "eq"),
          ("filters.value", "0.1"), ("filters.value", "true")], "24"),
        ([("filters[0][key]", "metadata.key"), ("filters[0][operator]", "eq"), ("filters[0][value][0]", "n")], "01234"),
        ([("filters", '[{"key":"metadata.value","operator":"eq","value":["gold"]},{"key":"tokens_in","operator":"lt","value":[3]}]')], "12"),
        ([("filters", '[{"key":"tokens","operator":"gt","value":[5]}]')], "34"),
        ([("filters", '[{"key":"duration","operator":"gt","value":[1000]}]')], "34"),
        ([("filters", '[{"key":"dlp_action","operator":"eq","value":["x"]}]')], ""),
        ([("filters", '[{"key":"created_at","operator":"gt","value":["2026-01-02T05:30:00Z"]}]')], "34"),
        ([("order_by", "cost"), ("per_page", "2")], "34"), ([("page", "99")], ""),
    ],
)  # fmt: skip
def test_cloudflare_lists(server: Server, query: list[tuple[str, str]], found: str) -> None:
    fill(server)
    answer = server.call("GET", LOGS, params=query)
    assert answer.status_code == 200, answer.text
    assert "".join(sorted(row["id"][1] for row in answer.json()["result"])) == found


@pytest.mark.parametrize(
    "query",
    [
        "page=0", "page=x", "per_page=0", "per_page=-1", "per_page=1e9", "order_by=nonsense", "order_by_direction=up",
        "success=maybe", "min_cost=cheap", "start_date=soon", "filters.key=cost", "filters.key=x&filters.operator=eq&filters.value=1",
        "filters.key=cost&filters.operator=like&filters.value=1", "filters.key=cost&filters.operator=gt&filters.value=dear",
        "filters=[", "filters=3", "filters[0][key]=cost", "filters[x]=1", "filters.key=cost&filters.key=id&filters.operator=eq&filters.operator=eq&filters.value=1",
        "filters.key=cost&filters.operator=gt&filters.value=NaN", "meta_info=perhaps",
    ],
)  # fmt: skip
def test_cloudflare_refuses(server: Server, query: str) -> None:
    fill(server)
    for method in ("GET", "DELETE") if query.startswith(("filters", "order")) else ("GET",):
        answer = server.call(method, f"{LOGS}?{query}")
        assert answer.status_code == 400, (method, answer.text)
        assert answer.json()["success"] is False
        assert answer.json()["errors"][0]["message"]
    assert len(server.rows()) == 5


@every_store
def test_cloudflare_pages_details_and_changes(server: Server) -> None:
    fill(server)
    info = server.call("GET", LOGS, params={"per_page": 2, "meta_info": "true"}).json()["result_info"]
    assert (info["count"], info["total_count"], info["max_cost"], info["max_duration"], info["min_tokens_in"]) == (
        2,
        5,
        0.4,
        2000,
        1,
    )
    detail = server.call("GET", f"{LOGS}/r1").json()["result"]
    assert (detail["tokens_in"], detail["request_head"], detail["request_head_complete"]) == (1, "", True)
    assert server.call("GET", f"{LOGS}/r1/request").json()["result"] == {}
    for bad in ({"feedback": 2}, {"score": -1}, {"metadata": {"a": []}}, {"feedback": "1"}, []):
        assert server.call("PATCH", f"{LOGS}/r1", bad).status_code == 400
    assert server.call("PATCH", f"{LOGS}/r1", {"feedback": 1, "score": 0}).json()["result"] == {}
    assert server.call("PATCH", f"{LOGS}/r1", {"feedback": None}).status_code == 200
    record = server.store.get("r1")
    assert record is not None
    assert (record.feedback, record.score) == (None, 0)
    assert server.call("DELETE", LOGS, params={"limit": 2, "order_by_direction": "asc"}).json()["success"] is True
    assert [record.id for record in server.rows()] == ["r2", "r3", "r4"]
    assert (
        server.call("GET", "http://testserver//client/v4/accounts/a/ai-gateway/gateways/default/logs").status_code
        == 200
    )
    assert server.call("GET", "/accounts/a/ai-gateway/gateways/default/logs").json()["result_info"]["total_count"] == 3
    assert server.call("GET", "/client/v4/accounts/a/ai-gateway/gateways").json()["result"][0]["id"] == "default"


def test_deleting_everything_can_be_forbidden(tmp_path: Path) -> None:
    with serving(f"sqlite:///{tmp_path}/s.db", Limits(delete_all=False)) as server:
        fill(server)
        assert server.call("DELETE", LOGS).status_code == 400
        assert server.call("DELETE", LOGS, params={"limit": 1}).status_code == 400
        assert len(server.rows()) == 5


@pytest.mark.parametrize("limit", ["", "0", "x", "-1"])
def test_a_delete_call_that_loses_its_limit_deletes_nothing(server: Server, limit: str) -> None:
    fill(server)
    assert server.call("DELETE", LOGS, params={"limit": limit}).status_code == 400
    assert len(server.rows()) == 5


@every_store
def test_a_search_knows_no_case_and_a_comparison_no_unknown(server: Server) -> None:
    server.call("POST", "/api/logs/insert", {"model": "m", "metadata": {"k": "É"}})
    assert server.call("GET", LOGS, params={"search": "é"}).json()["result_info"]["total_count"] == 1
    tokens = json.dumps([{"key": "tokens", "operator": "lt", "value": [5]}])
    assert server.call("GET", LOGS, params={"filters": tokens}).json()["result"] == []
