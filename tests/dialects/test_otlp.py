"""OTLP: spans as records, and records as spans."""

from __future__ import annotations

import json

from dialects.samples import (
    RECORDS,
)
from hypothesis import given, settings

from autolog._record.record import Record
from autolog.dialects import otlp


@settings(deadline=None)
@given(RECORDS)
def test_otlp_round_trip(record: Record) -> None:
    body = json.loads(otlp.encode_request([record]).body)
    (back,) = otlp.decode_traces(body, base64_ids=False)
    for field in ("user", "usage_input_tokens", "usage_output_tokens", "metadata", "request_model"):
        assert getattr(back, field) == getattr(record, field), field
