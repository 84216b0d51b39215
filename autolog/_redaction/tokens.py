"""Tokens, signatures and private keys, by the syntax of their standards: `eyJ...`, `Digest response="..."`."""

from __future__ import annotations

import re
from collections.abc import Iterator

from autolog._redaction.names import looks_random
from autolog._redaction.signs import Signed
from autolog._redaction.spans import MAYBE_QUOTE, Span

#: Parameters of an authorization header that prove knowledge of a password or key, and the schemes that have them.
_PROVES = rb"=(?<=[cen]=)(?:(?<=response=)|(?<=nonce=)|(?<=mac=)|(?<=signature=)|(?<=oauth_token=))"
_PROOF = re.compile(_PROVES + MAYBE_QUOTE + rb"([\w+/.~%-]{16,1024}=*)")
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


#: A key in the format of RFC 4716, whose header has only four dashes.
_SSH2_KEY = re.compile(rb"begin ssh2 (?:encrypted )?private key ?-{0,5}([^-]{16,}+)")


def key_blocks_in(_: bytes, lowered: bytes) -> Iterator[Span]:
    """Return the spans of private keys without the usual header; arguments as for `Search`."""
    if b"private key" not in lowered:
        return
    if b"begin ssh2 " in lowered:
        yield from (found.span(1) for found in _SSH2_KEY.finditer(lowered))
    last = 0
    for found in _KEY_END.finditer(lowered) if b"-----end " in lowered else ():
        lines = _KEY_LINES.match(lowered[last : found.start()][::-1])
        if lines and len(lines[0]) >= 16:
            yield found.start() - len(lines[0]), found.start()
        last = found.end()


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
_TOKENS = re.compile(rb"eyJ(?<![\w.-]eyJ)[\w-]{12,}+((?:\.[\w-]*+){1,4})")


def _tokens(text: bytes, _: bytes) -> Iterator[Span]:
    for found in _TOKENS.finditer(text) if b"eyJ" in text else ():
        last = found[1].rpartition(b".")[2].decode()
        signed = len(last) >= 20 and (looks_random(last) or found[1].count(b".") > 2)
        if signed or found[1].startswith(b".eyJ"):
            yield found.span()


#: These searches with their signs.
OF_STANDARDS: tuple[Signed, ...] = (
    ((rb"j(?<=eyj)",), _web_tokens), ((rb"j(?<=eyj)",), _tokens), ((rb"-(?<=----)(?:end|[- ]begin) ",), key_blocks_in),
    ((_PROOF.pattern,), _proofs),
)  # fmt: skip
