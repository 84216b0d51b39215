"""The readiness of the server: whether the store can be written now."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from time import monotonic

from autolog.errors import StoreError
from autolog.server._writer import Writer

#: How long a test write may take until the server is considered not ready, in seconds.
PATIENCE = 5.0
#: How long the result of a test write is reused, in seconds, because anybody may ask at any rate.
VALID_FOR = 1.0


class Readiness:
    """Finds out whether a log would be accepted now, by one small write that all requests share."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self._began = -VALID_FOR
        self._trial: asyncio.Task[str | None] | None = None

    async def problem(self) -> str | None:
        """Return why nothing can be written; None if writing works."""
        if self._trial is None or (self._trial.done() and monotonic() - self._began > VALID_FOR):
            self._began = monotonic()
            self._trial = asyncio.create_task(self._write())
        return await asyncio.shield(self._trial)

    async def _write(self) -> str | None:
        data = {"at": datetime.now(UTC).isoformat()}
        try:
            async with asyncio.timeout(PATIENCE):
                await self._writer.perform(lambda store: store.put_document("health", "ready", data))
        except TimeoutError:
            return f"the store has not answered for {PATIENCE:g} seconds"
        except StoreError as error:
            return error.problem
        return None
