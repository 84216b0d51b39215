"""The server's `/mcp` route."""

from __future__ import annotations

from collections.abc import Iterator

import httpx2
import pytest
from live import Live, live
from mcp_clients import failed_run, use_every_tool, with_client

from autolog.server._keys import create_key
from autolog.stores import open_store

PING = {"jsonrpc": "2.0", "id": 1, "method": "ping"}


@pytest.fixture
def reader(store_url: str) -> Iterator[tuple[Live, str, str]]:
    """Run a server with a failed run, a key that reads it, and a key that only writes."""
    store = open_store(store_url)
    store.write(failed_run())
    keys = [create_key(store, scope, "default", [scope]) for scope in ("read", "ingest")]
    with live(store_url) as server:
        yield server, keys[0], keys[1]


def test_the_official_client_lists_and_calls_every_tool(reader: tuple[Live, str, str]) -> None:
    def connect() -> object:
        from mcp.client.streamable_http import streamable_http_client

        client = httpx2.AsyncClient(headers={"authorization": f"Bearer {reader[1]}"}, timeout=60)
        return streamable_http_client(f"{reader[0].url}/mcp", http_client=client)

    with_client(connect, use_every_tool)


def test_a_key_that_may_read_is_needed(reader: tuple[Live, str, str]) -> None:
    server, read, ingest = reader
    url = f"{server.url}/mcp"
    assert httpx2.post(url, json=PING).status_code == 401
    assert httpx2.post(url, json=PING, headers={"authorization": f"Bearer {ingest}"}).status_code == 403
    answered = httpx2.post(url, json=PING, headers={"authorization": f"Bearer {read}"})
    assert (answered.status_code, answered.json()) == (200, {"jsonrpc": "2.0", "id": 1, "result": {}})
    other = {"authorization": f"Bearer {read}", "x-autolog-project": "other"}
    assert httpx2.post(url, json=PING, headers=other).status_code == 403


def test_what_wants_no_answer_gets_none(reader: tuple[Live, str, str]) -> None:
    server, read, _ = reader
    headers = {"authorization": f"Bearer {read}"}
    response = httpx2.post(
        f"{server.url}/mcp", json={"jsonrpc": "2.0", "method": "notifications/initialized"}, headers=headers
    )
    assert (response.status_code, response.content) == (202, b"")
    assert httpx2.get(f"{server.url}/mcp", headers=headers).status_code == 405
