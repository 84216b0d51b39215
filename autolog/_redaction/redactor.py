"""Redact records: credentials in URLs and headers, keys wherever they occur, and what the user's own rules match.

Bodies are redacted before anything is read from them, so previews, tool calls and errors contain no secrets either. A
body without findings is kept byte for byte.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from operator import attrgetter
from typing import Any

from autolog._guard import report
from autolog._record.bodies import encode_json, without_repeats
from autolog._record.folded import fold
from autolog._record.record import Record
from autolog._redaction.groups import BETWEEN_RECORDS, Pace, clean_texts
from autolog._redaction.headers import KEY_HEADERS
from autolog._redaction.look import is_long_text, lists_joined, may_hold_secret, pieces_joined, several_at_once
from autolog._redaction.objects import hides_secret
from autolog._redaction.pii import hides_number, personal_data
from autolog._redaction.presidio import recognized
from autolog._redaction.rules import read_rules
from autolog._redaction.scrub import comes_in_pieces, scrub_bodies
from autolog._redaction.secrets import secrets_in
from autolog._redaction.spans import Span
from autolog._redaction.walk import Edit, Path, scrub_value, without_overlaps

REDACTED = "[REDACTED]"
#: How many keys from request headers are remembered, to be found elsewhere in records.
_KNOWN = 16
#: How many sets of headers without a secret are remembered; headers are a third of the text of a short chat.
_CLEAN = 64


class Redactor:
    """Removes secrets, and whatever the user's rules match, from records. Not thread-safe."""

    def __init__(self, given: Any, secrets: bool) -> None:
        self._rules = read_rules(given)
        self._looks_at_all = bool(self._rules.patterns or self._rules.fields or self._rules.pii)
        self._secrets = secrets
        environment = (value for name, value in os.environ.items() if name.endswith("_API_KEY") and len(value) >= 16)
        self._known: list[str] = list(dict.fromkeys(environment))[:_KNOWN] if secrets else []
        self._clean: set[tuple[tuple[str, str], ...]] = set()
        self._clean_texts: set[str] = set()
        self._pace = Pace()
        self._own_data = _WalkRules(self, own=True)
        self._conversation = _WalkRules(self, own=False)

    def learn(self, headers: Mapping[str, str]) -> None:
        """Remember the keys in a request's headers (`plain_headers`), which are secrets wherever they occur.

        None is forgotten before the bodies of its record have been searched.
        """
        if not self._secrets:
            return
        for name in KEY_HEADERS & headers.keys():
            value = headers[name].rpartition(" ")[2]
            if len(value) >= 8 and value not in self._known:
                self._known = [value, *self._known]
                self._clean.clear()

    def bodies(self, record: Record) -> tuple[Any, ...]:
        """Redact a record's bodies, or remove them if that fails.

        Returns the record's other texts, for `fields`, if one search has found nothing in them or the bodies.
        """
        try:
            texts = _texts_of(record)
            if self._needs_nothing(record, texts):
                return texts
            scrub_bodies(record, self._conversation if record.kind == "llm" else self._own_data, self._may_concern)
        except Exception as error:  # noqa: BLE001 - whatever it is, nothing unredacted may go on
            _leave_out(record)
            report("redacting a body", error)
        finally:
            self._clean_texts = set()
            self._known = self._known[:_KNOWN]
        return ()

    def searches_together(self, count: int) -> bool:
        """Return whether to search as many records as this together, with `texts_if_clean`."""
        return count > 1 and self._secrets and not self._looks_at_all and self._pace.allows(count)

    def texts_if_clean(self, records: Sequence[Record]) -> list[tuple[Any, ...]]:
        """Return each record's texts, for `fields`, if one search finds nothing in the texts and bodies of all records.

        What is returned for a record that may need redaction is empty.
        """
        texts = [_texts_of(record) for record in records]
        searched = [self._searched_of(*pair) for pair in zip(records, texts, strict=True)]
        found = self._may_hold(BETWEEN_RECORDS.join([text for text in searched if text is not None]))
        self._known = self._known[:_KNOWN]
        self._pace.note(found)
        if found:
            return [()] * len(records)
        for record, text in zip(records, searched, strict=True):
            if text is not None:
                self._note_headers(record)
        return [() if text is None else of_record for text, of_record in zip(searched, texts, strict=True)]

    def fields(self, record: Record, done: tuple[Any, ...] = ()) -> None:
        """Redact everything in a record except its bodies, or remove all texts if that fails.

        Args:
            done: the result of `bodies`: texts that need no second search. What has been read from the bodies since
                needs none either.
        """
        try:
            self._scrub_fields(record, done)
        except Exception as error:  # noqa: BLE001 - whatever it is, nothing unredacted may go on
            _leave_out_all(record)
            report("redacting a record", error)

    def user_function(self, record: Record) -> Record | None:
        """Pass a redacted record to the user's function; return its result, or None to drop the record."""
        if self._rules.function is None:
            return record
        try:
            changed = self._rules.function(record)
            if changed is not None and not isinstance(changed, Record):
                raise TypeError(f"the function in `redact` returned {type(changed).__name__}, not a Record or None")
        except Exception as error:  # noqa: BLE001 - whatever it is, nothing unredacted may go on
            _leave_out_all(record)
            report("redacting a record", error)
            return record
        return changed

    def record(self, record: Record) -> Record | None:
        """Redact everything in a record except its bodies, and pass it to the user's function.

        Returns the function's result, or None to drop the record.
        """
        self.fields(record)
        return self.user_function(record)

    def _scrub_fields(self, record: Record, done: tuple[Any, ...]) -> None:
        texts = _texts_of(record)
        if texts == done:
            return
        read = _READ_FROM_BODIES if done else frozenset[str]()
        given = {
            name: value
            for name, value, before in zip(_TEXT_FIELDS, texts, done or _NO_TEXTS, strict=True)
            if value and value is not before and (before or name not in read)
        }
        if not given or not (self._looks_at_all or (self._secrets and self._may_hold(encode_json(given)))):
            return
        for name, value in given.items():
            new = scrub_value(value, self._own_data, (name,))
            if new is not value:
                setattr(record, name, new)

    def _may_concern(self, body: bytes, kind: str) -> bool:
        if self._looks_at_all or (self._secrets and is_long_text(body)):
            return True
        return self._secrets and ((text := _searched(body, kind)) is None or self._may_hold(text))

    def _needs_nothing(self, record: Record, texts: tuple[Any, ...]) -> bool:
        """Return whether the rules cannot match anything in a record, by one search of all its texts."""
        if self._looks_at_all:
            return False
        searched = self._searched_of(record, texts)
        if searched is None or (self._secrets and self._may_hold(searched)):
            return False
        self._note_headers(record)
        return True

    def _searched_of(self, record: Record, texts: tuple[Any, ...]) -> bytes | None:
        """Return the text to search for all secrets of a record, or None if its bodies have to be walked."""
        seen = record.request_headers if _headers_of(record) in self._clean else None
        searched = [encode_json([text for text in texts if text and text is not seen])]
        for body, kind in (
            (record.request_body, record.request_content_type),
            (record.response_body, record.response_content_type),
        ):
            if body:
                text = None if is_long_text(body) else _searched(body, kind or "")
                if text is None:
                    return None
                searched.append(text)
        return b"\n".join(searched)

    def _note_headers(self, record: Record) -> None:
        """Remember headers without a secret."""
        if len(self._clean) == _CLEAN:
            self._clean.clear()
        self._clean.add(_headers_of(record))

    def _may_hold(self, text: bytes) -> bool:
        """Return whether a text may contain a secret or a key that is remembered."""
        return any(known.encode() in text for known in self._known) or may_hold_secret(text)

    def hides(self, path: Path, value: Any, own: bool) -> Any:
        """Return the replacement of a value under the name of a secret or in one of the user's fields, or the value."""
        if self._secrets and hides_secret(path, value, own):
            return REDACTED
        if self._rules.pii and hides_number(value):
            return REDACTED
        if self._rules.fields and value is not None:
            lowered = tuple(part.lower() for part in path)
            if any(lowered[-len(wanted) :] == wanted for wanted in self._rules.fields):
                return REDACTED
        return value

    def prepare(self, value: Any) -> None:
        """Search the texts of JSON data for secrets together; `edits` need not search those without any again."""
        if self._secrets:
            self._clean_texts = clean_texts(value, lambda text: bool(self._secret_spans(text)))

    def edits(self, text: str, structural: bool = False) -> list[Edit]:
        """Return the edits of a text; the user's patterns do not apply to the format's own words."""
        if text in self._clean_texts and not self._looks_at_all:
            return []
        patterns = () if structural else self._rules.patterns
        spans = [found.span() for pattern in patterns for found in pattern.finditer(text)]
        if self._secrets and text not in self._clean_texts:
            spans += self._secret_spans(text)
        edits = [(start, end, REDACTED) for start, end in spans]
        if self._rules.pii and not structural:
            edits += personal_data(text)
            edits += recognized(text)
        return without_overlaps(edits)

    def _secret_spans(self, text: str) -> list[Span]:
        spans = list(secrets_in(text))
        for known in self._known:
            spans += [found.span() for found in re.finditer(re.escape(known), text)] if known in text else []
        return spans


