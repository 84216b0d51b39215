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


def test_control_characters_in_ids_are_only_shown() -> None:
    open_store("sqlite:///.autolog/logs.db").write(
        [Record(id="\x1b[31mEVIL\x07", trace_id="t\x1b[2J", created_at=NOON)]
    )
    for command in (["logs"], ["show", "\x1b[31mEVIL\x07"], ["trace", "t\x1b[2J"], ["show", "\x1bnobody"]):
        assert "\x1b" not in run(*command).output
