"""The alerts page: set, change, try and remove alerts; invalid input keeps what was typed."""

from __future__ import annotations

from collections.abc import Iterator

import httpx2
import pytest
from live import KEY, Live, live

from autolog.server._alerts import State, put_states, read_rules

HOSTILE = "<img src=x onerror=alert(1)>"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    with live(tmp_path_factory.mktemp("alerts") / "s.db") as server:
        yield server


@pytest.fixture
def browser(running: Live) -> httpx2.Client:
    return httpx2.Client(base_url=running.url, headers={"x-api-key": KEY})


def of_project(browser: httpx2.Client, project: str, *scopes: str) -> httpx2.Client:
    created = browser.post("/api/v1/keys", json={"name": "k", "project": project, "scopes": list(scopes)}).json()
    return httpx2.Client(base_url=browser.base_url, headers={"x-api-key": created["key"]})


GIVEN = {
    "name": "dear", "project": "shop", "when": "cost > 5 over 1d", "filters": "model=gpt-4o&tag=web&tag=eu",
    "min_calls": "", "webhook": "https://hooks.example/secret", "mail": "a@example.com, b@example.com",
}  # fmt: skip


def test_an_alert_is_set_changed_and_removed(running: Live, browser: httpx2.Client) -> None:
    assert browser.post("/ui/alerts", data=GIVEN).status_code == 303
    (rule,) = read_rules(running.store)
    assert (rule.project, rule.when, rule.mail) == ("shop", "cost > 5 over 1d", ("a@example.com", "b@example.com"))
    assert rule.filters == {"model": "gpt-4o", "tag": ["web", "eu"]}
    page = browser.get("/ui/alerts").text
    assert "https://hooks.example/…" in page
    assert "secret" not in page
    assert "/ui/?model=gpt-4o&amp;tag=web&amp;tag=eu&amp;kind=llm&amp;project=shop" in page
    form = browser.get("/ui/alerts?change=dear").text
    assert 'value="cost &gt; 5 over 1d"' in form
    changed = {**GIVEN, "when": "p95 > 3s over 1h", "webhook": "", "keep_webhook": "1"}
    assert browser.post("/ui/alerts", data=changed).status_code == 303
    (rule,) = read_rules(running.store)
    assert (rule.when, rule.webhook) == ("p95 > 3s over 1h", "https://hooks.example/secret")
    assert browser.post("/ui/alerts/remove", data={"name": "dear"}).status_code == 303
    assert not read_rules(running.store)
    assert browser.post("/ui/alerts/remove", data={"name": "dear"}).status_code == 404


@pytest.mark.parametrize(
    "wrong",
    [
        {"when": "cost is high"}, {"name": ""}, {"filters": "colour=red"}, {"filters": "nonsense"},
        {"webhook": "ftp://x"}, {"mail": "nobody"}, {"min_calls": "many"},
    ],
)  # fmt: skip
def test_what_makes_no_sense_keeps_what_was_typed(browser: httpx2.Client, wrong: dict[str, str]) -> None:
    answer = browser.post("/ui/alerts", data={**GIVEN, **wrong})
    assert answer.status_code == 400
    assert 'role="alert"' in answer.text
    assert "Traceback" not in answer.text
    kept = {"name": "dear", **wrong}
    assert f'value="{kept["name"]}"' in answer.text
    assert 'value="a@example.com, b@example.com"' in answer.text or "mail" in wrong


def test_what_happened_is_shown_and_only_shown(running: Live, browser: httpx2.Client) -> None:
    assert browser.post("/ui/alerts", data={**GIVEN, "name": HOSTILE.replace("/", "")}).status_code == 303
    event = {"at": "2026-11-27T10:00:00+00:00", "firing": True, "value": 9.0, "calls": 3, "text": f"FIRING {HOSTILE}"}
    firing = State(True, "2026-11-27T10:00:00+00:00", 9.0, "2026-11-27T10:01:00+00:00", HOSTILE, (event,))
    put_states(running.store, {HOSTILE: firing})
    page = browser.get("/ui/alerts").text
    assert "<img" not in page
    assert "FIRING &lt;img" in page
    assert ">firing<" in page
    assert "$9.00" in page


def test_alerts_of_a_project_are_its_own(running: Live, browser: httpx2.Client) -> None:
    browser.post("/ui/alerts", data={**GIVEN, "name": "ours", "project": "ours"})
    theirs, reader = of_project(browser, "theirs", "admin"), of_project(browser, "ours", "read")
    assert "ours" not in theirs.get("/ui/alerts").text
    assert theirs.post("/ui/alerts", data={**GIVEN, "name": "ours"}).status_code == 403
    assert theirs.post("/ui/alerts/remove", data={"name": "ours"}).status_code == 403
    assert theirs.post("/ui/alerts", data={**GIVEN, "name": "mine", "project": "ours"}).status_code == 303
    assert {rule.name: rule.project for rule in read_rules(running.store)}["mine"] == "theirs"
    assert "ours" in reader.get("/ui/alerts").text
    assert reader.post("/ui/alerts", data={**GIVEN, "name": "x"}).status_code == 403
    assert reader.post("/ui/alerts/test", data={"name": "ours"}).status_code == 403
