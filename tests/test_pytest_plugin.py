"""The pytest plugin."""

from __future__ import annotations

import pytest

from autolog.cli._standin import standin

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
