"""Taking records elsewhere and back, sending them again, deleting them, looking after the installation."""

from __future__ import annotations

import csv
import json
import os
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import openai
import pytest
import vcr
from click.testing import CliRunner, Result
from traffic import FOLDER, recordings

import autolog
from autolog._config import config_from
from autolog._delivery.journal import journal_for
from autolog._record.record import Record, to_dict
from autolog.cli import cli
from autolog.cli._standin import standin
from autolog.stores import open_store
from autolog.stores._contract import Store
from autolog.stores.query import Query

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
NASTY = 'naïve "quoted"\n=cmd()\x1b[31m\u202e{"a": [1]}'


@pytest.fixture
def store() -> Store:
    """Ten records in the default place, some of them difficult."""
    opened = open_store("sqlite:///.autolog/logs.db")
    opened.write(
        [
            Record(
                id=f"id-{n}", created_at=NOON + timedelta(seconds=n), start_time=NOON, name=NASTY if n == 3 else "chat",
                request_model="gpt-4o" if n % 2 else None, provider_name="openai", cost=0.1 * n if n else None,
                usage_input_tokens=n * 100, usage_output_tokens=n, duration=n / 10, tags=["a", "b"] if n > 5 else [],
                metadata={"k": [n, None, {"x": "y"}]}, tool_calls=[{"id": None, "name": "f", "arguments": "{}"}],
                request_body=b'{ "spaces":  1.0 }', response_body=b"\xff\x00binary" if n == 4 else NASTY.encode(),
                prompt_template="text" if n else {"a": 1}, usage={"prompt_tokens": 5},
                request_url="https://api.openai.com/v1/chat/completions", status_code=200, truncated=n == 2,
            )
            for n in range(10)
        ]
    )  # fmt: skip
    return opened


def run(*args: str, **options: Any) -> Result:
    result = CliRunner().invoke(cli, list(args), **options)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def same(one: Store, other: Store) -> None:
    volatile = {"seq", "received_at", "updated_at"}
    for left, right in zip(one.scan(Query()), other.scan(Query()), strict=True):
        pair = [
            {key: value for key, value in to_dict(record).items() if key not in volatile} for record in (left, right)
        ]
        assert pair[0] == pair[1]
        assert (left.request_body, left.response_body) == (right.request_body, right.response_body)


@pytest.mark.parametrize("suffix", ["jsonl", "parquet"])
def test_out_and_in_again(store: Store, suffix: str) -> None:
    assert run("export", "-o", f"all.{suffix}").exit_code == 0
    for _ in range(2):
        assert run("import", f"all.{suffix}", "--store", "sqlite:///copy.db").output == "10 records\n"
    copy = open_store("sqlite:///copy.db")
    assert copy.count(Query()) == 10
    same(store, copy)


def test_from_another_store_and_standard_input(store: Store) -> None:
    assert run("import", store.url, "--store", "sqlite:///copy.db", "--project", "mine").exit_code == 0
    copied = open_store("sqlite:///copy.db")
    assert copied.count(Query({"project": "mine"})) == 10
    lines = run("export").output
    assert lines.count("\n") == 10
    assert run("import", "-", "--store", "sqlite:///third.db", input=lines).output == "10 records\n"
    same(store, open_store("sqlite:///third.db"))


def test_filters_ids_and_csv(store: Store) -> None:
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
    assert rows[3]["name"] == NASTY
    assert sum(float(row["cost"] or 0) for row in rows) == pytest.approx(4.5)


def test_a_parquet_file_agrees_with_stats(store: Store) -> None:
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


# Cassettes


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
    with vcr.use_cassette("calls.yaml", record_mode="none"):  # the stand-in is gone: nobody else could answer
        assert client.chat.completions.create(**ask) == plain
        assert [chunk.to_json() for chunk in client.chat.completions.create(**ask, stream=True)] == streamed
        with pytest.raises(openai.NotFoundError) as again:
            client.chat.completions.create(**{**ask, "model": "no-such-model"})
    assert again.value.body == failed.value.body


@pytest.mark.skipif(not FOLDER.is_dir(), reason="../shared/traffic is not here")
def test_every_recording_fits_into_a_cassette() -> None:
    from test_media import as_record
    from vcr.serializers import yamlserializer

    records = [as_record(recording) for recording in recordings()]
    for record in records:
        record.status_code = 200
    open_store("sqlite:///.autolog/logs.db").write(records)
    run("export", "-o", "all.yaml")
    interactions = yamlserializer.deserialize(Path("all.yaml").read_text())["interactions"]
    assert len(interactions) == len(records)
    bodies = {record.response_body or b"" for record in records}
    for one in interactions:
        body = one["response"]["body"]["string"]
        assert (body.encode() if isinstance(body, str) else body) in bodies


# Replay


