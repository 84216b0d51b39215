"""Acknowledged records are on disk, however the server ends."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx2
import pytest
from live import KEY

from autolog._record.record import Record
from autolog.errors import StoreFull
from autolog.server._writer import DeferredChange, RecordWrite, Writer
from autolog.stores import open_store
from autolog.stores._contract import Store
from autolog.stores.query import Query

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


def record(number: int = 1, **fields: object) -> Record:
    values: dict[str, object] = {
        "id": f"id-{number:04}",
        "created_at": NOON + timedelta(seconds=number),
        "request_body": b'{"n": %d}' % number,
        **fields,
    }
    return Record(**values)  # type: ignore[arg-type]


def test_a_disk_that_is_full_fails_only_those_that_it_is_too_small_for(tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path}/s.db")
    writer = Writer(store, 100)
    pages = store._file.writer.execute("PRAGMA page_count").fetchone()[0]
    store._file.writer.execute(f"PRAGMA max_page_count = {pages + 20}")
    with store._file._lock:  # so that all three share a transaction
        first = writer.submit(lambda store: None)
        sizes = (10, 300_000, 10)
        records = [record(number, request_body=os.urandom(size)) for number, size in enumerate(sizes)]
        futures = [writer.submit(lambda store, item=item: store.write([item])) for item in records]
    first.result(10)
    assert futures[0].result(10)
    assert futures[2].result(10)
    with pytest.raises(StoreFull):
        futures[1].result(10)
    assert [item.id for item in store.find(Query())] == ["id-0002", "id-0000"]
    writer.close()


def test_a_writer_made_before_a_fork_works_in_the_child(tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path}/s.db")
    writer = Writer(store, 100)
    writer.run(lambda store: store.write([record(1)]))
    pid = os.fork()
    if pid == 0:
        try:
            writer.submit(lambda store: store.write([record(2)])).result(5)
        except BaseException:
            os._exit(1)
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0
    writer.run(lambda store: store.write([record(3)]))
    assert store.count(Query()) == 3
    writer.close()


def test_records_of_one_group_are_each_written_in_their_own_way(tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path}/s.db")
    writer = Writer(store, 100)

    def plain(store: Store, records: Sequence[Record]) -> list[int]:
        return store.write(records)

    def doubled(store: Store, records: Sequence[Record]) -> list[int]:
        return [2 * seq for seq in store.write(records)]

    with store._file._lock:  # so that all share a transaction
        first = writer.submit(lambda store: None)
        ways = (plain, doubled, plain, doubled)
        futures = [writer.submit(RecordWrite([record(number)], way)) for number, way in enumerate(ways)]
    first.result(10)
    assert sorted(future.result(10)[0] for future in futures[::2]) == [1, 2]
    assert sorted(future.result(10)[0] for future in futures[1::2]) == [6, 8]
    writer.close()


def test_calls_kept_together_are_answered_after_the_commit_and_fail_alone(store: Store) -> None:
    writer = Writer(store, 1000)
    gate, seen = threading.Event(), []

    def write(store: Store, records: Sequence[Record]) -> list[int]:
        seen.append(len(records))
        assert "first" not in {record.id for record in records} or gate.wait(10)
        if any(record.id == "bad" for record in records):
            raise ValueError("bad")
        return store.write(records)

    def keep(*ids: str) -> RecordWrite:
        records = [record(number, id=name) for number, name in enumerate(ids)]
        return RecordWrite(records, write, lambda places: (len(places), store.get(ids[0]) is not None))

    def cannot_be_read() -> RecordWrite:
        raise KeyError("body")

    first = writer.submit(keep("first"))
    good = writer.submit(DeferredChange(lambda: keep("a", "b")))
    unread = writer.submit(DeferredChange(cannot_be_read))
    more = writer.submit(keep("c"))
    gate.set()
    assert first.result(30) == (1, True)
    assert (good.result(30), more.result(30)) == ((2, True), (1, True))
    with pytest.raises(KeyError, match="body"):
        unread.result(30)
    gate.clear()
    first = writer.submit(keep("first"))
    alone = [writer.submit(keep(name)) for name in ("d", "bad", "e")]
    gate.set()
    assert [future.result(30) for future in (first, alone[0], alone[2])] == [(1, True)] * 3
    with pytest.raises(ValueError, match="bad"):
        alone[1].result(30)
    assert max(seen) >= 3  # they were tried together
    writer.close()


def test_others_write_between_the_parts_of_a_large_request(store: Store) -> None:
    """However many records or tags a sender's requests have, another's change waits for a part of them only."""
    writer = Writer(store, 1000)
    gate, sizes = threading.Event(), list[int]()

    def write(store: Store, records: Sequence[Record]) -> list[int]:
        assert gate.wait(30)
        sizes.append(len(records))
        return store.write(records)

    noted = list[str]()
    large = [record(number, tags=[f"{number}-{tag}" for tag in range(50)]) for number in range(100)]
    each = [
        RecordWrite(part, write, len, lambda records, _: noted.extend(item.id for item in records))
        for part in (large[:90], large[90:])
    ]
    writer._most = 1000
    first, second = (writer.submit(change, "large") for change in each)
    small = writer.submit(RecordWrite([record(200)], write), "small")
    gate.set()
    small.result(30)
    assert not second.done()
    assert (first.result(30), second.result(30)) == (90, 10)
    assert max(sizes) < 30
    assert sum(sizes) == 101
    assert noted == [item.id for item in large]
    assert store.count(Query()) == 101
    writer.close()


def test_a_request_of_which_a_later_part_fails_is_answered_with_the_error(store: Store) -> None:
    writer = Writer(store, 1000)
    writer._most = 50
    noted = list[int]()

    def write(store: Store, records: Sequence[Record]) -> list[int]:
        if any(record.id == "bad" for record in records):
            raise ValueError("bad")
        return store.write(records)

    records = [record(number, id="bad" if number == 40 else f"id-{number}") for number in range(100)]
    change = RecordWrite(records, write, len, lambda part, _: noted.append(len(part)))
    with pytest.raises(ValueError, match="bad"):
        writer.submit(change).result(30)
    assert writer.submit(RecordWrite([record(200, id="id-200")], write, len)).result(30) == 1
    assert store.count(Query()) == sum(noted) + 1 < 41  # what was written is counted, so that a repetition is not
    writer.close()


def test_records_that_take_long_are_written_a_few_at_a_time(tmp_path: Path) -> None:
    """What they take shows only when they are written."""
    writer = Writer(open_store(f"sqlite:///{tmp_path}/s.db"), 1000)
    sizes = list[int]()

    def write(store: Store, records: Sequence[Record]) -> list[int]:
        sizes.append(len(records))
        time.sleep(0.005 * len(records))
        return store.write(records)

    assert writer.submit(RecordWrite([record(number) for number in range(1000)], write, len)).result(60) == 1000
    assert max(sizes) == sizes[0] <= 400  # the first, whose time was not known
    assert max(sizes[1:]) <= 200  # twice as many as take twice as long as they should


def test_parts_of_a_request_grow_while_they_are_quick(tmp_path: Path) -> None:
    writer = Writer(open_store(f"sqlite:///{tmp_path}/s.db"), 1000)
    sizes = list[int]()

    def write(store: Store, records: Sequence[Record]) -> list[int]:
        sizes.append(len(records))
        return [record.seq or 0 for record in records]

    assert writer.submit(RecordWrite([record(number) for number in range(5000)], write, len)).result(60) == 5000
    assert all(after <= 2 * before + 1 for before, after in itertools.pairwise(sizes))
    assert len(sizes) < 20  # five on a quick machine
    writer.close()


HERE = Path(__file__).parents[2]


def start(path: Path, port: int = 0, **environ: str) -> tuple[subprocess.Popen[str], str, list[str]]:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", port))
        port = probe.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-m", "autolog", "serve", "--port", str(port), "--store", f"sqlite:///{path}"],
        env={**os.environ, "PYTHONPATH": str(HERE), **environ},
        stderr=subprocess.PIPE,
        text=True,
    )
    lines: list[str] = []
    assert process.stderr is not None
    while not lines or not lines[-1].startswith("autolog serves"):
        line = process.stderr.readline()
        assert line, "".join(lines)
        lines.append(line)
    url = f"http://127.0.0.1:{port}"
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            httpx2.get(f"{url}/health")
            break
        except httpx2.HTTPError:
            time.sleep(0.05)
    return process, url, lines


def test_the_first_start_shows_a_key_once(tmp_path: Path) -> None:
    process, url, lines = start(tmp_path / "s.db")
    key = next(line for line in lines if "Admin key" in line).split()[-1]
    answer = httpx2.post(f"{url}/api/logs/insert", json={"model": "m"}, headers={"x-api-key": key})
    assert answer.status_code == 200
    process.send_signal(signal.SIGTERM)
    assert process.wait(15) in (0, -signal.SIGTERM)
    process, url, lines = start(tmp_path / "s.db")
    process.kill()
    process.wait()
    assert not any("Admin key" in line for line in lines)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_what_was_acknowledged_is_kept(tmp_path: Path, how: signal.Signals) -> None:
    process, url, _ = start(tmp_path / "s.db", AUTOLOG_SERVER_API_KEY=KEY)
    acknowledged: list[str] = []

    def insert(worker: int) -> None:
        with httpx2.Client(headers={"authorization": f"Bearer {KEY}"}) as client:
            for number in range(10_000):
                record_id = f"{worker}-{number}"
                try:
                    answer = client.post(f"{url}/api/v1/records", json=[{"id": record_id}])
                except httpx2.HTTPError:
                    return
                if answer.status_code == 200:
                    acknowledged.append(record_id)

    threads = [threading.Thread(target=insert, args=(worker,)) for worker in range(4)]
    for thread in threads:
        thread.start()
    while len(acknowledged) < 200:
        time.sleep(0.01)
    process.send_signal(how)
    for thread in threads:
        thread.join()
    process.wait(20)
    kept = {record.id for record in open_store(f"sqlite:///{tmp_path}/s.db").find(Query(), 1_000_000)}
    assert set(acknowledged) <= kept
