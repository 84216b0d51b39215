"""Alerts: rules evaluate the calls of their window, and fire and notify once, with any number of servers."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from engines import sqlite_alone
from waiting import until

from autolog._record.record import Record
from autolog.errors import AutologError
from autolog.server._alerts import Rule, State, described, put_rule, read_states, read_when, remove_rule
from autolog.server._notify import Notifier
from autolog.server._watch import Watch
from autolog.server._writer import Writer
from autolog.stores import open_store
from autolog.stores._contract import Store

NOW = datetime.now(UTC)


class Receiver:
    """A webhook that notes what it is sent, and answers with the statuses given, the last one for ever."""

    def __init__(self) -> None:
        self.received: list[dict[str, Any]] = []
        self.statuses = [200]
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                receiver.received.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
                status = receiver.statuses.pop(0) if len(receiver.statuses) > 1 else receiver.statuses[0]
                self.send_response(status)
                if status == 302:
                    self.send_header("location", receiver.url + "elsewhere")
                self.end_headers()

            def log_message(self, *_: object) -> None: ...

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def hook() -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    receiver.server.shutdown()
    receiver.server.server_close()


@pytest.fixture
def store(store_url: str) -> Store:
    return open_store(store_url)


@pytest.fixture
def watch(store: Store) -> Iterator[Watch]:
    writer = Writer(store, 100)
    yield Watch(store, writer, Notifier(private=True), every=0.2, settled=0.3)
    writer.close()


def calls(store: Store, count: int, failed: int = 0, **fields: Any) -> None:
    at = fields.pop("created_at", NOW - timedelta(minutes=1))
    store.write([
        Record(id=f"{time.monotonic_ns()}-{n}", kind="llm", request_model="gpt-4o", created_at=at, duration=1.0,
               status="error" if n < failed else "ok", **fields)
        for n in range(count)
    ])  # fmt: skip


@pytest.mark.parametrize(
    ("when", "expected"),
    [
        ("error_rate > 5% over 15m", True), ("error_rate > 25% over 15m", False), ("error_rate > 19.9% over 15m", True),
        ("p95 > 900ms over 1h", True), ("p95 > 1s over 1h", False), ("p95 < 1min over 1h", True),
        ("cost > $4.9 over 1d", True), ("cost > 5 over 1d", False), ("cost>4.9 over 2 days", True),
        ("calls < 11 over 1h", True), ("calls < 10 over 1h", False), ("calls > 9 over 1h", True),
    ],
)  # fmt: skip
def test_a_rule_is_judged_by_the_calls_of_its_window(store: Store, watch: Watch, when: str, expected: bool) -> None:
    calls(store, 10, failed=2, cost=0.5)
    calls(store, 50, failed=50, cost=9.0, created_at=NOW - timedelta(days=3))
    calls(store, 50, failed=50, cost=9.0, project="other")
    put_rule(store, Rule("a", "default", when))
    watch.check(NOW)
    assert read_states(store)["a"].firing is expected


def test_filters_are_those_of_everywhere(store: Store, watch: Watch) -> None:
    calls(store, 4, failed=4, tags=["beta"], metadata={"plan": "gold"}, user="ann")
    calls(store, 4)
    for name, filters, min_calls in (
        ("beta", {"tag": ["beta"], "user": "ann"}, 1),
        ("all", {}, 1),
        ("few", {"tag": ["beta"]}, 5),
    ):
        put_rule(store, Rule(name, "*", "error_rate > 60% over 1h", filters, min_calls))
    watch.check(NOW)
    assert {name: state.firing for name, state in read_states(store).items()} == {
        "beta": True, "all": False, "few": False,
    }  # fmt: skip


def test_an_alert_fires_once_until_it_is_over(store: Store, watch: Watch, hook: Receiver) -> None:
    put_rule(store, Rule("errors", "default", "error_rate > 10% over 1h", {"model": "gpt-4o"}, webhook=hook.url))
    calls(store, 8, failed=4)
    for _ in range(3):
        watch.check(NOW)
    until(lambda: len(hook.received) == 1)
    message = hook.received[0]
    assert message["text"] == (
        "FIRING errors: error rate 50% (above 10% over 1h, 8 calls) in project default, model=gpt-4o"
    )
    assert (message["alert"], message["firing"], message["value"], message["calls"]) == ("errors", True, 0.5, 8)
    watch.check(NOW + timedelta(hours=2))
    watch.check(NOW + timedelta(hours=3))
    until(lambda: len(hook.received) == 2)
    assert hook.received[1]["text"].startswith("RESOLVED errors: no figure")
    (shown,) = described(store)
    assert [event["firing"] for event in shown["events"]] == [False, True]
    assert hook.url not in json.dumps(shown)


def test_a_webhook_is_tried_again_and_what_fails_is_kept(
    store: Store, watch: Watch, hook: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("autolog.server._notify.PAUSES", (0.01, 0.01))
    hook.statuses = [500, 429, 200]
    put_rule(store, Rule("a", "default", "calls < 1 over 1h", webhook=hook.url))
    watch.check(NOW)
    until(lambda: len(hook.received) == 3)
    hook.statuses = [404]
    put_rule(store, Rule("b", "default", "calls < 1 over 1h", webhook=hook.url))
    watch.check(NOW)
    until(lambda: "problem" in read_states(store)["b"].events[0])
    assert "answered 404" in read_states(store)["b"].events[0]["problem"]
    assert len(hook.received) == 4


def test_private_networks_are_out_of_reach_unless_allowed(store: Store, hook: Receiver) -> None:
    rule = Rule("a", "default", "calls < 1 over 1h", webhook=hook.url)
    event = {"text": "FIRING", "firing": True}
    for url in (
        hook.url,
        hook.url.replace("127.0.0.1", "localhost"),
        "http://[::1]:1/",
        "http://10.0.0.1/",
        "http://169.254.169.254/",
    ):
        (problem,) = Notifier().notify(Rule("a", "default", rule.when, webhook=url), event)
        assert "private network" in problem, url
    assert hook.received == []
    assert Notifier(private=True).notify(rule, event) == []
    hook.statuses = [302]
    (problem,) = Notifier(private=True).notify(rule, event)
    assert "answered 302" in problem
    assert len(hook.received) == 2


def test_of_several_servers_one_watches_and_another_takes_over(store: Store, store_url: str, hook: Receiver) -> None:
    put_rule(store, Rule("quiet", "default", "calls < 1 over 1h", webhook=hook.url))
    servers = []
    for _ in range(3):
        own = open_store(store_url)
        servers.append(Watch(own, Writer(own, 100), Notifier(private=True), every=0.2, settled=0.5))
    for server in servers:
        server.background.start()
    until(lambda: len(hook.received) == 1)
    leader = store.documents("alert_watch")["lease"]["by"]
    (first,) = [server for server in servers if server._name == leader]
    first.background.stop()
    until(lambda: store.documents("alert_watch")["lease"]["by"] != leader)
    time.sleep(0.5)
    for server in servers:
        server.background.stop()
    assert len(hook.received) == 1


def test_an_alert_that_is_made_anew_begins_anew(store: Store, watch: Watch) -> None:
    rule = Rule("a", "default", "calls < 1 over 1h")
    put_rule(store, rule)
    watch.check(NOW)
    put_rule(store, rule)
    assert read_states(store)["a"].firing
    remove_rule(store, "a")
    assert described(store) == []
    put_rule(store, rule)
    assert read_states(store)["a"] == State()
    with pytest.raises(AutologError, match="no alert 'b'"):
        remove_rule(store, "b")


@sqlite_alone
@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"when": "errors > 3"}, "is not of the form"), ({"when": "p95 > 5% over 1h"}, "p95 is in s"),
        ({"when": "error_rate > 0.05 over 1h"}, "in %"), ({"when": "cost > 5 over 1s"}, "a window has"),
        ({"when": "cost > 5 over 90d"}, "a window has"), ({"when": "cost > 5 over a while"}, "is not a duration"),
        ({"filters": {"colour": "red"}}, "'colour'"), ({"filters": {"since": "1h"}}, "'since'"),
        ({"filters": {"status": "error"}}, "leave status out"), ({"filters": {"metadata": "plan"}}, "key=value"),
        ({"webhook": "file:///etc/passwd"}, "http://"), ({"webhook": "https://"}, "http://"),
        ({"webhook": "http://[::1"}, "http://"), ({"webhook": "http://host:port/"}, "http://"),
        ({"mail": ("nobody",)}, "'nobody'"), ({"mail": ("a@b\nBcc: c@d",)}, "mail"), ({"name": "a/b"}, "name"),
        ({"name": ""}, "name"),
    ],
)  # fmt: skip
def test_a_rule_that_makes_no_sense_is_refused(store: Store, fields: dict[str, Any], says: str) -> None:
    given = {"name": "a", "project": "default", "when": "error_rate > 5% over 1h", **fields}
    with pytest.raises(AutologError, match=says):
        put_rule(store, Rule(**given))
    assert described(store) == []


def test_thresholds_are_read_in_their_units() -> None:
    found = [
        read_when(f"{text} over 1h").threshold for text in ("p95 > 20s", "p95 > 1.5 min", "p95 > 20", "error_rate > 5%")
    ]
    assert found == pytest.approx([20.0, 90.0, 20.0, 0.05])


def test_a_message_links_to_the_calls_that_it_is_about(hook: Receiver) -> None:
    event = {"at": "2026-11-20T12:00:00+00:00", "text": "FIRING a", "firing": True}
    rule = Rule("a", "shop", "error_rate > 5% over 15m", {"tag": ["x y", "z"]}, webhook=hook.url)
    assert Notifier(private=True, address="https://logs.example/logs/").notify(rule, event) == []
    (message,) = hook.received
    assert message["url"] == (
        "https://logs.example/logs/ui/?project=shop&tag=x+y&tag=z&status=error"
        "&since=2026-11-20T11%3A45%3A00%2B00%3A00&until=2026-11-20T12%3A00%3A00%2B00%3A00"
    )
    assert message["text"] == f"FIRING a\n{message['url']}"
