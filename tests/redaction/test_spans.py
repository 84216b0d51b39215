"""Parts of patterns that several searches share."""

from __future__ import annotations

import re

import pytest

from autolog._redaction import names
from autolog._redaction.spans import IN_NAMES, MAYBE_QUOTE, QUOTE, WORD


@pytest.mark.parametrize(("text", "word"), [
    ("hunter2", "hunter2"), ("'hunter2'", "hunter2"), ('\\\\\\"hunter2\\\\\\"', "hunter2"), ("hunter2;x", "hunter2"),
    ("hunter2&user=ada", "hunter2"), ("hunter2&next", "hunter2&next"), ("hunter2&&ls", "hunter2"), ("hunter2& ls", "hunter2"),
    ("hunter2&quot;x", "hunter2"), ("hunter2&#39;x", "hunter2"), ("hunter2&4441;x", "hunter2&4441"), ("hunter2&a[b]=c", "hunter2"),
    ("-hunter2", None), ("abc", None), ("", None),
])  # fmt: skip
def test_a_word_of_a_command_ends_where_the_shell_ends_it(text: str, word: str | None) -> None:
    match = re.compile(MAYBE_QUOTE + WORD).match(text.encode())
    assert (match[1].decode() if match else None) == word
    assert (re.compile(QUOTE).match(text.encode()) is not None) is text.startswith(("'", "\\", '"'))


def test_every_ascii_name_that_suggests_a_secret_has_one_of_the_words() -> None:
    """A long text is searched for the values of options near such names only."""
    suggesting = [name for name in (*names._CERTAIN, *names._LIKELY) if name.isascii()]
    assert [name for name in suggesting if not re.search(IN_NAMES, name.encode())] == []
    assert [name for name in suggesting if not re.search(IN_NAMES, "-_".join(name).encode())] == []
    assert re.search(IN_NAMES, b"load-balancer-name") is None
