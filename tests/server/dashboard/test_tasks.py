"""Users' tasks, done in a real browser with few clicks; the answers are known."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from browser import Watched
from live import Live, live
from page_samples import NOW, chat

from autolog._record.record import Record


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """Run a server with a shop's week: ada is costly, prompt 2 answers like prompt 1, a run waits, and a call fails."""
    at = NOW - timedelta(hours=3)
    shop: dict[str, Any] = {"project": "shop", "prompt_name": "answer", "caller": "answer"}
    run: dict[str, Any] = {"project": "shop", "trace_id": "a" * 32, "created_at": at, "start_time": at}
    records = [
        chat("v1", "Where is it?", "On its way", at - timedelta(days=2), prompt_version="1", user="bob", **shop),
        chat("v2", "Where is it?", "It comes *today*", at, prompt_version="2", user="bob", tags=["web"], **shop),
        chat("v2b", "Something else", "Yes", at, prompt_version="2", user="bob", metadata={"plan": "pro"}, **shop),
        chat("dear", "Write a book", "It was a deep ultramarine night", at, cost=9.0, user="ada", tags=["app"], **shop),
        chat("failed", "Too long", "", at, status="error", error_type="context_length", error_message="Too many tokens",
             cost=None, user="bob", request_model="gpt-5", response_model="gpt-5", **shop),
        Record(id="run", kind="agent", name="research", span_id="1" * 16, duration=40.0, **run),
        Record(id="slow", kind="tool", name="search", span_id="2" * 16, parent_span_id="1" * 16, duration=31.0, **run),
        Record(id="quick", kind="tool", name="fetch", span_id="3" * 16, parent_span_id="1" * 16, duration=0.3, **run),
    ]  # fmt: skip
    with live(tmp_path_factory.mktemp("tasks") / "s.db") as server:
        server.store.write(records)
        yield server


@pytest.fixture
def watched(chromium: Any, running: Live) -> Iterator[Watched]:
    page = Watched(chromium, running, viewport={"width": 1280, "height": 900})
    yield page
    page.context.close()
    assert not page.complaints


def test_the_dearest_user_this_week(watched: Watched) -> None:
    watched.follow("nav.side a:has-text('Users')")
    watched.follow("th a:has-text('Cost')")
    assert "ada" in watched.page.inner_text("#rows tr >> nth=0")
    assert "$9.00" in watched.page.inner_text("#rows tr >> nth=0")


def test_why_a_run_took_so_long(watched: Watched) -> None:
    watched.follow("nav.side a:has-text('Traces')")
    watched.follow("thead a:has-text('Latency')")
    watched.follow("#rows td.name >> nth=0")
    assert watched.page.inner_text("#tree li[data-id=slow]").split() == ["search", "31.00", "s"]
    deeper = watched.page.evaluate("""['run', 'slow'].map((id) =>
        document.querySelector(`#tree li[data-id=${id}] .label a`).getBoundingClientRect().left)""")
    assert deeper[0] < deeper[1]


def test_what_was_spent_by_tag_and_which_errors_rose(watched: Watched) -> None:
    watched.follow("nav.side a:has-text('Overview')")
    assert "gpt-5" in watched.page.inner_text("section:has-text('largest increase first') li >> nth=0")
    watched.follow("nav.by a:text-is('tag')")
    assert "$9.00" in watched.page.inner_text("tr:has-text('app') >> nth=0")


def test_the_same_question_to_two_versions_of_a_prompt(watched: Watched) -> None:
    watched.page.goto(watched.base + "/ui/log/v2?project=shop")
    watched.follow("a.button:has-text('Compare')")
    assert "same input" in watched.page.inner_text(".others li >> nth=0")
    watched.follow(".others a >> nth=0")
    assert "On its way" in watched.page.inner_text(".diff >> nth=1")


def test_filters_are_suggested_and_may_be_typed(watched: Watched) -> None:
    page = watched.page
    with page.expect_response("**/ui/known*"):
        page.click("#search")
    page.keyboard.type("pla")
    page.wait_for_selector("#suggestions li:has-text('plan=pro')")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.wait_for_url("**metadata=plan%3Dpro**")
    assert watched.rows() == ["v2b"]
    page.goto(watched.base + "/ui/")
    page.fill("#search", "user: ada")
    page.keyboard.press("Enter")
    page.wait_for_url("**user=ada**")
    page.fill("#search", "since: yesterday 14:05")
    page.keyboard.press("Enter")
    page.wait_for_url("**since=yesterday+14%3A05**")
    page.fill("#search", "ultramarine")
    page.keyboard.press("Enter")
    page.wait_for_url("**text=ultramarine**")
    assert "=&" not in page.url
    assert watched.rows() == ["dear"]


def test_marks_last_while_one_filters(watched: Watched) -> None:
    page = watched.page
    for version in ("1", "2"):
        page.goto(watched.base + f"/ui/?prompt_version={version}")
        page.keyboard.press("j")
        page.keyboard.press("c")
    watched.follow("#marked a")
    assert page.locator(".figures-table").count() == 1
    page.go_back()
    page.click("#unmark")
    assert not page.is_visible("#marked")


def test_a_chart_is_saved_as_a_picture(watched: Watched) -> None:
    watched.page.goto(watched.base + "/ui/overview")
    with watched.page.expect_download() as saved:
        watched.page.click("figure:has-text('Cost by model') button")
    drawing = saved.value.path().read_text()
    assert saved.value.suggested_filename == "cost-by-model.svg"
    assert "■ gpt-4o" in drawing
    assert "var(" not in drawing
    assert "<a " not in drawing


def test_back_is_back_to_the_row_and_the_filter(watched: Watched) -> None:
    page = watched.page
    page.goto(watched.base + "/ui/?user=bob")
    page.click("tr[data-id=v1] td.name")
    page.wait_for_url("**/ui/log/v1**")
    page.go_back()
    page.wait_for_selector("tr[data-id=v1].current")
    assert page.url.endswith("?user=bob")
    assert page.evaluate("document.activeElement.closest('tr').dataset.id") == "v1"
    page.click("tr[data-id=v1] a:text-is('gpt-4o')")
    page.wait_for_url("**model=gpt-4o**")
    assert "user=bob" in page.url
