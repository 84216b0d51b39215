"""One suite of tests for every store."""

from __future__ import annotations

import multiprocessing
import os
import sqlite3
import sys
import threading
import tracemalloc
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from autolog._record.record import Record
from autolog.errors import StoreError
from autolog.stores import ledger_path, open_store
from autolog.stores._contract import Store
from autolog.stores.lookup import with_whole_trace
from autolog.stores.query import Condition, FilterError, Query, Scored, ScoreSum
from autolog.stores.sqlite import _schema

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)

Make = Callable[..., Record]


@pytest.fixture
def store(store_url: str) -> Iterator[Store]:
    opened = open_store(store_url)
    yield opened
    opened.close()


def record(number: int = 1, **fields: object) -> Record:
    values: dict[str, object] = {
        "id": f"id-{number:04}",
        "created_at": NOON + timedelta(seconds=number),
        "request_body": b'{"n": %d}' % number,
        "response_body": b"\x00\xff answer",
        "duration": number / 10,
        **fields,
    }
    return Record(**values)  # type: ignore[arg-type]


def ids(records: list[Record]) -> list[str]:
    return [item.id for item in records]


def test_a_record_comes_back_whole(store: Store) -> None:
    given = record(
        name="naïve 🙂",
        usage={"prompt_tokens": 2**60},
        usage_input_tokens=0,
        cost=0.1 + 0.2,
        tags=["a", "b"],
        metadata={"deep": {"list": [1, None, "x"]}, "zero": 0},
        tool_calls=[{"id": None, "name": "f", "arguments": "{}"}],
        status="error",
        truncated=True,
        start_time=NOON,
        response_headers={"x": "y"},
    )
    (place,) = store.write([given])
    found = store.get("id-0001")
    assert found is not None
    assert found.received_at == found.updated_at
    given.seq, given.received_at, given.updated_at = place, found.received_at, found.updated_at
    assert found == given


def test_lists_carry_no_bodies(store: Store) -> None:
    store.write([record()])
    assert store.find(Query())[0].request_body is None


def test_newest_first_and_pages(store: Store) -> None:
    store.write([record(number) for number in (2, 1, 3)])
    assert ids(store.find(Query(), limit=2)) == ["id-0003", "id-0002"]
    assert ids(store.find(Query(), limit=2, offset=2)) == ["id-0001"]
    assert ids(store.find(Query(), newest_first=False)) == ["id-0001", "id-0002", "id-0003"]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        (Query({"model": "asked"}), [1]),
        (Query({"model": "answered"}), [1]),
        (Query({"user": "u"}), [2]),
        (Query({"user": None}), [1, 3]),
        (Query({"status": "error", "kind": "llm"}), [3]),
        (Query(tags=("x",)), [1, 2]),
        (Query(tags=("x", "y")), [2]),
        (Query(metadata={"tier": "gold"}), [1]),
        (Query(metadata={"count": "7"}), [2]),
        (Query(metadata={"tier": "gold", "count": "7"}), []),
        (Query(text="LISBON"), [3]),
        (Query(text="100%"), []),
        (Query(text="zoË"), [2]),
        (Query(text='say "hi"'), [2]),
        (Query(text="in the variables"), [1]),
        (Query(since=NOON + timedelta(seconds=2)), [2, 3]),
        (Query(until=NOON + timedelta(seconds=2)), [1]),
        (Query(roots=True), [1, 3]),
    ],
)
def test_filters(store: Store, query: Query, found: list[int]) -> None:
    store.write(
        [
            record(
                1,
                request_model="asked",
                response_model="answered",
                tags=["x"],
                metadata={"tier": "gold"},
                prompt_variables={"a": "In the Variables"},
            ),
            record(
                2,
                user="u",
                tags=["x", "y"],
                metadata={"count": 7},
                parent_span_id="1" * 16,
                kind="span",
                request_body=b'{"x": "Zo\\u00eb, say \\"hi\\""}',
            ),
            record(3, status="error", input_preview="A day in Lisbon"),
        ]
    )
    assert ids(store.find(query, newest_first=False)) == [f"id-{number:04}" for number in found]
    assert ids(list(store.scan(query))) == [f"id-{number:04}" for number in found]
    assert store.delete(query) == len(found)
    assert len(store.find(Query())) == 3 - len(found)


def test_an_unknown_filter_is_refused(store: Store) -> None:
    with pytest.raises(ValueError, match="cannot filter by 'nonsense'"):
        store.find(Query({"nonsense": 1}))


def test_the_same_record_twice_is_one(store: Store) -> None:
    store.write([record(), record()])
    store.write([record()])
    assert len(store.find(Query())) == 1


def test_a_later_record_of_the_same_id_fills_gaps_and_takes_nothing_away(store: Store) -> None:
    store.write([record(user="u", metadata={"a": 1}, tags=["old"], cost=0.0)])
    store.write([Record(id="id-0001", metadata={"b": 2}, tags=["new"], output_preview="done")])
    merged = store.get("id-0001")
    assert merged is not None
    assert (merged.user, merged.metadata, merged.tags) == ("u", {"a": 1, "b": 2}, ["new"])
    assert (merged.output_preview, merged.request_body, merged.cost) == ("done", b'{"n": 1}', 0.0)
    assert ids(store.find(Query(tags=("new",), metadata={"a": "1", "b": "2"}))) == ["id-0001"]
    assert store.find(Query(tags=("old",))) == []
    store.write([Record(id="id-0001", user="v")])
    again = store.get("id-0001")
    assert again is not None
    assert (again.user, again.tags) == ("v", ["new"])


