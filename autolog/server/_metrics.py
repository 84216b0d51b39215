"""Metrics for Prometheus: `GET /metrics`, in its text format."""

from __future__ import annotations

import functools
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from autolog.server._calls import CallMetrics
from autolog.server._limits import Load
from autolog.server._writer import Writer
from autolog.stores._contract import Store

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


class Metrics:
    """The metrics of one application."""

    def __init__(self, store: Store, writer: Writer, load: Load) -> None:
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        labels = ("dialect", "method", "path")
        self._requests = Counter(
            "autolog_requests", "Requests by route and status.", (*labels, "status"), registry=self._registry
        )
        self._seconds = Histogram(
            "autolog_request_seconds", "How long requests took.", labels, buckets=_SECONDS, registry=self._registry
        )
        self._records = Counter(
            "autolog_records_written", "Records that were acknowledged.", ("dialect",), registry=self._registry
        )
        #: Cached, because looking up labels takes longer than counting; bounded by the number of routes and statuses.
        self._of = functools.cache(self._labelled)
        self._records_of = functools.cache(self._records.labels)
        self.calls = CallMetrics()
        self._registry.register(self.calls)
        self._gauge("autolog_pending_writes", "Changes waiting for the store.", lambda: writer.pending)
        self._gauge("autolog_requests_in_flight", "Requests being served or waiting.", lambda: load.requests)
        self._gauge("autolog_body_bytes", "Bytes of request bodies in memory.", lambda: load.bytes)
        self._gauge("autolog_store_bytes", "The size of the store.", store.size)

    def _gauge(self, name: str, words: str, read: Any) -> None:
        Gauge(name, words, registry=self._registry).set_function(read)

    def served(self, dialect: str, method: str, path: str, status: int, seconds: float) -> None:
        """Count a request that was answered."""
        counter, histogram = self._of(dialect, method, path, status)
        counter.inc()
        histogram.observe(seconds)

    def _labelled(self, dialect: str, method: str, path: str, status: int) -> tuple[Counter, Histogram]:
        return self._requests.labels(dialect, method, path, str(status)), self._seconds.labels(dialect, method, path)

    def written(self, dialect: str, records: int) -> None:
        """Count records that are on disk."""
        self._records_of(dialect).inc(records)

    def text(self) -> tuple[bytes, str]:
        """Return all metrics as text, and their content type."""
        return generate_latest(self._registry), CONTENT_TYPE_LATEST
