"""A call reported by two layers is one record."""

from __future__ import annotations

import copy
import itertools
import os
import subprocess
import sys
import threading
import time
import tracemalloc
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from dialects.otlp_samples import START, log, logs, span, traces
from engines import sqlite_alone
from live import KEY, Live

from autolog._record.record import Record
from autolog.dialects.otlp import decode_logs, decode_traces
from autolog.server._duplicates import Deduplicator
from autolog.server._known import Known
from autolog.server._second_look import SecondLook
from autolog.server._writer import RecordWrite, Writer
from autolog.stores._contract import Store
from autolog.stores.query import Query

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


def record(number: int = 1, **fields: object) -> Record:
    values: dict[str, object] = {
        "id": f"id-{number:04}",
        "created_at": NOON + timedelta(seconds=number),
        "request_body": b'{"n": %d}' % number,
        **fields,
    }
    return Record(**values)  # type: ignore[arg-type]


def test_one_call_seen_by_two_layers_at_once_is_one(store: Store) -> None:
    """Also in one batch, in whatever order, and in requests that arrive together."""
    deduplicator, writer = Deduplicator(), Writer(store, 1000)

    def both(number: int) -> list[Record]:
        fields = {"start_time": NOON, "response_id": f"resp-{number}", "cost": 0.5, "request_model": "m"}
        native = record(number, id=f"native-{number}", dialect="native", user="ada", **fields)
        span = record(number, id=f"span-{number}", dialect="otlp", session="s", request_body=None, **fields)
        return [native, span] if number % 2 else [span, native]

    def write(store: Store, records: Sequence[Record]) -> list[int]:
        return deduplicator.fold(store, records).write(store)

    for number in range(4):  # in one batch
        places = deduplicator.fold(store, both(number)).write(store)
        assert len(places) == 2
        assert places[0] == places[1]
    futures = [writer.submit(RecordWrite([sent], write)) for number in range(4, 20) for sent in both(number)]
    for future in futures:
        assert len(future.result(30)) == 1
    writer.close()
    (sums_of_all,) = store.aggregate(Query())
    assert (sums_of_all.calls, sums_of_all.cost) == (20, 10.0)
    for number in range(20):
        found = store.get(f"native-{number}")
        assert found is not None
        assert (found.user, found.session) == ("ada", "s")
        assert found.request_body == b'{"n": %d}' % number
        assert "otel" in found.extra


def call(dialect: str, number: int, **fields: object) -> Record:
    """Return a call of one second as a layer reports it."""
    start = NOON + timedelta(seconds=number)
    values: dict[str, object] = {
        "id": f"{dialect}-{number}", "dialect": dialect, "request_model": "m", "response_id": f"resp-{number}",
        "created_at": start, "start_time": start, "end_time": start + timedelta(seconds=1), "usage_input_tokens": 9,
        "usage_output_tokens": 3, "cost": 0.5, "trace_id": "a" * 32, "span_id": f"{dialect}{number}",
        "request_body": b"{}" if dialect == "native" else None, **fields,
    }  # fmt: skip
    return Record(**values)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("store_url", "senders", "order"),
    [("sqlite", senders, order) for senders in ("native otlp", "otlp litellm", "otlp otlp") for order in (1, -1)]
    + [("clickhouse", "native otlp", 1), ("clickhouse", "otlp litellm", -1)],
    indirect=["store_url"],
)
def test_reports_that_reach_two_servers_at_once_are_one_bill(store: Store, senders: str, order: int) -> None:
    """Each server reads the store before the other has written to it; both look again."""
    reports = [
        call(dialect, 1, id=f"{dialect}-{place}", span_id=f"s{place}", trace_id=str(place) * 32,
             extra={"scope": f"scope {place}"} if dialect == "otlp" else {})
        for place, dialect in enumerate(senders.split())
    ][::order]  # fmt: skip
    writer = Writer(store, 1000)
    servers = [SecondLook(store, writer, Deduplicator()) for _ in reports]
    folded = [server.duplicates.fold(store, [report]) for server, report in zip(servers, reports, strict=True)]
    for server, its in zip(servers, folded, strict=True):
        its.write(store)
        server.shared = True
        server.note(its.records)
    assert [server.cost for server in store.find(Query())] == [0.5, 0.5]
    for _ in range(2):  # a look finds nothing more after the first
        for server, its in zip(servers, folded, strict=True):
            server.check(after=0)
            server.note(its.records)
        records = store.find(Query())
        assert sorted(str(server.cost) for server in records) == (["0.5"] if "native" in senders else ["0.5", "None"])
        (bill,) = (server for server in records if server.cost)
        assert len(bill.extra["reports"]) == 2
    writer.close()
    if "native" in senders:
        (whole,) = store.with_bodies([bill])
        assert (whole.id, whole.span_id, whole.request_body) == ("native-0", "s1", b"{}")


@sqlite_alone
def test_a_server_that_has_stopped_does_not_look_again(store: Store) -> None:
    writer = Writer(store, 1000)
    look = SecondLook(store, writer, Deduplicator())
    look.shared = True
    look.note([call("otlp", 1)])
    writer.close()
    look.background.end()
    threads = threading.active_count()
    look.check(after=0)
    assert threading.active_count() == threads  # the writer has not started again