def test_tail_follows_arrival(store: Store) -> None:
    store.write([record(5)])
    place = store.last()
    store.write([record(1), record(9, user="u")])
    assert [stored.id for stored in store.tail(Query(), place)] == ["id-0001", "id-0009"]
    assert [stored.id for stored in store.tail(Query({"user": "u"}), place)] == ["id-0009"]


def test_summaries_count_turns_calls_and_errors(store: Store) -> None:
    calls = [
        record(n, session=f"s{n % 2}", project="a", usage_input_tokens=10,
               usage_output_tokens=n, cost=0.5 if n < 3 else None, parent_span_id="p" if n == 4 else None)
        for n in (1, 2, 3, 4)
    ]  # fmt: skip
    failed = record(5, id="tool", kind="tool", status="error", session="s1", project="b", usage_input_tokens=99)
    store.write([*calls, failed, record(90, session=None, project="c")])
    newest, other = store.summarise(Query(), "session")
    assert (newest.value, other.value) == ("s1", "s0")
    assert (newest.records, newest.turns, newest.calls, newest.errors) == (3, 3, 2, 1)
    assert (newest.input_tokens, newest.output_tokens) == (20, 4)
    assert (newest.cost, newest.unpriced, other.turns, other.cost) == (0.5, 1, 1, 0.5)
    assert (newest.first, newest.last) == (NOON + timedelta(seconds=1), NOON + timedelta(seconds=5))
    assert [row.value for row in store.summarise(Query(), "session", 1, 1)] == ["s0"]
    (whole,) = store.summarise(Query())
    assert (whole.value, whole.records, whole.calls, whole.cost) == (None, 6, 5, 1.0)
    steps = store.summarise(Query(), timedelta(minutes=1))
    assert [(step.first, step.records) for step in steps] == [(NOON, 5), (NOON + timedelta(minutes=1), 1)]
    assert store.summarise(Query({"session": "none"})) == []
    assert store.projects() == ["a", "b", "c"]
    every = store.find(Query(), 100)
    for name, (count, latest) in store.volumes().items():
        times = [written.created_at for written in every if written.project == name and written.created_at]
        assert (count, latest) == (len(times), max(times))
    assert sorted(store.volumes()) == store.projects()
    with pytest.raises(ValueError, match="cannot summarise"):
        store.summarise(Query(), "nonsense; DROP TABLE log")


def test_aggregate(store: Store) -> None:
    store.write(
        [record(n, request_model="m", usage_input_tokens=10, usage_output_tokens=n, cost=0.5) for n in range(1, 21)]
        + [record(30, request_model="n", status="error", duration=None), record(31, kind="span")]
    )
    first, second = store.aggregate(Query(), "model")
    assert (first.group, first.calls, first.errors, first.input_tokens, first.output_tokens) == ("m", 20, 0, 200, 210)
    assert (first.cost, first.unpriced) == (10.0, 0)
    assert (first.p50, first.p95) == (1.0, 1.9)
    assert (second.group, second.errors, second.cost, second.unpriced, second.p50) == ("n", 1, None, 0, None)
    (total,) = store.aggregate(Query())
    assert (total.group, total.calls) == (None, 21)
    assert [row.group for row in store.aggregate(Query({"kind": "llm"}), "day")] == ["2026-11-20"]
    assert [row.group for row in store.aggregate(Query({"kind": "llm"}), "hour")] == ["2026-11-20T12:00"]


def test_the_first_groups_have_percentiles_and_all_have_their_sums(store: Store) -> None:
    sessions = [name for name, calls in (("a", 3), (None, 2), ("b", 2), ("c", 1)) for _ in range(calls)]
    store.write([record(n, session=name, cost=1.0) for n, name in enumerate(sessions)])
    whole = store.aggregate(Query(), "session")
    for ranked in range(5):
        found = store.aggregate(Query(), "session", ranked=ranked)
        assert found[:ranked] == whole[:ranked]
        assert [(row.group, row.calls, row.cost) for row in found] == [
            (row.group, row.calls, row.cost) for row in whole
        ]


def test_aggregating_by_nonsense_is_refused(store: Store) -> None:
    with pytest.raises(ValueError, match="cannot group by"):
        store.aggregate(Query(), "nonsense; DROP TABLE log")


def test_text_that_utf8_cannot_hold(store: Store) -> None:
    given = record(name="\ud800", metadata={"\udfff": "\ud800"}, tags=["\ud800"], scores={"\ud800": {"value": 1}})
    store.write([given])
    assert len(store.find(Query())) == 1
    changed = store.update(given.id, given.project, lambda found: found.tags.append("\udfff"))
    assert changed is not None
    assert len(store.find(Query(tags=["?"]))) == 1
    assert store.delete(Query()) == 1
    assert store.find(Query()) == store.find(Query(tags=["?"])) == []


