"""The journal file: bounded, shared between processes, readable after damage."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

from lines import journal_in

from autolog._record.record import Record
from autolog.dialects import native


def test_the_journal_is_bounded_and_says_what_it_shed(tmp_path: Path) -> None:
    journal = journal_in(tmp_path, max_bytes=3_000)
    for number in range(100):
        journal.add([Record(id=str(number), metadata={"x": os.urandom(50).hex()})])
    waiting = journal.waiting()
    assert 5 < waiting.records < 40
    assert waiting.bytes <= 3_000
    assert journal.shed() == {"journal full": 100 - waiting.records}
    assert [int(record.id) for record, _ in journal.claim(100)][-1] == 99
    young = journal_in(tmp_path, max_age=0)
    assert young.claim(10) == []
    assert young.shed() == {"too old in the journal": waiting.records}


def test_a_claim_is_void_when_its_process_is_gone(tmp_path: Path) -> None:
    journal = journal_in(tmp_path)
    program = f"""
        import os
        from pathlib import Path
        from autolog._delivery.journal import Journal
        from autolog._record.record import Record
        Journal(Path({str(tmp_path / "journal.db")!r}), "somewhere", 10**6, 1000).add([Record(id="a")], claimed=True)
        os.kill(os.getpid(), 9)
        """
    subprocess.run([sys.executable, "-c", textwrap.dedent(program)], check=False)
    assert journal.waiting().records == 1
    held = journal.add([Record(id="mine")], claimed=True)
    claimed = journal.claim(10)
    assert [record.id for record, _ in claimed] == ["a"]
    assert journal.claim(10) == []  # both are ours
    journal.release(held)
    assert [record.id for record, _ in journal.claim(10)] == ["mine"]


def test_what_messagepack_cannot_hold_is_kept_all_the_same(tmp_path: Path) -> None:
    journal = journal_in(tmp_path)
    odd = Record(id="a", input_preview="cut \ud83d", metadata={"n": 2**70, "deep": [{"\udc00": -(2**70)}]})
    journal.add([odd])
    ((back, _),) = journal.claim(1)
    assert back.input_preview == "cut ?"
    assert back.metadata == {"n": hex(2**70), "deep": [{"?": hex(-(2**70))}]}
    (decoded,) = native.decode_batch(native.encode_batch([odd]), native.MSGPACK)
    assert decoded == back
