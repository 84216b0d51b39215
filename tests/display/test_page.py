"""The page of a record: HTML in a notebook, else text."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from autolog import AutologError, Recorder
from autolog._record.record import Record
from autolog.stores import open_store

QUESTION = b'{"model": "gpt-4o", "messages": [{"role": "user", "content": "is 1 < 2 & [bold]true[/bold]?"}]}'
ANSWER = b'{"choices": [{"index": 0, "message": {"role": "assistant", "content": "yes\\u001b[2J"}}]}'


@pytest.fixture
def recorder(tmp_path: Path) -> Iterator[Recorder]:
    recorder = Recorder()
    recorder.configure(store=f"sqlite:///{tmp_path}/logs.db", endpoint=None, journal="")
    yield recorder
    recorder.shutdown()


def call(number: int) -> Record:
    return Record(
        id=f"call-{number}", name="chat", kind="llm", provider_name="openai", request_model="gpt-4o",
        request_body=QUESTION, response_body=ANSWER, cost=0.0123, usage_input_tokens=9, usage_output_tokens=number,
    )  # fmt: skip


def test_the_newest_call_is_shown_as_html_in_which_nothing_of_the_log_is_markup(
    recorder: Recorder, tmp_path: Path
) -> None:
    store = open_store(f"sqlite:///{tmp_path}/logs.db")
    store.write([call(1), call(2), Record(id="span", name="step", kind="span")])
    page = recorder.show()
    assert page.record.id == "call-2"
    html = page._repr_html_()
    assert html.startswith("<pre")
    assert "is 1 &lt; 2 &amp; [bold]true[/bold]?" in html
    assert "\x1b" not in html
    assert "$0.0123" in html
    assert "is 1 < 2 & [bold]true[/bold]?" in repr(page)
    assert "\x1b" not in repr(page)
    store.close()


def test_show_writes_what_waits_and_finds_by_a_part_of_the_id(recorder: Recorder, tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path}/logs.db")
    store.write([call(1), call(2)])
    store.close()
    recorder.score("call-1", 0.5)
    assert recorder.show("1").record.score == 0.5
    with pytest.raises(AutologError, match="no record has the id 'none'"):
        recorder.show("none")
    with pytest.raises(AutologError, match="several records have the id 'call'"):
        recorder.show("call")


def test_where_there_is_nothing_to_show_an_error_says_why(recorder: Recorder) -> None:
    with pytest.raises(AutologError, match="no call has been recorded yet"):
        recorder.show()
    recorder.configure(endpoint="http://127.0.0.1:9", journal="")
    with pytest.raises(AutologError, match="autolog show --server"):
        recorder.show()
