"""One logical provider call, from its request to the end of its response."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from time import perf_counter_ns
from typing import Any, Protocol

import msgspec

from autolog._capture import opentelemetry
from autolog._capture.otel_calls import PastCall
from autolog._capture.span import Emit, Span, describe_error
from autolog._guard import pass_on
from autolog._lifecycle import after_fork_in_child, before_exit


class Reservation(Protocol):
    """An amount that is reserved under budgets until a call's cost is known."""

    def settle(self, cost: float | None, failed: bool) -> None:
        """Replace the reservation by the call's cost, None if unknown; only the first call counts. Never raises."""
        ...


class Exchange(Span):
    """One logical provider call: the last request sent, the final response, and how it ended.

    Attributes:
        attempts: the number of requests sent.
        response_headers: the headers of the final response.
        content: the decoded body of a response that is not read through a tee.
        first_chunk_ns: the time of the first chunk (`perf_counter_ns`); 0 if none has arrived.
        streaming: whether the body is read through a tee.
        truncated: whether more of the body has arrived than is kept.
        asked_usage: whether we have added a request for usage.
        download: whether the call downloads a file, which is kept only if it may have a batch's results.
        retry_key: a key shared by repetitions of the same request, for libraries where each attempt is an exchange.
        library_calls: the `LibraryCalls` of a library that must tell its own exchanges from others.
        reservation: the reservation for the call under its budgets.
        past: what is remembered of the call for OpenTelemetry's spans; None if there are none.
        kept_bytes: the number of bytes in `chunks`, for libraries without a tee.
        request: the request as built by the SDK; replaced by the parts to keep (`Sent`) when the call ends.
        chunks: the chunks of a streamed body, with its content encoding.
    """

    # Defaults in the class cost a call nothing, for attributes that are set later or by few calls.
    attempts = 0
    response_headers: Any = None
    content: bytes | None = None
    first_chunk_ns = 0
    streaming = False
    truncated = False
    asked_usage = False
    download = False
    retry_key: Hashable = None
    library_calls: Any = None
    reservation: Reservation | None = None
    past: PastCall | None = None
    kept_bytes = 0
    request: Any = None
    chunks: list[bytes]

    def __init__(self, emit: Emit, sdk: str, client: type, stream: bool) -> None:
        super().__init__(emit, "", "llm")
        if opentelemetry.bridge is not None or opentelemetry.companions:
            opentelemetry.claim(self)
        self.sdk = sdk
        self.client = client
        self.stream = stream
        self.chunks = []

    def sends(self, request: Any, asked_usage: bool) -> None:
        """Keep the request of an attempt that is about to be made, and whether we have added a request for usage."""
        self.attempts += 1
        self.request = request
        self.asked_usage = asked_usage

    def followed_by(self) -> Exchange:
        """Return the exchange for a request that is made after a response has been received.

        After an error, it is another attempt of the same exchange. After a success, it is a separate call (the SDK's
        middleware may make several inside one).
        """
        if (self.status_code or 0) >= 400:
            return self
        self.end()
        exchange = Exchange(self._emit, self.sdk, self.client, self.stream)
        exchange.context, exchange.trace = self.context, self.trace
        exchange.parent_span, exchange.caller = self.parent_span, self.caller
        return exchange

    def received(self, response: Any, tee: Callable[[Any, Exchange], Any]) -> None:
        """Keep the final response, whose body is either complete or passes through a tee from now on.

        An error response only gets here if the SDK's middleware sees it first; if it is final, `failed` receives it.
        """
        if response.status_code >= 400:
            return
        self.status_code = response.status_code
        self.response_headers = response.headers
        self.keep_body(response, tee)

    def keep_body(self, response: Any, tee: Callable[[Any, Exchange], Any]) -> None:
        """Keep the body of the final response: now if it has been read, else through a tee."""
        if response.is_closed:
            self.content = complete_content(response)
        elif not getattr(response.stream, "is_tee", False):
            self.streaming = True
            response.stream = tee(response.stream, self)
            open_exchanges.add(self)

    def failed(self, error: BaseException) -> None:
        """End a call that raised, keeping the provider's response if there is one."""
        self.error = describe_error(error)
        response = getattr(error, "response", None)
        if response is not None and self.status_code is None:
            self.status_code = response.status_code
            self.response_headers = response.headers
            self.content = complete_content(response)
        if self.request is not None:  # otherwise nothing was sent, and there was no call
            self.end()

    def holds_results(self, beginning: bytes) -> bool:
        """Return whether a downloaded file may be a batch's results, by its beginning; other files are not kept."""
        return beginning.lstrip()[:1] == b"{" or bool((self.response_headers or {}).get("content-encoding"))

    def end(self, error: BaseException | None = None) -> None:
        """End the exchange, and emit it; further calls do nothing."""
        if self.end_ns:
            return
        if self.streaming:
            open_exchanges.discard(self)
            self.size += sum(map(len, self.chunks))
        if self.download and not self.holds_results(self.chunks[0] if self.chunks else self.content or b""):
            self.end_ns = perf_counter_ns()
            return
        request = self.request
        if request is not None:
            sent = self.request = Sent(request.method, request.url, request.headers, request_content(request))
            self.size += len(sent.content or b"") + len(self.content or b"")
        super().end(error)


class Sent(msgspec.Struct, frozen=True, gc=False):
    """The parts of a request that are kept, instead of the SDK's object, which is much larger."""

    method: str
    url: Any
    headers: Any
    content: bytes | None


#: The exchanges whose streams are still open; they are ended at exit.
open_exchanges: set[Exchange] = set()


@before_exit
def end_open_exchanges() -> None:
    """End the exchanges whose streams are still being read, keeping what has arrived."""
    for exchange in list(open_exchanges):
        exchange.end()


def complete_content(response: Any) -> bytes | None:
    """Return the decoded body of a response; None if it was closed without being read."""
    try:
        content: bytes = response.content
    except Exception as error:  # noqa: BLE001 - httpx and httpx2 each have their own ResponseNotRead
        pass_on(error)
        return None
    return content


def request_content(request: Any) -> bytes | None:
    """Return the exact body that was sent; None if it was not kept (never sent, or read by other code)."""
    content: bytes | None = getattr(request, "_content", None)
    if content is None:
        sent = getattr(request.stream, "sent", None)
        return None if sent is None else b"".join(sent)
    return content


after_fork_in_child(open_exchanges.clear)  # the parent ends them
