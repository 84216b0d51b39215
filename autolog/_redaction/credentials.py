"""Credentials recognised by protocol, tool or encoding: `Digest response="..."`, `IDENTIFIED BY '...'`, `$2b$12$...`.

Each place is a pattern whose first group is the secret, paired with a check of that group, and is listed under a sign:
a cheap pattern that has to match first. Quotes and line ends may be escaped, because the text may be JSON inside a
string. Every search takes linear time: repetitions are bounded or possessive.
"""

from __future__ import annotations

import base64
import binascii
import itertools
import json
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from autolog._redaction.blocks import blocks_in, may_be_column
from autolog._redaction.encoded import unescaped
from autolog._redaction.letters import patterns
from autolog._redaction.names import holds_password, looks_random, names_secret, suggests_secret
from autolog._redaction.places import is_chosen, is_given, is_identifier

Span = tuple[int, int]

_QUOTE = rb"\\{0,7}[\"'`]"
_MAYBE_QUOTE = rb"\\{0,7}[\"'`]?"
#: A word of a command, without its quotes; and the contents of a quoted string.
_WORD = rb"((?![-/$<{])[^\s\"'`\\;|&]{4,256})"
_QUOTED = _QUOTE + rb"([^\s\"'`\\]{4,256})" + _QUOTE
_BASE64 = rb"([A-Za-z0-9+/_-]{8,8192}+={0,2})"


def is_login(value: str) -> bool:
    """Return whether a text is base64 of `user:password`, as in `Basic` authentication and Docker's `auth`."""
    plain = _decoded(value[:1000].encode()).strip(b"\0").replace(b"\0", b":")
    return 0 < plain.find(b":") < len(plain) - 1 and plain.isascii() and plain.decode().isprintable()


def _decoded(text: bytes) -> bytes:
    """Decode base64 in the standard or the URL-safe alphabet; return `b""` if the text is neither."""
    plain = text.rstrip(b"=").translate(bytes.maketrans(b"-_", b"+/"))
    try:
        return base64.b64decode(plain + b"=" * (-len(plain) % 4))
    except binascii.Error:
        return b""


def _holds_private_key(value: str) -> bool:
    return b" PRIVATE KEY" in _decoded(value[:400].encode())


def _holds_named_secret(value: str) -> bool:
    """Return whether a text is base64 of JSON in which a string is stored under the name of a secret."""
    try:
        left: list[Any] = [json.loads(_decoded(value.encode()))]
    except (ValueError, RecursionError):
        return False
    while left:
        item = left.pop()
        if isinstance(item, list):
            left += item
        elif isinstance(item, dict):
            left += item.values()
            if any(isinstance(held, str) and len(held) >= 4 and suggests_secret(name) for name, held in item.items()):
                return True
    return False


def _anything(_: str) -> bool:
    return True


#: Yields spans of a text, which is passed unchanged and in lower case.
_Search = Callable[[bytes, bytes], Iterator[Span]]
_Check = Callable[[str], bool]
#: A pattern whose first group is the secret, and a check that the group has to pass.
_Place = tuple[bytes, _Check]

