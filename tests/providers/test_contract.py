"""What all provider modules have in common, and how one is chosen."""

from __future__ import annotations

import inspect
import random
import re
from pathlib import Path
from typing import Any

import pytest

import autolog.providers
from autolog._capture.libraries.calls import CallRules, may_be_call
from autolog._record.streams import Event
from autolog.providers import SDKS, Format, format_at, format_for, format_named, format_of, provider_at
from autolog.providers._table import LIKELY_PATHS, ROWS, Row

QUESTIONS = {
    name: function
    for name, function in vars(Format).items()
    if inspect.isfunction(function) and not name.startswith("_")
}
MODULES = [row.module for row in ROWS]


@pytest.mark.parametrize("module", MODULES)
def test_every_module_answers_all_questions(module: str) -> None:
    answers = format_named(module)
    assert answers.name == module
    assert isinstance(answers.provider_name, str)
    for name, question in QUESTIONS.items():
        wanted = [parameter for parameter in inspect.signature(question).parameters if parameter != "self"]
        assert list(inspect.signature(getattr(answers, name)).parameters) == wanted, name


@pytest.mark.parametrize("module", MODULES)
@pytest.mark.parametrize(
    "body",
    [None, {}, [], "text", 7, {"usage": []}, {"error": "no"}, {"candidates": [None]}, {"output": 3}, [[1.0]],
     {"object": "batch", "id": "b", "status": {}}, {"request_id": "r", "status": []},
     {"agent_id": "a", "id": "t", "status": {}}, {"name": "batches/b", "metadata": {"state": {}}},
     {"batch": {"id": "b", "status": {}, "input_tokens": "9" * 5000}}, {"id": "d", "process_status": {}},
     {"predictions": {}, "evaluationResults": [{"tokenUsage": 5}]}],
)  # fmt: skip
def test_a_body_that_makes_no_sense_has_no_facts_and_raises_nothing(module: str, body: Any) -> None:
    answers = format_named(module)
    for path in (
        "",
        "/v1/chat",
        "/videos/v",
        "/v2/batches/b",
        "/evaluations/evaluate/e",
        "/model/x/invoke",
        "/v1beta/models/x:generateContent",
        "/api/chat",
        answers.guess_path({}),
    ):
        facts = answers.read(path, body, {})
        assert facts.usage.input is None
        assert facts.usage.output is None
        answers.billable_units(path, {}, body)


def test_every_module_of_a_format_stands_in_the_table() -> None:
    files = Path(autolog.providers.__file__).parent.glob("*.py")
    assert sorted(path.stem for path in files if not path.stem.startswith("_")) == sorted(MODULES)


def test_every_module_has_a_test_of_its_name() -> None:
    tests = {path.stem.removeprefix("test_") for path in Path(__file__).parent.glob("test_*.py")}
    assert set(MODULES) <= tests


def test_a_name_that_no_module_has_is_refused() -> None:
    with pytest.raises(KeyError):
        format_named("os")


def test_expressions_for_paths_are_in_order() -> None:
    for row in ROWS:
        re.compile(row.paths)


def examples(pattern: Any) -> list[str]:
    """Return texts that match a parsed regular expression: one for each of its alternatives."""
    texts = [""]
    for kind, value in pattern:
        match str(kind):
            case "LITERAL":
                ends = [chr(value)]
            case "BRANCH":
                ends = [text for branch in value[1] for text in examples(branch)]
            case "SUBPATTERN":
                ends = examples(value[3])
            case "MAX_REPEAT":
                ends = examples(value[2]) if value[0] or value[1] == 1 else [""]
                ends += [] if value[0] else [""]
            case "IN" if str(value[0][0]) == "LITERAL":
                ends = [chr(value[0][1])]
            case "IN":
                ends = ["7" if "DIGIT" in str(value[0][1]) else "x"]
            case "AT" | "ASSERT_NOT":
                ends = [""]
            case _:
                ends = ["x"]
        texts = [text + end for text in texts for end in ends]
    return texts


