"""PromptLayer: requests, the tracker of wrapped clients, enrichment, spans, prompt templates, and reading."""

from __future__ import annotations

import functools
import re
from time import time_ns
from typing import Any

import pydantic

from autolog._record.record import Record
from autolog.dialects import promptlayer as dialect
from autolog.dialects._fault import Fault, Json
from autolog.dialects._schema import validate
from autolog.server._call import Call, Reply, Route
from autolog.server._reading import json_object, read_whole
from autolog.server._writer import RecordWrite
from autolog.stores._contract import Store
from autolog.stores.query import Condition, Query

MAX_PER_PAGE = 25


def log_request(call: Call) -> RecordWrite:
    record = dialect.decode_log_request(call.object())
    return call.keep([record], lambda places: Reply(201, dialect.encode_logged(record, places[0])))


def track_request(call: Call) -> RecordWrite:
    record = dialect.decode_track_request(call.object())
    return call.keep([record], lambda places: Reply(200, dialect.encode_tracked(record, places[0])))


def _find(store: Store, project: str, request_id: str) -> Record | None:
    """Return a request by its number or its text id; None if there is none."""
    if re.fullmatch(r"\d{1,18}", request_id):
        records = store.find(Query({"project": project, "seq": int(request_id)}), 1, bodies=True)
        return records[0] if records else None
    return store.get(request_id, project)


def track(model: type[Any], call: Call) -> Reply:
    request_id, change = dialect.decode_track(model, call.object())

    def apply(store: Store) -> Record | None:
        record = _find(store, call.project, request_id)
        return None if record is None else store.update(record.id, call.project, change)

    if call.write(apply) is None:
        raise Fault(404, "there is no request with this id")
    return Reply(200, {"success": True, "message": "saved"})


