"""The attributes that are kept beside a record's bodies: those that say something that stands in neither.

The messages of a call are most of its span, and some instrumentations send them twice: kept with the bodies that were
made of them, they would make a row three times as large.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from autolog.dialects._chat import parsed
from autolog.dialects.otlp._wire import Attributes

#: Shorter texts are kept in any case.
_LONG = 200


def parse_long(attributes: Attributes) -> Attributes:
    """Return attributes with long texts that are JSON parsed, once for all who read them.

    Numbered ones stay as they are: they are a message's own texts.
    """
    long = {
        key: value
        for key, value in attributes.items()
        if isinstance(value, str) and len(value) >= _LONG and not _NUMBERED.search(key)
    }
    return {**attributes, **{key: parsed(value) for key, value in long.items()}} if long else attributes


_NUMBERED = re.compile(r"\.\d+(\.|$)")


def beside(attributes: Attributes, data: Attributes, bodies: Sequence[Any]) -> Attributes:
    """Return attributes without the long texts whose every value stands in one of the bodies.

    Args:
        attributes: as they came. data: the same, or more, with JSON parsed. bodies: as data.
    """
    long = [key for key, value in attributes.items() if isinstance(value, str) and len(value) >= _LONG]
    again = {key for key in long if any(data[key] is body for body in bodies)}
    if len(again) < len(long):
        said = {leaf for body in bodies for leaf in _leaves(body)}
        again |= {key for key in long if key not in again and said.issuperset(_leaves(data[key]))}
    return {key: value for key, value in attributes.items() if key not in again}


def _leaves(value: Any) -> Iterator[Any]:
    """Yield the values in JSON data, without the words for the kind of an object, which differ between conventions."""
    waiting = [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, dict):
            waiting += [inner for key, inner in item.items() if key != "type"]
        elif isinstance(item, list):
            waiting += item
        elif item is not None:
            yield item
