"""The recorder: what users hold. It decorates, opens spans, patches SDKs, and delegates all else."""

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

    The package's own recorder is `autolog`; its methods are also functions of the package. Making one starts no
    thread and opens nothing.
    """

    def __init__(self) -> None:
        super().__init__(deferred.import_prices)
        self._config: Config | None = None
        self._enabled = True
        self._queue: Queue | None = None
        self._store: str | None = None
        """Where the store is: its URL, whatever the working directory has become."""
        self._processing: deferred.DeferredPipeline | None = None
        self._diverted: Sink | None = None
        self._budgets: Budgets | None = None
        self._gate: Gate | None = None
        self._has_runs = False

    # Setting up

    def configure(self, **options: Unpack[Options]) -> None:
        """Set options; those not given keep their value, at first from AUTOLOG_* variables.

        The README's table says what each does. Opens the store, so that what is wrong with it shows here and not later.

        Raises:
            ConfigError: an unknown option or an impossible value.
            StoreError: the store cannot be opened or written.
        """
        config = config_from(cast("dict[str, Any]", options), self._config)
        if self._diverted is None:
            for target in assembly.targets(config):
                assembly.open_target(target).close()
        self._close_queues(2.0)
        self._adopt(config)

    def _adopt(self, config: Config) -> None:
        self._config = config
        self._budgets = _budgets(config, self._diverted is None)
        self._instruct(config)
        if config.handle_sigterm:
            _lifecycle.flush_at_sigterm()
        if self._diverted is None and config.enabled:
            queue = self._queue or self._open_queue()
            queue.wake()  # for its start-up work, which the first record should not wait for
            for delivery in queue.deliveries:
                delivery.resume_backlog()

    def _instruct(self, config: Config) -> None:
        """Tell the patches what to ask streams for, which hosts are the user's, and what may forbid a call."""
        holders: list[Holder] = []
        if self._budgets is not None:
            holders += self._budgets.holders()
            if self._budgets.of_server is not None and config.endpoint is not None:
                from autolog._pricing.server_budget import ServerBudget

                budget = self._budgets.of_server
                holders.append(ServerBudget(config.endpoint, config.api_key, budget.then, budget.unpriced))
        self._gate = None
        if config.enabled and (holders or self._has_runs):
            from autolog._pricing.reservations import Gate

            self._gate = Gate(holders, config.prices)
        self._instruct_patches(config.stream_usage == "request", config.hosts, self._gate)

    # Marking up the program

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
        `budget`, in dollars, each call of it is a run with a budget of its own: see `budget()`.

        Raises:
            ConfigError: the budget is no amount.
        """
        from autolog._capture.functions import decorate

        make_budget = None
        if budget is not None:
            limit = self.budget(budget).limit
            make_budget = functools.partial(self.budget, limit)
        options = name, kind, capture_input, capture_output, make_budget
        if function is None:
            return lambda given: decorate(given, self._emit, *options)
        return decorate(function, self._emit, *options)

    def budget(
        self, limit: float, *, raises: type[BaseException] = BudgetExceeded, unpriced: str = "allow"
    ) -> RunBudget:
        """Return a block for `with` or `async with` whose calls together cost no more than `limit` dollars.

        Before a call is sent, the most that it can cost is reserved: all bytes of the request as input, and
        `max_tokens`, or what the model can write, as output. It is replaced by the real cost a moment after the call
        has ended. A call that does not fit beside what is spent and reserved is not sent and raises, in whichever
        thread or task of the block it is made. Blocks nest; a call must fit into all of them.

        Args:
            limit: dollars. raises: the exception class that such a call raises, with a message. unpriced: `allow` or
                `refuse` calls of which nobody knows what they may cost, as the model has no price; while the limit
                is not reached they go out by default, and nothing is reserved for them.

        Returns:
            The budget; `spent`, `reserved` and `left` say how it stands, in dollars.

        Raises:
            ConfigError: an impossible value.
        """
        from autolog._pricing.run_budget import RunBudget

        budget = RunBudget(limit, raises, unpriced)
        if not self._has_runs:
            self._has_runs = True
            if self._config is not None:
                self._instruct(self._config)
        return budget

    def span(self, name: str, *, kind: str = "span", capture_bodies: bool = True, **metadata: Any) -> Span:
        """Return a span for `with` or `async with`; what is called inside becomes its child.

        With `capture_bodies=False` the span and everything inside it record metrics only, no prompts or outputs.
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
        traceparent: str | None = None,
        capture_bodies: bool = True,
    ) -> scope.ContextScope:
        """Return a block for `with` or `async with` whose calls carry a user, session, tags and metadata.

        `traceparent` (W3C) makes them part of a trace that began in another process; with `capture_bodies=False` they
        record metrics only, no prompts or outputs.
        """
        return scope.ContextScope(user, session, tags, metadata or {}, traceparent, capture_bodies)

    def current_span(self) -> Span | None:
        """Return the span that the caller is in, to `set()` something on; None outside of any."""
        span = _context.current_span.get()
        return span if isinstance(span, Span) else None

    def traceparent(self) -> str | None:
        """Return the W3C `traceparent` header of the current span, for another process of yours; None outside."""
        span = _context.current_span.get()
        return None if span is None else _context.format_traceparent(span)

    def score(self, record_id: str, value: float, *, name: str = "default", comment: str | None = None) -> None:
        """Add a score, on a scale of your own, to a record that was made before. It goes where records go."""
        with _guard.guard("scoring"):
            from autolog._record.record import Record
            from autolog._record.scores import set_score

            record = Record(id=record_id)
            set_score(record, name, float(value), comment)
            (self._queue or self._open_queue()).put(FinishedRecord(record))

    def show(self, record_id: str | None = None) -> Page:
        """Return the newest call in the store, or the record with this id (its beginning or end will do), to look at.

        A notebook shows it as HTML; `print()` prints it as text. Writes first what waits to be written.

        Raises:
            AutologError: there is none, or records go to a server, and not into a store.
        """
        from autolog._display.page import page_of

        if self._queue is None:
            self._open_queue()
        self.flush()
        return page_of(self._store, record_id)

    # Delivery

    def flush(self, timeout: float = 10.0) -> bool:
        """Wait until everything recorded so far is written; return False if `timeout` seconds did not suffice."""
        deadline = monotonic() + timeout
        done = [worker.flush(max(0.05, deadline - monotonic())) for worker in self._workers()]
        return all(done)

    def shutdown(self, timeout: float = 2.0) -> bool:
        """Flush and stop; return False if something could not be written in time. A later call starts again."""
        _lifecycle.end_in_flight()
        return self._close_queues(timeout)

    def status(self) -> dict[str, Any]:
        """Report what is patched, where records go, how many are waiting, written and dropped, and why.

        `sdks` lists what is installed, each SDK with its layer: patched itself, recorded by the HTTP library below it,
        or out of reach, and then how to have it recorded (`_capture.inventory.Installed` describes the entries).
        `http` counts the calls recorded below the SDKs, by HTTP library; None while those are not patched.
        `unpatched` says why an SDK is not; `unrecorded` counts requests, by SDK, of calls that passed by autolog.
        `budgets` has limit, spent and reserved, in dollars, of those configured and of the runs that the caller is in;
        `unpriced` counts calls under a budget of which nobody knew what they might cost.
        `queued` are in memory, `journalled` on disk until the sink takes them; `dropped` counts losses by reason.
        """
        from msgspec.structs import asdict

        from autolog._capture.inventory import inventory

        config = self._current_config()
        workers, deliveries = self._workers(), self._queue.deliveries if self._queue is not None else []
        dropped: Counter[str] = sum((worker.dropped for worker in workers), Counter())
        http = self._libraries.seen if self._libraries is not None and self._libraries.active else None
        unpatched = {name: patch.problem for name, patch in self._patches.items() if patch.problem}
        calls = {name: patch.recorded for name, patch in self._patches.items() if patch.active}
        return {
            "enabled": config.enabled,
            "patched": list(calls),
            "unpatched": unpatched,
            "sdks": [asdict(one) for one in inventory(calls, unpatched, http)],
            "http": http,
            "unrecorded": {name: patch.unrecorded for name, patch in self._patches.items() if patch.unrecorded},
            "store": shown(config.store) if config.endpoint is None else None,
            "endpoint": config.endpoint,
            "dialect": config.dialect if config.endpoint is not None else None,
            "queued": sum(worker.queued for worker in workers),
            "journalled": sum(delivery.waiting for delivery in deliveries),
            "written": sum(delivery.written for delivery in deliveries),
            "sampled_out": self._processing.sampled_out if self._processing is not None else 0,
            "dropped": dict(dropped),
            "last_error": next((delivery.last_error for delivery in deliveries if delivery.last_error), None),
            "budgets": self._budget_figures(),
            "unpriced": self._gate.unpriced if self._gate is not None else 0,
            "failures": dict(_guard.failures),
        }

    def _budget_figures(self) -> list[dict[str, Any]]:
        figures = []
        with _guard.guard("reading budgets"):
            figures = self._budgets.figures() if self._budgets is not None else []
        return figures + [run.figures() for run in _context.current_context.get().budgets]

    @contextmanager
    def diverted(self, sink: Sink) -> Iterator[None]:
        """Send the records of a block to `sink` only; `autolog.testing.capture()` is made of this."""
        before, self._diverted = self._diverted, sink
        kept, self._queue = self._queue, None
        try:
            yield
        finally:
            self._diverted = before
            self._close_queues(10.0)
            self._queue = kept

    # Inside

    def _use_config(self) -> None:
        self._current_config()

    def _current_config(self) -> Config:
        """Return the configuration; on first use, read from the environment.

        If that is invalid the defaults apply and the error is logged: there is no caller to raise it to.
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
        queue = self._queue
        if queue is None:
            queue = self._open_queue()
        if self._enabled:
            queue.put(span)

    def _workers(self) -> list[Queue | Delivery]:
        return [] if self._queue is None else [self._queue, *self._queue.deliveries]

    def _open_queue(self) -> Queue:
        with _lifecycle.opening, _lifecycle.signals_deferred():
            config = self._current_config()
            if self._queue is None:  # configuring may have opened it, or another thread
                self._queue = self._make_queue(config)
            return self._queue

    def _make_queue(self, config: Config) -> Queue:
        self._enabled = config.enabled
        self._store = assembly.place(config.store) if config.endpoint is None else None
        with _guard.guard("importing libraries"):
            deferred.import_ahead(config)
            if self._diverted is None:
                assembly.import_ahead(config)
        describes = self._diverted is not None or deferred.describes_here(config)
        self._processing = deferred.DeferredPipeline(config, self._budgets, describes)
        if self._diverted is not None:
            return assembly.diverted_queue(config, self._processing, self._diverted)
        return assembly.queue(config, self._processing, functools.partial(_take_up, self._budgets))

    def _close_queues(self, timeout: float) -> bool:
        workers, self._queue = self._workers(), None
        deadline = monotonic() + timeout
        done = [worker.close(max(0.05, deadline - monotonic())) for worker in workers]
        return all(done)


def _budgets(config: Config, shared: bool) -> Budgets | None:
    """Return the configured budgets; `shared`: those that hold do so for all processes with the same local store."""
    if not config.budgets:
        return None
    from autolog._delivery.sinks import ledger_path
    from autolog._pricing.budgets import Budgets
    from autolog._pricing.ledger import Ledger

    path = ledger_path(config.store) if shared and config.endpoint is None else None
    return Budgets(config.budgets, ledger=Ledger(path) if path else None)


def _take_up(budgets: Budgets | None, sink: Sink) -> None:
    """Load earlier spending into the budgets, if the sink is a store of this machine."""
    from autolog._delivery.sinks import StoreSink

    if budgets is not None and isinstance(sink, StoreSink):
        with _guard.guard("reading what was spent"):
            budgets.begin(sink.store)
