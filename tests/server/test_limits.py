"""The limits for a client with a key."""

from __future__ import annotations

import gzip
import json
import zlib

from dialects.samples import Server
from live import KEY
from starlette.testclient import TestClient

from autolog._record.zstd import zstd
from autolog.server import Limits, create_app
from autolog.stores._contract import Store


def test_limits(server: Server) -> None:
    insert = "/api/logs/insert"
    large = json.dumps({"model": "m", "description": "x" * 50_000}).encode()
    assert server.call("POST", insert, large).status_code == 413
    bomb = gzip.compress(json.dumps({"model": "m", "description": "x" * 1_000_000}).encode())
    for coding, data, status in (
        ("gzip", bomb, 413), ("zstd", zstd.compress(b" " * 1_000_000), 413), ("gzip", b"junk", 400), ("zstd", b"junk", 400),
        ("gzip", gzip.compress(b'{"model":"m"}')[:-9], 400), ("br", b"x", 415), ("gzip", gzip.compress(b'{"model":"m"}'), 200),
        ("deflate", zlib.compress(b'{"model":"m"}'), 200), ("zstd", zstd.compress(b'{"model":"m"}'), 200),
    ):  # fmt: skip
        answer = server.call("POST", insert, data, headers={"content-encoding": coding})
        assert answer.status_code == status, (coding, answer.text)
    assert len(server.rows()) == 3
    assert server.call("POST", "/api/v1/records", [{}] * 11).status_code == 413
    assert server.call("POST", "/v1/logs", [{"request": {}, "response": {}}] * 11).status_code == 413
    assert server.call("POST", "/api/v1/records", b"x", headers={"content-type": "text/plain"}).status_code == 415
    assert (
        server.call("POST", "/v1/traces", b"x", headers={"content-type": "application/x-protobuf"}).status_code == 400
    )


def test_rate_limit(store: Store) -> None:
    with TestClient(create_app(store, api_key=KEY, limits=Limits(requests_per_second=1))) as client:  # type: ignore[arg-type]
        server = Server(client, store)
        statuses = [server.call("POST", "/v1/logs", []).status_code for _ in range(5)]
        assert statuses[:2] == [200, 200]
        assert statuses[-1] == 429
        answer = server.call("POST", "/v5/prompts/log", {"path": "x"})
        assert (answer.status_code, int(answer.headers["retry-after"])) == (429, 1)
