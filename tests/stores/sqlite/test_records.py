"""Batches of records: new, known and repeated ones get their numbers and their associated rows."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from autolog._record.record import Record
from autolog.stores.query import Query
from autolog.stores.sqlite._file import SQLiteFile
from autolog.stores.sqlite._records import LARGE, RecordWriter
from autolog.stores.sqlite._rows import INDEXED
from autolog.stores.sqlite.store import SQLiteStore


@pytest.fixture
def store(tmp_path: Path) -> SQLiteStore:
    return SQLiteStore(f"sqlite:///{tmp_path}/logs.db")


def test_one_batch_with_new_and_known_records_and_one_that_comes_twice(store: SQLiteStore) -> None:
    (known,) = store.write([Record(id="known", tags=["old"])])
    seqs = store.write(
        [
            Record(id="a", tags=["x"], request_body=b"{}"),
            Record(id="known", user="u"),
            Record(id="b", metadata={"k": "v"}),
            Record(id="a", session="s", response_body=b"[]"),
            Record(id="a", project="other"),
        ]
    )
    assert seqs[1] == known
    assert seqs[0] == seqs[3]
    assert len(set(seqs)) == 4
    first = store.get("a", "default")
    assert first is not None
    assert (first.seq, first.tags, first.session, first.request_body, first.response_body) == (
        seqs[0], ["x"], "s", b"{}", b"[]",
    )  # fmt: skip
    merged = store.get("known")
    assert merged is not None
    assert (merged.user, merged.tags) == ("u", ["old"])
    assert [found.id for found in store.find(Query(tags=("x",)))] == ["a"]
    assert store.count(Query()) == 4


def test_numbers_are_kept_where_they_are_free_and_never_given_twice(store: SQLiteStore) -> None:
    store.write([Record(id="one"), Record(id="two")])
    store.delete(Query())
    assert store.write([Record(id="three")]) == [3]  # not one that a reader has seen
    kept = [Record(id="k7", seq=7), Record(id="taken", seq=3), Record(id="again", seq=7), Record(id="none")]
    seqs = store.write(kept, keep_seq=True)
    assert seqs[0] == 7
    assert len({3, *seqs}) == 5
    assert min(seqs) == 7
    assert store.write([Record(id="next")]) == [max(seqs) + 1]


def test_large_bodies_lie_beside_small_ones(store: SQLiteStore) -> None:
    import random

    noise = random.Random(1).randbytes
    bodies = [noise(size) for size in (10, LARGE * 2, 20, LARGE * 3)]
    store.write([Record(id=str(number), response_body=body) for number, body in enumerate(bodies)])
    found = [store.get(str(number)) for number in range(len(bodies))]
    assert [record.response_body for record in found if record is not None] == bodies


def test_reports_of_different_times_are_looked_up_with_the_same_statement(
    store: SQLiteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite takes four times as long to prepare the statement as to run it."""
    prepared: set[str] = set()
    reader = SQLiteFile.reader.fget
    assert reader is not None

    class Noting:
        def __init__(self, db: sqlite3.Connection) -> None:
            self._db = db

        def execute(self, sql: str, values: Sequence[Any] = ()) -> sqlite3.Cursor:
            prepared.add(sql)
            return self._db.execute(sql, values)

    monkeypatch.setattr(SQLiteFile, "reader", property(lambda file: Noting(reader(file))))
    moment, second = datetime(2026, 1, 1, tzinfo=UTC), timedelta(seconds=1)
    for number in range(3):
        at = moment + number * second
        store.write([Record(id=f"r{number}", kind="llm", created_at=at, usage_input_tokens=7, usage_output_tokens=8)])
        found = store.by_usage("default", [(7, 8)], None, at - second / 2, at + second / 2, 5)
        assert [record.id for record in found] == [f"r{number}"]
    assert len(prepared) == 3  # one finds which there are, and two load those of autolog and of others


def test_a_record_is_found_by_a_bounded_number_of_tags_scores_and_names_and_keeps_all(store: SQLiteStore) -> None:
    many = [f"{number:05}" for number in range(3_000)]
    record = Record(id="a", tags=many, metadata=dict.fromkeys(many, "v"), scores=dict.fromkeys(many, 1.0))
    for _ in range(2):  # as a new record, and as a known one
        store.write([record])
    for found, lost in (
        (Query(tags=("00999",)), Query(tags=("01000",))),
        (Query(metadata={"00999": "v"}), Query(metadata={"01000": "v"})),
    ):
        (kept,) = store.find(found)
        assert (kept.tags, len(kept.metadata)) == (many, 3_000)
        assert store.find(lost) == []
    db = store._file.writer
    rows = [db.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in ("facet", "meta")]
    assert rows[0] == 2 * INDEXED  # tags and scores
    assert rows[1] == INDEXED
    assert db.execute("SELECT count(*) FROM rollup_hour WHERE dimension = 'tag'").fetchone() == (INDEXED,)
    store.delete(Query())
    for table in ("facet", "meta", "rollup_hour", "rollup_day"):
        assert db.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,)


def test_a_stored_record_is_rewritten_once_for_all_parts_of_it_in_a_batch(
    store: SQLiteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    (known,) = store.write([Record(id="a", tags=["first"], request_body=b"{}")])
    rewritten, rewrite = list[str](), RecordWriter._rewrite
    monkeypatch.setattr(
        RecordWriter, "_rewrite", lambda self, record: (rewritten.append(record.id), rewrite(self, record))
    )
    parts = [Record(id="a", metadata={f"k{number}": "v"}, user=f"u{number}") for number in range(50)]
    others = [Record(id="b", tags=["x"]), Record(id="b", session="s")]
    seqs = store.write([*parts, *others])
    assert seqs[:50] == [known] * 50
    assert seqs[50] == seqs[51] != known
    assert rewritten == ["a", "b"]
    (found,) = store.find(Query({"id": "a"}), bodies=True)
    assert (found.user, len(found.metadata), found.tags, found.request_body) == ("u49", 50, ["first"], b"{}")
    (other,) = store.find(Query({"id": "b"}))
    assert (other.session, other.tags) == ("s", ["x"])
