"""Secrets are found after fixed words of tools, and only where a tool expects one."""

from __future__ import annotations

import pytest
import secret_corpus

from autolog._redaction.signs import Signs
from autolog._redaction.tools import OF_TOOLS

SIGNS = Signs(OF_TOOLS, {})


@pytest.mark.parametrize(("text", "secrets"), [
    ("ACL SETUSER ada on >tulipriver ~* +@all", ["tulipriver"]), ("user ada on >p4ss!word ~*", ["p4ss!word"]), ("ACL SETUSER ada on >$PASS1", []),
    ("HELLO 3 AUTH ada tulipriver", ["tulipriver"]), ("MIGRATE h 6379 k 0 5000 AUTH p4ss!word", ["p4ss!word"]), ("step 3 auth", []),
    ('expect "assword:"\nsend "tulipriver\\r"', ["tulipriver"]), ('expect "$ "\nsend "ls2\\r"', []), ('expect "assword:"\nsend "$pass1\\r"', []),
    ("wrangler secret put X <<< p4ss!word", ["p4ss!word"]), ("grep x2 <<< p4ss!word", []), ("pre-shared-key p4ss!word", ["p4ss!word"]),
    ("WIFI:T:WPA;S:Home;P:tulipriver;;", ["tulipriver"]), ("bw unlock p4ss!word", ["p4ss!word"]), ("rootpw --plaintext p4ss!word", ["p4ss!word"]),
    ("helm install a --set image.tag=v1.2,auth.password=p4ss!word", ["p4ss!word"]), ("helm install a --set image.tag=v1.2", []), ("f'{sha}/some/path/to/a/file'", []), ("{md5} and {crypt}", []),
    ("cmd /rp relative/path/1", []), ("::: note", []), ("tf_token_count = 4096", []), ("rclone config show", []),
])  # fmt: skip
def test_only_what_a_tool_takes_as_a_secret_is_one(text: str, secrets: list[str]) -> None:
    plain = text.encode()
    lowered = plain.lower()
    found = {text[slice(*span)] for search in SIGNS.searches(lowered) for span in search(plain, lowered)}
    assert found == {*secrets}


def test_each_tool_has_a_search_of_its_own() -> None:
    texts = (b'queue.send("reset")', b"--value=1", b"bw login ada", b"x <<< y", b"curlopt_userpwd")
    chosen = [search for text in texts for search in SIGNS.searches(text)]
    assert len(chosen) == len({*chosen}) == len(texts)


def test_every_search_is_chosen_wherever_it_finds_a_secret() -> None:
    finding = set()
    for _, text, _ in secret_corpus.planted():
        plain = text.encode()
        lowered = plain.lower()
        found = {search for _, search in OF_TOOLS if any(search(plain, lowered))}
        assert found <= {*SIGNS.searches(lowered)}, text
        finding |= found
    assert len(finding) == len(OF_TOOLS)
