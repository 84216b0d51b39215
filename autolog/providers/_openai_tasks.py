"""Tell what outlives its call at OpenAI's API and at those that speak it: background responses, batches, tasks.

xAI's: https://docs.x.ai/docs/guides/deferred-chat-completions and .../video-generations, read 2026-11.
"""

from __future__ import annotations

import re
from typing import Any

from autolog.providers._facts import LongRunning
from autolog.providers._fields import kind_of, text

#: What outlives its call, by its `object`: the operation that it is, and the states in which it stays.
_LONG_RUNNING = {
    "response": ("chat", {"completed", "failed", "incomplete", "cancelled"}),
    "batch": ("batch", {"completed", "failed", "expired", "cancelled"}),
    "thread.run": ("invoke_agent", {"completed", "failed", "cancelled", "expired", "incomplete"}),
    "eval.run": ("evaluation", {"completed", "failed", "canceled", "cancelled"}),
    "fine_tuning.job": ("fine_tuning", {"succeeded", "failed", "cancelled"}),
    "video": ("video_generation", {"completed", "failed"}),
    "agent.session": ("invoke_agent", {"idle", "in_progress", "requires_action", "failed"}),
}


#: Whether a task of Z.ai's or Perplexity's is over, by its state.
_TASK_STATES = {
    **dict.fromkeys(("PROCESSING", "CREATED", "IN_PROGRESS"), False),
    **dict.fromkeys(("SUCCESS", "FAIL", "COMPLETED", "FAILED"), True),
}


#: Where xAI answers what was deferred: the answer does not repeat its id.
_DEFERRED = re.compile(r"/(?:deferred-completion|videos)/([^/]+)$")


def _deferred(path: str, body: dict[str, Any]) -> LongRunning | None:
    """Return what xAI does later, by the id that it gave for that."""
    found = _DEFERRED.search(path)
    identity = text(body.get("request_id")) or (found[1] if found else None)
    named = "id" in body and "/deferred-completion/" not in path
    if identity is None or named or "error" in body:
        return None
    final = "choices" in body or body.get("status") in {"done", "failed", "expired"}
    kind = "video_generation" if "/videos" in path else "chat"
    return LongRunning(f"deferred:{identity}", kind, final)


def _named(body: dict[str, Any]) -> LongRunning | None:
    kind, identity = str(body.get("object")), text(body.get("id"))
    told = text(body.get("task_status")) or text(body.get("status"))
    if told in _TASK_STATES and identity is not None:
        return LongRunning(f"task:{identity}", "chat", _TASK_STATES[told])
    if kind not in _LONG_RUNNING or identity is None:
        return None
    background = body.get("background") if kind == "response" else True
    if background is False:
        return None
    operation_name, final = _LONG_RUNNING[kind]
    return LongRunning(f"{kind}:{identity}", operation_name, kind_of(body, "status") in final, background is True)


def long_running(path: str, body: dict[str, Any]) -> LongRunning | None:
    """Return what goes on after the call that began it, as a response tells of it by now; None if nothing does."""
    return _deferred(path, body) or _named(body)
