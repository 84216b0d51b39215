"""botocore, under boto3: wrap `URLLib3Session.send`, which makes one attempt of a call to AWS."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from autolog._capture.libraries.calls import LibraryCalls, open_prepared
from autolog._capture.libraries.urllib3_tee import tee_response
from autolog._guard import report
from autolog._record.addresses import OPERATION_HEADER, operation_url


def wrap_send(original: Callable[..., Any], calls: LibraryCalls) -> Callable[..., Any]:
    """Wrap `URLLib3Session.send` to record its calls."""

    @functools.wraps(original)
    def send(self: Any, request: Any) -> Any:
        exchange = open_prepared(calls, self, request, _recorded_url(request))
        if exchange is None:
            return original(self, request)
        with calls.block(exchange):
            response = original(self, request)
            try:
                calls.answered(exchange, response.status_code, response.headers)
                if request.stream_output:
                    tee_response(response.raw, exchange)
                else:  # the library has already read the body, and does not decode it
                    exchange.streaming = True
                    exchange.chunks.append(response.content)
                    exchange.end()
            except Exception as error:  # noqa: BLE001 - ours, never the program's
                report("reading a response", error)
        return response

    return send


def _recorded_url(request: Any) -> str:
    """Return the URL under which a request is recorded; empty if it is not a request."""
    try:
        return operation_url(request.url, request.headers.get(OPERATION_HEADER))
    except (AttributeError, TypeError):  # let the library report it
        return ""
