"""How many tokens a stream probably took, where its provider does not say: counted with tiktoken, and marked so."""

from __future__ import annotations

import contextlib
import importlib
from typing import Any

from autolog._guard import logger
from autolog._pricing import cost as _cost
from autolog._reading.describe import describe, read_response
from autolog._record.bodies import decode_object, encode_json
from autolog._record.record import Record
from autolog.providers import PROVIDERS

#: The encoding of models that tiktoken does not know by name.
ENCODING = "o200k_base"
#: What a message costs beside its words, and what begins the answer
#: (https://cookbook.openai.com/examples/how_to_count_tokens_with_tiktoken, read 2026-11).
PER_MESSAGE = 3
PER_ANSWER = 3


def import_ahead() -> None:
    """Import tiktoken with its encodings, and requests, by which it fetches their tables (see `_recorder`)."""
    with contextlib.suppress(ImportError):
        import tiktoken

        tiktoken.list_encoding_names()
        importlib.import_module("requests")


def estimate(record: Record) -> None:
    """Fill in tokens and cost of a chat stream that told none. `extra["usage_estimated"]` says by what."""
    if record.sdk != "openai" or record.operation_name not in {"chat", "text_completion"}:
        return
    if not record.request_stream or record.usage is not None or (record.status_code or 0) >= 400:
        return
    if record.response_body is None:
        return
    try:
        encoding = _encoding(record.response_model or record.request_model)
        given, made = _texts(record)
        record.usage_input_tokens = sum(len(encoding.encode_ordinary(text)) for text in given) + _frame(record)
        record.usage_output_tokens = sum(len(encoding.encode_ordinary(text)) for text in made)
    except ImportError:
        record.cost_details = _cost.unknown("estimating needs tiktoken: pip install 'autolog-llm[estimate]'").details
        return
    except Exception as error:  # noqa: BLE001 - its tables come over the network, and its regular expressions may fail
        logger.debug("cannot estimate tokens", exc_info=error)
        record.cost_details = _cost.unknown(f"tiktoken failed: {type(error).__name__}: {error}").details
        return
    by = f"tiktoken {encoding.name}"
    record.extra = {**record.extra, "usage_estimated": by}
    describe(record, PROVIDERS["openai"])


def _encoding(model: str | None) -> Any:
    import tiktoken

    try:
        return tiktoken.encoding_for_model(model or "")
    except KeyError:
        return tiktoken.get_encoding(ENCODING)


def _frame(record: Record) -> int:
    messages = decode_object(record.request_body).get("messages")
    return PER_MESSAGE * len(messages) + PER_ANSWER if isinstance(messages, list) else 0


def _texts(record: Record) -> tuple[list[str], list[str]]:
    """What was said on both sides. Images and audio are left out: their tokens follow other rules."""
    asked = decode_object(record.request_body)
    answer, _ = read_response(PROVIDERS["openai"], "", record.response_body, record.response_content_type or "")
    given = [*_said(asked.get("messages")), *_said(asked.get("prompt"))]
    if asked.get("tools"):
        given.append(encode_json(asked["tools"]).decode())
    choices = answer.get("choices") if isinstance(answer, dict) else None
    made = [text for choice in choices or [] for text in _said(choice.get("message") or choice.get("text"))]
    return given, made


_SAID = ("role", "name", "content", "text", "refusal", "reasoning_content", "arguments", "function", "tool_calls")


def _said(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, list):
        return [text for item in value for text in _said(item)]
    if isinstance(value, dict):
        return [text for key in _SAID if key in value for text in _said(value[key])]
    return []
