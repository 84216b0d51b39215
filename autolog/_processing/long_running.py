"""Complete the records of operations that outlive their request: background responses, batches, videos, runs, sessions.

The record id of such an operation is derived from the operation's own id, so that any later call that reads its result,
in any process, completes the same record: one generation, one cost. Each result of a batch gets its own record, whose
id is derived from the result's; reading the results again changes nothing.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import msgspec

from autolog._guard import guard
from autolog._reading.describe import DERIVED
from autolog._record.bodies import encode_json
from autolog._record.record import Record
from autolog.providers import BatchResult, Facts, Format, format_named
from autolog.providers._fields import mapping, text

#: The most operations that are remembered, and the most bytes that they may take together.
MAX_THINGS, MAX_BYTES = 10_000, 4 * 1024 * 1024
#: Only those parameters of a request are remembered that are numbers, or texts of up to this many characters.
_SHORT = 100


def record_id(key: str) -> str:
    """Return the record id of a long-running operation, derived from its key (see `providers.LongRunning`)."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"autolog:{key}".encode(errors="replace").decode()))


def span_id(key: str) -> str:
    """Return the span id of a long-running operation, derived from its key: 16 hexadecimal digits."""
    return record_id(f"span:{key}").replace("-", "")[:16]


class _Begun(msgspec.Struct, omit_defaults=True):
    """The facts about the call that began an operation which later calls need, and the operation's main key."""

    key: str = ""
    name: str | None = None
    model: str | None = None
    trace_id: str | None = None
    path: str = ""
    request: dict[str, Any] = {}


class _Memory:
    """Encoded values by key; the oldest are dropped when there are too many, or they take too many bytes."""

    def __init__(self) -> None:
        self._values: dict[str, bytes] = {}
        self._bytes = 0

    def get(self, key: str) -> bytes | None:
        return self._values.get(key)

    def put(self, key: str, value: bytes) -> None:
        self._remove(key)
        self._values[key] = value
        self._bytes += len(key) + len(value)
        while self._values and (len(self._values) > MAX_THINGS or self._bytes > MAX_BYTES):
            self._remove(next(iter(self._values)))

    def _remove(self, key: str) -> None:
        if (value := self._values.pop(key, None)) is not None:
            self._bytes -= len(key) + len(value)


