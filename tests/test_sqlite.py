"""Connections to our SQLite files."""

from __future__ import annotations

import gc
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from autolog._sqlite import Connection, use_write_ahead_log
from autolog.stores import open_store
from autolog.stores.query import Query

posix = pytest.mark.skipif(not hasattr(os, "fork"), reason="POSIX only")


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="Linux only")
def test_a_connection_is_closed_with_its_last_reference(tmp_path: Path) -> None:
    """Python 3.13 would also warn, which is an error here."""
    path = tmp_path / "logs.db"

    def is_open() -> bool:
        return any(link.resolve() == path for link in Path("/proc/self/fd").iterdir())

    db = sqlite3.connect(path, factory=Connection)
    db.execute("CREATE TABLE log (id)")
    assert is_open()
    del db
    gc.collect()
    assert not is_open()
    with pytest.raises(sqlite3.OperationalError):  # and no warning of an exception that is ignored
        sqlite3.connect(tmp_path / "missing" / "logs.db", factory=Connection)
    gc.collect()


#: A fork by Python, and one by C code, such as uWSGI's, which runs no hooks.
FORKS = {"Python": "os.fork", "C": "ctypes.PyDLL(None).fork"}


@posix
@pytest.mark.parametrize("fork", FORKS.values(), ids=FORKS)
def test_a_forked_child_that_outlives_its_parent_keeps_what_it_writes(tmp_path: Path, fork: str) -> None:
    code = """
import ctypes, os, subprocess, sys, time
import autolog
READ = "import sqlite3; sqlite3.connect('.autolog/logs.db').execute('SELECT count(*) FROM log').fetchall()"
with autolog.span("parent"): pass
autolog.flush()
# A child of C code may hang if another thread wants to run at that moment, whatever we do.
while not all(worker._idle for worker in autolog._lifecycle.workers): time.sleep(0.1)
time.sleep(0.1)
if FORK(): os._exit(0)  # as a daemon does
for _ in range(3):
    with autolog.span("child"): pass
    autolog.flush()
    subprocess.run([sys.executable, "-c", READ], check=True)  # if no other process has a lock, this one empties the index
print(autolog.status()["written"])
""".replace("FORK", fork)
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert (done.stdout, done.stderr) == ("3\n", "")
    store = open_store(f"sqlite:///{tmp_path}/.autolog/logs.db")
    assert store.count(Query()) == 4
    store.close()


@posix
@pytest.mark.parametrize("fork", FORKS.values(), ids=FORKS)
def test_a_forked_child_closes_its_parents_connections_before_it_opens_one(tmp_path: Path, fork: str) -> None:
    code = """
import ctypes, os, sqlite3, sys
from autolog._sqlite import Connection, translated
inherited = sqlite3.connect("logs.db", factory=Connection)
if child := FORK(): sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
with translated("sqlite:///logs.db"):
    own = sqlite3.connect("logs.db", factory=Connection)
try: inherited.execute("SELECT 1")
except sqlite3.ProgrammingError: os._exit(0)
os._exit(1)
""".replace("FORK", fork)
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert (done.returncode, done.stderr) == (0, "")


@posix
def test_a_forked_child_leaves_the_connection_of_an_open_transaction_alone(tmp_path: Path) -> None:
    writing = sqlite3.connect(tmp_path / "logs.db", isolation_level=None, factory=Connection)
    use_write_ahead_log(writing)
    writing.execute("CREATE TABLE log (n)")
    reading = sqlite3.connect(tmp_path / "logs.db", factory=Connection)
    writing.execute("BEGIN IMMEDIATE")
    writing.execute("INSERT INTO log VALUES (1)")
    if (child := os.fork()) == 0:
        try:
            reading.execute("SELECT 1")
        except sqlite3.ProgrammingError:  # this one is closed
            os._exit(0 if writing.in_transaction else 2)
        os._exit(1)
    assert os.waitpid(child, 0)[1] == 0
    writing.execute("COMMIT")
    assert reading.execute("SELECT n FROM log").fetchall() == [(1,)]
    writing.close()
    reading.close()
