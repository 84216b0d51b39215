"""Walk over JSON data and edit its texts, copying only the parts that change."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Protocol

from autolog._record.bodies import decode_json, encode_json
from autolog._redaction.objects import passwords_beside

#: A start offset, an end offset, and the replacement.
Edit = tuple[int, int, str]
#: The keys that lead to a value, outermost first; lists add nothing to a path.
Path = tuple[str, ...]
#: Takes the path of a piece of text, the indexes of its owners and the piece; returns its replacement, or None.
OnPiece = Callable[[Path, tuple[Any, ...], str], "str | None"]

#: Keys of words that belong to the wire format, such as models and types.
_STRUCTURE = frozenset({"model", "type", "object", "role", "finish_reason", "stop_reason", "service_tier", "status"})
#: Keys of a text's tokens, and keys beside them that repeat the tokens' characters.
TOKENS = ("token", "tokens")
_TOKENS_AGAIN = ("bytes", "top_logprobs")
#: The end of the path of a text in a list.
LISTED = ("[]",)
#: Values nested more deeply are searched as text.
_DEPTH = 100
#: Keys of a name and keys of the value that it names, in one object.
_NAMES = frozenset({"name", "Name", "key", "Key", "field", "variable", "header", "param", "parameter", "option"})
_VALUES = frozenset({"value", "Value", "default", "stringValue", "string_value"})
_PRIVATE_PARTS = frozenset({"d", "k", "p", "q", "dp", "dq", "qi"})
#: How many words before an option are searched for the command to which it belongs.
_COMMAND = 8
#: The name in a pair of name and value.
_NAME = re.compile(r"[A-Za-z_][\w.-]{1,60}")
#: The least length of an object's key that may be a secret.
_LONG = 16


class Rules(Protocol):
    """The edits to make in JSON data.

    Attributes:
        joins_lists: whether an edit may span several texts of a list.
    """

    joins_lists: bool

    def hides(self, path: Path, value: Any) -> Any:
        """Return the replacement of a value, or the value itself to keep it."""
        ...

    def prepare(self, value: Any) -> None:
        """Take note of JSON data whose texts are to be edited."""
        ...

    def edits(self, text: str, structural: bool = False) -> list[Edit]:
        """Return the edits of a text, in order and without overlap.

        Args:
            structural: whether the text is a word of the wire format.
        """
        ...


def scrub_value(value: Any, rules: Rules, path: Path = ()) -> Any:
    """Return JSON data after all edits; the same object if there are none."""
    return Walk(rules).walk(value, path)


def without_overlaps(edits: list[Edit]) -> list[Edit]:
    """Return edits in order, with overlapping ones merged into one that keeps the first one's replacement."""
    merged: list[Edit] = []
    for start, end, instead in sorted(edits):
        if merged and start < merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]), merged[-1][2])
        elif start < end:
            merged.append((start, end, instead))
    return merged


def apply(text: str, edits: list[Edit]) -> str:
    """Apply edits to a text; they must be in order and must not overlap."""
    parts: list[str] = []
    at = 0
    for start, end, instead in edits:
        parts += (text[at:start], instead)
        at = end
    return "".join((*parts, text[at:]))


class Walk:
    """A walk over a JSON value that copies what changes and keeps every other object.

    `on_piece` takes the texts in lists and under the keys in `pieces`; if `pieces` is None, all texts except words of
    the wire format.
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
        """Hide values named by another key of the same object: environment variables, headers, attributes.

        The private parts of a JSON Web Key (RFC 7518), recognised by its `kty`, are hidden as well.
        """
        for part in owner.keys() & _PRIVATE_PARTS if "kty" in owner else ():
            changed[part] = self._rules.hides((*path, "private_key"), changed[part])
        for part in ("data", "stringData") if owner.get("kind") == "Secret" else ():  # of Kubernetes
            if isinstance(owner.get(part), dict):
                changed[part] = {
                    key: self._rules.hides((*path, "private_key"), held) for key, held in owner[part].items()
                }
        for key in passwords_beside(owner):
            changed[key] = self._rules.hides((*path, "private_key"), changed[key])
        if _VALUES.isdisjoint(owner):
            return
        values = owner.keys() & _VALUES
        for name in (owner[key] for key in owner.keys() & _NAMES):
            for key in values if isinstance(name, str) else ():
                if isinstance(changed[key], str):
                    changed[key] = self._rules.hides((*path, name), changed[key])
                elif isinstance(changed[key], dict):
                    changed[key] = self.walk(changed[key], (*path, name))

    def _hide_listed(self, words: list[Any], items: list[Any], path: Path) -> None:
        """Hide values that follow their name in a list: the second item of a pair, the value of a command's option."""
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
        """Return an object's key after its edits, because keys may be secrets, too."""
        edits = self._rules.edits(key, True) if isinstance(key, str) and len(key) >= _LONG else None
        return apply(key, edits) if edits else key

    def text(self, value: str, structural: bool = False) -> str:
        """Return a text after its edits; JSON in a text is walked."""
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
        """Return a value nested too deeply to walk, edited as JSON text; the text itself if it is no longer JSON."""
        if not isinstance(value, (dict, list)):
            return value
        text = encode_json(value).decode()
        edits = self._rules.edits(text)
        if not edits:
            return value
        changed = apply(text, edits)
        return decode_json(changed) or changed


def _without_tokens_again(changed: dict[Any, Any], before: dict[Any, Any]) -> dict[Any, Any]:
    """Remove the bytes and the alternatives of tokens that have changed, because they repeat the original text."""
    if any(name in before and changed.get(name) is not before[name] for name in TOKENS):
        for name in _TOKENS_AGAIN:
            if changed.get(name):
                changed[name] = None
    return changed


def _numbered(item: Any, owner: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return the indexes of the list items that contain a value, for items that have an `index`."""
    return (*owner, item.get("index")) if isinstance(item, dict) and "index" in item else owner
