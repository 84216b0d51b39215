"""The recorder: what users hold. It decorates, opens spans, patches SDKs, and delegates all else."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar, overload

from autolog import _context, _guard, _patch, _socket, _wire
from autolog._budget import Budgets
from autolog._config import Config, config_from
from autolog._functions import decorate
from autolog._queue import Made, Queue, Sink, before_exit
from autolog._span import Span
from autolog.errors import PatchError

if TYPE_CHECKING:
    from autolog._record import Record

P = ParamSpec("P")
R = TypeVar("R")
F = TypeVar("F", bound=Callable[..., Any])


before_exit += [_wire.end_open_exchanges, _socket.close_open_channels]


class Recorder:
    """Records provider calls, functions and spans, and ships them off the calling thread.

    The package's own recorder is `autolog`; its methods are also functions of the package. Making one starts no
    thread and opens nothing.
    """

    def __init__(self) -> None:
        self._config: Config | None = None
        self._enabled = True
        self._queue: Queue | None = None
        self._branches: list[Queue] = []
        self._diverted: Sink | None = None
        self._budgets: Budgets | None = None
        self._patches = _patch.make_patches(self._emit)

    # Setting up

    def configure(self, **options: Any) -> None:
        """Set options; those not given keep their value, at first from AUTOLOG_* variables. See the README's table.

        Opens the store, so that what is wrong with it shows here and not later.

        Raises:
            ConfigError: an unknown option or an impossible value.
            StoreError: the store cannot be opened or written.
        """
        config = config_from(options, self._config)
        if self._diverted is None:
            for target in _targets(config):
                _open_target(target).close()
        self._close_queues(2.0)
        self._adopt(config)

    def _adopt(self, config: Config) -> None:
        self._config = config
        self._budgets = Budgets(config.budgets) if config.budgets else None
        check = self._budgets.check if self._budgets is not None and self._budgets.raising else None
        for patch in self._patches.values():
            patch.instruct(config.stream_usage == "request", check)

    def patch(self) -> list[str]:
        """Record the calls of every known SDK that is installed; returns their names."""
        self._current_config()
        patched = []
        for name, patch in self._patches.items():
            try:
                patch.apply()
            except PatchError as error:
                if "not installed" not in error.problem:
                    raise
            else:
                patched.append(name)
        return patched

    def unpatch(self) -> None:
        """Stop recording the calls of all SDKs."""
        for patch in self._patches.values():
            patch.remove()

    def patch_openai(self) -> None:
        """Record every call of the openai SDK that costs money, of clients that exist and that are yet to come.

        Raises:
            PatchError: openai is not installed, too old, or changed where we hold on to it.
        """
        self._current_config()
        self._patches["openai"].apply()

    def unpatch_openai(self) -> None:
        """Stop recording the openai SDK's calls, and restore its classes."""
        self._patches["openai"].remove()

    def patch_anthropic(self) -> None:
        """Record every call of the anthropic SDK that costs money, of clients that exist and that are yet to come.

        Raises:
            PatchError: anthropic is not installed, too old, or changed where we hold on to it.
        """
        self._current_config()
        self._patches["anthropic"].apply()

    def unpatch_anthropic(self) -> None:
        """Stop recording the anthropic SDK's calls, and restore its classes."""
        self._patches["anthropic"].remove()

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
    ) -> Any:
        """Decorate a function: each call becomes a span with its arguments, result, duration and error.

        Works on sync and async functions, generators, async generators, methods, class and static methods.
        """
        if function is None:
            return lambda given: decorate(given, self._emit, name, kind, capture_input, capture_output)
        return decorate(function, self._emit, name, kind, capture_input, capture_output)

    def span(self, name: str, *, kind: str = "span", **metadata: Any) -> Span:
        """A span for `with` or `async with`; what is called inside becomes its child."""
        span = Span(self._emit, str(name), str(kind))
        return span.set(**metadata) if metadata else span

    def context(
        self,
        *,
        user: str | None = None,
        session: str | None = None,
        tags: Iterable[str] = (),
        metadata: Mapping[str, Any] | None = None,
        traceparent: str | None = None,
    ) -> _context.ContextScope:
        """A block for `with` or `async with` whose calls carry a user, session, tags and metadata.

        `traceparent` (W3C) makes them part of a trace that began in another process.
        """
        return _context.ContextScope(user, session, tags, metadata or {}, traceparent)

    def current_span(self) -> Span | None:
        """The span that the caller is in, to `set()` something on; None outside of any."""
        span = _context.current_span.get()
        return span if isinstance(span, Span) else None

    def traceparent(self) -> str | None:
        """The W3C `traceparent` header of the current span, to hand to another process of yours; None outside."""
        span = _context.current_span.get()
        return None if span is None else _context.format_traceparent(span)

    def score(self, record_id: str, value: float, *, name: str = "default", comment: str | None = None) -> None:
        """Score a record that was made before: 1.0 for good, by your own scale; goes where records go."""
        with _guard.guard("scoring"):
            from autolog._record import Record

            kept: Any = float(value) if comment is None else {"value": float(value), "comment": comment}
            score = float(value) if name == "default" else None
            record = Record(id=record_id, scores={name: kept}, score=score)
            (self._queue or self._open_queue()).put(Made(record))

    # Delivery

    def flush(self, timeout: float = 10.0) -> bool:
        """Wait until everything recorded so far is written; False if `timeout` seconds did not suffice."""
        queues = [] if self._queue is None else [self._queue, *self._branches]
        done = [queue.flush(timeout) for queue in queues]
        return all(done)

    def shutdown(self, timeout: float = 2.0) -> bool:
        """Flush and stop; False if something could not be written in time. A later call starts anew."""
        _wire.end_open_exchanges()
        _socket.close_open_channels()
        return self._close_queues(timeout)

    def status(self) -> dict[str, Any]:
        """What the recorder is doing: what is patched, where records go, queued, written, dropped and why."""
        config = self._current_config()
        queues = [] if self._queue is None else [self._queue, *self._branches]
        ends = self._branches or queues
        dropped: Counter[str] = sum((queue.dropped for queue in queues), Counter())
        return {
            "enabled": config.enabled,
            "patched": [name for name, patch in self._patches.items() if patch.active],
            "store": config.store if config.endpoint is None else None,
            "endpoint": config.endpoint,
            "dialect": config.dialect if config.endpoint is not None else None,
            "queued": sum(queue.queued for queue in queues),
            "written": sum(queue.written for queue in ends),
            "dropped": dict(dropped),
            "last_error": next((queue.last_error for queue in queues if queue.last_error), None),
            "failures": dict(_guard.failures),
        }

    @contextmanager
    def diverted(self, sink: Sink) -> Iterator[None]:
        """A block whose records go to `sink` only; what `autolog.testing.capture()` is made of."""
        before, self._diverted = self._diverted, sink
        kept = self._queue, self._branches
        self._queue, self._branches = None, []
        try:
            yield
        finally:
            self._diverted = before
            self._close_queues(10.0)
            self._queue, self._branches = kept

    # Inside

    def _current_config(self) -> Config:
        """The configuration; at first the environment's, or the default one if that is wrong: nobody would hear."""
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

    def _reader(self, config: Config) -> Callable[[Any], list[Record]]:
        """What makes records of a span, on the worker thread: read, estimated, priced, counted, limited."""
        budgets = self._budgets

        def read(span: Any) -> list[Record]:
            if isinstance(span, Made):
                return [span.record]
            from autolog._enrich import enrich
            from autolog._media import limit_media

            records = enrich(span)
            if config.stream_usage == "estimate":
                _estimate(records)
            for record in records:
                if config.prices is not None and record.kind == "llm":
                    _price(record, config.prices)
                if budgets is not None:
                    budgets.spend(record)
                limit_media(record, config.max_media_bytes)
                if not config.capture_bodies:
                    record.request_body = record.response_body = record.input_preview = record.output_preview = None
                    record.media = None
            return records

        return read

    def _open_queue(self) -> Queue:
        config = self._current_config()
        diverted, budgets = self._diverted, self._budgets

        read = self._reader(config)

        def make_queue(open_sink: Callable[[], Sink]) -> Queue:
            return Queue(read, open_sink, config.max_queue_records, config.max_queue_bytes)

        def open_sink() -> Sink:
            if config.update_prices:
                from autolog._cost import keep_updated

                with _guard.guard("updating prices"):
                    keep_updated()
            if diverted is not None:
                return diverted
            if not self._branches:
                sink = _open_target(_targets(config)[0])
                if budgets is not None:
                    _take_up(budgets, sink)
                return sink
            from autolog._export import Fanout

            return Fanout(self._branches)

        self._enabled = config.enabled
        self._queue = make_queue(open_sink)
        targets = _targets(config) if diverted is None else []
        if len(targets) > 1:
            self._branches = [make_queue(functools.partial(_open_target, target)) for target in targets]
        return self._queue

    def _close_queues(self, timeout: float) -> bool:
        queue, self._queue = self._queue, None
        branches, self._branches = self._branches, []
        done = queue is None or queue.close(timeout)
        return all([done, *[branch.close(timeout) for branch in branches]])


def _take_up(budgets: Budgets, sink: Sink) -> None:
    """What was spent before counts, where the store is here to tell."""
    from autolog._export import StoreSink

    if isinstance(sink, StoreSink):
        with _guard.guard("reading what was spent"):
            budgets.begin(sink.store)


def _estimate(records: list[Record]) -> None:
    from autolog._estimate import estimate

    for record in records:
        estimate(record)


def _price(record: Record, prices: Any) -> None:
    from autolog._cost import own_price

    priced = own_price(record, prices)
    if priced is not None:
        record.cost, record.cost_details = priced.cost, priced.details


def _targets(config: Config) -> list[Any]:
    """Where records go: to the endpoint if there is one, else into the store; and to the further sinks."""
    first = (
        config.store
        if config.endpoint is None
        else {"endpoint": config.endpoint, "api_key": config.api_key, "dialect": config.dialect}
    )
    return [first, *config.sinks]


def _open_target(target: Any) -> Sink:
    from autolog._export import open_target

    return open_target(target)
