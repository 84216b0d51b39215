"""Ingest: the costs that a write adds are charged once the write is on disk, and never otherwise."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from live import KEY
from starlette.testclient import TestClient

from autolog._record.record import Record
from autolog.errors import StoreFull
from autolog.server import create_app
from autolog.server._calls import CallMetrics
from autolog.server._duplicates import Deduplicator
from autolog.server._ingest import Ingest, Written
from autolog.stores import open_store
from autolog.stores._contract import Store


class Counted:
    """Spending and metrics that only note what they are told."""

    active = True

    def __init__(self) -> None:
        self.costs: list[float | None] = []
        self.records = 0
        self.calls = CallMetrics()

    def spend(self, records: list[Record]) -> None:
        self.costs += [record.cost for record in records]

    def written(self, dialect: str, records: int) -> None:
        self.records += records

    def note(self, records: Sequence[Record]) -> None:
        """Nothing is looked at again where one server writes."""


@pytest.fixture
def store(store_url: str) -> Store:
    return open_store(store_url)


def ingest_of(counted: Any) -> Ingest:
    return Ingest(Deduplicator(), counted, counted, counted)


def test_a_log_that_comes_twice_or_in_parts_is_charged_once(store: Store) -> None:
    counted = Counted()
    ingest = ingest_of(counted)
    for batch in (
        [Record(id="a", cost=1.0), Record(id="b")],
        [Record(id="a", cost=1.0), Record(id="b", cost=0.5), Record(id="b", cost=0.5)],
    ):
        ingest.acknowledged(batch, ingest.write(store, batch))
    assert counted.costs == [1.0, 0.5]
    assert counted.records == 5


def test_a_call_that_two_layers_report_is_charged_once(store: Store) -> None:
    noon = datetime(2026, 11, 20, 12, tzinfo=UTC)
    for order in (1, -1):
        counted = Counted()
        ingest = ingest_of(counted)
        for layer, cost in (("poor", 1.0), ("rich", 1.5), ("native", 2.0))[::order]:
            dialect = "native" if layer == "native" else "otlp"
            certainty = {"certainty": "estimated" if layer == "poor" else "exact"}
            record = Record(id=f"{layer}{order}", dialect=dialect, extra={"scope": layer}, start_time=noon, cost=cost,
                            response_id=f"resp{order}", request_model="m", cost_details=certainty)  # fmt: skip
            ingest.acknowledged([record], ingest.write(store, [record]))
        assert sum(cost or 0 for cost in counted.costs) == 2.0


def test_results_are_in_the_order_of_the_records(store: Store) -> None:
    records = [Record(id=f"r{number}") for number in range(5)]
    written = ingest_of(Counted()).write(store, records)
    assert [type(result) for result in written] == [Written] * 5
    for record, result in zip(records, written, strict=True):
        found = store.get(record.id)
        assert found is not None
        assert found.seq == result.seq


def test_what_was_not_written_is_not_charged(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    app = create_app(store, api_key=KEY, budgets=[{"limit": 100, "per": "day"}])
    spent: list[float | None] = []
    monkeypatch.setattr(
        app.state.services.ingest._spending, "spend", lambda records: spent.extend(r.cost for r in records)
    )
    with TestClient(app) as client:

        def post(name: str) -> int:
            headers = {"x-api-key": KEY}
            return client.post(
                "/api/v1/records", json=[{"id": name, "kind": "llm", "cost": 2.0}], headers=headers
            ).status_code

        assert post("a") == 200
        write = store.write
        monkeypatch.setattr(store, "write", lambda *_: (_ for _ in ()).throw(StoreFull(store.url, "no space")))
        assert [post("b") for _ in range(20)] == [507] * 20
        monkeypatch.setattr(store, "write", write)
        assert post("b") == 200
    assert spent == [2.0, 2.0]


#: The kinds of documents of which programs may write any number.
_MANY = {"langsmith-project", "portkey-feedback", "humanloop-file"}


def test_a_write_does_not_read_all_that_was_written_before(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[tuple[str, str | None]] = []
    documents = store.documents

    def noted(kind: str, key: str | None = None) -> Any:
        read.append((kind, key))
        return documents(kind, key)

    monkeypatch.setattr(store, "documents", noted)
    with TestClient(create_app(store, api_key=KEY), headers={"x-api-key": KEY}) as client:  # type: ignore[arg-type]
        run = {"id": "11111111-1111-1111-1111-111111111111", "name": "n", "run_type": "chain", "session_name": "new"}
        assert client.post("/runs", json=run).status_code == 202
        assert client.post("/sessions", json={"name": "other"}).status_code == 200
        file = client.post("/v5/prompts/log", json={"path": "p", "prompt": {"model": "m"}}).json()["prompt_id"]
        assert client.post("/v5/prompts/log", json={"id": file}).status_code == 200
        (feedback,) = client.post("/v1/feedback", json={"trace_id": "t", "value": 1}).json()["feedback_ids"]
        assert client.put(f"/v1/feedback/{feedback}", json={"value": -1}).status_code == 200
        assert client.put("/v1/feedback/nothing", json={"value": -1}).status_code == 404
    of_many = [key for kind, key in read if kind in _MANY]
    assert len(of_many) >= 5
    assert None not in of_many
