"""Turn the frames of a WebSocket into records, one for each response. Runs on the worker thread.

A response begins with the client's `response.create`, or with the server's detection of the end of a turn. It ends with
`response.done` (Realtime) or `response.completed`, `.failed` or `.incomplete` (Responses). Live sessions wrap the
events of the Responses API in their own. A transcription of the user's speech, which is billed by its own model, gets a
separate record; so does a session that is billed by the second.
"""

from __future__ import annotations

from collections import deque
from time import perf_counter_ns
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from autolog._capture.span import Span
from autolog._capture.websocket import Channel, Frame, Frames
from autolog._guard import guard
from autolog._processing.span_record import record_of
from autolog._record.bodies import decode_object, encode_json
from autolog._record.ids import format_span, new_span
from autolog._record.record import Record
from autolog._record.streams import Event
from autolog._redaction.headers import clean_url
from autolog.providers import SDKS, provider_at
from autolog.providers._fields import mapping, seconds, text
from autolog.providers._openai_streams import assemble

_ENDED = {"response.done", "response.completed", "response.failed", "response.incomplete"}
#: The most items of the conversation before a response, ids of ended responses, and events of a response that are kept.
MAX_ITEMS, MAX_ENDED, MAX_EVENTS = 200, 200, 10_000
#: The characters of one second of audio: 16-bit PCM at 24 kHz, one channel, in base64.
_CHARACTERS_A_SECOND = 24_000 * 2 * 4 / 3


class _Turn:
    """A response that has been requested, and may have begun.

    Attributes:
        span: the span of the request, or of the connection if the server began the response by itself.
        parent: the number of the parent span.
        start_ns: the time of the request or, without one, of the beginning (`perf_counter_ns`).
        first_ns: the time of the first output; 0 if there is none yet.
        request: the client's event that requested the response; empty if the server began it.
        lane: the stream or delegation on a connection with several; None for the only one.
        id: the response's id; None until the response has begun.
        events: what has arrived of the response, in case it never ends.
    """

    def __init__(self, span: Span, ns: int, request: dict[str, Any], lane: str | None, parent: int | None) -> None:
        self.span = span
        self.parent = parent
        self.start_ns = ns
        self.first_ns = 0
        self.request = request
        self.lane = lane
        self.id: str | None = None
        self.events: list[Event] = []