def test_replay_sends_the_very_request_again(monkeypatch: pytest.MonkeyPatch) -> None:
    autolog.configure(store="sqlite:///.autolog/logs.db")
    autolog.patch()
    with standin() as address:
        client = openai.OpenAI(base_url=f"{address}/v1", api_key="k")
        client.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": "Say hello"}])
        autolog.flush()
        store = open_store("sqlite:///.autolog/logs.db")
        (first,) = store.find(Query(), bodies=True)
        refused = CliRunner().invoke(cli, ["replay", first.id])
        assert "whose key is for 127.0.0.1?" in str(refused.exception)
        monkeypatch.setenv("MY_KEY", "sk-sec\rret")
        assert "sk-sec" not in str(CliRunner().invoke(cli, ["replay", first.id, "--key-env", "MY_KEY"]).exception)
        monkeypatch.setenv("MY_KEY", "sk-secret")
        assert "gpt-4o" in run("replay", first.id, "--key-env", "MY_KEY").output
        changed = run(
            "replay",
            first.id,
            "--key-env",
            "MY_KEY",
            "--model",
            "gpt-4o-mini",
            "--set",
            "temperature=0",
            "--set",
            "user=me",
            "--json",
        )
        failed = run("replay", first.id, "--key-env", "MY_KEY", "--model", "no-such-model")
    same_again, other = store.find(Query(), 10, newest_first=False, bodies=True)[1:3]
    assert same_again.request_body == first.request_body
    assert same_again.metadata == {"replay_of": first.id}
    assert same_again.cost == first.cost
    asked = json.loads(other.request_body or b"")
    assert (asked["model"], asked["temperature"], asked["user"]) == ("gpt-4o-mini", 0, "me")
    assert json.loads(changed.output)["request_model"] == "gpt-4o-mini"
    assert failed.exit_code == 1
    assert "sk-secret" not in str([to_dict(record) for record in store.find(Query(), 10)])
    with pytest.raises(autolog.errors.AutologError, match="did not answer"):
        run("replay", first.id, "--key-env", "MY_KEY")


def test_what_cannot_be_replayed(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "k")
    store.write([Record(id="span", kind="span"), Record(id="form", request_url="https://x", request_body=b"--x")])
    assert run("replay", "nobody").exit_code == 1
    with pytest.raises(autolog.errors.AutologError, match="no request"):
        run("replay", "span")
    with pytest.raises(autolog.errors.AutologError, match="not JSON"):
        run("replay", "form", "--model", "m")
    assert run("replay", "id-1", "--set", "nonsense").exit_code == 2


def test_diff(store: Store) -> None:
    shown = run("diff", "id-1", "id-3").output
    assert "$0.1 " in shown
    assert "$0.3 " in shown
    assert "\x1b[31m" not in shown
    data = json.loads(run("diff", "id-1", "id-3", "--json").output)
    assert data["figures"]["cost"] == ["$0.1", "$0.3"]
    assert run("diff", "id-1", "nobody").exit_code == 1


# Prune


def test_prune_by_age_project_filter_and_size(store: Store) -> None:
    store.write([Record(id="young", created_at=datetime.now(UTC)), Record(id="other", project="p", created_at=NOON)])
    assert run("prune").exit_code == 2
    assert "would delete 10" in run("prune", "--model", "gpt-4o", "--until", "2030-01-01", "--dry-run").output.replace(
        "5", "10"
    )
    assert run("prune", "--project", "p", "--older-than", "1h", input="n\n").exit_code == 1
    assert store.count(Query()) == 12
    assert (
        json.loads(run("prune", "--project", "p", "--older-than", "2026-11-21", "--yes", "--json").output)["deleted"]
        == 1
    )
    run("prune", "--until", "2026-11-20T12:00:04+00:00", "--model", "gpt-4o", "--yes")
    assert store.count(Query()) == 9
    store.write([Record(id=f"big-{n}", created_at=NOON + timedelta(days=1, seconds=n), response_body=os.urandom(20_000))
                 for n in range(50)])  # fmt: skip
    before = store.size()
    result = json.loads(run("prune", "--max-size", f"{before // 2}B", "--yes", "--json").output)
    assert result["size"] < before
    assert store.get("big-49") is not None
    assert store.get("id-0") is None
    assert Path(".autolog/logs.db").stat().st_size < before * 1.2


def test_prune_while_others_read(store: Store) -> None:
    reading = store.scan(Query())
    next(reading)
    run("prune", "--older-than", "2026-11-21", "--yes")
    assert len(list(reading)) <= 10
    assert run("logs").output.strip() == "Nothing matches."


def test_a_server_keeps_what_it_is_told_to(tmp_path: Path) -> None:
    import time

    from live import live

    from autolog.server import Retain

    path = tmp_path / "s.db"
    open_store(f"sqlite:///{path}").write([Record(id="old", created_at=NOON - timedelta(days=400)), Record(id="new")])
    with live(path, retain=Retain(age=timedelta(days=30))) as running:
        deadline = time.monotonic() + 5
        while running.store.count(Query()) > 1 and time.monotonic() < deadline:
            time.sleep(0.05)
        assert [record.id for record in running.records()] == ["new"]


