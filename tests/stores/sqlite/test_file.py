"""The file of a store: its permissions, and what happens when it is removed."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import stat
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from waiting import until

from autolog._delivery.journal import Journal
from autolog._record.record import Record
from autolog.errors import StoreError, StoreUnavailable
from autolog.stores import Query, open_store


def modes(folder: Path) -> set[str]:
    return {oct(stat.S_IMODE(path.stat().st_mode)) for path in folder.iterdir() if path.name != ".gitignore"}


@pytest.mark.skipif(os.name != "posix", reason="modes are of POSIX")
def test_only_the_user_may_read_a_store_and_its_copies(tmp_path: Path) -> None:
    folder = tmp_path / "new" / ".autolog"
    old = os.umask(0)
    try:
        store = open_store(f"sqlite:///{folder}/logs.db")
        store.write([Record(id="one")])
        store.backup(folder / "copy.db")
    finally:
        os.umask(old)
    assert modes(folder) == {"0o600"}  # the log and the shared memory of WAL, too
    assert modes(tmp_path) | modes(folder.parent) == {"0o700"}


@pytest.mark.skipif(os.name != "posix", reason="pipes and devices are of POSIX")
@pytest.mark.parametrize("kind", ["pipe", "folder", "socket", "device"])
def test_what_is_no_file_is_refused_at_once(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # the path of a socket must be short
    if kind == "pipe":
        os.mkfifo("pipe")
    elif kind == "folder":
        Path("folder").mkdir()
    elif kind == "socket":
        socket.socket(socket.AF_UNIX).bind("socket")
    else:
        Path("device").symlink_to(os.devnull)
    with pytest.raises(StoreError, match="this is not a file"):
        open_store(f"sqlite:///{kind}")
    with pytest.raises(StoreError, match="this is not a file"):
        Journal(Path(kind), "target", 1_000_000, 60).add([Record(id="one")])


READS = "import sqlite3, sys; sqlite3.connect(sys.argv[1]).execute('SELECT count(*) FROM sqlite_master').fetchone()"


@pytest.mark.parametrize("kind", ["store", "journal"])
def test_opening_a_file_twice_leaves_its_locks_alone(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "a.db"

    def write(name: str) -> Any:
        if kind == "store":
            opened: Any = open_store(f"sqlite:///{path}")
            opened.write([Record(id=name)])
        else:
            opened = Journal(path, "somewhere", 1_000_000, 60)
            opened.add([Record(id=name)])
        return opened

    both = [write("one"), write("two")]
    # Without our locks on it, another process that closes the file takes itself for the last, and removes the log
    subprocess.run([sys.executable, "-c", READS, path], check=True)
    assert Path(f"{path}-wal").exists(), both


def test_after_the_file_was_deleted_a_new_one_takes_what_comes(tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path}/logs/s.db")
    store.write([Record(id="one")])
    assert store.count(Query()) == 1
    shutil.rmtree(tmp_path / "logs")
    assert store.count(Query()) == 0
    store.write([Record(id="two")])
    seen: list[int] = []
    thread = threading.Thread(target=lambda: seen.append(store.count(Query())))
    thread.start()
    thread.join()
    again = open_store(f"sqlite:///{tmp_path}/logs/s.db")
    assert [record.id for record in again.find(Query())] == ["two"]
    assert seen == [1]


@pytest.mark.parametrize(("emptied", "kept"), [
    (("s.db",), ["one", "two"]),  # the pages are in the write-ahead log, which is whole
    (("s.db", "s.db-wal"), ["two"]),
])  # fmt: skip
def test_after_the_file_was_emptied_what_comes_is_kept(
    tmp_path: Path, emptied: tuple[str, ...], kept: list[str]
) -> None:
    store = open_store(f"sqlite:///{tmp_path}/s.db")
    store.write([Record(id="one")])
    for name in emptied:
        os.truncate(tmp_path / name, 0)
    store.write([Record(id="two")])
    store.close()
    again = open_store(f"sqlite:///{tmp_path}/s.db")
    assert sorted(record.id for record in again.find(Query())) == kept


def test_after_the_file_was_emptied_while_others_have_it_open_a_new_one_takes_what_comes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("autolog.stores.sqlite._file.BUSY_TIMEOUT", 0.1)
    url = f"sqlite:///{tmp_path}/s.db"
    store, other = open_store(url), open_store(url)
    store.write([Record(id="one")])
    emptied, seen = threading.Event(), []

    def read() -> None:
        seen.append(other.count(Query()))
        emptied.wait()
        seen.append(other.count(Query()))

    threads = [threading.Thread(target=read) for _ in range(2)]
    for thread in threads:
        thread.start()
    until(lambda: len(seen) == 2)
    os.truncate(tmp_path / "s.db", 0)
    store.write([Record(id="two")])
    assert [record.id for record in store.find(Query())] == ["two"]
    emptied.set()
    for thread in threads:
        thread.join()
    assert seen == [1, 1, 1, 1]
    other.write([Record(id="three")])
    assert names_in(url) == {"two", "three"}


def names_in(url: str) -> set[str]:
    store = open_store(url)
    try:
        return {record.id for record in store.find(Query())}
    finally:
        store.close()


def shorten(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


@pytest.mark.parametrize("ending", ["", "-wal"])
@pytest.mark.parametrize("damage", [
    lambda path: os.truncate(path, 0), lambda path: os.truncate(path, 4096), shorten, Path.unlink,
    lambda path: path.write_bytes(b"damage " * 20_000),
], ids=["emptied", "cut to a page", "cut to a half", "deleted", "overwritten"])  # fmt: skip
def test_nothing_is_called_written_that_cannot_be_read_after_damage(
    damage: Callable[[Path], object], ending: str, tmp_path: Path
) -> None:
    url = f"sqlite:///{tmp_path}/s.db"
    before = open_store(url)
    before.write([Record(id=f"old{number}", metadata={"text": "x" * 900}) for number in range(50)])
    before.close()  # so that everything is in the file itself
    store = open_store(url)
    store.write([Record(id="old")])
    damage(tmp_path / f"s.db{ending}")
    written: set[str] = set()
    for number in range(3):
        with contextlib.suppress(StoreError):
            store.write([Record(id=f"{number}")])
            written.add(f"{number}")
    with pytest.raises(StoreError) if not written else contextlib.nullcontext():
        assert written <= names_in(url)
    for path in tmp_path.glob("s.db*"):
        path.rename(tmp_path / f"moved{path.name}")
    store.write([Record(id="new")])
    assert names_in(url) == {"new"}


def test_a_backup_put_in_the_files_place_is_what_is_read_and_written(tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path}/s.db")
    store.write([Record(id="one")])
    store.backup(tmp_path / "copy.db")
    store.write([Record(id="two")])
    for name in ("s.db-wal", "s.db-shm"):
        (tmp_path / name).unlink(missing_ok=True)
    (tmp_path / "copy.db").replace(tmp_path / "s.db")
    store.write([Record(id="three")])
    assert {record.id for record in store.find(Query())} == {"one", "three"}


def test_what_was_written_while_the_file_was_deleted_is_not_called_written(tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path}/s.db")
    with pytest.raises(StoreUnavailable, match="deleted or replaced"), store.transaction():
        store.write([Record(id="one")])
        for path in tmp_path.glob("s.db*"):
            path.unlink()
    store.write([Record(id="one")])
    assert store.count(Query()) == 1


@pytest.mark.parametrize("line", range(8, 16, 2))
def test_an_opening_that_a_signal_handler_interrupts_leaves_no_lock(line: int, tmp_path: Path) -> None:
    class Limit(Exception):
        pass

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        if frame.f_code.co_name != "bring_up_to_date":
            return None
        if event == "line" and frame.f_lineno - frame.f_code.co_firstlineno >= line:
            sys.settrace(None)
            raise Limit
        return trace

    url = f"sqlite:///{tmp_path}/logs.db"
    before = sys.gettrace()
    sys.settrace(trace)
    try:
        with pytest.raises(Limit) as kept:
            open_store(url)  # `kept` holds the frames, and so the connection
    finally:
        sys.settrace(before)
    store = open_store(url)
    store.write([Record(id="one")])
    store.close()
    assert kept.type is Limit


def test_a_check_for_damage_ends_in_time(tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path}/s.db")
    store.write([Record(id=str(number), metadata={"m": "x" * 2000}) for number in range(4000)])
    assert store.damage(0) is None  # whether or not it got to the end
    store.write([Record(id="after")])
    assert store.get("after") is not None
    store.close()
