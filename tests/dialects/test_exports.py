"""Vendors' exports read as records: hand-written rows after their documentation and their packages' output."""

from __future__ import annotations

import base64
import contextlib
import json
from typing import Any

import pytest
from dialects.samples import ANSWER, BODY

from autolog._record.record import Record
from autolog.dialects import exports
from autolog.dialects._fault import Fault

MESSAGES = [{"role": "user", "content": "Weather?"}]
SAID = {"role": "assistant", "content": "Rain."}
#: gpt-4o: 1,000 tokens in, 400 of them cached, and 100 out.
COST = (600 * 2.5 + 400 * 1.25 + 100 * 10) / 1e6
TRACE, SPAN, ROOT = "a" * 32, "b" * 16, "c" * 16

HELICONE: dict[str, Any] = {
    "request_id": "5e1c", "request_created_at": "2026-01-02T03:04:05.250Z", "response_created_at": "2026-01-02T03:04:06.750Z",
    "response_id": "r-1", "response_status": 200, "request_model": "gpt-4o", "response_model": "gpt-4o-2024-08-06", "provider": "OPENAI",
    "target_url": "https://api.openai.com/v1/chat/completions", "request_path": "/v1/chat/completions", "request_user_id": "u-1",
    "request_properties": {"plan": "gold", "Helicone-Session-Id": "s-1"}, "delay_ms": 1500, "time_to_first_token": 500, "prompt_tokens": 1000,
    "completion_tokens": 100, "prompt_cache_read_tokens": 400, "total_tokens": 1100, "costUSD": 0.5, "scores": {"tone": 0.5}, "feedback_rating": True,
    "request_body": {"model": "gpt-4o", "messages": MESSAGES}, "response_body": {"choices": [{"message": SAID}]},
    "cache_reference_id": "00000000-0000-0000-0000-000000000000",
}  # fmt: skip
LANGSMITH: dict[str, Any] = {
    "id": "0190f8a4-0000-7000-8000-000000000001", "trace_id": "0190f8a4-0000-7000-8000-000000000000", "parent_run_id": "0190f8a4-0000-7000-8000-000000000000",
    "name": "model", "run_type": "llm", "start_time": "2026-01-02T03:04:05.250000", "end_time": "2026-01-02T03:04:06.750000", "error": None,
    "inputs": {"messages": MESSAGES}, "outputs": SAID, "tags": ["shop"], "session_id": "p-1", "prompt_tokens": 1000, "completion_tokens": 100,
    "total_tokens": 1100, "prompt_token_details": {"cache_read": 400}, "total_cost": 0.5, "feedback_stats": {"tone": {"n": 1, "avg": 0.5}},
    "extra": {"metadata": {"ls_provider": "openai", "ls_model_name": "gpt-4o", "plan": "gold", "user_id": "u-1", "session_id": "s-1"}}, "child_runs": None,
}  # fmt: skip
LANGFUSE: dict[str, Any] = {
    "id": SPAN, "trace_id": TRACE, "type": "GENERATION", "parent_observation_id": ROOT, "name": "model", "start_time": "2026-01-02 03:04:05.250",
    "end_time": "2026-01-02 03:04:06.750", "provided_model_name": "gpt-4o", "input": json.dumps(MESSAGES), "output": json.dumps(SAID), "user_id": "u-1",
    "session_id": "s-1", "usage_details": {"input": 600, "input_cached_tokens": 400, "output": 100, "total": 1100}, "cost_details": {"total": 0.5},
    "metadata": '{"plan": "gold"}', "level": "DEFAULT", "tags": ["shop"],
}  # fmt: skip
PHOENIX: dict[str, Any] = {
    "name": "model", "span_kind": "LLM", "parent_id": ROOT, "start_time": "2026-01-02T03:04:05.250Z", "end_time": 1767323046750, "status_code": "UNSET",
    "status_message": "", "events": [], "context.span_id": SPAN, "context.trace_id": TRACE, "attributes.llm.model_name": "gpt-4o",
    "attributes.llm.provider": "openai", "attributes.llm.token_count.prompt": 1000.0, "attributes.llm.token_count.completion": 100.0,
    "attributes.llm.token_count.prompt_details.cache_read": 400.0, "attributes.llm.cost.total": 0.5, "attributes.session.id": "s-1",
    "attributes.user.id": "u-1", "attributes.metadata": {"plan": "gold"}, "attributes.tag.tags": ["shop"],
    "attributes.llm.input_messages": [{"message.role": "user", "message.content": "Weather?"}],
    "attributes.llm.output_messages": [{"message.role": "assistant", "message.content": "Rain."}], "attributes.tool.name": None,
}  # fmt: skip
PORTKEY: dict[str, Any] = {
    "id": "p-1", "trace_id": "t-1", "created_at": "2026-01-02T03:04:05.250Z", "request": {"body": {"model": "gpt-4o", "messages": MESSAGES}},
    "response": json.dumps({"body": {"choices": [{"message": SAID}], "usage": {"prompt_tokens": 1000, "completion_tokens": 100, "total_tokens": 1100,
                                                                              "prompt_tokens_details": {"cached_tokens": 400}}}}),
    "is_success": True, "ai_org": "openai", "ai_model": "gpt-4o", "req_units": 1000, "res_units": 100, "total_units": 1100, "cost": 0.5,
    "cost_currency": "USD", "response_time": 1500, "response_status_code": 200, "metadata": {"_user": "u-1", "plan": "gold"},
}  # fmt: skip
PROMPTLAYER: dict[str, Any] = {
    "request_id": 17, "provider": "openai", "model": "gpt-4o", "input_tokens": 1000, "output_tokens": 100, "price": 0.5, "tags": ["shop"],
    "request_start_time": "2026-01-02T03:04:05.250Z", "request_end_time": "2026-01-02T03:04:06.750Z", "metadata": {"plan": "gold"}, "status": "SUCCESS",
    "prompt_blueprint": {"prompt_template": {"type": "chat", "messages": [{"role": "user", "content": [{"type": "text", "text": "Weather?"}]}, SAID]},
                         "metadata": {"model": {"provider": "openai", "name": "gpt-4o", "parameters": {"temperature": 0}}}},
}  # fmt: skip


