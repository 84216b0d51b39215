"""The pipeline that turns an ended span into records: a list of stages, in order."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from autolog._capture.otel_calls import Telling
from autolog._capture.otel_spans import EndedOTelSpan
from autolog._capture.span import FinishedRecord, Span
from autolog._capture.websocket import Frames
from autolog._config import Config
from autolog._guard import guard, report
from autolog._pricing.bill import price_record
from autolog._pricing.cost import keep_updated, unknown
from autolog._processing.enrich import Draft, add_previews, captured, to_drafts
from autolog._processing.estimate import estimate
from autolog._processing.long_running import LongRunningCalls
from autolog._processing.websocket import read_frames
from autolog._reading.describe import describe
from autolog._record.media import limit_media, note_media
from autolog._record.record import Record
from autolog._redaction.redactor import Redactor
from autolog._redaction.scrub import shorten
from autolog.providers import Facts, format_named

if TYPE_CHECKING:
    from autolog._pricing.budgets import Budgets

#: What the queue passes to the pipeline.
Ended = Span | FinishedRecord | EndedOTelSpan
#: Processes a draft; returns False to drop it.
Stage = Callable[[Draft], bool]

#: The number of low bits of a trace id that decide about sampling: those which W3C Trace Context Level 2 makes random.
_RANDOM_BITS = 56
#: A body as every call has it, with words as long as keys are.
_EXAMPLE = b'{"model":"gpt-4o","messages":[{"role":"user","content":"Say hello"}],"max_completion_tokens":100}'


class _Clean(NamedTuple):
    """A span that is to be read next, its record, and the record's texts, in which there are no secrets."""

    span: Span
    record: Record
    texts: tuple[Any, ...]


