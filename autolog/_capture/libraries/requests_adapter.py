"""requests: wrap `HTTPAdapter.send`, which every request goes through unless its session has a custom adapter."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from autolog._capture.libraries.calls import LibraryCalls, open_prepared
from autolog._capture.libraries.urllib3_tee import tee_response
from autolog._guard import report

#: What requests_mock raises if it does not answer a request, but lets it go out.
_PASSED_ON = "_RunRealHTTP"


def wrap_send(original: Callable[..., Any], calls: LibraryCalls) -> Callable[..., Any]:
    """Wrap `HTTPAdapter.send` to record its calls."""

    @functools.wraps(original)
    def send(self: Any, request: Any, *args: Any, **kwargs: Any) -> Any:
        exchange = open_prepared(calls, self, request)
        if exchange is None:
            return original(self, request, *args, **kwargs)
        with calls.block(exchange):
            try:
                response = original(self, request, *args, **kwargs)
            except Exception as error:
                if type(error).__name__ == _PASSED_ON:
                    exchange.request = None  # this was no call: the next adapter makes it
                raise
            try:
                calls.answered(exchange, response.status_code, response.headers)
                tee_response(response.raw, exchange)
            except Exception as error:  # noqa: BLE001 - ours, never the program's
                report("reading a response", error)
        return response

    return send
