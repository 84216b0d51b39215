"""API keys, tokens and passwords, told by their looks and by the name of what holds them.

`may_hold_secret` says quickly whether a body can be left alone; it errs in one direction only.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

#: What keys look like; formats as their issuers publish them.
_SHAPES = (
    r"sk-[\w-]{16,}",  # OpenAI, Anthropic, OpenRouter, DeepSeek, Langfuse, LiteLLM
    r"AKIA[0-9A-Z]{16}(?![0-9A-Z])", r"ASIA[0-9A-Z]{16}(?![0-9A-Z])",  # AWS
    r"gh[opsur]_[A-Za-z0-9]{30,}", r"github_pat_\w{30,}", r"glpat-[\w-]{18,}",
    r"xox[abeoprs]-[\w-]{16,}", r"xapp-[\w-]{16,}",  # Slack
    r"AIza[\w-]{35}(?![\w-])", r"ya29\.[\w-]{20,}",  # Google
    r"[sr]k_(?:live|test)_[A-Za-z0-9]{16,}", r"whsec_[A-Za-z0-9+/=]{20,}",  # Stripe
    r"hf_[A-Za-z0-9]{30,}", r"gsk_[A-Za-z0-9]{30,}", r"xai-[A-Za-z0-9]{30,}",
    r"pplx-[A-Za-z0-9]{30,}", r"r8_[A-Za-z0-9]{30,}", r"nvapi-[\w-]{30,}",
    r"lsv2_[a-z]{2}_[\w]{30,}", r"tvly-[\w-]{20,}", r"jina_[\w-]{30,}",
    r"npm_[A-Za-z0-9]{36}", r"pypi-[\w-]{50,}", r"dapi[0-9a-f]{32}",
    r"SG\.[\w-]{16,}\.[\w-]{16,}", r"alk_[\w-]{20,}", r"fw_[A-Za-z0-9]{20,}",
    r"eyJ[\w-]{8,}\.eyJ[\w-]{8,}\.[\w-]{8,}",  # a JSON web token (RFC 7519)
    r"AccountKey=[A-Za-z0-9+/]{40,}={0,2}",  # Azure
)  # fmt: skip
#: Before a key stands no letter or digit, unless it belongs to an escape in text that is JSON and could not be parsed.
_KEY = re.compile(r"(?:(?<![A-Za-z0-9])|(?<=\\[nrtbf])|(?<=\\u[0-9a-fA-F]{4}))(?:" + "|".join(_SHAPES) + ")")
#: Those that need words around them; the group is the secret.
_NAMED = (
    re.compile(r"(?i:\b(?:bearer|basic)) {1,9}((?=[A-Za-z0-9._~+/-]{0,512}[0-9])[A-Za-z0-9._~+/-]{16,}=*)"),
    re.compile(r"(-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z))"),
    re.compile(r"(?<![a-z0-9+.-])[a-z][a-z0-9+.-]{0,30}://[^\s/:@\"']{0,256}:([^\s/@\"']{1,512})@"),
    re.compile(r"(?i)(?:api[_-]?key|access[_-]?key|secret|password|passwd|token)[\"']?\s*[=:]\s*[\"']?"
               r"((?=[\w+/.-]{0,512}[0-9])[\w+/.-]{20,}=*)"),
)  # fmt: skip
#: Keys of JSON objects whose texts are secrets, whatever they look like: as words.
_WORDS = (
    "api key", "x api key", "authorization", "proxy authorization", "access token", "refresh token", "session token",
    "auth token", "bearer token", "client secret", "secret key", "secret access key", "aws secret access key",
    "aws session token", "private key", "authorization token", "x goog api key", "ocp apim subscription key",
    "x auth token", "x amz security token", "api token", "api secret",
)  # fmt: skip
#: The same for what a program's own functions and spans hold. In a conversation with a model they may be its subject.
_OWN_WORDS = ("password", "passwd", "secret", "cookie", "set cookie", "passphrase")
#: The names without `-`, `_` and case.
_NAMES = frozenset(words.replace(" ", "") for words in _WORDS)
_OWN_NAMES = _NAMES | {words.replace(" ", "") for words in _OWN_WORDS}
#: And as they may stand between quotes in a body, also in JSON inside of JSON; blanks, `-` and `_` are left out there.
_SPELLED = frozenset(name.encode() + end for name in _OWN_NAMES for end in (b"", b"\\", b"\\\\\\"))
_SEPARATORS = str.maketrans("", "", "-_ ")

#: Keys whose texts a stream brings in pieces.
PIECES = frozenset({
    "content", "text", "delta", "arguments", "partial_json", "thinking", "reasoning_content", "reasoning", "refusal",
    "transcript", "input", "output", "response",
})  # fmt: skip

#: A key has at least so many characters without a break.
_RUN = 16
_LONG = b"a" * _RUN
#: Every character that may stand in a key as `a`, all else as a blank.
_MARKS = bytes(97 if (chr(byte).isalnum() and byte < 128) or byte in b"_-.=+/" else 32 for byte in range(256))
_PIECE = re.compile(rb'"(?:%s)":\s*"((?:[^"\\]|\\.)*)"' % "|".join(sorted(PIECES)).encode())
#: Several texts that come at once may be confused in `pieces_joined`.
_SEVERAL = re.compile(rb'"index":\s*[1-9]')


_ANY_KEY = re.compile("|".join(_SHAPES).encode())
_BLANK = rb"(?:\s|\\+[nrtf])*"
#: What stands before a secret that has no shape of its own, and how it goes on.
_LEADS = (
    *(
        (word, re.compile(word + rb"(?:\\*[\"'])?" + _BLANK + rb"[=:]" + _BLANK + rb"(?:\\*[\"'])?[\w+/.\\-]{16}"))
        for word in (b"key", b"secret", b"password", b"passwd", b"token")
    ),
    *((word, re.compile(word + rb" +[\w.~+/\\-]{16}")) for word in (b"bearer", b"basic")),
)
#: A character of ASCII as JSON may write it, too.
_ESCAPED = re.compile(rb"(?i)\\u00([2-7][0-9a-f])")


def may_hold_secret(body: bytes) -> bool:
    """Whether there may be something that looks like a key, or an object's key that names a secret."""
    if b"\\u00" in body:
        body = _ESCAPED.sub(lambda found: bytes([int(found[1], 16)]), body)
    if b"\\/" in body:
        body = body.replace(b"\\/", b"/")
    if b"PRIVATE KEY" in body or (b"://" in body and b"@" in body) or b"\0" in body:  # zeros: UTF-16
        return True
    lowered = body.lower()
    return (
        _ANY_KEY.search(b" ".join(_long_words(body))) is not None
        or _leads(lowered)
        or not _SPELLED.isdisjoint(lowered.translate(None, b"-_ ").split(b'"'))
    )