class LongRunningCalls:
    """Remembers the calls of this process that began long-running operations. For use by one thread at a time."""

    def __init__(self) -> None:
        self._begun = _Memory()
        self._batches = _Memory()
        """The batch to which a file of results belongs, by the file's id."""
        self._counted = _Memory()
        """The costs that have been counted against budgets, by record id."""

    # The call that begins an operation

    def begin(self, record: Record, facts: Facts) -> None:
        """Give the record of a call that began an operation the id that later calls derive, and remember the call."""
        job = facts.long_running
        if job is None or not (job.certain or facts.request.get("background") is True):
            return
        record.id = record_id(job.key)
        if job.operation == "batch":
            record.span_id = span_id(job.key)
            self._learn_files(mapping(facts.response))
        origin = _Begun(
            name=record.name,
            model=record.response_model,
            trace_id=record.trace_id,
            path=facts.path,
            request=_short_part(facts.request),
        )
        for key in (job.key, *job.other_keys):
            self._begun.put(key, msgspec.json.encode(msgspec.structs.replace(origin, key=job.key)))

    # Later calls that read its result

    def resume(self, record: Record, facts: Facts) -> bool:
        """Add the facts about the operation's beginning to a later call's record; return False if it completes none."""
        job = facts.long_running
        if job is None or not job.final:
            return False
        kept = self._begun.get(job.key)
        if kept is None and not job.certain:
            return False
        if job.operation == "batch":
            self._learn_files(mapping(facts.response))
        origin = _Begun() if kept is None else msgspec.json.decode(kept, type=_Begun)
        record.id = record_id(origin.key or job.key)
        record.response_model = record.response_model or origin.model
        named = (record.operation_name, record.request_model or record.response_model)
        record.name = origin.name or " ".join(filter(None, named)) or None
        if origin.request:  # the price may depend on the request, as for the extension of a video
            facts.request = {**origin.request, **facts.request}
            provider = format_named(record.sdk or "")
            facts.usage.units = provider.billable_units(origin.path, facts.request, facts.response)
        return True

    def uncounted(self, record: Record) -> float:
        """Return the part of a record's cost, in dollars, that has not been counted when the result was read before."""
        cost, before = record.cost or 0.0, float(self._counted.get(record.id) or 0.0)
        self._counted.put(record.id, str(cost).encode())
        return max(0.0, cost - before)

    @staticmethod
    def completion(read: Record, facts: Facts) -> Record:
        """Reduce a resumed record to the fields that it adds to the record of the call that began the operation."""
        completed = Record(id=read.id, name=read.name, end_time=read.end_time, sdk=read.sdk)
        completed.extra = {**read.extra, "completed": True}
        for name in (*DERIVED, "response_body", "response_content_type", "cost", "cost_details", "status"):
            if name not in {"input_preview", "request_stream"}:
                setattr(completed, name, getattr(read, name))
        answer = mapping(facts.response)
        start, ended = _instant(answer, "created_at"), _instant(answer, "completed_at", "finished_at", "ended_at")
        if start and ended and ended >= start:
            completed.duration = (ended - start).total_seconds()
        return completed

    # Batches

    def _learn_files(self, answer: dict[str, Any]) -> None:
        """Remember the files with a batch's results, given the batch."""
        names = ("output_file_id", "error_file_id", "output_file", "error_file")  # OpenAI's and Mistral's
        outputs = (mapping(answer.get("response")), mapping(mapping(answer.get("metadata")).get("output")))  # Gemini's
        files = [*map(answer.get, names), *(output.get("responsesFile") for output in outputs)]
        batch = text(answer.get("id")) or text(answer.get("name"))
        for file in filter(None, map(text, files)):
            if batch is not None:
                self._batches.put(file, batch.encode())

    def batch_results(self, read: Record, provider: Format, path: str) -> Iterator[Record]:
        """Yield a record for each of a batch's results, given the call that read them; none if it read another file."""
        holder = provider.results_id(path)
        if holder is None or not read.response_body or (read.status_code or 0) >= 400:
            return
        in_files = path.rstrip("/").endswith(("/content", ":download"))
        batch = (self._batches.get(holder) or b"").decode() or None if in_files else holder
        key = f"{'message_batch' if provider.name == 'anthropic' else 'batch'}:{batch or holder}"
        origin = msgspec.json.decode(self._begun.get(key) or b"{}", type=_Begun)
        for result in provider.batch_results(path, read.response_body):
            with guard("reading a batch's result"):
                record = _result_record(read, result)
                record.trace_id = origin.trace_id or record_id(f"trace:{batch or holder}").replace("-", "")
                record.parent_span_id = None if batch is None else span_id(key)
                record.metadata |= {"batch_file": holder} if batch is None else {"batch_id": batch}
                yield record


def _short_part(request: dict[str, Any]) -> dict[str, Any]:
    """Return the numbers and short texts in a request and in its objects."""
    inner = {name: _short_fields(value) for name, value in request.items() if isinstance(value, dict)}
    return _short_fields(request) | {name: fields for name, fields in inner.items() if fields}


def _short_fields(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items()
            if isinstance(value, (bool, int, float)) or (isinstance(value, str) and len(value) <= _SHORT)}  # fmt: skip


def _result_record(read: Record, result: BatchResult) -> Record:
    """Return the record of one result of a batch, given the record of the call that read it."""
    address = urlsplit(read.request_url or "")
    created = _instant(result.answer, "created", "created_at") or read.start_time
    record = Record(
        id=record_id(f"item:{result.key}"),
        span_id=span_id(f"item:{result.key}"),
        created_at=created,
        start_time=created,
        sdk=read.sdk,
        provider_name=read.provider_name,
        request_method="POST",
        request_url=f"{address.scheme}://{address.netloc}{result.path}",
        response_content_type="application/json",
        response_body=encode_json(result.answer) if result.answer else None,
        response_service_tier="batch",
        status_code=result.status_code,
        user=read.user,
        session=read.session,
        tags=read.tags,
        metadata={**read.metadata, "custom_id": result.custom_id},
    )
    if result.error is not None:
        record.status = "error"
        record.error_type, record.error_message = result.error
    return record


def _instant(answer: dict[str, Any], *names: str) -> datetime | None:
    """Return the first of the named times in an answer; None if it is not a time.

    A time is a number of seconds since 1970, or a text in ISO 8601, in UTC if it has no zone.
    """
    value = next((answer[name] for name in names if answer.get(name) is not None), None)
    try:
        if isinstance(value, str):
            instant = datetime.fromisoformat(value)
            return instant if instant.tzinfo is not None else instant.replace(tzinfo=UTC)
        return None if value is None else datetime.fromtimestamp(value, UTC)
    except (TypeError, ValueError, OverflowError, OSError):
        return None