# Doctor and run


def test_doctor(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    healthy = json.loads(run("doctor", "--json").output)
    assert healthy["ok"]
    says = {check["check"]: check["says"] for check in healthy["checks"]}
    assert "10 records" in says["store"]
    assert "can be patched" in says["openai"]
    assert not autolog.status()["patched"]
    assert (says["journal"], says["losses"][:10]) == ("nothing waits", "no process")
    journal = journal_for(config_from({}), {"endpoint": "http://logs.example"})
    journal.note_losses({"queue full": 7})
    journal.add([Record(id="a"), Record(id="b")])
    said = " ".join(run("doctor").output.split())
    assert "7 (queue full)" in said
    assert "2 records" in said
    assert "wait for http://logs.example native" in said
    assert run("doctor").exit_code == 1
    monkeypatch.setenv("AUTOLOG_ENDPOINT", "http://127.0.0.1:9")
    assert "cannot be reached" in run("doctor").output
    assert run("doctor").exit_code == 1
    monkeypatch.setenv("AUTOLOG_ENDPOINT", "nonsense")
    assert "is not an http:// or https:// URL" in run("doctor").output


PROGRAM = """
import sys, openai
client = openai.OpenAI(base_url=sys.argv[1] + "/v1", api_key="k")
answer = client.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": "Say hello"}])
print(__name__, sys.argv[2:])
"""


@pytest.mark.parametrize("form", ["script", "module"])
def test_run_records_a_program_as_it_is(form: str) -> None:
    import subprocess

    Path("program.py").write_text(PROGRAM)
    with standin() as address:
        words = ["program.py"] if form == "script" else ["-m", "program"]
        command = [sys.executable, "-m", "autolog", "run", *words, address, "--flag", "-x"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout == "__main__ ['--flag', '-x']\n", done.stderr
    assert [record.request_model for record in open_store("sqlite:///.autolog/logs.db").find(Query())] == ["gpt-4o"]
    assert run("run", "no-such-file.py").exit_code == 1


# The pytest plugin


pytest_plugins = ["pytester"]

TESTS = """
import openai, pytest

def ask():
    client = openai.OpenAI(base_url={address!r} + "/v1", api_key="k")
    client.chat.completions.create(model="gpt-4o", messages=[{{"role": "user", "content": "Say hello"}}])

def test_fixture(autolog_records):
    ask()
    assert [record.request_model for record in autolog_records] == ["gpt-4o"]

def test_within():
    pass

@pytest.mark.autolog_budget(0.0000001)
def test_beyond():
    ask()

def test_plain():
    ask()
"""


def test_the_plugin(pytester: pytest.Pytester) -> None:
    with standin() as address:
        pytester.makepyfile(TESTS.format(address=address))
        alone = pytester.runpytest_subprocess("-p", "autolog.pytest_plugin")
        alone.assert_outcomes(passed=3, failed=1)
        alone.stdout.fnmatch_lines(["*1 LLM calls cost $0.0*; the budget is $0.000000*"])
        limited = pytester.runpytest_subprocess("-p", "autolog.pytest_plugin", "--autolog-budget", "0.0000001")
        limited.assert_outcomes(passed=1, failed=3)


def test_every_command_has_help_with_an_example() -> None:
    from autolog.cli import COMMANDS

    for name in COMMANDS:
        shown = run(name, "--help").output
        assert f"autolog {name}" in shown.split("Options:")[0].partition("\n")[2], name


def test_what_differs_in_size_is_pruned_by_size(store: Store) -> None:
    store.delete(Query())
    store.write([Record(id=f"huge-{n}", created_at=NOON, response_body=os.urandom(300_000)) for n in range(10)])
    store.write([Record(id=f"small-{n}", created_at=NOON + timedelta(days=1)) for n in range(500)])
    assert run("prune", "--max-size", "1500K", input="n\n").exit_code == 1
    result = json.loads(run("prune", "--max-size", "1500K", "--yes", "--json").output)
    assert result["size"] <= 1_500_000
    assert store.count(Query()) >= 480


def test_texts_that_repeat_themselves_are_compared_in_time() -> None:
    from autolog._display.diff import compare_lines

    lines = compare_lines(["a"] + ["x"] * 2998 + ["z"], ["a"] + (["x"] * 7 + ["y"]) * 375)
    assert (lines[0].kind, lines[-1].kind) == ("same", "changed")
    assert compare_lines(["same"] * 4000, ["same"] * 4000)[-1].left == "… 1,000 more lines, not compared"


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


def test_control_characters_in_ids_are_only_shown() -> None:
    open_store("sqlite:///.autolog/logs.db").write(
        [Record(id="\x1b[31mEVIL\x07", trace_id="t\x1b[2J", created_at=NOON)]
    )
    for command in (["logs"], ["show", "\x1b[31mEVIL\x07"], ["trace", "t\x1b[2J"], ["show", "\x1bnobody"]):
        assert "\x1b" not in run(*command).output
