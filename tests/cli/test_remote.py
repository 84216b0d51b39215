"""Commands that read from a server print the same as from its store."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from commands import output, run
from live import KEY, Live, live

from autolog._record.record import Record
from autolog.errors import AutologError
from autolog.server._keys import create_key
from autolog.server._notify import Notifier
from autolog.server._watch import Watch
from autolog.server._writer import Writer

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


@pytest.fixture
def server(tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> Iterator[Live]:
    monkeypatch.setenv("AUTOLOG_API_KEY", KEY)
    with live(f"sqlite:///{tmp_path}/server.db") as running:
        running.store.write(
            [
                Record(
                    id=f"01a21d77-6267-75cd-8865-7a98beb6{n:04}", created_at=NOON + timedelta(minutes=n), kind="llm",
                    name=f"chat {n}", request_model="gpt-4o", usage_input_tokens=n, cost=float(n), duration=n / 10,
                    status="error" if n == 3 else "ok", request_body=b'{ "n":  %d }' % n, response_body=b"\xff\x00",
                    trace_id=("b" if n == 9 else "a") * 32, span_id=f"{n:016x}", parent_span_id=f"{0:016x}" if n else None, tags=["t"],
                    project="shop" if n == 9 else "default", metadata={"n": n},
                    scores={"good": {"value": n}} if n % 2 else {},
                )
                for n in range(10)
            ]
        )  # fmt: skip
        yield running


COMMANDS = [
    ["logs"], ["logs", "--errors"], ["logs", "--sort", "cost", "-n", "2"], ["logs", "--metadata", "n=4", "--tag", "t"],
    ["logs", "--since", "2026-11-20T12:05+00:00", "--until", "2026-11-20T12:07+00:00", "--json"], ["logs", "--text", "chat 2"],
    ["stats"], ["stats", "--by", "day", "--json"], ["show", "beb60002"], ["show", "beb60002", "--raw"],
    ["show", "01a21d77-6267-75cd-8865-7a98beb60002", "--json"], ["trace", "beb60001"], ["trace", "a" * 32, "--json"], ["trace", "aaaa"], ["show", "beb60009", "--project", "shop"], ["trace", "bbb", "--project", "shop"], ["diff", "beb60009", "60009", "--project", "shop"], ["logs", "--trace", "aaaa"],
    ["logs", "--roots", "--sort", "oldest"], ["stats", "--by", "day", "--sort", "cost", "--csv"],
    ["stats", "--scores", "--user", "nobody"], ["stats", "--since", "2026-11-20T12:05Z", "--until", "2026-11-20T12:10Z", "--compare", "--by", "name"], ["stats", "--by", "name", "--scores", "--json", "--score", "good>=5"], ["logs", "--score", "good<5"],
    ["diff", "beb60001", "beb60002"], ["export", "--errors"], ["export", "--format", "csv"], ["logs", "--project", "shop"],
]  # fmt: skip


@pytest.mark.parametrize("args", COMMANDS, ids=" ".join)
def test_a_server_is_read_like_its_store(server: Live, args: list[str]) -> None:
    project = [] if "--project" in args or args[0] in {"show", "trace", "diff"} else ["--project", "default"]
    assert output(*args, *project, "--server", server.url) == output(*args, *project, "--store", server.store.url)


def test_the_endpoint_of_the_environment_is_read(server: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUTOLOG_ENDPOINT", server.url)
    assert len(output("logs", "--json").splitlines()) == 9
    with pytest.raises(AutologError, match="there are no logs yet"):
        run("logs", "--store", "sqlite:///none.db")


def test_an_empty_answer_names_the_project_that_was_searched(server: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUTOLOG_ENDPOINT", server.url)
    for words in (
        ["logs", "--user", "nobody"], ["stats", "--user", "nobody"], ["stats", "--scores", "--user", "nobody"], ["show", "nobody"],
        ["export", "--user", "nobody"], ["cache", "--user", "nobody"], ["sql", "select id from calls where 0"],
    ):  # fmt: skip
        assert "only `default` was searched; --project names another" in run(*words).stderr
        assert "--project names another" not in run(*words, "--project", "shop").stderr


def test_tail_follows_a_server(server: Live) -> None:
    lines = output("tail", "--since", "2026-11-01", "--limit", "9", "--json", "--server", server.url).splitlines()
    assert [json.loads(line)["name"] for line in lines] == [f"chat {n}" for n in range(9)]


def test_bodies_come_in_pages_of_bounded_size(server: Live) -> None:
    large = b'{"text": "' + b"x" * 3_000_000 + b'"}'
    server.store.write([Record(id=f"large-{n}", kind="llm", request_body=large, tags=["large"]) for n in range(7)])
    lines = output("export", "--tag", "large", "--server", server.url).splitlines()
    assert [len(json.loads(line)["request_body"]) for line in lines] == [len(large)] * 7


def test_what_goes_wrong_is_said(server: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(AutologError, match="cannot be reached"):
        run("logs", "--server", "http://127.0.0.1:9")
    with pytest.raises(AutologError, match=r"is not an autolog server|HTTP 404"):
        run("logs", "--server", f"{server.url}/elsewhere")
    with pytest.raises(AutologError, match="HTTP 404: the answer is a web page") as error:
        run("logs", "--server", f"{server.url}/ui/elsewhere")
    assert "<" not in str(error.value)
    with pytest.raises(AutologError, match=r"cannot be reached|no address"):
        run("logs", "--server", "nonsense")
    monkeypatch.setenv("AUTOLOG_API_KEY", create_key(server.store, "k", "default", ["ingest"]))
    with pytest.raises(AutologError, match="set AUTOLOG_API_KEY to a key that may read"):
        run("logs", "--server", server.url)


def test_keys_and_projects_are_administered_over_http_as_in_the_store(server: Live) -> None:
    key = output(
        "keys", "create", "--name", "ann", "--scope", "read", "--expires", "90d", "--server", server.url
    ).strip()
    listed, there = (
        output("keys", "list", "--json", *at) for at in (["--server", server.url], ["--store", server.store.url])
    )
    assert listed == there
    assert [json.loads(line)["name"] for line in listed.splitlines()] == ["ann"]
    assert key not in listed
    output("projects", "set", "shop", "--retain", "90d", "--budget", "20/day", "--server", server.url)
    assert output("projects", "list", "--server", server.url) == output("projects", "list", "--store", server.store.url)
    assert "$9.00 of $20.00 a day" not in output("projects", "list", "--server", server.url)  # it was spent long ago
    output("keys", "revoke", json.loads(listed)["id"], "--server", server.url)
    assert "revoked" in output("keys", "list", "--server", server.url)
    with pytest.raises(AutologError, match="no key"):
        run("keys", "revoke", "nobody", "--server", server.url)


def test_an_alert_watches_all_that_its_maker_administers_or_the_project_named(
    server: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    def watched(name: str, *options: str) -> str:
        output("alerts", "set", name, "--when", "cost > 50 over 1d", *options)
        return next(rule["project"] for rule in map(json.loads, output("alerts", "--json", *options[:2]).splitlines())
                    if rule["name"] == name)  # fmt: skip

    there, here = ("--server", server.url), ("--store", server.store.url)
    assert (watched("a", *there), watched("a", *here)) == ("*", "*")
    assert (watched("b", *there, "--project", "shop"), watched("b", *here, "--project", "shop")) == ("shop", "shop")
    key = output("keys", "create", "--name", "k", "--project", "shop", "--scope", "admin", "--scope", "read", *there)
    monkeypatch.setenv("AUTOLOG_API_KEY", key.strip())
    assert watched("c", *there) == "shop"


def test_a_key_that_may_only_read_administers_nothing(server: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUTOLOG_API_KEY", create_key(server.store, "k", "default", ["read"]))
    with pytest.raises(AutologError, match="that may administer"):
        run("keys", "create", "--name", "more", "--server", server.url)
    with pytest.raises(AutologError, match="that may administer"):
        run("projects", "set", "shop", "--server", server.url)


def test_alerts_are_set_and_seen_over_http_as_in_the_store(server: Live) -> None:
    there, here = ["--server", server.url], ["--store", server.store.url]
    told = output("alerts", "set", "errors", "--when", "error_rate > 5% over 31d", "--tag", "t", *there)
    assert told == "set errors: error_rate > 5% over 31d in all projects\n"
    assert output("alerts", "--json", *there) == output("alerts", "--json", *here)
    Watch(server.store, Writer(server.store, 10), Notifier()).check(NOON + timedelta(hours=1))
    for at in (there, here):
        shown = output("alerts", *at)
        assert "firing since" in shown
        assert output("alerts", "list", *at) == shown
        assert "FIRING errors: error rate 10% (above 5% over 31d, 10 calls) in all projects, tag=t" in shown
    assert "delivered errors" in output("alerts", "test", "errors", *there)
    output("alerts", "remove", "errors", *there)
    assert "no alerts yet" in output("alerts", *here)
    with pytest.raises(AutologError, match="is not of the form"):
        run("alerts", "set", "x", "--when", "much", *there)
    assert run("alerts", "test", "x", *here).exit_code == 2