@pytest.mark.parametrize("row", [row for row in ROWS if row.anywhere], ids=lambda row: row.module)
def test_every_path_of_a_call_at_any_host_is_found_by_its_parts(row: Row) -> None:
    paths = [path for path in examples(re._parser.parse(row.paths)) if re.search(row.paths, path)]  # type: ignore[attr-defined]
    assert len(paths) > 5
    assert [path for path in paths if not may_be_call(path)] == []


@pytest.mark.parametrize("row", [row for row in ROWS if row.guessed], ids=lambda row: row.module)
def test_every_guessed_path_is_found_by_its_parts_and_read_by_its_format(row: Row) -> None:
    paths = [path for path in examples(re._parser.parse(row.guessed)) if re.search(row.guessed, path)]  # type: ignore[attr-defined]
    assert paths
    for path in paths:
        assert may_be_call(path)
        ends = "text-generation/generation" if path.endswith("/") else ""
        assert format_named(row.module).billable("POST", path + ends), path


@pytest.mark.parametrize("path", examples(re._parser.parse(LIKELY_PATHS)))  # type: ignore[attr-defined]
def test_paths_that_look_like_calls_are_found_by_their_parts(path: str) -> None:
    assert may_be_call(path)


@pytest.mark.parametrize(
    ("host", "path", "module", "provider"),
    [
        ("api.openai.com", "/v1/responses", "openai", "openai"),
        ("api.anthropic.com", "/v1/deployments/d/run", "anthropic", "anthropic"),
        ("api.anthropic.com", "/v1/chat/completions", "openai", "anthropic"),
        ("x.openai.azure.com", "/openai/deployments/d/chat/completions", "openai", "azure.ai.openai"),
        ("x.services.ai.azure.com", "/models/chat/completions", "openai", "azure.ai.openai"),
        ("x.eastus.models.ai.azure.com", "/chat/completions", "openai", "azure.ai.inference"),
        ("api.anthropic.com", "/v1/messages", "anthropic", "anthropic"),
        ("generativelanguage.googleapis.com", "/v1beta/models/g:generateContent", "gemini", "gcp.gemini"),
        ("generativelanguage.googleapis.com", "/v1beta/openai/chat/completions", "openai", "gcp.gemini"),
        ("us-central1-aiplatform.googleapis.com", "/v1/projects/p/locations/l/publishers/google/models/g:streamGenerateContent", "gemini", "gcp.vertex_ai"),
        ("aiplatform.googleapis.com", "/v1/projects/p/locations/global/endpoints/7:generateContent", "gemini", "gcp.vertex_ai"),
        ("aiplatform.googleapis.com", "/v1/projects/p/locations/l/publishers/anthropic/models/c:rawPredict", "anthropic", "gcp.vertex_ai"),
        ("aiplatform.googleapis.com", "/v1/projects/p/locations/l/publishers/mistralai/models/m:rawPredict", "mistral", "gcp.vertex_ai"),
        ("aiplatform.googleapis.com", "/v1/projects/p/locations/l/endpoints/openapi/chat/completions", "openai", "gcp.vertex_ai"),
        ("bedrock-runtime.us-east-1.amazonaws.com", "/model/amazon.nova-micro-v1:0/converse", "bedrock", "aws.bedrock"),
        ("bedrock-runtime.us-east-1.amazonaws.com", "/model/arn:aws:bedrock:x:1:p/y/invoke", "bedrock", "aws.bedrock"),
        ("bedrock-runtime.us-east-1.amazonaws.com", "/openai/v1/chat/completions", "openai", "aws.bedrock"),
        ("bedrock-mantle.us-east-1.api.aws", "/v1/messages", "anthropic", "aws.bedrock"),
        ("api.mistral.ai", "/v1/chat/completions", "mistral", "mistral_ai"),
        ("api.cohere.com", "/v2/chat", "cohere", "cohere"),
        ("api.cohere.com", "/compatibility/v1/chat/completions", "openai", "cohere"),
        ("localhost:11434", "/api/chat", "ollama", "ollama"),
        ("gpu.internal:11434", "/api/generate", "ollama", "ollama"),
        ("127.0.0.1:11434", "/v1/chat/completions", "openai", "ollama"),
        ("api.voyageai.com", "/v1/embeddings", "voyage", "voyage"),
        ("router.huggingface.co", "/groq/openai/v1/chat/completions", "openai", "huggingface"),
        ("router.huggingface.co", "/hf-inference/models/a/b", "huggingface", "huggingface"),
        ("api.replicate.com", "/v1/predictions", "replicate", "replicate"),
        ("dashscope.aliyuncs.com", "/api/v1/services/aigc/text-generation/generation", "dashscope", "alibaba_cloud"),
        ("dashscope.aliyuncs.com", "/compatible-mode/v1/chat/completions", "openai", "alibaba_cloud"),
        ("api.x.ai", "/v1/chat/completions", "openai", "x_ai"),
        ("api.z.ai", "/api/paas/v4/files/parser/sync", "openai", "zai"),
        ("api.z.ai", "/api/paas/v4/chat/completions", "openai", "zai"),
        ("API.OpenAI.com:443", "/v1/chat/completions", "openai", "openai"),
        ("gateway.internal", "/v1/chat/completions", "openai", None),
        ("gateway.internal", "/anthropic/v1/messages", "anthropic", None),
        ("gateway.internal:8080", "/v1beta/models/g:streamGenerateContent", "gemini", None),
        ("vpce-1.bedrock-runtime.internal", "/model/m/converse-stream", "bedrock", None),
        ("api.jina.ai", "/v1/rerank", "openai", "jina"),
    ],
)  # fmt: skip
def test_a_format_is_chosen_by_host_and_path(host: str, path: str, module: str, provider: str | None) -> None:
    found = format_for(host, path)
    assert found is not None
    assert (found.name, provider_at(host)) == (module, provider)
    assert found.billable("POST", path)


