"""Data of every release can be opened, upgraded, written and read; `states.py` saves the data."""

from __future__ import annotations

import base64
import json
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx2
import msgspec
import pytest
from live import KEY, live
from release.states import ANSWER, PROMPT, STATES, dump, restore, restore_clickhouse

from autolog._delivery.http_sink import HTTPSink
from autolog._delivery.journal import Journal
from autolog._record.record import FIELDS, Record
from autolog._record.zstd import zstd
from autolog.dialects import native
from autolog.errors import StoreError, Undelivered
from autolog.stores import Query, open_store
from autolog.stores._contract import Store
from autolog.stores.clickhouse import _schema as clickhouse_schema
from autolog.stores.sqlite import _schema as sqlite_schema

RELEASES = sorted(folder.name for folder in STATES.iterdir() if "." in folder.name)
LAST = RELEASES[-1]


def states(part: str) -> list[str]:
    """Return the releases, and earlier states, for which a part is saved."""
    return sorted(path.parent.name for path in STATES.glob(f"*/{part}"))


def restored(name: str, folder: Path, part: str = "store") -> Path:
    path = folder / f"{part}.db"
    restore(STATES / name / f"{part}.sql", path)
    return path


def check(store: Store, calls: int) -> None:
    """Check that a release's records are complete, can be found, summed and changed, and that more can be written."""
    records = store.find(Query({"model": "gpt-4o-mini"}), 100, newest_first=False, bodies=True)
    assert len(records) == calls
    for record in records:
        assert (record.user, record.session, record.tags, record.metadata["plan"]) == ("u", "s", ["t"], "gold")
        assert (record.usage_input_tokens, record.usage_output_tokens, record.status) == (12, 7, "ok")
        assert record.cost == pytest.approx(6e-6)
        assert PROMPT in (record.request_body or b"").decode()
        assert ANSWER in (record.response_body or b"").decode()
    (outer,) = store.find(Query({"kind": "chain"}))
    assert (outer.name, {record.parent_span_id for record in records}) == ("outer", {outer.span_id})
    assert store.count(Query(text=PROMPT)) == store.count(Query(tags=("t",), metadata={"plan": "gold"})) - 1 == calls
    (sums,) = store.aggregate(Query())
    assert (sums.calls, sums.input_tokens) == (calls, 12 * calls)
    store.update(records[0].id, "default", lambda record: record.tags.append("now"))
    store.write([Record(id="new", request_model="gpt-4o-mini", request_body=b'{"messages": []}', tags=["now"])])
    assert store.count(Query(tags=("now",))) == 2
    assert store.last() > max(record.seq or 0 for record in records)


@pytest.mark.parametrize("name", states("store.sql"))
def test_a_store_is_brought_forward(name: str, tmp_path: Path) -> None:
    path = restored(name, tmp_path)
    calls = sqlite3.connect(path).execute("SELECT count(*) FROM log WHERE kind = 'llm'").fetchone()[0]
    store = open_store(f"sqlite:///{path}")
    check(store, calls)
    store.close()
    again = open_store(f"sqlite:///{path}")
    assert (again.count(Query()), again.schema) == (calls + 2, len(sqlite_schema.MIGRATIONS))
    again.close()
    assert sqlite3.connect(path).execute("PRAGMA user_version").fetchone() == (len(sqlite_schema.MIGRATIONS),)


def test_bodies_that_a_dictionary_packed_are_among_them() -> None:
    assert 'INSERT INTO "dictionary"' in (STATES / LAST / "store.sql").read_text()


