"""Count the tokens of streams without usage with tiktoken, and mark them as estimated."""

from __future__ import annotations

import contextlib
import importlib
import sys
from typing import Any

from autolog._guard import logger
from autolog._record.bodies import encode_json
from autolog._record.record import Record
from autolog.providers import Facts, format_named
from autolog.providers._fields import mapping, objects

#: The encoding of models that tiktoken does not know by name.
ENCODING = "o200k_base"
#: The extra tokens of each message, and of the beginning of the answer
#: (https://cookbook.openai.com/examples/how_to_count_tokens_with_tiktoken, read 2026-11).
PER_MESSAGE = 3
PER_ANSWER = 3


def import_ahead() -> None:
    """Import tiktoken with its encodings, and requests, with which it fetches their tables (see `deferred`)."""
    with contextlib.suppress(ImportError):
        import tiktoken

        tiktoken.list_encoding_names()
        importlib.import_module("requests")
        importlib.import_module("netrc")  # imported by the first request of requests


def estimate(record: Record, facts: Facts) -> None:
    """Fill in the tokens of a chat stream without usage, and name the tokenizer in `extra["usage_estimated"]`.

    If they cannot be counted, `facts.unbilled_reason` says why.
    """
    if record.sdk is None or format_named(record.sdk).name != "openai":
        return
    if record.operation_name not in {"chat", "text_completion"}:
        return
    if not record.request_stream or record.usage is not None or (record.status_code or 0) >= 400:
        return
    if record.response_body is None:
        return
    tiktoken = sys.modules.get("tiktoken")  # imported ahead if it is installed: this thread imports nothing of others
    if tiktoken is None:
        facts.unbilled_reason = "estimating needs tiktoken: pip install 'autolog-llm[estimate]'"
        return
    try:
        encoding = _encoding(tiktoken, record.response_model or record.request_model)
        given, output = _texts(facts)
        record.usage_input_tokens = sum(len(encoding.encode_ordinary(text)) for text in given) + _frame(facts)
        record.usage_output_tokens = sum(len(encoding.encode_ordinary(text)) for text in output)
    except Exception as error:  # noqa: BLE001 - tables are fetched over the network, and regular expressions may fail
        logger.debug("cannot estimate tokens", exc_info=error)
        facts.unbilled_reason = f"tiktoken failed: {type(error).__name__}: {error}"
    else:
        record.extra = {**record.extra, "usage_estimated": f"tiktoken {encoding.name}"}


def _encoding(tiktoken: Any, model: str | None) -> Any:
    try:
        return tiktoken.encoding_for_model(model or "")
    except KeyError:
        return tiktoken.get_encoding(ENCODING)


def _frame(facts: Facts) -> int:
    messages = facts.request.get("messages")
    return PER_MESSAGE * len(messages) + PER_ANSWER if isinstance(messages, list) else 0


def _texts(facts: Facts) -> tuple[list[str], list[str]]:
    """Return the texts of input and output, without images and audio, whose tokens follow other rules."""
    given = [*_texts_in(facts.request.get("messages")), *_texts_in(facts.request.get("prompt"))]
    if facts.request.get("tools"):
        given.append(encode_json(facts.request["tools"]).decode())
    choices = objects(mapping(facts.response).get("choices"))
    output = [text for choice in choices for text in _texts_in(choice.get("message") or choice.get("text"))]
    return given, output


_TEXT_KEYS = ("role", "name", "content", "text", "refusal", "reasoning_content", "arguments", "function", "tool_calls")


def _texts_in(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, list):
        return [text for item in value for text in _texts_in(item)]
    if isinstance(value, dict):
        return [text for key in _TEXT_KEYS if key in value for text in _texts_in(value[key])]
    return []