#: In one batch, or each by itself, and which comes first.
ARRIVALS = [("together", 1), ("together", -1), ("apart", 1), ("apart", -1)]
arriving = pytest.mark.parametrize(
    ("store_url", "how", "order"),
    [("sqlite", *arrival) for arrival in ARRIVALS] + [("clickhouse", "apart", 1)], indirect=["store_url"],
)  # fmt: skip


def arrive(store: Store, records: list[Record], how: str, order: int) -> list[Record]:
    """Send records, and return those in the store in the order of their start."""
    deduplicator = Deduplicator()
    records = records[::order]
    for batch in [records] if how == "together" else [[item] for item in records]:
        if how == "at several servers":
            deduplicator = Deduplicator()
        deduplicator.fold(store, batch).write(store)
    return sorted(store.find(Query(), 100), key=lambda item: (str(item.start_time), item.id))


@arriving
def test_a_record_takes_the_place_of_its_span(store: Store, how: str, order: int) -> None:
    span = call("otlp", 1, trace_id="b" * 32, parent_span_id="agent")
    (found,) = arrive(store, [call("native", 1), span], how, order)
    assert (found.id, found.trace_id, found.parent_span_id) == ("native-1", "b" * 32, "agent")
    assert (found.span_id, found.cost) == ("otlp1", 0.5)
    assert found.extra["otel"]["span_id"] == "otlp1"


@arriving
def test_a_record_that_has_a_place_of_its_own_stays_there(store: Store, how: str, order: int) -> None:
    native = call("native", 1, parent_span_id="request")
    (found,) = arrive(store, [native, call("otlp", 1, trace_id="b" * 32, parent_span_id="agent")], how, order)
    assert (found.trace_id, found.parent_span_id, found.span_id) == ("a" * 32, "request", "native1")


@arriving
def test_a_record_below_its_span_goes_where_that_was(store: Store, how: str, order: int) -> None:
    native = call("native", 1, parent_span_id="otlp1")
    (found,) = arrive(store, [native, call("otlp", 1, parent_span_id="agent")], how, order)
    assert found.parent_span_id == "agent"


@sqlite_alone
def test_the_place_of_a_span_is_given_to_one_record(store: Store) -> None:
    """Two tries of a call lie in one span, which tells neither the response nor the tokens."""
    span = call("otlp", 1, response_id=None, usage_input_tokens=None, usage_output_tokens=None, parent_span_id="agent")
    tries = [
        call("native", number, parent_span_id="otlp1", start_time=NOON + timedelta(seconds=1)) for number in (1, 2)
    ]
    first, second = sorted(arrive(store, [span, *tries], "apart", 1), key=lambda item: item.id)
    assert (first.id, first.span_id, first.parent_span_id) == ("native-1", "otlp1", "agent")
    assert (second.id, second.span_id, second.parent_span_id) == ("native-2", "native2", "otlp1")
    assert "otel" not in second.extra


@pytest.mark.parametrize("traces", [1, 20_000])
def test_what_is_remembered_of_spans_is_bounded(traces: int) -> None:
    deduplicator = Deduplicator()
    tracemalloc.start()
    for number in range(20_000):
        deduplicator.remember(call("otlp", number, trace_id=f"trace-{number % traces}", name="n" * 1_000))
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert held < 3_000_000


@arriving
def test_the_fuller_usage_wins(store: Store, how: str, order: int) -> None:
    bare = call("native", 1, usage_input_tokens=None, usage_output_tokens=None, cost=None,
                cost_details={"certainty": "unknown", "unknown": "the stream told no usage"})  # fmt: skip
    fuller = call("otlp", 1, usage_reasoning_output_tokens=1, cost_details={"certainty": "exact"})
    (found,) = arrive(store, [bare, fuller], how, order)
    assert (found.usage_input_tokens, found.usage_output_tokens, found.cost) == (9, 3, 0.5)
    assert found.cost_details == {"certainty": "exact"}
    _, same = arrive(store, [call("native", 2), call("otlp", 2, usage_input_tokens=8, cost=0.4)], how, order)
    assert (same.usage_input_tokens, same.cost) == (9, 0.5)  # the values from the wire are kept


@arriving
def test_a_cost_keeps_what_is_said_of_it(store: Store, how: str, order: int) -> None:
    """LiteLLM's spans have a cost of models for which nobody here knows a price."""
    details = {"certainty": "estimated", "why": "as the sender computed it"}
    unpriced = call("native", 1, cost=None, cost_details={"certainty": "unknown", "unknown": "no price is known"})
    (found,) = arrive(store, [unpriced, call("otlp", 1, cost_details=details, custom_cost=True)], how, order)
    assert (found.id, found.cost, found.cost_details, found.custom_cost) == ("native-1", 0.5, details, True)
    exact = {"certainty": "exact"}
    priced = call("native", 2, cost=0.4, cost_details=exact)
    _, same = arrive(store, [priced, call("otlp", 2, cost_details=details, custom_cost=True)], how, order)
    assert (same.cost, same.cost_details, same.custom_cost) == (0.4, exact, False)


