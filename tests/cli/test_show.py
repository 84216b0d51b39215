"""`autolog show`."""

from __future__ import annotations

import json

from commands import NOON, output, run

from autolog._record.record import Record
from autolog.stores import open_store
from autolog.stores._contract import Store


def test_show(store: Store) -> None:
    page = output("show", "0001")
    for text in ("system", "Be brief.", "assistant", "Hello\\x1b[31m red", "calls look({})", "1,200 → 34", "1.50 s"):
        assert text in page
    assert "\x1b[31m" not in page
    assert '"q": "Hi?"' in output("show", "0002")
    assert "slow down" in output("show", "0003")
    assert json.loads(output("show", "0001", "--raw").splitlines()[0])["model"] == "gpt-4o"


def test_the_body_of_a_failed_call_is_no_message_of_the_assistant() -> None:
    open_store("sqlite:///.autolog/logs.db").write(
        [
            Record(
                id="failed",
                status="error",
                error_message="slow down",
                created_at=NOON,
                response_body=b'{"error": {"code": 429}}',
            )
        ]
    )
    page = output("show", "failed")
    assert ("assistant" in page, "response" in page, '"code": 429' in page) == (False, True, True)


def test_control_characters_in_ids_are_only_shown() -> None:
    open_store("sqlite:///.autolog/logs.db").write(
        [Record(id="\x1b[31mEVIL\x07", trace_id="t\x1b[2J", created_at=NOON)]
    )
    for command in (["logs"], ["show", "\x1b[31mEVIL\x07"], ["trace", "t\x1b[2J"], ["show", "\x1bnobody"]):
        assert "\x1b" not in run(*command).output


def test_scores_prompts_and_links_are_shown(store: Store) -> None:
    def change(record: Record) -> None:
        record.scores = {"tone": {"value": 0.5, "comment": "dry"}}
        record.score, record.prompt_name, record.prompt_version, record.session = 1.0, "greet", "3", "a b"

    store.update("0001", "default", change)
    page = output("show", "0001")
    for words in ("default 1.0, tone 0.5 (dry)", "greet 3", "(autolog trace 0001)", "(autolog logs --session 'a b')"):
        assert words in page


def test_the_end_of_an_id_is_enough(store: Store) -> None:
    store.write(
        [Record(id="01a21d77-6267-75cd-8865-7a98beb66115", name="long"), Record(id="0000beb66115", name="short")]
    )
    assert "long" in output("show", "01a21d77")
    assert "long" in output("show", "98beb66115")
    assert "several records" in output("show", "beb66115", code=1)
