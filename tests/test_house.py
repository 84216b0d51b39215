"""The structure of the source tree: its rooms, the imports between them, and what `import autolog` loads."""

from __future__ import annotations

import subprocess
import sys

import house

#: What `import autolog` loads of ours: nothing that reads bodies, knows prices, opens a store or touches the network.
LOADED = """
autolog _config _guard _ids _lifecycle _native _recorder _version errors
_capture _capture.context _capture.exchange _capture.graft _capture.http _capture.opentelemetry _capture.patch _capture.patching _capture.scope _capture.snapshot _capture.span
_capture.stream_usage _capture.tee _capture.threads
_delivery _delivery.delivery _delivery.queue _delivery.worker
_record _record.bodies _record.streams
providers providers._facts providers._fields providers._defaults providers._openai_streams providers._openai_usage providers._pieces providers._sdks providers._table
providers.openai
"""


def test_import_loads_exactly_these_modules() -> None:
    code = "import sys, autolog; print(*(name for name in sys.modules if name.split('.')[0] == 'autolog'))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert sorted(loaded) == sorted(name if name == "autolog" else f"autolog.{name}" for name in LOADED.split())


def test_rooms_are_few_and_import_one_another_in_no_circle() -> None:
    rooms, edges = house.room_edges()
    assert len(rooms) <= 30
    assert len(edges) <= 110
    assert not house.circles(edges)