def test_an_id_that_utf8_cannot_hold_is_filled_in(store: Store) -> None:
    for name in ("first", "second"):
        store.write([record(id="\ud800", name=name)])
    (kept,) = store.find(Query(), 10)
    assert kept.name == "second"


def test_threads_write_and_read_at_once(store: Store) -> None:
    def write(start: int) -> None:
        for number in range(start, start + 20):
            store.write([record(number)])
            store.find(Query(), 1)

    threads = [threading.Thread(target=write, args=(start,)) for start in (0, 100, 200, 300)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(store.find(Query(), 1000)) == 80


def _write_some(url: str, start: int) -> None:
    store = open_store(url)
    for number in range(start, start + 50):
        store.write([record(number)])
    store.close()


def test_processes_write_one_file(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/shared.db"
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=_write_some, args=(url, start)) for start in (0, 100, 200)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0, 0, 0]
    assert len(open_store(url).find(Query(), 1000)) == 150


def test_projects_do_not_meet(store: Store) -> None:
    store.write([record(1, user="a"), record(1, project="other", user="b")])
    assert store.get("id-0001", "default").user == "a"  # type: ignore[union-attr]
    assert store.get("id-0001", "other").user == "b"  # type: ignore[union-attr]
    assert store.get("id-0001") is None
    assert store.update("id-0001", "third", lambda found: None) is None


def test_many_at_once(store: Store) -> None:
    with store.transaction():
        for start in range(0, 3000, 500):
            store.write([record(number, request_body=os.urandom(500)) for number in range(start, start + 500)])
    assert store.count(Query()) == 3000
    assert len(list(store.scan(Query()))) == 3000


def test_records_by_their_ids(store: Store) -> None:
    store.write([record(number) for number in range(4)])
    store.write([record(3, project="other")])
    store.delete(Query({"id": "id-0002"}))
    asked = ["id-0001", "id-0002", "id-0003", "id-0009", "id-0003"]
    assert sorted(ids(store.by_ids("default", asked))) == ["id-0001", "id-0003"]
    assert store.by_ids("default", []) == []
    with store.transaction():
        store.write([record(9)])
        store.update("id-0001", "default", lambda found: setattr(found, "name", "changed"))
        assert min((found.id, found.name) for found in store.by_ids("default", asked)) == ("id-0001", "changed")
        assert sorted(ids(store.by_ids("default", asked))) == ["id-0001", "id-0003", "id-0009"]


def test_calls_by_their_responses(store: Store) -> None:
    store.write([record(n, response_id=f"resp-{n % 3}", dialect="otlp" if n % 2 else "native") for n in range(30)])
    store.write([record(99, response_id="resp-1", project="other", dialect="otlp")])
    found = store.by_response("default", ["resp-1", "resp-2", "none"], False, 3)
    assert sorted(ids(found)) == ["id-0013", "id-0017", "id-0019", "id-0023", "id-0025", "id-0029"]
    either = store.by_response("default", ["resp-1", "none"], None, 2)
    assert sorted(ids(either)) == ["id-0019", "id-0022", "id-0025", "id-0028"]


def test_calls_by_what_they_used(store: Store) -> None:
    used = {"usage_input_tokens": 9, "usage_output_tokens": 3}
    store.write([record(n, dialect="otlp" if n % 2 else "native", **used) for n in range(20)])
    store.write([record(30, dialect="otlp"), record(31, dialect="otlp", usage_input_tokens=9)])
    store.write([record(32, dialect="otlp", kind="chain", **used), record(33, dialect="otlp", project="p", **used)])

    def found(native: bool | None, *tokens: tuple[int | None, int | None], each: int = 9) -> list[str]:
        since, until = (record(n).created_at for n in (5, 31))
        assert since is not None
        assert until is not None
        return sorted(ids(store.by_usage("default", tokens, native, since, until, each)))

    assert found(True, (9, 3), (1, 1)) == [f"id-{n:04}" for n in range(6, 20, 2)]
    assert found(False, (9, 3), each=2) == ["id-0017", "id-0019"]
    assert found(None, (9, 3), each=2) == ["id-0016", "id-0017", "id-0018", "id-0019"]
    assert found(False, (None, None), (9, None)) == ["id-0030", "id-0031"]


def test_update(store: Store) -> None:
    store.write([record(user="u", tags=["old"], cost=1.0)])

    def change(found: Record) -> None:
        found.user, found.tags, found.cost, found.response_body = None, ["new"], 0.0, b"later"

    updated = store.update("id-0001", "default", change)
    assert updated == store.get("id-0001")
    assert updated is not None
    assert (updated.user, updated.cost, updated.response_body, updated.request_body) == (
        None,
        0.0,
        b"later",
        b'{"n": 1}',
    )
    assert ids(store.find(Query(tags=("new",)))) == ["id-0001"]
    assert store.find(Query(tags=("old",))) == []
    timeless = store.update("id-0001", "default", lambda found: setattr(found, "created_at", None))
    assert timeless is not None
    assert ids(store.find(Query(since=datetime.now(UTC) - timedelta(minutes=1)))) == ["id-0001"]