def _long_words(body: bytes) -> set[bytes]:
    """The words of which a key could be one: in most texts there are few, and in streams they repeat."""
    marks, at, words = body.translate(_MARKS), 0, set()
    while (at := marks.find(_LONG, at)) >= 0:
        start, end = marks.rfind(b" ", 0, at) + 1, marks.find(b" ", at)
        end = len(body) if end < 0 else end
        words.add(body[start:end])
        at = end
    return words


def _leads(lowered: bytes) -> bool:
    for word, pattern in _LEADS:
        at = lowered.find(word)
        while at >= 0:
            if pattern.match(lowered, at):
                return True
            at = lowered.find(word, at + 1)
    return False


def several_at_once(body: bytes) -> bool:
    """Whether a stream may bring several texts at the same time."""
    return _SEVERAL.search(body) is not None


def pieces_joined(body: bytes) -> bytes:
    """What a stream says, put together without a look at which of its texts a piece belongs to."""
    return b"".join(_PIECE.findall(body))


def names_secret(key: str, own: bool) -> bool:
    """Whether what stands under this key is a secret, whatever it looks like; `own`: in the program's own data."""
    return key.lower().translate(_SEPARATORS) in (_OWN_NAMES if own else _NAMES)


def secrets_in(text: str) -> Iterator[tuple[int, int]]:
    """Where something stands in a text that looks like a secret."""
    if len(text) >= _RUN:
        yield from (found.span() for found in _KEY.finditer(text))
        yield from (found.span(1) for pattern in _NAMED for found in pattern.finditer(text))
