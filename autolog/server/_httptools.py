"""Connections whose requests take the short way (`_shortcut`) if they can, and uvicorn's way otherwise."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from httptools import HttpParserUpgrade, HttpRequestParser
from starlette.types import Scope
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from autolog.server._endpoint import Whole
from autolog.server._shortcut import Exchange, Shortcut

#: The largest body whose rest is waited for, in bytes.
LITTLE = 64 * 1024
_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*([0-9]{1,10})\r\n", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Head:
    """The head of a request that took the short way, in order to recognise it when the connection's next repeats it.

    A client's requests differ in their body and its length only, and parsing a head takes longer than comparing it.
    With that, and with requests whose body arrives apart on the short way, the event loop takes three quarters of its
    time for a log that is sent by itself.
    """

    shortcut: Shortcut
    before: bytes
    """Its bytes up to the body's length."""
    after: bytes
    """Its bytes after the length, up to the body."""
    scope: Scope
    headers: dict[str, str]

    @classmethod
    def of(cls, data: bytes, body: bytes, exchange: Exchange, shortcut: Shortcut) -> Head | None:
        """Return the head of a request with this body; None if `data` is not exactly this request."""
        head, blank, rest = data.partition(b"\r\n\r\n")
        length = _LENGTH.search(head + blank)
        if length is None or rest != body:
            return None
        before, after = data[: length.start(1)], data[length.end(1) : -len(body) or None]
        return cls(shortcut, before, after, exchange.scope, exchange.headers)

    def split(self, data: bytes) -> tuple[bytes, int] | None:
        """Return the body in `data` and its length according to the head; None if `data` has another head than this."""
        at = len(self.before)
        end = data.find(b"\r\n", at, at + 12)
        if end < 0 or not (data.startswith(self.before) and data.startswith(self.after, end)):
            return None
        length = data[at:end]
        return (data[end + len(self.after) :], int(length)) if length.isdigit() else None

    def exchange(self, connection: ShortcutProtocol, length: int) -> Exchange:
        """Return the exchange for a request with this head and a body of this length."""
        sent = b"%d" % length
        headers = [(name, sent if name == b"content-length" else value) for name, value in self.scope["headers"]]
        scope = {**self.scope, "headers": headers, "state": connection.app_state.copy()}
        return Exchange(connection, scope, True, {**self.headers, "content-length": str(length)})


class Parser(HttpRequestParser):
    """A parser for which a request to change the protocol is like any other, as a server may treat it (RFC 9110, 7.8).

    httptools takes what follows the head for the other protocol. Java's HTTP client asks for HTTP/2 in this way with
    its first request; the body of a POST would be taken for empty.
    """

    def __init__(self, connection: ShortcutProtocol) -> None:
        super().__init__(connection)
        with contextlib.suppress(AttributeError):  # httptools before 0.6.3
            self.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn does
        self._connection = connection

    @property
    def awaits_other_protocol(self) -> bool:
        """Whether the current request, of which the head has been parsed, is to be parsed again."""
        return bool(self.should_upgrade()) and self.get_method() != b"CONNECT"

    def feed_data(self, data: Any) -> None:
        try:
            super().feed_data(data)
        except HttpParserUpgrade as upgrade:
            self._connection.parse_again(data[upgrade.args[0] :])


