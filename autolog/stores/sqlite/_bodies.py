"""Bodies as the SQLite store keeps them: zstd, with a dictionary that the store's own bodies have trained.

Calls of one program resemble each other, but are too short to show it one by one: with a dictionary they take a third
less space and no more time. It is trained from the latest bodies when there are some, and again when there are many
times as many, for programs change; each frame says which one it needs.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Callable
from typing import Any

from autolog._record.zstd import zstd

LEVEL = 3
#: The number of records after which the first dictionary is trained, and how many times as many there are at the next.
FIRST, FACTOR = 200, 20
#: What a dictionary is made of, and its size in bytes. More samples take longer, and writing waits meanwhile: 256 took
#: 35 ms, and what they packed was 3 % smaller.
_SAMPLES, _SAMPLE, _SIZE = 64, 8_192, 16_384
#: Every so manieth of the latest records is a sample.
_STRIDE = 5
_FEW = 20


class Bodies:
    """Packs and unpacks bodies for one store. Packing is for the writer alone; unpacking for any thread."""

    def __init__(self) -> None:
        self.start_over()

    def start_over(self) -> None:
        """Forget all dictionaries: the store is a new one."""
        self._known: dict[int, zstd.ZstdDict] = {}
        self._compressor = zstd.ZstdCompressor(LEVEL)
        self._due = FIRST

    def pack(self, body: bytes | None) -> bytes | None:
        if body is None:
            return None
        self._compressor.set_pledged_input_size(len(body))
        return self._compressor.compress(body, self._compressor.FLUSH_FRAME)

    def unpack(self, db: sqlite3.Connection, packed: bytes | None) -> bytes | None:
        """Return a body as it was.

        Raises:
            zstd.ZstdError: it is damaged, or its dictionary is gone.
        """
        if packed is None:
            return None
        needed = zstd.get_frame_info(packed).dictionary_id
        if needed and needed not in self._known:
            self.load(db)
        return zstd.decompress(packed, zstd_dict=self._known.get(needed))

    def has(self, connection: Callable[[], Any], request: bytes | None, response: bytes | None, text: str) -> bool:
        """Return whether a text is in one of two packed bodies, whatever the case, also as JSON escapes it."""
        needles = {text.casefold(), json.dumps(text.casefold())[1:-1].casefold()}
        for packed in (request, response):
            body = self.unpack(connection(), packed)
            if body is not None:
                words = body.decode(errors="replace").casefold()
                if any(needle in words for needle in needles):
                    return True
        return False

    def load(self, db: sqlite3.Connection) -> None:
        """Read the dictionaries that there are; the newest is for packing."""
        newest: zstd.ZstdDict | None = None
        for name, n, data in db.execute("SELECT id, n, data FROM dictionary ORDER BY n, id").fetchall():
            if name not in self._known:
                self._known[name] = zstd.ZstdDict(data)
            newest, self._due = self._known[name], n * FACTOR
        if newest is not None:
            self._compressor = zstd.ZstdCompressor(LEVEL, zstd_dict=newest.as_digested_dict)

    def train(self, db: sqlite3.Connection, last: int) -> None:
        """Train a dictionary if it is time; outside of a transaction. `last`: the newest sequence number.

        If training fails, go on without a dictionary.
        """
        if last < self._due:
            return
        with contextlib.suppress(sqlite3.Error, zstd.ZstdError, ValueError):
            self.load(db)  # another process may have been first
            if last < self._due:
                return
            self._due = last * FACTOR
            newest = db.execute(
                "SELECT request_body, response_body FROM body WHERE n % ? = 0 ORDER BY n DESC LIMIT ?",
                (_STRIDE, _SAMPLES // 2),
            )
            samples = [body[:_SAMPLE] for row in newest for packed in row if (body := self.unpack(db, packed))]
            if len(samples) < _FEW:
                return
            made = zstd.train_dict(samples, _SIZE)
            db.execute("INSERT OR IGNORE INTO dictionary VALUES (?, ?, ?)", (made.dict_id, last, made.dict_content))
            self.load(db)