def encoded(digits: str) -> str:
    return base64.b64encode(bytes.fromhex(digits)).decode()


def mlflow_span(span: str, parent: str | None, **attributes: Any) -> dict[str, Any]:
    return {"trace_id": encoded(TRACE), "span_id": encoded(span), "parent_span_id": parent and encoded(parent), "name": "model",
            "start_time_unix_nano": 1767323045250000000, "end_time_unix_nano": 1767323046750000000, "events": [],
            "status": {"code": "STATUS_CODE_OK", "message": ""},
            "attributes": {f"mlflow.{key}": json.dumps(value) for key, value in attributes.items()}}  # fmt: skip


MLFLOW: dict[str, Any] = {
    "info": {"trace_id": f"tr-{TRACE}", "trace_metadata": {"mlflow.trace.user": "u-1", "mlflow.trace.session": "s-1"},
             "tags": {"mlflow.traceName": "chain", "plan": "gold"},
             "assessments": [{"assessment_name": "tone", "feedback": {"value": 0.5}, "rationale": "ok"}]},
    "data": {"spans": [
        mlflow_span(ROOT, None, spanType="CHAIN", spanInputs={"text": "Weather?"}),
        {**mlflow_span(SPAN, ROOT, spanType="CHAT_MODEL", spanInputs={"model": "gpt-4o", "messages": MESSAGES}, spanOutputs={"choices": [{"message": SAID}]}),
         "attributes": {**mlflow_span(SPAN, ROOT, spanType="CHAT_MODEL", spanInputs={"model": "gpt-4o", "messages": MESSAGES},
                                      spanOutputs={"choices": [{"message": SAID}]})["attributes"],
                        "mlflow.chat.tokenUsage": json.dumps({"input_tokens": 1000, "output_tokens": 100, "cache_read_input_tokens": 400}),
                        "mlflow.llm.model": '"gpt-4o"', "mlflow.llm.cost": '{"total_cost": 0.5}'}},
    ]},
}  # fmt: skip
OTLP = {"resourceSpans": [{"scopeSpans": [{"spans": [{
    "traceId": TRACE, "spanId": SPAN, "name": "chat", "startTimeUnixNano": "1767323045250000000", "endTimeUnixNano": "1767323046750000000",
    "attributes": [{"key": key, "value": {"stringValue": value}} for key, value in {
        "gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai", "gen_ai.request.model": "gpt-4o",
        "gen_ai.usage.input_tokens": "1000", "gen_ai.usage.output_tokens": "100", "gen_ai.usage.cache_read.input_tokens": "400",
        "user.id": "u-1", "gen_ai.conversation.id": "s-1", "llm.cost.total": "0.5", "gen_ai.input.messages": json.dumps(MESSAGES), "gen_ai.output.messages": json.dumps([SAID])}.items()]}]}]}]}  # fmt: skip

