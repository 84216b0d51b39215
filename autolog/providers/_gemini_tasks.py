"""Recognise work that outlives its call at Gemini and Vertex AI: batches, tuning jobs, files put into search stores.

The formats: https://ai.google.dev/api/batch-api, https://ai.google.dev/api/file-search/file-search-stores and
https://cloud.google.com/vertex-ai/docs/reference/rest/v1/projects.locations.tuningJobs, read 2026-11.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from autolog.providers._facts import BatchResult, Facts, LongRunning, read_error
from autolog.providers._fields import lines, mapping, objects, spelled_count, text

#: The operation of each kind of work, by a pattern of its name.
_NAMES = (
    (r"^batches/[^/:]+$", "batch"),
    (r"/batchPredictionJobs/[^/:]+$", "batch_prediction"),
    (r"(^|/)(tuningJobs/[^/:]+|tunedModels/[^/]+/operations/[^/:]+)$", "fine_tuning"),
    (r"^fileSearchStores/[^/]+/(upload/)?operations/[^/:]+$", "embeddings"),
)
#: The operations of the paths of calls that begin work.
_BEGUN = (
    (r"/batchPredictionJobs$", "batch_prediction"),
    (r"/(tuningJobs|tunedModels)$", "fine_tuning"),
    (r"/fileSearchStores/[^/:]+:(importFile|uploadToFileSearchStore)$", "embeddings"),
    (r"/triggers/[^/]+/executions$", "invoke_agent"),
)
_READ = (
    r"/(batches|batchPredictionJobs|tuningJobs)/[^/:]+$"
    r"|/(fileSearchStores|tunedModels)/[^/]+/(upload/)?operations/[^/:]+$"
)
_ENDED = r"(SUCCEEDED|FAILED|CANCELLED|EXPIRED)$"
#: The billed quantities of a tuning job.
_TRAINED = ("totalBillableTokenCount", "totalBillableCharacterCount")
#: Why work has no cost of its own, or none that can be computed, by its operation.
_UNBILLED = {
    "batch_prediction": "billed with its items, whose results are written to storage that autolog does not see",
    "fine_tuning": "billed by the token trained, for which no price is known",
    "embeddings": "billed by the token embedded, which the response does not report",
    "invoke_agent": "billed with the interaction that it begins",
}


def operation_of(path: str) -> str | None:
    """Return the operation that a call to a path begins or reads; None if it is no such work."""
    operation = next((kind for pattern, kind in _BEGUN if re.search(pattern, path)), None)
    if operation or not re.search(_READ, path):
        return operation
    name = re.sub(r"^.*?/v\d+[a-z]*\d*/", "", path)
    return next((kind for pattern, kind in _NAMES if re.search(pattern, name)), None)


def begins(path: str) -> bool:
    """Return whether a POST to a path begins work."""
    return any(re.search(pattern, path) for pattern, _ in _BEGUN)


def reads(path: str) -> bool:
    """Return whether a GET of a path reads the state of work."""
    return re.search(_READ, path) is not None


def unbilled_reason(path: str) -> str | None:
    """Return why the cost of work at a path cannot be computed; None if it can, or if the path is of no work."""
    return _UNBILLED.get(operation_of(path) or "")


def is_task(body: dict[str, Any]) -> bool:
    """Return whether a response describes work, by the name of the work."""
    return _kind(body) is not None


def _kind(body: dict[str, Any]) -> str | None:
    name = text(body.get("name")) or ""
    return next((kind for pattern, kind in _NAMES if re.search(pattern, name)), None)


def read_task(facts: Facts, body: dict[str, Any]) -> None:
    """Fill in the facts in the state of work."""
    kind, name, metadata = _kind(body), str(body.get("name")), mapping(body.get("metadata"))
    state = text(body.get("state")) or text(metadata.get("state")) or ""
    final = body.get("done") is True or re.search(_ENDED, state) is not None
    facts.id, facts.operation = name, kind
    facts.model = _model_in(body) or text(body.get("baseModel")) or facts.model
    facts.long_running = LongRunning(f"{'batch' if kind == 'batch' else 'task'}:{name}", str(kind), final)
    facts.finish_reasons = [state] if final and state else None
    trained = mapping(mapping(body.get("tuningDataStats")).get("supervisedTuningDataStats"))
    facts.raw_usage = {key: spelled_count(trained[key]) for key in _TRAINED if key in trained} or None


def batch_results(holder: str | None, body: bytes, whole: dict[str, Any]) -> Iterator[BatchResult]:
    """Yield the responses of a batch, from the batch object itself (`whole`) or from the lines of its file.

    The format: https://ai.google.dev/gemini-api/docs/batch-api, read 2026-11.
    """
    for number, item in enumerate(_inline(whole) or [line for line in lines(body) if "key" in line]):
        answer, error = mapping(item.get("response")), mapping(item.get("error"))
        key = text(item.get("key")) or text(mapping(item.get("metadata")).get("key"))
        if answer or error:
            verb = "embedContent" if "embedding" in answer else "generateContent"
            model = answer.get("modelVersion") or _model_in(whole)
            yield BatchResult(
                key=f"{holder}:{key or number}",
                custom_id=key,
                path=f"/v1beta/models/{model}:{verb}",
                answer=answer,
                error=read_error({"error": error}) if error else None,
            )


def _inline(batch: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the responses in a batch object, in its `response` or its metadata's `output`."""
    for output in (mapping(batch.get("response")), mapping(mapping(batch.get("metadata")).get("output"))):
        for key in ("inlinedResponses", "inlinedEmbedContentResponses"):
            if items := objects(mapping(output.get(key)).get("inlinedResponses")):
                return items
    return []


def _model_in(body: dict[str, Any]) -> str | None:
    return (text(mapping(body.get("metadata")).get("model")) or "").removeprefix("models/") or None


def embedded_tokens(body: dict[str, Any]) -> int | None:
    """Return the tokens of an embedding in a batch, which may be given as text; None if they are not given."""
    return spelled_count(body.get("tokenCount"))
