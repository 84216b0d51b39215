"""Credentials recognised by protocol, tool or encoding: `Digest response="..."`, `IDENTIFIED BY '...'`, `$2b$12$...`.

Each place is a pattern whose first group is the secret, paired with a check of that group, and is listed under a sign:
a cheap pattern that has to match first. Quotes and line ends may be escaped, because the text may be JSON inside a
string. Every search takes linear time: repetitions are bounded or possessive.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator

from autolog._redaction.assigned import SIGNS_OF_ASSIGNED, passwords_assigned
from autolog._redaction.blocks import blocks_in
from autolog._redaction.commands import IN_COMMANDS, WITH_P
from autolog._redaction.encoded import holds_named_secret, holds_private_key, is_login, unescaped
from autolog._redaction.letters import late, patterns, signs_of
from autolog._redaction.names import looks_random, names_secret
from autolog._redaction.objects import is_named_secret
from autolog._redaction.places import PASSWORD_IN_FILE
from autolog._redaction.signs import Place, Signed, SignedPlaces, Signs, searches_for
from autolog._redaction.spans import AMPERSAND, MAYBE_QUOTE, QUOTE, WORD, Span, called
from autolog._redaction.statements import (
    IN_STATEMENTS,
    INSERT_INTO,
    VALUES,
    beside_names,
    inserts_in,
)
from autolog._redaction.tokens import OF_STANDARDS, key_blocks_in
from autolog._redaction.tools import ALIAS, NETWORK, PASSPHRASE
from autolog._redaction.values import is_any, is_chosen, is_given, is_given_or_word, is_identifier, is_word

#: The contents of a quoted string.
_QUOTED = QUOTE + rb"([^\s\"'`\\]{4,256})" + QUOTE
_BASE64 = rb"([A-Za-z0-9+/_-]{8,8192}+={0,2})"


def _is_distinct(value: str) -> bool:
    return is_chosen(value) and (not is_identifier(value) or looks_random(value))


def _anything(_: str) -> bool:
    return True


#: The beginning of a word that is not an ordinary word of a language (see `is_given`).
_GIVEN = rb"[a-z._/:-]{0,256}+(?:" + AMPERSAND + rb"|[^\sa-z._/:\"'`\\;|&-])"
#: Commands that take a password as an option, in addition to those in `places`.
_DASHED: tuple[Place, ...] = (
    (rb"curl\b[^\n]{0,200}? -(?:[a-z]{1,5}u ?" + MAYBE_QUOTE + rb"[^\s:\"'`\\$]{0,64}:|b " + MAYBE_QUOTE +
     rb"[\w.-]{0,40}sess[\w.-]{0,20}=)" + WORD, is_given_or_word),
    (rb"impacket-[\w-]{1,30} (?:[\w.-]{1,60}/)?[\w.-]{1,60}:([^\s@]{4,64})@", is_given_or_word),
    *((pattern.pattern, is_given_or_word) for pattern in patterns(dict.fromkeys(
        WITH_P, rb"\b[^\n]{0,200}? -p " + MAYBE_QUOTE + WORD))),
    (rb"-(?<=[ \t]-)-?(?:src|dest)?(?:store|key|require)?pass(?:word|wd|phrase)? " + MAYBE_QUOTE + rb"([a-z]{6,64})" +
     MAYBE_QUOTE + rb"(?=[ \t]{1,4}(?:-|[\w-]{0,60}[./:>|])|[ \t]{0,4}(?:\r?\n|\Z)|(?<=[\"'])[\]},])", is_word),
    (rb"snmp(?:walk|get|getnext|bulkwalk|set|table)\b[^\n]{0,200}? -[acx] " + MAYBE_QUOTE + WORD, is_given_or_word),
    (rb"lftp\b[^\n]{0,100}? -u " + MAYBE_QUOTE + rb"[^\s,]{1,64}," + WORD, is_given_or_word),
    (rb"security [^\n]{0,200}?-password [^\n]{0,200}? -w " + MAYBE_QUOTE + WORD, is_given_or_word),
    (rb"-(?<=[ \t]-)-?(?:src|dest)?(?:store|key|require)?pass(?:word|wd|phrase)? " + MAYBE_QUOTE + WORD, is_given),
    (rb"secret set \w{1,80} (?:--body|-b)[ =]?" + MAYBE_QUOTE + WORD, is_given_or_word),
    (rb"securestring (?:-string )?" + _QUOTED, is_given_or_word),
)  # fmt: skip
#: The password of a database's user, as in `IDENTIFIED BY '...'`, perhaps after the way in which it is checked.
_BY = rb"(?: with [^\s]{1,40})? by "
_IDENTIFIED = (rb"by (?<=identified by )", rb"by (?<=password by )")
_STORED_LOGIN = rb"uth(?<=\"auth)(?=[\\\"])"
_LINKS = (rb"/password-?reset(?:-?password)?/", rb"/reset(?:-?password)?/", rb"/magic(?:-?link)?/", rb"/invite/",
          rb"/verify(?:-?email)?/", rb"/activate/")  # fmt: skip
#: A call or tuple with a user and a password: `auth("ada", "p4ss!")`, `login = ("ada", "p4ss!")`.
_NAMES_OF_CALLS = (
    b"auth", b"authentication", b"basic", b"credential", b"credentials", b"login", b"wifi.begin", b"wifi.connect",
    b"withemailandpassword", b"signin", b"authenticationtoken", b"authenticate", b"userpassword", b"pw_set",
)  # fmt: skip
_CALLS = b"|".join(called(_NAMES_OF_CALLS, gap) for gap in (b"", b"=", rb"\s", rb"\s\s", rb"\s=", rb"=\s", rb"\s=\s"))
_CALL = (
    rb"\((?=\s?" + QUOTE + rb")(?:" + _CALLS + rb")\s?" + QUOTE + rb"[^\s\"'`\\]{1,64}" + QUOTE +
    rb"\s?,\s?(?:some\()?" + _QUOTED
)  # fmt: skip
#: The same of calls and tuples that only take a user and a password, which may then be a word of letters.
_LOGIN_CALL = (
    rb"\((?=\s?" + QUOTE + rb")" + called((
        b"auth", b"auth=", b"auth = ", b".login", b"networkcredential", b"passwordcredentials",
        b"passwordauthentication",
    )) + rb"\s?" + QUOTE + rb"[^\s\"'`\\]{1,64}" + QUOTE + rb"\s?,\s?(?:some\()?" + QUOTE + rb"([a-z]{6,64})" + QUOTE +
    rb"(?=\.|\s?,?\s?[)\n])"
)  # fmt: skip
#: The same with a variable for the user: `login(user, "p4ss!")`.
_CALL_OF_USER = (
    rb"\("
    + called((b"login", b"signin", b"basicauth", b"basic_auth", b"authenticate"))
    + rb"[a-z_.]{1,30},\s?"
    + _QUOTED
)
#: Commands that read a password or secret from what is piped into them.
_READS = (
    rb"\| ?(?=[sckpdgvw])(?:sudo -s|(?:sudo )?(?:chpasswd|passwd --stdin|kinit|cryptsetup|smbpasswd)|"
    rb"docker secret create|gcloud secrets|wrangler secret|vercel env add)"
)
#: The words that stand for a wallet's key, after their name.
_MNEMONIC = (
    rb"phrase(?:(?<=seed phrase)|(?<=recovery phrase)|(?<=mnemonic phrase))" + MAYBE_QUOTE + rb"(?: is)?\s?[:=]?\s?" +
    MAYBE_QUOTE
)  # fmt: skip
_WORDS = rb"(?:[a-z]{3,8} ){11,23}[a-z]{3,8}"
#: Each sign begins with a byte that is rare in prose.
_PLACES: tuple[SignedPlaces, ...] = (
    # Links that log a user in, and Docker's stored logins
    (tuple(link + rb"[\w-]{20}" for link in _LINKS),
     ((rb"(?:" + b"|".join(_LINKS) + rb")([\w-]{20,512})", looks_random),)),
    ((_STORED_LOGIN,), ((rb"auth" + QUOTE + rb"\s{0,8}:\s{0,8}" + QUOTE + _BASE64, is_login),)),
    # Protocols and SQL
    ((rb":(?= psk )",), ((rb": psk " + _QUOTED, is_given),)),
    (_IDENTIFIED, ((rb"identified" + _BY + _QUOTED, is_any), (rb"identified" + _BY + WORD, is_chosen))),
    # Commands
    ((rb"-(?<=[ \t]-)(?:(?:[pacxwbu]|[a-z]{1,5}u|-?[a-z]{0,9}pass(?:word|wd|phrase)?) " +
      MAYBE_QUOTE + rb"(?:" + _GIVEN + rb"|[a-z]{6,64}(?:[\s\"'\\]|\Z))|-body|b" + QUOTE + rb"|asplaintext)",
      rb"-(?<=impacket-)"), _DASHED),
    ((rb"/user:(?<=[ \tnrt]/user:)", rb"/add\b(?<=[ \tnrt]/add)"),
     ((rb"net use [^\n]{0,120}?(?:/user:\S{1,64} |\\\\[^\s]{1,100} )(?!/)" + WORD, is_given_or_word),
      (rb"net user \S{1,64} " + WORD, is_any))),
    ((rb"/p(?:ass)?:",),
     ((rb"/(?<=\s/)pass:" + MAYBE_QUOTE + WORD, is_given_or_word),
      (rb"rdp [^\n]{0,100}?/p:" + MAYBE_QUOTE + WORD, is_given_or_word))),
    ((rb"plus (?<=sqlplus )",),
     ((rb"sqlplus (?:-\w{1,9} )?" + MAYBE_QUOTE + rb"[\w$.]{1,64}/([^\s@\"'/\\]{4,64})", is_given),
      (rb"sqlplus (?:-\w{1,9} )?" + MAYBE_QUOTE + rb"[\w$.]{1,64}/([a-z]{6,64})@", is_word))),
    ((_READS,),
     ((rb"(?:echo|printf) (?:-[ne]{1,2} )?" + MAYBE_QUOTE + rb"(?:[\w.-]{1,32}:)?" + WORD + MAYBE_QUOTE + rb" ?" +
       _READS, is_any),)),
    ((rb"<(?<=chpasswd <<<)(?= ?" + MAYBE_QUOTE + rb"\w{1,32}:)",),
     ((rb"chpasswd <<< ?" + MAYBE_QUOTE + rb"[\w.-]{1,32}:" + WORD, is_given_or_word),)),
    # Code: a user and a password in one call
    ((_CALL, _CALL_OF_USER), ((_CALL, is_given), (_CALL_OF_USER, _is_distinct), (_LOGIN_CALL, is_word))),
    # Password hashes and keys
    ((rb"\$(?:1|2[abxy]|5|6|y|apr1|argon2|pbkdf2)",),
     ((rb"(\$(?:1|2[abxy]|5|6|y|apr1|argon2(?:id|i|d)|pbkdf2[\w-]{0,10})\$[\w./+=,$-]{20,200})", _anything),)),
    ((rb"j(?:(?<=eyj)|(?<=ls0tls1crudj))",),
     ((rb"(ls0tls1crudjti[a-z0-9+/=]{20,}+)", holds_private_key),
      (rb"(eyj(?<![\w.+/-]eyj)[\w+/-]{20,}+={0,2})(?![\w.])", holds_named_secret))),
    ((rb"kty(?<=\"kty)",),
     ((rb"\"(?:d|k|p|q|dp|dq|qi)" + QUOTE + rb"\s{0,8}:\s{0,8}" + QUOTE + rb"([\w-]{20,2048})", _anything),)),
    ((_MNEMONIC,), ((_MNEMONIC + rb"(" + _WORDS + rb")", _anything),)),
)  # fmt: skip


#: A line that is a protocol command or a setting and ends in a password.
_LINE = (
    rb"[ \t]{0,8}(?:[\w.:-]{1,30}+> ?)?(?:config set |set |\w{1,6}+ )?"
    rb"(?:auth (?:\w{1,32} )?|login [^\s\"\\]{1,64} |pass |requirepass |masterauth |bindpw |rootpw |bindpassword |"
    rb"(?:rcon|sv)_password |(?:username [^\s\"\\]{1,64} (?:privilege \d{1,2} )?)?"
    rb"(?:(?:encrypted-)?password|secret) (?:\d )?)"
)
_LINE_PATTERN = re.compile(
    rb"(?:\A|(?<=[\n\"])|(?<=\\n))" + _LINE + MAYBE_QUOTE + WORD + MAYBE_QUOTE +
    rb"[ \t]{0,4}(?=;?(?:\\r|\r)?(?:\n|\\n|\\?\"|\Z))"
)  # fmt: skip
#: The beginnings of such lines in which nothing but a password stands, so that it may be a word of letters.
_ONLY_SET = (b"requirepass ", b"config set requirepass ", b"masterauth ", b"bindpw ", b"rootpw ", b"rcon_password ")
#: The words that occur in such a line, and how many bytes before them the line may begin.
_WORDS_IN_LINES = (b"auth", b"login", b"pass", b"password", b"indpw", b"rootpw", b"secret")
_LINE_WORDS = tuple(patterns(dict.fromkeys(_WORDS_IN_LINES, b" ")))
_LINE_BEFORE = 60


def _lines(text: bytes, lowered: bytes) -> Iterator[Span]:
    """Find the passwords in lines such as `LOGIN ada p4ss!`, `requirepass p4ss!`, `enable password p4ss!`."""
    words = itertools.chain.from_iterable(word.finditer(lowered) for word in _LINE_WORDS)
    starts = {lowered.rfind(b"\n", max(0, at - _LINE_BEFORE), at) + 1 for at in (word.start() for word in words)}
    for start in starts:
        line = _LINE_PATTERN.match(lowered, start)
        if line is None:
            continue
        value = text[slice(*line.span(1))].decode("latin-1")
        set_ = line[0].lstrip().startswith(_ONLY_SET) and is_word(value)
        if is_chosen(value) or set_ or (b"auth plain " in line[0] and is_login(value)):
            yield line.span(1)


#: Definitions of a name and its value: Terraform variables and PHP constants.
_PAIRS = (re.compile(rb"variable " + _QUOTED + rb"\s?\{[^{}]{0,400}?default\s{0,8}=\s{0,8}" + _QUOTED),
          re.compile(rb"define\(\s?" + _QUOTED + rb"\s?,\s{0,20}" + QUOTE + rb"([^\"'`\\\n]{4,256})" +
                     QUOTE))  # fmt: skip


def _pairs(text: bytes, lowered: bytes) -> Iterator[Span]:
    """Find the passwords in definitions of variables and constants."""
    if b"variable " in lowered or b"define(" in lowered:
        for found in itertools.chain.from_iterable(pattern.finditer(text) for pattern in _PAIRS):
            name, value = found[1].decode("latin-1"), found[2].decode("latin-1")
            if (names_secret(name) and is_given(value)) or is_named_secret(name, value, is_given_or_word):
                yield found.span(2)


#: The password of a role in SQL, as a word of any kind.
_OF_ROLE = rb"password (?:= ?)?n?'(?=[^\s']{4})"
_ROLE_PASSWORD = re.compile(_OF_ROLE + rb"([^\s'\\]{4,256})'")
_ROLE_BEFORE = re.compile(rb"\b(?:user|role|login) [^\n;]{1,80} \Z")


def _roles(text: bytes, lowered: bytes) -> Iterator[Span]:
    for found in _ROLE_PASSWORD.finditer(lowered):
        if _ROLE_BEFORE.search(lowered, max(0, found.start() - 100), found.start()):
            yield from (found.span(1),) if is_any(text[slice(*found.span(1))].decode("latin-1")) else ()


#: The searches with a sign.
_SIGNED: tuple[Signed, ...] = (
    *searches_for(_PLACES),
    *OF_STANDARDS,
    ((_OF_ROLE,), _roles),
    ((rb"v(?=ariable " + QUOTE + rb")", rb"\((?<=define\()"), _pairs),
)  # fmt: skip
#: Signs that an undecoded body may need a search that every text undergoes; `may_hold_credential` sees others.
_SIGNED_IN_BODIES: tuple[Signed, ...] = (
    ((rb":(?<=kind:)(?= ?" + MAYBE_QUOTE + rb"secret)",), blocks_in),
    ((rb"=(?<=psk=)", rb"k(?<=psk)(?:=?\"|[ :])"), passwords_assigned),
)  # fmt: skip
#: Signs for which to search only if the quick check has found the given word.
_BY_WORD = {
    _STORED_LOGIN: b"auth", rb":(?= psk )": b"psk", _IDENTIFIED[0]: b"identified by", _IDENTIFIED[1]: b"password by",
    rb"plus (?<=sqlplus )": b"sqlplus", rb"kty(?<=\"kty)": b"kty",
    rb":(?<=kind:)(?= ?" + MAYBE_QUOTE + rb"secret)": b"kind:", rb"v(?=ariable " + QUOTE + rb")": b"variable",
    rb"=(?<=psk=)": b"psk", rb"k(?<=psk)(?:=?\"|[ :])": b"psk", PASSPHRASE: b"pass", NETWORK: b"nmcli",
    _OF_ROLE: b"pass", _MNEMONIC: b"phrase",
    VALUES: INSERT_INTO, ALIAS: b"mc alias",
}  # fmt: skip
#: The words whose occurrence `may_hold_credential` takes as an argument.
_WORDS_OF_LINES = frozenset({b"auth", b"login", b"pass", b"indpw", b"rootpw", b"secret"})
_WORDS_FOR_PASSWORDS = frozenset({b"pass", b"pwd", b"pw"})
WORDS = frozenset({*_BY_WORD.values(), *_WORDS_OF_LINES, *_WORDS_FOR_PASSWORDS})
#: The signs of these searches in texts; what precedes a line's word is not looked at.
_LINE_SIGN = (
    rb" (?:[^\s\"\\]{1,64} )?" + MAYBE_QUOTE + WORD + MAYBE_QUOTE + rb"[ \t]{0,4}(?=;?(?:\\r|\r)?(?:\n|\\n|\\?\"|\Z))"
)  # fmt: skip
_IN_TEXTS = Signs((*_SIGNED, *IN_STATEMENTS, *IN_COMMANDS), _BY_WORD)
_IN_BODIES = Signs((*_SIGNED, *IN_STATEMENTS, *_SIGNED_IN_BODIES), _BY_WORD)


def signs_in_texts() -> Iterator[bytes]:
    """Yield the signs of credentials in decoded texts, except those of commands, rows and private keys."""
    for signs, search in (*_SIGNED, *IN_STATEMENTS):
        yield from signs if search not in (inserts_in, key_blocks_in) else ()
    yield from signs_of(dict.fromkeys(_WORDS_IN_LINES, _LINE_SIGN))
    yield from SIGNS_OF_ASSIGNED
    yield PASSWORD_IN_FILE


def credentials_in(text: bytes, lowered: bytes) -> Iterator[Span]:
    """Return the spans of credentials recognised by their surroundings, in no particular order; spans may overlap.

    Args:
        lowered: the text in lower case.
    """
    for search in (*_IN_TEXTS.searches(lowered), _lines, passwords_assigned):
        yield from search(text, lowered)


# Before a body is decoded

#: A line as in `_LINE`, at the start of a text or after a line end, escaped or not.
_LINE_BEGUN = late(rb"(?:\n|\\n|\")" + _LINE)
#: How many bytes after its word such a line may continue.
_LINE_AFTER = 70


def may_hold_credential(body: bytes, lowered: bytes, words: frozenset[bytes]) -> bool:
    """Return whether an undecoded body, whose texts may be escaped, may contain a credential.

    Args:
        lowered: the body in lower case.
        words: the members of `WORDS` that may occur in it.
    """
    lowered = b'"' + lowered  # marks the beginning of a body that is not JSON
    searches = _IN_BODIES.searches(lowered, words)
    if words & _WORDS_OF_LINES and _may_be_line(lowered):
        searches += (passwords_assigned, beside_names, _lines_in_quotes)
    elif words & _WORDS_FOR_PASSWORDS:
        searches += (passwords_assigned, beside_names)
    for text in unescaped(_in_ascii(body)) if searches else ():
        small = text.lower()
        if any(next(search(text, small), None) for search in searches):
            return True
    return False


#: A character beyond ASCII, escaped in JSON, perhaps inside a JSON string.
_ESCAPED = re.compile(rb"\\{1,8}u[0-9a-fA-F]{4}")


def _in_ascii(body: bytes) -> bytes:
    """Return a body with question marks for all characters beyond ASCII, as the searches see them in texts."""
    if not body.isascii():
        body = body.decode(errors="replace").encode("ascii", "replace")
    return _ESCAPED.sub(b"?", body) if b"\\u" in body else body


def _lines_in_quotes(text: bytes, lowered: bytes) -> Iterator[Span]:
    """Find what `_lines` finds, in the quoted texts of an undecoded body."""
    return _lines(text.replace(b'"', b"\n"), lowered.replace(b'"', b"\n"))


def _may_be_line(lowered: bytes) -> bool:
    for word in _LINE_WORDS:
        for found in word.finditer(lowered):
            if _LINE_BEGUN().search(lowered, max(0, found.start() - _LINE_BEFORE), found.end() + _LINE_AFTER):
                return True
    return False
