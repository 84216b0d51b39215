"""Connections whose requests take the short way (`_shortcut`) if they can, and uvicorn's way otherwise."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from autolog.server._endpoint import Whole
from autolog.server._shortcut import Exchange, Shortcut


class ShortcutProtocol(HttpToolsProtocol):
    """A connection whose requests take the short way if they can."""

    #: The short ways, by path.
    shortcuts: Mapping[bytes, Shortcut] = {}
    _held: bytearray | None = None  # what has arrived of the body of a request that may take the short way

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._held is not None and not self.transport.is_closing():  # the rest of the body is still to come
            self._go_the_usual_way()

    def on_headers_complete(self) -> None:
        if self.url in self.shortcuts and self._is_plain():
            self._held = bytearray()  # bytes would be copied for each of many small chunks
        else:
            super().on_headers_complete()

    def _is_plain(self) -> bool:
        """Return whether the current request is a POST without peculiarities, and the only one on the connection."""
        parser = self.parser
        return (
            parser.get_method() == b"POST"
            and parser.get_http_version() == "1.1"
            and not (self.expect_100_continue or parser.should_upgrade() or self.flow.write_paused)
            and (self.cycle is None or self.cycle.response_complete)
        )

    def on_body(self, body: bytes) -> None:
        if self._held is None:
            super().on_body(body)
        else:
            self._held += body

    def on_message_complete(self) -> None:
        if self._held is None:
            super().on_message_complete()
            return
        path = self.url.decode("ascii")
        target = {"method": "POST", "path": self.root_path + path, "raw_path": self.url, "query_string": b""}
        self.scope.update(target)  # type: ignore[typeddict-item]
        exchange: Any = Exchange(self, self.scope, self.parser.should_keep_alive())  # type: ignore[arg-type]
        before, self.cycle = self.cycle, exchange
        if self.shortcuts[self.url].take(exchange, bytes(self._held)):
            self._held = None
        else:
            self.cycle = before
            self._go_the_usual_way()
            super().on_message_complete()

    def _go_the_usual_way(self) -> None:
        body, self._held = self._held, None
        super().on_headers_complete()
        if body:
            super().on_body(bytes(body))

    def answer(self, exchange: Exchange, response: Whole) -> None:
        """Send the response to a request, and go on with the next one that has arrived."""
        if self.transport.is_closing():
            return
        head = [STATUS_LINE[response.status]]
        for name, value in (*self.server_state.default_headers, *response.headers):
            head += (name, b": ", value, b"\r\n")
        if not exchange.keep_alive:
            head.append(b"connection: close\r\n")
        head += (b"\r\n", response.body)
        self.transport.write(b"".join(head))
        if not exchange.keep_alive:
            self.transport.close()
        self.on_response_complete()

    def abort(self) -> None:
        """Close the connection without an answer."""
        self.transport.close()