@arriving
def test_errors_of_one_call_are_one(store: Store, how: str, order: int) -> None:
    failed = {"status": "error", "response_id": None, "usage_input_tokens": None, "usage_output_tokens": None,
              "cost": None, "parent_span_id": "agent"}  # fmt: skip
    records = [call(dialect, number, **failed) for number in (1, 3) for dialect in ("native", "otlp")]
    found = arrive(store, records, how, order)
    assert [item.id for item in found] == ["native-1", "native-3"]
    assert [item.extra["otel"]["span_id"] for item in found] == ["otlp1", "otlp3"]


@arriving
@pytest.mark.parametrize("between", [False, True], ids=["directly", "with a step between"])
def test_spans_of_one_call_in_each_other_are_one_bill(store: Store, how: str, order: int, between: bool) -> None:
    inner = call("otlp", 2, response_id=None, parent_span_id="step" if between else "otlp1")
    outer = call("otlp", 1, response_id=None, end_time=NOON + timedelta(seconds=9))
    step = call("otlp", 1, id="step", kind="chain", span_id="step", parent_span_id="otlp1", cost=None, response_id=None)
    found = arrive(store, [step, inner, outer] if order == 1 else [outer, inner, step], how, order)
    assert sum(item.cost or 0 for item in found) == 0.5
    assert {item.id: item.kind for item in found if item.id != "step"} == {"otlp-1": "chain", "otlp-2": "llm"}


def test_layers_of_a_call_that_are_sent_again_change_nothing(store: Store) -> None:
    outer = call("otlp", 1, response_id=None, extra={"scope": "litellm"})
    inner = call("otlp", 1, id="in", span_id="in", parent_span_id="otlp1", response_id=None, extra={"scope": "openai"})
    for sent in ([outer, inner], [outer, inner], [inner, outer]):
        Deduplicator().fold(store, copy.deepcopy(sent)).write(store)
        assert [(item.kind, item.cost) for item in store.find(Query(), newest_first=False)] == [
            ("llm", 0.5),
            ("chain", None),
        ]


@arriving
def test_layers_above_a_record_are_steps_whichever_came_first(store: Store, how: str, order: int) -> None:
    fields = {"response_id": "resp", "parent_span_id": "otlp1"}
    records = [call("native", 2, **fields), call("otlp", 2, **fields), call("otlp", 1, response_id="resp")]
    found = arrive(store, records, how, order)
    assert sum(item.cost or 0 for item in found) == 0.5
    assert [item.kind for item in found].count("llm") == 1
    assert next(item for item in found if item.kind == "llm").id == "native-2"


@arriving
@pytest.mark.parametrize("fields", [{}, {"response_id": None}, {"response_id": "chatcmpl-of-its-own"}])
def test_a_span_that_is_sent_again_is_the_same_one(
    store: Store, how: str, order: int, fields: dict[str, object]
) -> None:
    spans = [call("otlp", 1, trace_id="b" * 32, **fields) for _ in range(2)]
    found = arrive(store, [call("native", 1, response_id="resp_1"), spans[0]], how, order) if fields else None
    found = arrive(store, [call("native", 1), spans[0]], how, order) if found is None else found
    assert [(item.id, item.kind, item.cost) for item in found] == [("native-1", "llm", 0.5)]
    found = arrive(store, [spans[1] if fields else call("otlp", 1, trace_id="b" * 32)], how, order)
    assert [(item.id, item.kind, item.cost) for item in found] == [("native-1", "llm", 0.5)]


@arriving
def test_different_calls_stay_different(store: Store, how: str, order: int) -> None:
    """Of one model, in one trace, side by side and in each other's spans."""
    other = call("otlp", 2, response_id="resp-9", request_model="other", parent_span_id="otlp1")
    records = [call("native", 1), call("otlp", 1, id="o", response_id="resp-8"), other]
    found = arrive(store, records, how, order)
    assert [item.kind for item in found] == ["llm"] * 3
    assert sum(item.cost or 0 for item in found) == 1.5


# Log events about a span

TRACE, SPAN = "a1" * 16, "b2" * 8
ANSWERED = {"gen_ai.request.model": "gpt-4o", "gen_ai.response.id": "resp-1", "gen_ai.usage.input_tokens": 9,
            "gen_ai.usage.output_tokens": 3}  # fmt: skip
PLACED = {"traceId": TRACE, "spanId": SPAN}
EVENTS = {
    "messages": [log("gen_ai.user.message", {"content": "Hi"}, **PLACED),
                 log("gen_ai.choice", {"finish_reason": "stop", "message": '{"content": "Hello"}'}, **PLACED)],
    "details": [log("gen_ai.client.inference.operation.details", ANSWERED, **PLACED)],
}  # fmt: skip
SCORE = {"gen_ai.evaluation.name": "tone", "gen_ai.evaluation.score.value": 0.5}
#: Where autolog's record of the call is: in the span, beside it, or in a trace of autolog's own.
PLACES = {
    "inside": {"trace_id": TRACE, "parent_span_id": SPAN},
    "beside": {"trace_id": TRACE, "parent_span_id": "agent"},
    "elsewhere": {"trace_id": "c3" * 16, "parent_span_id": "function"},
}
REPORTS = ["record", "span", "events", "score", "upper"]


