"""Decides whether two records report the same call, and which of them says more about it.

A sender is a layer that reports calls: autolog, an instrumentation (by its OpenTelemetry scope and the convention of
its spans), a logger's client. A sender reports each call once. So a call has at most one report of each sender, and two
reports of one sender are two calls: the same prompt sent twice at the same time stays two calls.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Any

from autolog._record.record import USAGE_FIELDS, Record

#: The most that the starts of a call may differ between two reports with the same id: some servers repeat their ids.
APART = timedelta(seconds=60)
#: The same for reports without comparable ids: a layer above the SDK starts a little earlier.
NEAR = timedelta(seconds=5)
#: The dialects in which layers report calls by themselves; in the other dialects a program logs calls explicitly.
_REPORTING = frozenset({"native", "otlp", "litellm", "langsmith", "langfuse", "openai_agents"})
#: Attributes that only spans of one convention have, by the convention. LiteLLM's callbacks each export spans of their
#: own, all in one scope, and differ in their conventions.
_CONVENTIONS = {"langfuse": "langfuse.observation.type", "openinference": "openinference.span.kind"}
#: OpenTelemetry resource attributes that tell processes apart.
_PROCESS = ("service.name", "host.name", "process.pid")
#: The resource attribute that is unique to a process, by which two resources of one process are recognized.
_INSTANCE = "service.instance.id"
#: The prefix of a response id, which tells its kind: `chatcmpl-`, `msg_`, `resp_`.
_ID_KIND = re.compile(r"(?:[A-Za-z]+[-_])?")
_CERTAINTY = {"exact": 2, "estimated": 1}


def is_call(record: Record) -> bool:
    """Return whether another layer may have reported the same call."""
    return record.kind == "llm" and record.dialect in _REPORTING and begun(record) is not None


def begun(record: Record) -> datetime | None:
    """Return when a call began; if only log events about it have come, when the first of these was logged."""
    return record.start_time or (record.created_at if record.dialect == "otlp" else None)


def sender(record: Record) -> str:
    """Return the name of the layer that a record came from.

    A scope that reports calls in spans and in logs is two layers, and so is one that exports spans in two conventions.
    """
    if record.dialect != "otlp":
        return record.dialect
    scope = record.extra.get("scope") or record.extra.get("events_scope") or ""
    attributes = record.extra.get("attributes") or {}
    convention = next((name for name, attribute in _CONVENTIONS.items() if attribute in attributes), "")
    suffix = "" if convention in scope else f" {convention}"
    return f"otlp {scope}{suffix}{' logs' if 'event' in record.extra else ''}"


def reports(record: Record) -> dict[str, str]:
    """Return the ids of all reports of a record's call, its own included, by sender."""
    return {sender(record): record.id, **record.extra.get("reports", {})}


def takes(known: Record, new: Record) -> bool:
    """Return whether two records may be the same call, that is, no sender has reported both."""
    present = reports(known)
    return all(present.get(name, report) == report for name, report in reports(new).items())


def join(record: Record, other: Record) -> dict[str, str]:
    """Return the reports of both records, by sender."""
    return {**reports(other), **reports(record)}


def is_one_call(one: Record, other: Record) -> bool:
    """Return whether two records of different senders report the same call."""
    apart = _gap(one, other)
    if apart is None:
        return False
    if _are_comparable(one.response_id, other.response_id):
        return one.response_id == other.response_id and apart <= APART
    if _is_in_place(one, other) or _is_in_place(other, one):
        return _share_model(one, other) is not False and outcome(one) == outcome(other)
    if is_silent(one) != is_silent(other):
        silent, other = (one, other) if is_silent(one) else (other, one)
        return bool(_share_model(silent, other)) and _is_during(silent, other) and _may_be_of_one_process(silent, other)
    return (
        _used_the_same(one, other)
        and bool(_share_model(one, other))
        and _overlap(one, other)
        and _may_be_of_one_process(one, other)
        and not _say_different(one.output_preview, other.output_preview)
    )


def may_be_layers(one: Record, other: Record) -> bool:
    """Return whether two records, one nested in the other, may be of the same call: nothing says that they are not."""
    different = _are_comparable(one.response_id, other.response_id) and one.response_id != other.response_id
    return "otlp" in (one.dialect, other.dialect) and not different and (_share_model(one, other) is not False)


def used(record: Record) -> tuple[int | None, int | None, str]:
    """Return the input tokens, the output tokens and the status of a record, by which reports are matched.

    A count of 0 is None: of embeddings and failed calls, some layers report 0 and others nothing.
    """
    return record.usage_input_tokens or None, record.usage_output_tokens or None, outcome(record)


def outcome(record: Record) -> str:
    """Return the status of a record; the stream of a call that its reader stops has not failed, as some layers say."""
    stopped = record.status == "error" and (record.error_type or "").rpartition(".")[2] == "GeneratorExit"
    return "ok" if stopped else record.status


def is_broken_off(record: Record) -> bool:
    """Return whether a call failed, or its stream was not read to the end, so that layers know different counts."""
    unfinished = bool(record.request_stream) and not record.response_finish_reasons
    return record.status == "error" or unfinished


def is_untold(record: Record) -> bool:
    """Return whether a report says nothing of the tokens that its call used."""
    return used(record)[:2] == (None, None)


def is_counted(record: Record) -> bool:
    """Return whether reports of a record's call can be recognized by what it used."""
    return bool(record.usage_input_tokens or record.usage_output_tokens) or outcome(record) == "error"