#: The beginning of a word that is not an ordinary word of a language (see `is_given`).
_GIVEN = rb"[a-z._/:-]{0,256}+[^\sa-z._/:\"'`\\;|&-]"
#: Commands that take a password as an option, in addition to those in `places`.
_DASHED: tuple[_Place, ...] = (
    (rb"curl\b[^\n]{0,200}? -(?:[a-z]{1,5}u ?" + _MAYBE_QUOTE + rb"[^\s:\"'`\\$]{0,64}:|b " + _MAYBE_QUOTE +
     rb"[\w.-]{0,40}sess[\w.-]{0,20}=)" + _WORD, is_given),
    (rb"impacket-[\w-]{1,30} (?:[\w.-]{1,60}/)?[\w.-]{1,60}:([^\s@]{4,64})@", is_given),
    *((pattern.pattern, is_given) for pattern in patterns(dict.fromkeys(
        (b"psexec", b"evil-winrm", b"nxc", b"netexec", b"crackmapexec", b"beeline", b"cypher-shell", b"ipmitool"),
        rb"\b[^\n]{0,200}? -p " + _MAYBE_QUOTE + _WORD))),
    (rb"snmp(?:walk|get|getnext|bulkwalk|set|table)\b[^\n]{0,200}? -[acx] " + _MAYBE_QUOTE + _WORD, is_given),
    (rb"lftp\b[^\n]{0,100}? -u " + _MAYBE_QUOTE + rb"[^\s,]{1,64}," + _WORD, is_given),
    (rb"security [^\n]{0,200}?-password [^\n]{0,200}? -w " + _MAYBE_QUOTE + _WORD, is_given),
    (rb"-(?<=[ \t]-)-?(?:store|key|src|dest)?pass " + _MAYBE_QUOTE + _WORD, is_given),
    (rb"secret set \w{1,80} (?:--body|-b)[ =]" + _MAYBE_QUOTE + _WORD, is_given),
    (rb"securestring (?:-string )?" + _QUOTED, is_given),
)  # fmt: skip
_LINK = rb"/(?:(?:password-?)?reset(?:-?password)?|magic(?:-?link)?|invite|verify(?:-?email)?|activate)/"
#: A call or tuple with a user and a password: `auth("ada", "p4ss!")`, `login = ("ada", "p4ss!")`.
_CALL = rb"\((?<=[hlns=\s]\()(?=\s?" + _QUOTE + rb")(?:" + b"|".join(
    rb"(?<=%s%s\()" % pair
    for pair in itertools.product((b"auth", b"credential", b"credentials", b"login"),
                                  (b"", b"=", rb"\s", rb"\s\s", rb"\s=", rb"=\s", rb"\s=\s"))
) + rb")\s?" + _QUOTE + rb"[^\s\"'`\\]{1,64}" + _QUOTE + rb"\s?,\s?" + _QUOTED  # fmt: skip
#: Signs, and the places for which to search when a sign matches. Each sign begins with a byte that is rare in prose.
_PLACES: tuple[tuple[tuple[bytes, ...], tuple[_Place, ...]], ...] = (
    # Links that log a user in, and Docker's stored logins
    ((_LINK + rb"[\w-]{20}",), ((_LINK + rb"([\w-]{20,512})", looks_random),)),
    ((rb"\"auth",), ((rb"auth" + _QUOTE + rb"\s{0,8}:\s{0,8}" + _QUOTE + _BASE64, is_login),)),
    # Protocols and SQL
    ((rb":(?= psk )",), ((rb": psk " + _QUOTED, is_given),)),
    ((rb"b(?<=identified b)y " + _QUOTE,),
     ((rb"identified by " + _QUOTED, is_given),)),
    # Commands
    ((rb"-(?<=[ \t]-)(?:(?:[pacxwbu]|[a-z]{1,5}u|-?[a-z]{0,9}pass) " + _MAYBE_QUOTE + _GIVEN + rb"|-body|asplaintext)",
      rb"-(?<=impacket-)"), _DASHED),
    ((rb"/(?<=[ \tnrt]/)(?:user:|add\b)",),
     ((rb"net use [^\n]{0,120}?(?:/user:\S{1,64} |\\\\[^\s]{1,100} )" + _WORD, is_given),
      (rb"net user \S{1,64} " + _WORD, is_given))),
    ((rb"/p(?:ass)?:",),
     ((rb"(?:\s/pass:|rdp [^\n]{0,100}?/p:)" + _MAYBE_QUOTE + _WORD, is_given),)),
    ((rb"q(?<=sq)lplus ",),
     ((rb"sqlplus (?:-\w{1,9} )?" + _MAYBE_QUOTE + rb"[\w$.]{1,64}/([^\s@\"'/\\]{4,64})", is_given),)),
    ((rb"\| ?(?=[scp])(?:sudo -s|(?:sudo )?chpasswd|(?:sudo )?passwd --stdin)",),
     ((rb"echo (?:-[ne]{1,2} )?" + _MAYBE_QUOTE + rb"(?:[\w.-]{1,32}:)?" + _WORD + _MAYBE_QUOTE +
       rb" ?\| ?(?:sudo -s|(?:sudo )?chpasswd|(?:sudo )?passwd --stdin)", is_given),)),
    # Code: a user and a password in one call
    ((_CALL,), ((_CALL, is_given),)),
    # Password hashes and keys
    ((rb"\$(?:1|2[abxy]|5|6|y|apr1|argon2|pbkdf2)",),
     ((rb"(\$(?:1|2[abxy]|5|6|y|apr1|argon2(?:id|i|d)|pbkdf2[\w-]{0,10})\$[\w./+=,$-]{20,200})", _anything),)),
    ((rb"j(?:(?<=eyj)|(?<=ls0tls1crudj))",),
     ((rb"(ls0tls1crudjti[a-z0-9+/=]{20,}+)", _holds_private_key),
      (rb"(?<![\w.+/-])(eyj[\w+/-]{20,}+={0,2})(?![\w.])", _holds_named_secret))),
    ((rb"-(?<=----)(?:end|[- ]begin) ",),
     ((rb"begin ssh2 (?:encrypted )?private key ?-{0,5}([^-]{16,}+)", _anything),)),
    ((rb"\"kty",),
     ((_QUOTE + rb"(?:d|k|p|q|dp|dq|qi)" + _QUOTE + rb"\s{0,8}:\s{0,8}" + _QUOTE + rb"([\w-]{20,2048})", _anything),)),
    ((rb":(?<=phrase:)",),
     ((rb"(?:seed|recovery|mnemonic) phrase: ?" + _MAYBE_QUOTE + rb"((?:[a-z]{3,8} ){11,23}[a-z]{3,8})", _anything),)),
)  # fmt: skip
_COMPILED = [
    ([re.compile(sign) for sign in signs], [(re.compile(place), check) for place, check in places])
    for signs, places in _PLACES
]


