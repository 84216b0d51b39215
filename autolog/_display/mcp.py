"""The Model Context Protocol, as far as a server that only offers tools needs it.

That is four methods of JSON-RPC (https://modelcontextprotocol.io/specification/2025-11-25), without sessions, streams
or requests from the server to the client. The official package would add JSON Schema, cryptography and a web server to
the dependencies of a terminal program. Each message is answered independently, so both transports only need `reply`,
whose result is a line on standard output or the body of an HTTP response.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from autolog._display import tools
from autolog._display.tools import Logs, ToolError

#: The supported protocol versions, the newest first; they do not differ in what is used here.
VERSIONS = ("2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05")
_INSTRUCTIONS = (
    "Logs of LLM calls. Begin with find (status=error) or stats; show lists the parts of one record, and show with "
    "part= gives all of one; trace shows what a run did; sql counts."
)
_PARSE, _REQUEST, _METHOD, _PARAMS, _INTERNAL = -32700, -32600, -32601, -32602, -32603


def reply(message: bytes | str, logs: Logs, version: str) -> bytes | None:
    """Return the reply to a message, or to a batch of messages, as one line of JSON; None if there is no reply.

    Args:
        message: a JSON-RPC message, or an array of messages.
        logs: the logs that the tools read.
        version: autolog's version, which `initialize` reports.
    """
    try:
        given = json.loads(message)
    except (ValueError, RecursionError):
        return _encode(_error(None, _PARSE, "this is not JSON"))
    if isinstance(given, list) and given:
        answers = [answer for item in given if (answer := _answer(item, logs, version)) is not None]
        return _encode(answers) if answers else None
    answer = _answer(given, logs, version)
    return None if answer is None else _encode(answer)


def _encode(answer: Any) -> bytes:
    return json.dumps(answer, ensure_ascii=True).encode()


def _error(request_id: Any, code: int, message: str) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": request_id, "error": {"code": code, "message": message}}


def _answer(given: Any, logs: Logs, version: str) -> dict[str, Any] | None:
    if not isinstance(given, dict) or given.get("jsonrpc") != "2.0":
        return _error(None, _REQUEST, "this is not a JSON-RPC 2.0 message")
    if "method" not in given or "id" not in given:  # a notification, or an unsolicited response
        return None
    request_id, method, params = given["id"], given["method"], given.get("params") or {}
    handler = _METHODS.get(method) if isinstance(method, str) else None
    if handler is None:
        return _error(request_id, _METHOD, f"there is no method {str(method)[:100]!r}")
    if not isinstance(params, dict):
        return _error(request_id, _PARAMS, "params must be an object")
    return {"jsonrpc": "2.0", "id": request_id, "result": handler(params, logs, version)}


def _initialize(params: dict[str, Any], _: Logs, version: str) -> dict[str, Any]:
    requested = params.get("protocolVersion")
    return {
        "protocolVersion": requested if requested in VERSIONS else VERSIONS[0],
        "capabilities": {"tools": {}},
        "serverInfo": {"name": "autolog", "version": version},
        "instructions": _INSTRUCTIONS,
    }


def _list(_: dict[str, Any], logs: Logs, __: str) -> dict[str, Any]:
    return {
        "tools": [
            {"name": name, "description": tool.description, "inputSchema": tool.schema(),
             "annotations": {"readOnlyHint": not tool.changes}}
            for name, tool in tools.available(logs).items()
        ]
    }  # fmt: skip


def _call(params: dict[str, Any], logs: Logs, _: str) -> dict[str, Any]:
    name, arguments = params.get("name"), params.get("arguments") or {}
    expected: tuple[type[Exception], ...] = (ToolError, *logs.failures)
    try:
        if not isinstance(name, str) or not isinstance(arguments, dict):
            raise ToolError("name must be a string, and arguments an object")
        text, failed = tools.call(name, arguments, logs), False
    except expected as error:
        text, failed = str(error), True
    return {"content": [{"type": "text", "text": text}], "isError": failed}


_METHODS: dict[str, Callable[[dict[str, Any], Logs, str], dict[str, Any]]] = {
    "initialize": _initialize,
    "ping": lambda *_: {},
    "tools/list": _list,
    "tools/call": _call,
}