def is_comparable(record: Record) -> bool:
    """Return whether reports of a record's call can be recognized by what it used or, once it has ended, what it said.

    Reranking, speech and streams without usage have no tokens.
    """
    return is_counted(record) or (record.end_time is not None and bool(record.input_preview or record.output_preview))


def is_silent(record: Record) -> bool:
    """Return whether a report is a span that says nothing of its call but the model and the time.

    Mistral's SDK exports such spans for streams. They are matched with reports of other layers during whose time they
    were open.
    """
    says = is_counted(record) or record.response_id or record.input_preview or record.output_preview
    return record.dialect == "otlp" and not says and record.end_time is not None


def rank(record: Record) -> tuple[Any, ...]:
    """Return a sort key for how much a record says about its cost; what was captured on the wire says most."""
    certainty = _CERTAINTY.get((record.cost_details or {}).get("certainty", ""), 0)
    counts = sum(getattr(record, name) is not None for name in USAGE_FIELDS)
    return record.dialect == "native", certainty, counts, record.response_id is not None


def id_kind(response_id: str | None) -> str | None:
    """Return the prefix of a response id, which tells its kind; None if there is no id."""
    match = _ID_KIND.match(response_id) if response_id else None
    return None if match is None else match[0]


def _are_comparable(one: str | None, other: str | None) -> bool:
    """Return whether two response ids are of the same kind; layers that translate, such as LiteLLM, make their own."""
    return bool(one and other) and id_kind(one) == id_kind(other)


def _share_model(one: Record, other: Record) -> bool | None:
    """Return whether two records name the same model; None if one of them names none."""
    mine, yours = ({_bare(model) for model in (record.request_model, record.response_model) if model}
                   for record in (one, other))  # fmt: skip
    return bool(mine & yours) if mine and yours else None


def _bare(model: str) -> str:
    """Return a model's name in lower case without its vendor: routers say `openai/gpt-5`."""
    return model.rpartition("/")[2].lower()


def _is_in_place(native: Record, span: Record) -> bool:
    """Return whether autolog's record is a sibling or a child of a span, at the same time."""
    if (native.dialect, span.dialect) != ("native", "otlp") or native.parent_span_id is None:
        return False
    if native.trace_id is None or native.trace_id != span.trace_id:
        return False
    return native.parent_span_id in (span.parent_span_id, span.span_id) and _overlap(native, span)


def _gap(one: Record, other: Record) -> timedelta | None:
    """Return the time between the starts of two calls, or from a log event to the duration of a call.

    None means that the time of one of them is unknown.
    """
    if one.start_time is None:
        one, other = other, one
    first, second = begun(one), begun(other)
    if first is None or second is None:
        return None
    if other.start_time is None and one.end_time is not None:  # an event is logged at any time during the call
        return max(first - second, second - one.end_time, timedelta(0))
    return abs(first - second)


def _used_the_same(one: Record, other: Record) -> bool:
    """Return whether what two records used is the same and tells that they report one call, or their texts do.

    Of a call that was broken off, the output is counted at different times, and some layers report no tokens at all.
    """
    if used(one) == used(other) and is_counted(one):
        return True
    if not (is_comparable(one) and is_comparable(other) and _say_the_same(one, other)):
        return False
    broken_off = (is_broken_off(one) or is_broken_off(other)) and outcome(one) == outcome(other)
    return used(one) == used(other) or (broken_off and (is_untold(one) or is_untold(other)))


def _overlap(one: Record, other: Record) -> bool:
    """Return whether two calls start near each other and overlap for at least half of the shorter one's duration."""
    apart = _gap(one, other)
    if apart is None or apart > NEAR:
        return False
    if one.start_time is None or other.start_time is None:
        return True
    end, other_end = one.end_time or one.start_time, other.end_time or other.start_time
    shared = min(end, other_end) - max(one.start_time, other.start_time)
    return shared >= min(end - one.start_time, other_end - other.start_time) / 2


def _is_during(inner: Record, outer: Record) -> bool:
    """Return whether a span began and ended while another call was open."""
    if None in (inner.start_time, inner.end_time, outer.start_time, outer.end_time):
        return False
    return outer.start_time <= inner.start_time and inner.end_time <= outer.end_time  # type: ignore[operator]


def _may_be_of_one_process(one: Record, other: Record) -> bool:
    mine, yours = (record.extra.get("resource") or {} for record in (one, other))
    if _INSTANCE in mine and mine[_INSTANCE] == yours.get(_INSTANCE):  # exporters may name one process differently
        return True
    shared = [(str(mine[key]), str(yours[key])) for key in _PROCESS if key in mine and key in yours]
    return all(a == b or "unknown_service" in (a[:15], b[:15]) for a, b in shared)


def _say_the_same(one: Record, other: Record) -> bool:
    """Return whether two calls are the same operation on the same text, or with the same result."""
    inputs, outputs = (one.input_preview, other.input_preview), (one.output_preview, other.output_preview)
    return (
        one.operation_name == other.operation_name
        and (all(inputs) or all(outputs))
        and not (_say_different(*inputs) or _say_different(*outputs))
    )


def _say_different(one: str | None, other: str | None) -> bool:
    """Return whether two previews are of different texts; either preview may be truncated."""
    if not one or not other:
        return False
    first, second = one.rstrip("…"), other.rstrip("…")
    return not (first.startswith(second) or second.startswith(first))