def credentials_in(text: bytes, lowered: bytes) -> Iterator[Span]:
    """Return the spans of credentials recognised by their surroundings, in no particular order; spans may overlap.

    Args:
        lowered: the text in lower case.
    """
    for signs, places in _COMPILED:
        for pattern, check in places if any(sign.search(lowered) for sign in signs) else ():
            for found in pattern.finditer(lowered):
                if check(text[slice(*found.span(1))].decode("latin-1")):
                    yield found.span(1)
    for search in (_proofs, _ends, _lines, _assigned, _web_tokens, _tokens, _pairs, _networks):
        yield from search(text, lowered)


#: Parameters of an authorization header that prove knowledge of a password or key, and the schemes that have them.
_PROVES = rb"=(?<=[cen]=)(?:(?<=response=)|(?<=nonce=)|(?<=mac=)|(?<=signature=)|(?<=oauth_token=))"
_PROOF = re.compile(_PROVES + _MAYBE_QUOTE + rb"([\w+/.~%-]{16,1024}=*)")
_PROOF_NAME = re.compile(rb"(?<![a-z0-9-])(?:response|c?nonce|mac|signature|oauth_(?:signature|token))\Z")
_SCHEMES = (b"digest ", b"oauth ", b"aws4-", b"hawk ")


def _proofs(text: bytes, lowered: bytes) -> Iterator[Span]:
    """Find the responses, nonces and signatures of HTTP Digest, OAuth 1, AWS and Hawk."""
    if b"=" in lowered and any(scheme in lowered for scheme in _SCHEMES):
        for found in _PROOF.finditer(lowered):
            named = _PROOF_NAME.search(lowered, max(0, found.start() - 16), found.start())
            if named and looks_random(text[slice(*found.span(1))].decode("latin-1")):
                yield found.span(1)


#: The end of a private key whose beginning is missing, and what comes before it.
_KEY_END = re.compile(rb"-----end [a-z0-9 ]{0,40}private key")
_KEY_LINES = re.compile(rb"[a-z0-9+/=\n\r\\ ]*+")


def _ends(_: bytes, lowered: bytes) -> Iterator[Span]:
    last = 0
    for found in _KEY_END.finditer(lowered):
        lines = _KEY_LINES.match(lowered[last : found.start()][::-1])
        if lines and len(lines[0]) >= 16:
            yield found.start() - len(lines[0]), found.start()
        last = found.end()


#: A line that is a protocol command or a setting and ends in a password.
_LINE = (
    rb"[ \t]{0,8}(?:[\w.:]{1,20}+> ?)?(?:config set |set |\w{1,6}+ )?"
    rb"(?:auth (?:\w{1,32} )?|login [^\s\"\\]{1,64} |pass |requirepass |masterauth |bindpw |(?:encrypted-)?password )"
)
_LINE_PATTERN = re.compile(
    rb"(?:\A|(?<=[\n\"])|(?<=\\n))" + _LINE + _MAYBE_QUOTE + _WORD + _MAYBE_QUOTE +
    rb"[ \t]{0,4}(?=;?(?:\\r|\r)?(?:\n|\\n|\\?\"|\Z))"
)  # fmt: skip
#: The words that occur in such a line, and how many bytes before them the line may begin.
_LINE_WORDS = tuple(patterns(dict.fromkeys((b"auth", b"login", b"pass", b"password", b"indpw"), b" ")))
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
        if is_chosen(value) or (b"auth plain " in line[0] and is_login(value)):
            yield line.span(1)


