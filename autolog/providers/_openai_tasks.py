"""Recognise work that outlives its call at OpenAI and compatible APIs: background responses, batches, tasks.

xAI's: https://docs.x.ai/docs/guides/deferred-chat-completions, .../video-generations and .../batch-api, read 2026-11.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from autolog.providers._facts import LongRunning
from autolog.providers._fields import kind_of, mapping, objects, text

#: Work that outlives its call, by its `object`: the operation, and the final statuses.
_LONG_RUNNING = {
    "response": ("chat", {"completed", "failed", "incomplete", "cancelled"}),
    "batch": ("batch", {"completed", "failed", "expired", "cancelled"}),
    "thread.run": ("invoke_agent", {"completed", "failed", "cancelled", "expired", "incomplete"}),
    "eval.run": ("evaluation", {"completed", "failed", "canceled", "cancelled"}),
    "fine_tuning.job": ("fine_tuning", {"succeeded", "failed", "cancelled"}),
    "video": ("video_generation", {"completed", "failed"}),
    "agent.session": ("invoke_agent", {"idle", "in_progress", "requires_action", "failed"}),
}
#: Whether a task at Z.ai or Perplexity is over, by its status.
_TASK_STATES = {
    **dict.fromkeys(("PROCESSING", "CREATED", "IN_PROGRESS"), False),
    **dict.fromkeys(("SUCCESS", "FAIL", "COMPLETED", "FAILED"), True),
}
#: The paths at which xAI returns deferred results, which do not repeat their id.
_DEFERRED = re.compile(r"/(?:deferred-completion|videos)/([^/]+)$")


def _deferred(path: str, body: dict[str, Any]) -> LongRunning | None:
    """Return xAI's deferred work, by the request id; None if the response is not about such work."""
    match = _DEFERRED.search(path)
    if match is None and "request_id" not in body:
        return None
    identity = text(body.get("request_id")) or (match[1] if match else None)
    named = "id" in body and "/deferred-completion/" not in path
    if identity is None or named or "error" in body:
        return None
    final = "choices" in body or kind_of(body, "status") in {"done", "failed", "expired"}
    kind = "video_generation" if "/videos" in path else "chat"
    return LongRunning(f"deferred:{identity}", kind, final)


def _task(path: str, body: dict[str, Any]) -> LongRunning | None:
    """Return the task of Z.ai or Perplexity that a response reports on; None if it reports on none."""
    if "task_status" not in body and "status" not in body:
        return None
    identity, state = text(body.get("id")), text(body.get("task_status")) or text(body.get("status"))
    if state not in _TASK_STATES or identity is None:
        return None
    video, image = "/videos" in path or "video_result" in body, "/images" in path or "image_result" in body
    kind = "video_generation" if video else "image_generation" if image else "chat"
    return LongRunning(f"task:{identity}", kind, _TASK_STATES[state])


def _agent(body: dict[str, Any]) -> LongRunning | None:
    """Return the work of an agent at Z.ai that a response reports on; None if it reports on none."""
    if "agent_id" not in body or "object" in body:
        return None
    identity, state = text(body.get("async_id")) or text(body.get("id")), text(body.get("status"))
    if identity is None or state is None:
        return None
    return LongRunning(f"task:{identity}", "invoke_agent", state.lower() not in {"pending", "processing", "running"})


def _named(body: dict[str, Any]) -> LongRunning | None:
    """Return the work that a response reports on by its `object` and its id; None if it reports on none."""
    kind = kind_of(body, "object")
    if kind not in _LONG_RUNNING or (identity := text(body.get("id"))) is None:
        return None
    background = body.get("background") if kind == "response" else True
    if background is False:
        return None
    operation_name, final = _LONG_RUNNING[kind]
    return LongRunning(f"{kind}:{identity}", operation_name, kind_of(body, "status") in final, background is True)


def long_running(path: str, body: dict[str, Any]) -> LongRunning | None:
    """Return the work that a response reports on and that outlives the call that began it; None if there is none."""
    return _deferred(path, body) or _task(path, body) or _agent(body) or _named(body)


def page_items(page: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the items on a page of a batch's results, in OpenAI's format, which OpenRouter uses; xAI has its own."""
    for item in objects(page.get("data")) + objects(page.get("results")):
        custom_id = text(item.get("batch_request_id"))
        if custom_id is None:
            yield item
            continue
        result = mapping(item.get("batch_result"))
        answers = [answer for answer in mapping(result.get("response")).values() if isinstance(answer, dict)]
        failed = result.get("error") or item.get("error_message")
        yield {
            "custom_id": custom_id,
            "response": {"body": answers[0]} if answers else None,
            "error": {"message": failed} if isinstance(failed, str) else failed,
        }
