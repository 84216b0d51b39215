"""The dashboard: every page over HTTP, and in a real browser if there is one (Debian's Chromium, through Playwright)."""

from __future__ import annotations

import html
import json
import os
import re
import sys
import tempfile
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import msgspec
import pytest
from browser import Watched
from live import KEY, Live, live
from page_samples import HOSTILE, NOW, chat, fill
from traffic import FOLDER, recordings

from autolog._display.figures import dollars, number, seconds
from autolog._record.bodies import encode_json
from autolog._record.record import Record
from autolog.server._keys import list_keys
from autolog.server.dashboard import charts, conversation, export, snippets
from autolog.server.dashboard.filters import read_filters
from autolog.server.dashboard.markdown import markdown
from autolog.server.dashboard.markup import json_tree
from autolog.stores import open_store
from autolog.stores.query import Query


@pytest.fixture(scope="module", params=["sqlite", "clickhouse"])
def running(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    place: Path | str = tmp_path_factory.mktemp("ui") / "s.db"
    if request.param == "clickhouse":
        place = f"{request.getfixturevalue('clickhouse_server')}/autolog_ui_{uuid.uuid4().hex[:8]}"
    with live(place) as server:
        fill(server)
        yield server


#: For behaviour of the page in the browser, and refusals, which do not depend on the store.
one_store = pytest.mark.parametrize("running", ["sqlite"], indirect=True)


@pytest.fixture
def browser(running: Live) -> httpx2.Client:
    """Return a client that has signed in."""
    return httpx2.Client(base_url=running.url, headers={"x-api-key": KEY})


PAGES = ("/ui/", "/ui/traces", "/ui/sessions", "/ui/users", "/ui/session?id=s1", "/ui/settings", "/ui/overview", "/ui/compare", "/ui/compare?a=plain&b=other", "/ui/?user=ada", "/ui/?text=goodbye",
         *[f"/ui/log/{name}" for name in ("plain", "root", "failed", "hostile", "broken", "long", "rich")])  # fmt: skip


@pytest.mark.parametrize("path", PAGES)
def test_every_page_is_whole_and_harmless(browser: httpx2.Client, path: str) -> None:
    answer = browser.get(path)
    assert answer.status_code == 200
    assert "script-src 'self'" in answer.headers["content-security-policy"]
    assert answer.headers["x-content-type-options"] == "nosniff"
    page = answer.text
    assert "<script>" not in page
    assert "onerror=alert" not in page.replace("onerror=alert(1)&gt;", "")
    assert "\x1b" not in page
    assert "\x00" not in page
    assert "\u202e" not in page
    assert "49" not in re.findall(r"`(\d+)", page)
    assert not re.findall(r'(?:src|href)="(?:https?:)?//', page)
    assert " style=" not in page
    assert not re.search(r'="[^"<>]*<span', page)  # an element in an attribute would end it
    assert len(page) < 600_000


def test_a_comparison_marks_other_words_and_gives_the_change_of_figures(browser: httpx2.Client) -> None:
    page = browser.get("/ui/compare?a=plain&b=failed").text
    assert re.findall(r'<tr class="changed"><th scope="row">([^<]*)', page) == ["status"]
    assert "<td>3.00 s <small>+100%</small>" in browser.get("/ui/compare?a=plain&b=other").text


def test_filters_sorting_and_pages(browser: httpx2.Client) -> None:
    def ids(query: str) -> list[str]:
        return re.findall(r'<tr data-id="([^"]+)"', browser.get(f"/ui/{query}").text)

    def walk(path: str) -> list[str]:
        found = []
        while path:
            page = browser.get(f"/ui/{path}").text
            found += re.findall(r'<tr data-id="([^"]+)"', page)
            older = re.search(r'<a href="/ui/([^"]*)" rel="next">', page)
            path = older[1].replace("&amp;", "&") if older else ""
        return found

    assert ids("?user=ada") == ids("?tag=beta") == ids("?metadata=tenant%3Dt1") == ["plain"]
    assert ids("?status=error") == ["said", "failed", "hostile"]
    assert ids("?kind=function") == ["root"]
    assert ids("?text=farewell") == ["other"]
    assert ids("?sort=-cost")[0] == "old-119"
    assert ids("?sort=latency&since=1h")[:2] != ids("?sort=-latency&since=1h")[:2]
    assert ids("?sort=-latency&since=1h")[0] == "other"
    seen = walk("?model=gpt-4o")
    assert len(seen) == len(set(seen)) == 128
    assert sorted(walk("?sort=cost&model=gpt-4o")) == sorted(seen)


@one_store
@pytest.mark.parametrize(
    ("path", "status", "words"),
    [
        ("/ui/?status=maybe", 400, "neither ok nor error"),
        ("/ui/?sort=colour", 400, "sort:"),
        ("/ui/?metadata=x", 400, "key=value"),
        ("/ui/?since=soon", 400, "since"),
        ("/ui/?colour=red", 400, "there is no such filter; choose from model, provider"),
        ("/ui/?since=today&zone=Mars", 400, "not a time zone"),
        ("/ui/?past=nowhere", 400, "not a position in the list"),
        ("/ui/?offset=-1", 400, "offset"),
        ("/ui/overview?since=soon", 400, "since"),
        ("/ui/overview?by=colour", 400, "by:"),
        ("/ui/overview?only=colour:red", 400, "only:"),
        ("/ui/log/nobody", 404, "no log with the id"),
        ("/ui/raw?id=plain&side=up", 404, "no such body"),
        ("/ui/trace/nobody", 404, "no trace"),
        ("/ui/compare?a=plain&b=nobody", 404, "no log"),
    ],
)
def test_what_makes_no_sense_gets_a_page_that_says_so(
    browser: httpx2.Client, path: str, status: int, words: str
) -> None:
    answer = browser.get(path)
    assert answer.status_code == status
    assert words in answer.text
    assert 'role="alert"' in answer.text
    assert "Traceback" not in answer.text
    if status == 400 or "compare" in path:
        name, _, value = path.partition("?")[2].rpartition("&")[2].partition("=")
        assert f'name="{name}" value="{value}"' in answer.text  # nothing is lost that was typed


def test_who_may_look(running: Live) -> None:
    anybody = httpx2.Client(base_url=running.url)
    assert anybody.get("/ui/log/plain?x=1").headers["location"] == "/ui/login?next=/ui/log/plain%3Fx%3D1"
    assert anybody.get("/ui/events").status_code == 401
    assert anybody.post("/ui/login", data={"key": "wrong"}).status_code == 401
    entered = anybody.post("/ui/login", data={"key": KEY, "next": "//evil.example/"})
    assert entered.headers["location"] == "/ui/"
    cookie = entered.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=lax" in cookie
    assert anybody.get("/ui/log/plain").status_code == 200
    crossed = anybody.post("/ui/score", data={"id": "plain", "value": "1"}, headers={"sec-fetch-site": "cross-site"})
    assert crossed.status_code == 403
    assert "max-age=0" in anybody.post("/ui/logout").headers["set-cookie"].lower()
    assert httpx2.get(f"{running.url}/").headers["location"] == "/ui/"


def test_a_key_of_one_project_sees_no_other(running: Live) -> None:
    from autolog.server._keys import create_key

    running.store.write([chat("secret", "x", "x", NOW - timedelta(days=3), project="theirs", trace_id="theirs")])
    mine = httpx2.Client(base_url=running.url, headers={"x-api-key": create_key(running.store, "k", "mine", ["read"])})
    import time

    time.sleep(2.1)  # the keyring reads anew
    assert "data-id" not in mine.get("/ui/").text
    for path in (
        "/ui/log/secret",
        "/ui/log/plain",
        "/ui/raw?id=plain&side=request",
        "/ui/trace/theirs",
        "/ui/compare?a=plain&b=secret",
    ):
        assert mine.get(path).status_code == 404
    assert "No calls in this time range" in mine.get("/ui/overview?since=90d").text
    assert mine.post("/ui/score", data={"id": "plain", "value": "1"}).status_code == 403


def test_scores_raw_bodies_and_snippets(browser: httpx2.Client, running: Live) -> None:
    assert browser.post("/ui/score", data={"id": "other", "value": "0.5", "comment": "fine"}).status_code == 303
    kept = running.store.get("other")
    assert kept is not None
    assert (kept.score, kept.scores["default"]["comment"]) == (0.5, "fine")
    assert browser.post("/ui/score", data={"id": "other", "value": "lots"}).status_code == 400
    raw = browser.get("/ui/raw?id=hostile&side=request")
    hostile = running.store.get("hostile")
    assert hostile is not None
    assert raw.content == hostile.request_body
    assert (raw.headers["content-type"], raw.headers["content-disposition"][:10]) == (
        "application/octet-stream",
        "attachment",
    )
    record = running.store.get("plain")
    assert record is not None
    assert "$OPENAI_API_KEY" in (snippets.as_curl(record) or "")
    python = snippets.as_python(record) or ""
    compile(python, "snippet", "exec")
    assert "client.chat.completions.create(" in python
    assert snippets.as_python(chat("x", HOSTILE, "", NOW)) is not None
    compile(snippets.as_python(chat("x", HOSTILE, "", NOW)) or "", "snippet", "exec")
    assert snippets.as_curl(Record(id="x")) is None
    for address in ("--url=http://evil.example", "-K.curlrc", "file:///etc/passwd", "x.example/v1/chat/completions"):
        assert snippets.as_curl(msgspec.structs.replace(record, request_url=address)) is None


def test_the_match_is_exported_in_every_form(browser: httpx2.Client) -> None:
    pytest.importorskip("pyarrow")
    sizes = {}
    for form in ("csv", "jsonl", "parquet", "vcr"):
        answer = browser.get(f"/ui/export?form={form}&user=ada")
        assert answer.status_code == 200
        assert answer.headers["content-disposition"].startswith("attachment")
        sizes[form] = answer.content
    assert sizes["csv"].count(b"\n") == 2
    assert [json.loads(line)["id"] for line in sizes["jsonl"].splitlines()] == ["plain"]
    assert sizes["parquet"].startswith(b"PAR1")
    assert len(json.loads(sizes["vcr"])["interactions"]) == 1
    assert browser.get("/ui/export?form=pdf").status_code == 400
    assert browser.get("/ui/export?form=csv&colour=red").status_code == 400


def test_sums_by_session_come_after_the_overview(running: Live, browser: httpx2.Client) -> None:
    running.store.write([chat("of-hostile", "Hi", "x", NOW, session=HOSTILE, cost=0.5)])
    page = browser.get("/ui/overview?by=session&since=1d").text
    (address,) = re.findall(r'data-fill="(/ui/by[^"]*)"', page)
    sums = browser.get(html.unescape(address)).text
    assert "Highest cost by session" in sums
    assert "$0.50" in sums
    assert "<script" not in sums
    assert "<img" not in sums
    assert "onerror" in sums  # as text
    assert 'data-fill="/ui/by' not in browser.get("/ui/overview?by=user&since=1d").text  # these are precomputed
    assert browser.get("/ui/by?by=colour").status_code == 400
    running.store.delete(Query({"id": "of-hostile"}))


def test_parquet_is_offered_only_where_it_can_be_written(
    browser: httpx2.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("pyarrow")
    assert "form=parquet" in browser.get("/ui/").text
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    page = browser.get("/ui/").text
    assert "form=csv" in page
    assert "form=parquet" not in page
    assert "autolog-llm[parquet]" in page
    answer = browser.get("/ui/export?form=parquet&user=ada")
    assert answer.status_code == 501
    assert "autolog-llm[parquet]" in answer.text


def test_an_export_that_cannot_be_written_says_why(browser: httpx2.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", "/nonexistent")
    answer = browser.get("/ui/export?form=csv&user=ada")
    assert answer.status_code == 507
    assert "TMPDIR" in answer.text


@pytest.mark.parametrize("form", ["csv", "jsonl", "vcr"])
def test_exports_leave_room_on_the_disk(browser: httpx2.Client, monkeypatch: pytest.MonkeyPatch, form: str) -> None:
    monkeypatch.setattr(export, "RESERVE", sys.maxsize)
    monkeypatch.setattr(export, "RESERVED_SHARE", 1)
    answer = browser.get(f"/ui/export?form={form}")
    assert answer.status_code == 507
    assert "No space left" in answer.text


def test_keys_are_made_and_revoked_in_the_settings(running: Live, browser: httpx2.Client) -> None:
    page = browser.post(
        "/ui/settings/keys", data={"name": "colleague", "project": "shop", "scope_read": "1", "days": "7"}
    ).text
    created = re.search(r'id="made">([^<]+)<', page)
    assert created
    colleague = httpx2.Client(base_url=running.url, headers={"x-api-key": created[1]})
    assert colleague.get("/ui/").status_code == 200
    assert colleague.get("/ui/settings").status_code == 403
    assert (
        colleague.post("/ui/settings/keys", data={"name": "x", "project": "*", "scope_admin": "1"}).status_code == 403
    )
    assert colleague.post("/ui/score", data={"id": "plain", "value": "1"}).status_code == 403
    shown = browser.get("/ui/settings").text
    assert created[1] not in shown
    assert "colleague" in shown
    wrong = browser.post("/ui/settings/keys", data={"name": "typed", "project": "shop"})
    assert wrong.status_code == 400
    assert 'value="typed"' in wrong.text
    (key_id,) = [key_id for key_id, key in list_keys(running.store).items() if key["name"] == "colleague"]
    assert browser.post("/ui/settings/revoke", data={"id": key_id}).status_code == 303
    assert colleague.get("/ui/").status_code == 303


def test_a_project_is_set_in_the_settings(running: Live, browser: httpx2.Client) -> None:
    given = {"project": "shop", "retain": "90d", "limit_0": "12.50", "per_0": "week", "limit_1": ""}
    assert browser.post("/ui/settings/project", data=given).status_code == 303
    assert running.store.documents("project")["shop"] == {"retain": "90d", "budgets": [{"limit": 12.5, "per": "week"}]}
    shown = browser.get("/ui/settings").text
    assert "$0.00 of $12.50 a week" in shown
    assert "writable" in shown
    for wrong in (
        {"retain": "soon"},
        {"limit_0": "much"},
        {"limit_0": "-1"},
        {"limit_0": "nan"},
        {"per_0": "year", "limit_0": "1"},
    ):
        answer = browser.post("/ui/settings/project", data={"project": "shop", "retain": "7d", **wrong})
        assert answer.status_code == 400
        assert 'role="alert"' in answer.text
        assert f'value="{wrong.get("retain", "7d")}"' in answer.text
    assert browser.post("/ui/settings/project", data={"project": "x" * 65}).status_code == 400
    assert running.store.documents("project")["shop"]["retain"] == "90d"


def test_scores_have_names(browser: httpx2.Client, running: Live) -> None:
    sent = browser.post("/ui/score", data={"id": "old-001", "name": "helpful", "value": "1", "comment": "<b>yes</b>"})
    assert sent.status_code == 303
    kept = running.store.get("old-001")
    assert kept is not None
    assert (kept.scores, kept.score) == ({"helpful": {"value": 1.0, "comment": "<b>yes</b>"}}, None)
    assert "score: helpful" in browser.get("/ui/log/old-001").text
    assert ">helpful 1<" in browser.get("/ui/?column=name&column=score&text=Question+1").text


@one_store
def test_the_sums_and_histogram_of_a_match(watched: Watched) -> None:
    page = watched.page
    page.goto(watched.base + "/ui/?model=gpt-4o")
    page.wait_for_selector(".histogram svg")
    box = page.locator(".histogram svg").bounding_box()
    page.mouse.move(box["x"] + box["width"] * 0.9, box["y"] + 10)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"], box["y"] + 10)
    page.mouse.up()
    page.wait_for_url("**since=**")
    assert "until=" in page.url
    assert "model=gpt-4o" in page.url
    page.goto(watched.base + "/ui/?since=2026-01-13T01:20:51.941Z&until=2026-01-14T00:00:00Z&zone=Asia/Kolkata")
    assert page.inner_text("summary[aria-label^='Time range']") == "13 Jan 06:50 – 14 Jan 05:30"
    assert page.input_value("input[name=since]") == "2026-01-13T06:50:51"
    page.goto(watched.base + "/ui/?since=yesterday")
    assert page.input_value("input[name=since]") == "yesterday"


def test_markdown_is_shown_and_does_nothing() -> None:
    shown = markdown(
        "# Hi\n**b** [x](javascript:alert(1)) [y](https://a.example) ![p](https://a.example/p.png) <b>\u202e"
    )
    assert '<div class="heading h1">Hi</div>' in shown
    assert "<strong>b</strong>" in shown
    assert 'href="javascript' not in shown
    assert "<img" not in shown
    assert "<b>" not in shown
    assert "\u202e" not in shown
    assert markdown("x" * 30_000).endswith("10,000 more characters</span>")
    assert " style=" not in markdown("|a|\n|-:|\n|1|")


def test_charts_and_json() -> None:
    drawn = json_tree({"a": [1, None, True, {"b": "<b>"}], "c": list(range(100_000))})
    assert "&lt;b&gt;" in drawn
    assert len(drawn) < 400_000
    deep: Any = []
    for _ in range(5000):
        deep = [deep]
    assert "more" in json_tree(deep)
    total = charts.Total()
    assert (total.percentile(0.5), total.known_cost) == (None, None)
    steps = charts.points([], NOW - timedelta(days=1), NOW, timedelta(hours=1))
    assert len(steps) in {24, 25}
    days = charts.points([], NOW - timedelta(days=7), NOW, timedelta(days=1))
    assert re.findall(r">([^<]+)</text>", charts._labels(days, 60)) == [days[index].label for index in (0, 2, 4, 7)]
    assert charts._labels(days[:1], 60).count("<text") == 1
    assert charts._round_up(0.0031) == pytest.approx(0.004)
    ends = [(400, dollars), (2e6, dollars), (1.5e6, number), (1e15, number), (0.5, seconds), (1e9, seconds)]
    ticks = [charts._tick(top, top, show) for top, show in ends]
    assert ticks == ["$400.00", "$2M", "1,500k", "1,000T", "0.5 s", "11,574.1 d"]
    assert charts._tick(750_000, 1_500_000, number) == "750k"
    assert read_filters([("user", " ")], None).shown == []


# In a browser


@pytest.fixture
def watched(chromium: Any, running: Live) -> Iterator[Watched]:
    page = Watched(chromium, running)
    yield page
    page.context.close()
    assert not page.complaints


@one_store
def test_every_page_in_the_browser(watched: Watched) -> None:
    for path in PAGES:
        watched.page.goto(watched.base + path)
        assert watched.page.title().endswith("autolog")
        assert watched.page.locator("h1").count() == 1
        unnamed = watched.page.eval_on_selector_all(
            "input:not([type=hidden]), select, button, a",
            "all => all.filter(one => !(one.labels?.length || one.textContent.trim() || one.getAttribute('aria-label'))).length",
        )
        assert unnamed == 0, path
    assert (
        watched.page.locator("img.media").count() == 1
    )  # the last page has one image inside, and one elsewhere: not fetched


@one_store
def test_finding_a_call(watched: Watched) -> None:
    page = watched.page
    page.fill("input[name=text]", "goodbye")
    with page.expect_navigation():
        page.press("input[name=text]", "Enter")
    assert watched.rows() == ["other"]
    assert "text=goodbye" in page.url
    watched.follow("#rows a")
    assert "Say goodbye" in page.inner_text("main")
    page.go_back()
    assert watched.rows() == ["other"]
    watched.follow(".chips a >> nth=0")
    assert len(watched.rows()) == 50
    watched.follow("a[rel=next]")
    first = watched.rows()
    page.go_back()
    page.go_forward()
    assert watched.rows() == first


@one_store
def test_by_keyboard_alone(watched: Watched) -> None:
    page = watched.page
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.id") == "search"
    page.keyboard.press("Escape")
    page.keyboard.press("j")
    page.keyboard.press("c")
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("c")
    rows = watched.rows()
    watched.follow("#marked a")
    assert page.input_value("input[name=a]") == rows[0]
    assert page.input_value("input[name=b]") == rows[2]
    assert page.locator(".diff tr.changed").count()
    page.go_back()
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    page.wait_for_url("**/ui/log/**")
    here = page.url
    page.keyboard.press("p")
    page.wait_for_url(lambda url: url != here)
    page.keyboard.press("n")
    page.wait_for_url(here)
    page.keyboard.press("?")
    assert page.is_visible("#shortcuts")
    page.goto(watched.base + "/ui/")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to content"


@one_store
def test_light_and_dark(watched: Watched) -> None:
    page = watched.page
    colour = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(colour)
    page.keyboard.press("t")
    dark = page.evaluate(colour)
    assert light != dark
    page.reload()
    assert page.evaluate(colour) == dark
    page.click("#theme")
    assert page.evaluate(colour) == light
    page.emulate_media(color_scheme="dark")
    page.evaluate("localStorage.clear()")
    page.reload()
    assert page.evaluate(colour) == dark


def test_new_records_appear_while_one_looks(watched: Watched, running: Live) -> None:
    page = watched.page
    with page.expect_response("**/ui/events*"):  # the head of the stream: from here on it is told of new records
        page.goto(watched.base + "/ui/?user=live")
    assert watched.rows() == []
    running.store.write(
        [chat("live-1", "x", "Live!", datetime.now(UTC), user="live"), chat("not-mine", "x", "x", datetime.now(UTC))]
    )
    page.wait_for_selector("tr[data-id=live-1]")
    assert watched.rows() == ["live-1"]
    page.uncheck("#live")
    running.store.write([chat("live-2", "x", "x", datetime.now(UTC), user="live")])
    page.wait_for_timeout(1200)
    assert watched.rows() == ["live-1"]


@one_store
def test_the_trace_and_the_overview(watched: Watched) -> None:
    page = watched.page
    page.goto(watched.base + "/ui/log/plain")
    assert page.eval_on_selector_all("#tree li", "all => all.map(one => one.dataset.id)") == ["root", "plain"]
    assert "$0.003" in page.inner_text("#tree li[data-id=root]")
    page.goto(watched.base + "/ui/overview")
    page.wait_for_selector("[data-fill]", state="detached")
    assert page.locator("svg.chart").count() == 4
    watched.follow("nav.by a:text-is('user')")
    assert "by=user" in page.url
    watched.follow("a.only >> nth=0")
    assert "Only user:" in page.inner_text("main")
    assert page.locator("rect.hover title").first.text_content()


@one_store
def test_a_span_is_chosen_without_loading_the_page(watched: Watched) -> None:
    page = watched.page
    page.goto(watched.base + "/ui/log/plain")
    page.evaluate("window.sameDocument = true")
    page.click("#tree li[data-id=root] a")
    page.wait_for_selector("#detail h1:text-is('plan')")
    assert page.url.endswith("/ui/log/root")
    page.keyboard.press("j")
    page.wait_for_selector("#detail h1:text-is('chat gpt-4o')")
    page.go_back()
    page.wait_for_selector("#detail h1:text-is('plan')")
    assert page.evaluate("window.sameDocument")
    page.click("#tree .toggle")
    assert not page.is_visible("#tree li[data-id=plain]")
    page.fill("#search", "chat")
    assert page.is_visible("#tree li[data-id=plain]")
    assert not page.is_visible("#tree li[data-id=root]")
    page.goto(watched.base + "/ui/trace?id=" + (page.get_attribute("#detail a[href*='trace=']", "href") or "")[-32:])
    assert page.locator("#tree li").count() == 2


@one_store
def test_a_session_is_its_turns_and_each_opens_into_its_trace(watched: Watched, running: Live) -> None:
    page = watched.page
    page.goto(watched.base + "/ui/sessions")
    row = page.inner_text("tr:has(a:text-is('s1'))")
    assert row.index("Say goodbye") < row.index("Fare *very* well")
    assert " sessions · " in page.inner_text("main")
    page.goto(watched.base + "/ui/sessions?user=ada2")
    assert page.inner_text("main").count("1 session · 1 turn · 1 call · ") == 1
    watched.follow(".chips a")
    watched.follow("a:text-is('s1')")
    assert page.locator(".turn").count() == 2
    assert page.inner_text(".turn >> nth=0").index("Say goodbye") < page.inner_text(".turn >> nth=0").index("Farewell")
    assert page.locator(".turn strong:text-is('Farewell')").count() == 1
    page.click(".turn >> nth=0 >> summary")
    page.wait_for_selector(".turn .late a")
    running.store.write(
        [chat(f"t{n}", f"Turn {n}", "x", NOW - timedelta(days=4, seconds=-n), session="5k") for n in range(60)]
    )
    page.goto(watched.base + "/ui/session?id=5k")
    assert page.locator(".turn").count() == 25
    watched.follow("text=Latest >> nth=0")
    assert "60. chat gpt-4o" in page.inner_text("main")
    for address in ("/ui/session?id=none", "/ui/sessions?page=x", "/ui/users?since=soon", "/ui/users?text=a"):
        assert page.goto(watched.base + address).status in {400, 404}
    watched.complaints.clear()  # the browser notes a status of 4xx on its console


@one_store
def test_hostile_content_is_only_shown(watched: Watched) -> None:
    page = watched.page
    for path in (
        "/ui/",
        "/ui/log/hostile",
        "/ui/overview?by=user",
        "/ui/sessions",
        "/ui/users",
        "/ui/traces",
        "/ui/compare?a=hostile&b=broken",
        "/ui/?user=" + "%3Cscript%3E",
    ):
        page.goto(watched.base + path)
        assert page.title() != "owned"
        assert page.locator("img[src=x]").count() == 0
        if "overview" in path:
            page.wait_for_selector("h2:has-text('Slowest calls')")
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path
    page.goto(watched.base + "/ui/log/hostile")
    assert "<script>document.title" in page.inner_text("main")
    assert "\\x202e" in page.inner_text("main")


@one_store
def test_copying(chromium: Any, running: Live) -> None:
    watched = Watched(chromium, running, permissions=["clipboard-read", "clipboard-write"])
    watched.page.goto(watched.base + "/ui/log/plain")
    watched.page.click("summary:has-text('Python')")
    watched.page.click("details.snippet:has-text('Python') button >> nth=0")
    assert "client.chat.completions.create(" in watched.page.evaluate("navigator.clipboard.readText()")
    watched.context.close()


@one_store
def test_on_a_narrow_screen(chromium: Any, running: Live) -> None:
    watched = Watched(chromium, running, viewport={"width": 360, "height": 700})
    for path in PAGES:
        watched.page.goto(watched.base + path)
        wide = watched.page.evaluate("document.documentElement.scrollWidth")
        assert wide <= 360, (path, wide)
    watched.context.close()
    assert not watched.complaints


@pytest.mark.skipif(not FOLDER.is_dir(), reason="../shared/traffic is not here")
def test_every_recording_has_a_page(chromium: Any, tmp_path: Path) -> None:
    from traffic import as_record

    store = open_store(f"sqlite:///{tmp_path}/s.db")
    from autolog._reading.derive import fill_in

    names = []
    for place, recording in enumerate(recordings()):
        record = as_record(recording)
        record.created_at = NOW - timedelta(minutes=place)
        record.id = recording.id.replace("/", "-")
        fill_in(record)
        store.write([record])
        names.append(record.id)
    with live(tmp_path / "s.db") as running:
        client = httpx2.Client(base_url=running.url, headers={"x-api-key": KEY})
        assert [client.get(f"/ui/log/{name}").status_code for name in names] == [200] * len(names)
        watched = Watched(chromium, running)
        for name in names[::8]:
            watched.page.goto(f"{running.url}/ui/log/{name}")
            assert watched.page.locator("h1").count() == 1
        watched.context.close()
        assert not watched.complaints


def test_a_generated_store(chromium: Any, tmp_path: Path) -> None:
    """Twenty thousand logs here; TEST_LOGS=1000000 for the walk over a million."""
    from benchmarks.dashboard import PATHS as WALK, fill as generate

    logs = int(os.environ.get("TEST_LOGS", "20000"))
    path = Path(os.environ.get("TEST_STORE", tmp_path / "s.db"))
    if not path.exists():
        generate(open_store(f"sqlite:///{path}"), logs)
    with live(path) as running:
        watched = Watched(chromium, running)
        page = watched.page
        for address in WALK.values():
            if address.startswith("/ui/"):
                page.goto(running.url + address)
                assert page.locator("h1").count() == 1
        page.goto(f"{running.url}/ui/?model=gpt-4o")
        seen = set(watched.rows())
        for _ in range(4):
            watched.follow("a[rel=next]")
            assert not seen & set(watched.rows())
            seen |= set(watched.rows())
        assert len(seen) == 250
        page.goto(f"{running.url}/ui/?text=no+such+words+anywhere")
        assert "No log matches" in page.inner_text("main") or "Searched back to" in page.inner_text("main")
        watched.context.close()
        assert not watched.complaints


def test_ids_of_any_kind_and_of_several_projects(running: Live, browser: httpx2.Client) -> None:
    odd = ["a/b", "..", "plain/request", "é %?#&", "x" * 150]
    running.store.write(
        [chat(name, f"I am {number}", "x", NOW - timedelta(days=5), user="odd") for number, name in enumerate(odd)]
    )
    running.store.write([chat("plain", "I am another's", "x", NOW - timedelta(days=5), project="second", user="odd")])
    page = browser.get("/ui/?user=odd").text
    links = re.findall(r'<td><a href="([^"]+)"><time', page)
    assert len(links) == 6
    texts = [browser.get(link.replace("&amp;", "&")).text for link in links]
    assert sum("I am another&#39;s" in text for text in texts) == 1
    assert all(any(f"I am {number}" in text for text in texts) for number in range(5))


def test_mounted_inside_another_application(tmp_path: Path) -> None:
    from starlette.applications import Starlette
    from starlette.routing import Mount
    from starlette.testclient import TestClient

    from autolog.server import create_app

    store = open_store(f"sqlite:///{tmp_path}/s.db")
    store.write([chat("plain", "Hello", "x", NOW)])
    client = TestClient(Starlette(routes=[Mount("/logs", app=create_app(store, api_key=KEY))]), follow_redirects=False)
    assert client.get("/logs/ui/log/plain").headers["location"] == "/logs/ui/login?next=/ui/log/plain"
    entered = client.post("/logs/ui/login", data={"key": KEY, "next": "/ui/log/plain"})
    assert entered.headers["location"] == "/logs/ui/log/plain"
    page = client.get("/logs/ui/")
    assert page.status_code == 200
    addresses = re.findall(r'(?:href|src|action|data-events)="(/[^"]*)"', page.text)
    assert addresses
    assert all(address.startswith("/logs/ui/") for address in addresses)
    assert client.get("/logs/ui/static/app.css").status_code == 200


def test_a_revoked_key_ends_the_stream(running: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    from autolog.server import _live
    from autolog.server._keys import Keyring, create_key, list_keys, revoke_key

    monkeypatch.setattr(_live, "RECHECK", 0.2)
    monkeypatch.setattr(Keyring, "REFRESH", 0.1)
    key = create_key(running.store, "gone", "default", ["read"])
    with httpx2.stream("GET", f"{running.url}/ui/events", headers={"x-api-key": key}, timeout=10) as stream:
        lines = stream.iter_lines()
        assert next(lines) == ": live"
        revoke_key(
            running.store, next(name for name, data in list_keys(running.store).items() if data["name"] == "gone")
        )
        assert "data" not in "".join(lines)  # the stream ends; otherwise this waits for the timeout


@pytest.mark.parametrize(
    ("request_body", "response_body"),
    [({"messages": [{"role": "user", "content": [{"type": "text", "text": "one part"}] * 5_000}]}, {}),
     ({"messages": [{"role": "system", "content": "one part"}] * 5_000}, {}),
     ({}, {"choices": [{"message": {"role": "assistant", "content": "one part"}}] * 5_000})],
)  # fmt: skip
def test_a_page_shows_the_first_of_very_many_parts(request_body: Any, response_body: Any) -> None:
    bodies = {"request_body": encode_json(request_body), "response_body": encode_json(response_body)}
    shown = conversation.contents(Record(id="r", kind="llm", **bodies))
    said = [part for name in ("answer", "instructions", "turn") for message in shown[name] for part in message.parts]
    assert 0 < sum("one part" in part for part in said) <= 300
