"""`autolog trace`."""

from __future__ import annotations

from commands import output

from autolog.stores._contract import Store


def test_trace(store: Store) -> None:
    lines = output("trace", "0001").splitlines()
    assert "answer" in lines[1]
    assert "chat gpt-4o" in lines[2]
    assert lines[2].startswith("    └")
    assert len(output("trace", "a" * 32, "--json").splitlines()) == 2
