"""A walk over JSON data that changes texts, and makes anew only what has changed."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Protocol

from autolog._record.bodies import decode_json, encode_json

#: From where, to where, and what stands there instead.
Edit = tuple[int, int, str]
#: Keys by which a value was reached, outermost first; lists leave no trace.
Path = tuple[str, ...]
#: Gets a piece of a text and where it stands, and gives what is to stand there, or None to leave it.
OnPiece = Callable[[Path, tuple[Any, ...], str], "str | None"]

#: Keys of the formats' own words, which tell models, kinds and prices.
_STRUCTURE = frozenset({"model", "type", "object", "role", "finish_reason", "stop_reason", "service_tier", "status"})
#: Keys of the tokens of a text, and of what tells their letters again beside them.
TOKENS = ("token", "tokens")
_TOKENS_AGAIN = ("bytes", "top_logprobs")
#: Stands at the end of the path of a text in a list.
LISTED = ("[]",)
#: What is deeper in a body is searched as text.
_DEPTH = 100
#: What the name of a value beside it stands under, and what the value does.
_NAMES = frozenset({"name", "Name", "key", "Key", "field", "variable", "header", "param", "parameter", "option"})
_VALUES = frozenset({"value", "Value", "default", "stringValue", "string_value"})
_PRIVATE_PARTS = frozenset({"d", "k", "p", "q", "dp", "dq", "qi"})
#: So many words before an option say whose it is.
_COMMAND = 8
#: The name of a pair.
_NAME = re.compile(r"[A-Za-z_][\w.-]{1,60}")
#: Shorter keys of objects are no secrets.
_LONG = 16


class Rules(Protocol):
    """What is to be changed.

    Attributes:
        joins_lists: whether it may lie over several texts of a list.
    """

    joins_lists: bool

    def hides(self, path: Path, value: Any) -> Any:
        """Return what stands in place of a value, or the value itself."""
        ...

    def edits(self, text: str, structural: bool = False) -> list[Edit]:
        """Return the edits of a text, in order and without overlap.

        `structural` says that it is a word of the format.
        """
        ...


def scrub_value(value: Any, rules: Rules, path: Path = ()) -> Any:
    """Return JSON data after all edits; the very same object if there are none."""
    return Walk(rules).walk(value, path)


def without_overlaps(edits: list[Edit]) -> list[Edit]:
    """Return edits in order; those that overlap are one, with what the first of them puts there."""
    merged: list[Edit] = []
    for start, end, instead in sorted(edits):
        if merged and start < merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]), merged[-1][2])
        elif start < end:
            merged.append((start, end, instead))
    return merged


def apply(text: str, edits: list[Edit]) -> str:
    """Return a text after its edits."""
    parts: list[str] = []
    at = 0
    for start, end, instead in edits:
        parts += (text[at:start], instead)
        at = end
    return "".join((*parts, text[at:]))


class Walk:
    """One walk over a JSON value; what has changed is made anew, all else stays what it is.

    `on_piece` gets the texts in lists and under `pieces` keys, or all but the format's own words if that is None.
    """

    def __init__(self, rules: Rules, on_piece: OnPiece | None = None, pieces: tuple[str, ...] | None = None) -> None:
        self._rules = rules
        self._on_piece = on_piece
        self._pieces = pieces

    def walk(self, value: Any, path: Path = (), owner: tuple[Any, ...] = (), listed: bool = False) -> Any:
        if path:
            instead = self._rules.hides(path, value)
            if instead is not value:
                return instead
        if isinstance(value, str):
            return self._text(value, path, owner, listed)
        if len(path) > _DEPTH:
            return self._deep(value)
        if isinstance(value, dict):
            changed = {self.key(key): self.walk(item, (*path, str(key)), owner) for key, item in value.items()}
            self._hide_named(value, changed, path)
            if changed.keys() == value.keys() and all(changed[key] is item for key, item in value.items()):
                return value
            return _without_tokens_again(changed, value)
        if isinstance(value, list):
            items = [self.walk(item, path, _numbered(item, owner), listed=True) for item in value]
            self._hide_listed(value, items, path)
            return value if all(new is old for new, old in zip(items, value, strict=True)) else items
        return value

    def _hide_named(self, owner: dict[Any, Any], changed: dict[Any, Any], path: Path) -> None:
        """Hide a value whose name stands beside it: a variable of an environment, a header, an attribute.

        So stand the private parts of a JSON Web Key (RFC 7518) beside its type.
        """
        for part in owner.keys() & _PRIVATE_PARTS if "kty" in owner else ():
            changed[part] = self._rules.hides((*path, "private_key"), changed[part])
        values = owner.keys() & _VALUES
        named = owner.keys() & _NAMES if values else ()
        for name in (owner[key] for key in named):
            for key in values if isinstance(name, str) else ():
                if isinstance(changed[key], str):
                    changed[key] = self._rules.hides((*path, name), changed[key])
                elif isinstance(changed[key], dict):
                    changed[key] = self.walk(changed[key], (*path, name))

    def _hide_listed(self, words: list[Any], items: list[Any], path: Path) -> None:
        """Hide what follows its name in a list: the second of a pair, and what an option of a command stands before."""
        if len(words) == 2 and all(isinstance(word, str) for word in words):
            name, value = words
            if _NAME.fullmatch(name) and items[1] is value and not value.replace("_", "").isalpha():
                items[1] = self._rules.hides((*path, name), value)
        for at in range(1, len(words)):
            option, value = words[at - 1], words[at]
            if not (isinstance(option, str) and isinstance(value, str)) or "-" not in (option[:1], value[:1]):
                continue
            command = " ".join(word for word in items[max(0, at - _COMMAND) : at] if isinstance(word, str)) + " "
            line = self.text(command + value)
            if line.startswith(command) and line[len(command) :] != value and items[at] is value:
                items[at] = line[len(command) :]

    def key(self, key: Any) -> Any:
        """Return a key of an object, which may be a secret, too."""
        edits = self._rules.edits(key, True) if isinstance(key, str) and len(key) >= _LONG else None
        return apply(key, edits) if edits else key

    def text(self, value: str, structural: bool = False) -> str:
        """Return a text after its edits: walked as JSON if that is what it holds."""
        if value[:1] in ("{", "["):
            inner = decode_json(value)
            if isinstance(inner, (dict, list)):
                changed = Walk(self._rules).walk(inner)
                return value if changed is inner else encode_json(changed).decode()
        if value[:2] in ('"{', '"[', '"\\') and isinstance(quoted := decode_json(value), str):
            changed = self.text(quoted)
            return value if changed is quoted else encode_json(changed).decode()
        edits = self._rules.edits(value, structural)
        return apply(value, edits) if edits else value

    def _text(self, value: str, path: Path, owner: tuple[Any, ...], listed: bool) -> str:
        structural = bool(path) and path[-1] in _STRUCTURE
        is_piece = self._pieces is None or (bool(path) and path[-1] in self._pieces)
        if self._on_piece is not None and (is_piece or listed) and not structural:
            piece = self._on_piece(path if is_piece else path + LISTED, owner, value)
            return value if piece is None else piece
        return self.text(value, structural)

    def _deep(self, value: Any) -> Any:
        """Return what lies too deep to be walked after the edits of its JSON; a text of it where that is spoilt."""
        if not isinstance(value, (dict, list)):
            return value
        text = encode_json(value).decode()
        edits = self._rules.edits(text)
        if not edits:
            return value
        changed = apply(text, edits)
        return decode_json(changed) or changed


def _without_tokens_again(changed: dict[Any, Any], before: dict[Any, Any]) -> dict[Any, Any]:
    """Take the letters of tokens, and the tokens that might have been, from beside tokens that have changed."""
    if any(name in before and changed.get(name) is not before[name] for name in TOKENS):
        for name in _TOKENS_AGAIN:
            if changed.get(name):
                changed[name] = None
    return changed


def _numbered(item: Any, owner: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return the indexes of the list items that a value is in, for those that say theirs."""
    return (*owner, item.get("index")) if isinstance(item, dict) and "index" in item else owner