class Conversation:
    """The conversation over one connection, as far as its frames have been read, with its open responses."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        url = urlsplit(channel.url)
        self._path = unquote(url.path)
        self._model = dict(parse_qsl(url.query)).get("model")
        self._session: dict[str, Any] = {}
        self._session_ns = 0
        self._items: deque[Any] = deque(maxlen=MAX_ITEMS)
        self._requested: list[_Turn] = []
        self._open: list[_Turn] = []
        self._ended: deque[str] = deque(maxlen=MAX_ENDED)
        self._usage: dict[str, Any] = {}
        self._audio_sent = 0
        self._session_recorded = False

    def read(self, batch: Frames) -> list[Record]:
        """Read frames, and return the records that they complete."""
        records: list[Record] = []
        for frame in batch.frames:
            with guard("reading a frame"):
                records += self._read_one(frame)
        if batch.closed:
            records += self._end(batch)
        return records

    def _read_one(self, frame: Frame) -> list[Record]:
        if frame.audio:
            self._hear(frame)
            return []
        event = decode_object(frame.data)
        if frame.sent:
            self._on_sent(event, frame)
            return []
        return self._on_received(event, frame.ns, text(event.get("stream_id")))

    def _hear(self, frame: Frame) -> None:
        """Count sent audio, and note the first audio of a response."""
        if frame.sent:
            self._audio_sent += frame.audio
        elif self._open and not self._open[-1].first_ns:
            self._open[-1].first_ns = frame.ns

    # Events from the client

    def _on_sent(self, event: dict[str, Any], frame: Frame) -> None:
        """Process an event from the client."""
        kind = event.get("type")
        if kind == "session.update":
            self._session = {**self._session, **mapping(event.get("session"))}
        elif kind == "conversation.item.create":
            self._items.append(event.get("item"))
        elif kind == "response.create" and frame.span is not None:
            self._requested.append(
                _Turn(frame.span, frame.ns, event, text(event.get("stream_id")), frame.span.parent_span)
            )

    # Events from the server

    def _on_received(self, event: dict[str, Any], ns: int, lane: str | None) -> list[Record]:
        """Process an event from the server, and return the records that it completes."""
        kind = str(event.get("type"))
        if kind == "response.event":  # a Live session wraps the events of another model
            return self._on_received(mapping(event.get("event")), ns, text(event.get("delegation_id")))
        if kind == "decision.event":
            return self._decided(mapping(mapping(event.get("event")).get("decision")), ns)
        if kind in {"session.created", "session.updated", "session.started"}:
            self._session = {**self._session, **mapping(event.get("session"))}
            self._session_ns = self._session_ns or ns
        elif kind in {"session.usage.updated", "session.closed"}:
            usage = mapping(event.get("usage"))
            self._usage = usage if seconds(usage.get("seconds")) else self._usage
        elif kind == "conversation.item.input_audio_transcription.completed":
            return self._transcribed(event, ns)
        elif kind == "response.created":
            self._begin(event, ns, lane)
        elif kind in _ENDED:
            return self._finish(event, ns, lane)
        elif kind == "error":
            return self._fail(event, ns, lane)
        elif kind.startswith("response."):
            self._grow(event, ns, lane)
        return []

    def _begin(self, event: dict[str, Any], ns: int, lane: str | None) -> None:
        """Open the response that the server has begun, matching it to the earliest request in its lane."""
        turn = next((turn for turn in self._requested if turn.lane == lane), None)
        if turn is None:
            turn = _Turn(self._channel.span, ns, {}, lane, self._channel.span.parent_span)
        else:
            self._requested.remove(turn)
        turn.id = text(mapping(event.get("response")).get("id"))
        turn.events.append(Event(None, event))
        self._open.append(turn)

    def _of(self, response_id: str | None, lane: str | None) -> _Turn | None:
        """Return the open response with this id or, if there is no id, the one in this lane."""
        for turn in self._open:
            if turn.id == response_id if response_id is not None else turn.lane == lane:
                return turn
        return None

    def _grow(self, event: dict[str, Any], ns: int, lane: str | None) -> None:
        """Keep a piece of a response, and note the time of its first output."""
        turn = self._of(text(event.get("response_id")), lane)
        if turn is None:
            return
        if ".delta" in str(event["type"]) and not turn.first_ns:
            turn.first_ns = ns
        if len(turn.events) < MAX_EVENTS:
            turn.events.append(Event(None, event))

    def _finish(self, event: dict[str, Any], ns: int, lane: str | None) -> list[Record]:
        """Close the response that the server has finished, and return its record; none if it says so again."""
        response = mapping(event.get("response"))
        response_id = text(response.get("id"))
        turn = self._of(response_id, lane)
        if turn is None:
            if response_id in self._ended:
                return []
            self._begin(event, ns, lane)
            turn = self._open[-1]
        self._open.remove(turn)
        if response_id is not None:
            self._ended.append(response_id)
        return [self._record(turn, response, ns)]

    def _fail(self, event: dict[str, Any], ns: int, lane: str | None) -> list[Record]:
        """Record the response that an error ends, if any: the one that it names, or the one in its lane."""
        error = mapping(event.get("error"))
        named = text(error.get("event_id"))
        if named is not None:
            waiting = [turn for turn in self._requested if turn.request.get("event_id") == named]
        elif "/responses" in self._path:
            waiting = [turn for turn in (*self._open, *self._requested) if turn.lane == lane][:1]
        else:  # most errors in a Realtime session end nothing
            refused = error.get("code") == "conversation_already_has_active_response"
            waiting = self._requested[-1:] if refused else []
        for turn in waiting:
            (self._open if turn in self._open else self._requested).remove(turn)
        ending = {"error": event.get("error") or event}
        return [self._record(turn, {**assemble("", turn.events), **ending}, ns) for turn in waiting]

    def _end(self, batch: Frames) -> list[Record]:
        """Record the responses that are open when the connection closes, as failed."""
        now = perf_counter_ns()
        error = batch.error or ("ConnectionClosed", "the connection was closed before the response was done")
        records = []
        for turn in (*self._open, *self._requested):
            record = self._record(turn, assemble("", turn.events), now)
            record.status, (record.error_type, record.error_message) = "error", error
            records.append(record)
        self._open, self._requested = [], []
        if ("/live" in self._path or "/translations" in self._path) and not self._session_recorded:
            records += self._session_record(now)
        return records

    # Records

    def _record(self, turn: _Turn, response: dict[str, Any], ns: int) -> Record:
        """Return the record of a response; in Realtime sessions, its input is the conversation since the last one."""
        record = self._common(turn.span, turn.start_ns, ns, turn.parent)
        request = {key: value for key, value in turn.request.items() if key not in {"type", "event_id", "stream_id"}}
        if "/responses" not in self._path:
            session: dict[str, Any] = {
                key: self._session[key] for key in ("instructions", "tools", "audio") if key in self._session
            }
            request = {**session, **request, "input": list(self._items)}
            self._items.clear()
        request.setdefault("model", self._session.get("model") or self._model)
        record.request_body = encode_json(request)
        if response:
            record.response_body = encode_json(response)
        if turn.first_ns:
            record.time_to_first_chunk = (turn.first_ns - turn.start_ns) / 1e9
        record.request_stream = True
        return record

    def _common(self, span: Span, start_ns: int, end_ns: int, parent: int | None) -> Record:
        """Return a record with the fields that all records of a connection share."""
        record = record_of(span, start_ns, end_ns)
        record.name = None
        record.span_id = format_span(new_span())
        record.parent_span_id = None if parent is None else format_span(parent)
        record.sdk = self._channel.sdk
        record.request_url = clean_url(self._channel.url)
        record.request_content_type = record.response_content_type = "application/json"
        host = urlsplit(self._channel.url).netloc
        record.provider_name = provider_at(host) or SDKS[self._channel.sdk].provider_name
        return record

    def _side(self, operation: str, model: Any, response: dict[str, Any], ns: int) -> Record:
        """Return the record of an operation that is billed separately from the responses."""
        span = self._channel.span
        record = self._common(span, ns, ns, span.parent_span)
        record.duration = None
        record.operation_name, record.request_model = operation, text(model)
        record.response_body = encode_json(response)
        return record

    def _transcribed(self, event: dict[str, Any], ns: int) -> list[Record]:
        """Return the record of a transcription of the user's speech, and add its text to the conversation."""
        content = {"type": "input_audio", "transcript": event.get("transcript")}
        self._items.append({"type": "message", "role": "user", "content": [content]})
        listening = mapping(mapping(mapping(self._session.get("audio")).get("input")).get("transcription"))
        model = listening.get("model") or mapping(self._session.get("input_audio_transcription")).get("model")
        response = {"text": event.get("transcript"), "usage": event.get("usage")}
        return [self._side("transcription", model, response, ns)]

    def _decided(self, decision: dict[str, Any], ns: int) -> list[Record]:
        """Return the record of a decision, which is billed separately."""
        return [self._side("decision", decision.get("model"), decision, ns)]

    def _session_record(self, now: int) -> list[Record]:
        """Return the record of a session that is billed by the second (Live or translation), or none."""
        span = self._channel.span
        if not self._session_ns:
            return []
        self._session_recorded = True
        record = self._common(span, self._session_ns, now, span.parent_span)
        usage = self._usage
        if not usage and self._audio_sent:
            usage = {"seconds": self._audio_sent / _CHARACTERS_A_SECOND}
            record.extra = {"usage_estimated": "the audio that was sent, as 16-bit PCM at 24 kHz"}
        record.operation_name = "realtime_session"
        record.request_model = text(self._session.get("model")) or self._model
        response = {**self._session, "usage": usage}
        record.response_body = encode_json(response)
        return [record]


def read_frames(batch: Frames) -> list[Record]:
    """Return the records that a batch of frames completes, given the earlier frames of the same connection."""
    channel = batch.channel
    if channel.conversation is None:
        channel.conversation = Conversation(channel)
    conversation: Conversation = channel.conversation
    return conversation.read(batch)
