"""Identifiers: unique, sorted by time, and independent of the program's random numbers."""

from __future__ import annotations

import uuid

from autolog import autolog
from autolog._record.ids import format_span, format_trace, new_record_id, new_span, within
from autolog.testing import Records


@autolog
def add(a: int) -> int:
    return a


def test_seeding_random_does_not_repeat_our_ids(records: Records) -> None:
    import random

    random.seed(1)
    expected = [random.random(), random.random()]
    random.seed(1)
    seen = [random.random()]
    add(1)
    seen.append(random.random())
    random.seed(1)
    add(1)
    assert seen == expected
    assert len({record.span_id for record in records}) == 2


def test_record_ids_are_uuids_that_sort_by_time() -> None:
    ids = [new_record_id(milliseconds) for milliseconds in range(1_790_000_000_000, 1_790_000_001_000)]
    assert ids == sorted(ids)
    assert len(set(ids)) == len(ids)
    assert {(identifier.version, identifier.variant) for identifier in map(uuid.UUID, ids)} == {(7, uuid.RFC_4122)}
    assert uuid.UUID(ids[0]).int >> 80 == 1_790_000_000_000


def test_ids_of_spans_and_traces_have_the_sizes_of_w3c() -> None:
    assert all(0 < new_span() < 2**64 for _ in range(1000))
    assert (len(format_span(1)), len(format_trace(1))) == (16, 32)


def test_no_two_projects_share_a_name() -> None:
    pairs = [
        (project, name) for project in ("a", "a/b", "a%2Fb", "a%", "") for name in ("c", "b/c", "/c", "2Fb/c", "a/c")
    ]
    assert len({within(*pair) for pair in pairs}) == len(pairs)
    assert within("shop", "x/y") == "shop/x/y"
