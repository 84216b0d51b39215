"""The description of a coding agent that sends log records: its events, and the names of their attributes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from autolog.dialects._chat import parsed
from autolog.dialects.otlp.families._family import Family


@dataclass(frozen=True, slots=True)
class Agent:
    """The events of one agent. A session becomes a trace, a prompt a span in it, and calls and tools its children."""

    prefix: str
    """The prefix of the names of its events."""
    family: Family
    """The attributes of its model calls."""
    events: Mapping[str, str]
    """Event -> its meaning: `prompt`, `answer`, `call`, `request` or `response` (raw bodies of a call), `tool`, or
    `skip`: acknowledged and not stored. Events that are not listed are stored as spans."""
    provider: str | None
    turn: tuple[str, ...] = ()
    """Attributes with the id of the prompt that an event belongs to."""
    call_id: tuple[str, ...] = ()
    """Attributes with the id that all events of one model call share."""
    prompt: tuple[str, ...] = ("prompt",)
    answer: tuple[str, ...] = ("response",)
    body: tuple[str, ...] = ("body",)
    read_request: Callable[[Any], Any] = parsed
    """Return the body in the attribute of a `request`."""
    read_answer: Callable[[Any], Any] = parsed
    """Return the contents of the attribute of an `answer`: a response's body, messages, or a text."""
    tool: tuple[str, ...] = ("tool_name",)
    tool_id: tuple[str, ...] = ()
    tool_input: tuple[str, ...] = ()
    tool_output: tuple[str, ...] = ()
    error: tuple[str, ...] = ("error", "error.message", "error_message")
    duration: tuple[str, ...] = ("duration_ms",)
    """Attributes with the duration in milliseconds."""
    only: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    """Event -> an attribute and its value, without which the event is not stored."""
    one_trace: bool = False
    """Whether all events of a session are in its trace, also those with a trace id of their own."""
    counted: frozenset[str] = frozenset()
    """Events that are stored only with token counts; without them, another event reports the same call."""
