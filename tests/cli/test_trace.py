"""`autolog trace`."""

from __future__ import annotations

from commands import output

from autolog.stores._contract import Store


def test_trace(store: Store) -> None:
    lines = output("trace", "0001").splitlines()
    assert "answer" in lines[3]
    assert "└ chat gpt-4o" in lines[4]
    assert lines[-1].split() == ["2", "spans,", "1", "call", "2.00", "s", "1,234", "$0.0125"]
    assert len(output("trace", "a" * 32, "--json").splitlines()) == 2
