"""Secrets of any length that follow a header: private keys, YAML block scalars, Kubernetes secrets, tables."""

from __future__ import annotations

import re
from collections.abc import Iterator

from autolog._redaction.names import holds_password, suggests_secret
from autolog._redaction.objects import is_named_secret
from autolog._redaction.spans import MAYBE_QUOTE, PASSWORD, Span
from autolog._redaction.values import is_chosen, is_label, is_word


def blocks_in(text: bytes, lowered: bytes) -> Iterator[Span]:
    """Return the spans of secrets in such blocks, in no particular order; spans may overlap.

    Args:
        lowered: the text in lower case.
    """
    for search in (_private_keys, _putty_keys, _yaml_blocks, _secret_manifests, _columns):
        yield from search(text, lowered)


_PRIVATE_KEY = re.compile(
    rb"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----[\s\S]*?"
    rb"(?:-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----|\Z)"
)


_KEY_DATA = re.compile(rb"[A-Za-z0-9+/=]{20}")


def _private_keys(text: bytes, _: bytes) -> Iterator[Span]:
    if b"PRIVATE KEY" in text:
        yield from (found.span() for found in _PRIVATE_KEY.finditer(text) if _KEY_DATA.search(text, *found.span()))


_PUTTY_KEY = re.compile(rb"P(?=r)rivate-Lines: ?\d+((?:\s|\\[nr]|[A-Za-z0-9+/=])++)")


def _putty_keys(text: bytes, _: bytes) -> Iterator[Span]:
    yield from (found.span(1) for found in _PUTTY_KEY.finditer(text))


#: The start of a YAML block scalar; two searches for one character each are faster than one search for either.
_BLOCKS = tuple(
    re.compile(
        sign
        + rb"(?:(?<=:%b)|(?<=:[ \t]%b)|(?<=:[ \t]{2}%b))" % (sign, sign, sign)
        + rb"[+-]?\d?[ \t]{0,4}\r?\n([ \t]{1,40}+)"
    )
    for sign in (rb"\|", rb">")
)
_BLOCK_NAME = re.compile(rb"(?:\A|\n)[ \t-]{0,40}[\"']?([\w.-]{3,80})[\"']?:[ \t]{0,4}\Z")


def _yaml_blocks(text: bytes, _: bytes) -> Iterator[Span]:
    """Find YAML block scalars under the name of a secret: all lines indented as deeply as the first."""
    at = 0
    blocks = (found for pattern in _BLOCKS for found in pattern.finditer(text))
    for found in sorted(blocks, key=re.Match.start):
        start = found.start()
        name = _BLOCK_NAME.search(text, max(at, start - 135), start)
        if name and suggests_secret(name[1].decode()):
            at = found.end()
            while (line_end := text.find(b"\n", at)) >= 0 and text.startswith(found[1], line_end + 1):
                at = line_end + 1
            at = len(text) if line_end < 0 else line_end
            yield found.end(), at


_MANIFEST = re.compile(rb"kind: ?" + MAYBE_QUOTE + rb"secret(?![\w-])")
_DATA = re.compile(rb"(?:\A|[\n\"])([ \t]*+)(?:string)?data:[ \t]*+\n((?:\1[ \t]++[^\n]*+(?:\n|\Z))++)")
_ENTRY = re.compile(rb"(?:\A|\n)[ \t]*+[\w.-]{1,100}:[ \t]++(?![|>][+-]?(?:\n|\Z))([^\s\[][^\n]{3,})")
#: A multi-line value: a key, and the lines indented more deeply below it.
_TEXT = re.compile(rb"(?:\A|\n)([ \t]*+)[\w.-]{1,100}:[ \t]++[|>][+-]?\n((?:\1[ \t]++[^\n]*+(?:\n|\Z))++)")


def _secret_manifests(text: bytes, lowered: bytes) -> Iterator[Span]:
    """Find the values of Kubernetes `Secret` manifests, each in its own YAML document."""
    if b"kind:" not in lowered or not _MANIFEST.search(lowered):
        return
    at = 0
    for end in [*(found.start() for found in re.finditer(rb"\n---", lowered)), len(text)]:
        if _MANIFEST.search(lowered, at, end):
            for data in _DATA.finditer(lowered, at, end):
                inner, start = text[slice(*data.span(2))], data.start(2)
                yield from ((start + entry.start(1), start + entry.end(1)) for entry in _ENTRY.finditer(inner))
                yield from ((start + value.start(2), start + value.end(2)) for value in _TEXT.finditer(inner))
        at = end


#: The names of columns with secrets, by the words in them, and the header row of a table with such a column: CSV,
#: tab-separated or Markdown.
_COLUMN_END = rb"(?=\\*[\"' ]{0,3}(?:[|\t;,\r\n]|\\{1,4}[tnr])|[ ]{2})"
_COLUMNS = {
    frozenset({b"pass", b"pwd", b"pw"}): re.compile(rb"p(?:asswor[dt]|ass(?:wd)?|wd?)" + _COLUMN_END),
    frozenset({b"key", b"token"}): re.compile(rb"k(?:(?<=api[-_ ]k)ey|(?<=apik)ey|en(?<=token))" + _COLUMN_END),
    frozenset({b"secret"}): re.compile(rb"c(?<=sec)ret" + _COLUMN_END),
}
_HEADS = tuple(
    re.compile(name + rb"[^\n]{0,200}\n")
    for name in (
        rb"p(?=[aw])(?:assw(?:or[dt]|d)|(?:asswor[dt]|ass(?:wd)?|wd?)" + _COLUMN_END + rb")",
        *(column.pattern for named, column in _COLUMNS.items() if b"pass" not in named),
    )
)
#: The furthest into its line that the column's name is looked for, in bytes.
_MOST_BEFORE = 200
_LONGEST_LINE = 1000
_SEPARATORS = (b"|", b"\t", b";", b",")
_NAME_OF_COLUMN = re.compile(r"(?:[\w.-]{1,30}(?: [\w.-]{1,30}){0,2})?")


