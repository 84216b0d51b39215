"""Edit texts that arrive in pieces, spread over the events of a stream or the tokens of a list, as wholes."""

from __future__ import annotations

from bisect import bisect_left
from typing import Any

from autolog._record.bodies import decode_json
from autolog._redaction.walk import LISTED, Edit, Path, Rules, Walk, apply, without_overlaps

#: Fields of an event that identify the text to which its pieces belong.
_SOURCE = ("type", "index", "output_index", "content_index", "summary_index", "item_id")
#: The least length of a text that, repeated by all events, is not a piece of a longer text.
REPEATED = 8
#: Shorter pieces are too short to contain a whole secret.
_LONG = 16

#: The identity of a text in a stream: its path, the indexes of its owners, and its source.
_Place = tuple[Any, ...]


def edit_in_pieces(events: list[Any], rules: Rules, names: tuple[str, ...] | None = None) -> list[Any]:
    """Return events after all edits; events without edits are the same objects.

    Args:
        events: the events' JSON values, in order.
        rules: the edits to make.
        names: the keys of texts that arrive in pieces; None for all keys except those of the format's own words.
    """
    rules.prepare(events)
    collector = _Collector(rules, names)
    found = collector.walk(events)
    edited = {
        place: new
        for place, texts in collector.texts.items()
        if (new := (_edited_list if place[0][-1:] == LISTED else _edited)(texts, rules)) is not None
    }
    if not edited:
        return found
    changed = {
        number
        for place, texts in edited.items()
        for number, new, old in zip(collector.numbers[place], texts, collector.texts[place], strict=True)
        if new != old
    }
    replacer = _Replacer(rules, names, edited, collector.numbers)
    return [replacer.walk(event, at) if at in changed else found[at] for at, event in enumerate(events)]


class _Collector:
    """Walks over events and collects the pieces of each text, with the numbers of the events that contain them."""

    def __init__(self, rules: Rules, names: tuple[str, ...] | None) -> None:
        self.texts: dict[_Place, list[str]] = {}
        self.numbers: dict[_Place, list[int]] = {}
        self._walk = Walk(rules, self._collect, names)
        self._number = 0
        self._source: _Place = ()

    def walk(self, events: list[Any]) -> list[Any]:
        edited = []
        for self._number, event in enumerate(events):
            self._source = _source(event)
            edited.append(self._walk.walk(event, listed=True))
        return edited

    def _collect(self, path: Path, owner: tuple[Any, ...], text: str) -> None:
        place = (path, str(owner), self._source)
        self.texts.setdefault(place, []).append(text)
        self.numbers.setdefault(place, []).append(self._number)


class _Replacer:
    """Walks over the events that change, and replaces the pieces of each text by the edited ones."""

    def __init__(self, rules: Rules, names: tuple[str, ...] | None, edited: dict[_Place, list[str]],
                 numbers: dict[_Place, list[int]]) -> None:  # fmt: skip
        self._edited = edited
        self._numbers = numbers
        self._walk = Walk(rules, self._replace, names)
        self._number = 0
        self._source: _Place = ()
        self._seen: dict[_Place, int] = {}

    def walk(self, event: Any, number: int) -> Any:
        self._number, self._source, self._seen = number, _source(event), {}
        return self._walk.walk(event, listed=True)

    def _replace(self, path: Path, owner: tuple[Any, ...], text: str) -> str | None:
        place = (path, str(owner), self._source)
        texts = self._edited.get(place)
        if texts is None:
            return None
        seen = self._seen[place] = self._seen.get(place, -1) + 1
        new = texts[bisect_left(self._numbers[place], self._number) + seen]
        return None if new == text else new


def _source(event: Any) -> _Place:
    return tuple(str(event.get(name)) for name in _SOURCE) if isinstance(event, dict) else ()


def _edited(texts: list[str], rules: Rules) -> list[str] | None:
    """Return the pieces of one text after its edits, or None if there are none.

    A replacement goes into the piece in which the replaced part begins.
    """
    whole = "".join(texts)
    if len(texts) == 1 or (whole[:1] in ("{", "[") and isinstance(decode_json(whole), (dict, list))):
        new = Walk(rules).text(whole)
        return None if new is whole else [new, *[""] * (len(texts) - 1)]
    if len(texts[0]) >= REPEATED and texts.count(texts[0]) == len(texts):  # repeated by all events, so not a piece
        new = Walk(rules).text(texts[0])
        return None if new is texts[0] else [new] * len(texts)
    if _grows(texts):
        edits = rules.edits(texts[-1])
        return [_beginning(text, edits) for text in texts] if edits else None
    edits = rules.edits(whole)
    at = 0
    for text in texts:  # a piece may also be a complete text
        if text[:1] in ("{", "[") and (new_text := Walk(rules).text(text)) is not text:
            edits.append((at, at + len(text), new_text))
        elif len(text) >= _LONG:
            edits += [(at + start, at + end, instead) for start, end, instead in rules.edits(text)]
        at += len(text)
    return _spread(whole, texts, without_overlaps(edits)) if edits else None


def _edited_list(texts: list[str], rules: Rules) -> list[str] | None:
    """Return the texts of a list after the edits of each and of all joined, or None if there are no edits."""
    new = [Walk(rules).text(text) for text in texts]
    if len(texts) > 1 and rules.joins_lists:
        whole = "".join(new)
        new = _spread(whole, new, edits) if (edits := rules.edits(whole)) else new
    return None if new == texts else new


def _grows(texts: list[str]) -> bool:
    """Return whether each text repeats the previous one and extends it, as some streams do."""
    return len(texts) >= 3 and 0 < len(texts[0]) < len(texts[-1]) and all(map(str.startswith, texts[1:], texts))


def _beginning(text: str, edits: list[Edit]) -> str:
    """Return a beginning of a text after the edits of the whole; a secret that is cut off at its end is edited, too."""
    return apply(text, [(start, min(end, len(text)), instead) for start, end, instead in edits if start < len(text)])


def _spread(whole: str, texts: list[str], edits: list[Edit]) -> list[str]:
    """Apply the edits of a whole text to its pieces, and return those."""
    pieces, at, number = [], 0, 0
    end = 0
    for text in texts:
        start, end, kept = end, end + len(text), ""
        at = max(at, start)
        while at < end:
            edit = edits[number] if number < len(edits) else None
            if edit is None or edit[0] >= end:
                kept, at = kept + whole[at:end], end
            else:
                kept += whole[at : max(at, edit[0])]
                if start <= edit[0]:
                    kept += edit[2]
                at = min(end, max(edit[1], at))
                number += edit[1] <= end
        pieces.append(kept)
    return pieces
