"""The page of prompt caches: sums, causes and misses, and the cache line on a call's own page."""

from __future__ import annotations

from collections.abc import Iterator

import httpx2
import pytest
from live import KEY, Live, live
from prompts import anthropic_body, call, words

from autolog.stores import open_store

RANGE = "since=2026-01-01&until=2027-01-01"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """Three calls of a session: the cache is filled, read, and missed for a changed instruction."""
    path = tmp_path_factory.mktemp("cache") / "s.db"
    store = open_store(f"sqlite:///{path}")
    changed = anthropic_body(3)
    changed["system"][0]["text"] = "It is 12:07. <script>" + words(4_000)
    bodies = [anthropic_body(1), anthropic_body(2), changed]
    for number, (body, read, written) in enumerate(zip(bodies, (0, 4_000, 0), (4_000, 50, 4_100), strict=True)):
        at = 10.0 * number
        record = call(body, read, written, at=at, provider="anthropic", id=f"call-{number}", caller="<b>agent</b>")
        store.write([record])
    with live(path) as server:
        yield server


@pytest.fixture
def browser(running: Live) -> httpx2.Client:
    return httpx2.Client(base_url=running.url, headers={"x-api-key": KEY})


def test_what_the_cache_gave_and_why_it_missed(browser: httpx2.Client) -> None:
    assert 'data-fill="/ui/cache/report?' in browser.get(f"/ui/cache?{RANGE}").text
    page = browser.get(f"/ui/cache/report?{RANGE}&by=function").text
    assert "prefix changed" in page
    assert "the prefix broke at system[0].text" in page
    assert "/ui/log?" in page
    assert "id=call-2" in page
    assert "&lt;b&gt;agent&lt;/b&gt;" in page
    assert "<script>" not in page
    for by in ("model", "session", "day"):
        assert "4,000" in browser.get(f"/ui/cache/report?{RANGE}&by={by}").text
    assert browser.get("/ui/cache?by=colour").status_code == 400
    assert "No call in this time range" in browser.get("/ui/cache/report?since=2020-01-01&until=2020-01-02").text


def test_the_rate_and_the_line_of_one_call(browser: httpx2.Client) -> None:
    assert "4,000 of" in browser.get(f"/ui/cache/rate?{RANGE}").text
    assert "the prefix broke at system[0].text" in browser.get("/ui/cache/line?id=call-2").text
    assert browser.get("/ui/cache/line?id=call-1").text.count("4,000 of") == 1
    assert browser.get("/ui/cache/line?id=nobody").status_code == 404
