"""The bodies that Humanloop's clients send (from the API reference of humanloop 0.8.38)."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import pydantic

from autolog.dialects._convert import MAX_DOLLARS, MAX_SECONDS, MAX_TOKENS
from autolog.dialects._fault import Json
from autolog.dialects._schema import Body

Tokens = Annotated[int, pydantic.Field(ge=0, lt=MAX_TOKENS)]
Dollars = Annotated[float, pydantic.Field(ge=-MAX_DOLLARS, le=MAX_DOLLARS)]


class Message(Body):
    role: Literal["user", "assistant", "system", "tool", "developer"]
    content: str | list[Json] | None = None


class Function(Body):
    name: str


class ToolChoice(Body):
    type: Literal["function"]
    function: Function


class Fields(Body):
    """The fields that create and update share."""

    output: str | None = None
    output_message: Message | None = None
    messages: list[Message] | None = None
    inputs: Json | None = None
    tool_choice: Literal["none", "auto", "required"] | ToolChoice | None = None
    prompt_tokens: Tokens | None = None
    output_tokens: Tokens | None = None
    reasoning_tokens: Tokens | None = None
    prompt_cost: Dollars | None = None
    output_cost: Dollars | None = None
    finish_reason: str | None = None
    error: str | None = None
    provider_latency: Annotated[float, pydantic.Field(ge=0, le=MAX_SECONDS)] | None = None
    provider_request: Json | None = None
    provider_response: Json | None = None
    stdout: str | None = None
    source: str | None = None
    metadata: Json | None = None
    created_at: str | None = None
    start_time: str | None = None
    end_time: str | None = None
    log_status: Literal["complete", "incomplete"] | None = None


class PromptSettings(Body):
    model: str


class FileLog(Fields):
    """The fields for creating a log that all kinds of files share."""

    path: str | None = pydantic.Field(default=None, min_length=1)
    id: str | None = None
    log_id: str | None = pydantic.Field(default=None, min_length=1)
    run_id: str | None = None
    source_datapoint_id: str | None = None
    save: bool | None = None
    user: str | None = None
    environment: str | None = None
    trace_parent_id: str | None = None


class PromptLog(FileLog):
    prompt: PromptSettings | str | None = None


class FlowLog(FileLog):
    flow: Json | None = None


class ToolLog(FileLog):
    tool: Json | None = None


class EvaluatorLog(FileLog):
    parent_id: str
    judgment: Any = None
    spec: Json | None = None
    marked_completed: bool | None = None


LOGS: dict[str, type[FileLog]] = {"prompt": PromptLog, "flow": FlowLog, "tool": ToolLog, "evaluator": EvaluatorLog}
