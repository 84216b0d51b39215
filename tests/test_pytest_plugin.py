"""The pytest plugin."""

from __future__ import annotations

import pytest

from autolog.cli._standin import standin

pytest_plugins = ["pytester"]


@pytest.fixture(autouse=True)
def no_other_plugins(monkeypatch: pytest.MonkeyPatch) -> None:
    """Load none of the installed plugins in pytest's processes: they take a second, and have nothing to do with ours."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")


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
        alone.stdout.fnmatch_lines(["*1 LLM call cost $0.0*[1-9]*; the budget is $0.0000001"])
        limited = pytester.runpytest_subprocess("-p", "autolog.pytest_plugin", "--autolog-budget", "0.0000001")
        limited.assert_outcomes(passed=1, failed=3)


REPLAYING = """
import openai, pytest

def ask(model="gpt-4o"):
    client = openai.OpenAI(base_url={address!r} + "/v1", api_key="k", max_retries=0)
    return client.chat.completions.create(model=model, messages=[{{"role": "user", "content": "Say hello"}}])

def test_plain(autolog_replay):
    assert ask().usage.total_tokens

@pytest.mark.parametrize("model", ["a/b", "c"])
def test_each(autolog_replay, autolog_records, model):
    ask(model)
    assert len(autolog_records) == 1

@pytest.mark.autolog_replay("cassettes/test_replaying/test_plain.yaml", repeat=True)
@pytest.mark.autolog_budget(0.0000001)
def test_beyond_the_budget(autolog_replay):
    ask()
"""


def test_cassettes_are_recorded_once_and_played_without_a_server(pytester: pytest.Pytester) -> None:
    def run(*options: str) -> pytest.RunResult:
        return pytester.runpytest_subprocess("-p", "autolog.pytest_plugin", *options)

    with standin() as address:
        pytester.makepyfile(test_replaying=REPLAYING.format(address=address))
        missing = run()
        missing.assert_outcomes(errors=4)
        missing.stdout.fnmatch_lines(["*test_plain.yaml cannot be read: No such file*--autolog-replay=once records*"])
        run("--autolog-replay=once").assert_outcomes(passed=3, failed=1)
    names = {path.name for path in (pytester.path / "cassettes" / "test_replaying").iterdir()}
    assert names == {"test_plain.yaml", "test_each_a_b.yaml", "test_each_c.yaml"}
    for options in ((), ("--autolog-replay=once",)):
        run(*options).assert_outcomes(passed=3, failed=1)


def test_what_is_not_recorded_fails_the_test_also_where_it_is_hidden(pytester: pytest.Pytester) -> None:
    with standin() as address:
        pytester.makepyfile(test_replaying=REPLAYING.format(address=address))
        pytester.runpytest_subprocess("-p", "autolog.pytest_plugin", "--autolog-replay=once", "-k", "plain")
    hiding = """
@pytest.mark.autolog_replay("cassettes/test_replaying/test_plain.yaml")
def test_hidden(autolog_replay):
    try:
        ask("gpt-4.1")
    except BaseException:
        pass

@pytest.mark.autolog_replay("cassettes/test_replaying/test_plain.yaml", mode="strict")
def test_open(autolog_replay):
    ask("gpt-4.1")
"""
    pytester.makepyfile(test_replaying=REPLAYING.format(address=address) + hiding)
    done = pytester.runpytest_subprocess("-p", "autolog.pytest_plugin", "-k", "hidden or open")
    done.assert_outcomes(failed=2)
    done.stdout.fnmatch_lines(["*The nearest recorded request is interaction 1:", '*+*"model": "gpt-4.1"'])
