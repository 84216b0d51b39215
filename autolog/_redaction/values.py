"""Tell passwords that people chose from placeholders, ordinary words, identifiers and code."""

from __future__ import annotations

import re

from autolog._redaction.names import alternates, is_jumbled, looks_random

PLACEHOLDER = re.compile(
    r"(?i)[<{\[(]|\$(?!\w+[!@#^&?])|[*%-](?!(?=\D*\d)(?=[^a-z]*[a-z])[^!@#^&?]*[!@#^&?])|x+\Z|\.+|(?:your|my|the|some|new|old|test)?[-_]?(?:user|pass(?:word|wd|phrase|code)?|pwd|secret|"
    r"token|(?:api)?[-_]?key|value|example|null|none|true|false|redacted|changeme|todo|string|prompt|stdin|required|optional|empty|unset|undefined|hidden|"
    r"masked|enabled|disabled|text|str)\d?\Z"
)


def is_given(value: str) -> bool:
    """Return whether a word may be a password, and is neither a placeholder nor an ordinary word."""
    return PLACEHOLDER.match(value) is None and any(not sign.isalpha() and sign not in "._-/:" for sign in value)


def is_any(value: str) -> bool:
    """Return whether a word at a place that only passwords have may be one: it is no placeholder and no code."""
    return PLACEHOLDER.match(value) is None and _CODE.search(value) is None


#: What a quoted word of letters contains that is no password but a label, a type, a state or the name of a field.
_TALKS = re.compile(
    r"(?i)pass|pwd|pswd|secret|token|user|login|auth|cred|encrypt|cipher|valid|(?:in|not)[-_]?correct|field|input|prompt|string|object|"
    r"param|argument|option|require|example|sample|placeholder|unknown|default|undefined|unset|missing|empty|hidden|"
    r"masked|redact|visible|strength|strong\Z|number|text\Z|check|button|label|numeric|repository|(?<!mon)key\Z|code\Z|"
    r"chars?\Z|value|change|reset|expire|locked|disabled|enabled|plain|clear|match|column|short\b|please|enter\b|type\Z|"
    r"kind\Z|name\Z|bearer|basic\Z|public|private|internal|search|return|custom|system|manual|forgot|provided|"
    r"specified|generated|instead|reserved|confirm|inherit|ignore|neutral|something|nothing|whatever|anything"
)


def is_word(value: str) -> bool:
    """Return whether a word of letters may be a password where only passwords stand, and no label or placeholder."""
    letters = value.replace("-", "").replace("_", "")
    return (
        len(letters) >= 6
        and value.isascii()
        and letters.isalpha()
        and (letters == value or not value.isupper())
        and is_any(value)
        and not _TALKS.search(value)
    )


def is_given_or_word(value: str) -> bool:
    """Return whether a word may be a password at a place that most often has one, as in a command's option."""
    return is_given(value) or is_word(value)


def is_label(value: str) -> bool:
    """Return whether a word begins with the only capital letters in it, as the labels of forms do."""
    return value.istitle() or value.isupper()


#: Names of algorithms, encodings and columns, which also contain digits.
_KIND = re.compile(
    r"(?i)(?:base|utf|iso|sha|md|aes|rsa|des|argon|bcrypt|scrypt|pbkdf|oauth|u?int|float|varchar|char|str|text|v|x|pw|"
    r"var|arg|col|field|user|step|test|hs|rs|es|ps|hmac(?:sha|md)?|chacha|secp)[-_]?\d{1,4}(?:[-_]?(?:encoded|hashed|encrypted)|[-_a-z]{0,6}\d{0,2})|"
    r"\d{4}-\d\d-\d\dt[\d:.+]{2,20}z?|\d{1,3}[-_]?(?:bit|byte|char|character|digit|letter|symbol|word|day|hour|minute|month|year)s?"
)
_CODE = re.compile(r"[()\[\]{}<>|]|://|^[~./]|[A-Za-z_]\w*(?:\.\w+)+\Z|[A-Z][A-Z0-9]*_[A-Z0-9_]*\Z")


def is_chosen(value: str) -> bool:
    """Return whether a word looks like a chosen password: letters with digits or signs, but not a name or code."""
    return (
        len(value) >= 6
        and is_given(value)
        and (any(map(str.isdigit, value)) or (not value.isalpha() and is_jumbled(value)))
        and any(map(str.isalpha, value))
        and not _KIND.fullmatch(value)
        and not _CODE.search(value)
    )


def is_identifier(value: str) -> bool:
    """Return whether an unquoted value may be the name of a variable, with its digits in one place."""
    named = value.isidentifier() and not alternates(value, least=12) and not value[-3:].isdigit()
    return named and ("_" in value or len(re.findall(r"\d+", value)) < 2)


_SIGNS = frozenset("!@#$%^&*+?")


def is_strong(word: str) -> bool:
    """Return whether a word has a letter, a digit and a sign that is in no ordinary word, number or name."""
    value = word.rstrip(".?:!,*")
    if not is_chosen(value) or _ORDINARY.fullmatch(value):
        return False
    shouted = value[-1].isdigit() and word.startswith("!", len(value))
    return (
        shouted or not _SIGNS.isdisjoint(value) or (value not in (value.lower(), value.upper()) and looks_random(value))
    )


#: Addresses, versions, percentages, regular expressions and placeholders.
_ORDINARY = re.compile(r"[\w.+-]+@[\w.-]+|[$%#@&].*|[\w.-]*[%+*]|[*+?].*|.*[\^\\].*|[\w.:/-]+\?[\w=.-]+|.*==?.*")
