"""A stand-in for OpenAI and Anthropic that answers every billable call as in the published API references."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

USAGE = {"prompt_tokens": 1000, "completion_tokens": 100, "total_tokens": 1100}
IO_USAGE = {"input_tokens": 1000, "output_tokens": 100, "total_tokens": 1100}
RESPONSE = {
    "id": "resp_1", "object": "response", "created_at": 1_793_500_000, "model": "gpt-4o", "status": "completed",
    "output": [{"type": "message", "id": "m", "role": "assistant", "status": "completed",
                "content": [{"type": "output_text", "text": '{"city": "Paris"}', "annotations": []}]}],
    "parallel_tool_calls": True, "tool_choice": "auto", "tools": [],
    "usage": {**IO_USAGE, "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
              "output_tokens_details": {"reasoning_tokens": 0}},
}  # fmt: skip
CHAT = {"id": "c", "object": "chat.completion", "created": 1_793_500_000, "model": "gpt-4o", "usage": USAGE,
        "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": '{"city": "Paris"}'}}]}  # fmt: skip
RUN = {"id": "run_1", "object": "thread.run", "thread_id": "t", "assistant_id": "a", "created_at": 1, "status": "completed",
       "model": "gpt-4o", "usage": USAGE, "tools": [], "instructions": "", "metadata": {}}  # fmt: skip
BATCH = {"id": "batch_1", "object": "batch", "endpoint": "/v1/chat/completions", "input_file_id": "f", "status": "completed",
         "completion_window": "24h", "created_at": 1_793_500_000, "output_file_id": "file-1"}  # fmt: skip
VIDEO = {"id": "video_1", "object": "video", "status": "completed", "model": "sora-2", "seconds": "4", "size": "720x1280",
         "progress": 100, "created_at": 1_793_500_000}  # fmt: skip
IMAGE_USAGE = {**IO_USAGE, "input_tokens_details": {"text_tokens": 400, "image_tokens": 600}}
IMAGES = {"created": 1, "data": [{"b64_json": "aW1hZ2U="}], "usage": IMAGE_USAGE}
JOB = {"id": "ftjob-1", "object": "fine_tuning.job", "status": "succeeded", "model": "gpt-4.1-mini", "trained_tokens": 1_000_000,
       "created_at": 1, "hyperparameters": {}, "organization_id": "o", "result_files": [], "seed": 0, "training_file": "f"}  # fmt: skip
EVAL_RUN = {"id": "run_e", "object": "eval.run", "eval_id": "e", "status": "completed", "model": "gpt-4o", "created_at": 1,
            "name": "n", "per_model_usage": [{"model_name": "gpt-4o", "cached_tokens": 0, "invocation_count": 1, **USAGE}]}  # fmt: skip
AGENT_SESSION = {"id": "as_1", "object": "agent.session", "status": "idle", "created_at": 1, "usage": IO_USAGE,
                 "agent": {"id": "a", "model": "gpt-4o"}}  # fmt: skip
TURN = {"type": "agent.session.turn.completed", "event_id": "e", "session_id": "as_1", "turn_id": "t1", "usage": IO_USAGE,
        "turn": {"id": "t1", "object": "agent.session.turn", "status": "completed", "session_id": "as_1", "agent_id": "a",
                 "created_at": 1, "usage": IO_USAGE}}  # fmt: skip
DECISION = {"id": "d", "object": "decision", "model": "gpt-6-luna", "answers": [], "usage": IO_USAGE, "created_at": 1}
MESSAGE = {"id": "msg_1", "type": "message", "role": "assistant", "model": "claude-sonnet-4-5", "stop_reason": "end_turn",
           "stop_sequence": None, "content": [{"type": "text", "text": '{"city": "Paris"}'}],
           "usage": {"input_tokens": 1000, "output_tokens": 100, "service_tier": "standard"}}  # fmt: skip
MESSAGE_BATCH = {"id": "msgbatch_1", "type": "message_batch", "processing_status": "ended", "created_at": "2026-11-01T00:00:00Z",
                 "expires_at": "2026-11-02T00:00:00Z", "ended_at": "2026-11-01T01:00:00Z",
                 "request_counts": {"processing": 0, "succeeded": 1, "errored": 0, "canceled": 0, "expired": 0},
                 "results_url": "https://api.anthropic.com/v1/messages/batches/msgbatch_1/results"}  # fmt: skip
SESSION = {"id": "sesn_1", "type": "session", "status": "idle", "agent": {"model": {"id": "claude-sonnet-4-5"}},
           "created_at": "2026-11-01T00:00:00Z", "usage": {"input_tokens": 1000, "output_tokens": 100, "active_seconds": 10}}  # fmt: skip
DREAM = {"id": "drm_1", "type": "dream", "status": "completed", "model": {"id": "claude-sonnet-4-5"},
         "created_at": "2026-11-01T00:00:00Z", "usage": {"input_tokens": 1000, "output_tokens": 100,
         "cache_read_input_tokens": 0, "cache_creation_input_tokens": 0}}  # fmt: skip

#: The method and path of each call, and its response.
ROUTES: list[tuple[str, str, Any]] = [
    ("GET", r"/chat/completions$", {"object": "list", "data": [CHAT], "has_more": False}),
    ("", r"/chat/completions", CHAT),
    ("", r"/v1/completions$", {**CHAT, "object": "text_completion", "choices": [{"index": 0, "text": "Hi", "finish_reason": "stop"}], "model": "gpt-3.5-turbo-instruct"}),
    ("", r"/responses/compact$", {"id": "c", "object": "response.compaction", "created_at": 1, "output": [], "usage": RESPONSE["usage"], "model": "gpt-4o"}),
    ("", r"/responses/input_tokens$", {"object": "response.input_tokens", "input_tokens": 10}),
    ("", r"/responses/resp_later", {**RESPONSE, "id": "resp_later", "background": True}),
    ("", r"/responses", RESPONSE),
    ("", r"/decisions$", DECISION),
    ("", r"/embeddings$", {"object": "list", "model": "text-embedding-3-small", "data": [{"object": "embedding", "index": 0, "embedding": [0.1]}], "usage": {"prompt_tokens": 10, "total_tokens": 10}}),
    ("", r"/moderations$", {"id": "m", "model": "omni-moderation-latest", "results": []}),
    ("", r"/images/variations$", {"created": 1, "data": [{"url": "https://x"}]}),
    ("", r"/images/", IMAGES),
    ("", r"/audio/speech$", b"\xff\xfb\x90\x00" * 10),
    ("", r"/audio/transcriptions$", {"text": "Hi", "usage": {"type": "tokens", **IO_USAGE, "input_token_details": {"audio_tokens": 1000, "text_tokens": 0}}}),
    ("", r"/audio/translations$", {"text": "Hi"}),
    ("", r"/audio/voices$", {"id": "v", "object": "audio.voice", "name": "n", "created_at": 1}),
    ("", r"/videos/characters$", {"id": "char_1", "object": "character", "name": "n", "created_at": 1}),
    ("", r"/videos", VIDEO),
    ("", r"/realtime/calls$", b"v=0"),
    ("", r"/realtime/calls/.*/accept$", b""),
    ("", r"/realtime/.*client_secrets$", {"value": "ek", "expires_at": 1, "session": {"type": "realtime", "model": "gpt-realtime"}}),
    ("", r"/realtime/(transcription_)?sessions$", {"client_secret": {"value": "ek", "expires_at": 1}}),
    ("", r"/live/sessions/.*/fork$", {"session": {"id": "live_2"}, "transport": {}}),
    ("", r"/live/sessions/.*/accept$", b""),
    ("", r"/live", {"session": {"id": "live_1"}, "transport": {}}),
    ("", r"/threads/.*runs|/threads/runs$", RUN),
    ("", r"/agents/sessions/.*/events$", {"object": "list", "data": []}),
    ("", r"/agents/sessions", AGENT_SESSION),
    ("", r"/agents/automations/.*/invocations$", {"id": "inv_1", "object": "agent.automation.invocation", "status": "queued"}),
    ("", r"/agents/automations", {"id": "auto_1", "object": "agent.automation", "status": "active"}),
    ("", r"/chatkit/sessions$", {"id": "cks", "object": "chatkit.session", "status": "active"}),
    ("GET", r"/v1/batches/batch_1$", BATCH),
    ("POST", r"/v1/batches$", {**BATCH, "status": "validating"}),
    ("", r"/files/file-1/content$", json.dumps({"id": "batch_req_1", "custom_id": "a", "error": None, "response": {"status_code": 200, "body": CHAT}}).encode()),
    ("", r"/v1/files$", {"id": "file-2", "object": "file", "bytes": 1, "created_at": 1, "filename": "f", "purpose": "assistants", "status": "processed"}),
    ("", r"/evals/.*/runs", EVAL_RUN),
    ("", r"/fine_tuning/jobs", JOB),
    ("", r"/graders/run$", {"reward": 1.0, "metadata": {}, "sub_rewards": {}, "model_grader_token_usage_per_model": {"gpt-4o": USAGE}}),
    ("", r"/vector_stores/.*/search$", {"object": "vector_store.search_results.page", "search_query": ["q"], "data": [], "has_more": False}),
    ("", r"/vector_stores/.*/file_batches", {"id": "vsfb", "object": "vector_store.files_batch", "status": "completed", "vector_store_id": "vs", "created_at": 1, "file_counts": {"cancelled": 0, "completed": 1, "failed": 0, "in_progress": 0, "total": 1}}),
    ("", r"/vector_stores/.*/files", {"id": "file-2", "object": "vector_store.file", "status": "completed", "vector_store_id": "vs", "created_at": 1, "usage_bytes": 1}),
    ("", r"/containers$", {"id": "cntr", "object": "container", "name": "n", "status": "running", "created_at": 1}),
    ("", r"/content_provenance_checks$", {"id": "cpc", "object": "content_provenance_check", "result": "none"}),
    ("", r"/messages/count_tokens", {"input_tokens": 10}),
    ("", r"/messages/batches/msgbatch_1/results", json.dumps({"custom_id": "a", "result": {"type": "succeeded", "message": MESSAGE}}).encode()),
    ("", r"/messages/batches/msgbatch_1", MESSAGE_BATCH),
    ("", r"/messages/batches", {**MESSAGE_BATCH, "processing_status": "in_progress"}),
    ("", r"/messages", MESSAGE),
    ("", r"/sessions/.*/events$", {"data": []}),
    ("", r"/v1/sessions", SESSION),
    ("", r"/v1/dreams", DREAM),
    ("", r"/v1/deployments/.*/run$", {"id": "depr_1", "type": "deployment_run", "status": "queued", "session_id": "sesn_1"}),
    ("", r"/v1/deployments", {"id": "depl_1", "type": "deployment", "status": "active"}),
]  # fmt: skip


def chat_events() -> Iterator[dict[str, Any]]:
    base = {"id": "c", "object": "chat.completion.chunk", "created": 1_793_500_000, "model": "gpt-4o"}
    yield {**base, "choices": [{"index": 0, "delta": {"role": "assistant", "content": "Hi"}, "finish_reason": None}]}
    yield {**base, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
    yield {**base, "choices": [], "usage": USAGE}


def message_events() -> Iterator[dict[str, Any]]:
    start = {**MESSAGE, "content": [], "stop_reason": None, "usage": {"input_tokens": 1000, "output_tokens": 1}}
    yield {"type": "message_start", "message": start}
    yield {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}
    yield {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": '{"city": "Paris"}'}}
    yield {"type": "content_block_stop", "index": 0}
    yield {
        "type": "message_delta",
        "delta": {"stop_reason": "end_turn", "stop_sequence": None},
        "usage": {"output_tokens": 100},
    }
    yield {"type": "message_stop"}


#: The paths of streams, and their events.
STREAMS: list[tuple[str, list[dict[str, Any]]]] = [
    (r"/chat/completions$", list(chat_events())),
    (r"/v1/completions$", [{"id": "c", "object": "text_completion", "model": "gpt-3.5-turbo-instruct", "created": 1, "usage": USAGE,
                            "choices": [{"index": 0, "text": "Hi", "finish_reason": "stop"}]}]),
    (r"/responses/resp_later", [{"type": "response.completed", "sequence_number": 9, "response": {**RESPONSE, "id": "resp_later", "background": True}}]),
    (r"/responses$", [{"type": "response.created", "sequence_number": 0, "response": {**RESPONSE, "status": "in_progress", "output": [], "usage": None}},
                      {"type": "response.completed", "sequence_number": 1, "response": RESPONSE}]),
    (r"/images/", [{"type": "image_generation.completed", "b64_json": "aW1hZ2U=", "usage": IMAGE_USAGE, "created_at": 1, "size": "1024x1024",
                    "quality": "high", "background": "opaque", "output_format": "png"}]),
    (r"/audio/speech$", [{"type": "speech.audio.delta", "audio": "aGk="}, {"type": "speech.audio.done", "usage": IO_USAGE}]),
    (r"/audio/transcriptions$", [{"type": "transcript.text.delta", "delta": "Hi"},
                                 {"type": "transcript.text.done", "text": "Hi", "usage": {"type": "tokens", **IO_USAGE, "input_token_details": {"audio_tokens": 1000, "text_tokens": 0}}}]),
    (r"/threads/.*runs|/threads/runs$", [{"_event": "thread.run.created", **RUN, "status": "queued", "usage": None},
                                         {"_event": "thread.run.completed", **RUN}]),
    (r"/agents/sessions/.*/events$", [{"type": "agent.session.turn.created", "event_id": "e0", "session_id": "as_1", "turn_id": "t1", "turn": {**TURN["turn"], "status": "in_progress"}}, TURN,
                                      {"type": "agent.session.idle", "event_id": "e2", "session_id": "as_1", "session": AGENT_SESSION}]),
    (r"/messages", list(message_events())),
    (r"/sessions/.*/(events/)?stream$", [{"type": "session.usage", "id": "e", "usage": SESSION["usage"], "processed_at": "2026-11-01T00:00:00Z"}]),
]  # fmt: skip


def answer(http: Any, request: Any) -> Any:
    """Return the response to a request, as in the published reference."""
    path = request.url.path
    try:
        content = json.loads(request.content or b"{}")
        stream_requested = isinstance(content, dict) and (
            content.get("stream") or content.get("stream_format") == "sse"
        )
    except (ValueError, UnicodeDecodeError):
        stream_requested = b'name="stream"\r\n\r\ntrue' in request.content
    wants = (
        stream_requested
        or path.endswith("/stream")
        or "event-stream" in request.headers.get("accept", "")
        or "stream=true" in str(request.url)
    )
    if wants:
        for pattern, events in STREAMS:
            if re.search(pattern, path):
                if "/chat/" in path and not (content.get("stream_options") or {}).get("include_usage"):
                    events = events[:-1]
                return http.Response(200, headers={"content-type": "text/event-stream"}, content=encode(path, events))
    for method, pattern, body in ROUTES:
        if method in ("", request.method) and re.search(pattern, path):
            if isinstance(body, bytes):
                return http.Response(
                    200, headers={"content-type": "application/octet-stream", "location": "/v1/x/rtc_1"}, content=body
                )
            return http.Response(200, json=body)
    raise AssertionError(f"the reference does not know {request.method} {path}")


def encode(path: str, events: list[dict[str, Any]]) -> bytes:
    lines = []
    for event in events:
        name = event.get("_event") or (event.get("type") if "/responses" not in path else None)
        data = {key: value for key, value in event.items() if key != "_event"}
        lines.append((f"event: {name}\n" if name else "") + f"data: {json.dumps(data)}\n\n")
    if "/messages" not in path and "/sessions" not in path:
        lines.append("event: done\ndata: [DONE]\n\n" if "/threads" in path else "data: [DONE]\n\n")
    return "".join(lines).encode()
