"""Several servers on one ClickHouse store, and a database that becomes unavailable."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest
from clickhouse.running import start_front
from live import KEY
from waiting import until

from autolog._record.record import Record
from autolog.dialects import native
from autolog.errors import StoreError
from autolog.stores import open_store
from autolog.stores.query import Query
from faults.real import HEADERS, Server, environment, free_port, running


def post(url: str, records: list[Record], timeout: float = 20) -> httpx2.Response:
    headers = {**HEADERS, "content-type": native.MSGPACK}
    return httpx2.post(f"{url}/api/v1/records", content=native.encode_batch(records), headers=headers, timeout=timeout)


@pytest.fixture
def two(clickhouse_url: str) -> Iterator[list[Server]]:
    open_store(clickhouse_url).close()
    servers = [Server(clickhouse_url), Server(clickhouse_url)]
    for server in servers:
        server.start()
    yield servers
    for server in servers:
        if server.process is not None and server.process.poll() is None:
            server.end()


def test_two_servers_and_one_is_killed(two: list[Server], clickhouse_url: str, thorough: bool) -> None:
    acknowledged: list[str] = []
    stop = threading.Event()
    started = datetime.now(UTC)

    def send(worker: int) -> None:
        number = 0
        while not stop.is_set():
            names = [f"{worker}-{number}-{item}" for item in range(random.choice([1, 1, 5, 50]))]
            at = started - timedelta(hours=random.choice([0, 0, 0, 3, 30]))
            records = [
                Record(id=name, name=name, cost=0.5, created_at=at, request_body=b'{"x": "%s"}' % (b"y" * 200))
                for name in names
            ]
            number += 1
            for attempt in range(100):  # a client that got no answer immediately tries the other server
                try:
                    if post(two[(worker + attempt) % 2].url, records).status_code == 200:
                        acknowledged.extend(names)
                        break
                except httpx2.HTTPError:
                    time.sleep(0.01)

    workers = [threading.Thread(target=send, args=(worker,)) for worker in range(4)]
    for worker in workers:
        worker.start()
    reader = open_store(clickhouse_url)
    for _ in range(20 if thorough else 3):
        time.sleep(random.uniform(0.3, 1.5))
        victim = random.choice(two)
        victim.end()
        list(
            reader.hours(None, "all", started - timedelta(days=2), started + timedelta(days=1))
        )  # makes past hours final
        victim.start()
    stop.set()
    for worker in workers:
        worker.join()
    found = sorted(record.id for record in reader.find(Query(), 1_000_000))
    assert len(acknowledged) > 50
    assert found == sorted(acknowledged)
    assert sorted(record.id for record in reader.scan(Query())) == found
    hours = reader.hours(None, "all", started - timedelta(days=2), started + timedelta(days=1))
    assert sum(hour.calls for hour in hours) == len(found) == reader.aggregate(Query())[0].calls
    assert sum(hour.cost for hour in hours) == len(found) / 2
    reader.close()


def test_what_one_server_knows_the_other_does(two: list[Server]) -> None:
    first, second = two
    seen: list[str] = []

    def watch() -> None:
        with httpx2.stream("GET", f"{second.url}/api/v1/tail", headers=HEADERS, timeout=30) as answer:
            for line in answer.iter_lines():
                if line.startswith("data:") and '"id"' in line:
                    seen.append(json.loads(line[5:])["id"])
                if len(seen) >= 20:
                    return

    watching = threading.Thread(target=watch)
    watching.start()
    time.sleep(1)
    for number in range(20):
        assert post(two[number % 2].url, [Record(id=f"r{number}")]).status_code == 200
    watching.join(30)
    assert sorted(seen) == sorted(f"r{number}" for number in range(20))
    scored = httpx2.post(f"{second.url}/api/v1/records/r0/scores", json={"value": 0.5}, headers=HEADERS, timeout=20)
    assert scored.status_code == 200
    assert httpx2.get(f"{first.url}/api/v1/records/r0", headers=HEADERS, timeout=20).json()["score"] == 0.5


def test_partial_records_from_both_at_once_are_one(clickhouse_url: str) -> None:
    stores = [open_store(clickhouse_url), open_store(clickhouse_url)]
    stores[0].write([Record(id=f"r{number}", name="begun") for number in range(20)])

    def fill(place: int) -> None:
        for number in range(20):
            stores[place].write([Record(id=f"r{number}", metadata={f"from {place}": number})])

    workers = [threading.Thread(target=fill, args=(place,)) for place in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    for number in range(20):
        found = stores[0].get(f"r{number}")
        assert found is not None
        assert found.metadata == {"from 0": number, "from 1": number}
        assert found.name == "begun"
    assert stores[0].count(Query()) == 20


def at_once(*changes: Any) -> None:
    """Run changes concurrently, each on its own thread."""
    barrier = threading.Barrier(len(changes))

    def run(change: Any) -> None:
        barrier.wait()
        change()

    workers = [threading.Thread(target=run, args=(change,)) for change in changes]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()


def test_changes_at_the_same_moment_all_count(clickhouse_url: str) -> None:
    a, b = open_store(clickhouse_url), open_store(clickhouse_url)
    at = datetime(2026, 11, 20, 12, tzinfo=UTC)
    for number in range(6):
        name, later = f"n{number}", at + timedelta(seconds=number % 2)
        first = Record(id=name, created_at=at, user="u", cost=1.0, request_body=b"req")
        second = Record(id=name, created_at=later, session="s", response_body=b"res")
        at_once(lambda first=first: a.write([first]), lambda second=second: b.write([second]))
        found = a.get(name)
        assert found is not None
        assert (found.user, found.session, found.request_body, found.response_body) == ("u", "s", b"req", b"res")
    assert a.count(Query()) == 6
    assert a.aggregate(Query())[0].cost == 6.0

    for number in range(6):
        name = f"n{number}"
        at_once(
            lambda name=name: a.update(name, "default", lambda r: setattr(r, "created_at", at + timedelta(hours=1))),
            lambda name=name: b.update(
                name, "default", lambda r: (setattr(r, "user", "x"), setattr(r, "session", None))
            ),
        )
        found = b.get(name)
        assert found is not None
        assert (found.created_at, found.user, found.session) == (at + timedelta(hours=1), "x", None)
    assert b.count(Query()) == 6

    for number in range(6):
        name = f"n{number}"
        at_once(
            lambda name=name: a.delete(Query({"id": name, "project": "default"})),
            lambda name=name: b.update(name, "default", lambda r: setattr(r, "user", "y")),
        )
        assert b.get(name) is None
    assert a.count(Query()) == b.count(Query()) == 0
    a.write([Record(id="n1", user="again")])
    assert [found.user for found in b.find(Query())] == ["again"]


class Engine:
    """A separate ClickHouse process, which can be killed."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, free_port()
        self.url = f"clickhouse://default@127.0.0.1:{self.port}/autolog?connect_timeout=2&timeout=10"
        self.process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        self.process, address = start_front(self.folder, self.port)
        assert address

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait()