class ShortcutProtocol(HttpToolsProtocol):
    """A connection whose requests take the short way if they can."""

    parser: Parser
    #: The short ways, by path.
    shortcuts: Mapping[bytes, Shortcut] = {}
    #: The longest to wait for the rest of a body, in seconds. Most clients send head and body apart.
    patience = 0.1
    _held: bytearray | None = None  # what has arrived of the body of a request that may take the short way
    _arrived = b""  # the bytes of that request, or else the last ones for the parser
    _begun = False  # whether a request began in them
    _last: Head | None = None  # the head of the last request, if that took the short way and nothing came behind it
    _unread = b""  # a request with this head whose body has not arrived whole
    _timer_of_rest: asyncio.TimerHandle | None = None

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.parser = Parser(self)

    def parse_again(self, rest: bytes) -> None:
        """Parse the current request without its wish for another protocol, and then the bytes behind its head."""
        line = b"%s %s HTTP/%s\r\n" % (self.parser.get_method(), self.url, self.parser.get_http_version().encode())
        fields = [b"%s: %s\r\n" % field for field in self.headers if field[0] != b"upgrade"]
        self.parser = Parser(self)
        self.parser.feed_data(b"".join((line, *fields, b"\r\n", rest)))

    def unrepeated(self, data: bytes) -> bytes:
        """Serve a request with the same head as the last, without parsing it; return the bytes that are to be parsed.

        The parser sees nothing of such a request, and waits for the next one to begin.
        """
        waited, data, self._unread = bool(self._unread), self._unread + data, b""
        self._stop_waiting()
        if self._last is None or not self._is_free():
            return data
        body, length = self._last.split(data) or (b"", -1)
        if len(body) < length <= LITTLE and not waited:
            self._unread = data
            self._wait_for_rest()
            return b""
        if len(body) == length:
            self._unset_keepalive_if_required()
            if self._take(self._last.shortcut, self._last.exchange(self, length), body):
                return b""
        return data

    def data_received(self, data: bytes) -> None:
        waited, self._last = self._held is not None, None
        if waited:
            self._arrived += data
        else:
            self._arrived, self._begun = data, False
        super().data_received(data)
        if self._held is None or self.transport.is_closing():
            self._arrived = b""
        elif waited or len(self._held) > LITTLE:
            self._go_the_usual_way()
        else:
            self._wait_for_rest()

    def _wait_for_rest(self) -> None:
        self._timer_of_rest = self.loop.call_later(self.patience, self._wait_no_longer)

    def _stop_waiting(self) -> None:
        if self._timer_of_rest is not None:
            self._timer_of_rest.cancel()
            self._timer_of_rest = None

    def _wait_no_longer(self) -> None:
        """Have the application read the rest of a body, which limits how long that may take."""
        self._stop_waiting()
        if self._unread:
            self._last, data, self._unread = None, self._unread, b""
            self.data_received(data)
        if self._held is not None and not self.transport.is_closing():
            self._stop_waiting()
            self._go_the_usual_way()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        super().connection_lost(exc)

    def shutdown(self) -> None:
        self._wait_no_longer()
        super().shutdown()

    def on_message_begin(self) -> None:
        self._begun = True
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        if self.parser.awaits_other_protocol:
            return
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
            and not self.expect_100_continue
            and self._is_free()
        )

    def _is_free(self) -> bool:
        """Return whether every request before was answered, and the client takes the answers."""
        return not self.flow.write_paused and (self.cycle is None or self.cycle.response_complete)

    def on_body(self, body: bytes) -> None:
        if self._held is None:
            super().on_body(body)
        else:
            self._held += body

    def on_message_complete(self) -> None:
        if self.parser.awaits_other_protocol:
            return
        if self._held is None:
            super().on_message_complete()
            return
        path = self.url.decode("ascii")
        target = {"method": "POST", "path": self.root_path + path, "raw_path": self.url, "query_string": b""}
        self.scope.update(target)  # type: ignore[typeddict-item]
        exchange = Exchange(self, self.scope, self.parser.should_keep_alive())  # type: ignore[arg-type]
        body, shortcut = bytes(self._held), self.shortcuts[self.url]
        if self._take(shortcut, exchange, body):
            self._held = None
            if exchange.keep_alive and self._begun:
                self._last = Head.of(self._arrived, body, exchange, shortcut)
        else:
            self._go_the_usual_way()
            super().on_message_complete()

    def _take(self, shortcut: Shortcut, exchange: Any, body: bytes) -> bool:
        before, self.cycle = self.cycle, exchange
        if shortcut.take(exchange, body):
            return True
        self.cycle = before
        return False

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
