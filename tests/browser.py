"""A real browser (Debian's Chromium, through Playwright) that is signed in to the pages and collects their errors."""

from __future__ import annotations

import shutil
from typing import Any

from live import KEY, Live

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync"]  # fmt: skip


class Watched:
    """A signed-in page, with its console errors and its requests to other hosts."""

    def __init__(self, chromium: Any, running: Live, **options: Any) -> None:
        self.context = chromium.new_context(**options)
        self.page = self.context.new_page()
        self.base = running.url
        self.complaints: list[str] = []
        self.page.on(
            "console",
            lambda message: self.complaints.append(message.text) if message.type in {"error", "warning"} else None,
        )
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("dialog", lambda dialog: (self.complaints.append("dialog"), dialog.dismiss()))
        self.page.on("request", self._asked)
        self.page.goto(f"{running.url}/ui/enter?key={KEY}")
        assert self.page.url == f"{running.url}/ui/"

    def _asked(self, request: Any) -> None:
        if not request.url.startswith((self.base, "data:")):
            self.complaints.append(f"asked {request.url}")

    def follow(self, selector: str) -> None:
        """Click on what leads to another page, and wait until that is there."""
        with self.page.expect_navigation():
            self.page.click(selector)

    def rows(self) -> list[str]:
        found: list[str] = self.page.eval_on_selector_all("#rows tr", "rows => rows.map(row => row.dataset.id)")
        return found
