"""From records to a sink: in batches, tried again with growing pauses, kept in the journal while the sink is away.

A sink that fails makes no record wait in memory for long: what it could not take goes to the journal at once, and what
comes meanwhile too. When it works again, or in the next process that ships to the same place, the journal is resent.
Without a journal records wait in memory, bounded; what no longer fits is dropped and counted by reason.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from itertools import islice
from time import monotonic
from typing import TYPE_CHECKING, Protocol, TypeAlias

from autolog._delivery.worker import Worker
from autolog._guard import guard, logger, report
from autolog._ids import random_share
from autolog.errors import AutologError, StoreError

if TYPE_CHECKING:
    from autolog._delivery.journal import Journal
    from autolog._record.record import Record

#: How many records go to the sink at once.
BATCH = 500
#: The longest pause between two tries of a sink that fails, in seconds.
MAX_PAUSE = 15.0
#: With a journal, how much waits in memory behind a sink that is slow: records, bytes, and seconds.
MAX_WAITING, MAX_WAITING_BYTES, PATIENCE = 5_000, 32 * 1024 * 1024, 1.0


class Sink(Protocol):
    """Where records go.

    `write` returns when they are kept, with how many were refused for good (None for none), or raises: `Undelivered`
    if some are kept already, anything if none is. It may get the same record twice.
    """

    def write(self, records: Sequence[Record]) -> int | None: ...

    def close(self) -> None: ...


#: A record, and its place in the journal if it is there already.
Entry: TypeAlias = "tuple[Record, int | None]"


class Delivery(Worker):
    """Brings records to one sink.

    Args:
        open_sink: opens the sink; called on the worker thread, again after a fork and after a failure to open.
        max_records: how many may wait. max_bytes: how large they may be together.
        journal: where to keep what cannot be delivered; None to keep it in memory.
    """

    stage = 1

    def __init__(
        self, open_sink: Callable[[], Sink], max_records: int, max_bytes: int, journal: Journal | None = None
    ) -> None:
        self._open_sink = open_sink
        self._max_records = max_records
        self._max_bytes = max_bytes
        self._journal = journal
        self._sink: Sink | None = None
        super().__init__()
        self.notebook = journal

    def start_over(self) -> None:
        super().start_over()
        self._items: deque[Entry] = deque()
        self._bytes = 0
        self._pause = 0.0
        self._retry_at = 0.0
        self._sending_since: float | None = None
        self._backlog = self._journal is not None and self._journal.exists()
        self._may_keep = self._journal is not None
        self._keep_at = 0.0
        self.written = 0
        self.last_error: str | None = None
        # A connection must not be used, nor closed, on the other side of a fork: let it go unclosed.
        self._inherited, self._sink = self._sink, None

    # From the reader's thread

    def put(self, records: Sequence[Record]) -> None:
        """Hand over records. Never raises."""
        if records and self._crowded(records):
            if self.keep(records):
                return
            if self._full(records):
                self._drop("queue full", len(records))
                return
        self._take([(record, None) for record in records])

    def put_safely(self, records: Sequence[Record]) -> None:
        """Hand over records that are to be on disk first."""
        places: Sequence[int | None] = self._add_to_journal(records, held=True) or [None] * len(records)
        self._take(list(zip(records, places, strict=True)))

    def keep(self, records: Sequence[Record]) -> bool:
        """Put records into the journal, to be sent from there; False if it cannot take them."""
        kept = self._add_to_journal(records) is not None
        if kept:
            self._backlog = True
            self.look()
        return kept

    @property
    def has_journal(self) -> bool:
        """Whether there is a journal, and it could be written when that was last tried."""
        return self._may_keep or (self._journal is not None and monotonic() >= self._keep_at)

    @property
    def queued(self) -> int:
        return len(self._items)

    @property
    def waiting(self) -> int:
        """How many records are in the journal for this sink, put there by whichever process."""
        return self._journal.waiting().records if self._journal is not None and self._backlog else 0

    def look(self) -> None:
        """Let the thread resend what is in the journal, if it sleeps."""
        if self._backlog and self._idle:
            self.rouse()

    def hasten(self) -> None:
        self._retry_at = 0.0
        super().hasten()

    def flush(self, timeout: float) -> bool:
        """Wait until all that was handed over is with the sink; False if it is not in time, or only in the journal."""
        deadline = monotonic() + timeout
        self.look()
        done = super().flush(timeout)
        while self._backlog and monotonic() < deadline:
            with self._drained:
                self._drained.wait(0.01)
        return done and not self._backlog

    def finish(self, timeout: float) -> bool:
        if self.last_error is not None and self.has_journal and self._items:
            self.give_up()  # it is away: the journal is quicker than another try
            return False
        return super().finish(timeout)

    def close(self, timeout: float) -> bool:
        done = super().close(timeout)
        if self._sink is not None and (done or not self._sending_since):
            with guard("closing the sink"):
                self._sink.close()
            self._sink = None
        return done

    def give_up(self) -> None:
        """There is no more time: what waits is kept in the journal, or lost."""
        if self._journal is not None:
            self._journal.hurry()
        held = self._work.acquire(timeout=0.1)  # in vain if the sink hangs
        try:
            entries = list(self._items)
            if self._set_aside(entries):
                self._items.clear()
            else:
                super().give_up()
        finally:
            if held:
                self._work.release()

    def _full(self, records: Sequence[Record]) -> bool:
        """Whether there is no room for these."""
        return len(self._items) + len(records) > self._max_records or self._bytes > self._max_bytes

    def _crowded(self, records: Sequence[Record]) -> bool:
        """Whether there is a better place for these than here."""
        if not self.has_journal:
            return self._full(records)
        since = self._sending_since
        return (
            len(self._items) >= min(MAX_WAITING, self._max_records)
            or self._bytes > min(MAX_WAITING_BYTES, self._max_bytes)
            or (since is not None and monotonic() - since > PATIENCE)
        )

    def _take(self, entries: list[Entry]) -> None:
        self._bytes += sum(_size(record) for record, _ in entries)
        self._items.extend(entries)
        if entries and (self._idle or self._retry_at):
            self.rouse()

    # The journal

    def _add_to_journal(self, records: Sequence[Record], held: bool = False) -> list[int] | None:
        """Their places, or None if the journal cannot take them."""
        if not self.has_journal or self._journal is None:
            return None
        try:
            places = self._journal.add(records, held)
        except AutologError as error:
            self._journal_failed(error)
            return None
        self._may_keep = True
        for reason, count in self._journal.shed().items():
            self._drop(reason, count)
        return places

    def _set_aside(self, entries: list[Entry]) -> bool:
        """Keep entries in the journal, for a later try or another process; False if that is impossible."""
        if self._journal is None:
            return False
        new = [record for record, place in entries if place is None]
        if new and self._add_to_journal(new) is None:
            return False
        if held := [place for _, place in entries if place is not None]:
            try:
                self._journal.release(held)
            except AutologError as error:  # they are there, and nobody's when the claim has run out
                self._journal_failed(error)
        self._backlog = True
        return True

    def _forget(self, entries: Sequence[Entry]) -> None:
        """Entries are delivered: they need no place in the journal."""
        places = [place for _, place in entries if place is not None]
        if places and self._journal is not None:
            try:
                self._journal.remove(places)
            except AutologError as error:  # they will be sent again, and are known there by their ids
                self._journal_failed(error)

    def _journal_failed(self, error: AutologError) -> None:
        self._keep_at = monotonic() + MAX_PAUSE
        if self._may_keep:
            logger.warning("autolog cannot use its journal: %s", error)
        self._may_keep = False

    # On the worker's thread

    @property
    def _batch(self) -> int:
        """How many records go at once; few to a backend that takes one at a time, for a claim does not last."""
        return min(BATCH, getattr(self._sink, "batch", BATCH))

    def _due(self) -> float | None:
        away = max(0.0, self._retry_at - monotonic())
        if self._items:
            return 0 if self.has_journal else away
        return away if self._backlog else None

    def _step(self) -> None:
        if monotonic() < self._retry_at:
            entries = list(self._items)
            if self._set_aside(entries):
                self._leave(len(entries))
        elif self._items:
            batch = list(islice(self._items, self._batch))
            done = self._send([record for record, _ in batch])
            self._forget(batch[:done])
            self._leave(done)
        elif self._backlog and self._journal is not None:
            self._resend(self._journal)

    def _leave(self, count: int) -> None:
        for _ in range(min(count, len(self._items))):
            record, _ = self._items.popleft()
            self._bytes -= _size(record)
        if not self._items:
            self._bytes = 0

    def _resend(self, journal: Journal) -> None:
        try:
            entries = journal.claim(self._batch)
        except AutologError as error:
            self._backlog = False
            self._journal_failed(error)
            return
        self._backlog = bool(entries)
        if entries:
            done = self._send([record for record, _ in entries])
            self._forget(entries[:done])
            if done < len(entries):
                self._set_aside(entries[done:])

    def _send(self, records: list[Record]) -> int:
        """How many of the first are done with: kept by the sink, or refused for good."""
        self._sending_since = monotonic()
        try:
            if self._sink is None:
                self._sink = self._open_sink()
            refused = self._sink.write(records) or 0
        except Exception as error:  # noqa: BLE001 - whatever a sink raises: count, say it once, try again
            if not isinstance(error, (StoreError, OSError)) and self._sink is not None:
                return self._send_singly(records, error)
            done: int = getattr(error, "done", 0)
            self.written += done
            self._failed(error)
            return done
        finally:
            self._sending_since = None
        if refused:
            self._drop("refused by the backend", refused)
        if self.last_error is not None:
            logger.warning("autolog can write records again")
            self.last_error = None
        self.written += len(records) - refused
        self._pause = self._retry_at = 0.0
        return len(records)

    def _send_singly(self, records: list[Record], error: Exception) -> int:
        """A record that the sink cannot take must not hold up the others: find it, and drop it."""
        if len(records) == 1:
            self._drop("cannot be written", 1)
            report("writing a record", error)
            return 1
        for number, record in enumerate(records):
            if not self._send([record]):
                return number
        return len(records)

    def _failed(self, error: Exception) -> None:
        if self.last_error is None:
            known = isinstance(error, StoreError)
            kept = f"; keeping them in {self._journal.path}" if self._journal is not None else ""
            logger.warning(
                "autolog cannot write records, will retry%s: %s", kept, error, exc_info=None if known else error
            )
        self.last_error = f"{type(error).__name__}: {error}"
        self._pause = min(MAX_PAUSE, self._pause * 2 or 0.5)
        asked = getattr(error, "retry_after", None)
        jitter = 0.75 + 0.5 * random_share()
        self._retry_at = monotonic() + (self._pause * jitter if asked is None else min(asked, MAX_PAUSE))


def _size(record: Record) -> int:
    return 2_000 + len(record.request_body or b"") + len(record.response_body or b"")