ROWS = {"otlp": OTLP, "helicone": HELICONE, "langsmith": LANGSMITH, "langfuse": LANGFUSE, "phoenix": PHOENIX, "mlflow": MLFLOW,
        "portkey": PORTKEY, "promptlayer": PROMPTLAYER}  # fmt: skip


def decode(row: dict[str, Any], name: str | None = None) -> list[Record]:
    found = name or exports.detect(row)
    assert found is not None
    return [*exports.get(found).decode(row)]


def the_call(row: dict[str, Any], name: str | None = None) -> Record:
    (record,) = (record for record in decode(row, name) if record.kind == "llm")
    return record


def test_a_span_that_cannot_be_read_costs_that_span() -> None:
    (resource,) = OTLP["resourceSpans"]
    records = iter(
        exports.get("otlp").decode({"resourceSpans": [resource, {"scopeSpans": [{"spans": [{"name": "x"}]}]}]})
    )
    assert next(records).request_model == "gpt-4o"
    with pytest.raises(Fault, match="1 of its spans"):
        next(records)


def test_a_row_of_mlflows_table_as_csv_has_its_spans_in_the_trace_only() -> None:
    row = {"trace_id": "tr-1", "trace": json.dumps(MLFLOW), "spans": "[{'name': None}]", "tags": "{'a': 'b'}"}
    assert the_call(row).request_model == "gpt-4o"


def test_every_format_has_a_row_here() -> None:
    assert set(ROWS) == set(exports.NAMES)


@pytest.mark.parametrize("name", exports.NAMES)
def test_a_row_is_known_by_its_keys(name: str) -> None:
    assert exports.detect(ROWS[name]) == name


@pytest.mark.parametrize("name", exports.NAMES)
def test_a_call_is_the_same_from_every_service(name: str) -> None:
    record = the_call(ROWS[name])
    assert (record.request_model, record.provider_name) == ("gpt-4o", "openai")
    assert (record.usage_input_tokens, record.usage_output_tokens) == (1000, 100)
    assert (record.input_preview, record.output_preview, record.status) == ("Weather?", "Rain.", "ok")
    assert (record.start_time or record.created_at).isoformat() == "2026-01-02T03:04:05.250000+00:00"  # type: ignore[union-attr]
    assert record.duration == pytest.approx(1.5)
    assert record.extra["export"] == name


@pytest.mark.parametrize("name", [name for name in exports.NAMES if name != "otlp"])
def test_the_cost_is_ours_and_the_services_figure_is_kept(name: str) -> None:
    record = the_call(ROWS[name])
    whole = (1000 * 2.5 + 100 * 10) / 1e6  # PromptLayer does not report cached tokens
    assert record.cost == pytest.approx(whole if name == "promptlayer" else COST)
    assert record.extra["reported_cost"] == 0.5
    assert (record.cost_details or {})["certainty"] in {"estimated", "exact"}


@pytest.mark.parametrize("name", exports.NAMES)
def test_the_services_figure_serves_where_no_price_is_known(name: str) -> None:
    unknown = json.loads(
        json.dumps(ROWS[name])
        .replace("gpt-4o-2024-08-06", "gpt-4o")
        .replace("gpt-4o", "local-7b")
        .replace("openai.com", "example.com")
    )
    record = the_call(unknown)
    assert (record.cost, record.custom_cost) == (0.5, True)
    assert (record.cost_details or {})["certainty"] == "estimated"


