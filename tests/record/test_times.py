"""Times as counts since 1970."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from autolog._record.times import EPOCH, from_micros, from_nanos, to_micros


@pytest.mark.parametrize("micros", [0, 1, -1, 1_793_491_200_123_456, 253_402_300_799_999_999])
def test_a_time_is_the_same_after_both_conversions(micros: int) -> None:
    assert to_micros(from_micros(micros)) == micros


def test_a_time_of_another_zone_is_the_same_moment() -> None:
    there = datetime(1970, 1, 1, 5, 30, tzinfo=timezone(timedelta(hours=5, minutes=30)))
    assert to_micros(there) == 0
    assert from_micros(0) == EPOCH == datetime(1970, 1, 1, tzinfo=UTC)


def test_nanoseconds_are_cut_to_microseconds() -> None:
    assert [from_nanos(nanos).microsecond for nanos in (999, 1_000, 1_999)] == [0, 1, 1]


def test_records_can_be_read_that_were_first_used_while_the_time_was_frozen(tmp_path: Path) -> None:
    program = """
        import datetime, sys
        real = datetime.datetime
        class Frozen(real):
            def __add__(self, other): return Frozen.fromtimestamp((real(*self.timetuple()[:6], tzinfo=self.tzinfo) + other).timestamp(), self.tzinfo)
        datetime.datetime = Frozen  # as freezegun does
        import autolog
        autolog.configure(store="sqlite:///logs.db")
        with autolog.span("frozen"): pass
        assert autolog.flush(30)
        from autolog.stores import open_store
        from autolog.stores.query import Query
        datetime.datetime = real
        for module in list(sys.modules.values()):
            if getattr(module, "datetime", None) is Frozen: module.datetime = real
        (record,) = open_store("sqlite:///logs.db").find(Query(), 10)
        assert type(record.created_at) is real
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)], cwd=tmp_path, capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")