class Pipeline:
    """Turns ended spans into records, as configured. Called on a worker thread, one call at a time.

    Args:
        config: the configuration.
        budgets: the configured budgets, if any.
        describes: whether to describe and price calls here; otherwise that is left to the server that receives the
            records (see `describes_here`), which halves this process's work.

    Attributes:
        sampled_out: the number of spans and records dropped by sampling.
    """

    def __init__(self, config: Config, budgets: Budgets | None, describes: bool = True) -> None:
        self._config = config
        self._describes = describes
        self._budgets = budgets
        self._redactor = Redactor(config.redact, config.redact_secrets)
        self._long_running = LongRunningCalls()
        #: What `look_ahead` has found, by the `id` of the span.
        self._clean: dict[int, _Clean] = {}
        self._updating_prices = False
        self.sampled_out = 0
        #: The stages that every record goes through, including records that need no other processing.
        self._final_stages: tuple[Stage, ...] = (self._redact_fields, self._apply_function)
        #: The stages for a call that is described and priced by the server.
        self._shipping_stages: tuple[Stage, ...] = (
            self._redact_bodies,
            self._leave_sampled,
            self._trim,
            *self._final_stages,
        )
        #: The stages, in order, after a span has been sampled and made into drafts.
        self._stages: tuple[Stage, ...] = (
            self._redact_bodies,
            self._describe,
            self._follow_up,
            *((self._estimate,) if config.stream_usage == "estimate" else ()),
            self._price,
            self._spend,
            self._leave_sampled,
            self._complete,
            self._trim,
            *self._final_stages,
        )

    def warm_up(self) -> None:
        """Search an example for secrets, so that the first call need not wait for patterns to be compiled: 7 ms."""
        self._redactor.bodies(Record(id="", request_body=_EXAMPLE))

    def look_ahead(self, spans: Sequence[Ended]) -> None:
        """Search the records of the spans that are read next for secrets together, in half the time.

        Reading a span in which this finds something, or which was not among them, searches it on its own.
        """
        self._clean = {}
        wanted = [span for span in spans if isinstance(span, Span) and not isinstance(span, Frames)]
        wanted = [span for span in wanted if self._samples(span)]
        if self._redactor.searches_together(len(wanted)):
            records = [captured(span, self._redactor.learn) for span in wanted]
            found = zip(wanted, records, self._redactor.texts_if_clean(records), strict=True)
            self._clean = {id(span): _Clean(span, record, texts) for span, record, texts in found if texts}

    def __call__(self, span: Ended) -> list[Record]:
        """Return the records of an ended span: usually one, none if it is dropped, many for a batch's results."""
        if isinstance(span, FinishedRecord):
            return self._run(self._final_stages, [Draft(span.record)])
        sampled = self._samples(span)
        if not sampled and self._budgets is None and not span.context.budgets:
            self.sampled_out += 1
            return []
        if self._config.update_prices and not self._updating_prices:
            self._update_prices()
        if isinstance(span, EndedOTelSpan):
            return self._read_otel_span(span, sampled)
        drafts = self._drafts(span)
        reservation = getattr(span, "reservation", None)
        for draft in drafts:
            draft.sampled = sampled
            draft.bodies = self._config.capture_bodies and span.context.capture_bodies
            draft.reservation, draft.budgets = reservation, span.context.budgets
            draft.past = getattr(span, "past", None)
        shipped = not self._describes and all(map(_is_whole, drafts))
        try:
            return self._run(self._shipping_stages if shipped else self._stages, drafts)
        finally:
            if reservation is not None:
                reservation.settle(None, (span.status_code or 599) >= 400)  # in case no stage has settled it

    def _drafts(self, span: Span) -> list[Draft]:
        if isinstance(span, Frames):
            return [Draft(record) for record in read_frames(span)]
        clean = self._clean.pop(id(span), None)
        if clean is None:
            return to_drafts(span, captured(span, self._redactor.learn), self._long_running)
        drafts = to_drafts(span, clean.record, self._long_running)
        for draft in drafts:
            if draft.record is clean.record:
                draft.redacted = clean.texts
        return drafts

    def _read_otel_span(self, span: EndedOTelSpan, sampled: bool) -> list[Record]:
        """Return the record of an OpenTelemetry span, described and priced as the server would do it."""
        from autolog._processing.opentelemetry import read_otel_span

        record = read_otel_span(span)
        bodies = self._config.capture_bodies and span.context.capture_bodies
        budgets = span.context.budgets
        drafts = [] if record is None else [Draft(record, sampled=sampled, bodies=bodies, budgets=budgets)]
        stages = (self._redact_bodies, self._spend, self._leave_sampled, self._trim, *self._final_stages)
        return self._run(stages, drafts)

    @staticmethod
    def _run(stages: Iterable[Stage], drafts: Iterable[Draft]) -> list[Record]:
        """Run drafts through stages, and return the records of those that no stage drops."""
        records = []
        for draft in drafts:
            for stage in stages:
                try:
                    if not stage(draft):
                        break
                except Exception as error:  # noqa: BLE001 - loses a part of the record only
                    report("processing a record", error)
            else:
                records.append(draft.record)
        return records

    def _update_prices(self) -> None:
        self._updating_prices = True
        with guard("updating prices"):
            keep_updated()

    # The stages

    def _samples(self, span: Span | EndedOTelSpan) -> bool:
        """Return whether to keep a span: the same for a whole trace in every process, except failed and slow spans."""
        config = self._config
        if config.sample >= 1 or span.in_order:
            return True
        if span.trace & ((1 << _RANDOM_BITS) - 1) < config.sample * (1 << _RANDOM_BITS):
            return True
        if config.sample_keep_errors and (span.error is not None or (span.status_code or 0) >= 400):
            return True
        slow = config.sample_keep_slow
        return slow is not None and (span.end_ns - span.start_ns) / 1e9 >= slow

    def _redact_bodies(self, draft: Draft) -> bool:
        """Redact the bodies before anything is read from them, so that previews, tool calls and errors are redacted."""
        draft.redacted = draft.redacted or self._redactor.bodies(draft.record)
        return True

    def _describe(self, draft: Draft) -> bool:
        """Read the facts in a provider call's bodies, or set the previews of a function's input and output."""
        record = draft.record
        if record.sdk is not None:
            draft.facts = describe(record, format_named(record.sdk))
            if draft.past is not None:
                draft.past.told = Telling.of(record)
        else:
            add_previews(record)
        return True

    def _follow_up(self, draft: Draft) -> bool:
        """Remember a call that began a long-running operation; drop a follow-up that completes none."""
        if draft.follow_up:
            draft.redacted = ()  # fields are going to be added from another record
            return draft.facts is not None and self._long_running.resume(draft.record, draft.facts)
        if draft.facts is not None:
            self._long_running.begin(draft.record, draft.facts)
        return True

    def _estimate(self, draft: Draft) -> bool:
        """Estimate the tokens of a stream whose provider has not reported them."""
        if draft.facts is not None:
            estimate(draft.record, draft.facts)
        return True

    def _price(self, draft: Draft) -> bool:
        """Set the cost by the user's prices or the price table."""
        record, own = draft.record, self._config.prices
        if draft.facts is not None:
            price_record(record, draft.facts, own)
        elif record.sdk is not None:
            record.cost_details = unknown("the response could not be read").details
        elif record.kind == "llm" and callable(own):  # a span with which the user records a call
            price_record(record, Facts(), own)
        return True

    def _spend(self, draft: Draft) -> bool:
        """Count the cost against the budgets, except for the part counted when the result was read before."""
        record, budgets = draft.record, self._budgets
        if budgets is None and not draft.budgets:
            return True
        cost = self._long_running.uncounted(record) if draft.repeats and record.cost else record.cost
        if draft.reservation is not None:
            draft.reservation.settle(cost, (record.status_code or 599) >= 400)
        elif cost and record.kind == "llm":
            for run in draft.budgets:
                run.settle("", cost)
        if budgets is not None and cost:
            budgets.spend(record, cost, reserved=draft.reservation is not None)
        return True

    def _leave_sampled(self, draft: Draft) -> bool:
        """Drop records that are not sampled, which came this far only to be counted against the budgets."""
        self.sampled_out += not draft.sampled
        return draft.sampled

    def _complete(self, draft: Draft) -> bool:
        """Reduce a follow-up to the fields that it adds to the record of the call that began the operation."""
        if draft.follow_up and draft.facts is not None:
            draft.record = self._long_running.completion(draft.record, draft.facts)
        return True

    def _trim(self, draft: Draft) -> bool:
        """Remove or shorten the bodies, note their media, and remove large media."""
        record, config = draft.record, self._config
        if not draft.bodies:
            _strip(record)
            return True
        if config.max_field_chars is not None and shorten(record, config.max_field_chars):
            record.truncated = True
        note_media(record)
        limit_media(record, config.max_media_bytes)
        return True

    def _redact_fields(self, draft: Draft) -> bool:
        self._redactor.fields(draft.record, draft.redacted)
        return True

    def _apply_function(self, draft: Draft) -> bool:
        """Let the user's `redact` function change the record, or drop it."""
        changed: Any = self._redactor.user_function(draft.record)
        draft.record = changed
        return changed is not None


