"""Gemini's and Vertex AI's work that outlives its call: batches, tuning jobs, files in search stores."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

import autolog
from autolog.providers import format_for, format_named
from autolog.testing import Records

gemini = format_named("gemini")
GOOGLE = "generativelanguage.googleapis.com"
PLACE = "/v1beta1/projects/p/locations/us-central1"
STORE, JOB = "fileSearchStores/s", "projects/p/locations/l/tuningJobs/7"


@pytest.mark.parametrize("version", ["v1", "v1beta", "v1alpha"])
@pytest.mark.parametrize(
    ("method", "path", "operation"),
    [("POST", f"/{STORE}:importFile", "embeddings"), ("GET", f"/{STORE}/operations/o", "embeddings"),
     ("GET", f"/{STORE}/upload/operations/o", "embeddings"), ("POST", "/tunedModels", "fine_tuning"),
     ("POST", "/triggers/t/executions", "invoke_agent"), ("POST", "/decisions", "decision"),
     ("POST", "/interactions", "chat"), ("GET", "/batches/b", "batch"), ("GET", "/files/f:download", "files/f:download"),
     ("POST", "/models/m:batchGenerateContent", "batch"), ("POST", "/models/m:asyncBatchEmbedContent", "batch"),
     ("POST", "/cachedContents", "create_cache"), ("POST", "/voices", "create_voice")],
)  # fmt: skip
def test_every_version_of_the_api_has_the_same_calls(version: str, method: str, path: str, operation: str) -> None:
    path = f"/{version}{path}"
    assert format_for(GOOGLE, path) is gemini
    assert gemini.billable(method, path)
    assert gemini.operation(path) == operation


@pytest.mark.parametrize(
    ("method", "path", "operation"),
    [("POST", f"{PLACE}/tuningJobs", "fine_tuning"), ("GET", f"{PLACE}/tuningJobs/7", "fine_tuning"),
     ("POST", f"{PLACE}/batchPredictionJobs", "batch_prediction"),
     ("GET", f"{PLACE}/batchPredictionJobs/7", "batch_prediction")],
)  # fmt: skip
def test_the_jobs_of_vertex_ai(method: str, path: str, operation: str) -> None:
    assert format_for("us-central1-aiplatform.googleapis.com", path) is gemini
    assert gemini.billable(method, path)
    assert gemini.operation(path) == operation
    assert gemini.unbilled_reason(path)


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "/v1/fileSearchStores"), ("GET", f"/v1/{STORE}"), ("DELETE", "/v1/batches/b"), ("GET", "/v1/files/f"),
     ("POST", "/v1/batches/b:cancel"), ("POST", "/v1/triggers"), ("POST", "/upload/v1beta/files")],
)  # fmt: skip
def test_management_is_not_recorded(method: str, path: str) -> None:
    assert not gemini.billable(method, path)


@pytest.mark.parametrize(
    ("body", "final"),
    [({"name": f"{STORE}/operations/o"}, False), ({"name": f"{STORE}/upload/operations/o", "done": True}, True),
     ({"name": JOB, "state": "JOB_STATE_RUNNING"}, False), ({"name": JOB, "state": "JOB_STATE_SUCCEEDED"}, True),
     ({"name": "batches/b", "metadata": {"state": "BATCH_STATE_PENDING"}}, False),
     ({"name": "batches/b", "metadata": {"state": "BATCH_STATE_EXPIRED"}}, True)],
)  # fmt: skip
def test_work_is_over_when_it_is_done_or_its_state_is_final(body: dict[str, Any], final: bool) -> None:
    found = gemini.read("/v1/x", body, {}).long_running
    assert found is not None
    assert found.final is final


def serve(replies: dict[str, Any]) -> httpx.Client:
    """Return a client whose requests are answered by the end of their path, with a body or with body and headers."""

    def answer(request: httpx.Request) -> httpx.Response:
        reply = next(reply for end, reply in replies.items() if request.url.path.endswith(end))
        body, headers = reply(request) if callable(reply) else (reply, {})
        return httpx.Response(200, json=body, headers=headers)

    autolog.patch()
    return httpx.Client(transport=httpx.MockTransport(answer), base_url=f"https://{GOOGLE}")


def test_a_batch_with_its_results_completes_its_own_record(records: Records) -> None:
    usage = {"promptTokenCount": 1000, "candidatesTokenCount": 100, "totalTokenCount": 1100}
    items = [{"response": {"modelVersion": "gemini-2.5-flash", "candidates": [], "usageMetadata": usage}}]
    metadata = {"state": "BATCH_STATE_SUCCEEDED", "model": "models/gemini-2.5-flash",
                "output": {"inlinedResponses": {"inlinedResponses": items}}}  # fmt: skip
    http = serve(
        {":batchGenerateContent": {"name": "batches/7"}, "/batches/7": {"name": "batches/7", "metadata": metadata}}
    )
    http.post("/v1/models/gemini-2.5-flash:batchGenerateContent", json={"batch": {}})
    for _ in range(2):
        http.get("/v1/batches/7")
    batch, item = sorted(records, key=lambda record: record.operation_name != "batch")
    assert batch.response_finish_reasons == ["BATCH_STATE_SUCCEEDED"]
    assert (batch.response_model, batch.cost, item.usage_input_tokens) == ("gemini-2.5-flash", None, 1000)
    assert (item.parent_span_id, item.trace_id) == (batch.span_id, batch.trace_id)


def test_a_batch_of_embeddings_counts_the_tokens_of_each(records: Records) -> None:
    items = [{"response": {"embedding": {"values": [0.5]}, "tokenCount": "7"}}]
    metadata = {"model": "models/gemini-embedding-001",
                "output": {"inlinedEmbedContentResponses": {"inlinedResponses": items}}}  # fmt: skip
    serve({"/batches/8": {"name": "batches/8", "done": True, "metadata": metadata}}).get("/v1/batches/8")
    _, item = sorted(records, key=lambda record: record.operation_name != "batch")
    assert (item.operation_name, item.request_model, item.usage_input_tokens) == (
        "embeddings",
        "gemini-embedding-001",
        7,
    )
    assert item.cost


def test_an_upload_to_a_search_store_is_one_record(records: Records) -> None:
    def upload(request: httpx.Request) -> tuple[Any, dict[str, str]]:
        ends = "finalize" in request.headers["x-goog-upload-command"]
        answer = {"name": f"{STORE}/upload/operations/o"} if ends else {}
        return answer, {"X-Goog-Upload-Status": "final" if ends else "active"}

    http = serve({
        ":uploadToFileSearchStore": upload,
        "/operations/o": {"name": f"{STORE}/upload/operations/o", "done": True, "response": {"documentName": "d"}},
    })  # fmt: skip
    for command in ("start", "upload", "upload, finalize"):
        http.post(
            f"/upload/v1/{STORE}:uploadToFileSearchStore", headers={"X-Goog-Upload-Command": command}, content=b"x"
        )
    http.get(f"/v1/{STORE}/upload/operations/o")
    (record,) = records
    assert (record.operation_name, record.cost) == ("embeddings", None)
    assert "token embedded" in str(record.cost_details)


def test_a_tuning_job_keeps_the_quantities_that_are_billed() -> None:
    trained = {"totalBillableTokenCount": "5000", "totalTruncatedExampleCount": "1"}
    body = {"name": JOB, "state": "JOB_STATE_SUCCEEDED", "baseModel": "gemini-2.5-flash",
            "tuningDataStats": {"supervisedTuningDataStats": trained}}  # fmt: skip
    facts = gemini.read(f"{PLACE}/tuningJobs/7", body, {})
    assert (facts.model, facts.raw_usage) == ("gemini-2.5-flash", {"totalBillableTokenCount": 5000})
