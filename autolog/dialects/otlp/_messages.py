"""Messages in the attributes of spans, either numbered or as events."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from autolog.dialects._chat import parsed
from autolog.dialects._fault import Json
from autolog.dialects.otlp._wire import Attributes, Event

# Numbered attributes


def numbered(attributes: Attributes, prefix: str) -> list[Any]:
    """Return the list that is encoded as `prefix.0.role`, `prefix.0.content`, ..."""
    tree: Json = {}
    for key, value in attributes.items():
        if not key.startswith(prefix + "."):
            continue
        at, *rest = reversed(key[len(prefix) + 1 :].split("."))
        node = tree
        for word in reversed(rest):
            inner = node.setdefault(word, {})
            if not isinstance(inner, dict):
                break
            node = inner
        else:
            node.setdefault(at, value)
    return [_untangle(item) for item in _in_order(tree)]


def _in_order(tree: Json) -> list[Any]:
    numbers = sorted((key for key in tree if key.isdecimal() and len(key) < 6), key=int)
    return [tree[number] for number in numbers]


#: OpenInference wraps each item of a list in an object of its own: `tool_calls.0.tool_call.id`.
_WRAPPERS = ("message", "message_content", "tool_call", "document", "tool")


def _untangle(node: Any) -> Any:
    if not isinstance(node, dict):
        return node
    if node and all(key.isdecimal() for key in node):
        return [_untangle(item) for item in _in_order(node)]
    tree = {key: _untangle(value) for key, value in node.items()}
    for wrapper in _WRAPPERS:
        if isinstance(tree.get(wrapper), dict):
            tree = {**tree.pop(wrapper), **tree}
    if "contents" in tree and "content" not in tree:
        tree["content"] = tree.pop("contents")
    return tree


# Events


#: Events whose attributes are attributes of the span.
_WHOLE = {"gen_ai.client.inference.operation.details", "gen_ai.content.prompt", "gen_ai.content.completion"}
#: The beginnings of the attributes that are taken from such events.
_CONVENTIONS = ("gen_ai.", "user.")
#: The event that is a message of the response.
CHOICE = "gen_ai.choice"


def from_events(events: Sequence[Event]) -> Attributes:
    """Return the attributes that are equivalent to the events of a span, or to log records about it.

    The conventions have had three forms: `gen_ai.client.inference.operation.details` with the attributes themselves
    (2025), one event per message and `gen_ai.choice` (2024), `gen_ai.content.prompt` and `.completion` (before that).
    """
    found: Attributes = {}
    inputs: list[Any] = []
    outputs: list[Any] = []
    for event in events:
        if event.name in _WHOLE:
            found |= {key: value for key, value in _attributes_of(event).items() if key.startswith(_CONVENTIONS)}
        elif (message := message_of(event)) is not None:
            (outputs if event.name == CHOICE else inputs).append(message)
    if inputs:
        found.setdefault("gen_ai.input.messages", inputs)
    if outputs:
        found.setdefault("gen_ai.output.messages", outputs)
    return found


def message_of(event: Event) -> Json | None:
    """Return the message that an event consists of (of the response if it is a choice); None if it is no message."""
    if event.name == CHOICE:
        return _choice(_attributes_of(event))
    role = event.name.removeprefix("gen_ai.").removesuffix(".message")
    if event.name.startswith("gen_ai.") and role in {"system", "user", "assistant", "tool"}:
        return {"role": role, **_attributes_of(event)}
    return None


def _attributes_of(event: Event) -> Attributes:
    body = parsed(event.body)  # Semantic Kernel logs the body as text
    return {**event.attributes, **(body if isinstance(body, dict) else {})}


def _choice(attributes: Attributes) -> Json:
    message = parsed(attributes.get("message", attributes.get("content")))
    if not isinstance(message, dict) or not {"content", "tool_calls"} & message.keys():
        message = {"content": message}
    calls = {"tool_calls": attributes["tool_calls"]} if attributes.get("tool_calls") else {}
    return {"role": "assistant", **message, **calls, "finish_reason": attributes.get("finish_reason")}
