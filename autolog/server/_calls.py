"""Prometheus metrics of calls, tokens, cost and errors, by project, provider and model, counted as records arrive.

Labels are attributes of OpenTelemetry's semantic conventions for generative AI, with underscores, and the histogram of
durations is their `gen_ai.client.operation.duration` with the buckets they recommend:
https://opentelemetry.io/docs/specs/semconv/gen-ai/gen-ai-metrics/

Counting only adds to plain fields; Prometheus metric families are built when they are scraped.
"""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections import Counter, OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field

from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric

from autolog._record.record import Record

#: The most combinations of project, provider and model with series of their own, and the most types of error; all
#: others are counted together as `other`.
MOST_SERIES, MOST_ERRORS = 500, 100
OTHER = "other"
#: The most characters of a label.
LONGEST_LABEL = 100
#: The number of recent calls whose counted figures are remembered, so that a later part of a call adds only the rest.
RECENT = 10_000
_SECONDS = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
_LABELS = ("project", "gen_ai_provider_name", "gen_ai_request_model")

Labels = tuple[str, str, str]


@dataclass(slots=True)
class _Series:
    """The sums of the calls of one project, provider and model; `durations` counts them by bucket of `_SECONDS`."""

    statuses: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    input_tokens: int = 0
    output_tokens: int = 0
    cost: float = 0.0
    unpriced: int = 0
    seconds: float = 0.0
    durations: list[int] = field(default_factory=lambda: [0] * (len(_SECONDS) + 1))


@dataclass(slots=True)
class _Counted:
    """The figures that were counted for one call. `series` is set once the call has ended and is itself counted."""

    series: _Series | None = None
    model: str | None = None
    input_tokens: int = 0
    output_tokens: int = 0
    cost: float = 0.0


class CallMetrics:
    """The metrics of one application, as a Prometheus collector. Thread-safe."""

    def __init__(self) -> None:
        self._series: dict[Labels, _Series] = {}
        self._error_types: set[str] = set()
        self._recent: OrderedDict[int, _Counted] = OrderedDict()
        self._lock = threading.Lock()

    def count(self, record: Record, seq: int, new: bool) -> None:
        """Count what a written record adds; `new` says whether its call was unknown before."""
        if record.kind != "llm":
            return
        with self._lock:
            known = self._recent.get(seq)
            if known is None:
                if not new:
                    return  # the call was counted before this process started, or has been forgotten
                known = self._recent[seq] = _Counted()
                if len(self._recent) > RECENT:
                    self._recent.popitem(last=False)
            self._add(record, known)

    def _add(self, record: Record, known: _Counted) -> None:
        known.model = known.model or record.request_model or record.response_model
        if known.series is None:
            if not _has_ended(record):
                return
            known.series = self._series_of(record.project, record.provider_name, known.model)
            self._count_end(record, known.series)
        series = known.series
        if (record.usage_input_tokens or 0) > known.input_tokens:
            series.input_tokens += (record.usage_input_tokens or 0) - known.input_tokens
            known.input_tokens = record.usage_input_tokens or 0
        if (record.usage_output_tokens or 0) > known.output_tokens:
            series.output_tokens += (record.usage_output_tokens or 0) - known.output_tokens
            known.output_tokens = record.usage_output_tokens or 0
        if (record.cost or 0.0) > known.cost:
            series.cost += (record.cost or 0.0) - known.cost
            known.cost = record.cost or 0.0

    def _count_end(self, record: Record, series: _Series) -> None:
        series.statuses[record.status[:LONGEST_LABEL]] += 1
        if record.status == "error":
            series.errors[self._error_type(record.error_type)] += 1
        if record.cost is None and record.usage_input_tokens is not None:
            series.unpriced += 1
        if record.duration is not None and record.duration >= 0:
            series.seconds += record.duration
            series.durations[bisect_left(_SECONDS, record.duration)] += 1

    def _series_of(self, project: str, provider: str | None, model: str | None) -> _Series:
        """Return the series of a call: its own, or that of `other` if there are too many."""
        labels = project[:LONGEST_LABEL], (provider or "unknown")[:LONGEST_LABEL], (model or "unknown")[:LONGEST_LABEL]
        if labels not in self._series and len(self._series) >= MOST_SERIES:
            labels = OTHER, OTHER, OTHER
        series = self._series.get(labels)
        if series is None:
            series = self._series[labels] = _Series()
        return series

    def _error_type(self, given: str | None) -> str:
        name = (given or "unknown")[:LONGEST_LABEL]
        if name not in self._error_types and len(self._error_types) >= MOST_ERRORS:
            return OTHER
        self._error_types.add(name)
        return name

    def collect(self) -> Iterator[Metric]:
        """Yield the metric families; Prometheus' registry calls this for each scrape."""

        def counter(name: str, words: str, *labels: str) -> CounterMetricFamily:
            return CounterMetricFamily(name, words, labels=(*_LABELS, *labels))

        calls = counter("autolog_calls", "Calls to models that have ended.", "status")
        errors = counter("autolog_call_errors", "Calls to models that failed.", "error_type")
        tokens = counter("autolog_tokens", "Tokens of calls.", "gen_ai_token_type")
        cost = counter("autolog_cost_dollars", "Known cost of calls, in US dollars.")
        unpriced = counter("autolog_unpriced_calls", "Calls that ended with usage and without a known cost.")
        seconds = HistogramMetricFamily(
            "gen_ai_client_operation_duration_seconds", "How long calls to models took.", labels=_LABELS
        )
        with self._lock:
            for labels, series in self._series.items():
                for status, count in series.statuses.items():
                    calls.add_metric((*labels, status), count)
                for error, count in series.errors.items():
                    errors.add_metric((*labels, error), count)
                tokens.add_metric((*labels, "input"), series.input_tokens)
                tokens.add_metric((*labels, "output"), series.output_tokens)
                cost.add_metric(labels, series.cost)
                unpriced.add_metric(labels, series.unpriced)
                seconds.add_metric(labels, _cumulative(series.durations), series.seconds)
        yield from (calls, errors, tokens, cost, unpriced, seconds)


def _cumulative(durations: list[int]) -> list[tuple[str, float]]:
    """Return histogram buckets as Prometheus expects them: upper bounds with cumulative counts."""
    names = [*map(str, _SECONDS), "+Inf"]
    return [(name, float(sum(durations[: index + 1]))) for index, name in enumerate(names)]


def _has_ended(record: Record) -> bool:
    """Return whether a record says how a call ended, and not only that it began."""
    return (
        record.status == "error"
        or record.end_time is not None
        or record.duration is not None
        or record.response_body is not None
        or record.usage_input_tokens is not None
        or record.cost is not None
    )
