"""Our own protocol."""

from __future__ import annotations

import json
import tracemalloc

import pytest
from dialects.samples import (
    RECORDS,
)
from hypothesis import given, settings, strategies as st

from autolog._record.record import Record
from autolog.dialects import native
from autolog.dialects._fault import Fault


@settings(deadline=None)
@given(st.lists(RECORDS, max_size=3))
def test_native_round_trip(records: list[Record]) -> None:
    assert native.decode_batch(native.encode_batch(records), native.MSGPACK) == records


def test_a_list_of_too_many_items_is_refused_before_it_is_taken_apart() -> None:
    data = b"[" + b"0," * 4_000_000 + b"0]"
    tracemalloc.start()
    with pytest.raises(Fault, match="more than 100 records"):
        native.decode_batch(data, native.JSON, most=100)
    assert tracemalloc.get_traced_memory()[1] < 3 * len(data)
    tracemalloc.stop()


@pytest.mark.parametrize(
    ("field", "value"),
    [(field, value) for field in ("status_code", "retries", "feedback") for value in (2**64, -(2**64), 10**400)],
)
def test_a_number_that_no_store_holds_is_refused_alone(field: str, value: int) -> None:
    refused, kept = native.decode_batch(json.dumps([{"id": "a", field: value}, {"id": "b"}]).encode(), native.JSON)
    assert isinstance(kept, Record)
    assert refused == native.Refused(f"{field}: is out of range")


@pytest.mark.parametrize("item", [{}, {"foo": 1}, {"messages": [], "Model": "gpt-4o"}])
def test_an_object_with_no_field_of_a_record_is_refused_alone(item: dict[str, object]) -> None:
    refused, kept = native.decode_batch(json.dumps([item, {"request_model": "gpt-4o"}]).encode(), native.JSON)
    assert refused == native.Refused("it has no field of a record")
    assert isinstance(kept, Record)
