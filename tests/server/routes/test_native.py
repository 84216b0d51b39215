"""The native protocol: writing and reading records, sums, scores."""

from __future__ import annotations

import pytest
from dialects.samples import Server
from engines import sqlite_alone

from autolog._record.record import Record


def test_a_batch_with_a_bad_record(server: Server) -> None:
    batch = [{"id": "a", "user": "u", "request_body": {"big": 123456789012345678901234567890, "x": [1.0]}},
             {"id": "b", "user": 3}, {"name": "no id"}, {"id": "d", "created_at": "0001-01-01T00:00:00Z"}]  # fmt: skip
    answer = server.call("POST", "/api/v1/records", {"records": batch}).json()
    assert (answer["accepted"], answer["rejected"]) == (2, 2)
    assert [result["status"] for result in answer["results"]] == [200, 400, 200, 400]
    assert "user" in answer["results"][1]["error"]
    first = server.rows()[0]
    assert first.request_body == b'{"big": 123456789012345678901234567890, "x": [1.0]}'
    server.call("POST", "/api/v1/records", batch[:1])
    server.call("POST", "/api/v1/records", {"id": "a", "session": "s"})
    assert len(server.rows()) == 2
    assert (server.rows()[0].user, server.rows()[0].session) == ("u", "s")


@sqlite_alone
@pytest.mark.parametrize("body", [b"", b"3", b"{", b'"x"', b"\xff", b"[" * 9000, b'{"records": 3}'])
def test_what_is_no_batch(server: Server, body: bytes) -> None:
    assert server.call("POST", "/api/v1/records", body).status_code == 400
    assert (
        server.call("POST", "/api/v1/records", body, headers={"content-type": "application/msgpack"}).status_code == 400
    )
    assert server.rows() == []


def test_queries_scores_and_sums(server: Server) -> None:
    server.store.write(
        [
            Record(id=f"r{n}", user="u" if n else None, request_model="m", tags=["t"], metadata={"k": str(n)})
            for n in range(3)
        ]
    )
    found = server.call("GET", "/api/v1/records", params={"user": "u", "metadata": "k=2", "tag": "t"}).json()
    assert ([record["id"] for record in found["records"]], found["total"]) == (["r2"], 1)
    assert server.call("GET", "/api/v1/records?limit=x").status_code == 400
    assert server.call("GET", "/api/v1/records?metadata=x").status_code == 400
    assert server.call("GET", "/api/v1/records?since=soon").status_code == 400
    refused = server.call("GET", "/api/v1/records?colour=red")
    assert (refused.status_code, "choose from model, provider" in refused.text) == (400, True)
    assert server.call("GET", "/api/v1/records?by=user").status_code == 400
    assert server.call("GET", "/api/v1/tail?limit=5").status_code == 400
    assert server.call("GET", "/api/v1/records?since=today&zone=Mars").status_code == 400
    assert len(server.call("GET", "/api/v1/records?since=today&zone=Asia/Tokyo").json()["records"]) == 3
    assert server.call("GET", "/api/v1/records?project=other").json()["records"] == []
    assert server.call("GET", "/api/v1/aggregate?by=user").json()["groups"][0]["calls"] == 2
    assert server.call("GET", "/api/v1/aggregate?by=shoe-size").status_code == 400
    assert server.call("POST", "/api/v1/records/r1/scores", {"value": 0.5, "comment": "meh"}).status_code == 200
    assert server.call("GET", "/api/v1/records/r1").json()["scores"] == {"default": {"value": 0.5, "comment": "meh"}}
    assert server.call("POST", "/api/v1/records/r1/scores", {"value": "high"}).status_code == 400
    assert server.call("POST", "/api/v1/records/nobody/scores", {"value": 1}).status_code == 404
    assert server.call("DELETE", "/api/v1/records/r1").status_code == 200
    assert server.call("GET", "/api/v1/records/r1").status_code == 404
