"""`autolog export`: JSON lines, CSV, Parquet, cassettes."""

from __future__ import annotations

import csv
import errno
import io
import json
import os
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import openai
import pytest
import vcr
from commands import NASTY, NOON, output, run
from traffic import FOLDER, recordings

import autolog
from autolog._record.record import Record
from autolog.cli._standin import standin
from autolog.errors import AutologError
from autolog.stores import open_store
from autolog.stores._contract import Store
from autolog.stores.query import Query


def test_filters_ids_and_csv(ten_records: Store) -> None:
    assert run("export", "--model", "gpt-4o").output.count("\n") == 5
    assert [json.loads(line)["id"] for line in run("export", "--id", "id-7", "--id", "id-1").output.splitlines()] == [
        "id-7",
        "id-1",
    ]
    assert run("export", "--id", "nobody").exit_code == 1
    run("export", "-o", "all.csv")
    with Path("all.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 10
    assert rows[3]["name"] == NASTY.replace("\x1b", "\\x1b").replace("\u202e", "\\x202e")
    assert sum(float(row["cost"] or 0) for row in rows) == pytest.approx(4.5)


@pytest.mark.parametrize("form", ["csv", "jsonl", "parquet", "dataset"])
def test_the_number_of_records_written_is_reported(ten_records: Store, form: str) -> None:
    if form == "parquet":
        pytest.importorskip("pyarrow")
    noun = "calls" if form == "dataset" else "records"
    assert run("export", "-f", form, "-o", "all.file").stderr == f"10 {noun} written to all.file\n"


def test_a_parquet_file_agrees_with_stats(ten_records: Store) -> None:
    duckdb = pytest.importorskip("duckdb")
    run("export", "-o", "all.parquet")
    rows = duckdb.sql("""
        SELECT count(*), sum(cost), sum(usage_input_tokens), sum(usage_output_tokens), epoch(max(created_at)), any_value(tags)
        FROM 'all.parquet' WHERE kind = 'llm'""").fetchall()
    (stats,) = [json.loads(line) for line in run("stats", "--by", "provider", "--json").output.splitlines()]
    assert rows[0][0] == stats["calls"]
    assert rows[0][1] == pytest.approx(stats["cost"])
    assert rows[0][2:4] == (stats["input_tokens"], stats["output_tokens"])
    assert run("export", "-f", "parquet").exit_code == 2


def test_a_cassette_replays_through_the_sdk() -> None:
    autolog.configure(store="sqlite:///.autolog/logs.db")
    autolog.patch_openai()
    ask: Any = {"model": "gpt-4o", "messages": [{"role": "user", "content": "Say naïve 🙂"}]}
    with standin() as address:
        client = openai.OpenAI(base_url=f"{address}/v1", api_key="k")
        plain = client.chat.completions.create(**ask)
        streamed = [chunk.to_json() for chunk in client.chat.completions.create(**ask, stream=True)]
        with pytest.raises(openai.NotFoundError) as failed:
            client.chat.completions.create(**{**ask, "model": "no-such-model"})
    autolog.flush()
    assert "3 calls" in run("export", "-f", "vcr", "-o", "calls.yaml").stderr
    autolog.unpatch()
    with vcr.use_cassette("calls.yaml", record_mode="none"):  # only the cassette can answer
        assert client.chat.completions.create(**ask) == plain
        assert [chunk.to_json() for chunk in client.chat.completions.create(**ask, stream=True)] == streamed
        with pytest.raises(openai.NotFoundError) as again:
            client.chat.completions.create(**{**ask, "model": "no-such-model"})
    assert again.value.body == failed.value.body


@pytest.mark.skipif(not FOLDER.is_dir(), reason="../shared/traffic is not here")
def test_every_recording_fits_into_a_cassette() -> None:
    from traffic import as_record
    from vcr.serializers import yamlserializer

    records = [as_record(recording) for recording in recordings()]
    for record in records:
        record.status_code = 200
    open_store("sqlite:///.autolog/logs.db").write(records)
    run("export", "-o", "all.yaml")
    interactions = yamlserializer.deserialize(Path("all.yaml").read_text())["interactions"]
    assert len(interactions) == len(records)
    bodies = {record.response_body or b"" for record in records}
    for interaction in interactions:
        body = interaction["response"]["body"]["string"]
        assert (body.encode() if isinstance(body, str) else body) in bodies


def test_difficult_values_survive() -> None:
    difficult = [
        Record(id="a", request_body=b"base64:aGVsbG8=", prompt_template="{{user}} hi", created_at=NOON),
        Record(id="b", tool_calls=[{"arguments": "\ud83d"}], prompt_template='{"a": 1}', created_at=NOON),
        Record(id="c", prompt_template=5, created_at=NOON),
    ]
    open_store("sqlite:///.autolog/logs.db").write(difficult)
    for name in ("all.jsonl", "all.parquet"):
        run("export", "-o", name)
        Path("copy.db").unlink(missing_ok=True)
        run("import", name, "--store", "sqlite:///copy.db")
        found = {record.id: record for record in open_store("sqlite:///copy.db").scan(Query())}
        assert found["a"].request_body == b"base64:aGVsbG8="
        assert [found[key].prompt_template for key in "abc"] == ["{{user}} hi", '{"a": 1}', 5]
    run("export", "-o", "all.csv")


#: Control characters except tab and line feed, and characters that change the text direction or the line.
OBEYED = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\U000e0041]")
HOSTILE = (
    "=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\n=1", " =1", "\uff1d1", "\uff0b1", "\uff20x", '"=1', "\x1b]0;title\x07", "\x9b31m",
    "a\u202eb", "a\u2028b", "\x7f", "\U000e0041",
)  # fmt: skip


