"""`autolog import`."""

from __future__ import annotations

import csv
import gzip
import io
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from commands import run
from dialects.otlp_samples import CHAT, OTHER, SPAN, span, traces

from autolog._record.record import Record, to_dict
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
    [("x.parquet", "no parquet", "is not a Parquet file"), ("missing.jsonl", None, "there is no file")],
)
def test_what_cannot_be_brought_in(name: str, content: str | None, words: str) -> None:
    if content is not None:
        Path(name).write_text(content)
    result = CliRunner().invoke(cli, ["import", name])
    assert result.exit_code == 1
    assert words in str(result.exception)


def imported(store: str = "sqlite:///copy.db") -> dict[str, Record]:
    return {record.id: record for record in open_store(store).find(Query(), 100, bodies=True)}


@pytest.mark.parametrize(
    "lines", ['{"id": "a"}\nnot JSON\n{"id": 5}\n\n{"id": "b"}\n', 'not JSON\n{"id": "a"}\n[1]\n{"id": "b"}']
)
def test_bad_lines_are_told_counted_and_left_out(lines: str) -> None:
    Path("x.jsonl").write_text(lines)
    result = run("import", "x.jsonl", "--store", "sqlite:///copy.db")
    assert (result.exit_code, result.stdout) == (1, "2 records, 2 left out\n")
    bad = [number for number, line in enumerate(lines.split("\n"), 1) if line[:1] in {"n", "["} or line == '{"id": 5}']
    assert [line.split(" is not a record")[0] for line in result.stderr.splitlines()] == [
        f"x.jsonl: line {number}" for number in bad
    ]
    assert set(imported()) == {"a", "b"}
    with_json = run("import", "x.jsonl", "--store", "sqlite:///copy.db", "--json")
    assert json.loads(with_json.stdout) == {"imported": 2, "skipped": 2, "formats": {"autolog": 2}, "dry_run": False}


def test_a_file_of_unknown_format_is_refused_and_not_taken_for_ours() -> None:
    Path("x.json").write_text('{"data": [{"id": "VHJh", "trace_id": "t", "token_count_total": 5, "spans": null}]}')
    result = run("import", "x.json", "--store", "sqlite:///copy.db")
    assert (result.exit_code, result.stdout) == (1, "0 records, 1 left out\n")
    assert "ours has no spans, token_count_total; --from names the format" in result.stderr


def test_of_many_bad_lines_the_first_are_told() -> None:
    Path("x.jsonl").write_text("nothing\n" * 100)
    result = run("import", "x.jsonl", "--dry-run")
    assert (result.exit_code, result.stderr.splitlines()[-1]) == (1, "x.jsonl: and 80 more")


ROW = {"request_id": "r-1", "request_created_at": "2026-01-02T03:04:05Z", "response_status": 200, "provider": "OPENAI",
       "target_url": "https://api.openai.com/v1/chat/completions", "delay_ms": 1500, "prompt_tokens": 1000, "completion_tokens": 100,
       "request_model": "gpt-4o", "request_properties": {"plan": "gold"}, "request_body": {"model": "gpt-4o"}, "response_body": {}}  # fmt: skip


def test_a_call_that_several_layers_reported_is_billed_once_as_on_a_server() -> None:
    outer = traces(span(CHAT), scope="litellm")
    inner = traces(span(CHAT, spanId=OTHER, parentSpanId=SPAN), scope="opentelemetry.instrumentation.openai")
    root = traces(span({"user.id": "ada"}, name="root", spanId="d4" * 8), scope="app")
    outer["resourceSpans"][0]["scopeSpans"][0]["spans"][0]["parentSpanId"] = "d4" * 8
    Path("spans.jsonl").write_text("\n".join(map(json.dumps, (outer, inner, root))))
    for _ in range(2):
        assert run("import", "spans.jsonl", "--store", "sqlite:///copy.db").output == "3 records\n"
    records = imported()
    assert [record.user for record in records.values() if record.kind == "llm"] == ["ada"]
    assert sum(record.cost is not None for record in records.values()) == 1


def write(name: str, rows: list[dict[str, Any]]) -> None:
    path = Path(name)
    if ".csv" in name:
        text = io.StringIO()
        writer = csv.DictWriter(text, list(rows[0]))
        writer.writeheader()
        writer.writerows(
            {key: json.dumps(value) if isinstance(value, dict) else value for key, value in row.items()} for row in rows
        )
        path.write_text(text.getvalue(), newline="")
    elif name.endswith(".parquet"):
        pyarrow = pytest.importorskip("pyarrow")
        from pyarrow import parquet

        times = [
            {**row, "request_created_at": datetime.fromisoformat(row["request_created_at"]), "response_body": None}
            for row in rows
        ]
        parquet.write_table(pyarrow.Table.from_pylist(times), name)
    else:
        lines = "\n".join(map(json.dumps, rows))
        whole = {
            "list.json": json.dumps(rows),
            "reply.json": json.dumps({"data": rows, "error": None}),
            "pretty.json": json.dumps(rows, indent=2),
        }
        text = whole.get(name, lines)
        path.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())


@pytest.mark.parametrize(
    "name", ["x.jsonl", "x.jsonl.gz", "x.csv", "x.parquet", "list.json", "reply.json", "pretty.json"]
)
def test_a_services_export_in_every_kind_of_file(name: str) -> None:
    write(name, [ROW, {**ROW, "request_id": "r-2"}])
    for _ in range(2):
        assert run("import", name, "--store", "sqlite:///copy.db", "--project", "old").output == "2 records\n"
    record = imported()["r-1"]
    assert len(imported()) == 2
    assert (record.project, record.usage_input_tokens, record.metadata, record.duration) == (
        "old",
        1000,
        {"plan": "gold"},
        1.5,
    )
    assert record.created_at == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert record.cost == pytest.approx((1000 * 2.5 + 100 * 10) / 1e6)


def test_several_files_a_named_format_and_a_trial_run() -> None:
    write("x.jsonl", [ROW])
    write("list.json", [{**ROW, "request_id": "r-2"}, {"request_id": "r-3", "request_created_at": "soon"}])
    result = run(
        "import", "x.jsonl", "list.json", "--from", "helicone", "--dry-run", "--json", "--store", "sqlite:///copy.db"
    )
    assert json.loads(result.stdout) == {"imported": 2, "skipped": 1, "formats": {"helicone": 2}, "dry_run": True}
    assert "list.json: item 2 is not a record: request_created_at: 'soon' is not a time" in result.stderr
    assert not Path("copy.db").exists()
    assert run("import", "x.jsonl", "--from", "nobody").exit_code == 2
    assert run("import").exit_code == 2


def test_scores_that_come_before_what_they_are_of_do_not_change_when_it_was() -> None:
    score = {
        "id": "s",
        "trace_id": "t-1",
        "name": "tone",
        "value": 0.5,
        "data_type": "NUMERIC",
        "source": "API",
        "timestamp": "2026-01-02T03:04:09Z",
    }
    trace = {"id": "t-1", "timestamp": "2026-01-02T03:04:05Z", "name": "answer", "user_id": "u-1"}
    Path("scores.jsonl").write_text(json.dumps(score))
    Path("traces.jsonl").write_text(json.dumps(trace))
    assert run("import", "scores.jsonl", "traces.jsonl", "--store", "sqlite:///copy.db").output == "2 records\n"
    record = imported()["t-1"]
    assert (record.name, record.scores, record.created_at) == (
        "answer",
        {"tone": 0.5},
        datetime(2026, 1, 2, 3, 4, 9, tzinfo=UTC),
    )
