"""Bedrock's other services: guardrails, background work, agents, knowledge bases, flows."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from wire import AWS, aws_events, aws_frame, read_call

from autolog._capture.libraries.calls import CallRules
from autolog.providers import format_named

bedrock = format_named("bedrock")
RUNTIME = "https://bedrock-runtime.us-east-1.amazonaws.com"
AGENTS = "https://bedrock-agent-runtime.us-east-1.amazonaws.com"


@pytest.mark.parametrize(
    ("path", "operation"),
    [("/guardrail/g/version/1/apply", "apply_guardrail"), ("/guardrail-checks/invoke", "apply_guardrail"),
     ("/async-invoke", "video_generation"), ("/agents/a/agentAliases/b/sessions/s/text", "invoke_agent"),
     ("/agents/s", "invoke_agent"), ("/flows/f/aliases/a", "invoke_agent"), ("/retrieveAndGenerate", "invoke_agent"),
     ("/flows/f/aliases/a/executions", "invoke_agent"), ("/runtimes/arn:aws:x/y/invocations", "invoke_agent"),
     ("/harnesses/invoke", "invoke_agent"), ("/evaluations/evaluate/e", "evaluation"),
     ("/web-search/w/invoke", "search"), ("/knowledgebases/k/retrieve", "retrieval"), ("/rerank", "rerank"),
     ("/InvokeDataAutomation", "data_automation"), ("/InvokeDataAutomationAsync", "data_automation"),
     ("/invokeBlueprintOptimizationAsync", "optimization"), ("/model-invocation-job", "batch_prediction"),
     ("/model-customization-jobs", "fine_tuning"), ("/evaluation-jobs", "evaluation"),
     ("/advanced-prompt-optimization-jobs", "optimization")],
)  # fmt: skip
def test_which_calls_are_recorded(path: str, operation: str) -> None:
    for host, hosts in (
        ("bedrock-runtime.us-east-1.amazonaws.com", {}),
        ("bedrock.internal", {"bedrock.internal": "bedrock"}),
    ):
        assert CallRules(hosts).reader("POST", host, path) is bedrock
    assert bedrock.operation(path) == operation


@pytest.mark.parametrize(
    "path",
    ["/sessions/s/invocationSteps/i", "/tags/x", "/flows/f/aliases/a/executions/e/stop", "/ListTagsForResource",
     "/model-invocation-job/arn:aws:x/y/stop", "/evaluation-jobs/batch-delete"],
)  # fmt: skip
def test_what_asks_no_model_is_not(path: str) -> None:
    assert not bedrock.billable("POST", path)


@pytest.mark.parametrize("end", ["ingestionjobs/", "documents"])
def test_documents_of_a_knowledge_base_are_embedded_when_they_are_put(end: str) -> None:
    path = f"/knowledgebases/k/datasources/d/{end}"
    record = read_call(
        f"https://bedrock-agent.us-east-1.amazonaws.com{path}", {}, {"ingestionJob": {"status": "STARTING"}}
    )
    assert (record.operation_name, record.cost, bedrock.billable("PUT", path)) == ("embeddings", None, True)
    assert "models" in str(record.cost_details)
    for method, other in (
        ("POST", path),
        ("GET", path),
        ("POST", f"{path}/deleteDocuments"),
        ("PUT", "/knowledgebases/k"),
    ):
        assert not bedrock.billable(method, other)


def test_a_guardrail_says_what_it_did_and_what_it_charges_for() -> None:
    answer = {"action": "GUARDRAIL_INTERVENED", "outputs": [{"text": "No."}],
              "usage": {"topicPolicyUnits": 1, "contentPolicyUnits": 2, "wordPolicyUnits": 3,
                        "sensitiveInformationPolicyFreeUnits": 4, "contextualGroundingPolicyUnits": 0}}  # fmt: skip
    record = read_call(f"{RUNTIME}/guardrail/g/version/1/apply", {"content": [{"text": {"text": "x"}}]}, answer)
    assert (record.output_preview, record.response_finish_reasons) == ("No.", ["GUARDRAIL_INTERVENED"])
    assert record.usage == answer["usage"]
    units = bedrock.billable_units("/guardrail/g/version/1/apply", {}, answer)
    assert units == {"unit of topicPolicy": 1, "unit of contentPolicy": 2}
    assert (record.cost, record.usage_input_tokens) == (None, None)


@pytest.mark.parametrize(
    ("status", "final"), [(None, False), ("InProgress", False), ("Completed", True), ("Failed", True)]
)
def test_what_is_made_in_the_background_is_known_by_its_arn(status: str | None, final: bool) -> None:
    arn = "arn:aws:bedrock:us-east-1:1:async-invoke/x"
    body: dict[str, Any] = {"invocationArn": arn}
    if status:
        body |= {"status": status, "modelArn": "arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-reel-v1:0"}
    facts = bedrock.read(f"/async-invoke/{arn}", body, {})
    assert facts.long_running is not None
    assert (facts.long_running.key, facts.long_running.final) == (f"async:{arn}", final)
    assert facts.model == ("amazon.nova-reel-v1:0" if status else None)
    assert bedrock.is_follow_up("GET", f"/async-invoke/{arn}")


@pytest.mark.parametrize("kind", ["model-invocation-job", "model-customization-job", "evaluation-job"])
def test_a_job_is_completed_by_its_status(kind: str) -> None:
    path, arn = f"/{kind}" if "invocation" in kind else f"/{kind}s", f"arn:aws:bedrock:us-east-1:1:{kind}/x"
    created = read_call(f"https://bedrock.us-east-1.amazonaws.com{path}", {"modelId": "m"}, {"jobArn": arn})
    assert (created.status, created.request_model, created.cost) == ("ok", "m", None)
    assert "billed" in str(created.cost_details) or "price" in str(created.cost_details)
    ended = bedrock.read(f"{path}/{arn}", {"jobArn": arn, "status": "Failed", "message": "No data."}, {})
    assert ended.long_running is not None
    assert (ended.long_running.key, ended.long_running.final) == (f"async:{arn}", True)
    assert (ended.finish_reasons, ended.error_message) == (["Failed"], "No data.")
    assert bedrock.is_follow_up("GET", f"{path}/{arn}")


def test_what_data_automation_found_is_the_output() -> None:
    answer = {"semanticModality": "DOCUMENT", "outputSegments": [{"standardOutput": '{"pages": 1}'}]}
    url = "https://bedrock-data-automation-runtime.us-east-1.amazonaws.com/InvokeDataAutomation"
    record = read_call(url, {"inputConfiguration": {"s3Uri": "s3://b/i"}}, answer)
    assert (record.output_preview, record.operation_name, record.cost) == ('{"pages": 1}', "data_automation", None)
    assert "pages" in str(record.cost_details)
    assert bedrock.is_follow_up("POST", "/GetDataAutomationStatus")


def test_an_agent_says_its_text_in_a_stream() -> None:
    chunks = [base64.b64encode(piece).decode() for piece in (b"So it ", b"is.")]
    body = b"".join(aws_frame({"bytes": chunk}, message_type="event", event_type="chunk") for chunk in chunks)
    record = read_call(f"{AGENTS}/agents/a/agentAliases/b/sessions/s/text", {"inputText": "Why?"}, body, AWS)
    assert (record.output_preview, record.operation_name, record.cost) == ("So it is.", "invoke_agent", None)
    assert "models" in str(record.cost_details)


def traced(**part: Any) -> bytes:
    return aws_frame({"trace": {"orchestrationTrace": part}}, message_type="event", event_type="trace")


def traced_call(model: str, sent: int, received: int) -> bytes:
    usage = {"inputTokens": sent, "outputTokens": received}
    asked = traced(modelInvocationInput={"foundationModel": model, "text": "..."})
    return asked + traced(modelInvocationOutput={"metadata": {"usage": usage}})


def test_the_model_calls_in_an_agents_trace_are_counted() -> None:
    said = aws_frame({"bytes": base64.b64encode(b"So.").decode()}, message_type="event", event_type="chunk")
    url = f"{AGENTS}/agents/a/agentAliases/b/sessions/s/text"
    body = traced_call("anthropic.claude-sonnet-4-5-20250929-v1:0", 10, 2) * 2 + said
    record = read_call(url, {"inputText": "Why?", "enableTrace": True}, body, AWS)
    assert (record.usage_input_tokens, record.usage_output_tokens, record.output_preview) == (20, 4, "So.")
    assert record.response_model == "anthropic.claude-sonnet-4-5-20250929-v1:0"
    assert record.cost is not None
    assert record.cost_details is not None
    assert "trace" in record.cost_details["why"]
    other = traced_call("amazon.nova-micro-v1:0", 10, 2)
    several = read_call(url, {"inputText": "Why?", "enableTrace": True}, body + other, AWS)
    assert several.cost is not None
    assert several.cost > record.cost


@pytest.mark.parametrize(
    ("path", "request_body"),
    [
        ("/rerank", {"rerankingConfiguration": {"bedrockRerankingConfiguration": {"modelConfiguration": {"modelArn": "m"}}}}),
        ("/retrieveAndGenerate", {"retrieveAndGenerateConfiguration": {"knowledgeBaseConfiguration": {"modelArn": "m"}}}),
        ("/async-invoke", {"modelId": "m"}),
        ("/agents/s", {"foundationModel": "m", "metadata": {"model": "n"}}),
    ],
)  # fmt: skip
def test_the_model_that_a_service_is_to_use_is_in_its_settings(path: str, request_body: dict[str, Any]) -> None:
    assert read_call(f"{AGENTS}{path}", request_body, {}).request_model == "m"


def test_a_knowledge_base_answers() -> None:
    answer = {"sessionId": "s", "output": {"text": "So."}, "citations": []}
    record = read_call(f"{AGENTS}/retrieveAndGenerate", {"input": {"text": "Why?"}}, answer)
    assert (record.output_preview, record.operation_name, record.cost) == ("So.", "invoke_agent", None)


AGENTCORE = "https://bedrock-agentcore.us-east-1.amazonaws.com"


def test_a_harness_answers_in_converses_format() -> None:
    body = aws_events(
        ("messageStart", {"role": "assistant"}),
        ("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": "So."}}),
        ("messageStop", {"stopReason": "end_turn"}),
        ("metadata", {"usage": {"inputTokens": 10, "outputTokens": 5, "totalTokens": 15}}),
    )
    record = read_call(f"{AGENTCORE}/harnesses/invoke", {}, body, AWS)
    assert (record.output_preview, record.response_finish_reasons) == ("So.", ["end_turn"])
    assert (record.operation_name, record.usage_input_tokens, record.cost) == ("invoke_agent", 10, None)


def test_an_evaluation_says_what_its_judge_used() -> None:
    judged = [{"value": 0.5, "tokenUsage": {"inputTokens": 7, "outputTokens": 2}}, {"tokenUsage": {"inputTokens": 3}}]
    record = read_call(f"{AGENTCORE}/evaluations/evaluate/e", {}, {"evaluationResults": judged})
    assert (record.usage_input_tokens, record.usage_output_tokens, record.cost) == (10, 2, None)
