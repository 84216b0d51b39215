"""Log records as records: the logs of coding agents, and the conventions' events about a span.

A program may export all its logs; those that are not about a model call are acknowledged and not stored.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from autolog._reading.describe import preview
from autolog._reading.pieces import add_piece
from autolog._record.bodies import encode_json
from autolog._record.record import Record
from autolog.dialects._chat import parsed, request_of, response_of
from autolog.dialects._convert import MAX_SECONDS, from_body, text_of, to_body
from autolog.dialects._fault import NO_LIMIT, Json
from autolog.dialects.otlp._beside import parse_long, without_copies
from autolog.dialects.otlp._complete import complete
from autolog.dialects.otlp._messages import CHOICE, from_events, message_of
from autolog.dialects.otlp._spans import add_evaluation, read_attributes
from autolog.dialects.otlp._wire import Batch, Event, Scope, read_logs
from autolog.dialects.otlp.families import AGENTS, FAMILIES
from autolog.dialects.otlp.families._agent import Agent
from autolog.dialects.otlp.families._family import everywhere, of_fields, present
from autolog.dialects.otlp.families.gemini_cli import SCOPE as GEMINI_CLI

_DETAILS = "gen_ai.client.inference.operation.details"
#: Stands for the turn of the last call in a session.
_LAST = "last"
_EARLIEST = datetime.min.replace(tzinfo=UTC)


def decode_logs(request: Json, most: int = NO_LIMIT) -> Batch[Record]:
    """Return the records for the log records of an export request; several log records may be about the same call.

    Raises:
        Fault: 400, if the body is not an export request; 413, if it has more than `most` items.
    """
    read = read_logs(request, most)
    batch: Batch[Record] = Batch([], read.rejected, read.problem)
    reader = _Reader()
    for event, scope in read.items:
        batch.add(partial(reader.read, event, scope))
    reader.keep_waiting()
    for record in reader.records.values():
        batch.add(partial(reader.finish, record))
    return batch


def _name(event: Event) -> str:
    """Return an event's full name; Claude Code has it in the body, and its attribute lacks the prefix."""
    return event.body if isinstance(event.body, str) and "." in event.body and " " not in event.body else event.name


def _trace_of(agent: Agent, session: str) -> str:
    return _digest(32, agent.prefix, session)


def _digest(size: int, *parts: Any) -> str:
    return hashlib.sha256(encode_json(parts)).hexdigest()[:size]