@pytest.mark.parametrize(
    ("sdk", "path", "module"),
    [
        ("fireworks", "/inference/v1/messages", "anthropic"),
        ("fireworks", "/inference/v1/chat/completions", "openai"),
        ("openai", "/v1/brand/new", "openai"),
        ("anthropic", "/v1/messages", "anthropic"),
        ("writer", "/v1/chat", "writer"),
        ("bedrock", "/v1/messages", "bedrock"),
    ],
)
def test_a_call_of_an_sdk_is_read_in_the_format_of_its_path(sdk: str, path: str, module: str) -> None:
    assert format_at(sdk, path).name == module


@pytest.mark.parametrize(
    ("host", "path"),
    [("example.com", "/"), ("example.com", "/api/chat"), ("example.com", "/v1/users"), ("evil-api.openai.com.example", "/x"),
     ("xapi.mistral.ai.example", "/v1/embed"), ("localhost:8000", "/api/generate")],
)  # fmt: skip
def test_other_traffic_is_nobodys(host: str, path: str) -> None:
    assert format_for(host, path) is None


@pytest.mark.parametrize(
    ("host", "method", "path"),
    [("bucket.s3.amazonaws.com", "PUT", "/model/x"), ("bucket.s3.amazonaws.com", "POST", "/upload"),
     ("bedrock-runtime.us-east-1.amazonaws.com", "GET", "/model/m/converse"), ("localhost:11434", "POST", "/api/pull"),
     ("localhost:11434", "GET", "/api/tags"), ("generativelanguage.googleapis.com", "GET", "/v1beta/models"),
     ("generativelanguage.googleapis.com", "POST", "/upload/v1beta/files"), ("api.cohere.com", "POST", "/v1/tokenize"),
     ("api.mistral.ai", "GET", "/v1/models"), ("api.mistral.ai", "POST", "/v1/files"), ("api.voyageai.com", "GET", "/v1/models"),
     ("openrouter.ai", "POST", "/api/v1/keys"), ("openrouter.ai", "POST", "/api/v1/guardrails/g/assignments/keys"),
     ("openrouter.ai", "POST", "/api/v1/generation/feedback"), ("api.together.xyz", "POST", "/v1/compute/clusters"),
     ("api.together.xyz", "POST", "/v1/fine-tunes/estimate-price"), ("api.together.xyz", "POST", "/v1/deployments/secrets"),
     ("api.fireworks.ai", "POST", "/api/v1/telemetry"), ("api.x.ai", "POST", "/v1/tokenize-text"),
     ("api.openai.com", "POST", "/v1/vaults/v/credentials"), ("api.openai.com", "POST", "/v1/webhook_endpoints"),
     ("api.openai.com", "POST", "/v1/agents"), ("api.openai.com", "POST", "/v1/agents/environments/e/files"),
     ("api.anthropic.com", "GET", "/v1/files/f/content"), ("api.anthropic.com", "POST", "/v1/vaults"),
     ("api.writer.com", "GET", "/v1/applications/a/jobs"), ("api.cohere.com", "GET", "/v2/batches"),
     ("api.sagemaker.us-east-1.amazonaws.com", "POST", "/endpoints/e"),
     ("api.replicate.com", "GET", "/v1/models"), ("dashscope.aliyuncs.com", "POST", "/api/v1/uploads")],
)  # fmt: skip
def test_what_is_no_call_to_a_model_is_not_recorded(host: str, method: str, path: str) -> None:
    found = format_for(host, path)
    assert found is None or not found.billable(method, path)


