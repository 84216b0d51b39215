"""Selects the attributes to store in addition to a record's bodies: those with values that are in neither body.

Messages make up most of a span, and some instrumentations send them twice. Storing them with the bodies that were made
from them would make a row three times as large.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from autolog.dialects._chat import parsed
from autolog.dialects.otlp._wire import Attributes
from autolog.providers._fields import objects

#: Texts with fewer characters are always kept.
_LONG = 200


def parse_long(attributes: Attributes) -> Attributes:
    """Return attributes with long texts parsed if they are JSON, once for all functions that read them.

    Numbered attributes are left unparsed, because they are the texts of messages.
    """
    long = {
        key: value
        for key, value in attributes.items()
        if isinstance(value, str) and len(value) >= _LONG and not _NUMBERED.search(key)
    }
    return {**attributes, **{key: parsed(value) for key, value in long.items()}} if long else attributes


_NUMBERED = re.compile(r"\.\d+(\.|$)")


def without_copies(attributes: Attributes, data: Attributes, bodies: Sequence[Any]) -> Attributes:
    """Return attributes without those long texts whose values are all in one of the bodies.

    Args:
        attributes: the attributes as received.
        data: the same attributes, or more, with JSON parsed.
        bodies: the bodies, as JSON data.
    """
    long_keys = [key for key, value in attributes.items() if isinstance(value, str) and len(value) >= _LONG]
    copies = {key for key in long_keys if any(data[key] is body for body in bodies)}  # most are a body as it is
    if len(copies) < len(long_keys):
        parts = [part for body in bodies for part in _parts(body)]
        copies |= {key for key in long_keys if key not in copies and data[key] in parts}
    if len(copies) < len(long_keys):
        leaves = _leaves(bodies)
        copies |= {key for key in long_keys if key not in copies and leaves.issuperset(_leaves([data[key]]))}
    return {key: value for key, value in attributes.items() if key not in copies}


def _parts(body: Any) -> Iterator[Any]:
    """Yield what most bodies were made of: the body itself, its values, and the messages of its choices."""
    yield body
    if isinstance(body, dict):
        yield from body.values()
        yield [choice.get("message") for choice in objects(body.get("choices"))]


def _leaves(values: Iterable[Any]) -> set[Any]:
    """Return the values in JSON data, except the names of kinds of objects, which differ between conventions."""
    found, waiting = set(), [*values]
    for item in waiting:
        if isinstance(item, dict):
            waiting += [inner for key, inner in item.items() if key != "type"]
        elif isinstance(item, list):
            waiting += item
        elif item is not None:
            found.add(item)
    return found