def test_transactions_are_kept_or_not(store: Store) -> None:
    with pytest.raises(LookupError), store.transaction():
        store.write([record(1)])
        raise LookupError
    with store.transaction():
        store.write([record(2)])
        with pytest.raises(LookupError), store.transaction():
            store.write([record(3)])
            raise LookupError
        store.write([record(4)])
    assert ids(store.find(Query())) == ["id-0004", "id-0002"]


@pytest.mark.parametrize(
    ("condition", "found"),
    [
        (Condition("cost", "gt", (1,)), [2]),
        (Condition("cost", "lt", (1,)), [1]),
        (Condition("cost", "neq", (2,)), [1, 3]),
        (Condition("tokens", "eq", (0, 30)), [2]),
        (Condition("model", "contains", ("%", "b_")), []),
        (Condition("model", "contains", ("-mini",)), [1]),
        (Condition("success", "eq", (0,)), [3]),
        (Condition("provider", "eq", ("unknown",)), [3]),
        (Condition("created_at", "gt", (NOON + timedelta(seconds=1),)), [2, 3]),
        (Condition("metadata.key", "eq", ("k",)), [1, 2]),
        (Condition("metadata.value", "eq", ("2",)), [2]),
        (Condition("metadata.key", "neq", ("k",)), [3]),
        (Condition("nothing", "eq", (1,)), []),
    ],
)
def test_conditions(store: Store, condition: Condition, found: list[int]) -> None:
    store.write(
        [
            record(1, cost=0.5, request_model="gpt-mini", metadata={"k": "1"}, provider_name="a", usage_input_tokens=1),
            record(2, cost=2.0, metadata={"k": 2}, provider_name="b", usage_input_tokens=10, usage_output_tokens=20),
            record(3, status="error"),
        ]
    )
    query = Query(conditions=(condition,))
    assert ids(store.find(query, newest_first=False)) == [f"id-{number:04}" for number in found]
    assert store.count(query) == len(found)


def test_order_and_extremes(store: Store) -> None:
    store.write([record(n, cost=c) for n, c in ((1, 0.5), (2, None), (3, 0.5), (4, 0.1))])
    assert ids(store.find(Query(), order_by="cost")) == ["id-0003", "id-0001", "id-0004", "id-0002"]
    assert store.extremes(Query(), ["cost", "tokens_in"]) == {"cost": (0.1, 0.5), "tokens_in": (None, None)}
    assert store.delete(Query(), limit=1, order_by="cost") == 1
    assert store.get("id-0003") is None


def test_documents(store: Store) -> None:
    store.put_document("key", "b", {"x": 1})
    store.put_document("key", "a", {"x": 2})
    store.put_document("key", "b", {"x": 3})
    assert store.documents("key") == {"b": {"x": 3}, "a": {"x": 2}}
    assert store.documents("other") == {}
    assert store.documents("key", "a") == {"a": {"x": 2}}
    assert store.documents("key", "c") == store.documents("other", "a") == {}
    assert store.documents("key", "\ud800") == {}
    with store.transaction():
        store.put_document("key", "a", {"x": 4})
        assert store.documents("key", "a") == {"a": {"x": 4}}
        assert store.documents("key", "b") == {"b": {"x": 3}}


# Bad files


@pytest.mark.parametrize(
    ("url", "example"), [("postgres://host/db", "sqlite:///.autolog/logs.db"), ("logs.db", "sqlite:///logs.db")]
)
def test_an_unknown_scheme(url: str, example: str) -> None:
    with pytest.raises(StoreError, match=f"no such kind of store; write for example {example}"):
        open_store(url)


def test_a_missing_driver_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "clickhouse_connect", None)
    with pytest.raises(StoreError, match="pip install"):
        open_store("clickhouse://localhost/logs", create=False)


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("not a database, but long enough to be taken for one" * 40)
    with pytest.raises(StoreError, match="not a SQLite database; choose another path"):
        open_store(f"sqlite:///{path}")


def test_another_programs_database(tmp_path: Path) -> None:
    path = tmp_path / "theirs.db"
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE t (x)")
    db.close()
    with pytest.raises(StoreError, match="another program's database"):
        open_store(f"sqlite:///{path}")
    check = sqlite3.connect(path)
    assert check.execute("SELECT name FROM sqlite_master").fetchall() == [("t",)]
    check.close()


