"""Langfuse's traces, observations and scores: from its API, its pages (JSON, CSV) and its blob storage export.

Sources: https://langfuse.com/docs/api-and-data-platform/features/export-to-blob-storage (rows of its tables, in snake
case) and https://api.reference.langfuse.com (in camel case; a trace with its observations and scores).
"""

from __future__ import annotations

import re

from autolog._record.record import Record
from autolog.dialects._chat import parsed
from autolog.dialects._fault import Fault, Json
from autolog.dialects.exports._rows import dollars, figure, instant, keep_cost, object_of, require_id, texts, whole
from autolog.dialects.langfuse import decode_score, decode_thing
from autolog.providers._fields import mapping, objects, text

#: Columns with another name in the API.
_RENAMED = {"providedModelName": "model", "modelName": "model"}
_TIMES = ("timestamp", "startTime", "endTime", "completionStartTime")
_KEPT = {"id", "traceId", "type", "name", "model", "parentObservationId", "userId", "sessionId", "level", "promptName",
         "statusMessage", "version", "release", "promptVersion", "environment"}  # fmt: skip


def matches(row: Json) -> bool:
    keys = {_camel(key) for key in row}
    is_observation = {"id", "traceId", "type"} <= keys and bool({"startTime", "parentObservationId"} & keys)
    is_trace = {"id", "timestamp"} <= keys and bool({"sessionId", "userId", "observations"} & keys)
    is_score = {"name", "value"} <= keys and {"dataType", "source"} & keys and {"traceId", "subject"} & keys
    return bool(is_observation or is_trace or is_score)


def decode(row: Json) -> list[Record]:
    known = {_RENAMED.get(_camel(key), _camel(key)): value for key, value in row.items()}
    if "dataType" in known or ("value" in known and "source" in known):
        return [_score(known)]
    if "startTime" in known:
        return [_observation(known, None)]
    if "timestamp" not in known:
        raise Fault(400, "is neither a trace, an observation nor a score")
    trace = decode_thing({**_fields(known), "type": "trace"})
    trace.extra["export"] = "langfuse"
    inside = [
        _observation({_RENAMED.get(key, key): value for key, value in item.items()}, trace)
        for item in objects(parsed(known.get("observations")))
    ]
    scores = [_score(item) for item in objects(parsed(known.get("scores")))]
    return [trace, *inside, *scores]


def _camel(key: str) -> str:
    """Return a column's name in the API's camel case."""
    return re.sub(r"[_ ]([a-z])", lambda found: found[1].upper(), key[:1].lower() + key[1:])


def _fields(row: Json) -> Json:
    fields: Json = {key: value for key, value in row.items() if key in _KEPT and value not in (None, "")}
    fields |= {key: at.isoformat() for key in _TIMES if (at := instant(row.get(key), key))}
    fields |= {
        key: value for key in ("input", "output", "metadata") if (value := parsed(row.get(key))) not in (None, "")
    }
    fields["id"], fields["tags"] = require_id(row, "id"), texts(row.get("tags"))
    return fields


def _observation(row: Json, trace: Record | None) -> Record:
    """Return an observation, priced by its usage; the reported figure is the one that Langfuse computed."""
    observation = _fields(row)
    observation["type"] = str(row.get("type") or "span").lower()
    observation["modelParameters"] = object_of(row.get("modelParameters"))
    usage = object_of(row.get("usageDetails")) or object_of(row.get("usage"))
    observation["usageDetails"] = {key: whole(value) for key, value in usage.items() if whole(value) is not None}
    if trace is not None:
        observation.setdefault("traceId", trace.id)
    record = decode_thing(observation)
    record.extra["export"] = "langfuse"
    if row.get("isRootObservation") is True:  # the export consists of observations, without traces above them
        record.parent_span_id = None
    if trace is not None:
        record.user, record.session = record.user or trace.user, record.session or trace.session
    costs = object_of(row.get("costDetails"))
    total = costs.get("total", row.get("totalCost", row.get("calculatedTotalCost")))
    keep_cost(record, dollars(total))
    return record


def _score(row: Json) -> Record:
    known = dict(row)
    number = figure(known.get("value"))
    known["value"] = (text(known.get("stringValue")) or text(known.get("value"))) if number is None else number
    subject = mapping(known.get("subject"))
    if subject:
        known |= {"traceId": subject.get("traceId", subject.get("id"))}
        known |= {"observationId": subject["id"]} if subject.get("kind") == "observation" else {}
    record = decode_score(known, lambda _: None)
    trace_id, observation = text(known.get("traceId")), text(known.get("observationId"))
    record.id = observation or trace_id or record.id
    record.created_at = instant(row.get("timestamp"), "timestamp")
    if observation is None:
        record.kind, record.trace_id, record.span_id = "chain", trace_id, trace_id
    return record