@pytest.mark.parametrize(
    ("request_body", "response_body", "module"),
    [
        ({"messages": []}, {"choices": []}, "openai"),
        ({"messages": []}, {"type": "message", "content": []}, "anthropic"),
        ({"contents": []}, {}, "gemini"),
        ({}, {"candidates": []}, "gemini"),
        ({"messages": [], "inferenceConfig": {}}, {}, "bedrock"),
        ({"messages": []}, {"output": {}, "stopReason": "end_turn"}, "bedrock"),
        ({"message": "Hi", "chat_history": []}, {}, "cohere"),
        ({"messages": []}, {"message": {}, "done": True, "eval_count": 3}, "ollama"),
        ({}, {}, "openai"),
    ],
)  # fmt: skip
def test_bodies_without_an_address_tell_their_format(
    request_body: dict[str, Any], response_body: dict[str, Any], module: str
) -> None:
    assert format_of("", "", request_body, response_body).name == module


def test_a_known_host_goes_before_the_shape_and_the_shape_before_a_path_at_an_unknown_host() -> None:
    shaped = {"type": "message", "content": []}
    assert format_of("api.openai.com", "/v1/chat/completions", {}, shaped).name == "openai"
    assert format_of("gateway.internal", "/v1/chat/completions", {}, shaped).name == "anthropic"
    assert format_of("gateway.internal", "/v1/messages", {}, {}).name == "anthropic"


def test_an_sdk_that_is_patched_is_read_by_the_format_that_it_speaks() -> None:
    assert all(format_named(name) is sdk.format for name, sdk in SDKS.items())
    assert {sdk.speaks for sdk in SDKS.values()} == {"openai", "anthropic", "llama_api", "writer"}


@pytest.mark.parametrize(
    ("speaks", "paths"),
    [
        ("openai", ["/chat/completions", "/responses", "/embeddings", "/openai/v1/chat/completions"]),
        ("anthropic", ["/v1/messages", "/v1/complete"]),
        ("writer", ["/v1/chat", "/v1/completions"]),
        ("llama_api", ["/chat/completions", "/moderations"]),
    ],
)
def test_calls_are_recognised_by_the_path_that_an_sdk_adds_to_its_base_address(speaks: str, paths: list[str]) -> None:
    found = format_named(speaks)
    assert all(found.billable("post", path) for path in paths)
    assert not found.billable("post", "/v1/files")


