"""The server under faults: kills, floods, a full disk, slow clients."""

from __future__ import annotations

import asyncio
import ctypes
import gzip
import random
import socket
import sqlite3
import subprocess
import sys
import threading
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from live import KEY
from waiting import until

from autolog._record.record import Record
from autolog.dialects import native
from faults.real import HEADERS, Server, environment, names_in, running


def post(url: str, names: list[str], size: int = 200, timeout: float = 20) -> httpx2.Response:
    records = [Record(id=name, name=name, request_body=b'{"x": "%s"}' % (b"y" * size)) for name in names]
    headers = {**HEADERS, "content-type": native.MSGPACK}
    return httpx2.post(f"{url}/api/v1/records", content=native.encode_batch(records), headers=headers, timeout=timeout)


def load(server: Server, stop: threading.Event, acknowledged: list[str], worker: str) -> None:
    number = 0
    while not stop.is_set():
        names = [f"{worker}-{number}-{item}" for item in range(random.choice([1, 1, 5, 50]))]
        number += 1
        for _ in range(2):  # a client that got no answer tries again
            try:
                if post(server.url, names).status_code == 200:
                    acknowledged += names
                    break
            except httpx2.HTTPError:
                time.sleep(0.02)


def test_killed_at_random_moments(tmp_path: Path, thorough: bool) -> None:
    server = Server(tmp_path / "s.db")
    acknowledged: list[str] = []
    slowest = 0.0
    for kill in range(50 if thorough else 4):
        slowest = max(slowest, server.start())
        stop = threading.Event()
        workers = [
            threading.Thread(target=load, args=(server, stop, acknowledged, f"{kill}-{number}")) for number in range(4)
        ]
        for worker in workers:
            worker.start()
        time.sleep(random.uniform(0.05, 1.0))
        server.end()
        stop.set()
        for worker in workers:
            worker.join()
    slowest = max(slowest, server.start())
    server.end()
    names = server.names()
    assert len(acknowledged) > 50
    assert set(acknowledged) <= set(names)
    assert len(names) == len(set(names))
    with sqlite3.connect(tmp_path / "s.db") as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    print(f"{len(acknowledged)} acknowledged, all found, none doubled; slowest start {slowest:.1f} s")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "disk"
    folder.mkdir()
    if not own_mounts() or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "none", folder]).returncode:
        pytest.skip("mounting a small disk needs root")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


def own_mounts() -> bool:
    """Let further mounts be seen, until they end, only by this thread and by the threads and processes it starts.

    So a run that is killed leaves no mount behind, on which later runs would fail as they tidy up.
    """
    new_namespace = 0x00020000  # CLONE_NEWNS of unshare(2)
    unshare = getattr(ctypes.CDLL(None), "unshare", None)
    if unshare is None or unshare(new_namespace) != 0:
        return False
    return subprocess.run(["mount", "--make-rprivate", "/"]).returncode == 0


def test_a_full_disk(small_disk: Path) -> None:
    with running(small_disk / "s.db") as server:
        kept, statuses = [], []
        for number in range(200):
            answer = post(server.url, [f"{number}-{item}" for item in range(20)], size=random.randint(2000, 4000))
            statuses.append(answer.status_code)
            if answer.status_code == 200:
                kept += [f"{number}-{item}" for item in range(20)]
            if statuses[-3:] == [507, 507, 507]:
                break
        assert set(statuses) == {200, 507}
        assert answer.headers["retry-after"]
        assert "full" in answer.json()["error"]["message"]
        assert server.get("/health") == 200
        assert server.get("/ready") in {200, 503}  # a single small log may still fit
        assert server.get("/api/v1/records") == 200
        subprocess.run(["mount", "-o", "remount,size=16m", str(small_disk)], check=True)
        until(lambda: post(server.url, ["after"]).status_code == 200)
        until(lambda: server.get("/ready") == 200)
        names = set(server.names())
        assert set(kept) | {"after"} <= names


def test_a_read_only_disk(small_disk: Path) -> None:
    with running(small_disk / "s.db") as server:
        assert post(server.url, ["before"]).status_code == 200
        subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], capture_output=True)
        # tmpfs cannot be remounted while files are open for writing, so make the pages unwritable
        if post(server.url, ["during"]).status_code != 200:
            assert post(server.url, ["during"]).status_code == 503
            assert server.get("/health") == 200
        subprocess.run(["mount", "-o", "remount,rw", str(small_disk)], check=True)
        assert until(lambda: post(server.url, ["after"]).status_code == 200)


