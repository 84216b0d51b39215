"""Budgets: spending is attributed correctly, and the action is taken once."""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import threading
import time
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import httpx2
import openai
import pytest
from chat_server import receive
from live import KEY, Live, live
from sdk_http import openai_http as http
from waiting import until

import autolog
from autolog._lifecycle import in_c_library
from autolog._options import BudgetOptions
from autolog._pricing.budgets import KINDS, Budgets
from autolog._pricing.run_budget import amount
from autolog._record.record import Record
from autolog.cli._standin import standin
from autolog.errors import ConfigError
from autolog.stores import open_store
from autolog.testing import Records

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


class TooExpensive(Exception):
    pass


def call(cost: float = 1.0, **fields: Any) -> Record:
    return Record(id="x", cost=cost, **fields)


def test_the_type_of_a_budget_names_all_that_it_can_apply_to() -> None:
    assert set(KINDS) == set(BudgetOptions.__annotations__) - {"limit", "per", "then", "unpriced", "unreserved"}


def test_each_has_its_own_sum_and_the_action_is_taken_once() -> None:
    alerts: list[str] = []
    budgets = Budgets([{"limit": 2.5, "per": "hour", "user": "*", "then": alerts.append}], lambda: NOON)
    for user in ("a", "b", "a", "a", "a"):
        budgets.spend(call(user=user))
    budgets.spend(call(user=None))
    budgets.spend(call(user="b", cost=None))  # type: ignore[arg-type]
    budgets.spend(Record(id="s", kind="span", user="b", cost=99.0))
    assert len(alerts) == 1
    assert "by user 'a'" in alerts[0]
    assert "$2.50" in alerts[0]


def test_what_is_long_ago_is_forgotten() -> None:
    alerts: list[str] = []
    now = [NOON]
    budgets = Budgets([{"limit": 2, "per": timedelta(minutes=10), "then": alerts.append}], lambda: now[0])
    budgets.spend(call())
    now[0] += timedelta(minutes=11)
    budgets.spend(call())
    assert not alerts
    budgets.spend(call())
    assert len(alerts) == 1
    now[0] += timedelta(minutes=11)
    budgets.spend(call(2))
    assert len(alerts) == 2


@pytest.mark.parametrize("kind", ["user", "tag", "session", "project"])
def test_by_one_value(kind: str) -> None:
    alerts: list[str] = []
    budgets = Budgets([{"limit": 1, kind: "mine", "then": alerts.append}], lambda: NOON)
    other = {"user": {"user": "x"}, "tag": {"tags": ["x"]}, "session": {"session": "x"}, "project": {"project": "x"}}[
        kind
    ]
    matching = {
        "user": {"user": "mine"},
        "tag": {"tags": ["x", "mine"]},
        "session": {"session": "mine"},
        "project": {"project": "mine"},
    }[kind]
    budgets.spend(call(9, **other))
    assert not alerts
    budgets.spend(call(1, **matching))
    assert len(alerts) == 1