#: Events of every format, whose values the next test puts in places where they do not belong.
EVENTS: tuple[dict[str, Any], ...] = (
    {"id": "c", "choices": [{"index": 0, "delta": {"content": "a", "tool_calls": [{"index": 0, "id": "t", "function": {"name": "f", "arguments": "{}"}}]}}]},
    {"type": "response.output_text.delta", "output_index": 0, "content_index": 0, "delta": "a"},
    {"type": "response.output_item.added", "item": {"type": "message", "content": [{"type": "output_text", "text": ""}]}},
    {"type": "message_start", "message": {"type": "message", "usage": {"output_tokens": 1}}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "a"}},
    {"candidates": [{"index": 0, "content": {"role": "model", "parts": [{"text": "a", "thought": True}]}}], "usageMetadata": {"promptTokenCount": 1}},
    {"contentBlockIndex": 0, "delta": {"reasoningContent": {"text": "a"}, "toolUse": {"input": "{}"}}},
    {"messageStop": {"stopReason": "end"}, "contentBlockDelta": {"delta": {"text": "a"}}},
    {"index": 0, "outputText": "a", "outputs": [{"text": "a"}]},
    {"type": "content-delta", "index": 0, "delta": {"message": {"content": {"text": "a"}, "tool_calls": {"id": "t"}}}},
    {"message": {"content": "a", "tool_calls": [{"function": {"name": "f"}}]}, "done": True, "eval_count": 3},
    {"token": {"text": "a"}, "details": {"generated_tokens": 3}, "output": {"choices": [{"message": {"content": [{"text": "a"}]}}], "text": "a"}},
    {"type": "message.output.delta", "output_index": 0, "content": [{"type": "text", "text": "a"}]},
)  # fmt: skip
ODD: tuple[Any, ...] = (None, True, -1, 1.5, "", "x", [], {}, [None], [[]], [{}], {"text": None}, {"type": 5}, 2**70)


def muddled(value: Any, chance: random.Random) -> Any:
    """Return a value in which some of what is inside is something else."""
    if chance.random() < 0.15:
        return chance.choice(ODD)
    if isinstance(value, dict):
        return {key: muddled(item, chance) for key, item in value.items() if chance.random() > 0.05}
    return [muddled(item, chance) for item in value] if isinstance(value, list) else value


@pytest.mark.parametrize("module", MODULES)
def test_streams_that_make_no_sense_raise_nothing(module: str) -> None:
    answers, chance = format_named(module), random.Random(module)
    paths = (
        answers.guess_path({}),
        "/v1/chat/completions",
        "/v1/responses",
        "/model/x/invoke-with-response-stream",
        "/model/x/converse-stream",
    )
    for _ in range(300):
        events = [muddled(chance.choice(EVENTS), chance) for _ in range(chance.randint(1, 8))]
        named = [
            Event(chance.choice((None, "contentBlockDelta", "metadata", "messageStart")), event)
            for event in events
            if isinstance(event, dict)
        ]
        for path in paths:
            answers.read(path, answers.assemble(path, named), {})


@pytest.mark.parametrize(
    ("module", "path"),
    [("openai", "/embeddings"), ("openai", "/api/paas/v4/web_search"),
     ("huggingface", "/"), ("huggingface", "/v1/chat/completions"), ("gemini", "/v1/interactions"),
     ("gemini", "/v1beta/models/m:asyncBatchEmbedContent"), ("gemini", "/v1/cachedContents"),
     ("anthropic", "/v1/sessions"), ("sagemaker", "/endpoints/e/invocations")],
)  # fmt: skip
def test_a_host_that_the_user_names_has_all_paths_of_its_format(module: str, path: str) -> None:
    assert CallRules({"llm.internal": module}).reader("POST", "llm.internal", path) is format_named(module)


def test_a_host_that_the_user_names_may_serve_other_things() -> None:
    rules = CallRules({"llm.internal": "openai"})
    for path in ("/", "/orders", "/v1/users", "/search"):
        assert rules.reader("POST", "llm.internal", path) is None
