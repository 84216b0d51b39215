"""Every page passes axe in light and dark, wide and narrow, without sideways scrolling or console messages."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from browser import Watched
from live import KEY, Live, live
from page_samples import fill

from autolog.stores.query import Query

PATHS = (
    "/ui/", "/ui/?user=ada&column=time&column=name&column=score&column=tags", "/ui/?text=nothing+has+this", "/ui/traces",
    "/ui/sessions", "/ui/users", "/ui/session?id=s1", "/ui/overview", "/ui/overview?by=user&only=model:gpt-4o",
    "/ui/cache", "/ui/alerts", "/ui/compare", "/ui/compare?a=plain&b=other", "/ui/settings",
    *(f"/ui/log/{name}" for name in ("plain", "root", "failed", "hostile", "broken", "long", "rich")),
)  # fmt: skip
#: The browser itself notes a status of 4xx on its console.
REFUSED = ("/ui/log/nobody", "/ui/?status=maybe", "/ui/trace/nobody", "/ui/overview?by=colour")


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    with live(tmp_path_factory.mktemp("axe") / "s.db") as server:
        fill(server)
        for record in server.store.find(Query({"user": "ada"})):
            server.store.update(record.id, record.project, lambda kept: kept.scores.update(helpful=1.0))
        yield server


@pytest.fixture(scope="module")
def axe() -> str:
    package = pytest.importorskip("axe_playwright_python", reason="axe is not installed: pip install -e '.[dev]'")
    return (Path(package.__file__).parent / "axe.min.js").read_text()


#: The axe rules for colours, checked in dark mode and in the other layout.
COLOURS = {"runOnly": {"type": "rule", "values": ["color-contrast", "link-in-text-block"]}}
#: The width of a page, its colour scheme, and axe's rules.
LOOKS: tuple[tuple[int, str, dict[str, Any]], ...] = (
    (1280, "light", {}), (1280, "dark", COLOURS), (390, "light", COLOURS),
)  # fmt: skip


@pytest.fixture(scope="module")
def watched(chromium: Any, running: Live) -> Iterator[Watched]:
    page = Watched(chromium, running)
    yield page
    page.context.close()


def violations(watched: Watched, axe: str, options: dict[str, Any] | None = None) -> list[str]:
    """Return axe's findings on a page with all sections unfolded."""
    watched.page.evaluate("document.querySelectorAll('details:not(.menu)').forEach(one => { one.open = true; })")
    if watched.page.evaluate("typeof axe === 'undefined'"):
        watched.page.evaluate(axe)
    found = watched.page.evaluate("options => axe.run(options)", options or {})["violations"]
    return [
        f"{violation['id']}: {violation['nodes'][0]['target']} {violation['nodes'][0]['failureSummary']}"
        for violation in found
    ]


@pytest.mark.parametrize("path", [*PATHS, *REFUSED])
def test_axe_finds_nothing_and_nothing_scrolls_sideways(watched: Watched, axe: str, path: str) -> None:
    page = watched.page
    watched.complaints.clear()
    for width, scheme, options in LOOKS:
        page.set_viewport_size({"width": width, "height": 900})
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        if not options:
            page.goto(watched.base + path)
            page.wait_for_selector("[data-fill]", state="detached")
        assert violations(watched, axe, options) == [], (width, scheme)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, scheme
    if path in PATHS:
        assert watched.complaints == []


def test_the_form_to_sign_in(chromium: Any, running: Live, axe: str) -> None:
    watched = Watched(chromium, running)
    watched.context.clear_cookies()
    watched.page.goto(watched.base + "/ui/")
    watched.complaints.clear()  # those of the previous page's pending requests
    watched.page.reload()
    assert "Sign in" in watched.page.inner_text("h1")
    assert violations(watched, axe) == []
    assert watched.complaints == []
    watched.page.fill("input[name=key]", KEY)
    watched.page.click("button:has-text('Sign in')")
    watched.page.wait_for_url("**/ui/")
    assert watched.page.locator("#rows tr").count() > 0
    watched.context.close()


def test_menus_open_and_close_by_keyboard(chromium: Any, running: Live, axe: str) -> None:
    watched = Watched(chromium, running, viewport={"width": 1280, "height": 900})
    page = watched.page
    for menu in ("Filter", "Views", "Export", "Columns"):
        page.goto(watched.base + "/ui/")
        page.focus(f"summary:text-is('{menu}')")
        page.keyboard.press("Enter")
        assert page.locator("details.menu[open] .panel").is_visible()
        assert violations(watched, axe) == [], menu
        page.keyboard.press("Escape")
        assert page.locator("details.menu[open]").count() == 0
        assert page.evaluate("document.activeElement.textContent") == menu
    page.keyboard.press("?")
    assert page.locator("#shortcuts").is_visible()
    page.keyboard.press("Escape")
    assert page.locator("#shortcuts").is_hidden()
    page.fill("#search", "half a question")
    page.keyboard.press("Escape")
    assert page.input_value("#search") == "half a question"
    watched.context.close()
    assert watched.complaints == []