#: Columns of users, beside which a password may be a word of letters.
_USERS = frozenset({"user", "username", "user name", "user_name", "login", "email"})


def _columns(text: bytes, lowered: bytes) -> Iterator[Span]:
    """Find the cells of a table's columns of passwords, keys or tokens."""
    for head in _HEADS:
        yield from _columns_under(head, text, lowered)


def _columns_under(header: re.Pattern[bytes], text: bytes, lowered: bytes) -> Iterator[Span]:
    at = 0
    while match := header.search(lowered, at):
        earliest = max(at, match.start() - _MOST_BEFORE - 1)
        start = max(earliest, lowered.rfind(b"\n", earliest, match.start()) + 1)
        at, head = match.end(), lowered[start : match.end() - 1]
        separator = next((sign for sign in _SEPARATORS if sign in head), None)
        if start and lowered[start - 1 : start] != b"\n":
            continue
        if separator is None:
            spans, at = _aligned(head, text, at)
            yield from spans
            continue
        names = [_cell(name) for name in head.split(separator)]
        if sum(map(bool, names)) < (1 if separator == b"|" else 2) or _is_row(lowered, start, separator, len(names)):
            continue  # a list with one item on each line, or a row further down in a table
        columns = [number for number, name in enumerate(names) if _may_be_secret(name)]
        if not all(map(_NAME_OF_COLUMN.fullmatch, names)):
            continue
        of_user = not _USERS.isdisjoint(names)
        while columns and at < len(text):
            line = text[at : _line_end(text, at)]
            cells = line.split(separator)
            if line.startswith(b"+-") or not line.strip(b"-+"):  # a table's border
                at += len(line) + 1
                continue
            if len(cells) != len(names):
                break
            for number in columns:
                start = at + sum(len(cell) + 1 for cell in cells[:number])
                cell = _cell(cells[number])
                letters = of_user and holds_password(names[number]) and is_word(cell) and not is_label(cell)
                if letters or is_named_secret(names[number], cell, is_chosen):
                    yield start, start + len(cells[number])
            at += len(line) + 1


_ALIGNED = re.compile(rb"\S+(?: \S+)*")
_ALIGNED_VALUE = re.compile(rb"\S{6,512}")


def _aligned(head: bytes, text: bytes, at: int) -> tuple[list[Span], int]:
    """Find the cells of columns that are aligned by blanks.

    Args:
        head: the line with the names of the columns, in lower case.
        at: the offset of the line after it.

    Returns:
        The spans, and the offset at which the table ends.
    """
    columns = [(found.start(), found[0].decode("latin-1")) for found in _ALIGNED.finditer(head)]
    secret = [(place, name) for place, name in columns if _may_be_secret(name)]
    spans: list[Span] = []
    if len(columns) < 2 or not secret or not all(_NAME_OF_COLUMN.fullmatch(name) for _, name in columns):
        return spans, at
    while (line := text[at : _line_end(text, at)]).strip():
        for place, name in secret:
            value = _ALIGNED_VALUE.match(line, place)
            alone = line[max(0, place - 1) : place].isspace() or not place
            if value and alone and is_named_secret(name, value[0].decode("latin-1"), is_chosen):
                spans.append((at + value.start(), at + value.end()))
        at += len(line) + 1
    return spans, at


def _is_row(text: bytes, start: int, separator: bytes, cells: int) -> bool:
    """Return whether the line before an offset has as many cells, so that the one at the offset is no heading."""
    before = text[max(0, text.rfind(b"\n", max(0, start - _LONGEST_LINE), max(0, start - 1)) + 1) : max(0, start - 1)]
    return before.count(separator) == cells - 1 and not before.startswith(b"+-")


def _may_be_secret(name: str) -> bool:
    return name == "pass" or holds_password(name) or suggests_secret(name)


def _cell(text: bytes) -> str:
    return text.strip(b" \"'\r").decode("latin-1")


def _line_end(text: bytes, at: int) -> int:
    end = text.find(b"\n", at)
    return len(text) if end < 0 else end


def may_hold_column(lowered: bytes, words: frozenset[bytes]) -> bool:
    """Return whether the name of a secret is next to a cell separator in a lower-case body, as in a column heading.

    Args:
        words: words that may occur in the body, among them those in `_COLUMNS`.
    """
    if b"pass" in words and any(map(_is_beside_separator, PASSWORD.finditer(lowered))):
        return True
    columns = [column for named, column in _COLUMNS.items() if not words.isdisjoint(named)]
    return any(_is_heading(found) for column in columns for found in column.finditer(lowered))


def _is_beside_separator(found: re.Match[bytes]) -> bool:
    text, (start, end) = found.string, found.span()
    before = text[max(0, start - 30) : start].replace(b"\\t", b"\t").rstrip(b" \\\"'")
    after = text[end : end + 10].replace(b"\\t", b"\t").lstrip(b" \\\"'")
    return before.endswith(_SEPARATORS) or after.startswith(_SEPARATORS)


#: What comes before the name in a heading: the start of the line, or a separator.
_BEFORE_HEADING = re.compile(rb"(?:\A|[|\t;,\n\"]|\\[tnr]|[ ]{2})[\\\"' ]{0,4}(?:[\w-]{0,30}|api )\Z")


def _is_heading(found: re.Match[bytes]) -> bool:
    start = found.start()
    return _BEFORE_HEADING.search(found.string[max(0, start - 36) : start]) is not None