def reported(source: str, events: str, place: str) -> list[Record]:
    """Return one of the reports of a call: autolog's, a span, the span's log events, or the span of a layer above."""
    attributes = {**ANSWERED, "gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai"}
    if source == "record":
        at = datetime.fromtimestamp(START / 1e9, UTC)
        return [
            call(
                "native", 1, start_time=at, end_time=at + timedelta(seconds=1), request_model="gpt-4o", **PLACES[place]
            )
        ]
    if source in {"span", "upper"}:
        more = {"parentSpanId": "a9" * 8} if source == "span" else {"traceId": "d4" * 16, "spanId": "d4" * 8}
        return decode_traces(traces(span(attributes, name="chat gpt-4o", **more), scope=source)).items
    listed = EVENTS[events] if source == "events" else [log("gen_ai.evaluation.result", SCORE, **PLACED)]
    return decode_logs(logs(*listed, scope="span")).items


@pytest.mark.parametrize(
    ("store_url", "how", "place", "events"),
    [("sqlite", *way) for way in itertools.product(("apart", "together"), PLACES, EVENTS)]
    + [("clickhouse", "apart", "inside", "details")], indirect=["store_url"],
)  # fmt: skip
def test_a_record_a_span_and_its_log_events_are_one_call_in_every_order(
    store: Store, how: str, place: str, events: str
) -> None:
    names = REPORTS[:4] if place == "beside" else REPORTS[:3]
    for order in itertools.permutations(names):
        arrive(store, [record for name in order for record in reported(name, events, place)], how, 1)
        (found,) = store.find(Query(), 9)
        assert (found.id, found.kind, found.cost, found.usage_input_tokens) == ("native-1", "llm", 0.5, 9), order
        assert (found.trace_id, found.parent_span_id) == (
            (TRACE, "a9" * 8) if place != "elsewhere" else ("c3" * 16, "function")
        ), order
        assert found.extra["otel"]["span_id"] == SPAN
        assert ("tone" in found.scores) == ("score" in names), order
        store.delete(Query())


@sqlite_alone
@pytest.mark.parametrize("how", ["apart", "together"])
def test_calls_with_log_events_of_one_instrumentation_stay_different(store: Store, how: str) -> None:
    """Also if the server repeats its ids, and whatever comes first."""
    other = {"traceId": "e5" * 16, "spanId": "e5" * 8}
    fields = {**ANSWERED, "gen_ai.operation.name": "chat"}
    details = "gen_ai.client.inference.operation.details"
    sent = [traces(span(fields), scope="sdk"), traces(span(fields, **other), scope="sdk")]
    logged = [logs(log(details, ANSWERED, **place), scope="sdk") for place in (PLACED, other)]
    for order in itertools.permutations(range(4)):
        reports = [decode_traces(sent[at]).items if at < 2 else decode_logs(logged[at - 2]).items for at in order]
        arrive(store, [record for some in reports for record in some], how, 1)
        assert [item.kind for item in store.find(Query(), 9)] == ["llm", "llm"], order
        store.delete(Query())


@sqlite_alone
@pytest.mark.parametrize("how", ["apart", "together"])
@pytest.mark.parametrize("without", ["nothing", "record", "span", "events"])
def test_log_events_below_a_layer_above_add_no_bill(store: Store, how: str, without: str) -> None:
    names = [name for name in ("record", "span", "events", "upper") if name != without]
    for order in itertools.permutations(names):
        arrive(store, [record for name in order for record in reported(name, "details", "inside")], how, 1)
        records = store.find(Query(), 9)
        assert sum(item.cost is not None for item in records) == 1, (order, records)
        assert len(records) == 2, order
        assert [item.kind for item in records if item.cost is None] == ["chain"], order
        store.delete(Query())


# In traces of their own


def report(scope: str, number: int = 1, **fields: object) -> Record:
    """Return a call as an instrumentation reports it, alone in a trace."""
    values: dict[str, object] = {"id": f"{scope}-{number}", "extra": {"scope": scope}, "trace_id": f"{scope}{number}",
                               "span_id": f"{scope}{number}", "response_id": None,
                               "cost_details": {"certainty": "estimated", "why": "a tier that is not told"}}  # fmt: skip
    return call("otlp", number, **{**values, **fields})


def bills(store: Store) -> dict[str, float | None]:
    """Return the calls and their costs."""
    return {item.id: item.cost for item in store.find(Query(), 1000) if item.kind == "llm"}


HOW = ("together", "apart", "at several servers")


