"""Compress bodies for the SQLite store: zstd, with a dictionary of the store's own bodies.

A program's calls resemble each other, but are too short for compression to benefit one by one. With a dictionary, they
take a third less space at the same speed. It is made of the latest bodies once there are enough, and again when there
are many times as many, because programs change; each compressed frame names its dictionary.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Callable
from typing import Any

from autolog._record.zstd import zstd

LEVEL = 3
#: The number of records at which the first dictionary is made, and the factor by which it grows for the next.
FIRST, FACTOR = 200, 20
#: The number of samples for a dictionary, the most bytes of each, and the dictionary's content in bytes. It consists
#: of the beginnings of bodies, and takes a millisecond, while writers wait. One of 16 kB that zstd selects from longer
#: samples takes 15 to 30 ms, and compresses the recorded calls of OpenAI's SDK to 88 % instead of 59 % of what they
#: take without, those of all SDKs mixed to 91 % instead of 90 %.
_SAMPLES, _SAMPLE, _SIZE = 64, 1_024, 32_768
#: The most bytes of a dictionary's header.
_HEADER = 1_024
#: Samples are taken from every `_STRIDE`th of the latest records; with fewer than `_FEW`, no dictionary is made.
_STRIDE = 5
_FEW = 20


class Bodies:
    """Compresses and decompresses bodies for one store. Only the writer may call `pack`; any thread may `unpack`."""

    def __init__(self) -> None:
        self.start_over()

    def start_over(self) -> None:
        """Forget all dictionaries, for a new store."""
        self._known: dict[int, zstd.ZstdDict] = {}
        self._compressor = zstd.ZstdCompressor(LEVEL)
        self._due = FIRST

    def pack(self, body: bytes | None) -> bytes | None:
        if body is None:
            return None
        self._compressor.set_pledged_input_size(len(body))
        return self._compressor.compress(body, self._compressor.FLUSH_FRAME)

    def unpack(self, db: sqlite3.Connection, packed: bytes | None) -> bytes | None:
        """Return the original body.

        Raises:
            zstd.ZstdError: if the data is damaged, or its dictionary is missing.
        """
        if packed is None:
            return None
        needed = zstd.get_frame_info(packed).dictionary_id
        if needed and needed not in self._known:
            self.load(db)
        return zstd.decompress(packed, zstd_dict=self._known.get(needed))

    def has(self, connection: Callable[[], Any], request: bytes | None, response: bytes | None, text: str) -> bool:
        """Return whether a text, or its JSON-escaped form, is in one of two packed bodies, ignoring case."""
        needles = {text.casefold(), json.dumps(text.casefold())[1:-1].casefold()}
        for packed in (request, response):
            body = self.unpack(connection(), packed)
            if body is not None:
                words = body.decode(errors="replace").casefold()
                if any(needle in words for needle in needles):
                    return True
        return False

    def load(self, db: sqlite3.Connection) -> None:
        """Load all dictionaries; the newest is used for packing."""
        newest: zstd.ZstdDict | None = None
        for name, n, data in db.execute("SELECT id, n, data FROM dictionary ORDER BY n, id").fetchall():
            if name not in self._known:
                self._known[name] = zstd.ZstdDict(data)
            newest, self._due = self._known[name], n * FACTOR
        if newest is not None:
            self._compressor = zstd.ZstdCompressor(LEVEL, zstd_dict=newest.as_digested_dict)

    def make_dictionary(self, db: sqlite3.Connection, last: int) -> None:
        """Make a dictionary if it is due; called outside of transactions. `last` is the newest sequence number.

        If that fails, bodies are packed without a new dictionary.
        """
        if last < self._due:
            return
        with contextlib.suppress(sqlite3.Error, zstd.ZstdError, ValueError):
            self.load(db)  # another process may have been faster
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
            content = b"".join(reversed(samples))[-_SIZE:]  # the newest last: a short distance takes less
            dictionary = zstd.finalize_dict(zstd.ZstdDict(content, is_raw=True), samples, _SIZE + _HEADER, LEVEL)
            db.execute(
                "INSERT OR IGNORE INTO dictionary VALUES (?, ?, ?)", (dictionary.dict_id, last, dictionary.dict_content)
            )
            self.load(db)
