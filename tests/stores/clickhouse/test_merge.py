"""What becomes of changes of one record that two servers make at the same moment."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from autolog._reading.pieces import add_piece
from autolog._record.record import Record
from autolog.stores.clickhouse.store import ClickHouseStore

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


def with_message(text: str, seconds: int) -> Record:
    record = Record(id="call", created_at=NOON + timedelta(seconds=seconds))
    add_piece(record, text, record.created_at, "messages", [{"role": "user", "content": text}])
    record.request_body = json.dumps({"messages": [{"role": "user", "content": text}]}).encode()
    record.input_preview = text
    return record


@pytest.mark.parametrize("known", [False, True])
def test_messages_that_come_to_two_servers_at_once_are_joined(clickhouse_url: str, known: bool) -> None:
    first, second = ClickHouseStore(clickhouse_url), ClickHouseStore(clickhouse_url)
    if known:
        first.write([with_message("zero", 0)])
    with first.transaction():
        first.write([with_message("second", 2)])
        second.write([with_message("first", 1)])  # is committed before the other, which has not seen it
    found = second.get("call")
    assert found is not None
    texts = [message["content"] for message in json.loads(found.request_body or b"")["messages"]]
    assert texts == ["zero"] * known + ["first", "second"]
    assert found.input_preview == "second"
    first.close()
    second.close()


def test_a_record_that_was_looked_up_before_another_server_wrote_it_is_merged_with_it(clickhouse_url: str) -> None:
    first, second = ClickHouseStore(clickhouse_url), ClickHouseStore(clickhouse_url)
    with first.transaction():
        assert first.by_ids("default", ["call"]) == []
        second.write([Record(id="call", created_at=NOON, name="of the second")])
        first.write([Record(id="call", created_at=NOON, user="of the first")])
    found = second.get("call")
    assert found is not None
    assert (found.name, found.user) == ("of the second", "of the first")
    first.close()
    second.close()


def test_a_record_that_is_moved_while_it_is_looked_up_is_found(
    clickhouse_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = ClickHouseStore(clickhouse_url), ClickHouseStore(clickhouse_url)
    first.write([Record(id="call", created_at=NOON)])
    load_at, later = first._reader.load_at, NOON + timedelta(hours=1)

    def load_after_the_move(*arguments: Any) -> Any:
        monkeypatch.undo()
        second.update("call", "default", lambda record: setattr(record, "created_at", later))
        return load_at(*arguments)

    monkeypatch.setattr(first._reader, "load_at", load_after_the_move)
    first.update("call", "default", lambda record: setattr(record, "user", "ada"))
    found = second.get("call")
    assert found is not None
    assert (found.created_at, found.user) == (later, "ada")
    first.close()
    second.close()