class _WalkRules:
    """The rules for one kind of walk: through the program's own data, or through a conversation with a model."""

    joins_lists = True

    def __init__(self, redactor: Redactor, own: bool) -> None:
        self._redactor = redactor
        self._own = own
        self.edits = redactor.edits
        self.prepare = redactor.prepare

    def hides(self, path: Path, value: Any) -> Any:
        return self._redactor.hides(path, value, self._own)


def _headers_of(record: Record) -> tuple[tuple[str, str], ...]:
    return tuple((record.request_headers or {}).items())


def _searched(body: bytes, kind: str) -> bytes | None:
    """Return the text to search for the secrets of a body, or None for a body that has to be walked."""
    if "amazon.eventstream" in kind:
        return None
    if not comes_in_pieces(body, kind):
        return b"\n".join((body, lists_joined(body)))
    folded, pieces = fold(body)
    text = without_repeats(folded)
    if several_at_once(text):
        return None
    return b"\n".join((text, pieces, pieces_joined(text), lists_joined(folded)))  # a key may come in pieces


#: Fields of a record that may contain text of the program or the provider, in addition to the bodies.
_TEXT_FIELDS = (
    "name", "caller", "user", "session", "tags", "metadata", "error_type", "error_message",
    "prompt_name", "prompt_variables", "prompt_template", "scores", "request_meta",
    "response_meta", "extra", "input_preview", "output_preview", "request_url", "request_headers",
    "response_headers",
)  # fmt: skip


_texts_of: Callable[[Record], tuple[Any, ...]] = attrgetter(*_TEXT_FIELDS)
_NO_TEXTS = (None,) * len(_TEXT_FIELDS)
#: Text fields that are read from the bodies if the program has not set them.
_READ_FROM_BODIES = frozenset({"name", "error_type", "error_message", "input_preview", "output_preview"})


def _leave_out(record: Record) -> None:
    record.request_body = record.response_body = record.input_preview = record.output_preview = None
    record.media = record.tool_calls = record.prompt_variables = record.prompt_template = None
    record.extra = {**record.extra, "redaction": "failed; the content is left out"}


def _leave_out_all(record: Record) -> None:
    _leave_out(record)
    record.error_message = record.name = None
    record.metadata, record.tags = {}, []
