"""Count the tokens of streams without usage with tiktoken, and mark them as estimated."""

from __future__ import annotations

import contextlib
import importlib
import sys
import threading
from time import monotonic
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
#: Seconds that records wait for a tokenizer that is being loaded, and those until loading one is tried again.
PATIENCE = 1.0
RETRY = 60.0
#: The most models whose tokenizers are remembered.
_MOST_MODELS = 256


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
        facts.unbilled_reason = f"tiktoken failed: {type(error).__name__}: {error}"
        if type(error) not in _warned:
            _warned.add(type(error))
            logger.warning("the tokens of streams without usage are not estimated: %s", facts.unbilled_reason)
    else:
        record.extra = {**record.extra, "usage_estimated": f"tiktoken {encoding.name}"}


class _Loading:
    """Loads a model's tokenizer on a thread of its own: tiktoken may fetch its table, and waits without an end."""

    def __init__(self, tiktoken: Any, model: str) -> None:
        self.begun = monotonic()
        self.ended = threading.Event()
        self.encoding: Any = None
        self.error: Exception | None = None
        threading.Thread(target=self._load, args=(tiktoken, model), name="autolog-tiktoken", daemon=True).start()

    def _load(self, tiktoken: Any, model: str) -> None:
        try:
            try:
                self.encoding = tiktoken.encoding_for_model(model)
            except KeyError:
                self.encoding = tiktoken.get_encoding(ENCODING)
        except Exception as error:  # noqa: BLE001 - raised again for each record
            self.error = error
        finally:
            self.ended.set()


_loading: dict[str, _Loading] = {}
#: The kinds of failures that the log has named.
_warned: set[type[Exception]] = set()


def _encoding(tiktoken: Any, model: str | None) -> Any:
    """Return a model's tokenizer. While one is being loaded, only the first record waits.

    Raises:
        Exception: if it cannot be loaded, or has not been yet.
    """
    model = model or ""
    loading = _loading.get(model)
    if loading is None or (loading.encoding is None and monotonic() - loading.begun > RETRY):
        busy = any(not other.ended.is_set() for other in _loading.values())
        if len(_loading) >= _MOST_MODELS:
            _loading.clear()
        loading = _loading[model] = _Loading(tiktoken, model)
        loading.ended.wait(0 if busy else PATIENCE)
    if loading.error is not None:
        raise loading.error.with_traceback(None)
    if loading.encoding is None:
        raise TimeoutError("its table has not arrived yet")
    return loading.encoding


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
