"""Write records to a sink: in batches, retried with backoff, and kept in the journal while the sink is down.

Records do not wait in memory for a failing sink: pending and arriving ones are spilled to the journal at once. The
journal is resent when the sink works again, or by the next process with the same target. Without a journal, a limited
number of records waits in memory; the rest is dropped and counted by reason.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import islice
from time import monotonic
from typing import TYPE_CHECKING, Protocol, TypeAlias

from autolog._delivery.worker import Worker, take_all, wait_until
from autolog._guard import guard, logger, pass_on, report
from autolog._lifecycle import KEEP_TIMEOUT, in_c_library
from autolog._record.ids import random_share
from autolog.errors import AutologError, StoreError

if TYPE_CHECKING:
    from autolog._delivery.journal import Journal
    from autolog._record.record import Record

#: The maximum number of records per write.
BATCH = 500
#: The longest pause between two attempts to write to a failing sink, in seconds.
MAX_PAUSE = 15.0
#: With a journal, the most that waits in memory for a slow sink: records, bytes, and seconds of a single write.
MAX_WAITING, MAX_WAITING_BYTES, PATIENCE = 5_000, 32 * 1024 * 1024, 1.0
#: Bytes up to which a record's size is not why there is no memory to write it.
SMALL = 1_000_000
#: Seconds to wait for other processes to finish writing to the journal, once `KEEP_TIMEOUT` has not been enough.
IMPATIENCE = 0.1


class Sink(Protocol):
    """A destination of records.

    `write` returns once the records are stored, with the number refused permanently (None for none). It raises
    `Undelivered` if only some are stored, and any other error if none is. It may be given the same record twice.
    """

    def write(self, records: Sequence[Record]) -> int | None: ...

    def close(self) -> None: ...


#: A record, and its sequence number in the journal if it has been journalled.
Entry: TypeAlias = "tuple[Record, int | None]"


class Delivery(Worker):
    """Writes records to one sink.

    Args:
        open_sink: opens the sink; called on the worker thread, and again after a fork or a failure to open.
        max_records: the maximum number of pending records.
        max_bytes: their maximum total size, in bytes.
        journal: stores records that cannot be delivered; None to keep them in memory.
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
        self.loss_log = journal

    def reset(self) -> None:
        super().reset()
        self._items: deque[Entry] = deque()
        self._bytes = 0
        self._backoff = 0.0
        self._retry_at = 0.0
        self._sending_since: float | None = None
        self._backlog = self._journal is not None and self._journal.exists()
        self._journal_works = self._journal is not None
        self._journal_retry_at = 0.0
        self._patience = KEEP_TIMEOUT
        self.written = 0
        self.last_error: str | None = None
        # A connection must be neither used nor closed in a forked child: leave it unclosed.
        self._inherited, self._sink = self._sink, None

    # From the queue's thread

    def put(self, records: Sequence[Record]) -> None:
        """Hand over records. Never raises."""
        if records and self._should_spill(records):
            if self.spill(records):
                return
            if self._full(records):
                self._drop("queue full", len(records))
                return
        self._enqueue([(record, None) for record in records])

    def put_durably(self, records: Sequence[Record]) -> None:
        """Write records to the journal, and then hand them over for delivery."""
        seqs = self._add_to_journal(records, claimed=True) or [None] * len(records)
        self._enqueue(list(zip(records, seqs, strict=True)))

    def spill(self, records: Sequence[Record]) -> bool:
        """Write records to the journal, to be sent from there; return False if the journal cannot take them."""
        kept = self._add_to_journal(records) is not None
        if kept:
            self._backlog = True
            self.resume_backlog()
        return kept

    @property
    def has_journal(self) -> bool:
        """Whether there is a journal which was writable at the last attempt, or which is due for another."""
        return self._journal_works or (self._journal is not None and monotonic() >= self._journal_retry_at)

    @property
    def queued(self) -> int:
        return len(self._items)

    @property
    def waiting(self) -> int:
        """The number of journalled records for this sink, from all processes; 0 while the journal cannot be read."""
        if self._journal is None or not self._backlog:
            return 0
        try:
            return self._journal.waiting().records
        except AutologError as error:
            self._journal_failed(error)
            return 0

    def resume_backlog(self) -> None:
        """Wake the thread if the journal holds records to resend."""
        if self._backlog and self._idle:
            self.wake()

    def expedite(self) -> None:
        self._retry_at = 0.0
        super().expedite()

    def flush(self, timeout: float) -> bool:
        """Wait until everything, the journal included, is written; return False after `timeout` seconds."""
        deadline = monotonic() + timeout
        self.resume_backlog()
        done = super().flush(timeout)
        return wait_until(lambda: not self._backlog, deadline) and done

    def drain(self, timeout: float) -> bool:
        if self.last_error is not None and self.has_journal and self._items:
            self.abandon()  # the sink is down: journalling is faster than retrying
            return False
        return super().drain(timeout)

    def close(self, timeout: float) -> bool:
        done = super().close(timeout)
        if self._sink is not None and (done or not self._sending_since):
            with guard("closing the sink"):
                self._sink.close()
            self._sink = None
        return done

    def abandon(self) -> None:
        """Spill pending records to the journal, or drop and count them, because time has run out."""
        held = self._take_work()
        try:
            entries = take_all(self._items)
            self._bytes = 0
            try:
                if entries and not self._spill_at_last(entries):
                    self._drop("not written before exit", len(entries))
            except BaseException:  # raised by a signal handler, for the program
                self._items.extendleft(reversed(entries))
                raise
        finally:
            if held:
                self._work.release()

    def _take_work(self) -> bool:
        """Acquire the thread's `_work` lock; return False if its sink hangs.

        The batch that the thread is writing is then journalled, too, and may be delivered twice.
        """
        deadline = monotonic() + self._patience
        while not (held := self._work.acquire(timeout=0.1)):
            if self._sending_since is not None or monotonic() >= deadline:
                break
        return held

    def _full(self, records: Sequence[Record]) -> bool:
        """Return whether there is no room for these records."""
        return len(self._items) + len(records) > self._max_records or self._bytes > self._max_bytes

    def _should_spill(self, records: Sequence[Record]) -> bool:
        """Return whether these records should go straight to the journal."""
        if not self.has_journal:
            return self._full(records)
        since = self._sending_since
        return (
            len(self._items) >= min(MAX_WAITING, self._max_records)
            or self._bytes > min(MAX_WAITING_BYTES, self._max_bytes)
            or (since is not None and monotonic() - since > PATIENCE)
        )

    def _enqueue(self, entries: list[Entry]) -> None:
        self._bytes += sum(_size(record) for record, _ in entries)
        self._items.extend(entries)
        if entries and (self._idle or self._retry_at):
            self.wake()

    # The journal

    def _add_to_journal(self, records: Sequence[Record], claimed: bool = False) -> list[int | None] | None:
        """Write records to the journal; return what `Journal.add` does, or None if the journal cannot take them."""
        if not self.has_journal or self._journal is None:
            return None
        try:
            seqs = self._journal.add(records, claimed)
        except AutologError as error:
            self._journal_failed(error)
            return None
        self._journal_works = True
        self._count_shed(self._journal)
        return seqs

    def _count_shed(self, journal: Journal) -> None:
        """Count as lost the entries that the journal has dropped: too old, too many, or damaged."""
        for reason, count in journal.shed().items():
            self._drop(reason, count)

    def _spill(self, entries: list[Entry]) -> bool:
        """Leave entries in the journal for a later attempt or another process; return False if that fails."""
        if self._journal is None:
            return False
        new = [record for record, seq in entries if seq is None]
        if new and self._add_to_journal(new) is None:
            return False
        if held := [seq for _, seq in entries if seq is not None]:
            try:
                self._journal.release(held)
            except AutologError as error:  # the entries become free anyway when their lease expires
                self._journal_failed(error)
        self._backlog = True
        return True

    def _spill_at_last(self, entries: list[Entry]) -> bool:
        """Leave entries in the journal, even if it has just failed, because there is no other place for them."""
        if self._journal is None:
            return False
        self._journal_retry_at = 0.0
        self._journal.wait_up_to(self._patience)
        kept = self._spill(entries)
        if not kept:
            self._patience = IMPATIENCE
        self._journal.wait_up_to(IMPATIENCE)
        return kept

    def _forget(self, entries: Sequence[Entry]) -> None:
        """Remove delivered entries from the journal."""
        seqs = [seq for _, seq in entries if seq is not None]
        if seqs and self._journal is not None:
            try:
                self._journal.remove(seqs)
            except AutologError as error:  # the records will be sent again, and deduplicated by id
                self._journal_failed(error)

    def _journal_failed(self, error: AutologError) -> None:
        self._journal_retry_at = monotonic() + MAX_PAUSE
        if self._journal_works:
            logger.warning("autolog cannot use its journal: %s", error)
        self._journal_works = False

    # On the worker's thread

    @property
    def _batch(self) -> int:
        """The number of records per write: fewer for backends that take one at a time, to finish within the lease."""
        return min(BATCH, getattr(self._sink, "batch", BATCH))

    def _due(self) -> float | None:
        away = max(0.0, self._retry_at - monotonic())
        if self._items:
            return 0 if self.has_journal else away
        return away if self._backlog else None

    def _step(self) -> None:
        if monotonic() < self._retry_at:
            entries = list(self._items)
            if self._spill(entries):
                self._dequeue(entries)
        elif self._items:
            batch = list(islice(self._items, self._batch))
            done = self._send([record for record, _ in batch])
            self._forget(batch[:done])
            self._dequeue(batch[:done])
        elif self._backlog and self._journal is not None:
            self._resend(self._journal)

    def _dequeue(self, entries: Sequence[Entry]) -> None:
        """Remove the first entries, unless they were abandoned meanwhile."""
        for entry in entries:
            if self._items and self._items[0] is entry:
                self._bytes -= _size(self._items.popleft()[0])
        if not self._items:
            self._bytes = 0

    def _resend(self, journal: Journal) -> None:
        try:
            entries = journal.claim(self._batch)
        except AutologError as error:
            self._backlog = False
            self._journal_failed(error)
            return
        finally:
            self._count_shed(journal)
        self._backlog = bool(entries)
        if entries:
            done = self._send([record for record, _ in entries])
            self._forget(entries[:done])
            if done < len(entries):
                self._spill(entries[done:])

    def _send(self, records: list[Record]) -> int:
        """Write records; return how many, from the first, need no retry: they are stored, or refused permanently."""
        self._sending_since = monotonic()
        try:
            if self._sink is None:
                with in_c_library:  # an HTTP sink creates a TLS context
                    self._sink = self._open_sink()
            refused = self._sink.write(records) or 0
        except Exception as error:  # noqa: BLE001 - whatever a sink raises: count it, log it once, retry
            if not isinstance(error, (StoreError, OSError)) and self._sink is not None:
                return self._send_singly(records, error)
            self._failed(error)
            return self._count(getattr(error, "done", 0), getattr(error, "refused", 0))
        finally:
            self._sending_since = None
        if self.last_error is not None:
            logger.warning("autolog can write records again")
            self.last_error = None
        self._backoff = self._retry_at = 0.0
        return self._count(len(records), refused)

    def _count(self, done: int, refused: int) -> int:
        """Count records that need no retry as written, except for those refused; return how many need none."""
        self.written += done - refused
        if refused:
            self._drop("refused by the backend", refused)
        return done

    def _send_singly(self, records: list[Record], error: Exception) -> int:
        """Write records one by one, to find and drop the one that the sink cannot take."""
        if len(records) == 1:
            return self._send_as_text(records[0], error)
        return next((number for number, record in enumerate(records) if not self._send([record])), len(records))

    def _send_as_text(self, record: Record, error: Exception) -> int:
        """Write a record with the program's own objects in it replaced by their text; drop it if that fails, too."""
        from autolog._record.record import packable

        transient = (StoreError, OSError, MemoryError) if _size(record) < SMALL else (StoreError, OSError)
        try:
            if self._sink is not None and not self._sink.write([packable(record)]):
                self.written += 1
                return 1
        except transient as away:
            self._failed(away)
            return 0
        except Exception as again:  # noqa: BLE001 - the first error is the one to report
            pass_on(again)
        self._drop("cannot be written", 1)
        report("writing a record", error)
        return 1

    def _failed(self, error: Exception) -> None:
        first, self.last_error = self.last_error is None, f"{type(error).__name__}: {error}"
        self._backoff = min(MAX_PAUSE, self._backoff * 2 or 0.5)
        pause = self._backoff * (0.75 + 0.5 * random_share())  # jitter, so that processes do not retry in lockstep
        retry_after = getattr(error, "retry_after", None) or 0.0  # may extend the pause, but not shorten it
        self._retry_at = monotonic() + max(pause, min(retry_after, MAX_PAUSE))
        if first:
            trace = None if isinstance(error, StoreError) else error
            logger.warning("autolog cannot write records, will retry%s: %s", self._where_kept(), error, exc_info=trace)

    def _where_kept(self) -> str:
        """Return the part of a warning that says where records are kept in the meantime."""
        if self._journal is not None and self.has_journal:
            with suppress(AutologError):  # reported when a record is spilled
                return f"; keeping them in {self._journal.opened_path()}"
        return ""


def _size(record: Record) -> int:
    return 2_000 + len(record.request_body or b"") + len(record.response_body or b"")