@dataclass(slots=True)
class _Reader:
    """Combines the log records of one request by the call, prompt or tool that each is about."""

    records: dict[str, Record] = field(default_factory=dict)
    events: dict[str, list[Event]] = field(default_factory=dict)
    """Record id -> the conventions' events about the record."""
    waiting: dict[tuple[str, str], tuple[Agent, Event, Scope]] = field(default_factory=dict)
    """Session and prompt -> a raw request logged before its call; only the call has an id."""
    last: dict[tuple[str, str], Record] = field(default_factory=dict)
    """Session and prompt -> the last call."""

    def read(self, event: Event, scope: Scope) -> Sequence[Record]:
        """Read an event; return records to be finished once all events are read."""
        agent = next((agent for agent in AGENTS if _name(event).startswith(agent.prefix)), None)
        if agent is not None:
            self.add(agent, event, scope)
        elif event.name.startswith("gen_ai."):
            self.add_convention(event, scope)
        return ()

    def finish(self, record: Record) -> Sequence[Record]:
        """Return a record completed with all its events."""
        if record.id in self.events:
            _add_messages(record, self.events[record.id])
        if "attributes" in record.extra:
            attributes, bodies = (
                record.extra["attributes"],
                [*map(from_body, (record.request_body, record.response_body))],
            )
            record.extra["attributes"] = without_copies(attributes, parse_long(attributes), bodies)
        complete(record)
        if record.id in self.events and record.span_id is not None and "attributes" not in record.extra:
            record.name = record.request_stream = None  # the span knows, and may have come before
        return (record,)

    # The conventions' events

    def add_convention(self, event: Event, scope: Scope) -> None:
        """Add an event about a span, whose messages become part of the span's record."""
        if event.trace_id is not None and event.span_id is not None:
            key = f"{event.trace_id}-{event.span_id}"
        elif (record := self.last.get(self._turn_of(event))) is not None:
            key = record.id  # Gemini CLI reports a response twice
        elif event.name == _DETAILS and scope.name != GEMINI_CLI:
            key = _digest(32, event.name, str(event.at), event.attributes)
        else:
            return
        record = self.records.setdefault(key, Record(id=key, dialect="otlp", name=None))
        record.trace_id, record.span_id = record.trace_id or event.trace_id, record.span_id or event.span_id
        record.created_at = record.created_at or event.at or datetime.now(UTC)
        record.extra.setdefault("resource", scope.resource)
        record.extra.setdefault("events_scope", scope.name)
        if event.name == "gen_ai.evaluation.result":
            add_evaluation(record, event.attributes)
        self.events.setdefault(key, []).append(event)

    def _turn_of(self, event: Event) -> tuple[str, str]:
        session, response = (present(event.attributes, (name,)) for name in ("session.id", "gen_ai.response.id"))
        turn = present(event.attributes, ("prompt_id",)) or (_LAST if response is not None else None)
        return str(session), str(turn)

    # Agents

    def add(self, agent: Agent, event: Event, scope: Scope) -> None:
        """Add an event of an agent."""
        word = _name(event).removeprefix(agent.prefix)
        kind = agent.events.get(word, "span")
        attribute, wanted = agent.only.get(word, ("", ""))
        if kind == "skip" or (attribute and event.attributes.get(attribute) != wanted):
            return
        if word in agent.counted and present(event.attributes, agent.family.counts["usage_input_tokens"]) is None:
            return
        session = str(present(event.attributes, agent.family.texts["session"]))
        turn = present(event.attributes, agent.turn)
        at = (session, str(turn))
        if kind == "request":
            self.waiting[at] = (agent, event, scope)
            return
        record = self._partner(agent, kind, event, at) or self._record(agent, kind, event, session, turn)
        record.extra |= {"resource": scope.resource, "scope": scope.name, "event": word}
        read_attributes(record, of_fields((agent.family,), event.attributes), event.attributes)
        if record.kind == "llm":
            self.last[at] = self.last[session, _LAST] = record
            if (waiting := self.waiting.pop(at, None)) is not None:
                record.request_body = to_body(agent.read_request(present(waiting[1].attributes, agent.body)))
        self._fill(agent, kind, record, event)

    def keep_waiting(self) -> None:
        """Make a step of each raw request whose call was not in the same export."""
        for (session, _), (agent, event, scope) in self.waiting.items():
            if (body := present(event.attributes, agent.body)) is None:
                continue
            record = self._record(agent, "body", event, session, present(event.attributes, agent.turn))
            record.session, record.name, record.created_at = session, _name(event), event.at
            record.trace_id = _trace_of(agent, session)  # beside its call, which may be logged outside of any span
            record.extra |= {"resource": scope.resource, "scope": scope.name, "attributes": event.attributes}
            record.extra["is_raw_request"] = True
            record.request_model = text_of(present(event.attributes, agent.family.texts["request_model"]))
            record.request_body = to_body(agent.read_request(body))

    def _partner(self, agent: Agent, kind: str, event: Event, at: tuple[str, str]) -> Record | None:
        """Return the call of a response without an id, if it is in the same request: the last of the turn."""
        call = self.last.get(at)
        if kind != "response" or call is None or present(event.attributes, agent.call_id) is not None:
            return None
        return call if call.response_body is None else None

    def _record(self, agent: Agent, kind: str, event: Event, session: str, turn: Any) -> Record:
        """Return the record that an event is about, with its place in the session's trace."""
        about = {"call": agent.call_id, "response": agent.call_id, "tool": agent.tool_id}.get(kind, ())
        identity = present(event.attributes, about)
        if kind == "response" and about and identity is None:
            kind = "body"  # its call, which is not known, bears the cost
        if kind in {"prompt", "answer"} and turn is not None:
            identity, kind = turn, "prompt"
        elif identity is None:
            identity = [str(event.at), event.attributes]
        key = _digest(32, agent.prefix, session, "call" if kind == "response" else kind, identity)
        if key not in self.records:
            parent = None if turn is None or kind == "prompt" else _digest(16, agent.prefix, session, turn)
            self.records[key] = Record(
                id=key,
                dialect="otlp",
                kind={"prompt": "agent", "call": "llm", "response": "llm", "tool": "tool"}.get(kind, "span"),
                trace_id=(None if agent.one_trace else event.trace_id) or _trace_of(agent, session),
                span_id=_digest(16, agent.prefix, session, turn) if kind == "prompt" and turn is not None else key[:16],
                parent_span_id=parent,
            )
        return self.records[key]

    def _fill(self, agent: Agent, kind: str, record: Record, event: Event) -> None:
        attributes = event.attributes
        _place(record, event, present(attributes, agent.duration))
        record.extra.setdefault("attributes", {}).update(attributes)
        record.name = record.name or f"{agent.prefix}{record.extra['event']}"
        if record.kind == "llm":
            record.name = None
            record.provider_name = record.provider_name or agent.provider
            record.operation_name = record.operation_name or "chat"
        if kind == "prompt":
            prompt = present(attributes, agent.prompt)
            record.request_body, record.input_preview = to_body(request_of(prompt)), preview(text_of(prompt))
        elif kind == "answer" or (kind == "call" and present(attributes, agent.answer)):
            record.response_body = to_body(_answer(agent.read_answer(present(attributes, agent.answer))))
        elif kind == "response":
            record.response_body = to_body(parsed(present(attributes, agent.body)))
        elif kind == "tool":
            record.name = str(present(attributes, agent.tool) or record.name)
            record.request_body = to_body(parsed(present(attributes, agent.tool_input)))
            record.response_body = to_body(parsed(present(attributes, agent.tool_output)))
        problem = present(attributes, agent.error)
        if problem or str(attributes.get("success")).lower() == "false" or (record.status_code or 0) >= 400:
            record.status, record.error_message = "error", None if problem is None else str(problem)
        if kind == "response" and record.kind == "llm":
            record.cost, record.custom_cost, record.cost_details = None, False, None  # to be computed from the usage


