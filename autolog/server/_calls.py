"""Calls, tokens, cost and errors for Prometheus, by project, provider and model, counted as records arrive.

Labels are attributes of OpenTelemetry's conventions for generative AI, with underscores, and the histogram of durations
is their `gen_ai.client.operation.duration` with its buckets:
https://opentelemetry.io/docs/specs/semconv/gen-ai/gen-ai-metrics/
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass
from functools import cache

from prometheus_client import CollectorRegistry, Counter, Histogram

from autolog._record.record import Record

#: How many sets of project, provider and model have series of their own, and how many types of error; all further ones
#: are `other` together.
MOST_SERIES, MOST_ERRORS = 500, 100
OTHER = "other"
#: How long a label may be, in characters.
LONGEST_LABEL = 100
#: Of so many calls it is remembered what was counted: what comes later of them, in parts, adds the rest.
RECENT = 10_000
_SECONDS = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
_LABELS = ("project", "gen_ai_provider_name", "gen_ai_request_model")


@dataclass(slots=True)
class _Counted:
    """What was counted of one call. It is counted itself, under its labels, when it has ended."""

    labels: tuple[str, str, str] | None = None
    model: str | None = None
    input_tokens: int = 0
    output_tokens: int = 0
    cost: float = 0.0


class CallMetrics:
    """The series of one application. For any thread."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def counter(name: str, words: str, *labels: str) -> Counter:
            return Counter(name, words, (*_LABELS, *labels), registry=registry)

        self._calls = counter("autolog_calls", "Calls to models that have ended.", "status")
        self._errors = counter("autolog_call_errors", "Calls to models that failed.", "error_type")
        self._tokens = counter("autolog_tokens", "Tokens of calls.", "gen_ai_token_type")
        self._cost = counter("autolog_cost_dollars", "Known cost of calls, in US dollars.")
        self._unpriced = counter("autolog_unpriced_calls", "Calls that ended with usage and without a known cost.")
        self._seconds = Histogram(
            "gen_ai_client_operation_duration_seconds", "How long calls to models took.", _LABELS, buckets=_SECONDS,
            registry=registry,
        )  # fmt: skip
        self._series: set[tuple[str, str, str]] = set()
        self._error_types: set[str] = set()
        self._recent: OrderedDict[int, _Counted] = OrderedDict()
        self._lock = threading.Lock()
        # Looking up labels takes longer than counting
        self._child = cache(lambda family, *labels: family.labels(*labels))

    def count(self, record: Record, seq: int, new: bool) -> None:
        """Count what a record that was written adds; `new` says that its call was not known before."""
        if record.kind != "llm":
            return
        with self._lock:
            known = self._recent.get(seq)
            if known is None:
                if not new:
                    return  # it was counted before this process began, or long ago
                known = self._recent[seq] = _Counted()
                if len(self._recent) > RECENT:
                    self._recent.popitem(last=False)
            self._add(record, known)

    def _add(self, record: Record, known: _Counted) -> None:
        known.model = known.model or record.request_model or record.response_model
        if known.labels is None:
            if not _has_ended(record):
                return
            known.labels = self._labels(record.project, record.provider_name, known.model)
            self._count_end(record, known.labels)
        labels = known.labels
        for kind, now, before in (
            ("input", record.usage_input_tokens or 0, known.input_tokens),
            ("output", record.usage_output_tokens or 0, known.output_tokens),
        ):
            if now > before:
                self._child(self._tokens, *labels, kind).inc(now - before)
        if (record.cost or 0.0) > known.cost:
            self._child(self._cost, *labels).inc((record.cost or 0.0) - known.cost)
        known.input_tokens = max(known.input_tokens, record.usage_input_tokens or 0)
        known.output_tokens = max(known.output_tokens, record.usage_output_tokens or 0)
        known.cost = max(known.cost, record.cost or 0.0)

    def _count_end(self, record: Record, labels: tuple[str, str, str]) -> None:
        self._child(self._calls, *labels, record.status[:LONGEST_LABEL]).inc()
        if record.status == "error":
            self._child(self._errors, *labels, self._error_type(record.error_type)).inc()
        if record.cost is None and record.usage_input_tokens is not None:
            self._child(self._unpriced, *labels).inc()
        if record.duration is not None and record.duration >= 0:
            self._child(self._seconds, *labels).observe(record.duration)

    def _labels(self, project: str, provider: str | None, model: str | None) -> tuple[str, str, str]:
        """Return the labels of a call: its own, or `other` if there are too many already."""
        own = project[:LONGEST_LABEL], (provider or "unknown")[:LONGEST_LABEL], (model or "unknown")[:LONGEST_LABEL]
        if own not in self._series and len(self._series) >= MOST_SERIES:
            return OTHER, OTHER, OTHER
        self._series.add(own)
        return own

    def _error_type(self, given: str | None) -> str:
        name = (given or "unknown")[:LONGEST_LABEL]
        if name not in self._error_types and len(self._error_types) >= MOST_ERRORS:
            return OTHER
        self._error_types.add(name)
        return name


def _has_ended(record: Record) -> bool:
    """Return whether a record tells how a call ended, and not only that it began."""
    return (
        record.status == "error"
        or record.end_time is not None
        or record.duration is not None
        or record.response_body is not None
        or record.usage_input_tokens is not None
        or record.cost is not None
    )