@pytest.mark.parametrize("name", exports.NAMES)
def test_a_row_that_is_read_again_is_the_same_record(name: str) -> None:
    first, second = decode(ROWS[name]), decode(ROWS[name])
    assert [record.id for record in first] == [record.id for record in second]
    assert len({record.id for record in first}) == len(first)


@pytest.mark.parametrize("name", [name for name in exports.NAMES if name not in {"promptlayer", "portkey"}])
def test_users_and_sessions_are_kept(name: str) -> None:
    record = the_call(ROWS[name])
    assert (record.user, record.session) == ("u-1", "s-1")


@pytest.mark.parametrize("name", ["helicone", "langsmith", "langfuse", "portkey", "promptlayer", "phoenix"])
def test_figures_and_structures_may_be_texts_as_in_csv(name: str) -> None:
    row = {
        key: value if isinstance(value, str) else json.dumps(value)
        for key, value in ROWS[name].items()
        if value is not None
    }
    record = the_call(row)
    assert (record.usage_input_tokens, record.usage_output_tokens) == (1000, 100)
    assert (record.input_preview, record.output_preview) == ("Weather?", "Rain.")
    assert record.duration == pytest.approx(1.5)


@pytest.mark.parametrize("name", exports.NAMES)
@pytest.mark.parametrize(
    "value", [None, 5, "soon", [], {}, True, -1, [1], {"a": {"b": []}}, float("nan"), 10**400, "\ud800"]
)
def test_a_bad_value_costs_its_row_at_most(name: str, value: Any) -> None:
    for key in ROWS[name]:
        with contextlib.suppress(Fault):
            assert all(isinstance(record, Record) for record in decode({**ROWS[name], key: value}, name))


# Each service's own


def test_helicones_own_usage_goes_before_its_counts() -> None:
    record = the_call({**HELICONE, "prompt_tokens": 5, "request_body": BODY, "response_body": ANSWER})
    assert (record.usage_input_tokens, record.usage) == (12, ANSWER["usage"])
    failed = the_call(
        {
            **HELICONE,
            "response_status": -2,
            "response_body": {},
            "prompt_tokens": None,
            "completion_tokens": None,
            "costUSD": 0,
        }
    )
    assert (failed.status, failed.status_code, failed.cost) == ("error", None, None)
    cached = the_call({**HELICONE, "cache_reference_id": "5e1d"})
    assert (cached.cached, cached.cost) == (True, 0.0)
    assert (the_call(HELICONE).scores, the_call(HELICONE).feedback) == ({"tone": 0.5}, 1)


def test_langsmiths_runs_keep_their_tree_and_feedback() -> None:
    child = {
        **LANGSMITH,
        "id": "0190f8a4-0000-7000-8000-000000000002",
        "run_type": "tool",
        "name": "tool",
        "error": "ValueError('boom')",
    }
    parent = {
        **LANGSMITH,
        "id": LANGSMITH["trace_id"],
        "parent_run_id": None,
        "run_type": "chain",
        "name": "chain",
        "child_runs": [LANGSMITH, child],
    }
    chain, call, tool = decode(parent)
    assert (chain.kind, chain.usage_input_tokens, chain.cost) == ("chain", None, None)
    assert {call.parent_span_id, tool.parent_span_id} == {chain.span_id}
    assert (tool.status, tool.error_type, call.scores) == ("error", "ValueError", {"tone": 0.5})