def test_a_newer_file(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/new.db"
    open_store(url).close()
    db = sqlite3.connect(tmp_path / "new.db")
    db.execute("PRAGMA user_version = 999")
    db.close()
    with pytest.raises(StoreError, match="written by a newer autolog"):
        open_store(url)


def test_a_damaged_file(tmp_path: Path) -> None:
    path = tmp_path / "logs.db"
    url = f"sqlite:///{path}"
    store = open_store(url)
    store.write([record(number) for number in range(500)])
    store.close()
    data = bytearray(path.read_bytes())
    data[4096 : len(data) // 2] = b"\xa5" * (len(data) // 2 - 4096)
    path.write_bytes(data)
    with pytest.raises(StoreError, match="damaged"):
        list(open_store(url).scan(Query()))


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot create the folder"):
        open_store(f"sqlite:///{tmp_path}/file/logs.db")


def test_the_default_folder_stays_out_of_git(tmp_path: Path) -> None:
    open_store(f"sqlite:///{tmp_path}/.autolog/logs.db").close()
    assert (tmp_path / ".autolog" / ".gitignore").read_text() == "*\n"


def test_reading_makes_no_file(tmp_path: Path) -> None:
    assert open_store(f"sqlite:///{tmp_path}/none.db", create=False) is None
    assert list(tmp_path.iterdir()) == []


# Sums by the hour


def sums(store: Store, dimension: str = "all") -> dict[str, tuple[int, int, int, float]]:
    found: dict[str, tuple[int, int, int, float]] = {}
    for hour in store.hours(None, dimension, NOON - timedelta(days=1), NOON + timedelta(days=1)):
        calls, errors, tokens, cost = found.get(hour.value, (0, 0, 0, 0.0))
        found[hour.value] = (calls + hour.calls, errors + hour.errors, tokens + hour.input_tokens, cost + hour.cost)
    return found


def test_hourly_sums_follow_every_change(store: Store) -> None:
    store.write(
        [record(n, request_model="m", user="u", tags=["a", "b"], cost=0.5, usage_input_tokens=10) for n in (1, 2)]
    )
    store.write([record(3, request_model="other", status="error"), record(4, kind="span")])
    assert sums(store) == {"": (3, 1, 20, 1.0)}
    assert sums(store, "model") == {"m": (2, 0, 20, 1.0), "other": (1, 1, 0, 0.0)}
    assert sums(store, "project") == {"default": (3, 1, 20, 1.0)}
    store.write([record(5, project="shop", request_model="m")])
    day = NOON - timedelta(days=1), NOON + timedelta(days=1)
    of_one = [(hour.value, hour.calls) for hour in store.hours(None, "project", *day, "shop")]
    assert of_one == [(hour.value, hour.calls) for hour in store.hours("shop", "project", *day)] == [("shop", 1)]
    store.delete(Query({"project": "shop"}))
    assert sums(store, "tag") == {"a": (2, 0, 20, 1.0), "b": (2, 0, 20, 1.0)}
    store.write([Record(id="id-0003", cost=2.0, usage_input_tokens=5), Record(id="id-0001", tags=["c"])])
    assert sums(store) == {"": (3, 1, 25, 3.0)}
    assert sums(store, "tag") == {"a": (1, 0, 10, 0.5), "b": (1, 0, 10, 0.5), "c": (1, 0, 10, 0.5)}
    store.update("id-0002", "default", lambda kept: setattr(kept, "cost", None))
    assert sums(store, "user") == {"u": (2, 0, 20, 0.5)}
    with pytest.raises(ZeroDivisionError), store.transaction():
        store.write([record(9)])
        raise ZeroDivisionError
    with store.transaction():
        store.write([record(10, request_model="m", cost=0.25)])
        with pytest.raises(ZeroDivisionError), store.transaction():
            store.write([record(11)])
            raise ZeroDivisionError
    assert sums(store)[""] == (4, 1, 25, 2.75)
    store.delete(Query({"model": "m"}))
    store.delete(Query({"id": "id-0003"}))
    assert sums(store) == sums(store, "model") == {}


@pytest.mark.parametrize("length", [timedelta(hours=5), timedelta(days=3, hours=7), timedelta(days=12)])
def test_totals_are_the_sums_of_the_hours(store: Store, length: timedelta) -> None:
    store.write(
        [
            record(n, created_at=NOON - n * timedelta(hours=7), project=f"p{n % 2}", user=f"u{n % 3}", tags=["a", "b"],
                   cost=n / 4, usage_input_tokens=n, status="error" if n % 4 == 0 else "ok")
            for n in range(60)
        ]
    )  # fmt: skip
    ends = NOON - length, NOON + timedelta(hours=1)
    for project in (None, "p1", "none"):
        for dimension in ("all", "user", "tag", "project"):
            expected: dict[str, list[Any]] = {}
            for hour in store.hours(project, dimension, *ends):
                sums = expected.setdefault(hour.value, [0, 0, 0, 0.0, 0, Counter()])
                part = hour.calls, hour.errors, hour.input_tokens, hour.cost, hour.priced, Counter(hour.durations)
                expected[hour.value] = [one + other for one, other in zip(sums, part, strict=True)]
            totals = {
                total.value: [
                    total.calls, total.errors, total.input_tokens, total.cost, total.priced, Counter(total.durations)
                ]
                for total in store.totals(project, dimension, *ends)
            }  # fmt: skip
            assert totals == expected
            assert totals or project


def test_the_newest_sessions_have_the_same_sums_as_in_the_whole_list(store: Store) -> None:
    store.write(
        [record(n, session=f"s{n % 17}" if n % 5 else None, cost=n / 4, user=f"u{n % 2}") for n in range(1, 200)]
    )
    for query in (Query(), Query({"user": "u1"}), Query(since=NOON + timedelta(seconds=150)), Query(tags=("none",))):
        whole = store.summarise(query, "session")
        pages = [store.summarise(query, "session", 5, offset) for offset in (0, 5, 10, 15)]
        assert [summary for page in pages for summary in page] == whole


def test_hourly_percentiles_are_near(store: Store) -> None:
    store.write([record(n, duration=n / 100) for n in range(1, 101)])
    (hour,) = store.hours("default", "all", NOON, NOON + timedelta(minutes=1))
    taken = sorted(value for value, count in hour.durations.items() for _ in range(count))
    assert len(taken) == 100
    assert taken[49] == pytest.approx(0.5, rel=0.06)
    assert taken[94] == pytest.approx(0.95, rel=0.06)
    assert list(store.hours("another", "all", NOON, NOON + timedelta(hours=1))) == []
    with pytest.raises(ValueError, match="no sums by 'colour'"):
        store.hours(None, "colour", NOON, NOON)


def test_pages_go_on_where_the_last_one_ended(store: Store) -> None:
    store.write(
        [record(n, created_at=NOON + timedelta(seconds=n // 3), request_model="m", tags=["t"]) for n in range(20)]
    )
    for query in (Query(), Query({"model": "m"}), Query(tags=("t",)), Query({"model": "m"}, tags=("t",))):
        seen: list[str] = []
        page = store.find(query, 7)
        while page:
            seen += ids(page)
            last = page[-1]
            assert last.created_at is not None
            assert last.seq is not None
            page = store.find(replace(query, past=(last.created_at, last.seq)), 7)
        assert seen == ids(store.find(query, 100))
        assert len(seen) == 20


def test_the_newest_with_a_filter_are_found_by_an_index(tmp_path: Path) -> None:
    """Check that no query plan sorts or reads the whole table."""
    from autolog.stores.sqlite._where import order_sql, source, where

    store = open_store(f"sqlite:///{tmp_path}/logs.db")
    store.write([record(1)])
    queries = [Query({name: "x"}) for name in ("model", "user", "session", "name", "provider_name", "prompt_id")]
    queries += [query.where(project="default") for query in queries]
    queries += [
        Query({"project": "default"}),
        Query({"project": "default"}, tags=("a",)),
        Query({"user": "u", "model": "m"}),
    ]
    queries += [Query(), Query(tags=("a",)), Query(metadata={"k": "v"}), Query({"status": "error"}), Query(since=NOON)]
    with sqlite3.connect(f"{tmp_path}/logs.db") as db:
        for query in queries:
            table, first, rest = source(query)
            condition, values = where(rest, "facet" if first else "created_at")
            order = order_sql("created_at", True)
            if first:
                order = order.replace("created_at", "at").replace("n ", "place ")
            sql = f"EXPLAIN QUERY PLAN SELECT log.id FROM {table} WHERE {condition} ORDER BY {order} LIMIT 50"
            plan = [row[3] for row in db.execute(sql, (*first, *values))]
            assert not any("TEMP B-TREE" in step for step in plan), (query, plan)
            assert not any(step == "SCAN log" for step in plan), (query, plan)


@pytest.mark.parametrize("field", ["trace_id", "response_id", "session", "user", "prompt_id"])
def test_records_with_given_values_are_found_by_the_index_of_their_field(field: str, tmp_path: Path) -> None:
    """Check that the index of the project is not used: it would read all of the project's records."""
    from autolog.stores.sqlite._where import order_sql, where

    open_store(f"sqlite:///{tmp_path}/logs.db")
    with sqlite3.connect(f"{tmp_path}/logs.db") as db:
        for given in (("a",), ("a", "b")):
            condition, values = where(Query({"project": "default"}, conditions=(Condition(field, "eq", given),)))
            sql = (
                f"EXPLAIN QUERY PLAN SELECT log.id FROM log WHERE {condition} ORDER BY {order_sql('created_at', True)}"
            )
            plan = [row[3] for row in db.execute(sql, values)]
            assert any(f"INDEX log_{field.removesuffix('_id')}" in step for step in plan), (given, plan)


@pytest.mark.parametrize("version", range(1, len(_schema.MIGRATIONS) + 1))
def test_a_file_of_every_version_is_brought_forward(version: int, tmp_path: Path) -> None:
    from autolog.stores.sqlite._upgrade import APPLICATION_ID

    path = tmp_path / "old.db"
    with sqlite3.connect(path) as db:
        _schema.MIGRATIONS[0](db)
        at = int(NOON.timestamp() * 1_000_000)
        for n in (1, 2):
            db.execute(
                "INSERT INTO log (n, id, kind, project, dialect, request_model, cost, cached, status, created_at, received_at,"
                " updated_at, duration, tags, metadata, rest) VALUES (?, ?, 'llm', 'default', 'native', 'gpt-4o', 0.5, 0, 'ok',"
                ' ?, ?, ?, 1.0, \'["t"]\', \'{"k": "v"}\', \'{"response_id": "resp_1"}\')',
                (n, f"old-{n}", at, at, at),
            )
            db.execute("INSERT INTO tag VALUES ('t', ?)", (n,))
            db.execute("INSERT INTO meta VALUES ('k', 'v', ?)", (n,))
        db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        for migrate in _schema.MIGRATIONS[1:version]:
            migrate(db)
        db.execute(f"PRAGMA user_version = {version}")
    db.close()
    store = open_store(f"sqlite:///{path}")
    for query in (
        Query({"model": "gpt-4o"}),
        Query(tags=("t",)),
        Query(metadata={"k": "v"}),
        Query({"response_id": "resp_1"}),
    ):
        assert ids(store.find(query)) == ["old-2", "old-1"]
    assert sums(store, "model") == {"gpt-4o": (2, 0, 0, 1.0)}
    store.delete(Query({"id": "old-1"}))
    assert sums(store) == {"": (1, 0, 0, 0.5)}
    assert open_store(f"sqlite:///{path}").count(Query()) == 1


def test_sums_never_make_a_write_fail(store: Store) -> None:
    store.write(
        [record(n, usage_input_tokens=2**53 - 1, duration=float("inf") if n % 2 else float("nan")) for n in range(1100)]
    )
    store.write([record(n, usage_input_tokens=2**53 - 1) for n in range(1100, 2200)])
    assert store.count(Query()) == 2200


def test_by_the_function_that_calls_were_made_in(store: Store) -> None:
    store.write([record(1, caller="answer", cost=1.0), record(2, caller="plan"), record(3)])
    assert ids(store.find(Query({"caller": "answer"}))) == ["id-0001"]
    assert {value: calls for value, (calls, *_) in sums(store, "function").items()} == {"answer": 1, "plan": 1}
    assert {row.group: row.calls for row in store.aggregate(Query(), "function")} == {"answer": 1, "plan": 1, None: 1}


def test_bodies_are_read_a_few_at_a_time(store: Store) -> None:
    large = b'{"text": "' + b"x" * 6_000_000 + b'"}'
    store.write([record(n, request_body=large if n < 8 else b'{"n": 1}') for n in range(10)])
    records = store.find(Query(), newest_first=False)
    tracemalloc.start()
    sizes = [len(row.request_body or b"") for row in store.with_bodies(records)]
    scanned = sum(len(row.request_body or b"") for row in store.scan(Query()))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert sizes == [len(large)] * 8 + [8] * 2
    assert scanned == sum(sizes)
    assert peak < 170_000_000


BERLIN = ZoneInfo("Europe/Berlin")


def test_times_are_grouped_in_the_readers_zone_and_come_in_order(store: Store) -> None:
    times = [
        datetime(2026, 3, 28, 22, 30, tzinfo=UTC),  # 23:30 in Berlin's winter
        datetime(2026, 3, 28, 23, 30, tzinfo=UTC),  # 00:30 of the next day, a Sunday
        datetime(2026, 3, 29, 21, 30, tzinfo=UTC),  # 23:30 in summer, which began that night
        datetime(2026, 3, 29, 22, 30, tzinfo=UTC),  # Monday
        datetime(2026, 3, 31, 22, 30, tzinfo=UTC),  # April
        datetime(2026, 10, 25, 22, 30, tzinfo=UTC),  # winter again
    ]
    store.write([record(n, created_at=at, kind="llm") for n, at in enumerate(times)])

    def calls(group: str, zone: tzinfo = BERLIN) -> dict[str | None, int]:
        return {row.group: row.calls for row in store.aggregate(Query(), group, zone)}

    assert list(calls("day").items()) == [
        ("2026-03-28", 1), ("2026-03-29", 2), ("2026-03-30", 1), ("2026-04-01", 1), ("2026-10-25", 1),
    ]  # fmt: skip
    assert calls("hour")["2026-03-29T23:00"] == calls("hour")["2026-10-25T23:00"] == 1
    assert calls("week") == {"2026-03-23": 3, "2026-03-30": 2, "2026-10-19": 1}
    assert calls("month") == {"2026-03": 4, "2026-04": 1, "2026-10": 1}
    assert list(calls("month", UTC).items()) == [("2026-03", 5), ("2026-10", 1)]
    since = Query(since=datetime(2026, 6, 1, tzinfo=UTC))
    assert [row.group for row in store.aggregate(since, "day", BERLIN)] == ["2026-10-25"]
    assert [row.group for row in store.aggregate(since, "hour", None)] == [f"{times[-1].astimezone():%Y-%m-%dT%H:00}"]


def test_errors_count_among_all_calls_that_asked_for_the_model(store: Store) -> None:
    store.write([record(n, kind="llm", request_model="m", response_model="m-1", cost=1.0) for n in range(3)])
    store.write([record(4, kind="llm", request_model="m", response_model=None, status="error", cost=None)])
    (row,) = store.aggregate(Query(), "model")
    assert (row.group, row.calls, row.errors) == ("m", 4, 1)
    assert sums(store, "model") == {"m": (4, 1, *sums(store, "model")["m"][2:])}


def test_unpriced_are_calls_that_should_have_a_price(store: Store) -> None:
    without: list[dict[str, object]] = [
        {"operation_name": "chat"},
        {"operation_name": "chat", "status": "error", "usage_input_tokens": 5},
        {"operation_name": "chat", "status": "error", "usage_input_tokens": None},
        {"operation_name": "batch"},
        {"operation_name": "count_tokens"},
        {"operation_name": "moderation"},
    ]
    store.write([record(n, kind="llm", cost=None, **fields) for n, fields in enumerate(without)])
    (row,) = store.aggregate(Query())
    assert (row.calls, row.unpriced) == (6, 2)
    since, until = NOON - timedelta(days=1), NOON + timedelta(days=1)
    assert sum(hour.calls - hour.priced for hour in store.hours(None, "all", since, until)) == 2


def test_the_ledger_of_a_store_lies_beside_it(tmp_path: Path) -> None:
    assert ledger_path(f"sqlite:///{tmp_path}/s.db") == f"{tmp_path}/s.db-budgets"
    assert ledger_path("clickhouse://host/db") is None


def test_scores_are_filters_and_sums(store: Store) -> None:
    given: list[dict[str, object]] = [
        {"scores": {"helpful": 1.0, "tone": {"value": 0.25, "comment": "stiff"}}, "prompt_version": "6"},
        {"scores": {"helpful": {"value": 0}, 'odd "name"': "much"}, "prompt_version": "7"},
        {"score": 0.5, "scores": {"helpful": 1}, "prompt_version": "7"},
        {"project": "other", "scores": {"helpful": 0.5}},
        {},
    ]
    store.write([record(number, **fields) for number, fields in enumerate(given)])

    def found(*scores: Scored, **equal: object) -> list[int]:
        return sorted(int(item.id[3:]) for item in store.find(Query(dict(equal), scores=scores)))

    assert found(Scored("helpful")) == [0, 1, 2, 3]
    assert found(Scored("helpful"), project="default") == [0, 1, 2]
    assert found(Scored("helpful", "ge", 0.5)) == [0, 2, 3]
    assert found(Scored("helpful", "lt", 0.5)) == [1]
    assert found(Scored("helpful", "eq", 1), Scored("tone", "le", 0.25)) == [0]
    assert found(Scored("default", "gt", 0.4)) == [2]
    assert found(Scored("nobody")) == found(Scored("helpful' OR 1", "eq", 1)) == []
    assert store.count(Query(scores=(Scored("helpful"),))) == 4
    helpful, *others = store.scores(Query({"project": "default"}))
    assert helpful == ScoreSum("helpful", None, 3, pytest.approx(2 / 3), 0.0, 1.0)
    assert {(total.name, total.count, total.mean) for total in others} == {("tone", 1, 0.25), ("default", 1, 0.5)}
    by_version = {
        total.group: total.mean for total in store.scores(Query(), "prompt_version") if total.name == "helpful"
    }
    assert by_version == {"6": 1.0, "7": 0.5, None: 0.5}
    assert store.scores(Query({"kind": "llm"}, tags=("none",)), "model") == []
    with pytest.raises(ValueError, match="cannot group scores"):
        store.scores(Query(), "tag")


def test_a_corrected_score_is_found_by_its_new_value_alone(store: Store) -> None:
    store.write([record(scores={"helpful": 1.0})])

    def correct(kept: Record) -> None:
        kept.scores = {"fine": 0.0}

    store.update("id-0001", "default", correct)
    assert [total.name for total in store.scores(Query())] == ["fine"]
    assert not store.find(Query(scores=(Scored("helpful"),)))
    store.delete(Query())
    assert store.scores(Query()) == []


def test_groups_come_in_the_order_that_is_asked_for(store: Store) -> None:
    rows = [
        ("ada", 5.0, 10, "ok"),
        ("bob", 1.0, 999, "error"),
        ("eve", 2.0, 1, "ok"),
        ("eve", 2.0, 1, "ok"),
        ("nil", None, None, "ok"),
    ]
    store.write([
        record(number, user=user, cost=cost, usage_input_tokens=tokens, status=status, usage_output_tokens=tokens)
        for number, (user, cost, tokens, status) in enumerate(rows)
    ])  # fmt: skip

    def users(order_by: str) -> list[str | None]:
        return [summary.value for summary in store.summarise(Query(), "user", order_by=order_by)]

    assert users("last") == ["nil", "eve", "bob", "ada"]
    assert users("cost") == ["ada", "eve", "bob", "nil"]
    assert users("tokens")[:2] == ["bob", "ada"]
    assert users("calls")[0] == users("turns")[0] == "eve"
    assert users("errors")[0] == "bob"
    assert [summary.value for summary in store.summarise(Query(), "user", 1, 1, "cost")] == ["eve"]
    with pytest.raises(ValueError, match="cannot order by"):
        store.summarise(Query(), "user", order_by="colour")


def test_a_trace_is_found_by_a_part_of_its_id(store: Store) -> None:
    traces = ("ab01" + "0" * 28, "ab02" + "0" * 26 + "77")
    store.write([record(number, trace_id=trace) for number, trace in enumerate(traces)])
    for part, trace_id in (
        ("ab01", traces[0]), ("077", traces[1]), (traces[1], traces[1]), ("b0", "b0"), (record(1).id, traces[1]),
    ):  # fmt: skip
        assert with_whole_trace(store, Query({"trace_id": part})).equal["trace_id"] == trace_id
    with pytest.raises(FilterError, match=r"(?s)several traces.*ab0"):
        with_whole_trace(store, Query({"trace_id": "ab"}))
    assert with_whole_trace(store, Query({"trace_id": "ab", "project": "other"})).equal["trace_id"] == "ab"
