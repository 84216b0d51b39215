"""Find secrets in JSON objects by the keys above them: `{"password": "x"}`, `{"password": {"value": "x"}}`.

In a program's own data, a value under the name of a secret is a secret. In a conversation with a model a password may
be the topic, so that a value counts as a secret only if its name leaves no doubt or the value looks random.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterator
from typing import Any

from autolog._redaction.encoded import is_login
from autolog._redaction.names import (
    holds_code,
    holds_key,
    holds_password,
    holds_random,
    holds_secret,
    holds_token,
    looks_random,
    names_secret,
    perhaps_secret,
    suggests_secret,
)
from autolog._redaction.values import is_any, is_chosen, is_given, is_label, is_strong, is_word

Path = tuple[str, ...]

#: The least length of a value that counts as random, in characters.
_RUN = 16
#: The same for a value that nothing but its characters tells from an id, and for one whose name is only `key`.
_DRAWN, KEY_LENGTH = 20, 24
#: How many levels above a value its name may be.
_ABOVE = 3
#: Keys below the name of a secret that contain the secret itself.
_VALUES = frozenset({"value", "values", "default", "data", "secret", "string", "stringvalue", "string_value", "s",
                     "plain", "plaintext", "raw", "pem", "key", "current", "new", "old", "previous", "access",
                     "refresh", "pass", "content", "text", "bytes", "encoded", "base64"})  # fmt: skip
#: Keys below the name of a secret that only describe it: its owner, its purpose, its format.
_ABOUT = frozenset({"type", "name", "title", "description", "format", "kind", "id", "label", "user", "username",
                    "login", "email", "host", "url", "uri", "region", "scope", "scopes", "expires", "expires_at",
                    "expires_in", "expiry", "created", "created_at", "updated_at", "token_type", "pattern", "help",
                    "hint", "enum", "placeholder", "required", "role", "status", "message", "error", "path", "source",
                    "provider", "method", "in", "scheme", "ref", "$ref", "examples", "example", "const", "version",
                    "env", "alias", "domain", "samesite", "algorithm", "alg", "issuer", "audience",
                    "properties"})  # fmt: skip


def hides_secret(path: Path, value: Any, own: bool) -> bool:
    """Return whether a value is a secret according to the keys above it.

    Args:
        path: the keys of the objects that contain the value, outermost first.
        value: a JSON value; only strings, and numbers that are passwords or codes, can be secrets.
        own: whether the value is the program's own data rather than part of a conversation with a model.
    """
    if not _may_name_secret(path[-1 - _ABOVE :]):
        return False
    name = path[-1]
    if own and holds_code(name) and _is_code(value):
        return True
    if isinstance(value, str):
        return bool(value) and (_is_secret(name, value, own) or _holds(path, value, own))
    return own and isinstance(value, int) and not isinstance(value, bool) and holds_password(name)


@functools.lru_cache(maxsize=4096)
def _may_name_secret(names: Path) -> bool:
    """Return whether any value below these keys may be a secret; a long stream asks this for the same few keys."""
    name = names[-1]
    return (
        any(map(suggests_secret, names))
        or any(suggests(name) for suggests in (holds_code, holds_password, holds_random, perhaps_secret))
        or holds_key(name)
    )


def is_named_secret(name: str, value: str, is_password: Callable[[str], bool]) -> bool:
    """Return whether a value is a secret by the name of its field or column.

    Args:
        name: the name.
        value: the value, which is a secret if it looks random.
        is_password: returns whether the value of a password's field is one.
    """
    if holds_password(name) or name.lower() == "pass":
        return is_password(value)
    if holds_secret(name) and is_strong(value):
        return True
    if holds_key(name) and len(value) >= KEY_LENGTH and is_drawn(value):
        return True
    return (suggests_secret(name) and _is_random(value)) or (holds_random(name) and _is_no_hash(value))


def is_hash(value: str) -> bool:
    """Return whether a value looks like the hash of a commit or a file."""
    return re.fullmatch("[0-9a-f]{40}|[0-9a-f]{64}", value) is not None


def is_drawn(value: str) -> bool:
    """Return whether a value looks like a key even where ids and hashes stand, too: it is drawn from all letters."""
    kinds = (str.islower, str.isupper, str.isdigit)
    return (
        len(value) >= _DRAWN
        and value.rstrip("=").isalnum()
        and all(sum(map(kind, value)) >= 2 for kind in kinds)
        and looks_random(value)
    )


def _is_code(value: Any) -> bool:
    return (isinstance(value, (str, int))) and re.fullmatch(r"[0-9][0-9 -]{1,8}[0-9]", str(value)) is not None


def _is_secret(name: str, value: str, own: bool) -> bool:
    if names_secret(name) or (own and suggests_secret(name)):
        return True
    if own and perhaps_secret(name) and (is_given(value) or value not in (value.lower(), value.upper(), value.title())):
        return True
    if ((holds_password(name) or name.lower() == "pass") and is_chosen(value)) or (
        perhaps_secret(name) and is_login(value)
    ):
        return True
    if holds_password(name) and name.isupper() and is_word(value) and not is_label(value):
        return name.lower() not in ("pwd", "psk")  # which also stand for a directory and a kind of cipher
    return is_named_secret(name, value, is_chosen)


#: Keys beside a password that say whose it is, and where.
_BESIDE = frozenset(
    form(name)
    for name in ("user", "username", "user_name", "login", "uid", "userid", "userId", "user_id", "email", "account",
                 "host", "hostname", "server", "database", "dbname")
    for form in (str, str.title, str.upper)
)  # fmt: skip


def passwords_beside(owner: dict[Any, Any]) -> Iterator[str]:
    """Yield the keys of an object whose values are passwords of letters, because they are beside a user or a host."""
    if _BESIDE.isdisjoint(owner):
        return
    beside = [owner[key] for key in owner.keys() & _BESIDE]
    if not any(isinstance(held, str) and is_any(held) and held and not held.istitle() for held in beside):
        return  # in a form's labels all words begin with a capital letter
    for key, held in owner.items():
        named = isinstance(key, str) and (holds_password(key) or key.lower() == "pass")
        if named and isinstance(held, str) and is_word(held):
            yield key


def _is_random(value: str) -> bool:
    return len(value) >= _RUN and looks_random(value)


def _is_no_hash(value: str) -> bool:
    return _is_random(value) and not is_hash(value)


def _holds(path: Path, value: str, own: bool) -> bool:
    """Return whether a string is the secret that a key above it names."""
    below = path[-1].lower()
    if below in _ABOUT:
        return False
    for name in path[-2 : -2 - _ABOVE : -1]:
        if suggests_secret(name):
            if own and not holds_token(name):
                return True
            certain = names_secret(name) or (own and is_given(value))
            return below in _VALUES and (certain or _is_no_hash(value))
        if name.lower() in _ABOUT:
            return False
    return False
