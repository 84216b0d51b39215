"""A server whose replies never end, or are otherwise not what one expects."""

from __future__ import annotations

import contextlib
import itertools
import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any

OK = b"HTTP/1.1 200 OK\r\n"
#: Replies that never end: what is sent at once, and what is then sent byte by byte, again and again.
SLOW = {
    "status": (b"", b"HTTP/1.1"),
    "headers": (OK, b"x: y\r\n"),
    "preliminary responses": (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "body": (OK + b"content-length: 1000000\r\n\r\n", b"x"),
    "chunks": (OK + b"transfer-encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
    "compressed": (  # a file name, as gzip's header may have one, which does not end
        OK + b"content-encoding: gzip\r\ncontent-length: 1000000\r\n\r\n\x1f\x8b\x08\x08" + bytes(6), b"x",
    ),
}  # fmt: skip


@contextlib.contextmanager
def answering(
    begin: bytes,
    rest: Iterable[bytes] = (),
    pause: float = 0,
    wrap: Callable[[socket.socket], socket.socket] | None = None,
) -> Iterator[int]:
    """Answer every request on a port, which is yielded, with `begin` and the parts of `rest`, each after a pause."""
    ended = threading.Event()

    def serve(connection: socket.socket) -> None:
        with contextlib.suppress(OSError), connection if wrap is None else wrap(connection) as peer:
            while peer.recv(65_536):
                peer.sendall(begin)
                for part in rest:
                    if ended.wait(pause):
                        return
                    peer.sendall(part)

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=serve, args=[listener.accept()[0]], daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=accept, daemon=True).start()
        try:
            yield listener.getsockname()[1]
        finally:
            ended.set()
            listener.shutdown(socket.SHUT_RDWR)


def dripping(reply: str, wrap: Callable[[socket.socket], socket.socket] | None = None) -> Any:
    """Answer with a reply of `SLOW`, a byte every ten milliseconds; not for ever, in case nothing limits it."""
    begin, unit = SLOW[reply]
    drops = [bytes([byte]) for byte in itertools.islice(itertools.cycle(unit), 1_000)]
    return answering(begin, drops, 0.01, wrap)