def test_somebody_holds_the_lock(tmp_path: Path) -> None:
    """Simulate a slow disk: writes wait, pages still work, and later everything recovers."""
    with running(tmp_path / "s.db") as server:
        assert post(server.url, ["before"]).status_code == 200
        lock = sqlite3.connect(tmp_path / "s.db", isolation_level=None)
        lock.execute("BEGIN IMMEDIATE")
        threads = [threading.Thread(target=post, args=(server.url, [f"w{n}"], 200, 60)) for n in range(60)]
        for thread in threads:
            thread.start()
        time.sleep(0.5)
        started = time.monotonic()
        assert server.get("/api/v1/records") == 200
        assert server.get("/health") == 200
        assert time.monotonic() - started < 9
        lock.execute("COMMIT")
        for thread in threads:
            thread.join()
        assert len(server.names()) == 61


def test_a_damaged_page(tmp_path: Path) -> None:
    server = Server(tmp_path / "s.db")
    server.start()
    for number in range(40):
        assert post(server.url, [f"{number}-{item}" for item in range(20)], size=3000).status_code == 200
    server.end(15)
    data = bytearray((tmp_path / "s.db").read_bytes())
    for page in range(20, len(data) // 4096 - 5, 7):
        data[page * 4096 : page * 4096 + 200] = bytes(200)
    (tmp_path / "s.db").write_bytes(data)
    process = subprocess.Popen(
        [sys.executable, "-m", "autolog", "serve", "--port", str(server.port), "--store", f"sqlite:///{tmp_path}/s.db"],
        env=environment(AUTOLOG_SERVER_API_KEY=KEY), stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    server.process = process  # type: ignore[assignment]
    until(lambda: process.poll() is not None or server.get("/health") == 200)
    if process.poll() is None:
        answers = [server.get("/api/v1/records?limit=1000"), server.get("/api/v1/aggregate"), server.get("/ui/")]
        answers += [post(server.url, [f"new{number}"]).status_code for number in range(20)]
        assert set(answers) <= {200, 503, 303}
        assert server.get("/health") == 200
        process.terminate()
    _, stderr = process.communicate(timeout=30)
    assert "Traceback" not in stderr or "damaged" in stderr
    assert process.returncode != 0 or stderr.count("\n") < 100


# Clients that misbehave


def test_idle_and_slow_connections_keep_nobody_out(tmp_path: Path) -> None:
    with running(tmp_path / "s.db", "--max-connections", "200") as server:
        idle = []
        for number in range(1500):
            connection = socket.create_connection(("127.0.0.1", server.port))
            if number % 3 == 1:
                connection.send(b"POST /api/v1/records HTTP/1.1\r\nhost: x\r\nx-slow: ")  # never ends its headers
            idle.append(connection)
        started = time.monotonic()
        assert post(server.url, ["among many"]).status_code == 200
        assert time.monotonic() - started < 12
        assert server.memory() < 400 * 2**20
        for connection in idle:
            connection.close()
        assert server.names() == ["among many"]


def test_a_body_that_comes_slowly_or_never(tmp_path: Path) -> None:
    with running(tmp_path / "s.db", "--body-timeout", "1") as server:
        head = (
            f"POST /api/v1/records HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {KEY}\r\ncontent-length: {{}}\r\n\r\n"
        )
        with socket.create_connection(("127.0.0.1", server.port)) as slow:
            slow.send(head.format(1000).encode() + b"[{")
            slow.settimeout(10)
            assert slow.recv(100).startswith(b"HTTP/1.1 408")
        for _ in range(50):
            with socket.create_connection(("127.0.0.1", server.port)) as gone:
                gone.send(head.format(100).encode() + b"[{")
        assert post(server.url, ["after"]).status_code == 200


def test_bombs_and_giants_are_refused(tmp_path: Path) -> None:
    with running(tmp_path / "s.db", "--max-body", "1", "--max-decompressed", "2") as server:
        before = server.memory()
        bomb = gzip.compress(bytes(500 * 2**20), 9)
        twice = gzip.compress(bomb)
        thrice = zlib.compress(twice)
        cases: list[tuple[dict[str, str], bytes, int]] = [
            ({"content-encoding": "gzip"}, bomb, 413),
            ({"content-encoding": "gzip, gzip"}, twice, 413),
            ({"content-encoding": "gzip, gzip, deflate"}, thrice, 415),
            ({}, b"[" * 2_000_000, 413),
            ({}, b"[" * 900_000, 400),
            ({}, b'[{"id":' * 100_000, 400),
            ({"content-type": native.MSGPACK}, b"\x91" * 900_000, 400),
            ({"content-type": native.MSGPACK}, b"\xdd\xff\xff\xff\xff", 413),
        ]
        for headers, body, status in cases:
            kind = {"content-type": "application/json", **headers}
            answer = httpx2.post(f"{server.url}/api/v1/records", content=body, headers={**HEADERS, **kind}, timeout=30)
            assert answer.status_code == status, (headers, answer.text[:200])
        assert server.memory() - before < 150 * 2**20
        assert post(server.url, ["after"]).status_code == 200


def test_a_flood_is_shed_and_memory_stays_bounded(tmp_path: Path, thorough: bool) -> None:
    with running(tmp_path / "s.db", "--max-memory", "64", "--max-connections", "2000") as server:
        body = native.encode_batch([Record(id=f"r{item}", request_body=b"x" * 100_000) for item in range(40)])

        async def flood() -> list[Any]:
            limits = httpx2.Limits(max_connections=None)
            async with httpx2.AsyncClient(timeout=60, limits=limits, headers=HEADERS) as client:

                async def one() -> Any:
                    try:
                        answer = await client.post(
                            f"{server.url}/api/v1/records", content=body, headers={"content-type": native.MSGPACK}
                        )
                    except httpx2.HTTPError as error:
                        return type(error).__name__
                    return answer.status_code

                return list(await asyncio.gather(*(one() for _ in range(600 if thorough else 150))))

        answers = asyncio.run(flood())
        assert set(answers) <= {200, 503, "ReadError", "WriteError", "RemoteProtocolError"}, set(answers)
        assert answers.count(200) > 0
        assert answers.count(503) > 0
        assert server.memory() < 700 * 2**20
        until(lambda: post(server.url, ["after"]).status_code == 200)


def test_too_often_with_one_key(tmp_path: Path) -> None:
    with running(tmp_path / "s.db", "--rate", "5") as server:
        answers = [post(server.url, [f"{number}"]) for number in range(30)]
        refused = [answer for answer in answers if answer.status_code == 429]
        assert refused
        assert int(refused[0].headers["retry-after"]) >= 1
        time.sleep(1.5)
        assert post(server.url, ["after"]).status_code == 200


def test_clock_jumps_change_nothing(tmp_path: Path) -> None:
    """Check that records with far-off timestamps are stored, found and paged like others."""
    with running(tmp_path / "s.db") as server:
        records = [
            {"id": f"{year}", "name": f"{year}", "created_at": f"{year}-01-01T00:00:00Z"} for year in (1971, 2026, 9000)
        ]
        answer = httpx2.post(f"{server.url}/api/v1/records", json=records, headers=HEADERS)
        assert answer.json()["accepted"] == 3
        for path in ("/api/v1/records", "/api/v1/aggregate?by=model", "/ui/", "/ui/overview?since=30d"):
            assert server.get(path) in {200, 303}
        assert server.names() == ["1971", "2026", "9000"]


def test_metrics_and_backup_under_load(tmp_path: Path) -> None:
    with running(tmp_path / "s.db") as server:
        stop, acknowledged = threading.Event(), list[str]()
        worker = threading.Thread(target=load, args=(server, stop, acknowledged, "w"))
        worker.start()
        until(lambda: len(acknowledged) > 100)
        before = set(acknowledged)
        done = subprocess.run(
            [sys.executable, "-m", "autolog", "backup", str(tmp_path / "copy.db"), "--store", f"sqlite:///{tmp_path}/s.db"],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        stop.set()
        worker.join()
        assert before <= set(names_in(tmp_path / "copy.db"))
        text = httpx2.get(f"{server.url}/metrics", headers=HEADERS).text
        assert "autolog_records_written_total" in text
        assert 'autolog_requests_total{dialect="native",method="POST",path="/api/v1/records",status="200"}' in text
        assert httpx2.get(f"{server.url}/metrics").status_code == 401
        assert server.get("/ready") == 200
