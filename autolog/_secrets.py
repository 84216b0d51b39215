"""API keys, tokens and passwords, told by their looks and by the name of what holds them.

`may_hold_...` say quickly whether a body can be left alone; they err in one direction only.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

#: How keys begin, and what they look like; formats as their issuers publish them.
_SHAPES = (
    ("sk-", r"sk-[\w-]{16,}"),  # OpenAI, Anthropic, OpenRouter, DeepSeek, Langfuse, LiteLLM
    ("AKIA", r"AKIA[0-9A-Z]{16}(?![0-9A-Z])"), ("ASIA", r"ASIA[0-9A-Z]{16}(?![0-9A-Z])"),  # AWS
    ("gh", r"gh[opsur]_[A-Za-z0-9]{30,}"), ("github_pat_", r"github_pat_\w{30,}"), ("glpat-", r"glpat-[\w-]{18,}"),
    ("xox", r"xox[abeoprs]-[\w-]{16,}"), ("xapp-", r"xapp-[\w-]{16,}"),  # Slack
    ("AIza", r"AIza[\w-]{35}(?![\w-])"), ("ya29.", r"ya29\.[\w-]{20,}"),  # Google
    ("k_", r"[sr]k_(?:live|test)_[A-Za-z0-9]{16,}"), ("whsec_", r"whsec_[A-Za-z0-9+/=]{20,}"),  # Stripe
    ("hf_", r"hf_[A-Za-z0-9]{30,}"), ("gsk_", r"gsk_[A-Za-z0-9]{30,}"), ("xai-", r"xai-[A-Za-z0-9]{30,}"),
    ("pplx-", r"pplx-[A-Za-z0-9]{30,}"), ("r8_", r"r8_[A-Za-z0-9]{30,}"), ("nvapi-", r"nvapi-[\w-]{30,}"),
    ("lsv2_", r"lsv2_[a-z]{2}_[\w]{30,}"), ("tvly-", r"tvly-[\w-]{20,}"), ("jina_", r"jina_[\w-]{30,}"),
    ("npm_", r"npm_[A-Za-z0-9]{36}"), ("pypi-", r"pypi-[\w-]{50,}"), ("dapi", r"dapi[0-9a-f]{32}"),
    ("SG.", r"SG\.[\w-]{16,}\.[\w-]{16,}"), ("alk_", r"alk_[\w-]{20,}"), ("fw_", r"fw_[A-Za-z0-9]{20,}"),
    ("eyJ", r"eyJ[\w-]{8,}\.eyJ[\w-]{8,}\.[\w-]{8,}"),  # a JSON web token (RFC 7519)
    ("AccountKey=", r"AccountKey=[A-Za-z0-9+/]{40,}={0,2}"),  # Azure
)  # fmt: skip
#: Before a key stands no letter or digit, unless it belongs to an escape in text that is JSON and could not be parsed.
_KEY = re.compile(
    r"(?:(?<![A-Za-z0-9])|(?<=\\[nrtbf])|(?<=\\u[0-9a-fA-F]{4}))(?:" + "|".join(shape for _, shape in _SHAPES) + ")"
)
_BEGINNINGS = re.compile("|".join(re.escape(beginning) for beginning, _ in _SHAPES).encode())
#: Those that need words around them; the group is the secret.
_NAMED = (
    re.compile(r"(?i:\b(?:bearer|basic)) {1,9}((?=[A-Za-z0-9._~+/-]{0,512}[0-9])[A-Za-z0-9._~+/-]{16,}=*)"),
    re.compile(r"(-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z))"),
    re.compile(r"(?<![a-z0-9+.-])[a-z][a-z0-9+.-]{0,30}://[^\s/:@\"']{0,256}:([^\s/@\"']{1,512})@"),
    re.compile(r"(?i)(?:api[_-]?key|access[_-]?key|secret|password|passwd|token)[\"']?\s*[=:]\s*[\"']?"
               r"((?=[\w+/.-]{0,512}[0-9])[\w+/.-]{20,}=*)"),
)  # fmt: skip
#: Keys of JSON objects whose texts are secrets, whatever they look like; without `-`, `_` and case.
_NAMES = frozenset({
    "apikey", "xapikey", "authorization", "proxyauthorization", "accesstoken", "refreshtoken", "sessiontoken",
    "authtoken", "bearertoken", "clientsecret", "secretkey", "secretaccesskey", "awssecretaccesskey",
    "awssessiontoken", "privatekey", "authorizationtoken", "xgoogapikey", "ocpapimsubscriptionkey", "xauthtoken",
    "xamzsecuritytoken", "apitoken", "apisecret",
})  # fmt: skip
#: The same for what a program's own functions and spans hold. In a conversation with a model they may be its subject.
_OWN_NAMES = _NAMES | {"password", "passwd", "secret", "cookie", "setcookie", "passphrase"}
#: The same as they may stand between quotes in a body, also in JSON inside of JSON.
_SPELLED = frozenset(
    spelled + end
    for words in (
        "api key", "x api key", "authorization", "proxy authorization", "access token", "refresh token",
        "session token", "auth token", "bearer token", "client secret", "secret key", "secret access key",
        "aws secret access key", "aws session token", "private key", "password", "passwd", "secret", "cookie",
        "set cookie", "authorization token", "passphrase", "x goog api key", "ocp apim subscription key",
        "x auth token", "x amz security token", "api token", "api secret",
    )
    for spelled in (words.replace(" ", "").encode(), words.replace(" ", "_").encode(), words.replace(" ", "-").encode())
    for end in (b"", b"\\", b"\\\\\\")
)  # fmt: skip
_SEPARATORS = str.maketrans("", "", "-_ ")

#: Keys whose texts a stream brings in pieces.
PIECES = frozenset({
    "content", "text", "delta", "arguments", "partial_json", "thinking", "reasoning_content", "reasoning", "refusal",
    "transcript", "input", "output", "response",
})  # fmt: skip

#: A key has at least so many characters without a break.
_RUN = 16
_RUNS = bytes(97 if (chr(byte).isalnum() and byte < 128) or byte in b"_-" else 32 for byte in range(256))
#: Beyond so many long words, looking for keys in the whole body is quicker.
_MANY = 200
_PIECE = re.compile(rb'"(?:%s)":\s*"((?:[^"\\]|\\.)*)"' % "|".join(sorted(PIECES)).encode())
#: Several texts that come at once may be confused in `pieces_joined`.
_SEVERAL = re.compile(rb'"index":\s*[1-9]')


def may_hold_key(body: bytes) -> bool:
    """Whether there may be something that looks like a key: quick, and wrong in one direction only."""
    if b"PRIVATE KEY" in body or (b"://" in body and b"@" in body):
        return True
    runs, at, count = body.translate(_RUNS), 0, 0
    needle = b"a" * _RUN
    while (at := runs.find(needle, at)) >= 0:
        count += 1
        if count > _MANY:
            return _BEGINNINGS.search(body) is not None
        start, end = runs.rfind(b" ", 0, at) + 1, runs.find(b" ", at)
        end = len(body) if end < 0 else end
        if _BEGINNINGS.search(body, max(0, start - 12), end) or _LEAD.search(body[max(0, start - 40) : start]):
            return True
        at = end
    return False


#: What stands before a secret that has no shape of its own.
_LEAD = re.compile(
    rb"(?i)(?:key|secret|password|passwd|token)(?:\\*[\"'])?\s*[=:]\s*(?:\\*[\"'])?$|(?:bearer|basic) +[~+/.]*$"
)


def may_hold_name(body: bytes) -> bool:
    """Whether there may be an object's key that names a secret."""
    return not _SPELLED.isdisjoint(body.lower().split(b'"'))


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
