"""`autolog import`."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner
from commands import run

from autolog._record.record import to_dict
from autolog.cli import cli
from autolog.stores import open_store
from autolog.stores._contract import Store
from autolog.stores.query import Query


def same(one: Store, other: Store) -> None:
    volatile = {"seq", "received_at", "updated_at"}
    for left, right in zip(one.scan(Query()), other.scan(Query()), strict=True):
        pair = [
            {key: value for key, value in to_dict(record).items() if key not in volatile} for record in (left, right)
        ]
        assert pair[0] == pair[1]
        assert (left.request_body, left.response_body) == (right.request_body, right.response_body)


@pytest.mark.parametrize("suffix", ["jsonl", "parquet"])
def test_out_and_in_again(ten_records: Store, suffix: str) -> None:
    assert run("export", "-o", f"all.{suffix}").exit_code == 0
    for _ in range(2):
        assert run("import", f"all.{suffix}", "--store", "sqlite:///copy.db").output == "10 records\n"
    copy = open_store("sqlite:///copy.db")
    assert copy.count(Query()) == 10
    same(ten_records, copy)


def test_from_another_store_and_standard_input(ten_records: Store) -> None:
    assert run("import", ten_records.url, "--store", "sqlite:///copy.db", "--project", "mine").exit_code == 0
    copied = open_store("sqlite:///copy.db")
    assert copied.count(Query({"project": "mine"})) == 10
    lines = run("export").output
    assert lines.count("\n") == 10
    assert run("import", "-", "--store", "sqlite:///third.db", input=lines).output == "10 records\n"
    same(ten_records, open_store("sqlite:///third.db"))


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("x.jsonl", '{"id": 5}\n', "line 1 is no record"),
        ("x.jsonl", '{"id": "a"}\nnot JSON\n', "line 2 is no record"),
        ("x.parquet", "no parquet", "is no Parquet file"),
        ("missing.jsonl", None, "there is no file"),
    ],
)
def test_what_cannot_be_brought_in(name: str, content: str | None, words: str) -> None:
    if content is not None:
        Path(name).write_text(content)
    result = CliRunner().invoke(cli, ["import", name])
    assert result.exit_code == 1
    assert words in str(result.exception)
