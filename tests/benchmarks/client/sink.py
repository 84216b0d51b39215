"""A backend that accepts and discards whatever a subject sends. Prints its address."""

from __future__ import annotations

import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import msgspec

from autolog._record.zstd import zstd


def stored(batch: bytes) -> bytes:
    """Return the reply to autolog's requests, without which it would resend the batch."""
    count = len(msgspec.msgpack.decode(zstd.decompress(batch), type=list[msgspec.Raw]))
    return json.dumps({"accepted": count, "rejected": 0}).encode()


class Sink(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # otherwise a reply sent in two pieces waits 40 ms for the client's acknowledgement

    def do_POST(self) -> None:
        sent = b""
        if self.headers.get("transfer-encoding") == "chunked":
            while size := int(self.rfile.readline(), 16):
                self.rfile.read(size + 2)
            self.rfile.readline()
        else:
            sent = self.rfile.read(int(self.headers.get("content-length") or 0))
        protobuf = "protobuf" in (self.headers.get("content-type") or "")
        body = b"" if protobuf else stored(sent) if self.path == "/api/v1/records" else b"{}"
        self.send_response(200)
        self.send_header("content-type", "application/x-protobuf" if protobuf else "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_PATCH = do_PUT = do_POST

    def log_message(self, *_: object) -> None: ...


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", 0), Sink)
    server.daemon_threads = True
    print(f"http://127.0.0.1:{server.server_address[1]}", flush=True)
    server.serve_forever()
