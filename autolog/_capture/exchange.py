"""One logical provider call, from its request to the end of its response."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from time import perf_counter_ns
from typing import Any, Protocol

import msgspec

from autolog._capture import opentelemetry
from autolog._capture.span import Emit, Span, describe_error
from autolog._guard import pass_on
from autolog._lifecycle import after_fork_in_child, before_exit


class Reservation(Protocol):
    """An amount that is held back of budgets until a call's cost is known."""

    def settle(self, cost: float | None, failed: bool) -> None:
        """Put the call's cost, None if that is not known, in the place of what is reserved; once. Never raises."""
        ...


class Exchange(Span):
    """One logical provider call: the last request sent, the final response, and how it ended."""

    # What every call has in the end, or few have; a default in the class costs a call nothing.
    attempts = 0
    response_headers: Any = None
    content: bytes | None = None
    first_chunk_ns = 0
    streaming = False
    truncated = False
    asked_usage = False
    download = False
    retry_key: Hashable = None
    """What a repetition of the request has in common with it, where each attempt is an exchange by itself."""
    library_calls: Any = None
    reservation: Reservation | None = None
    """What is held back for the call of the budgets that it is paid from."""
    kept_bytes = 0
    request: Any = None
    """The request as the SDK built it; when the call ends, what is kept of it (`Sent`)."""
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
        """Keep the request of an attempt that is about to be made, and whether we added a request for usage to it."""
        self.attempts += 1
        self.request = request
        self.asked_usage = asked_usage

    def followed_by(self) -> Exchange:
        """Return the exchange of a request that is about to be made after there was a response.

        After an error it is one more attempt; after a success a call of its own (the SDK's middleware may make several
        inside one).
        """
        if (self.status_code or 0) >= 400:
            return self
        self.end()
        exchange = Exchange(self._emit, self.sdk, self.client, self.stream)
        exchange.context, exchange.trace = self.context, self.trace
        exchange.parent_span, exchange.caller = self.parent_span, self.caller
        return exchange

    def received(self, response: Any, tee: Callable[[Any, Exchange], Any]) -> None:
        """Keep the final response: its body is complete already, or passes through a tee from now on.

        An error response comes here only when the SDK's middleware is to see it; `failed` gets it if it stands.
        """
        if response.status_code >= 400:
            return
        self.status_code = response.status_code
        self.response_headers = response.headers
        if response.is_closed:
            self.content = complete_content(response)
        elif not getattr(response.stream, "is_tee", False):
            self.streaming = True
            response.stream = tee(response.stream, self)
            open_exchanges.add(self)

    def failed(self, error: BaseException) -> None:
        """End a call that raised, with what is known of it and the provider's response if there was one."""
        self.error = describe_error(error)
        response = getattr(error, "response", None)
        if response is not None and self.status_code is None:
            self.status_code = response.status_code
            self.response_headers = response.headers
            self.content = complete_content(response)
        if self.request is not None:  # else nothing was sent: there was no call
            self.end()

    def holds_results(self, beginning: bytes) -> bool:
        """Return whether a downloaded file may be a batch's results, by how it begins; other files are not kept."""
        return beginning.lstrip()[:1] == b"{" or bool((self.response_headers or {}).get("content-encoding"))

    def end(self, error: BaseException | None = None) -> None:
        """End the exchange once, whichever way it ends."""
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
    """The parts of a request that are kept: the SDK's object holds much more, and each would wait in memory."""

    method: str
    url: Any
    headers: Any
    content: bytes | None


#: Exchanges whose streams are still open; the recorder ends them at exit.
open_exchanges: set[Exchange] = set()


@before_exit
def end_open_exchanges() -> None:
    """End the exchanges whose streams are still being read, with what has arrived."""
    for exchange in list(open_exchanges):
        exchange.end()


def complete_content(response: Any) -> bytes | None:
    """Return the body of a response that has been read, decoded; None if it was closed unread."""
    try:
        content: bytes = response.content
    except Exception as error:  # noqa: BLE001 - httpx and httpx2 each have their own ResponseNotRead
        pass_on(error)
        return None
    return content


def request_content(request: Any) -> bytes | None:
    """Return the exact body that was sent, or None if it was not kept (never sent, or read by somebody else)."""
    content: bytes | None = getattr(request, "_content", None)
    if content is None:
        sent = getattr(request.stream, "sent", None)
        return None if sent is None else b"".join(sent)
    return content


after_fork_in_child(open_exchanges.clear)  # they are the parent's to end
