"""The spans that searches yield, and the parts of patterns that several searches share."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence

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


def called(names: Sequence[bytes], gap: bytes = b"") -> bytes:
    """Return a pattern of zero width, which matches after an opening parenthesis that follows one of the names.

    The last three characters of all names are compared as sets first: most parentheses follow another name, and each
    comparison with a name takes as long as that of the sets.

    Args:
        names: lower-case names of at least three characters.
        gap: a pattern of fixed width, for what is between the name and the parenthesis.
    """
    ends = b"".join(b"[%s]" % re.escape(b"".join(sorted({name[at:][:1] for name in names}))) for at in (-3, -2, -1))
    after = [rb"(?<=%s%s\()" % (re.escape(name), gap) for name in names]
    return rb"(?<=%s%s\()(?:%s)" % (ends, gap, b"|".join(after))
