"""Secrets are found after fixed words of tools, and only where a tool expects one."""

from __future__ import annotations

import pytest

from autolog._redaction.signs import Signs
from autolog._redaction.tools import OF_TOOLS


@pytest.mark.parametrize(("text", "secrets"), [
    ("ACL SETUSER ada on >tulipriver ~* +@all", ["tulipriver"]), ("user ada on >p4ss!word ~*", ["p4ss!word"]), ("ACL SETUSER ada on >$PASS1", []),
    ("HELLO 3 AUTH ada tulipriver", ["tulipriver"]), ("MIGRATE h 6379 k 0 5000 AUTH p4ss!word", ["p4ss!word"]), ("step 3 auth", []),
    ('expect "assword:"\nsend "tulipriver\\r"', ["tulipriver"]), ('expect "$ "\nsend "ls2\\r"', []), ('expect "assword:"\nsend "$pass1\\r"', []),
    ("wrangler secret put X <<< p4ss!word", ["p4ss!word"]), ("grep x2 <<< p4ss!word", []), ("pre-shared-key p4ss!word", ["p4ss!word"]),
    ("WIFI:T:WPA;S:Home;P:tulipriver;;", ["tulipriver"]), ("bw unlock p4ss!word", ["p4ss!word"]), ("rootpw --plaintext p4ss!word", ["p4ss!word"]),
])  # fmt: skip
def test_only_what_a_tool_takes_as_a_secret_is_one(text: str, secrets: list[str]) -> None:
    plain = text.encode()
    lowered = plain.lower()
    found = {
        text[slice(*span)] for search in Signs([OF_TOOLS], {}).searches(lowered) for span in search(plain, lowered)
    }
    assert found == {*secrets}