@pytest.mark.parametrize(
    ("store_url", "how", "order"),
    [("sqlite", *way) for way in itertools.product(HOW, itertools.permutations(range(3)))]
    + [("clickhouse", "apart", (0, 1, 2)), ("clickhouse", "at several servers", (2, 1, 0))], indirect=["store_url"],
    ids=str,
)  # fmt: skip
@pytest.mark.parametrize("ids", ["of the response", "of none", "of two"])
def test_three_reports_in_three_traces_are_one_bill(store: Store, how: str, order: tuple[int, ...], ids: str) -> None:
    fields = {"response_id": "resp-1"} if ids == "of the response" else {}
    exact = report("sdk", cost=0.7, cost_details={"certainty": "exact"}, **fields)
    layers = [report("upper", **fields), exact, call("native", 1, response_id=None if ids == "of none" else "resp-1")]
    arrive(store, [layers[at] for at in order], how, 1)
    assert bills(store) == {"native-1": 0.5}
    found = store.get("native-1")
    assert found is not None
    assert found.extra["reports"] == {"native": "native-1", "otlp upper": "upper-1", "otlp sdk": "sdk-1"}
    (step,) = [item for item in store.find(Query(), 9) if item.id != "native-1"]  # in its own trace, without a bill
    assert (step.kind, step.cost, step.trace_id) == ("chain", None, step.span_id)


@arriving
@pytest.mark.parametrize("fields", [{"response_id": "resp-1"}, {}], ids=["by its id", "by what it used"])
def test_the_report_that_says_most_bears_the_bill(
    store: Store, how: str, order: int, fields: dict[str, object]
) -> None:
    exact = report("sdk", cost=0.7, cost_details={"certainty": "exact"}, **fields)
    arrive(store, [report("upper", **fields), exact, report("other", **fields)], how, order)
    assert bills(store) == {"sdk-1": 0.7}


@arriving
@pytest.mark.parametrize("response_id", ["chatcmpl-1", None])
def test_spans_of_one_scope_in_several_conventions_are_one_bill(
    store: Store, how: str, order: int, response_id: str | None
) -> None:
    """LiteLLM's callbacks `otel`, `arize_phoenix` and `langfuse_otel` export each call in a trace of its own."""
    used = {"gen_ai.request.model": "gpt-4o", "gen_ai.usage.input_tokens": 9, "gen_ai.usage.output_tokens": 3}
    phoenix = {"openinference.span.kind": "LLM", "llm.model_name": "gpt-4o", "llm.token_count.prompt": 9,
               "llm.token_count.completion": 3, "llm.response.id": response_id}  # fmt: skip
    exported = [
        {**used, "gen_ai.response.id": response_id}, phoenix, {**phoenix, "langfuse.observation.type": "generation"},
    ]  # fmt: skip
    spans = [
        span({key: value for key, value in attributes.items() if value}, traceId=f"{n}a" * 16, spanId=f"{n}b" * 8)
        for n, attributes in enumerate(exported, 1)
    ]
    again = span(used, traceId="7a" * 16, spanId="7b" * 8)
    arrive(store, decode_traces(traces(*spans, again, scope="litellm")).items, how, order)
    assert len([record for record in store.find(Query(), 9) if record.kind == "llm"]) == 2


@pytest.mark.parametrize(("how", "order"), [*itertools.product(HOW, itertools.permutations(range(3)))])
def test_two_spans_in_each_other_and_a_report_elsewhere_are_one_bill(
    store: Store, how: str, order: tuple[int, ...]
) -> None:
    """LiteLLM's proxy has a span around that of the call, and another callback reports the call as well."""
    outer = report("upper", trace_id="t", response_id="resp-1")
    inner = report("upper", 1, id="inner", trace_id="t", span_id="inner", parent_span_id="upper1", response_id="resp-1")
    exact = report("sdk", cost=0.7, cost_details={"certainty": "exact"}, response_id="resp-1")
    arrive(store, [(outer, inner, exact)[at] for at in order], how, 1)
    assert bills(store) == {"sdk-1": 0.7}


@arriving
def test_the_report_that_bears_the_bill_is_listed_with_what_others_know(store: Store, how: str, order: int) -> None:
    """The SDK's own spans have no contents and no user; those of a layer above have both."""
    exact = report("sdk", cost=0.7, cost_details={"certainty": "exact"}, metadata={"plan": "free"})
    upper = report("upper", user="ada", session="s", tags=["beta"], input_preview="Weather?", output_preview="Sunny.",
                   metadata={"plan": "gold", "shop": "north"})  # fmt: skip
    arrive(store, [exact, upper], how, order)
    found = store.get("sdk-1")
    assert found is not None
    assert (found.user, found.session, found.tags) == ("ada", "s", ["beta"])
    assert (found.input_preview, found.output_preview) == ("Weather?", "Sunny.")
    assert (found.metadata, found.request_body) == ({"plan": "free", "shop": "north"}, None)


@arriving
def test_the_fuller_of_two_spans_in_each_other_bears_the_bill(store: Store, how: str, order: int) -> None:
    inner = report("sdk", trace_id="t", parent_span_id="upper1")
    outer = report("upper", trace_id="t", cost=0.7, usage_cache_read_input_tokens=4)
    arrive(store, [inner, outer], how, order)
    assert bills(store) == {"upper-1": 0.7}


