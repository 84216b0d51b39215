"""botocore, under boto3: `URLLib3Session.send`, one attempt of a call to AWS."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from autolog._capture.libraries.calls import LibraryCalls, Outgoing, call_parts
from autolog._capture.libraries.urllib3_tee import tee_response
from autolog._guard import report


def wrap_send(original: Callable[..., Any], calls: LibraryCalls) -> Callable[..., Any]:
    """Return `URLLib3Session.send`, recorded."""

    @functools.wraps(original)
    def send(self: Any, request: Any) -> Any:
        parts = call_parts(calls, getattr(request, "method", None), getattr(request, "url", None))
        exchange = None if parts is None else calls.open(self, *parts)
        if exchange is None:
            return original(self, request)
        body = request.body.encode() if isinstance(request.body, str) else request.body
        content = bytes(body) if isinstance(body, (bytes, bytearray)) else None
        outgoing = Outgoing(request.method, request.url, request.headers, content)
        calls.sends(exchange, outgoing, (id(self), request.method, request.url, content and hash(content)))
        with calls.block(exchange):
            response = original(self, request)
            try:
                calls.answered(exchange, response.status_code, response.headers)
                if request.stream_output:
                    tee_response(response.raw, exchange)
                else:  # the library has read it already, and decodes nothing
                    exchange.streaming = True
                    exchange.chunks.append(response.content)
                    exchange.end()
            except Exception as error:  # noqa: BLE001 - ours, never the program's
                report("reading a response", error)
        return response

    return send