def _answer(value: Any) -> Any:
    """Return the response body for an agent's answer, which may be a body, messages, or a text."""
    return value if isinstance(value, dict) else response_of(value)


def _place(record: Record, event: Event, milliseconds: Any) -> None:
    """Set the times of a record; an event is logged at the end of what it reports."""
    try:
        seconds = min(MAX_SECONDS, max(0.0, float(milliseconds) / 1000))
    except (TypeError, ValueError):
        seconds = None
    if event.at is None:
        return
    if seconds is not None:
        record.duration, record.end_time = seconds, event.at
        record.start_time = event.at - timedelta(seconds=seconds)
    record.created_at = record.start_time or record.created_at or event.at


def _add_messages(record: Record, events: list[Event]) -> None:
    """Add messages and figures from the conventions' events to a record, without overwriting known ones."""
    events = sorted(events, key=lambda event: event.at or _EARLIEST)
    attributes = from_events(events)
    _add_pieces(record, events)
    families = tuple(family for family in FAMILIES if family.applies is everywhere)
    read_attributes(record, of_fields(families, attributes), attributes)
    for side, found in (("request", "gen_ai.input.messages"), ("response", "gen_ai.output.messages")):
        wrap = request_of if side == "request" else response_of
        if attributes.get(found) and getattr(record, f"{side}_body") is None:
            setattr(record, f"{side}_body", to_body(wrap(attributes[found])))


def _add_pieces(record: Record, events: list[Event]) -> None:
    """Add the events that are a message each: those of one call may come in several exports."""
    seen: Counter[str] = Counter()
    for event in events:
        if (message := message_of(event)) is None:
            continue
        name = _digest(16, event.name, str(event.at), event.attributes, event.body)
        seen[name] += 1  # the same may be said twice at the same time, but an export sent again says nothing new
        where, wrap = ("choices", response_of) if event.name == CHOICE else ("messages", request_of)
        if (body := wrap([message])) is not None:
            add_piece(record, f"{name}-{seen[name]}", event.at, where, body[where])