@arriving
@pytest.mark.parametrize("layers", [["x"], ["x", "y"], ["x", "y", "native"]])
def test_the_same_prompt_sent_many_times_at_once_stays_many(
    store: Store, how: str, order: int, layers: list[str]
) -> None:
    """Each instrumentation reports each call once, so two reports of one are two calls."""
    start = NOON + timedelta(milliseconds=10)
    every = [
        call("native", n, start_time=start, created_at=start, end_time=NOON + timedelta(seconds=2), response_id=None)
        if layer == "native"
        else report(layer, n, start_time=start, created_at=start, end_time=NOON + timedelta(seconds=2))
        for n in range(1, 9)
        for layer in layers
    ]
    arrive(store, every, how, order)
    assert list(bills(store).values()) == [0.5] * 8
    arrive(store, every[:3], how, order)  # sent again
    assert list(bills(store).values()) == [0.5] * 8


@arriving
@pytest.mark.parametrize(
    "different",
    [
        {"request_model": "other"}, {"usage_output_tokens": 4}, {"project": "other"},
        {"start_time": NOON + timedelta(seconds=2.5), "end_time": NOON + timedelta(seconds=4)},
        {"extra": {"scope": "y", "resource": {"service.name": "search"}}}, {"output_preview": "No."},
    ],
    ids=str,
)  # fmt: skip
def test_calls_that_differ_are_two_bills(store: Store, how: str, order: int, different: dict[str, object]) -> None:
    first = report("x", extra={"scope": "x", "resource": {"service.name": "shop"}}, output_preview="Yes.")
    arrive(store, [first, report("y", **different)], how, order)
    assert list(bills(store).values()) == [0.5, 0.5]


@arriving
def test_exporters_of_one_process_may_give_it_different_names(store: Store, how: str, order: int) -> None:
    """LiteLLM's `arize_phoenix` names its project as the service; Python's SDK gives both the process's instance id."""
    named = [{"service.name": name, "service.instance.id": "i-1"} for name in ("litellm", "default")]
    arrive(store, [report(scope, extra={"scope": scope, "resource": of}) for scope, of in zip("xy", named, strict=True)],
           how, order)  # fmt: skip
    assert list(bills(store).values()) == [0.5]


@arriving
def test_failures_in_traces_of_their_own_are_one(store: Store, how: str, order: int) -> None:
    failed = {"status": "error", "usage_input_tokens": None, "usage_output_tokens": None, "cost": None}
    arrive(store, [report("x", **failed), report("y", **failed), report("x", 9, **failed)], how, order)
    assert len(bills(store)) == 2


@arriving
@pytest.mark.parametrize("layers", [["x", "y"], ["x", "native", "y"]])
def test_embeddings_are_one_bill_whether_their_output_is_zero_or_unknown(
    store: Store, how: str, order: int, layers: list[str]
) -> None:
    """LiteLLM reports 0 output tokens in one of its callbacks, none in the other, and no id."""
    sent = [
        call("native", n, response_id=None, usage_output_tokens=None)
        if layer == "native"
        else report(layer, n, usage_output_tokens=0 if layer == "x" else None, cost=0.6)
        for n in (1, 1.1)
        for layer in layers
    ]
    arrive(store, sent, how, order)
    assert list(bills(store).values()) == ([0.5, 0.5] if "native" in layers else [0.6, 0.6])


NO_TOKENS = {"usage_input_tokens": None, "usage_output_tokens": None, "cost": None}


@arriving
def test_a_span_that_says_nothing_is_of_the_call_that_was_open_meanwhile(store: Store, how: str, order: int) -> None:
    """Mistral's SDK exports a span without tokens and texts for each stream, beside OpenLLMetry's with both."""

    def stretch(scope: str, number: int, first: float, last: float, **fields: object) -> Record:
        start, end = (NOON + timedelta(seconds=number + part) for part in (first, last))
        return report(scope, number, start_time=start, created_at=start, end_time=end, **fields)

    several = [stretch("x", 1, 0, 1), stretch("sdk", 1, 0.1, 0.9, **NO_TOKENS),
               stretch("x", 2, 0, 1), stretch("sdk", 2, 0.1, 0.9, **NO_TOKENS)]  # fmt: skip
    apart = [stretch("x", 60, 0, 1), stretch("sdk", 60, 0.5, 1.5, **NO_TOKENS),
             stretch("x", 90, 0, 1), stretch("sdk", 90, 0.1, 0.9, request_model="other", **NO_TOKENS)]  # fmt: skip
    arrive(store, several + apart, how, order)
    assert sorted(bills(store)) == ["sdk-60", "sdk-90", "x-1", "x-2", "x-60", "x-90"]


