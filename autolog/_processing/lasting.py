"""What only a later call tells: the end of a background response, the results of a batch. One generation, one bill.

A thing that outlives its call has a record id that follows from its own id, so that whoever reads of it later, in
whatever process, completes the same record. Each item of a batch is a record for itself, whose id follows from the
item's; reading the results again changes nothing.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from autolog._guard import guard
from autolog._reading.describe import DERIVED, describe
from autolog._record.bodies import decode_object, encode_json
from autolog._record.record import Record
from autolog.providers import BatchResult, Facts, Provider

#: How many batches are remembered, to put their items into the same trace.
MEMORY = 10_000


def lasting_id(key: str) -> str:
    """The record id of a thing that outlives its call."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"autolog:{key}"))


def _span_id(key: str) -> str:
    return lasting_id(f"span:{key}").replace("-", "")[:16]


#: The model of a thing that outlives its call, as far as this process has seen: not every answer names it.
_models: dict[str, str] = {}


#: Extensions of videos, and what was asked: a later answer gives the length of the whole.
_extensions: dict[str, Record] = {}


def _keep(known: dict[str, str], key: str, value: str) -> None:
    known[key] = value
    if len(known) > MEMORY:
        del known[next(iter(known))]


def settle(record: Record, facts: Facts) -> None:
    """Give the record of a call that began something lasting the id that later calls will find."""
    if facts.long_running is None:
        return
    record.id = lasting_id(facts.long_running.key)
    if record.response_model is not None:
        _keep(_models, facts.long_running.key, record.response_model)
    if (record.request_url or "").partition("?")[0].endswith("/extensions"):
        _extensions[facts.long_running.key] = record
    if facts.long_running.operation == "batch":
        record.span_id = _span_id(facts.long_running.key)
        _batches.learn(record)


def completion(read: Record, provider: Provider, facts: Facts) -> Record | None:
    """What a later call adds to the record that an earlier one began; None if it is not over yet, or was no such."""
    if facts.long_running is None or not facts.long_running.final:
        return None
    if read.response_model is None and (model := _models.get(facts.long_running.key)):
        read.response_model = model
        describe(read, provider)
    if begun := _extensions.get(facts.long_running.key):
        for name in ("request_url", "request_body", "request_content_type"):
            setattr(read, name, getattr(begun, name))
        read.cost = read.cost_details = None
        describe(read, provider)
    completed = Record(id=lasting_id(facts.long_running.key), end_time=read.end_time, sdk=read.sdk)
    completed.extra = {"completed": True}
    for name in (*DERIVED, "response_body", "response_content_type", "cost", "cost_details", "status"):
        if name not in {"input_preview", "request_stream"}:
            setattr(completed, name, getattr(read, name))
    completed.media = [entry for entry in read.media or () if entry["body"] == "response"] or None
    answer = decode_object(read.response_body)
    start, ended = _instant(answer, "created_at"), _instant(answer, "completed_at", "finished_at", "ended_at")
    if start and ended and ended >= start:
        completed.duration = (ended - start).total_seconds()
    if facts.long_running.operation == "batch":
        _batches.learn(read)
    return completed


def _instant(answer: dict[str, Any], *names: str) -> datetime | None:
    """A time as the providers give it: seconds since 1970, or RFC 3339."""
    value = next((answer[name] for name in names if answer.get(name) is not None), None)
    try:
        if isinstance(value, str):
            return datetime.fromisoformat(value)
        return None if value is None else datetime.fromtimestamp(value, UTC)
    except (TypeError, ValueError, OverflowError, OSError):
        return None


# Batches


class _Batches:
    """Which trace a batch is in, and whose output a file is, as far as this process has seen. For one thread."""

    def __init__(self) -> None:
        self._traces: dict[str, str] = {}
        self._files: dict[str, str] = {}

    def learn(self, record: Record) -> None:
        answer = decode_object(record.response_body)
        batch = str(answer.get("id"))
        if record.request_method == "POST" and record.trace_id:
            _keep(self._traces, batch, record.trace_id)
        for name in ("output_file_id", "error_file_id"):
            if isinstance(answer.get(name), str):
                _keep(self._files, answer[name], batch)

    def of_file(self, holder: str) -> str | None:
        return self._files.get(holder)

    def trace(self, batch: str) -> str:
        return self._traces.get(batch) or lasting_id(f"trace:{batch}").replace("-", "")


_batches = _Batches()


def batch_items(read: Record, provider: Provider, path: str) -> Iterator[Record]:
    """The records of a batch's items, from the call that read its results; none if it read something else."""
    holder = provider.results_id(path)
    if holder is None or not read.response_body or (read.status_code or 0) >= 400:
        return
    batch = _batches.of_file(holder) if provider.name == "openai" else holder
    for item in provider.batch_results(path, read.response_body):
        with guard("reading an item of a batch"):
            yield _item(read, provider, item, batch, holder)


def _item(read: Record, provider: Provider, item: BatchResult, batch: str | None, holder: str) -> Record:
    address = urlsplit(read.request_url or "")
    kind = "batch" if provider.name == "openai" else "message_batch"
    joined = {"batch_file": holder} if batch is None else {"batch_id": batch}
    created = _instant(item.answer, "created", "created_at") or read.start_time
    record = Record(
        id=lasting_id(f"item:{item.key}"),
        trace_id=_batches.trace(batch or holder),
        span_id=_span_id(f"item:{item.key}"),
        parent_span_id=None if batch is None else _span_id(f"{kind}:{batch}"),
        created_at=created,
        start_time=created,
        sdk=read.sdk,
        provider_name=read.provider_name,
        request_method="POST",
        request_url=f"{address.scheme}://{address.netloc}{item.path}",
        response_content_type="application/json",
        response_body=encode_json(item.answer) if item.answer else None,
        response_service_tier="batch",
        status_code=item.status_code,
        user=read.user,
        session=read.session,
        tags=read.tags,
        metadata={**read.metadata, **joined, "custom_id": item.custom_id},
    )
    if item.error is not None:
        record.status = "error"
        record.error_type, record.error_message = item.error
    describe(record, provider)
    return record
