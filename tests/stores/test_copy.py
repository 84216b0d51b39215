"""`autolog copy`: complete, verified, and resumed after an interruption, in both directions."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from autolog._record.record import Record
from autolog.cli import cli
from autolog.errors import StoreError
from autolog.stores import copy as _copy, open_store
from autolog.stores._contract import Store
from autolog.stores.copy import copy
from autolog.stores.query import Query

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


def record(number: int, **fields: Any) -> Record:
    given = {
        "id": f"id-{number:04}", "created_at": NOON + timedelta(minutes=number), "cost": number / 1000,
        "usage_input_tokens": number, "usage_output_tokens": 1, "kind": "llm" if number % 3 else "span",
        "project": "shop" if number % 2 else "default", "tags": ["a"], "metadata": {"n": number},
        "request_body": b'{"n": %d}' % number, "response_body": b"\x00\xff" * number,
    }  # fmt: skip
    return Record(**{**given, **fields})


def everything(store: Store) -> list[Record]:
    return list(store.scan(Query()))


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_copy, "BATCH", 10)


@pytest.fixture
def pair(clickhouse_url: str, tmp_path: Path) -> Iterator[tuple[Store, Store]]:
    stores = open_store(f"sqlite:///{tmp_path}/here.db"), open_store(clickhouse_url)
    yield stores
    for store in stores:
        store.close()


@pytest.mark.parametrize("back", [False, True])
def test_all_of_it_arrives(pair: tuple[Store, Store], back: bool, small: None) -> None:
    source, target = reversed(pair) if back else pair
    source.write([record(number) for number in range(25)])
    source.put_document("key", "k1", {"name": "x"})
    source.put_document("humanloop file", "p/f", {"y": 1})
    done = copy(source, target)
    assert (done.before, done.records, done.documents) == (0, 25, 2)
    assert (done.calls, done.input_tokens, done.output_tokens) == (16, sum(n for n in range(25) if n % 3), 16)
    assert everything(target) == everything(source)
    assert target.documents("key") == {"k1": {"name": "x"}}
    assert target.documents("humanloop file") == {"p/f": {"y": 1}}


def test_it_goes_on_where_it_stopped(pair: tuple[Store, Store], small: None, monkeypatch: pytest.MonkeyPatch) -> None:
    source, target = pair
    source.write([record(number) for number in range(45)])
    writes = 0
    write = type(target).write

    def cut_off(self: Any, records: Any, keep_seq: bool = False) -> list[int]:
        nonlocal writes
        writes += 1
        if writes == 3:
            raise StoreError(self.url, "away")
        return write(self, records, keep_seq)

    monkeypatch.setattr(type(target), "write", cut_off)
    with pytest.raises(StoreError, match="away"):
        copy(source, target)
    assert target.count(Query()) == 20
    seen: list[int] = []
    done = copy(source, target, on_progress=seen.append)
    assert (done.before, done.records) == (20, 25)
    assert seen == [20, 30, 40, 45]
    source.write([record(50)])
    assert copy(source, target).records == 1
    assert everything(target) == everything(source)
    assert copy(source, target, again=True).records == 46
    assert target.count(Query()) == 46


def test_what_arrives_wrong_is_told(pair: tuple[Store, Store], small: None, monkeypatch: pytest.MonkeyPatch) -> None:
    source, target = pair
    source.write([record(number) for number in range(20)])
    write = type(target).write
    monkeypatch.setattr(
        type(target), "write", lambda self, records, keep_seq=False: write(self, records[:-1], keep_seq)
    )
    with pytest.raises(StoreError, match=r"project 'shop' that arrived differ from those sent: 4 records of 5"):
        copy(source, target)


def test_places_stay_unless_they_are_taken(tmp_path: Path) -> None:
    source, target = (open_store(f"sqlite:///{tmp_path}/{name}.db") for name in "ab")
    source.write([record(number) for number in range(3)])
    target.write([record(100)])
    copy(source, target)
    assert {kept.id: kept.seq for kept in target.scan(Query())} == {
        "id-0100": 1, "id-0001": 2, "id-0002": 3, "id-0000": 4,
    }  # fmt: skip


def test_the_command(clickhouse_url: str, tmp_path: Path) -> None:
    open_store(f"sqlite:///{tmp_path}/here.db").write([record(number) for number in range(5)])
    run = CliRunner().invoke
    answer = run(cli, ["copy", f"sqlite:///{tmp_path}/here.db", clickhouse_url], catch_exceptions=False)
    assert answer.output == "5 records and 0 documents copied and checked: 3 calls, 10 tokens, $0.007\n"
    answer = run(cli, ["copy", clickhouse_url, f"sqlite:///{tmp_path}/there.db", "--json"], catch_exceptions=False)
    assert json.loads(answer.output)["records"] == 5
    here, there = (open_store(f"sqlite:///{tmp_path}/{name}.db") for name in ("here", "there"))
    assert everything(here) == everything(there)
    answer = run(cli, ["copy", f"sqlite:///{tmp_path}/none.db", clickhouse_url])
    assert "there is no store at" in str(answer.exception)
    answer = run(cli, ["copy", clickhouse_url, clickhouse_url])
    assert "the same store" in str(answer.exception)


def test_a_backup_of_clickhouse_is_a_file(clickhouse_url: str, tmp_path: Path) -> None:
    store = open_store(clickhouse_url)
    store.write([record(number) for number in range(5)])
    answer = CliRunner().invoke(cli, ["backup", f"{tmp_path}/b.db", "--store", clickhouse_url], catch_exceptions=False)
    assert answer.exit_code == 0
    assert everything(open_store(f"sqlite:///{tmp_path}/b.db")) == everything(store)