#: The paths of calls that begin a long-running operation only if their request says so.
_WHOLE_CALLS = re.compile(
    r"(?<!/async)(?<!/async/chat)/(?:chat/completions|completions|embeddings|messages|responses)(?:\?|\Z)"
)
#: How OpenAI's and xAI's requests say so.
_LONG_RUNNING = re.compile(rb'"(?:background|deferred)"\s*:\s*true')


def _is_whole(draft: Draft) -> bool:
    """Return whether a draft is a call that a server can describe from its record alone."""
    record = draft.record
    return bool(
        record.sdk is not None
        and record.request_body
        and draft.bodies
        and not draft.follow_up
        and not draft.budgets
        and draft.reservation is None
        and not (draft.past is not None and draft.past.wanted)
        and _WHOLE_CALLS.search(record.request_url or "")
        and not _LONG_RUNNING.search(record.request_body)
    )


def _strip(record: Record) -> None:
    """Remove all prompts and outputs, leaving only metrics."""
    record.request_body = record.response_body = record.input_preview = record.output_preview = None
    record.media = record.prompt_variables = record.prompt_template = None
    if record.tool_calls:
        record.tool_calls = [{key: value for key, value in call.items() if key in {"id", "name", "type"}}
                             for call in record.tool_calls]  # fmt: skip
