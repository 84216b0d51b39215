"""What is said of a coding agent that sends log records: what its events are, and what their attributes are called."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from autolog.dialects._chat import parsed
from autolog.dialects.otlp.families._family import Family


@dataclass(frozen=True, slots=True)
class Agent:
    """The events of one agent. A session is a trace, a prompt is a span in it, calls and tools are below the prompt."""

    prefix: str
    """What the names of its events begin with."""
    family: Family
    """The attributes of its model calls."""
    events: Mapping[str, str]
    """Event -> what it is: `prompt`, `answer`, `call`, `request` or `response` (raw bodies of a call), `tool`, or
    `skip`: acknowledged and not kept. One that is not here is kept as a span."""
    provider: str | None
    turn: tuple[str, ...] = ()
    """Attributes with the id of the prompt that an event belongs to."""
    call_id: tuple[str, ...] = ()
    """Attributes with the id that all events of one model call share."""
    prompt: tuple[str, ...] = ("prompt",)
    answer: tuple[str, ...] = ("response",)
    body: tuple[str, ...] = ("body",)
    read_request: Callable[[Any], Any] = parsed
    """Return the body that the attribute of a `request` holds."""
    read_answer: Callable[[Any], Any] = parsed
    """Return what the attribute of an `answer` holds: a response's body, messages, or a text."""
    tool: tuple[str, ...] = ("tool_name",)
    tool_id: tuple[str, ...] = ()
    tool_input: tuple[str, ...] = ()
    tool_output: tuple[str, ...] = ()
    error: tuple[str, ...] = ("error", "error.message", "error_message")
    duration: tuple[str, ...] = ("duration_ms",)
    """Attributes with how long it took, in milliseconds."""
    only: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    """Event -> the attribute and the value with which alone it is kept."""
    counted: frozenset[str] = frozenset()
    """Events that are kept only with counts of tokens: without, another event tells of the same."""
