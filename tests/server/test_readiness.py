"""`/ready`: one small write for all concurrent requests, and no thread."""

from __future__ import annotations

import sqlite3
import threading
import time
from pathlib import Path

import httpx2
from live import KEY, live


def test_however_many_ask_pages_are_served_while_the_store_does_not_answer(tmp_path: Path) -> None:
    with live(tmp_path / "s.db") as running:
        assert httpx2.get(f"{running.url}/ready").status_code == 200
        time.sleep(1.1)
        lock = sqlite3.connect(tmp_path / "s.db", isolation_level=None)
        lock.execute("BEGIN IMMEDIATE")
        found: list[int] = []
        threads = [
            threading.Thread(target=lambda: found.append(httpx2.get(f"{running.url}/ready", timeout=30).status_code))
            for _ in range(100)
        ]
        for thread in threads:
            thread.start()
        time.sleep(0.5)
        started = time.monotonic()
        for path in ("/ui/", "/api/v1/records", "/health"):
            assert httpx2.get(running.url + path, headers={"x-api-key": KEY}).status_code == 200
        assert time.monotonic() - started < 10
        for thread in threads:
            thread.join()
        lock.execute("ROLLBACK")
        assert set(found) == {503}
        time.sleep(1.1)
        assert httpx2.get(f"{running.url}/ready").status_code == 200
