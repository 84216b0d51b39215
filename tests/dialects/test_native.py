"""Our own protocol."""

from __future__ import annotations

from dialects.samples import (
    RECORDS,
)
from hypothesis import given, settings, strategies as st

from autolog._record.record import Record
from autolog.dialects import native


@settings(deadline=None)
@given(st.lists(RECORDS, max_size=3))
def test_native_round_trip(records: list[Record]) -> None:
    assert native.decode_batch(native.encode_batch(records), native.MSGPACK) == records
