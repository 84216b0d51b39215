"""Save what a release writes to disk and sends, as data for tests: `python tests/release/states.py NAME [REVISION]`.

Run it for every release, before tagging. It takes the tree of a git revision (`HEAD` of this checkout by default), runs
the same small program with that tree's code, and writes to `states/NAME/`:

    store.sql        the SQLite store, as text
    journal.sql      the journal of a program whose server was away
    clickhouse.json  the ClickHouse store: tables as they were made, rows in RowBinary (on chDB)
    native.json      the request that ships records, the server's reply to it, and the fields of a record
    key.txt          an API key that the store knows: project shop, scope ingest and read

Features that a revision does not have are left out. A name that is a revision denotes a state before the first release.
"""

from __future__ import annotations

import base64
import json
import os
import sqlite3
import subprocess
import sys
import tempfile
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
STATES = Path(__file__).with_name("states")
PROMPT = "Name three rivers in Portugal."
ANSWER = "Tagus, Douro and Guadiana."

#: What is recorded: a span with a call in it, scored. Bodies train a dictionary early, and a small one.
PROGRAM = """
import os, sys
with __import__("contextlib").suppress(ImportError):
    from autolog.stores.sqlite import _bodies
    _bodies.FIRST, _bodies._SIZE = 20, 512
import autolog, openai
options = dict(pair.split("=", 1) for pair in sys.argv[3:])
autolog.configure(**options)
autolog.patch_openai()
client = openai.OpenAI(api_key="k", base_url=sys.argv[1], max_retries=0)
with autolog.context(user="u", session="s", tags=["t"], metadata={"plan": "gold"}):
    with autolog.span("outer", kind="chain") as span:
        span.set(number=1)
        for number in range(int(os.environ["CALLS"])):
            messages = [{"role": "user", "content": f"{sys.argv[2]} {number * number}"}]
            client.chat.completions.create(model="gpt-4o-mini", messages=messages)
            autolog.flush(0.5)
autolog.flush(2)
getattr(autolog, "shutdown", lambda: None)()
"""
REPLY = {
    "id": "chatcmpl-1", "object": "chat.completion", "created": 1795000000, "model": "gpt-4o-mini-2024-07-18",
    "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": ANSWER}}],
    "usage": {"prompt_tokens": 12, "completion_tokens": 7, "total_tokens": 19},
}  # fmt: skip
FIELDS = """
import json
from autolog._record.record import Record
bare = Record(id="")
print(json.dumps({name: {"type": kind, "default": getattr(bare, name)} for name, kind in Record.__annotations__.items()}))
"""