#: Two reports, and the number of calls that they are of.
TEXTS: list[tuple[dict[str, object], dict[str, object], int]] = [
    ({"status": "error"}, {"status": "error", "usage_input_tokens": 0, "usage_output_tokens": 0}, 1),
    ({"input_preview": "cats"}, {"input_preview": "cats", "usage_input_tokens": 0, "usage_output_tokens": 0}, 1),
    ({"input_preview": "cats"}, {"input_preview": "dogs"}, 2),
    ({"input_preview": "cats"}, {}, 1),
    ({"output_preview": "Hello…"}, {"output_preview": "Hello there"}, 1),
    ({"input_preview": "cats", "output_preview": "Yes."}, {"input_preview": "cats", "output_preview": "No."}, 2),
    ({"input_preview": "cats"}, {"input_preview": "cats", "operation_name": "rerank"}, 2),
    ({"input_preview": "cats"}, {"input_preview": "cats", "end_time": None}, 2),
]


@arriving
def test_calls_without_tokens_are_recognized_by_their_texts(store: Store, how: str, order: int) -> None:
    """Reranking, speech, streams without usage and failed calls have none; LiteLLM reports 0 for them."""
    for number, (fields, other, calls) in enumerate(TEXTS, 1):
        before = len(bills(store))
        minute = 60 * number
        arrive(
            store,
            [report("x", minute, **NO_TOKENS, **fields), report("y", minute, **{**NO_TOKENS, **other})],
            how,
            order,
        )
        assert len(bills(store)) - before == calls, (fields, other)


#: How the layers above a call say that it was broken off, and what autolog knows of it.
BROKEN_OFF: list[tuple[dict[str, object], dict[str, object]]] = [
    ({"error_type": "GeneratorExit"}, {}),
    ({"error_type": "GeneratorExit"}, {"usage_input_tokens": 9}),
    ({"status": "ok"}, {"usage_input_tokens": 9}),
    ({"error_type": "RemoteProtocolError"}, {"status": "error", "error_type": "httpx2.RemoteProtocolError"}),
    ({"error_type": "RemoteProtocolError"}, {"status": "error", "usage_input_tokens": 9}),
]


@arriving
@pytest.mark.parametrize(("ended", "known"), BROKEN_OFF, ids=str)
def test_a_stream_that_is_broken_off_is_one_call_whatever_layers_say_of_its_end(
    store: Store, how: str, order: int, ended: dict[str, object], known: dict[str, object]
) -> None:
    """Layers above report a stream that its reader stops as an error, and no tokens of one that was broken off."""
    said = {"input_preview": "Tell of the sea", "output_preview": "The sea"}
    native = call("native", 1, **{**NO_TOKENS, **said, "request_stream": True, **known})
    spans = [report(scope, **{**NO_TOKENS, **said, "status": "error", **ended}) for scope in "xy"]
    later = report("x", 60, **{**NO_TOKENS, **said, "status": "error", **ended})
    found = arrive(store, [*spans, native, later], how, order)
    assert set(bills(store)) == {"native-1", "x-60"}
    (one,) = (item for item in found if item.id == "native-1")
    assert (one.status, one.usage_input_tokens) == (native.status, native.usage_input_tokens)


def test_a_call_without_tokens_is_not_compared_with_those_of_its_own_sender(store: Store) -> None:
    """A store of one sender's calls would be read again for each of them."""
    said = {**NO_TOKENS, "response_id": None, "input_preview": "Tell of the sea", "output_preview": "The sea"}
    store.write([call("langsmith", 1)])
    assert Known(store, [call("langsmith", 2, **said)]).is_empty
    assert not Known(store, [call("langfuse", 2, **said)]).is_empty


@arriving
def test_a_loggers_report_is_a_step_beside_the_call(store: Store, how: str, order: int) -> None:
    loggers = [call("litellm", 1), call("langsmith", 1, response_id=None), call("openai_agents", 1, request_model=None)]
    arrive(store, [call("native", 1), *loggers], how, order)
    assert bills(store) == {"native-1": 0.5}
    assert {record.request_model for record in store.find(Query(), 10)} == {"m"}


@arriving
def test_a_call_before_the_first_day_is_a_call(store: Store, how: str, order: int) -> None:
    early = {"start_time": datetime.min.replace(tzinfo=UTC), "created_at": NOON}
    arrive(store, [report("x", **early), report("y", **early)], how, order)
    assert bills(store)


@sqlite_alone
@pytest.mark.parametrize("shape", ["beside each other", "in each other"])
def test_a_trace_of_a_thousand_calls_takes_no_longer_for_each(store: Store, shape: str) -> None:
    def spans(count: int) -> list[Record]:
        def parent(number: int) -> int:
            return 0 if shape == "beside each other" else number - 1

        fields = {"usage_input_tokens": 1, "response_id": None, "trace_id": f"{count:032x}"}
        return [call("otlp", number, **fields, usage_output_tokens=number, span_id=f"{number:016x}",
                     parent_span_id=f"{parent(number):016x}" if number else None, id=f"{count}-{number}")
                for number in range(count)]  # fmt: skip

    def seconds(count: int) -> float:
        batch = spans(count)
        started = time.process_time()
        Deduplicator().fold(store, batch)
        return (time.process_time() - started) / count

    assert seconds(1000) < 8 * max(seconds(100), 2e-5)