@pytest.fixture
def engine(tmp_path: Path, clickhouse_server: str) -> Iterator[Engine]:
    if "chdb" not in sys.modules and os.environ.get("AUTOLOG_TEST_CLICKHOUSE_URL"):
        pytest.skip("the server that was named is not ours to kill")
    started = Engine(tmp_path / "engine")
    started.start()
    yield started
    started.kill()


def test_the_database_goes_away_and_comes_back(engine: Engine, tmp_path: Path) -> None:
    with running(engine.url) as server:
        assert post(server.url, [Record(id="before")]).status_code == 200
        engine.kill()
        answer = post(server.url, [Record(id="while")])
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
        assert "cannot be reached" in answer.text
        assert httpx2.get(f"{server.url}/api/v1/records", headers=HEADERS, timeout=20).status_code == 503
        assert server.get("/health") == 200
        assert until(lambda: server.get("/ready") == 503)  # the result may be a second old
        program = f"""
            import autolog
            autolog.configure(endpoint={server.url!r}, api_key={KEY!r}, journal={str(tmp_path / "journal.db")!r})
            for number in range(50):
                with autolog.span(f"kept-{{number}}"):
                    pass
        """
        import textwrap

        subprocess.run([sys.executable, "-c", textwrap.dedent(program)], env=environment(), check=True, timeout=60)
        engine.start()
        until(lambda: server.get("/ready") == 200)
        assert post(server.url, [Record(id="after")]).status_code == 200
        later = program.replace("range(50)", "range(50, 51)") + "        assert autolog.flush(20)\n"
        subprocess.run([sys.executable, "-c", textwrap.dedent(later)], env=environment(), check=True, timeout=60)
        store = open_store(engine.url)
        names = sorted(record.name or record.id for record in store.find(Query(), 1000))
        assert names == sorted(["after", "before", *(f"kept-{number}" for number in range(51))])
        store.close()


