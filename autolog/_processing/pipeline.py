"""What becomes of a span on its way to the sinks: sampled, read, redacted, estimated, priced, counted, limited."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from autolog._config import Config
from autolog._guard import guard

if TYPE_CHECKING:
    from autolog._capture.span import Span
    from autolog._pricing.budgets import Budgets
    from autolog._record.record import Record
    from autolog._redaction.redactor import Redactor

#: How many of a trace id's bits decide about sampling: those that W3C Trace Context Level 2 asks to be random.
_RANDOM_BITS = 56


class Reader:
    """Makes records of what was captured, by the configuration. Called on a worker thread, by one at a time."""

    def __init__(self, config: Config, budgets: Budgets | None) -> None:
        self._config = config
        self._budgets = budgets
        self._redactor: Redactor | None = None
        self._updating = False
        self.sampled_out = 0

    def __call__(self, span: Any) -> list[Record]:
        made: Record | None = getattr(span, "record", None)
        config = self._config
        if made is not None:
            return self._redact([made])
        sampled = self._samples(span)
        if not sampled and self._budgets is None:
            self.sampled_out += 1
            return []
        if config.update_prices and not self._updating:
            self._update_prices()
        from autolog._processing.enrich import enrich
        from autolog._record.media import limit_media

        records = enrich(span, self._rules)
        if config.stream_usage == "estimate":
            _estimate(records)
        for record in records:
            if config.prices is not None and record.kind == "llm":
                _price(record, config.prices)
            if self._budgets is not None:
                self._budgets.spend(record)
            if not config.capture_bodies or not span.context.capture_bodies:
                _strip(record)
            elif config.max_field_chars is not None:
                _truncate(record, config.max_field_chars)
            limit_media(record, config.max_media_bytes)
        if not sampled:
            self.sampled_out += len(records)
            return []
        return self._redact(records)

    def _update_prices(self) -> None:
        self._updating = True
        from autolog._pricing.cost import keep_updated

        with guard("updating prices"):
            keep_updated()

    # Sampling

    def _samples(self, span: Span) -> bool:
        """Whether a span is kept. All spans of a trace fare alike, in every process; failures and slow ones stay."""
        config = self._config
        if config.sample >= 1 or getattr(span, "in_order", False):
            return True
        if span.trace & ((1 << _RANDOM_BITS) - 1) < config.sample * (1 << _RANDOM_BITS):
            return True
        if config.sample_keep_errors and (span.error is not None or (getattr(span, "status_code", None) or 0) >= 400):
            return True
        slow = config.sample_keep_slow
        return slow is not None and (span.end_ns - span.start_ns) / 1e9 >= slow

    # Redaction

    @property
    def _rules(self) -> Redactor:
        if self._redactor is None:
            from autolog._redaction.redactor import Redactor

            self._redactor = Redactor(self._config.redact, self._config.redact_secrets)
        return self._redactor

    def _redact(self, records: list[Record]) -> list[Record]:
        redacted = [self._rules.record(record) for record in records]
        return [record for record in redacted if record is not None]


def _estimate(records: list[Record]) -> None:
    from autolog._processing.estimate import estimate

    for record in records:
        estimate(record)


def _price(record: Record, prices: Any) -> None:
    from autolog._pricing.cost import own_price

    priced = own_price(record, prices)
    if priced is not None:
        record.cost, record.cost_details = priced.cost, priced.details


def _strip(record: Record) -> None:
    """Keep figures only: nothing that was said."""
    record.request_body = record.response_body = record.input_preview = record.output_preview = None
    record.media = record.prompt_variables = record.prompt_template = None
    if record.tool_calls:
        record.tool_calls = [{key: value for key, value in call.items() if key in {"id", "name", "type"}}
                             for call in record.tool_calls]  # fmt: skip


def _truncate(record: Record, most: int) -> None:
    from autolog._record.media import note_media
    from autolog._redaction.scrub import shorten

    if shorten(record, most):
        record.truncated = True
        note_media(record)