CALL = """
import openai
client = openai.OpenAI(base_url={address!r} + "/v1", api_key="k")
client.chat.completions.create(model="gpt-4o", messages=[{{"role": "user", "content": "Say hello"}}])
"""
SETUPS = {
    "opentelemetry": """
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(OTLPSpanExporter()))
trace.set_tracer_provider(provider)
from opentelemetry.instrumentation.genai.openai import OpenAIInstrumentor
OpenAIInstrumentor().instrument()
""",
    "openinference": """
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(OTLPSpanExporter()))
from openinference.instrumentation.openai import OpenAIInstrumentor
OpenAIInstrumentor().instrument(tracer_provider=provider)
""",
    "openllmetry": """
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(OTLPSpanExporter()))
from opentelemetry.instrumentation.openai import OpenAIInstrumentor
OpenAIInstrumentor().instrument(tracer_provider=provider)
""",
    "logfire": """
import logfire
logfire.configure(send_to_logfire=False, console=False)
logfire.instrument_openai()
""",
    "anthropic": """
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(OTLPSpanExporter()))
trace.set_tracer_provider(provider)
""",
}
ANTHROPIC = """
import anthropic
client = anthropic.Anthropic(base_url={address!r}, api_key="k")
client.messages.create(model="claude-sonnet-5", max_tokens=9, messages=[{{"role": "user", "content": "Say hello"}}])
"""


PATCH = """
import autolog
autolog.configure(endpoint={url!r}, api_key={key!r})
autolog.patch()
"""


def run_program(running: Live, code: str, call: str, folder: Path) -> str:
    """Run a program that makes a call, its spans exported to us; what it writes to stderr."""
    from autolog.cli._standin import standin

    with standin() as address:
        done = subprocess.run(
            [sys.executable, "-c", code + call.format(address=address)],
            env={
                **os.environ,
                "OTEL_EXPORTER_OTLP_ENDPOINT": running.url,
                "OTEL_EXPORTER_OTLP_HEADERS": f"authorization=Bearer {KEY}",
                "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT": "true",
                "OTEL_SEMCONV_STABILITY_OPT_IN": "gen_ai_latest_experimental",
                "OTEL_TRACES_EXPORTER": "otlp",
            },
            cwd=folder,
            timeout=300,
            check=False,
            capture_output=True,
            text=True,
        )
    if "ModuleNotFoundError" in done.stderr:
        pytest.skip(f"not all of it is installed: {done.stderr.splitlines()[-1]}")
    assert done.returncode == 0, done.stderr
    return done.stderr


@sqlite_alone
@pytest.mark.parametrize("layers", ["alone", "above autolog"])
@pytest.mark.parametrize("name", SETUPS)
def test_instrumented_programs_ship_to_us(running: Live, name: str, layers: str, tmp_path: Path) -> None:
    """A span of somebody else's is a record; if autolog saw the same call on the wire, both are one."""
    patch = PATCH.format(url=running.url, key=KEY) if layers == "above autolog" else ""
    output = run_program(running, patch + SETUPS[name], ANTHROPIC if name == "anthropic" else CALL, tmp_path)
    calls = [record for record in running.records() if record.kind == "llm"]
    assert len(calls) == 1, (output, [record.extra for record in running.records()])
    (record,) = calls
    if layers == "above autolog":
        assert record.sdk
        assert record.extra["otel"]["span_id"]
        assert record.cost
        return
    assert record.provider_name == ("anthropic" if name == "anthropic" else "openai")
    assert record.request_model == ("claude-sonnet-5" if name == "anthropic" else "gpt-4o")
    assert record.operation_name == "chat"
    assert record.status == "ok"
    assert record.usage_input_tokens
    assert record.usage_output_tokens
    assert record.cost
    assert record.duration
    if name in {"openinference", "logfire", "openllmetry"}:
        assert record.input_preview == "Say hello"


#: Layers over one call, each with its own tracer provider, and so in its own trace.
TOGETHER = {
    "openinference and openllmetry": (["openinference", "openllmetry"], CALL),
    "openllmetry and logfire": (["openllmetry", "logfire"], CALL),
    "three": (["openinference", "openllmetry", "opentelemetry"], CALL),
    "the anthropic SDK and openllmetry": (["anthropic"], """
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(OTLPSpanExporter()))
from opentelemetry.instrumentation.anthropic import AnthropicInstrumentor
AnthropicInstrumentor().instrument(tracer_provider=provider)
""" + ANTHROPIC),
}  # fmt: skip


@sqlite_alone
@pytest.mark.parametrize("layers", ["alone", "above autolog"])
@pytest.mark.parametrize("name", TOGETHER)
def test_layers_in_traces_of_their_own_are_one_call(running: Live, name: str, layers: str, tmp_path: Path) -> None:
    setups, call = TOGETHER[name]
    patch = PATCH.format(url=running.url, key=KEY) if layers == "above autolog" else ""
    output = run_program(running, patch + "".join(SETUPS[setup] for setup in setups), call, tmp_path)
    records = running.records()
    calls = [record for record in records if record.kind == "llm"]
    assert len(calls) == 1, (output, [(record.kind, record.extra) for record in records])
    assert calls[0].cost
    assert len(calls[0].extra["reports"]) >= 2