def test_bad_places(engine: Engine, clickhouse_server: str) -> None:
    url = engine.url.partition("?")[0]
    base = url.removesuffix("/autolog")
    cases = [
        ("clickhouse://host", "it lacks a host, a port or a database"),
        ("clickhouse://host/db?color=1", "there is no option 'color'; choose from"),
        ("clickhouse://host/db?secure=yes", "secure=yes: write 1 or 0"),
        ("clickhouse://host/db?timeout=0", "timeout=0: write a whole number above 0"),
        ("clickhouse://host/db?distributed=1", "distributed=1 needs cluster="),
        ("clickhouse://host:port/db", "write clickhouse://user"),
        (f"clickhouse://127.0.0.1:{free_port()}/db?connect_timeout=1", "cannot be reached"),
        (url.replace("default@", "locked:wrong@"), "the user or the password is wrong"),
        (url.replace("default@", "reader@"), "Cannot execute query in readonly mode"),
    ]
    for given, message in cases:
        with pytest.raises(StoreError) as caught:
            open_store(given)
        assert message in str(caught.value)
        assert "wrong@" not in str(caught.value)
    store = open_store(url.replace("default@", "locked:right@"))
    store.write([Record(id="r")])
    reader = open_store(url.replace("default@", "reader@"))
    assert [record.id for record in reader.find(Query())] == ["r"]
    with pytest.raises(StoreError, match="readonly"):
        reader.write([Record(id="s")])
    db = store._db  # type: ignore[attr-defined]
    db.command("CREATE DATABASE theirs", database=False)
    db.command("CREATE TABLE theirs.log (x Int32) ENGINE = MergeTree ORDER BY x", database=False)
    with pytest.raises(StoreError, match="another program's tables; choose another database"):
        open_store(f"{base}/theirs")
    db.insert("autolog_schema", {"version": "UInt32"}, [[99]])
    with pytest.raises(StoreError, match="written by a newer autolog"):
        open_store(url)


def test_a_version_that_is_too_old(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    from autolog.stores.clickhouse import _client

    monkeypatch.setattr(_client.Database, "version", (22, 8))
    with pytest.raises(StoreError, match=r"ClickHouse 22\.8 is too old; 25\.8 is the oldest"):
        open_store(engine.url)


def test_a_server_that_cannot_start_says_why(tmp_path: Path) -> None:
    url = f"clickhouse://default:secret@127.0.0.1:{free_port()}/logs?connect_timeout=1"
    done = subprocess.run(
        [sys.executable, "-m", "autolog", "serve", "--port", str(free_port()), "--store", url],
        env=environment(), capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 1
    assert "cannot be reached" in done.stderr
    assert "secret" not in done.stderr
    assert "Traceback" not in done.stderr


def test_passwords_are_not_shown(engine: Engine, tmp_path: Path) -> None:
    url = engine.url.replace("default@", "locked:right@")
    outputs = []
    for command in (["logs"], ["demo"], ["doctor"], ["copy", "sqlite:///none.db", url]):
        done = subprocess.run(
            [sys.executable, "-m", "autolog", *command], env=environment(AUTOLOG_STORE=url, AUTOLOG_JOURNAL="j.db"),
            capture_output=True, text=True, timeout=60, cwd=tmp_path,
        )  # fmt: skip
        outputs.append(done.stdout + done.stderr)
    with running(url) as server:
        assert server.get("/ready") == 200
    program = f"import autolog; autolog.configure(store={url!r}); print(autolog.status())"
    outputs.append(
        subprocess.run([sys.executable, "-c", program], env=environment(), capture_output=True, text=True).stdout
    )
    assert not [words for words in outputs if "right" in words]
    assert b"locked:" not in b"".join(path.read_bytes() for path in tmp_path.glob("j.db*"))
    assert "records in" in outputs[2]


def test_names_of_databases_of_any_kind(clickhouse_server: str) -> None:
    name = f"my logs {uuid.uuid4().hex[:6]}"
    store = open_store(f"{clickhouse_server}/{name.replace(' ', '%20')}")
    store.write([Record(id="r")])
    assert store.count(Query()) == 1
    store._db.command(f"DROP DATABASE `{name}`", database=False)  # type: ignore[attr-defined]
