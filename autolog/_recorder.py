"""The recorder, autolog's public interface: decorates functions, opens spans, patches SDKs, and delegates the rest."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from time import monotonic
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar, Unpack, cast, overload

from autolog import _guard, _lifecycle
from autolog._capture import context as _context, scope
from autolog._capture.patching import Patching
from autolog._capture.snapshot import as_text
from autolog._capture.span import FinishedRecord, PrivateSpan, Span
from autolog._config import Config, config_from
from autolog._delivery import assembly
from autolog._delivery.delivery import Delivery, Sink
from autolog._delivery.queue import Queue
from autolog._processing import deferred
from autolog.errors import BudgetExceeded, shown

if TYPE_CHECKING:
    from autolog._display.page import Page
    from autolog._options import Options
    from autolog._pricing.budgets import Budgets
    from autolog._pricing.reservations import Gate, Holder
    from autolog._pricing.run_budget import RunBudget

P = ParamSpec("P")
R = TypeVar("R")
F = TypeVar("F", bound=Callable[..., Any])


class Recorder(Patching):
    """Records provider calls, functions and spans, and ships them off the calling thread.

    The package's own recorder is `autolog`; its methods are also functions of the package. Creating a recorder starts
    no thread and opens no file or connection.
    """

    def __init__(self) -> None:
        super().__init__(deferred.import_prices)
        self.__module__ = "autolog"  # where `pickle` finds the package's own recorder
        self._config: Config | None = None
        self._enabled = True
        self._queue: Queue | None = None
        self._store: str | None = None
        """The store's URL with an absolute path, so that it stays valid if the working directory changes."""
        self._processing: deferred.DeferredPipeline | None = None
        self._diverted: Sink | None = None
        self._budgets: Budgets | None = None
        self._gate: Gate | None = None
        self._has_runs = False

    def __reduce__(self) -> str:
        return "autolog"  # by reference: decorated functions, which joblib, Dask and Ray send to processes, hold it

    # Configuration

    def configure(self, **options: Unpack[Options]) -> None:
        """Set options; those not given keep their current value, which initially comes from AUTOLOG_* variables.

        The table in REFERENCE.md describes every option. The store is opened at once, so that a problem with it is
        raised here and not found at the first call.

        Raises:
            ConfigError: if an option is unknown or has an invalid value.
            StoreError: if the store cannot be opened or written.
        """
        config = config_from(cast("dict[str, Any]", options), self._config)
        if self._diverted is None:
            for target in assembly.targets(config):
                assembly.open_target(target).close()
        self._finish_queues(2.0)
        self._adopt(config)

    def _adopt(self, config: Config) -> None:
        self._config = config
        self._budgets = _budgets(config, self._diverted is None)
        self._instruct(config)
        _lifecycle.flush_at_sigterm(config.handle_sigterm)
        if self._diverted is None and config.enabled:
            queue = self._queue or self._open_queue()
            queue.wake()  # start-up work happens now, so that the first record does not wait for it
            for delivery in queue.deliveries:
                delivery.resume_backlog()

    def _instruct(self, config: Config) -> None:
        """Pass on to the patches whether to request stream usage, the user's own hosts, and the budget gate."""
        holders: list[Holder] = []
        if self._budgets is not None:
            holders += self._budgets.holders()
            if self._budgets.of_server is not None and config.endpoint is not None:
                from autolog._pricing.server_budget import ServerBudget

                budget = self._budgets.of_server
                holders.append(
                    ServerBudget(config.endpoint, config.api_key, budget.then, budget.unpriced, budget.unreserved)
                )
        self._gate = None
        if config.enabled and (holders or self._has_runs):
            from autolog._pricing.reservations import Gate

            self._gate = Gate(holders, config.prices)
        self._instruct_patches(config.stream_usage == "request", config.hosts, self._gate)

    # Decorators, budgets, spans and context

    @overload
    def __call__(self, function: Callable[P, R], /) -> Callable[P, R]: ...

    @overload
    def __call__(self, function: F, /) -> F: ...

    @overload
    def __call__(
        self,
        function: None = None,
        /,
        *,
        name: str | None = None,
        kind: str = "function",
        capture_input: bool = True,
        capture_output: bool = True,
        budget: float | None = None,
    ) -> Callable[[F], F]: ...

    def __call__(
        self,
        function: Any = None,
        /,
        *,
        name: str | None = None,
        kind: str = "function",
        capture_input: bool = True,
        capture_output: bool = True,
        budget: float | None = None,
    ) -> Any:
        """Decorate a function: each call becomes a span with its arguments, result, duration and error.

        Works on sync and async functions, generators, async generators, methods, class and static methods. With
        `budget`, in dollars, each call of the function gets a budget of its own: see `budget()`.

        Raises:
            ConfigError: if the budget is not a valid amount.
        """
        from autolog._capture.functions import decorate

        make_budget = None
        if budget is not None:
            make_budget = functools.partial(self.budget, self.budget(budget).limit)
        options = name, kind, capture_input, capture_output, make_budget
        if function is None:
            return lambda given: decorate(given, self._emit, *options)
        return decorate(function, self._emit, *options)

    def budget(
        self, limit: float, *, raises: type[BaseException] = BudgetExceeded, unpriced: str = "allow"
    ) -> RunBudget:
        """Return a block for `with` or `async with` whose calls together cost no more than `limit` dollars.

        Before a call is sent, the most it can cost is reserved: every byte of the request counted as input, and
        `max_tokens` (or the model's maximum) as output. Shortly after the call has ended, the reservation is replaced
        by the real cost. A call that does not fit into what is left is not sent and raises instead, in whichever
        thread or task of the block it is made. Blocks nest; a call must fit into all of them.

        Args:
            limit: the limit, in dollars.
            raises: the exception class to raise, with a message, for a call that does not fit.
            unpriced: `allow` or `refuse` calls to models without a known price. Allowed calls reserve nothing, and are
                sent as long as the limit has not been reached.

        Returns:
            The budget; its `spent`, `reserved` and `left` are in dollars.

        Raises:
            ConfigError: if a value is invalid.
        """
        from autolog._pricing.run_budget import RunBudget

        budget = RunBudget(limit, raises, unpriced)
        if not self._has_runs:
            self._has_runs = True
            if self._config is not None:
                self._instruct(self._config)
        return budget

    def span(self, name: str, *, kind: str = "span", capture_bodies: bool = True, **metadata: Any) -> Span:
        """Return a span for `with` or `async with`; calls and spans inside the block become its children.

        With `capture_bodies=False` the span and everything inside it record metrics only: no prompts, no outputs.
        """
        span = (Span if capture_bodies else PrivateSpan)(self._emit, str(name), str(kind))
        return span.set(**metadata) if metadata else span

    def context(
        self,
        *,
        user: str | None = None,
        session: str | None = None,
        tags: Iterable[str] = (),
        metadata: Mapping[str, Any] | None = None,
        traceparent: str | bytes | None = None,
        capture_bodies: bool = True,
    ) -> scope.ContextScope:
        """Return a block for `with` or `async with` whose calls are recorded with a user, session, tags and metadata.

        `traceparent`, a W3C header, makes the calls part of a trace that began in another process. With
        `capture_bodies=False` they record metrics only: no prompts, no outputs.
        """
        return scope.ContextScope(user, session, tags, metadata, traceparent, capture_bodies)

    def current_span(self) -> Span | None:
        """Return the innermost open span of the caller, for example to call `set()` on it; None outside any span."""
        span = _context.current_span.get()
        return span if isinstance(span, Span) else None

    def traceparent(self) -> str | None:
        """Return the current span's W3C `traceparent` header, to pass to another process; None outside any span."""
        span = _context.current_span.get()
        return None if span is None else _context.format_traceparent(span)

    def score(self, record_id: str, value: float, *, name: str = "default", comment: str | None = None) -> None:
        """Add a score, on any scale, to an earlier record. The score is delivered to the same place as records."""
        with _guard.guard("scoring"):
            from autolog._record.record import Record
            from autolog._record.scores import set_score

            record = Record(id=as_text(record_id))
            set_score(record, as_text(name), float(value), None if comment is None else as_text(comment))
            (self._queue or self._open_queue()).put(FinishedRecord(record))

    def show(self, record_id: str | None = None) -> Page:
        """Return a displayable page of the store's newest call, or of the record with this id.

        A notebook renders the page as HTML; `print()` prints it as text. Pending records are flushed first.

        Args:
            record_id: a record's id, or enough of its beginning or end to be unique.

        Raises:
            AutologError: if there is no such record, or if records are sent to a server instead of a store.
        """
        from autolog._display.page import page_of

        self._open_queue()
        self.flush()
        return page_of(self._store, record_id)

    # Delivery

    def flush(self, timeout: float = 10.0) -> bool:
        """Wait until everything recorded so far is written; return False if that takes more than `timeout` seconds."""
        deadline = monotonic() + timeout
        done = [worker.flush(max(0.05, deadline - monotonic())) for worker in self._workers()]
        return all(done)

    def shutdown(self, timeout: float = 2.0) -> bool:
        """Flush and stop, until the next recorded call; return False if that takes more than `timeout` seconds."""
        _lifecycle.end_in_flight()
        return self._close_queues(timeout)

    def status(self) -> dict[str, Any]:
        """Report what is patched, where records go, and how many are waiting, written or dropped, and why.

        `sdks` lists the installed SDKs, each with the layer that records it: its own patch, the HTTP library below it,
        or none, with a hint on how to have it recorded (`_capture.inventory.Installed` describes the entries).
        `http` counts calls recorded below the SDKs, by HTTP library; None while the HTTP libraries are not patched.
        `unpatched` gives the reason, by SDK, why patching failed; `unrecorded` counts requests not recorded,
        by SDK, and requests in unknown formats that look like calls to models, by host.
        `budgets` holds limit, spent and reserved, in dollars, of configured budgets and of the caller's `budget()`
        blocks; `unpriced` counts calls under a budget whose price was unknown,
        `unreserved` those sent although a budget's ledger or server had failed.
        `queued` counts records in memory, `journalled` those on disk until the sink accepts them, and `dropped` losses
        by reason. Never raises: a figure that cannot be read is empty or 0, and counted in `failures`.
        """
        config = Config()
        with _guard.guard("reading the configuration"):
            config = self._current_config()
        workers, deliveries = self._workers(), self._queue.deliveries if self._queue is not None else []
        dropped: Counter[str] = sum((worker.dropped for worker in workers), Counter())
        return {
            "enabled": config.enabled,
            **self._patch_status(),
            "store": shown(config.store) if config.endpoint is None else None,
            "endpoint": None if config.endpoint is None else shown(config.endpoint),
            "dialect": config.dialect if config.endpoint is not None else None,
            "queued": sum(worker.queued for worker in workers),
            "journalled": sum(delivery.waiting for delivery in deliveries),
            "written": sum(delivery.written for delivery in deliveries),
            "sampled_out": self._processing.sampled_out if self._processing is not None else 0,
            "dropped": dict(dropped),
            "last_error": next((delivery.last_error for delivery in deliveries if delivery.last_error), None),
            "budgets": self._budget_figures(),
            "unpriced": self._gate.unpriced if self._gate is not None else 0,
            "unreserved": self._gate.unreserved if self._gate is not None else 0,
            "failures": dict(_guard.failures),
        }

    def _budget_figures(self) -> list[dict[str, Any]]:
        figures = []
        with _guard.guard("reading budgets"):
            figures = self._budgets.figures() if self._budgets is not None else []
        return figures + [run.figures() for run in _context.current_context.get().budgets]

    @contextmanager
    def diverted(self, sink: Sink) -> Iterator[None]:
        """Send the records of a block to `sink` only; `autolog.testing.capture()` is built on this."""
        before, self._diverted = self._diverted, sink
        kept, self._queue = self._queue, None
        try:
            yield
        finally:
            self._diverted = before
            self._finish_queues(10.0)
            self._queue = kept

    # Internals

    def _use_config(self) -> None:
        self._current_config()

    def _current_config(self) -> Config:
        """Return the configuration, which is read from the environment on first use.

        If the environment is invalid, the error is logged and the defaults apply: first use is inside a recorded call,
        where nothing may be raised.
        """
        if self._config is not None:
            return self._config
        try:
            config = config_from({})
        except ValueError as error:
            _guard.report("reading AUTOLOG_* variables", error)
            config = Config()
        self._adopt(config)
        return config

    def _emit(self, span: Span) -> None:
        queue = self._queue or self._open_queue()
        if self._enabled:
            queue.put(span)

    def _workers(self) -> list[Queue | Delivery]:
        _lifecycle.start_over_if_forked()
        return [] if self._queue is None else [self._queue, *self._queue.deliveries]

    def _open_queue(self) -> Queue:
        with _lifecycle.opening, _lifecycle.signals_deferred():
            config = self._current_config()
            self._queue = self._queue or self._make_queue(config)  # the configuration, or a thread, may have opened it
            return self._queue

    def _make_queue(self, config: Config) -> Queue:
        self._enabled = config.enabled
        self._store = assembly.absolute_url(config.store) if config.endpoint is None else None
        with _guard.guard("importing libraries"):
            deferred.import_ahead(config)
            if self._diverted is None:
                assembly.import_ahead(config)
        describes = self._diverted is not None or deferred.describes_here(config)
        self._processing = deferred.DeferredPipeline(config, self._budgets, describes)
        if self._diverted is not None:
            return assembly.diverted_queue(config, self._processing, self._diverted)
        return assembly.queue(config, self._processing, functools.partial(_take_up, self._budgets))

    def _finish_queues(self, timeout: float) -> None:
        """Close the queues once all spans are records: those that are not cannot be saved anywhere."""
        for queue in self._workers()[:1]:
            queue.flush_while_progressing(2.0, _lifecycle.READ_TIMEOUT)
        self._close_queues(timeout)

    def _close_queues(self, timeout: float) -> bool:
        workers, self._queue = self._workers(), None
        deadline = monotonic() + timeout
        done = [worker.close(max(0.05, deadline - monotonic())) for worker in workers]
        return all(done)


def _budgets(config: Config, shared: bool) -> Budgets | None:
    """Return the configured budgets, if any; with `shared`, enforced across all processes with the same local store."""
    if not config.budgets:
        return None
    from autolog._delivery.sinks import ledger_path
    from autolog._pricing.budgets import Budgets
    from autolog._pricing.ledger import Ledger

    path = ledger_path(config.store) if shared and config.endpoint is None else None
    return Budgets(config.budgets, ledger=Ledger(path) if path else None)


def _take_up(budgets: Budgets | None, sink: Sink) -> None:
    """Load earlier spending into the budgets, if the sink is a local store."""
    from autolog._delivery.sinks import StoreSink

    if budgets is not None and isinstance(sink, StoreSink):
        with _guard.guard("reading what was spent"):
            budgets.begin(sink.store)
