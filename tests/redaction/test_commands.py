"""Passwords are found in the options of commands, and only there."""

from __future__ import annotations

from autolog._redaction.credentials import credentials_in


def test_a_command_goes_on_in_the_next_line_and_ends_before_the_next_command() -> None:
    text = b"docker login \\\n  -u ada \\\n  -p a1b2!c3d\nls -p e5f6!g7h && mysql -pi8j9!k0l; ls -p m1n2!o3p"
    assert [text[slice(*span)] for span in credentials_in(text, text.lower())] == [b"a1b2!c3d", b"i8j9!k0l"]
