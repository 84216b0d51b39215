"""Build the queue for a configuration, with a delivery to each of its targets."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from autolog._config import Config
from autolog._delivery.delivery import Delivery, Sink
from autolog._delivery.queue import SEND_EVERY, WRITE_EVERY, DurableQueue, Queue

if TYPE_CHECKING:
    from autolog._delivery.journal import Journal
    from autolog._record.record import Record


class Processing(Protocol):
    """Turns spans into records on the queue's thread.

    There, `prepare` is called before the first span, and `look_ahead` before several spans that are read next.
    """

    def prepare(self) -> None: ...

    def look_ahead(self, spans: Sequence[Any], /) -> None: ...

    def __call__(self, span: Any, /) -> list[Record]: ...


def queue(config: Config, processing: Processing, opened: Callable[[Sink], None]) -> Queue:
    """Return a queue, durable if configured so, with a delivery for each target.

    `opened` is called with the first target's sink once it is open.
    """

    def opener(target: Any, first: bool) -> Callable[[], Sink]:
        settled = absolute_url(target) if isinstance(target, str) else target

        def open_sink() -> Sink:
            sink = open_target(settled)
            if first:
                opened(sink)
            return sink

        return open_sink

    bounds = config.max_queue_records, config.max_queue_bytes
    deliveries = [
        Delivery(opener(target, number == 0), *bounds, _journal(config, target))
        for number, target in enumerate(targets(config))
    ]
    kind = DurableQueue if config.durable else Queue
    interval = WRITE_EVERY if config.endpoint is None else SEND_EVERY
    return kind(processing, deliveries, *bounds, processing.prepare, processing.look_ahead, interval)


def diverted_queue(config: Config, processing: Processing, sink: Sink) -> Queue:
    """Return a queue that delivers to a single sink, without a journal."""
    bounds = config.max_queue_records, config.max_queue_bytes
    deliveries = [Delivery(lambda: sink, *bounds)]
    return Queue(processing, deliveries, *bounds, processing.prepare, processing.look_ahead)


def absolute_url(store: str) -> str:
    """Return a store's URL with an absolute path, which stays valid if the working directory changes."""
    from autolog._folders import absolute_url

    return absolute_url(store)


def targets(config: Config) -> list[Any]:
    """Return where records go: to the endpoint, or into the store if there is none, and to each of `sinks`."""
    first = (
        config.store
        if config.endpoint is None
        else {name: getattr(config, name) for name in ("endpoint", "api_key", "dialect", "headers")}
    )
    return [first, *config.sinks]


def import_ahead(config: Config) -> None:
    """Import the third-party libraries that the targets' sinks will use."""
    from autolog._delivery import sinks

    for target in targets(config):
        sinks.import_ahead(target)


def open_target(target: Any) -> Sink:
    """Open the sink of a target.

    Raises:
        ConfigError: if the target does not name a sink.
        StoreError: if the target's store cannot be opened.
    """
    from autolog._delivery import sinks

    return sinks.open_target(target)


def _journal(config: Config, target: Any) -> Journal | None:
    if not config.journal:
        return None
    from autolog._delivery.journal import journal_for

    return journal_for(config, target)