def create_group(call: Call) -> Reply:  # noqa: ARG001 - every handler takes a call
    """Create a group; a group is only a number, so any new one will do."""
    return Reply(200, {"success": True, "id": time_ns() // 1000 % dialect.MAX_ID})


def get_template(call: Call) -> Reply:
    """Return the prompt of a name as it was last logged, since there is no registry of prompts.

    Raises:
        Fault: 404, if no such prompt has been logged.
    """
    name = call.path["name"]
    condition = Condition("prompt_name", "eq", (name,))
    records = call.store.find(Query({"project": call.project}, conditions=(condition,)), 1, bodies=True)
    if not records:
        raise Fault(404, f"no prompt called {name[:100]!r} has been logged")
    record = records[0]
    version = record.prompt_version or ""
    blueprint = dialect.encode_blueprint(record)
    return Reply(
        200,
        {
            "id": record.seq,
            "prompt_name": name,
            "version": int(version) if re.fullmatch("[0-9]{1,9}", version) else 1,
            **blueprint,
            "commit_message": None,
            "llm_kwargs": {"model": record.request_model, **(record.request_meta.get("parameters") or {})},
        },
    )


def get_request(call: Call) -> Reply:
    record = _find(call.store, call.project, call.path["id"])
    if record is None:
        raise Fault(404, "there is no request with this id")
    return Reply(200, {"success": True, **dialect.encode_request_row(record)})


class Search(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(strict=True, extra="allow")

    filter_group: Json | None = None
    q: str | None = None
    sort_by: str | None = None
    sort_order: str | None = None
    page: int = pydantic.Field(default=1, ge=1, le=10**6)
    per_page: int = pydantic.Field(default=10, ge=1, le=MAX_PER_PAGE)


_SORTS = {
    "request_start_time": "created_at", "created_at": "created_at", "id": "seq", "request_id": "seq", "price": "cost",
    "cost": "cost", "input_tokens": "tokens_in", "output_tokens": "tokens_out", "tokens": "tokens",
    "latency": "duration", "latency_ms": "duration", "model": "model", "engine": "model", "provider": "provider",
    "provider_type": "provider", "status": "status", "prompt_name": "prompt_name", "score": "score",
    "trace_id": "trace_id", "name": "name", "function_name": "name",
}  # fmt: skip
_OPERATORS = {
    "is": "eq", "eq": "eq", "equals": "eq", "is_not": "neq", "neq": "neq", "contains": "contains", "in": "eq",
    "gt": "gt", "lt": "lt", "gte": "ge", "lte": "le", "not_in": "neq",
}  # fmt: skip


def search_requests(call: Call) -> Reply:
    search = validate(Search, call.object())
    sort = search.sort_by or "request_start_time"
    if sort not in _SORTS or search.sort_order not in {None, "asc", "desc"}:
        raise Fault(400, f"sort_by is one of {', '.join(_SORTS)}; sort_order is asc or desc")
    query = Query({"project": call.project}, text=search.q or None, conditions=_conditions(search.filter_group))
    total = call.store.count(query)
    offset = (search.page - 1) * search.per_page
    found = read_whole(call.store, query, search.per_page, offset, search.sort_order != "asc", _SORTS[sort])
    pages = -(-total // search.per_page)
    rows = json_object(
        "items",
        map(dialect.encode_request_row, found),
        {
            "success": True,
            "page": search.page,
            "pages": pages,
            "per_page": search.per_page,
            "total": total,
            "has_next": search.page < pages,
            "has_prev": search.page > 1,
            "next_num": search.page + 1 if search.page < pages else None,
            "prev_num": search.page - 1 if search.page > 1 else None,
        },
    )
    return Reply(200, rows)


def _conditions(group: Json | None) -> tuple[Condition, ...]:
    """Return the conditions of a group of filters joined by AND.

    Raises:
        Fault: 400, if the group is nested, joined by OR, or has an invalid filter.
    """
    if not group:
        return ()
    filters = group.get("filters", [])
    if str(group.get("logic", "AND")).upper() != "AND" or not isinstance(filters, list):
        raise Fault(400, "filter_group: only a flat list of filters joined by AND is supported")
    conditions = []
    for item in filters:
        field = _SORTS.get(str(item.get("field"))) if isinstance(item, dict) else None
        operator = _OPERATORS.get(str(item.get("operator"))) if isinstance(item, dict) else None
        if field is None or operator is None:
            raise Fault(400, "filter_group: a filter has field, operator and value")
        value = item.get("value")
        values = value if isinstance(value, list) else [value]
        if not all(isinstance(candidate, (str, int, float)) for candidate in values):
            raise Fault(400, "filter_group: values are texts and numbers")
        conditions.append(Condition(field, operator, tuple(values)))
    return tuple(conditions)


def spans_bulk(call: Call) -> RecordWrite:
    decoded = dialect.decode_spans(call.object(), call.batch_items)
    flat = [record for pair in decoded for record in pair if record is not None]

    def answer(found: list[int]) -> Reply:
        places = dict(zip((record.id for record in flat), found, strict=True))
        spans = [{"id": places[span.id], "name": span.name, "span_id": span.span_id} for span, _ in decoded]
        logs = [{"id": places[log.id], "span_id": span.span_id} for span, log in decoded if log is not None]
        return Reply(201, {"success": True, "spans": spans, "request_logs": logs})

    return call.keep(flat, answer)


_TRACKS: dict[str, type[pydantic.BaseModel]] = {
    "metadata": dialect.TrackMetadata, "score": dialect.TrackScore, "prompt": dialect.TrackPrompt,
    "group": dialect.TrackGroup,
}  # fmt: skip

ROUTES = [
    Route("POST", "/log-request", log_request, dialect, "PromptLayer: log a request", ok=(201,), keeps=True,
          decodes=True, model=dialect.LogRequest),
    Route("POST", "/track-request", track_request, dialect, "PromptLayer: requests of wrapped clients", keeps=True,
          decodes=True, model=dialect.TrackRequest, key_in_body=True),
    *(
        Route("POST", path, functools.partial(track, model), dialect, f"PromptLayer: track {word}", model=model,
              key_in_body=True)
        for word, model in _TRACKS.items()
        for path in (f"/rest/track-{word}", "/track-group" if word == "group" else f"/library-track-{word}")
    ),
    Route("POST", "/create-group", create_group, dialect, "PromptLayer: a new group", key_in_body=True),
    Route("POST", "/prompt-templates/{name:path}", get_template, dialect, "PromptLayer: a prompt as last logged",
          "read"),
    Route("GET", "/api/public/v2/requests/{id}", get_request, dialect, "PromptLayer: one request", "read"),
    Route("POST", "/api/public/v2/requests/search", search_requests, dialect, "PromptLayer: search requests", "read",
          model=Search),
    Route("POST", "/spans-bulk", spans_bulk, dialect, "PromptLayer: spans and the requests in them", ok=(201,),
          model=dialect.SpansBulk, keeps=True),
]  # fmt: skip