@pytest.mark.parametrize("name", states("store.sql"))
def test_a_step_that_fails_half_way_leaves_the_file_as_it_was(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = restored(name, tmp_path)
    before = dump(path)

    def breaks(db: sqlite3.Connection) -> None:
        db.execute("ALTER TABLE log ADD COLUMN half TEXT")
        db.execute("UPDATE log SET half = 'way'")
        raise sqlite3.OperationalError("disk I/O error")

    with monkeypatch.context() as patch:
        for module in ("_schema", "_upgrade", "store"):
            patch.setattr(f"autolog.stores.sqlite.{module}.MIGRATIONS", (*sqlite_schema.MIGRATIONS, breaks))
        with pytest.raises(StoreError):
            open_store(f"sqlite:///{path}")
    assert dump(path) == before
    open_store(f"sqlite:///{path}").close()


def test_a_newer_store_is_refused_with_a_sentence_and_left_alone(tmp_path: Path) -> None:
    path = restored(LAST, tmp_path)
    db = sqlite3.connect(path)
    db.execute(f"PRAGMA user_version = {len(sqlite_schema.MIGRATIONS) + 1}")
    db.commit()
    db.close()
    before = dump(path)
    with pytest.raises(StoreError, match=r"written by a newer autolog: pip install -U autolog-llm"):
        open_store(f"sqlite:///{path}")
    assert dump(path) == before


@pytest.mark.parametrize("name", states("key.txt"))
def test_keys_of_the_release_open_the_server(name: str, tmp_path: Path) -> None:
    key = (STATES / name / "key.txt").read_text().strip()
    with live(restored(name, tmp_path)) as server:
        headers = {"authorization": f"Bearer {key}"}
        address = f"{server.url}/api/v1/records"
        sent = httpx2.post(address, json=[{"id": "with-the-old-key"}], headers=headers)
        assert (sent.status_code, sent.json()["accepted"]) == (200, 1)
        assert [record["project"] for record in httpx2.get(address, headers=headers).json()["records"]] == ["shop"]


@pytest.mark.parametrize("name", states("journal.sql"))
def test_a_journal_is_sent_and_written(name: str, tmp_path: Path) -> None:
    path = restored(name, tmp_path, "journal")
    (target,) = {row[0] for row in sqlite3.connect(path).execute("SELECT target FROM entry")}
    journal = Journal(path, target, 10**6, 10.0**9)
    records = [record for record, _ in journal.claim(100)]
    assert {record.name for record in records} == {"outer", "chat gpt-4o-mini"}
    assert any(PROMPT in (record.request_body or b"").decode() for record in records)
    journal.add([Record(id="new")])
    assert journal.waiting().records == 3


def test_a_newer_journal_is_refused_with_a_sentence(tmp_path: Path) -> None:
    path = restored(LAST, tmp_path, "journal")
    db = sqlite3.connect(path)
    db.execute("PRAGMA user_version = 99")
    db.commit()
    db.close()
    with pytest.raises(StoreError, match="this journal was written by a newer autolog"):
        Journal(path, "somewhere", 10**6, 10.0**9).add([Record(id="new")])


# ClickHouse


def clickhouse_state(name: str, url: str) -> None:
    tables = json.loads((STATES / name / "clickhouse.json").read_text())
    address, _, database = url.rpartition("@")[2].partition("/")
    restore_clickhouse(tables, address, database)


@pytest.mark.parametrize("name", states("clickhouse.json"))
def test_a_clickhouse_database_is_brought_forward(name: str, clickhouse_url: str) -> None:
    clickhouse_state(name, clickhouse_url)
    store = open_store(clickhouse_url)
    check(store, 1)
    store.close()
    again = open_store(clickhouse_url)
    assert (again.count(Query()), again.schema) == (3, len(clickhouse_schema.MIGRATIONS))
    again.close()


@pytest.mark.parametrize("name", states("clickhouse.json"))
def test_a_clickhouse_step_that_fails_half_way_is_made_again(
    name: str, clickhouse_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    clickhouse_state(name, clickhouse_url)

    def breaks(target: Any) -> Iterator[str]:
        yield f"CREATE TABLE IF NOT EXISTS `half`{target.on} (a Int32) ENGINE = MergeTree() ORDER BY a"
        yield "SELECT throwIf(1)"

    with monkeypatch.context() as patch:
        patch.setattr(clickhouse_schema, "MIGRATIONS", (*clickhouse_schema.MIGRATIONS, breaks))
        with pytest.raises(StoreError):
            open_store(clickhouse_url)
    store = open_store(clickhouse_url)  # the previous version still works
    check(store, 1)
    store.close()


def test_a_newer_clickhouse_database_is_refused_with_a_sentence(
    clickhouse_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    clickhouse_state(LAST, clickhouse_url)
    monkeypatch.setattr(clickhouse_schema, "MIGRATIONS", clickhouse_schema.MIGRATIONS[:1])
    with pytest.raises(StoreError, match="this database was written by a newer autolog"):
        open_store(clickhouse_url)


# The protocol, in both directions


def exchange(name: str) -> Any:
    return json.loads((STATES / name / "native.json").read_text())


def sample() -> list[Record]:
    """Return a minimal record, and one that sets every field with a simple type."""
    record = Record(id="full", request_body=b'{"a": 1}', response_body=b"[]", metadata={"k": [1]}, tags=["t"])
    for field, kind in Record.__annotations__.items():
        if kind in {"int | None", "float | None"}:
            setattr(record, field, 1)
        elif kind == "str | None":
            setattr(record, field, "x")
    return [record, Record(id="bare")]


@pytest.mark.parametrize("name", RELEASES)
def test_this_server_takes_what_clients_of_the_release_send(name: str, tmp_path: Path) -> None:
    request = exchange(name)["request"]
    kept = {field.lower(): value for field, value in request["headers"].items()}
    headers = {field: kept[field] for field in kept if field.startswith(("content-t", "content-e", "x-autolog"))}
    with live(tmp_path / "s.db") as server:
        reply = httpx2.post(
            server.url + request["path"],
            content=base64.b64decode(request["body"]),
            headers={**headers, "authorization": f"Bearer {KEY}"},
        )
        assert reply.json().items() >= exchange(name)["reply"]["body"].items()
        (record,) = server.records()
        assert ANSWER in (record.response_body or b"").decode()
        assert (record.usage_output_tokens, record.user) == (7, "u")


@contextmanager
def older_server(reply: dict[str, Any]) -> Iterator[tuple[str, list[bytes]]]:
    """Run a server that answers like one of an older release; yield its address and the request bodies."""
    bodies: list[bytes] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            bodies.append(self.rfile.read(int(self.headers["content-length"])))
            answer = json.dumps(reply["body"]).encode()
            self.send_response(reply["status"])
            for field, value in {**reply["headers"], "content-length": str(len(answer))}.items():
                self.send_header(field, value)
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}", bodies
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("name", RELEASES)
def test_servers_of_the_release_read_what_this_client_sends(name: str) -> None:
    release = exchange(name)
    fields = [
        (name, _type(definition["type"]), definition["default"]) for name, definition in release["fields"].items()
    ]
    codec = msgspec.defstruct("Released", fields, kw_only=True)
    records = sample()[: release["reply"]["body"]["accepted"]]
    with older_server(release["reply"]) as (url, bodies):
        assert HTTPSink(url, "k", "native").write(records) == 0
    read = msgspec.msgpack.decode(zstd.decompress(bodies[0]), type=list[codec])  # type: ignore[valid-type]
    for record, seen in zip(records, read, strict=True):
        for name in release["fields"].keys() & set(FIELDS):
            assert getattr(seen, name) == getattr(record, name), name


def _type(annotation: str) -> Any:
    from datetime import datetime

    return eval(annotation, {"Any": Any, "datetime": datetime, "msgspec": msgspec})


def test_a_client_one_minor_version_newer_is_taken(tmp_path: Path) -> None:
    batch = msgspec.msgpack.encode([{"id": "a", "name": "n", "field_of_tomorrow": {"x": 1}}])
    major, minor = map(int, native.PROTOCOL.split("."))
    headers = {"content-type": native.MSGPACK, native.PROTOCOL_HEADER: f"{major}.{minor + 1}"}
    with live(tmp_path / "s.db") as server:
        address = f"{server.url}/api/v1/records"
        reply = httpx2.post(address, content=batch, headers={**headers, "x-api-key": KEY})
        assert (reply.json()["accepted"], reply.headers[native.PROTOCOL_HEADER]) == (1, native.PROTOCOL)
        assert [record.name for record in server.records()] == ["n"]


def test_another_major_version_is_refused_so_that_the_client_keeps_its_records(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with live(tmp_path / "s.db") as server:
        monkeypatch.setattr(native, "encode_request", _of_version("2.0", native.encode_request))
        with pytest.raises(Undelivered, match=r"501.*upgrade the older"):
            HTTPSink(server.url, KEY, "native").write([Record(id="a")])
        assert server.records() == []
        monkeypatch.undo()
        assert HTTPSink(server.url, KEY, "native").write([Record(id="a")]) == 0


def _of_version(version: str, encode: Any) -> Any:
    def encoded(records: Any) -> Any:
        request = encode(records)
        return request._replace(headers={**request.headers, native.PROTOCOL_HEADER: version})

    return encoded


def test_a_version_that_is_none_is_refused(tmp_path: Path) -> None:
    with live(tmp_path / "s.db") as server:
        headers = {native.PROTOCOL_HEADER: "new", "x-api-key": KEY}
        reply = httpx2.post(f"{server.url}/api/v1/records", json=[{"id": "a"}], headers=headers)
        assert (reply.status_code, server.records()) == (400, [])
        assert "'new' is not a version" in reply.json()["error"]["message"]