#: A password after its name: in quotes, or up to a character that passwords do not contain.
_ASSIGNED = re.compile(
    rb"(pass(?:word|wd|phrase|code)?|pwd|psk)" + _MAYBE_QUOTE + rb"(?: for \w{1,40})?"
    rb"(?:\*{0,2}\s{0,8}(?::=|=>|[:=>]|\bis:?|\bwas)\*{0,2}\s{0,8}(?:<\w{1,6}>)?"
    rb"(?:" + _QUOTED + rb"|([^\s\"'`\\,;&<)]{6,256}+)(?=[\s\"'`\\,;&<)]|\Z))|[ (]{1,2}" + _QUOTED + rb")"
)  # fmt: skip
_NAME_BEFORE = re.compile(rb"[\w.-]{1,60}\Z")


def _assigned(text: bytes, lowered: bytes) -> Iterator[Span]:
    """Find likely passwords after the name of one: `password: 'p4ss!'`, `<password>p4ss!</password>`."""
    if not any(word in lowered for word in (b"pass", b"pwd", b"psk")):
        return
    for found in _ASSIGNED.finditer(lowered):
        group = found.lastindex or 1
        before = _NAME_BEFORE.search(text, max(0, found.start() - 60), found.start())
        name = ((before[0] if before else b"") + found[1]).decode("latin-1")
        value = text[slice(*found.span(group))].decode("latin-1")
        code = group == 3 and is_identifier(value.rstrip(".!?:"))
        if is_chosen(value) and not code and (holds_password(name) or (name.lower() == "pass" and group != 4)):
            yield found.span(group)


#: A JSON Web Token (RFC 7519) from its first dot on; its header comes before.
_TOKEN_TAIL = re.compile(rb"\.eyJ[\w-]{8,}+\.[\w-]{8,}+")
_WORD_BEFORE = re.compile(rb"[\w-]*+")


def _web_tokens(text: bytes, _: bytes) -> Iterator[Span]:
    last = 0
    for found in _TOKEN_TAIL.finditer(text) if b".eyJ" in text else ():
        dot = found.start()
        before = text[max(last, text.rfind(b".", last, dot) + 1) : dot]
        word = _WORD_BEFORE.match(before[::-1])
        head = text.find(b"eyJ", dot - (word.end() if word else 0), dot)
        if head >= 0:
            yield head, found.end()
        last = found.end()


#: A token without its header or its signature, an encrypted token, or a signed cookie.
_TOKENS = re.compile(rb"(?<![\w.-])eyJ[\w-]{12,}+((?:\.[\w-]*+){1,4})")


def _tokens(text: bytes, _: bytes) -> Iterator[Span]:
    for found in _TOKENS.finditer(text) if b"eyJ" in text else ():
        last = found[1].rpartition(b".")[2].decode()
        signed = len(last) >= 20 and (looks_random(last) or found[1].count(b".") > 2)
        if signed or found[1].startswith(b".eyJ"):
            yield found.span()


#: The command that joins a wireless network, with the network's password.
_NMCLI = 210
_NETWORK = re.compile(rb"(?:nmcli\b[^\n]{0,200}? (?:password|[\w.-]{0,40}psk)|wpa_passphrase (?:\S{1,64}|" + _QUOTE +
                      rb"[^\"'`\n]{1,64}" + _QUOTE + rb")) " + _MAYBE_QUOTE + _WORD)  # fmt: skip


def _networks(text: bytes, lowered: bytes) -> Iterator[Span]:
    """Find the passwords of wireless networks in commands."""
    for found in _NETWORK.finditer(lowered) if b"nmcli" in lowered or b"wpa_passphrase" in lowered else ():
        if is_given(text[slice(*found.span(1))].decode("latin-1")):
            yield found.span(1)


#: Definitions of a name and its value: Terraform variables and PHP constants.
_PAIRS = (re.compile(rb"variable " + _QUOTED + rb"\s?\{[^{}]{0,400}?default\s{0,8}=\s{0,8}" + _QUOTED),
          re.compile(rb"define\(\s?" + _QUOTED + rb"\s?,\s?" + _QUOTE + rb"([^\"'`\\\n]{4,256})" + _QUOTE))  # fmt: skip


def _pairs(text: bytes, lowered: bytes) -> Iterator[Span]:
    """Find the passwords in definitions of variables and constants."""
    if b"variable " in lowered or b"define(" in lowered:
        for found in itertools.chain.from_iterable(pattern.finditer(text) for pattern in _PAIRS):
            name = found[1].decode("latin-1")
            if (holds_password(name) or names_secret(name)) and is_given(found[2].decode("latin-1")):
                yield found.span(2)


# Before a body is decoded


def _by_first(signs: Iterable[bytes]) -> Iterator[tuple[bytes, re.Pattern[bytes]]]:
    """Combine signs with the same first byte; return each combined pattern with that byte, which is faster to find."""
    grouped: dict[bytes, list[bytes]] = {}
    for sign in signs:
        length = 2 if sign.startswith(b"\\") else 1
        grouped.setdefault(sign[:length], []).append(sign[length:])
    for first, rest in grouped.items():
        yield first[-1:], re.compile(first + b"(?:" + b"|".join(rest) + b")")