def test_langfuses_traces_bring_their_observations_and_scores() -> None:
    observation = {"id": "o-1", "type": "GENERATION", "name": "model", "startTime": "2026-01-02T03:04:05Z", "model": "gpt-4o",
                   "usageDetails": {"input": 5, "output": 2}, "input": MESSAGES, "output": SAID}  # fmt: skip
    score = {
        "id": "s",
        "traceId": "t-1",
        "name": "tone",
        "value": 0.5,
        "dataType": "NUMERIC",
        "source": "API",
        "comment": "ok",
    }
    trace = {"id": "t-1", "timestamp": "2026-01-02T03:04:05Z", "name": "answer", "userId": "u-1", "sessionId": "s-1", "tags": ["shop"],
             "observations": [observation], "scores": [score, {**score, "name": "label", "observationId": "o-1", "value": None, "stringValue": "kind"}]}  # fmt: skip
    root, call, first, second = decode(trace)
    assert (root.id, root.kind, root.tags) == ("t-1", "chain", ["shop"])
    assert (call.parent_span_id, call.trace_id, call.user, call.session) == ("t-1", "t-1", "u-1", "s-1")
    assert (first.id, first.scores) == ("t-1", {"tone": {"value": 0.5, "comment": "ok"}})
    assert (second.id, second.scores) == ("o-1", {"label": {"value": "kind", "comment": "ok"}})


def test_langfuses_scores_of_spans_find_them_by_their_own_ids() -> None:
    (score,) = decode(
        {"id": "s", "trace_id": TRACE, "observation_id": SPAN, "name": "tone", "value": "0.5", "data_type": "NUMERIC"}
    )
    assert (score.id, score.scores) == (SPAN, {"tone": 0.5})
    subject = {"kind": "observation", "id": SPAN, "traceId": TRACE}
    (score,) = decode(
        {"id": "s", "name": "label", "value": "kind", "dataType": "CATEGORICAL", "source": "API", "subject": subject}
    )
    assert (score.id, score.scores["label"]["value"]) == (SPAN, "kind")


def test_langfuses_observations_without_traces_are_roots_themselves() -> None:
    row = {
        "id": SPAN,
        "traceId": TRACE,
        "type": "SPAN",
        "startTime": "2026-01-02T03:04:05Z",
        "parentObservationId": None,
    }
    (below,), (root,) = decode(row), decode({**row, "isRootObservation": True})
    assert (below.parent_span_id, root.parent_span_id) == (TRACE, None)


def test_phoenix_spans_of_its_rest_api_and_a_csv_file() -> None:
    attributes = {"llm.model_name": "gpt-4o", "llm.token_count.prompt": 10, "llm.token_count.completion": 2, "metadata.plan": "gold",
                  "llm.input_messages.0.message.role": "user", "llm.input_messages.0.message.content": "Weather?"}  # fmt: skip
    rest = {"id": "x", "name": "model", "context": {"trace_id": TRACE, "span_id": SPAN}, "span_kind": "LLM", "parent_id": None,
            "start_time": "2026-01-02T03:04:05Z", "end_time": None, "status_code": "ERROR", "status_message": "boom", "attributes": attributes,
            "events": [{"name": "exception", "attributes": {"exception.type": "ValueError"}}]}  # fmt: skip
    record = the_call(rest)
    assert (record.id, record.metadata, record.input_preview) == (f"{TRACE}-{SPAN}", {"plan": "gold"}, "Weather?")
    assert (record.status, record.error_type, record.error_message) == ("error", "ValueError", "boom")
    cells = {
        key: value if isinstance(value, str) else repr(value) for key, value in PHOENIX.items() if value is not None
    }
    record = the_call(cells)
    assert (record.input_preview, record.usage_input_tokens, record.tags) == ("Weather?", 1000, ["shop"])


def test_mlflows_traces_are_a_tree_with_what_was_said_of_them() -> None:
    root, call = decode(MLFLOW)
    assert (root.kind, root.trace_id, root.metadata) == ("chain", TRACE, {"plan": "gold"})
    assert (root.scores, call.parent_span_id) == ({"tone": {"value": 0.5, "comment": "ok"}}, ROOT)
    row = {"trace_id": f"tr-{TRACE}", "trace": json.dumps(MLFLOW), "spans": []}
    assert [record.id for record in decode(row)] == [root.id, call.id]


def test_a_price_of_nothing_for_tokens_is_none_of_promptlayers() -> None:
    unknown = {**PROMPTLAYER, "model": "local-7b", "price": 0, "prompt_blueprint": None}
    assert the_call(unknown).cost is None
    assert the_call({**PROMPTLAYER, "price": 0}).cost == pytest.approx((1000 * 2.5 + 100 * 10) / 1e6)
