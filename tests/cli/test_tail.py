"""`autolog tail`."""

from __future__ import annotations

import json
import threading

from commands import output

from autolog._record.record import Record
from autolog.stores._contract import Store


def test_tail(store: Store) -> None:
    later = threading.Timer(0.3, store.write, [[Record(id="0004", name="late"), Record(id="0005", name="later")]])
    later.start()
    assert [json.loads(line)["id"] for line in output("tail", "--json", "--limit", "2").splitlines()] == [
        "0004",
        "0005",
    ]
    later.join()
