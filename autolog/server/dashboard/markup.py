"""Values as HTML: JSON that folds, and escaped text."""

from __future__ import annotations

import json
import re
from typing import Any

from markupsafe import Markup, escape

from autolog._display.figures import safe

#: The most nodes of a value that are drawn; the raw body is linked.
MAX_NODES = 4_000
MAX_TEXT = 20_000
#: Objects and lists with more entries than this are folded at first.
OPEN_ENTRIES = 12
_KEY = Markup('<span class="key">{}</span>: ')
_FOLD = Markup("<details{}><summary>{} <i>{}</i> {}</summary><ul>{}</ul></details>")


def text(value: object) -> Markup:
    """Escape text for an element, cut if it is very long. The cut adds an element, so attributes need `plain_text`."""
    shown = str(value)
    if len(shown) > MAX_TEXT:
        return escape(safe(shown[:MAX_TEXT])) + cut(f"{len(shown) - MAX_TEXT:,} more characters")
    return escape(safe(shown))


def marked(value: object, wanted: str | None) -> Markup:
    """Escape text, and mark the search term in it."""
    shown = safe(str(value)[:MAX_TEXT])
    if not wanted:
        return escape(shown)
    pieces = re.split(f"({re.escape(safe(wanted))})", shown, flags=re.IGNORECASE)
    return Markup("").join(
        Markup("<mark>{}</mark>").format(piece) if index % 2 else escape(piece) for index, piece in enumerate(pieces)
    )


def cut(words: str) -> Markup:
    """Return the marker for text that was left out."""
    return Markup('<span class="cut">… {}</span>').format(words)


def json_tree(value: Any) -> Markup:
    """Render JSON as HTML, with parts that fold in `details` elements, coloured by type."""
    return _Tree().draw(value, 0)


class _Tree:
    def __init__(self) -> None:
        self._left = MAX_NODES

    def draw(self, value: Any, depth: int) -> Markup:
        self._left -= 1
        if self._left < 0 or depth > 40:
            return cut("more")
        if isinstance(value, dict):
            return self._fold(
                [(json.dumps(str(key), ensure_ascii=False), item) for key, item in value.items()], "{}", depth
            )
        if isinstance(value, list):
            return self._fold([(None, item) for item in value], "[]", depth)
        if isinstance(value, str):
            return Markup('<span class="str">"{}"</span>').format(text(value))
        word = json.dumps(value, default=str)
        kind = "num" if isinstance(value, (int, float)) and not isinstance(value, bool) else "lit"
        return Markup('<span class="{}">{}</span>').format(kind, word)

    def _fold(self, items: list[tuple[str | None, Any]], brackets: str, depth: int) -> Markup:
        if not items:
            return Markup("<span>{}</span>").format(brackets)
        rows = Markup("").join(
            Markup("<li>{}{}</li>").format("" if key is None else _KEY.format(safe(key)), self.draw(item, depth + 1))
            for key, item in items[: max(0, self._left) + 1]
        )
        state = Markup(" open") if len(items) <= OPEN_ENTRIES and depth < 4 else ""
        return _FOLD.format(state, brackets[0], f"{len(items):,}", brackets[1], rows)
