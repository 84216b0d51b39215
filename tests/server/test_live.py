"""Live streams of new records."""

from __future__ import annotations

import json
import threading
import time
from typing import Any

import httpx2
from dialects.samples import Server
from live import KEY, Live

from autolog._record.record import Record


def test_the_tail(running: Live) -> None:
    seen: list[dict[str, Any]] = []

    def follow() -> None:
        headers = {"authorization": f"Bearer {KEY}"}
        with httpx2.stream("GET", f"{running.url}/api/v1/tail?user=u", headers=headers, timeout=20) as stream:
            for line in stream.iter_lines():
                if line.startswith("data: "):
                    seen.append(json.loads(line[6:]))
                    return

    thread = threading.Thread(target=follow)
    thread.start()
    deadline = time.monotonic() + 15
    while thread.is_alive() and time.monotonic() < deadline:
        running.store.write([Record(id=f"x{time.monotonic()}"), Record(id=f"y{time.monotonic()}", user="u")])
        time.sleep(0.2)
    thread.join(5)
    assert seen[0]["user"] == "u"


def test_the_head_of_a_tail_ends(server: Server) -> None:
    assert server.call("HEAD", "/api/v1/tail").status_code == 200
