"""The spans that searches yield, and the parts of patterns that several searches share."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

#: The offset of a secret in a text, and the offset of its end.
Span = tuple[int, int]
#: Yields spans of a text, which is passed unchanged and in lower case.
Search = Callable[[bytes, bytes], Iterator[Span]]

#: A quote, which may be escaped, because a text may be JSON inside JSON.
QUOTE = rb"\\{0,7}[\"'`]"
MAYBE_QUOTE = QUOTE + rb"?"
#: A quoted value without blanks, as a group.
QUOTED = QUOTE + rb"([^\s\"'`\\]{6,256})" + QUOTE
#: An ampersand inside a value: it separates no fields of a form and no commands, and begins no HTML entity.
AMPERSAND = rb"&(?<=[^\s=:&(]&)(?=[\w!@#$%^*+?.-])(?![\w.%\[\]-]{1,60}=|#x?\w{1,6};|(?:amp|apos|gt|lt|nbsp|quot);)"
#: A word of a command, without its quotes, as a group.
WORD = rb"((?!-)(?:[^\s\"'`\\;|&]|" + AMPERSAND + rb"){4,256})"
#: The name of a password in a lower-case text.
PASSWORD = re.compile(rb"passw(?:or[dt]|d)")
#: The words of which one is in every ASCII name that suggests a secret, perhaps divided by separators.
IN_NAMES = rb"(?:%s)" % "|".join(
    "[-_]*+".join(word)
    for word in ("key", "token", "secret", "pass", "pwd", "auth", "salt", "cookie", "credential", "psk", "bearer",
                 "connection", "code", "kode", "kennwort", "contrasen", "clave", "senha", "wachtwoord", "parola", "mdp",
                 "lozinka", "geslo", "losenord", "salasana", "heslo", "haslo", "jelszo", "sifre", "sandi", "khau")
).encode()  # fmt: skip
