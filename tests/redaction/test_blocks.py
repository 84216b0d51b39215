"""Secrets with a header are found to their end, however long they are."""

from __future__ import annotations

from autolog._redaction.blocks import blocks_in
from autolog._redaction.secrets import secrets_in


def test_all_lines_of_a_block_are_one_secret() -> None:
    text = b"a: 1\nclient_secret: |\n  first line\n  second line\nb: 2\n"
    assert [text[slice(*span)] for span in blocks_in(text, text.lower())] == [b"first line\n  second line"]


def test_a_table_longer_than_the_parts_of_a_text_is_found_to_its_end() -> None:
    rows = "".join(f"user{number},p4ss{number}!x\n" for number in range(10_000))
    (*_, last) = sorted(secrets_in(f"user,password\n{rows}"))
    assert f"user,password\n{rows}"[slice(*last)] == "p4ss9999!x"


def test_each_entry_of_a_kubernetes_secret_is_one() -> None:
    text = b"kind: Secret\ndata:\n  a: b1c2d3\n  key.pem: |\n    one\n    two\n---\nkind: ConfigMap\ndata:\n  a: kept\n"
    found = b"\n".join(text[slice(*span)] for span in blocks_in(text, text.lower()))
    assert b"b1c2d3" in found
    assert b"one\n    two" in found
    assert b"kept" not in found
