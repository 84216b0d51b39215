"""Calls get the user and session that only the root of their trace names, whichever comes first."""

from __future__ import annotations

from typing import Any

import pytest

from autolog._record.record import Record
from autolog.server._owners import inherit_owners
from autolog.stores._contract import Store
from autolog.stores.query import Query


def root(**fields: Any) -> Record:
    return Record(**{"id": "t", "kind": "chain", "trace_id": "t", "span_id": "t", "user": "ada", "session": "s",
                     "dialect": "langfuse", **fields})  # fmt: skip


def call(number: int = 1, **fields: Any) -> Record:
    return Record(**{"id": f"c{number}", "kind": "llm", "trace_id": "t", "parent_span_id": "t", "dialect": "langfuse",
                     **fields})  # fmt: skip


def owners(store: Store, *batches: list[Record]) -> dict[str, tuple[str | None, str | None]]:
    for batch in batches:
        inherit_owners(store, batch)
        store.write(batch)
    return {record.id: (record.user, record.session) for record in store.find(Query(), 10)}


@pytest.mark.parametrize("order", ["together", "root last", "root first"])
def test_a_call_has_the_user_and_session_of_its_root(store: Store, order: str) -> None:
    batches = {"together": [[call(), root()]], "root last": [[call()], [root()]], "root first": [[root()], [call()]]}
    assert owners(store, *batches[order])["c1"] == ("ada", "s")


def test_a_root_that_ends_last_is_given_to_calls_of_any_dialect(store: Store) -> None:
    span = {"dialect": "otlp", "id": "t-1"}
    assert owners(store, [call(dialect="otlp")], [root(**span)])["c1"] == ("ada", "s")


@pytest.mark.parametrize(
    ("of_call", "of_root", "expected"),
    [
        ({"user": "bob"}, {}, ("bob", "s")),
        ({"trace_id": "other"}, {}, (None, None)),
        ({"project": "other"}, {}, (None, None)),
        ({}, {"parent_span_id": "above"}, (None, None)),
        ({}, {"user": None}, (None, "s")),
    ],
)
def test_a_call_keeps_what_it_names_and_takes_nothing_from_elsewhere(
    store: Store, of_call: dict[str, Any], of_root: dict[str, Any], expected: tuple[str | None, str | None]
) -> None:
    assert owners(store, [call(**of_call), root(**of_root)])["c1"] == expected
    store.delete(Query())
    assert owners(store, [call(**of_call)], [root(**of_root)])["c1"] == expected