class _Handler(BaseHTTPRequestHandler):
    """Answers a chat request like OpenAI; keeps every other request, and answers it like our server."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        if self.path == "/v1/chat/completions":
            reply = json.dumps(REPLY).encode()
        else:
            kept: list[Any] = self.server.kept  # type: ignore[attr-defined]
            kept.append({"path": self.path, "headers": dict(self.headers), "body": base64.b64encode(body).decode()})
            reply = b'{"accepted": 2, "rejected": 0}'
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(reply)))
        self.end_headers()
        self.wfile.write(reply)

    def log_message(self, *_: object) -> None: ...


class Release:
    """The code of a revision in a folder, and what it writes and sends."""

    def __init__(self, revision: str, folder: Path, target: Path) -> None:
        self.tree, self.folder, self.target = folder / "tree", folder, target
        self.tree.mkdir()
        archive = subprocess.run(["git", "archive", revision, "autolog"], cwd=ROOT, capture_output=True, check=True)
        subprocess.run(["tar", "x", "-C", str(self.tree)], input=archive.stdout, check=True)
        target.mkdir(parents=True, exist_ok=True)
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
        self.kept: list[Any] = []
        self.server.kept = self.kept  # type: ignore[attr-defined]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"

    def run(self, *arguments: str, **variables: str) -> str:
        done = subprocess.run(
            [sys.executable, "-W", "ignore", *arguments], cwd=self.folder, env=self._variables(**variables),
            capture_output=True, text=True,
        )  # fmt: skip
        if done.returncode:
            raise RuntimeError(done.stderr.strip().splitlines()[-1])
        return done.stdout

    def record(self, *options: str, calls: int = 1) -> None:
        self.run("-c", PROGRAM, f"{self.url}/v1", PROMPT, *options, CALLS=str(calls))

    def _variables(self, **more: str) -> dict[str, str]:
        return {**os.environ, "PYTHONPATH": str(self.tree), **more}

    # What the release writes and sends

    def store(self) -> None:
        store = f"sqlite:///{self.folder}/s.db"
        dictionary = (self.tree / "autolog/stores/sqlite/_bodies.py").exists()
        self.record(f"store={store}", calls=24 if dictionary else 1)
        with suppress(RuntimeError):  # the first revisions had no keys
            options = ("--name", "web", "--project", "shop", "--scope", "ingest", "--scope", "read")
            words = self.run("-m", "autolog", "keys", "create", *options, "--store", store).split()
            (self.target / "key.txt").write_text(next(word for word in words if word.startswith("alk_")) + "\n")
        (self.target / "store.sql").write_text(dump(self.folder / "s.db"))

    def journal(self) -> None:
        self.record("endpoint=http://127.0.0.1:9", "api_key=k", f"journal={self.folder}/j.db")
        (self.target / "journal.sql").write_text(dump(self.folder / "j.db"))

    def native(self) -> None:
        self.record(f"endpoint={self.url}", "api_key=k", "journal=")
        with self._serving() as (url, key):
            request = self.kept[0]
            headers = {**request["headers"], "Authorization": f"Bearer {key}"}
            upload = urllib.request.Request(url + request["path"], base64.b64decode(request["body"]), headers)
            with urllib.request.urlopen(upload, timeout=10) as answer:
                reply = {"status": answer.status, "headers": dict(answer.headers), "body": json.load(answer)}
        fields = json.loads(self.run("-c", FIELDS))
        found = {"request": request, "reply": reply, "fields": fields}
        (self.target / "native.json").write_text(json.dumps(found, indent=1) + "\n")

    @contextmanager
    def _serving(self) -> Iterator[tuple[str, str]]:
        variables = self._variables(AUTOLOG_SERVER_API_KEY="key-of-the-server")
        command = [sys.executable, "-m", "autolog", "serve", "--port", "0", "--store", f"sqlite:///{self.folder}/v.db"]
        process = subprocess.Popen(command, cwd=self.folder, env=variables, stderr=subprocess.PIPE, text=True)
        assert process.stderr is not None
        try:
            words = next(line for line in process.stderr if "http://127.0.0.1:" in line).split()
            yield next(word for word in words if word.startswith("http://")), "key-of-the-server"
        finally:
            process.terminate()
            process.wait(20)

    def clickhouse(self) -> None:
        from clickhouse.running import start_front

        process, address = start_front(self.folder / "chdb")
        try:
            self.record(f"store=clickhouse://default@{address}/logs")
            (self.target / "clickhouse.json").write_text(json.dumps(dump_clickhouse(address, "logs"), indent=1) + "\n")
        finally:
            process.kill()
            process.wait()


def dump(path: Path) -> str:
    """Return the statements that recreate an SQLite file."""
    db = sqlite3.connect(path)
    names = ("application_id", "user_version", "auto_vacuum")
    marks = [f"PRAGMA {name} = {db.execute(f'PRAGMA {name}').fetchone()[0]};" for name in names]
    text = "\n".join([marks[2], *db.iterdump(), *marks[:2]]) + "\n"
    db.close()
    return text


def restore(statements: Path, path: Path) -> None:
    """Recreate an SQLite file from its statements."""
    db = sqlite3.connect(path)
    db.executescript(statements.read_text())
    db.close()


def _ask(address: str, query: str, database: str, data: bytes = b"") -> bytes:
    from urllib.parse import urlencode

    url = f"http://{address}/?{urlencode({'database': database, 'query': query})}"
    with urllib.request.urlopen(urllib.request.Request(url, data, method="POST"), timeout=60) as answer:
        return bytes(answer.read())


def dump_clickhouse(address: str, database: str) -> list[dict[str, str]]:
    """Return the tables and views of a database, each with the statement that creates it and its rows."""
    names = _ask(address, "SELECT name FROM system.tables WHERE database = currentDatabase() ORDER BY engine LIKE "
                 "'%View', name FORMAT TabSeparated", database).decode().split()  # fmt: skip
    tables = []
    for name in names:
        statement = _ask(address, f"SHOW CREATE TABLE `{name}` FORMAT TabSeparatedRaw", database).decode().strip()
        view = statement.startswith("CREATE MATERIALIZED VIEW")
        rows = b"" if view else _ask(address, f"SELECT * FROM `{name}` FORMAT RowBinary", database)
        statement = statement.replace(f"{database}.", "DATABASE.")
        tables.append({"name": name, "create": statement, "rows": base64.b64encode(rows).decode()})
    return tables


def restore_clickhouse(tables: list[dict[str, str]], address: str, database: str) -> None:
    """Recreate a database from the result of `dump_clickhouse`."""
    _ask(address, f"CREATE DATABASE {database}", "default")
    rows = [table for table in tables if table["rows"]]
    for table in sorted(tables, key=lambda table: "MATERIALIZED VIEW" in table["create"]):
        if "MATERIALIZED VIEW" in table["create"]:
            for filled in rows:  # before creating a view, which would fill tables again
                _ask(address, f"INSERT INTO `{filled['name']}` FORMAT RowBinary", database,
                     base64.b64decode(filled["rows"]))  # fmt: skip
            rows = []
        _ask(address, table["create"].replace("DATABASE.", f"{database}."), database)


def main(arguments: list[str]) -> None:
    sys.path.insert(0, str(ROOT / "tests"))
    name, revision = arguments[0], (arguments[1:] or ["HEAD"])[0]
    with tempfile.TemporaryDirectory() as folder:
        release = Release(revision, Path(folder), STATES / name)
        for part in (release.store, release.journal, release.native, release.clickhouse):
            try:
                part()
                print(f"{name}: {part.__name__}")
            except (RuntimeError, OSError, StopIteration, IndexError, sqlite3.Error) as error:
                print(f"{name}: no {part.__name__}: {error!r}")


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        main(sys.argv[1:])