def test_the_exception_of_ones_choosing_stops_further_calls(patched: Records) -> None:
    sent: list[Any] = []

    def handler(request: Any) -> Any:
        sent.append(request)
        usage = {"prompt_tokens": 1000, "completion_tokens": 100, "total_tokens": 1100}
        return http.Response(200, json={"object": "chat.completion", "model": "gpt-4o", "choices": [], "usage": usage})

    autolog.configure(budgets=[{"limit": 0.003, "user": "a", "then": TooExpensive}])
    client = openai.OpenAI(api_key="k", http_client=http.Client(transport=http.MockTransport(handler)))
    ask: Any = {"model": "gpt-4o", "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 100}
    with autolog.context(user="a"):
        client.chat.completions.create(**ask)
        autolog.flush()
        with pytest.raises(TooExpensive, match=r"by user 'a'.*budget is \$0.00"):
            client.chat.completions.create(**ask)
        client.models.list()  # calls that cost nothing still work
    client.chat.completions.create(**ask)
    assert len(sent) == 3
    assert len(patched) == 2
    autolog.configure(budgets=[])
    with autolog.context(user="a"):
        client.chat.completions.create(**ask)


def test_a_function_that_fails_harms_nobody(caplog: pytest.LogCaptureFixture) -> None:
    Budgets([{"limit": 1, "then": lambda words: 1 / 0}], lambda: NOON).spend(call())
    assert "the budget's function failed" in caplog.text
    assert "$1.00 spent" in caplog.text


def test_a_webhook_gets_the_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    got: list[Any] = []
    guarded: list[bool] = []
    make = ssl.SSLContext.__new__

    def watched(kind: type[ssl.SSLContext], *args: Any, **named: Any) -> ssl.SSLContext:
        guarded.append(bool(in_c_library._inside))  # no process forks meanwhile
        return make(kind, *args, **named)

    monkeypatch.setattr(ssl.SSLContext, "__new__", watched)

    class Hook(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            got.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *args: Any) -> None: ...

    server = HTTPServer(("127.0.0.1", 0), Hook)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    Budgets([{"limit": 1, "tag": "*", "then": f"http://127.0.0.1:{server.server_port}/"}], lambda: NOON).spend(
        call(2, tags=["t"])
    )
    until(lambda: got)
    server.shutdown()
    server.server_close()
    (body,) = got
    assert guarded
    assert all(guarded)
    assert (body["by"], body["value"], body["limit"], body["spent"]) == ("tag", "t", 1.0, 2.0)
    Budgets([{"limit": 1, "then": "http://127.0.0.1:9/"}], lambda: NOON).spend(call(2))  # which is logged


def test_a_webhook_that_refuses_is_logged_and_its_body_is_not_waited_for(caplog: pytest.LogCaptureFixture) -> None:
    def refuse(listening: socket.socket) -> None:
        connection, _ = listening.accept()
        with connection, contextlib.suppress(OSError):
            receive(connection)
            connection.sendall(b"HTTP/1.1 410 Gone\r\ntransfer-encoding: chunked\r\n\r\n")
            while True:
                connection.sendall(b"1\r\n.\r\n")
                time.sleep(0.01)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        threading.Thread(target=refuse, args=(listening,), daemon=True).start()
        Budgets([{"limit": 1, "then": f"http://127.0.0.1:{listening.getsockname()[1]}/"}], lambda: NOON).spend(call(2))
        until(lambda: "410 Gone" in caplog.text)
    Budgets([{"limit": 1, "then": "http://[/"}], lambda: NOON).spend(call(2))
    until(lambda: caplog.text.count("the budget's webhook failed") == 2)


def test_what_was_spent_before_the_process_began_counts(tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path}/s.db")
    now = datetime.now(UTC)
    store.write([Record(id=str(n), cost=1.0, user="a", project="p", created_at=now) for n in range(3)])
    for budget in ({"user": "a"}, {"user": "*"}, {"project": "p"}, {}):
        alerts: list[str] = []
        budgets = Budgets([{"limit": 3.5, "per": "day", "then": alerts.append, **budget}])
        budgets.begin(store)
        assert not alerts
        budgets.spend(call(1, user="a", project="p"))
        assert len(alerts) == 1


def test_in_use_with_a_store(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    autolog.configure(store=f"sqlite:///{tmp_path}/s.db", budgets=[{"limit": 1e-9, "per": "hour"}])
    autolog.patch_openai()
    with standin() as address:
        client = openai.OpenAI(base_url=f"{address}/v1", api_key="k")
        client.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": "Say hello"}])
    autolog.flush()
    assert "spent within one hour: the budget is $0.000000001" in caplog.text


@pytest.mark.parametrize(
    ("dollars", "words"),
    [(0, "$0.00"), (20, "$20.00"), (2.346, "$2.35"), (0.5, "$0.50"), (0.0000213, "$0.0000213"), (1e-9, "$0.000000001")],
)
def test_amounts_in_messages_are_not_rounded_to_nothing(dollars: float, words: str) -> None:
    assert amount(dollars) == words


def test_on_the_server_by_project(tmp_path: Path) -> None:
    alerts: list[str] = []
    with live(tmp_path / "s.db", budgets=[{"limit": 1, "project": "*", "then": alerts.append}]) as running:
        post(running, cost=0.6)
        assert not alerts
        post(running, cost=0.6)
    assert len(alerts) == 1
    assert "project 'default'" in alerts[0]


def post(running: Live, cost: float) -> None:
    body = [{"cost": cost, "operation_name": "chat", "request_model": "m"}]
    httpx2.post(
        f"{running.url}/api/v1/records", json=body, headers={"authorization": f"Bearer {KEY}"}
    ).raise_for_status()


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"per": "day"}, "limit: None"),
        ({"limit": -1}, "limit: -1"),
        ({"limit": 1, "per": "fortnight"}, "per: 'fortnight'"),
        ({"limit": 1, "user": "a", "tag": "b"}, "for one of them"),
        ({"limit": 1, "then": "shout"}, "then: 'shout'"),
        ({"limit": 1, "colour": "red"}, "colour"),
        (5, "not a mapping"),
    ],
)
def test_a_budget_that_is_none(given: Any, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        autolog.configure(budgets=[given])


def test_servers_on_one_store_spend_from_one_budget(clickhouse_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from autolog.server import _budgets

    monkeypatch.setattr(_budgets, "EVERY", 0.0)
    alerts: list[str] = []
    given = [{"limit": 1, "per": "day", "project": "*", "then": alerts.append}]
    with live(clickhouse_url, budgets=given) as first, live(clickhouse_url, budgets=given) as second:
        for number in range(12):
            server = (first, second)[number % 2]
            body = [{"id": f"r{number}", "kind": "llm", "cost": 0.25, "created_at": datetime.now(UTC).isoformat()}]
            answer = httpx2.post(f"{server.url}/api/v1/records", json=body, headers={"x-api-key": KEY}, timeout=20)
            assert answer.status_code == 200
            assert len(alerts) == (0 if number < 3 else 1), (number, alerts)
    assert "the budget is $1.00" in alerts[0]
