"""ClickHouse's own engine behind its HTTP interface: chDB, for tests where no server can be installed.

    python front.py FOLDER [PORT [CONFIGURATION]]

Speaks as much of https://clickhouse.com/docs/interfaces/http as clickhouse-connect's clients use: statements in the URL
or the body, data behind an INSERT, parameters, settings, the database, compressed bodies, errors with their codes.
Prints its address. One process has one engine; every connection of a client has its own session in it. Anybody may do
anything, but the user `reader`, who may only read, and `locked`, whose password is `right`.
"""

from __future__ import annotations

import base64
import contextlib
import json
import re
import sys
import tempfile
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import chdb

#: What of a URL's parameters is for the interface, not for the engine.
_OWN = {"query", "database", "default_format", "query_id", "session_id", "session_timeout", "session_check", "user",
        "password", "quota_key", "wait_end_of_query", "buffer_size", "compress", "decompress", "role",
        "enable_http_compression", "send_progress_in_http_headers", "http_headers_progress_interval_ms",
        "client_protocol_version", "cancel_http_readonly_queries_on_client_close"}  # fmt: skip
_INSERT = re.compile(rb"(?is)^\s*INSERT\s+INTO\s.*?\bFORMAT[ ]+(\w+)[ ]*\n?")
_TRAILING = re.compile(r"(?is)\bFORMAT\s+(\w+)\s*;?\s*$")
_CODE = re.compile(r"Code: (\d+)")


def _frames(body: bytes, kind: Any) -> Iterator[bytes]:
    """Yield the contents of each compressed frame; every block of an insert is one."""
    while body:
        reader = kind()
        yield reader.decompress(body)
        body = reader.unused_data or b""


class Front(BaseHTTPRequestHandler):
    """One connection of a client, with its session."""

    protocol_version = "HTTP/1.1"
    wbufsize = 65536  # an answer is one packet, not two that wait for each other
    path_of_engine = ""

    def setup(self) -> None:
        super().setup()
        self.engine: Any = chdb.connect(self.path_of_engine)
        self.settings: dict[str, str] = {}

    def finish(self) -> None:
        with contextlib.suppress(OSError):
            super().finish()
        self.engine.close()

    def do_GET(self) -> None:
        if urlsplit(self.path).path == "/ping":
            self._answer(200, b"Ok.\n")
        else:
            self.do_POST()

    def do_POST(self) -> None:
        given = dict(parse_qsl(urlsplit(self.path).query, keep_blank_values=True))
        body = self._body()
        user, password = self._credentials()
        if user == "locked" and password != "right":
            message = "Code: 516. DB::Exception: locked: Authentication failed: password is incorrect"
            self._answer(403, message.encode(), {"X-ClickHouse-Exception-Code": "516"})
            return
        if user == "reader":
            given["readonly"] = "2"
        try:
            result, kind = self._run(given, body)
        except Exception as error:
            match = _CODE.search(str(error))
            text = str(error)[match.start() if match else 0 :].encode(errors="replace")
            self._answer(500, text, {"X-ClickHouse-Exception-Code": match[1] if match else "1002"})
            return
        self._answer(200, result, {"X-ClickHouse-Format": kind})

    def _credentials(self) -> tuple[str, str]:
        kind, _, value = self.headers.get("authorization", "").partition(" ")
        user, _, password = base64.b64decode(value).decode().partition(":") if kind == "Basic" else ("", "", "")
        return user, password

    def _run(self, given: dict[str, str], body: bytes) -> tuple[bytes, str]:
        if database := given.get("database"):
            self.engine.query(f"USE `{database}`")
        self._set({name: value for name, value in given.items() if name not in _OWN and not name.startswith("param_")})
        parameters = {name[6:]: value for name, value in given.items() if name.startswith("param_")}
        query = given.get("query", "").encode()
        statement = query + b"\n" + body if query else body
        match = _INSERT.match(statement)
        if match and len(statement) > match.end():
            return self._insert(statement[: match.end()], match[1].decode(), statement[match.end() :])
        text = statement.decode(errors="surrogateescape")
        named = _TRAILING.search(text)
        kind = named[1] if named else given.get("default_format", "TabSeparated")
        result = self.engine.query(text if named is None else text[: named.start()], kind, params=parameters)
        return bytes(result.bytes() or b""), kind

    def _insert(self, statement: bytes, kind: str, data: bytes) -> tuple[bytes, str]:
        with tempfile.NamedTemporaryFile(suffix=".bin") as file:
            file.write(data)
            file.flush()
            head = re.sub(r"(?is)\bFORMAT\s+\w+\s*$", "", statement.decode())
            self.engine.query(f"{head} FROM INFILE '{file.name}' FORMAT {kind}")
        return b"", kind

    def _set(self, settings: dict[str, str]) -> None:
        if self.settings.get("readonly"):
            settings = {**self.settings, **settings}
        for name in self.settings.keys() - settings.keys():
            self.engine.query(f"SET {name} = DEFAULT")
        for name, value in settings.items():
            if self.settings.get(name) != value:
                quoted = value.replace("\\", "\\\\").replace("'", "\\'")
                self.engine.query(f"SET {name} = '{quoted}'")
        self.settings = settings

    def _body(self) -> bytes:
        if self.headers.get("transfer-encoding") == "chunked":
            pieces = []
            while size := int(self.rfile.readline().split(b";")[0], 16):
                pieces.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            body = b"".join(pieces)
        else:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
        coding = self.headers.get("content-encoding")
        if coding == "zstd":
            from autolog._record.zstd import zstd

            return bytes(zstd.decompress(body))
        if coding == "lz4":
            import lz4.frame

            return b"".join(_frames(body, lz4.frame.LZ4FrameDecompressor))
        return body

    def _answer(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {
            "Content-Type": "text/plain; charset=UTF-8",
            "X-ClickHouse-Summary": json.dumps({"read_rows": "0", "written_rows": "0"}),
            "X-ClickHouse-Timezone": "UTC",
            "Content-Length": str(len(body)),
            **(headers or {}),
        }.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None: ...


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, *_: object) -> None: ...  # a client that went away


def main() -> None:
    Front.path_of_engine = sys.argv[1] + (f"?config-file={sys.argv[3]}" if len(sys.argv) > 3 else "")
    keep = chdb.connect(Front.path_of_engine)  # the engine lives as long as a connection to it
    server = _Server(("127.0.0.1", int(sys.argv[2]) if len(sys.argv) > 2 else 0), Front)
    print(f"http://127.0.0.1:{server.server_address[1]}", flush=True)
    try:
        server.serve_forever()
    finally:
        keep.close()


if __name__ == "__main__":
    threading.stack_size(8 * 1024 * 1024)
    main()