def test_a_spreadsheet_takes_no_cell_for_a_formula_and_a_terminal_obeys_none() -> None:
    store = open_store("sqlite:///.autolog/logs.db")
    store.write([Record(id=f"id-{n}", name=value, user=value, tags=[value]) for n, value in enumerate(HOSTILE)])
    output = run("export", "--format", "csv").output
    rows = list(csv.DictReader(io.StringIO(output)))
    for cell in (row[name] for row in rows for name in ("name", "user", "tags") if row[name]):
        assert not re.match(r"[\s'\"]*[=+\-@\uff1d\uff0b\uff0d\uff20]", cell) or cell.startswith("'"), cell
    assert not OBEYED.search(output)


def test_json_holds_no_character_that_a_terminal_obeys_and_means_the_same() -> None:
    store = open_store("sqlite:///.autolog/logs.db")
    store.write([Record(id=f"id-{n}", name=value, response_body=value.encode()) for n, value in enumerate(HOSTILE)])
    for command in (["logs", "--limit", "99", "--json"], ["export"], ["show", "id-11", "--json"]):
        assert not OBEYED.search(run(*command).output), command
    names = {json.loads(line)["name"] for line in run("export").output.split("\n") if line}
    assert names == set(HOSTILE)


@pytest.mark.skipif(os.name != "posix", reason="modes are of POSIX")
@pytest.mark.parametrize("suffix", ["jsonl", "csv", "parquet", "yaml"])
def test_only_the_user_may_read_an_export(ten_records: Store, suffix: str) -> None:
    run("export", "-o", f"out.{suffix}")
    assert Path(f"out.{suffix}").stat().st_mode & 0o077 == 0


@pytest.mark.skipif(os.name != "posix", reason="named pipes are of POSIX")
@pytest.mark.parametrize("suffix", ["jsonl", "csv", "parquet", "yaml"])
def test_an_export_does_not_write_where_another_user_of_the_folder_leads_it(ten_records: Store, suffix: str) -> None:
    Path("theirs").write_text("precious")
    Path(f"all.{suffix}.part").symlink_to("theirs")
    run("export", "-o", f"all.{suffix}")
    assert Path("theirs").read_text() == "precious"
    assert not Path(f"all.{suffix}").is_symlink()
    os.link("theirs", f"all.{suffix}.part")
    run("export", "-o", f"all.{suffix}")
    assert Path("theirs").read_text() == "precious"


def test_a_pipe_gets_the_whole_export(ten_records: Store) -> None:
    os.mkfifo("pipe")
    with ThreadPoolExecutor() as pool:
        read = pool.submit(Path("pipe").read_text)
        run("export", "-o", "pipe")
        assert len(read.result().splitlines()) == 10


@pytest.mark.parametrize("suffix", ["jsonl", "csv", "parquet", "yaml"])
def test_an_export_that_fails_leaves_what_was_there(
    ten_records: Store, suffix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def scan(*_: object) -> Iterator[Record]:
        yield Record(id="one", kind="llm")
        raise OSError(errno.ENOSPC, "No space left on device")

    Path("folder").mkdir()
    path = Path(f"folder/out.{suffix}")
    path.write_text("before")
    monkeypatch.setattr(type(ten_records), "scan", scan)
    with pytest.raises(AutologError, match=rf"out\.{suffix} cannot be written: No space left on device"):
        run("export", "-o", str(path))
    assert [file.name for file in Path("folder").iterdir()] == [path.name]
    assert path.read_text() == "before"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux has such a device")
def test_a_full_device_is_named(ten_records: Store) -> None:
    with pytest.raises(AutologError, match="/dev/full cannot be written: No space left on device"):
        run("export", "-o", "/dev/full")
    assert Path("/dev/full").exists()


def test_a_condition_makes_a_test_data_set(store: Store) -> None:
    def scored(record: Record) -> None:
        record.score = 0.9

    store.update("0001", "default", scored)
    lines = output("export", "--where", "score > 0.8", "-f", "dataset").splitlines()
    (example,) = [json.loads(line) for line in lines]
    assert example["input"] == [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi?"}]
    assert example["output"].startswith("Hello")
    assert (example["id"], example["score"], example["tool_calls"]) == ("0001", 0.9, [])
    assert output("export", "--where", "score > 0.8", "--user", "nobody", "-f", "dataset") == "Nothing matches.\n"
    assert output("export", "--where", "score > 0.95") == "Nothing matches.\n"
    assert "give only one of them" in output("export", "--where", "cost > 0", "--id", "0001", code=2)


def test_a_condition_can_only_read(store: Store) -> None:
    for condition in ("nonsense", "1); delete from log; --", "exists (select * from log)"):
        with pytest.raises(AutologError):
            run("export", "--where", condition)
    assert store.get("0001") is not None
