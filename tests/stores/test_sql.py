"""SQL over the logs: the same answers on every store, and no access to anything else."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from autolog._record.record import Record
from autolog.stores import open_store, sql
from autolog.stores._contract import Store
from autolog.stores.query import Query
from autolog.stores.sql import SQLError, select

NOON = datetime(2026, 11, 20, 12, 0, 0, 123_456, tzinfo=UTC)


@pytest.fixture
def store(store_url: str) -> Iterator[Store]:
    opened = open_store(store_url)
    opened.write([_call(number) for number in range(6)])
    opened.write([Record(id="f", project="a", kind="function", name="plan", created_at=NOON)])
    yield opened
    opened.close()


def _call(number: int) -> Record:
    return Record(
        id=f"c{number}", project="b" if number % 2 else "a", created_at=NOON + timedelta(hours=number), cost=0.5,
        request_model="gpt-4o", usage_input_tokens=100 * number, usage_cache_read_input_tokens=10, tags=["t"],
        metadata={"k": "naïve"}, time_to_first_chunk=0.25, score=0.75, scores={"tone": {"value": 2, "comment": "dry"}},
        tool_calls=[{"id": "t1", "name": "look", "arguments": '{"q": 1}'}],
        request_url="https://api.openai.com/v1/chat/completions",
        request_body=b'{"model": "gpt-4o", "messages": [{"role": "user", "content": "Hi?"}]}',
        response_body=b'{"choices": [{"message": {"role": "assistant", "content": "secret of %d"}}]}' % number,
    )  # fmt: skip


ANSWERS = {
    "select count(*), sum(cost) from calls": [(3, 1.5)],
    "select count(*) from spans": [(4,)],
    "select id from calls order by created_at desc limit 1": [("c4",)],
    "select created_at from calls where id = 'c2'": [("2026-11-20T14:00:00.123Z",)],
    "select usage_cache_read_input_tokens, time_to_first_chunk, json_extract(metadata, '$.k') from calls limit 1": [
        (10, 0.25, "naïve")
    ],
    "select side, role, kind, text from messages where id = 'c2' order by side": [
        ("request", "user", "text", "Hi?"),
        ("response", "assistant", "text", "secret of 2"),
    ],
    "select distinct name, call_id, json_extract(arguments, '$.q') from tool_calls": [("look", "t1", 1)],
    "select name, value, comment from scores where id = 'c0' order by name": [
        ("default", 0.75, None),
        ("tone", 2, "dry"),
    ],
    "with m as (select count(*) as n from messages) select n from m": [(6,)],
    "with recursive n(x) as (select 1 union all select x + 1 from n where x < 4) select sum(x) from n": [(10,)],
    "select c.id from calls c join tool_calls t using (id) where t.name = 'look' order by 1": [
        ("c0",), ("c2",), ("c4",),
    ],
    "select c.id from calls c join tool_calls t using (id) order by 1 limit 1": [("c0",)],
    'select count(*) from "Calls" join [SCORES] using (id)': [(6,)],
    "select row_number() over (order by id), id from spans order by id limit 1": [(1, "c0")],
    "values (1), (2)": [(1,), (2,)],
}  # fmt: skip


def test_it_answers_the_same_on_every_store(store: Store) -> None:
    for statement, rows in ANSWERS.items():
        assert select(store, statement, Query({"project": "a"})).rows == rows, statement


def test_every_view_has_the_columns_that_are_documented(store: Store) -> None:
    assert sql.DESCRIPTIONS.keys() == sql.VIEWS.keys()
    for view, columns in sql.VIEWS.items():
        assert select(store, f"select * from {view} limit 0").columns == columns


def test_without_a_project_all_are_read_and_times_choose(store: Store) -> None:
    assert select(store, "select count(*) from calls").rows == [(6,)]
    late = Query(since=NOON + timedelta(hours=2), until=NOON + timedelta(hours=4))
    assert select(store, "select id from calls order by id", late).rows == [("c2",), ("c3",)]


def test_a_project_with_any_name_is_a_name(store: Store) -> None:
    name = "o'x' or '1'='1"
    store.write([Record(id="q", project=name)])
    assert select(store, "select id from spans", Query({"project": name})).rows == [("q",)]


HOSTILE = [
    "delete from calls", "update calls set cost = 0", "insert into calls (id) values ('x')", "drop view calls",
    "create table t (x)", "create temp table t as select 1", "create temp trigger t after insert on x begin select 1; end",
    "attach 'stolen.db' as s", "vacuum into 'stolen.db'", "vacuum", "detach temp", "reindex", "analyze",
    "pragma database_list", "pragma writable_schema = 1", "pragma temp.journal_mode", "select * from pragma_database_list",
    "select count(*) from pragma_database_list", "select load_extension('x')", "select readfile('/etc/passwd')",
    "select writefile('stolen', 'x')", "select edit('x')", "select fts3_tokenizer('simple')",
    "select zeroblob(1000000000)", "select randomblob(1000000000)",
    "select * from log", "select * from temp.log", "select * from main.log", "select * from body", "select * from meta",
    "select * from media", "select * from document", "select data from document where kind = 'key'",
    "with calls as (select * from log) select * from calls", "with calls as (select * from body) select * from calls",
    "with calls as (select * from document) select key from calls",
    "with spans as (select * from sqlite_sequence) select * from spans",
    "with messages as (select * from sqlite_master) select * from messages",
    "select * from (select * from log) as calls", "select (select request_body from body limit 1) from calls",
    "select * from sqlite_master", "select sql from sqlite_temp_master", "select * from sqlite_schema",
    "select * from dbstat", "select * from sqlite_dbpage", "select * from sqlite_stmt",
    "select * from pragma_table_info('log')", "select * from pragma_function_list", "select * from bytecode('select 1')",
    "select * from generate_series(1, 9)", "select * from zipfile('x')", "explain select * from calls", "select random()",
    "select * from calls join log using (project)", "select log.request_model from calls", "select sqlite_version()",
    "select " + "(" * 2_000 + "1" + ")" * 2_000, "select " + "+".join(["1"] * 40_000),
    "select json('" + "[" * 3_000 + "]" * 3_000 + "')", "select hex(hex(hex(printf('%.5000000c', 'x'))))",
    "select group_concat(a.id || printf('%.9999999c', 'x')) from spans a, spans b",
    "select 1; select 2", "select 1; drop table log", "begin", "savepoint s", "", "   ", "-- nothing", "nonsense",
]  # fmt: skip


def test_hostile_statements_are_refused(store: Store) -> None:
    # The process that refuses them is the same for both stores: of ClickHouse's it has a copy.
    for statement in HOSTILE if store.url.startswith("sqlite") else HOSTILE[::5]:
        with pytest.raises(SQLError):
            pytest.fail(f"{statement}: {select(store, statement, Query({'project': 'a'})).rows}")
    assert not [path for path in Path.cwd().rglob("*") if path.name.startswith("stolen")]
    assert store.count(Query()) == 7


def test_no_view_shows_another_project(store: Store) -> None:
    for view in sql.VIEWS:
        rows = str(select(store, f"select * from {view}", Query({"project": "a"})).rows)
        assert not [word for word in ("'b'", "'c1'", "secret of 1") if word in rows], view
        assert "'c2'" in rows or view == "cache_misses", view  # none of these calls misses the cache


@pytest.mark.parametrize(
    "statement",
    [
        "with recursive n(x) as (select 1 union all select x + 1 from n) select count(*) from n",
        "with recursive n(x) as (select 1 union all select x + 1 from n) select group_concat(printf('%.*c', 9999, 'x'))"
        " from n",
        "with recursive n(x) as (select printf('%.*c', 9999, 'x') union all select x || '' from n) select * from n"
        " order by 1",
        "with t as (select replace(printf('%.8000000c', 'x'), 'x', 'xx') as a) select instr(a, substr(a, 5000000) || 'y')"
        " from t",
        "with recursive n(x) as (select 1 union all select x + 1 from n limit 100000000) select sum(x) over (order by x"
        " rows between unbounded preceding and unbounded following), ntile(100000) over (order by -x) from n",
        "select json_group_array(printf('%.9999999c', a.id)) from spans a, spans b, spans c",
        "select a.id from spans a, spans b, spans c, spans d, spans e, spans f, spans g, spans h, spans i, spans j,"
        " spans k, spans l order by a.cost + l.cost",
    ],
)
def test_statements_without_an_end_are_stopped(store: Store, statement: str) -> None:
    started = time.monotonic()
    with pytest.raises(SQLError, match=r"stopped|memory|too big"):
        select(store, statement, seconds=1)
    assert time.monotonic() - started < 20


def test_an_answer_has_bounds_and_says_so(store: Store) -> None:
    answer = select(store, "with recursive n(x) as (select 1 union all select x + 1 from n) select x from n", rows=5)
    assert answer.rows == [(1,), (2,), (3,), (4,), (5,)]
    assert answer.more
    assert answer.notes == ["only the first 5 rows"]
    whole = select(store, "select id from spans", rows=7)
    assert (len(whole.rows), whole.more, whole.notes) == (7, False, [])


def test_errors_say_what_is_wrong(store: Store) -> None:
    with pytest.raises(SQLError, match="no such column: nonsense; the views calls and spans have id, created_at"):
        select(store, "select nonsense from calls")
    with pytest.raises(SQLError, match="the views are calls, spans"):
        select(store, "select * from things")


def test_a_store_that_is_no_file_says_that_not_all_was_read(
    clickhouse_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sql, "RECORDS", 2)
    store = open_store(clickhouse_url)
    store.write([_call(number) for number in range(6)])
    answer = select(store, "select id from calls order by id")
    assert answer.rows == [("c4",), ("c5",)]
    assert answer.notes == ["only the newest 2 records were looked at"]
    store.close()


def test_modules_of_the_working_directory_are_not_imported(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "secrets.py").write_text("open('ran', 'w').close()")
    monkeypatch.chdir(tmp_path)
    assert select(store, "select 1").rows == [(1,)]
    assert not (tmp_path / "ran").exists()
