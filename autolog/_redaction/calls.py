"""Secrets among the arguments of calls: `mysqli_connect("localhost", "ada", "p4ss!")`, `jwt.sign(claims, "p4ss!")`."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence

from autolog._redaction.names import is_jumbled, looks_random, suggests_secret
from autolog._redaction.objects import is_drawn
from autolog._redaction.signs import Signed
from autolog._redaction.spans import QUOTE, QUOTED, Span, called
from autolog._redaction.values import is_any, is_chosen, is_given, is_identifier, is_word

#: Calls that connect to a database, as a user with a password, and calls that sign a token with a key.
_ARGUMENT = rb"(?:[^()\"'`,\n]{0,60}|" + QUOTE + rb"[^\"'`\n]{0,120}" + QUOTE + rb")"
_CONNECTS = rb"\(" + called((
    b"plainauth", b"pdo", b"mysqli", b"connect", b"connection", b"set_password", b"create_user", b"superuser",
    b"andpassword", b"url.create", b"sequelize", b">credentials",
))  # fmt: skip
_SIGNS = rb"\(" + called((b"jwt.sign", b"jwt.encode", b"jwt.verify", b"jwt.decode"))
#: The arguments before a user and a password: one, or two.
_CONNECT = tuple(
    re.compile(
        _CONNECTS + rb"(?:[\w&]{1,20}, ?)?" + _ARGUMENT + second + rb"\s?,\s?(?:" + QUOTE + rb"[^\s\"'`]{1,64}" +
        QUOTE + rb"|\d)\s?,\s?" + QUOTED
    )
    for second in (rb"", rb"\s?,\s?(?:\d{1,5}|" + QUOTE + rb"[^\s\"'`]{1,64}" + QUOTE + rb")")
)  # fmt: skip
#: Calls whose arguments are always a database, a user and a password, so that it may be an ordinary word.
_DATABASES = (b"getconnection", b"mysqli", b"mysqli_connect", b"new pdo", b"dbi->connect")
_SIGN = re.compile(_SIGNS + rb"[^()\n]{1,200}?,\s?" + QUOTED)


def _connections(text: bytes, lowered: bytes) -> Iterator[Span]:
    for found in itertools.chain.from_iterable(pattern.finditer(lowered) for pattern in _CONNECT):
        value = text[slice(*found.span(1))].decode("latin-1")
        certain = lowered.endswith(_DATABASES, 0, found.start()) and is_any(value)
        if certain or (is_chosen(value) and (not is_identifier(value) or looks_random(value))):
            yield found.span(1)


def _signatures(text: bytes, lowered: bytes) -> Iterator[Span]:
    for found in _SIGN.finditer(lowered):
        if _is_key(text[slice(*found.span(1))].decode("latin-1")):
            yield found.span(1)


def _is_key(value: str) -> bool:
    """Return whether an argument of a call that takes a key is one, and not the name of an algorithm."""
    return looks_random(value) or is_jumbled(value) or is_chosen(value)


def _after(names: Sequence[bytes], value: bytes) -> bytes:
    """Return a pattern of the opening parenthesis of calls of these names, if a value follows.

    The value is looked at first, because most calls have none.
    """
    return rb"\((?=" + value + rb")" + called(names)


#: Calls that hash or check a password, set one, encrypt with one, or create a login in a database.
_HASHES = _after(
    (b"crypt", b"bcrypt.hash", b"hashpw", b"password_hash", b"password_verify", b"set_password", b"hash_password",
     b"check_password", b"make_password", b"verify_password", b"setpassword", b"withpassword", b"jedis.auth",
     b"argon2.hash", b"hash::make", b"hashsync", b"comparesync", b"password.create", b"passwordencoder.encode",
     b"scryptsync", b"pbkdf2", b"pbkdf2sync"),
    rb"\s?[bnu]?" + QUOTE,
)  # fmt: skip
_ENCRYPTS, _LOGIN, _PRAGMA = (
    rb"\((?<=sym_encrypt\()",
    rb"p_add(?<=sp_add)(?=login|linkedsrvlogin)",
    rb"gma (?<=pragma )(?:re)?key",
)
#: Calls that encode a user and a password for a header, and a password that Java turns into characters.
_ENCODES = _after((b"btoa", b"b64encode", b"encodetostring", b"base64_encode", b"buffer.from", b"buffer", b"getbytes"),
                  rb"\s?[bnu]?" + QUOTE + rb"[^\s:\"'`\\]{1,64}:")  # fmt: skip
_CHARACTERS = rb"\.(?<=[\"'`]\.)tochararray"
_PASSED = tuple(re.compile(pattern + QUOTED) for pattern in (
    _HASHES + rb"\s?[bnu]?", _ENCRYPTS + rb"[^()\n]{1,120},\s?", _PRAGMA + rb"\s?=\s?",
    _LOGIN + rb"login n?" + QUOTE + rb"[^\"'`\n]{1,64}" + QUOTE + rb"\s?,\s?n?",
    _LOGIN + rb"linkedsrvlogin [^\n;]{1,200},\s?n?",
))  # fmt: skip
_LOGIN_ENCODED = re.compile(_ENCODES + rb"\s?[bnu]?" + QUOTE + rb"[^\s:\"'`\\]{1,64}:([^\s\"'`\\]{4,256})" + QUOTE)
_IN_CHARACTERS = re.compile(_CHARACTERS)
_QUOTED_BEFORE = re.compile(QUOTED + rb"\Z")


#: Those calls whose only argument is a password, which may be a word of letters.
_TAKE_ONE = (b"set_password", b"setpassword", b"withpassword", b"check_password", b"verify_password", b"hash_password")


def _passed(text: bytes, lowered: bytes) -> Iterator[Span]:
    """Find the passwords among the arguments of such calls."""
    for found in itertools.chain.from_iterable(pattern.finditer(lowered) for pattern in (*_PASSED, _LOGIN_ENCODED)):
        word = text[slice(*found.span(1))].decode("latin-1")
        alone = lowered.endswith(_TAKE_ONE, 0, found.start()) and lowered[found.end() : found.end() + 1] == b")"
        if is_chosen(word) or (alone and is_word(word)):
            yield found.span(1)
    for call in _IN_CHARACTERS.finditer(lowered):
        value = _last_quoted(lowered, call.start())
        if value and is_chosen(text[slice(*value)].decode("latin-1")):
            yield value


def _last_quoted(lowered: bytes, end: int) -> Span | None:
    """Return the span of the quoted word that ends at an offset."""
    quote = lowered[end - 1 : end]
    start = lowered.rfind(quote, max(0, end - 260), end - 1)
    found = _QUOTED_BEFORE.match(lowered, start, end) if start >= 0 else None
    return found.span(1) if found else None


#: Calls that take a key, alone or among other arguments, `hmac.new(b"..."`, `createHmac("sha256", "..."`. Those whose
#: other arguments may be any text only count if the argument looks random.
_WITH_KEY = _after(
    (b"hmac.new", b"hmac", b"hash_hmac", b"fernet", b"aes.new", b"from_key", b"bearer_auth", b"hmacsha1", b"hmacsha256",
     b"hmacsha512", b"hmac256", b"hmac384", b"hmac512", b"hmacshakeyfor", b"secretkeyspec", b"securitykey",
     b"from_secret", b"signedstring", b"signwith", b"cookieparser", b"createcipher", b"createdecipher",
     b"createcipheriv", b"createdecipheriv",
     b"openssl_encrypt", b"openssl_decrypt", b"aes.encrypt", b"aes.decrypt", b"encryptingkey", b"securecookie"),
    rb"",
)  # fmt: skip
_WITH_RANDOM = _after((b"cookie", b"setcookie", b"set_cookie"), rb"\s?" + QUOTE)
#: Calls that create a client or start one, with a key as their first argument or their second.
_DRAWN = QUOTE + rb"[\w+/.-]{20}"
_CLIENTS = _after(
    (b"github", b"client", b"login", b"signin", b"bot", b".run", b".init", b"api", b"setup", b"authenticate",
     b"set_token", b"settoken", b"credential"), _DRAWN,
)  # fmt: skip
_CLIENTS_OF = (
    rb"\((?=" + QUOTE + rb")" + called((b"client", b"credentials", b"twilio", b"pusher")) + rb"(?="
    + QUOTE + rb"[^\"'`\n]{0,80}"
    + QUOTE + rb"\s?,\s?" + _DRAWN + rb")"
)  # fmt: skip
#: The arguments up to the end of the call, which may contain calls; and a quoted one.
_ARGUMENTS = rb"((?:[^()\n]|\((?:[^()\n]|\([^()\n]{0,80}\)){0,120}+\)){1,240}+)"
_KEYED = (
    (re.compile(_WITH_KEY + _ARGUMENTS), _is_key), (re.compile(_WITH_RANDOM + _ARGUMENTS), looks_random),
    (re.compile(_CLIENTS + _ARGUMENTS), is_drawn), (re.compile(_CLIENTS_OF + _ARGUMENTS), is_drawn),
)  # fmt: skip
_KEY_ARGUMENT = re.compile(QUOTED)
#: The key of a signature as JSON Web Tokens are explained, on a line of its own or after a comma, without quotes.
_EXPLAINED = re.compile(
    rb"\((?<=hmacsha256\()[^\n;]{0,160}(?:(?:\n|\\{1,3}n)[^\n;]{0,80}){0,2},(?:\s|\\{1,3}[nr]){0,12}"
    rb"([^\s\"'`\\(),]{6,128})(?:\s|\\{1,3}[nr]){0,8}\)"
)
#: The value of a header that is given before its name, in Swift and Objective-C.
_HEADER_FIELD = rb"pheaderfield(?<=forhttpheaderfield)\s?:\s?@?" + QUOTE
_FOR_HEADER = re.compile(_HEADER_FIELD + rb"([\w-]{1,60})")
_VALUE_OF_HEADER = re.compile(
    rb"value\s?[:(]\s?@?" + QUOTE + rb"(?:[a-z]{3,20} )?([^\s\"'`\\]{8,512})" + QUOTE + rb",? ?forhtt\Z"
)
#: A line of a log with its values after it, `"password is %s", "p4ss!"`, and an option of curl in PHP.
_LOGS = rb"%(?=[srv]\W{0,4}?" + QUOTE + rb"\s?,\s?[bnu]?" + QUOTE + rb")"
_LOGGED = re.compile(_LOGS + rb"\w\W{0,4}?" + QUOTE + rb"\s?,\s?[bnu]?" + QUOTED)
_LOGGED_NAME = re.compile(rb"(?:(pass(?:word|phrase|wd)?|pwd?)|token|secret|key)(?: is)?[ :='\"\\]{0,4}\Z")
USER_AND_PASSWORD = rb"_userpwd\s?,\s?" + QUOTE + rb"[^\s:\"'`]{1,64}:([^\s\"'`\\]{4,256})"


def _keyed(text: bytes, lowered: bytes) -> Iterator[Span]:
    for pattern, is_key in _KEYED:
        for found in pattern.finditer(lowered):
            for value in _KEY_ARGUMENT.finditer(lowered, *found.span(1)):
                if is_key(text[slice(*value.span(1))].decode("latin-1")):
                    yield value.span(1)
    for found in _EXPLAINED.finditer(lowered):
        word = text[slice(*found.span(1))].decode("latin-1")
        if is_chosen(word) and (not is_identifier(word) or looks_random(word)):
            yield found.span(1)


def _in_headers(text: bytes, lowered: bytes) -> Iterator[Span]:
    for found in _FOR_HEADER.finditer(lowered):
        start = lowered.rfind(b"value", max(0, found.start() - 560), found.start())
        value = _VALUE_OF_HEADER.match(lowered, start, found.start()) if start >= 0 else None
        if (
            value
            and suggests_secret(found[1].decode("latin-1"))
            and is_given(text[slice(*value.span(1))].decode("latin-1"))
        ):
            yield value.span(1)


def _logged(text: bytes, lowered: bytes) -> Iterator[Span]:
    for found in _LOGGED.finditer(lowered):
        named = _LOGGED_NAME.search(lowered, max(0, found.start() - 24), found.start())
        value = text[slice(*found.span(1))].decode("latin-1")
        if named and (is_chosen(value) if named[1] else looks_random(value)):
            yield found.span(1)


#: One sign for all calls with a quoted argument, because most calls have none.
_QUOTING = (
    rb"\((?=\s?[bnu]?" + QUOTE + rb")(?:"
    + b"|".join(sign.removeprefix(rb"\(") for sign in (_HASHES, _ENCODES, _WITH_RANDOM, _CLIENTS, _CLIENTS_OF)) + rb")"
)  # fmt: skip
#: These searches with their signs.
IN_CALLS: tuple[Signed, ...] = (
    ((_CONNECTS,), _connections), ((_SIGNS,), _signatures),
    ((_QUOTING, _CHARACTERS, _ENCRYPTS, _LOGIN, _PRAGMA), _passed),
    ((_WITH_KEY, _QUOTING), _keyed), ((_HEADER_FIELD,), _in_headers), ((_LOGS,), _logged),
)  # fmt: skip