#: Signs for the remaining searches; `_assigned` needs none, because `_is_said` checks each name of a password.
_OTHER_SIGNS = (
    rb":(?<=kind:)(?= ?" + _MAYBE_QUOTE + rb"secret)", rb"v(?=ariable " + _QUOTE + rb")", rb"\((?<=define\()",
    _PROOF.pattern, rb"=(?<=psk=)",
    rb"k(?<=psk)(?:=?\"| )", rb"_(?<=wpa_)passphrase ",
    rb">(?= auth )",
)  # fmt: skip
#: Signs for which to search only if the quick check has found the given word.
_BY_WORD = {
    rb"\"auth": b"auth", rb":(?= psk )": b"psk", rb"b(?<=identified b)y " + _QUOTE: b"identified by",
    rb"q(?<=sq)lplus ": b"sqlplus", rb"\"kty": b"kty", rb":(?<=phrase:)": b"phrase:", _OTHER_SIGNS[0]: b"kind:",
    _OTHER_SIGNS[1]: b"variable", rb"=(?<=psk=)": b"psk", rb"k(?<=psk)(?:=?\"| )": b"psk",
    rb"_(?<=wpa_)passphrase ": b"pass",
}  # fmt: skip
_ALL_SIGNS = [*(sign for signs, _ in _PLACES for sign in signs), *_OTHER_SIGNS]
_WORD_SIGNS = tuple((_BY_WORD[sign], re.compile(sign)) for sign in _ALL_SIGNS if sign in _BY_WORD)
_SIGNS = tuple(_by_first(sign for sign in _ALL_SIGNS if sign not in _BY_WORD))
#: The words whose occurrence `may_hold_credential` takes as an argument.
_WORDS_OF_LINES = frozenset({b"auth", b"login", b"pass", b"indpw"})
WORDS = frozenset({*_BY_WORD.values(), *_WORDS_OF_LINES})
_PASSWORD = re.compile(rb"passw(?:or)?d")
#: A line as in `_LINE`, at the start of a text or after a line end, escaped or not.
_LINE_BEGUN = re.compile(rb"(?:\n|\\n|\")" + _LINE)
#: How many bytes after its word such a line may continue.
_LINE_AFTER = 70


def may_hold_credential(body: bytes, lowered: bytes, words: frozenset[bytes]) -> bool:
    """Return whether an undecoded body, whose texts may be escaped, may contain a credential.

    Args:
        lowered: the body in lower case.
        words: the members of `WORDS` that may occur in it.
    """
    lowered = b'"' + lowered  # marks the beginning of a body that is not JSON
    passwords = list(_PASSWORD.finditer(lowered)) if b"pass" in words else []
    searches: list[_Search] = []
    if _has_sign(lowered, words):
        searches += (credentials_in, blocks_in)
    if words & _WORDS_OF_LINES and _may_be_line(lowered):
        searches += (_assigned, _networks, _lines_in_quotes)
    elif any(map(_is_said, passwords)):
        searches += (_assigned, _networks)
    for text in unescaped(body) if searches else ():
        small = text.lower()
        if any(next(search(text, small), None) for search in searches):
            return True
    return any(map(may_be_column, passwords))


def _has_sign(lowered: bytes, words: frozenset[bytes]) -> bool:
    for word, sign in _WORD_SIGNS:
        if word in words and sign.search(lowered):
            return True
    return bool([sign for first, sign in _SIGNS if first in lowered and sign.search(lowered)])


def _lines_in_quotes(text: bytes, lowered: bytes) -> Iterator[Span]:
    """Find what `_lines` finds, in the quoted texts of an undecoded body."""
    return _lines(text.replace(b'"', b"\n"), lowered.replace(b'"', b"\n"))


def _may_be_line(lowered: bytes) -> bool:
    for word in _LINE_WORDS:
        for found in word.finditer(lowered):
            if _LINE_BEGUN.search(lowered, max(0, found.start() - _LINE_BEFORE), found.end() + _LINE_AFTER):
                return True
    return False


def _is_said(found: re.Match[bytes]) -> bool:
    """Return whether a password may follow its name without an assignment sign between them."""
    start, end = found.span()
    return found.string[end : end + 4].startswith((b"(", b" '", b' "', b' \\"', b" is", b" was", b" for")) or (
        found.string[end : end + 1] == b" " and b"nmcli" in found.string[max(0, start - _NMCLI) : start]
    )
