"""Compare the sums of a time range with those of the equally long range before it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime
from typing import Any, NamedTuple

import click
from rich.text import Text

from autolog._display.figures import dollars, number, seconds
from autolog._display.styled import text
from autolog.cli._options import ReadableStore
from autolog.cli._table import Column, Line, draw
from autolog.stores.query import TIME_GROUPS, Aggregate, Query

_COLUMNS = (Column("calls", right=True, leave=-2), Column("errors", right=True, leave=-1), Column("cost", right=True),
            Column("p95", right=True, leave=1))  # fmt: skip
#: The increase in the share of errors from which on it is marked.
_RISEN = 0.01


class Pair(NamedTuple):
    """The sums of a group now and before; None if it had no calls then."""

    group: str | None
    now: Aggregate | None
    before: Aggregate | None

    def as_json(self) -> dict[str, Any]:
        return {
            "group": self.group,
            "now": None if self.now is None else asdict(self.now),
            "before": None if self.before is None else asdict(self.before),
        }


def compare(store: ReadableStore, query: Query, by: str | None) -> list[Pair]:
    """Return the groups of a time range and of the range before it, those with the most calls first.

    Raises:
        UsageError: if the query has no range, or groups by time.
    """
    if query.since is None:
        raise click.UsageError("--compare needs a range such as --since 1d, to compare with the period before it")
    if by in TIME_GROUPS:
        raise click.UsageError("--compare compares two periods; group by something that occurs in both")
    until = query.until or datetime.now(UTC)
    earlier = replace(query, since=max(_FIRST, query.since - (until - query.since)), until=query.since)
    now = {row.group: row for row in store.aggregate(query, by)}
    before = {row.group: row for row in store.aggregate(earlier, by)}
    return [Pair(group, now.get(group), before.get(group)) for group in dict.fromkeys([*now, *before])]


_FIRST = datetime(1970, 1, 1, tzinfo=UTC)


def comparison_lines(pairs: Sequence[Pair], total: Pair, by: str, width: int | None) -> Iterator[Line]:
    """Yield the lines of a table that shows each figure before and now."""
    rows = [[text("–" if pair.group is None else pair.group), *_cells(pair)] for pair in pairs]
    return draw([Column(by, least=16, most=40), *_COLUMNS], rows, width, [Text("total"), *_cells(total)])


def _cells(pair: Pair) -> list[Text]:
    shares = [row.errors / row.calls if row is not None and row.calls else None for row in (pair.before, pair.now)]
    risen = (shares[1] or 0.0) - (shares[0] or 0.0) >= _RISEN
    return [
        _change(pair, lambda row: number(row.calls), "0"),
        Text(" → ".join("–" if share is None else f"{100 * share:.1f}%" for share in shares), "red" if risen else ""),
        _change(pair, lambda row: dollars(row.cost), "–"),
        _change(pair, lambda row: seconds(row.p95), "–"),
    ]


def _change(pair: Pair, shown: Callable[[Aggregate], str], absent: str) -> Text:
    return Text(" → ".join(absent if row is None else shown(row) for row in (pair.before, pair.now)))
